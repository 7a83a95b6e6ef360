"""What a run of train.py starts from: its saved state, its films, those that choose its best epoch, and its config."""

import argparse
import time
from dataclasses import fields, replace
from pathlib import Path

import numpy as np

from checkpoint import load_checkpoint, newest_checkpoint
from config import SAYS_NOTHING_WITHOUT, TRAITS_NEEDED, Config, UserError, config_from_json
from files import remove_leftovers
from films import Film, films_fingerprint, has_split, scan_split
from opinions import fingerprint
from partition import split_folds
from processes import Processes
from schedule import has_horizon
from settings import flag_of
from twins import training_films

CHANGEABLE = ("epochs", "patience")  # settings that a resumed run may change
# Which models use these arguments of a run, by `Config.traits`. Folders that stay empty (--cache, --logs) are not here,
# nor is --no-valid, which cvm keeps to anyway.
ARGUMENT_TRAITS = {
    "needs": ("cvm",), "unseen": ("cvm",), "also": ("vertebrae",), "pseudo": ("vertebrae",),
    "init_from": ("backbone",), "opinions": ("points",), "compile": ("network",), "workers": ("network",),
    "new_schedule": ("network",), "folds": ("network",), "fold": ("network",),
}  # fmt: skip


def check_flags(options: argparse.Namespace, config: Config) -> None:
    """Refuses flags that would be passed over in silence: someone who gives them expects another model.

    Turning off what the model does not have, as by --no-pretrained, asks for what is the case, and may stand.
    """
    needed = {each.name: TRAITS_NEEDED.get(each.name, ("network",)) for each in fields(Config)}  # given or not there
    given = [name for name in needed if getattr(options, name, False) is not False]
    given += [name for name in ARGUMENT_TRAITS if getattr(options, name) not in (None, [], False)]
    unused = []
    for name in given:
        other, value = SAYS_NOTHING_WITHOUT.get(name, ("model", config.model))
        if not set((needed | ARGUMENT_TRAITS)[name]) <= config.traits:
            unused.append(flag_of(name))
        elif getattr(config, other) != value:
            unused.append(f"{flag_of(name)} without {flag_of(other)}" + ("" if value is True else f" {value}"))
    if unused:
        mend = "leave it out" if len(unused) == 1 else "leave them out"
        raise UserError(f"--model {config.model} does not use {', '.join(unused)}; {mend}.")


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


def check_same_films(films: list[Film], processes: Processes) -> None:
    """Refuses to train when this machine's training films are not those of the main process."""
    if processes.share(films_fingerprint(films)) != films_fingerprint(films):
        raise UserError("This machine's training films are not those of the first one; copy the same data set here.")


def data_roots(options: argparse.Namespace) -> list[Path]:
    """All data sets to train on."""
    return [options.dataset, *options.also]


def choose_films(options: argparse.Namespace, say_so: bool = True) -> tuple[list[Film], list[Film] | None]:
    """The films to learn from, and those to judge by (None with --no-valid)."""
    train_films, twins = [], []
    for root in data_roots(options):
        kept, left_out = training_films(root)
        train_films, twins = train_films + kept, twins + left_out
    if twins and say_so:
        names = ", ".join(film.film_id for film in twins)
        print(f"Left out of training, since the same picture is in valid or test: {names}.")
    if not train_films:
        raise UserError(f"Each training film of {options.dataset} is also in valid or test; remove one of each.")
    if options.no_valid:
        return train_films, None
    if options.folds:
        if options.folds > len(train_films):
            raise UserError(f"--folds {options.folds} is more than the {len(train_films)} films; use fewer.")
        folds = split_folds(train_films, options.folds, seed=0)
        return [film for fold in folds if fold is not folds[options.fold] for film in fold], folds[options.fold]
    held_out = [film for root in data_roots(options) if has_split(root, "valid") for film in scan_split(root, "valid")]
    if not held_out:
        raise UserError(
            f"{options.dataset} has no valid split; make one with `python split_dataset.py --dataset "
            f"{options.dataset}`, "
            "or use --folds 5 --fold 0, or --no-valid."
        )
    return train_films, held_out


def check_held_out(config: Config, held_out: list[Film] | None) -> None:
    """Refuses validation films without anything that the best epoch could be chosen by."""
    if held_out is None:
        return
    expert_points = any((~np.isnan(film.truth_px()).any(axis=1) & ~film.by_reader).any() for film in held_out)
    stages = any(film.stage is not None for film in held_out)
    necks = config.finds_vertebrae and bool(held_out)
    if not necks and not (config.finds_landmarks and expert_points) and not (config.names_stage and stages):
        raise UserError(
            f"The films to validate on have no labels of what {config.model} predicts; use others or --no-valid."
        )


def resumed_config(options: argparse.Namespace, state: dict, films: list[Film], held_out: list[Film] | None) -> Config:
    """The saved run's config, with the few settings that may change.

    Raises:
        UserError: a flag contradicts the run, its films are others, or more epochs need --new-schedule.
    """
    config = config_from_json(state["config"])
    check_same_settings(options, config)
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


def check_same_settings(options: argparse.Namespace, config: Config) -> None:
    """Refuses flags that contradict the settings that a run was begun with."""
    for name in vars(config):
        if not hasattr(options, name) or name in CHANGEABLE:
            continue
        if getattr(options, name) != getattr(config, name):
            raise UserError(
                f"{flag_of(name)} is {getattr(options, name)}, but this run was begun with {getattr(config, name)}; "
                "leave it out, name another --run, or begin again with --restart."
            )


def held_out_fingerprint(held_out: list[Film] | None) -> str | None:
    """Changes with the films that choose the best epoch; None where the last epoch is kept."""
    return None if held_out is None else films_fingerprint(held_out)
