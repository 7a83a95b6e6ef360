"""What a run of train.py starts from: its saved state, and its config as the flags may change it."""

import argparse
import time
from dataclasses import replace
from pathlib import Path

from checkpoint import load_checkpoint, newest_checkpoint
from config import Config, UserError, config_from_json
from files import remove_leftovers
from films import Film, films_fingerprint
from opinions import fingerprint
from processes import Processes
from run_films import held_out_fingerprint
from schedule import has_horizon

CHANGEABLE = ("epochs", "patience")  # settings that a resumed run may change


def open_run(run: Path, restart: bool, processes: Processes) -> dict | None:
    """The state from which the run goes on, or None for a new one; --restart puts an existing run aside first.

    The main process alone looks: the other machines need not see its disk.
    """
    state = None
    if processes.is_main:
        if restart and run.exists():
            aside = run.with_name(f"{run.name}.{time.strftime('%Y%m%d_%H%M%S')}")
            run.rename(aside)
            print(f"The former run lies in {aside}.")
        remove_leftovers(run)
        path = newest_checkpoint(run)
        state = load_checkpoint(path) if path is not None else None
    return processes.share(state)


def resumed_config(options: argparse.Namespace, state: dict, films: list[Film], held_out: list[Film] | None) -> Config:
    """The saved run's config, with the few settings that may change.

    Raises:
        UserError: a flag contradicts the run, its films are others, or more epochs need --new-schedule.
    """
    config = config_from_json(state["config"])
    for name in vars(config):
        if not hasattr(options, name) or name in CHANGEABLE:
            continue
        if getattr(options, name) != getattr(config, name):
            flag = "--" + name.replace("_", "-")
            raise UserError(
                f"{flag} is {getattr(options, name)}, but this run was begun with {getattr(config, name)}; "
                "leave it out, name another --run, or begin again with --restart."
            )
    if state["facts"].get("films") != films_fingerprint(films):
        raise UserError(
            "This run was begun with other training films; name another --run or begin again with --restart."
        )
    if state["facts"].get("held_out") != held_out_fingerprint(held_out):
        raise UserError(
            "This run's best epoch is chosen by other films (valid, a fold or none); give the flags it was begun with, "
            "name another --run, or begin again with --restart."
        )
    if state["facts"].get("opinions") != fingerprint(options.opinions):
        raise UserError(
            "This run was begun with other --opinions or none; give the same file, or begin again with --restart."
        )
    changes = {name: getattr(options, name) for name in CHANGEABLE if hasattr(options, name)}
    if has_horizon(config) and changes.get("epochs", config.epochs) != config.epochs and not options.new_schedule:
        raise UserError(
            f"--epochs {changes['epochs']} would change the {config.schedule} schedule that was planned for "
            f"{config.epochs}; "
            "add --new-schedule if that is what you want."
        )
    return replace(config, **changes)
