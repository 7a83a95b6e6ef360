"""Trains a model, or goes on with a run: `python train.py [--model NAME] [--dataset DIR]`.

A run's folder is `checkpoints/<model>` unless --run names another. The same command starts a run, resumes it after any
interruption, and leaves a finished one alone. Several cards: `torchrun --nproc-per-node 2 -- train.py ...`.
"""

import argparse
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import torch

import hub
from backbone import CephModel, transfer_backbone
from cache import FilmCache
from cervical import STAGE_NAME, VERTEBRAE_NAME
from checkpoint import BEST_NAME, load_weights
from config import RECIPES, Config, UserError
from dataset import EpochPlan, FilmDataset, default_workers, describe_data
from films import Film, films_fingerprint, impossible_points
from flags import DEFAULT_CACHE, DEFAULT_DATASET, DEFAULT_OUTPUT, add_config_flags, config_from_flags
from inference import pick_device
from interruption import EXIT_INTERRUPTED, STOPPED, hearing_stops
from memory import keep_freed_memory
from model import build_model, parameter_count
from neck import label_necks, labels_folder, with_vertebrae
from neck_dataset import NeckDataset, neck_facts, with_neck_shape
from opinions import fingerprint, with_opinions
from processes import Processes, join_processes, leave_processes
from run_setup import (
    check_flags,
    check_held_out,
    check_same_films,
    choose_films,
    data_roots,
    held_out_fingerprint,
    open_run,
    resumed_config,
)
from stage_run import train_stages
from trainer import Interrupted, Trainer
from training_log import TrainingLog, describe_row, new_log_path


def make_parser() -> argparse.ArgumentParser:
    """The command line: arguments of the run, then every setting of the model."""
    models = "\n".join(f"  {name:14}{recipe.summary}" for name, recipe in RECIPES.items())
    parser = argparse.ArgumentParser(
        description="Trains a model, or goes on with its run.",
        epilog=f"models:\n{models}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument_group("this run").add_argument
    add("--dataset", type=Path, default=Path(DEFAULT_DATASET), help="data set in Aariz's layout (default: %(default)s)")
    add("--output", type=Path, default=Path(DEFAULT_OUTPUT), help="folder of all runs (default: %(default)s)")
    add(
        "--also", type=Path, action="append", default=[], metavar="DIR",
        help="a further data set to train and judge `vertebrae` on together; may be given again",
    )  # fmt: skip
    add(
        "--pseudo", type=Path, action="append", default=[], metavar="DIR",
        help="LabelMe files that a model wrote for training films without labels (label_vertebrae.py)",
    )  # fmt: skip
    add("--needs", type=Path, metavar="FILE", help="the vertebrae weights that cvm learns from and will be used with")
    add(
        "--unseen", type=Path, action="append", default=[], metavar="FILE",
        help="further vertebrae weights, of folds: cvm finds each neck by one that its labels did not teach",
    )  # fmt: skip
    add("--run", help="name of this run's folder there (default: the model's name)")
    add("--logs", type=Path, default=Path("logs"), help="folder of the CSV logs (default: %(default)s)")
    add("--cache", type=Path, default=Path(DEFAULT_CACHE), help="folder of prepared films (default: %(default)s)")
    add("--device", choices=("auto", "cpu", "cuda"), default="auto", help="where to train (default: %(default)s)")
    add("--workers", type=int, help="processes that prepare films (default: 0 on a CPU, up to 8 on a card)")
    add("--threads", type=int, help="CPU threads (default: all cores)")
    add("--compile", action="store_true", help="compile the model first (faster on cards, slow to start)")
    add("--init-from", type=Path, metavar="FILE", help="start the backbone from another model's weights")
    add("--folds", type=int, metavar="K", help="cut train into K folds and judge on one instead of valid")
    add("--fold", type=int, default=0, metavar="I", help="which fold to judge on, from 0 (default: %(default)s)")
    add("--no-valid", action="store_true", help="train on all of train and keep the last weights")
    add("--opinions", type=Path, metavar="FILE", help="second opinions on the training films, from calibrate.py")
    add("--restart", action="store_true", help="put an existing run aside and begin again")
    add("--push-to-hub", metavar="REPO", help="send the finished run's best weights there (see hub.py)")
    add("--new-schedule", action="store_true", help="allow --epochs to change a schedule that has an end")
    add_config_flags(parser)
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Runs the command; returns its exit status."""
    options = make_parser().parse_args(arguments)
    try:
        return train(options)
    except UserError as error:
        print(f"train.py: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(STOPPED, file=sys.stderr)
        return EXIT_INTERRUPTED
    finally:
        leave_processes()


def train(options: argparse.Namespace) -> int:
    """Starts or resumes the run that the options describe.

    Raises:
        UserError: the options, the data or the run's files do not allow it.
    """
    asked = config_from_flags(options)
    check_options(options, asked)
    if options.threads:
        torch.set_num_threads(options.threads)
    processes, device = join_processes(pick_device(options.device))
    warn_of_idle_card(device)
    if options.push_to_hub and processes.is_main:
        hub.check_target(options.push_to_hub)  # rather now than after the training
    run = options.output / (options.run or asked.model)
    status = (train_cvm if asked.model == "cvm" else train_network)(options, asked, run, processes, device)
    if options.push_to_hub and processes.is_main and status == 0:
        together = [path for name in (STAGE_NAME, VERTEBRAE_NAME) if (path := run / name).exists()]
        hub.push(options.push_to_hub, together or [run / BEST_NAME])
    return status


def train_network(options: argparse.Namespace, asked: Config, run: Path, processes: Processes, device) -> int:
    """`train` for one network; returns the exit status."""
    state = open_run(run, options.restart, processes)
    films, held_out = choose_films(options, say_so=processes.is_main)
    if asked.finds_vertebrae:
        films, held_out = label_necks(films, held_out, data_roots(options), options.pseudo, bool(options.folds))
    check_same_films(films, processes)
    describe = with_neck_shape if asked.finds_vertebrae else describe_data
    config = describe(asked, films) if state is None else resumed_config(options, state, films, held_out)
    check_held_out(config, held_out)
    EpochPlan(len(films), config, processes.rank, processes.world)  # its refusals come before long work
    films = films if options.opinions is None else with_opinions(films, options.opinions)
    trainer = make_trainer(options, config, films, held_out, run, device, processes, state)
    return run_trainer(trainer, say=print if processes.is_main else lambda *line: None)


def train_cvm(options: argparse.Namespace, asked: Config, run: Path, processes: Processes, device) -> int:
    """`train` for cvm, which learns by a cross-validation of its own; returns the exit status."""
    if processes.world > 1:
        raise UserError("cvm uses one process; leave torchrun out.")
    open_run(run, options.restart, processes)
    options.no_valid = True  # valid is for evaluate.py, once
    films, _ = choose_films(options)
    films = with_vertebrae(films, labels_folder(options.dataset, "train"))
    train_stages(options, asked, films, run, device, say=print)
    return 0


def check_options(options: argparse.Namespace, config: Config) -> None:
    """Refuses options that contradict each other, or the model, before any work starts."""
    check_flags(options, config)
    if options.no_valid and options.folds:
        raise UserError("--no-valid and --folds exclude each other; choose one.")
    if options.fold and options.folds is None:
        raise UserError(f"--fold {options.fold} says nothing without --folds; say into how many folds to cut train.")
    if options.folds is not None and not (options.folds >= 2 and 0 <= options.fold < options.folds):
        raise UserError(
            f"--folds {options.folds} --fold {options.fold} is not possible; fold counts from 0 to folds - 1."
        )
    if options.folds is not None and options.opinions is not None:
        raise UserError(
            "--opinions on the films of a fold come from networks that learnt the films it holds out, so its figures "
            "would be too good; leave one of --folds and --opinions out."
        )
    if hasattr(options, "opinion_mix") and options.opinions is None:
        raise UserError(f"--opinion-mix {options.opinion_mix} says nothing without --opinions; name their file.")
    if options.no_valid and options.push_to_hub:
        raise UserError(
            "--no-valid leaves no figures to judge these weights by; push them by hub.py, with --metrics, once "
            "evaluate.py has judged them."
        )
    if options.no_valid and config.schedule == "plateau":
        raise UserError("--no-valid leaves the plateau schedule nothing to watch; add --schedule cosine.")
    if options.workers is not None and options.workers < 0:
        raise UserError(f"--workers is {options.workers}; it must be at least 0.")
    if options.threads is not None and options.threads < 1:
        raise UserError(f"--threads is {options.threads}; it must be at least 1.")


def warn_of_idle_card(device: torch.device) -> None:
    """Says so when an NVIDIA card is there but this PyTorch cannot use it: the log lost a day to that."""
    program = shutil.which("nvidia-smi")
    if device.type == "cuda" or program is None or torch.backends.cuda.is_built() and torch.cuda.is_available():
        return
    try:
        answers = subprocess.run([program, "-L"], capture_output=True, timeout=10, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        answers = False
    if answers and not torch.cuda.is_available():
        print(
            "Warning: an NVIDIA card answers, but this PyTorch was built without CUDA or cannot reach it, so "
            "the CPU trains. "
            "README.md says how to install PyTorch for the card.",
            file=sys.stderr,
        )


def make_trainer(
    options: argparse.Namespace,
    config: Config,
    films: list[Film],
    held_out: list[Film] | None,
    run: Path,
    device: torch.device,
    processes: Processes,
    state: dict | None,
) -> Trainer:
    """Builds model, data and optimiser, and restores the run if there is one."""
    model, has_weights = start_model(options, config, state is not None, processes)
    train_set, valid_set = make_sets(options, config, films, held_out, processes)
    trainer = Trainer(
        config,
        model,
        train_set,
        valid_set,
        run,
        device,
        processes,
        workers=default_workers(device) if options.workers is None else options.workers,
        # Frozen random features would make every model built on them look bad, so only given weights are ever frozen.
        frozen_at_start=has_weights and config.freeze_epochs > 0,
        facts=run_facts(options, films, held_out) | neck_facts(config, films),
        log=TrainingLog(new_log_path(options.logs, config.model)),
    )
    if state is not None:
        trainer.restore(state)
    return trainer


def start_model(
    options: argparse.Namespace, config: Config, is_resumed: bool, processes: Processes
) -> tuple[CephModel, bool]:
    """The model before its first step, and whether its backbone starts from given weights."""
    torch.manual_seed(config.seed)
    # Weights that a file or a saved run brings are not downloaded first.
    is_filled = is_resumed or options.init_from is not None
    model = build_model(replace(config, pretrained=False) if is_filled else config)
    has_weights = config.pretrained and model.backbone is not None
    if options.init_from is not None and not is_resumed:
        count = transfer_backbone(model, load_weights(options.init_from)[1], str(options.init_from))
        if processes.is_main:
            print(f"Took {count} backbone tensors from {options.init_from}.")
        has_weights = True
    if options.compile:
        model.compile()
    return model, has_weights


def run_facts(options: argparse.Namespace, films: list[Film], held_out: list[Film] | None) -> dict:
    """What a run's weights say of the films that taught and judged them."""
    return {
        "films": films_fingerprint(films),
        "train_films": len(films),
        "dataset": options.dataset.resolve().name,
        "held_out": held_out_fingerprint(held_out),
        "held_out_split": f"fold {options.fold} of {options.folds}" if options.folds else "valid",
        "opinions": fingerprint(options.opinions),
    }


def make_sets(
    options: argparse.Namespace, config: Config, films: list[Film], held_out: list[Film] | None, processes: Processes
) -> tuple[FilmDataset | NeckDataset, FilmDataset | list[Film] | None]:
    """What to learn from and what to be judged by, all films prepared."""
    if config.finds_vertebrae:
        return NeckDataset(films, config), held_out
    cache = FilmCache(options.cache, options.dataset, config.cached_size)
    if processes.is_first_here:
        films_here = films + (held_out or [] if processes.is_main else [])  # the main process alone validates
        cache.build(films_here, workers=os.cpu_count() or 1, quiet=not processes.is_main, begin=processes.place)
    processes.wait()
    valid_set = FilmDataset(held_out, config, cache) if held_out is not None else None
    return FilmDataset(films, config, cache, training=True), valid_set


def run_trainer(trainer: Trainer, say) -> int:
    """Trains until the end, an interruption or a fault; returns the exit status."""
    config = trainer.config
    if trainer.epoch >= config.epochs or trainer.progress.should_stop(config):
        say(
            f"This run is finished ({trainer.epoch} epochs); raise --epochs or --patience to go on, or begin "
            "again with --restart."
        )
        return 0
    introduce(trainer, say)
    try:
        with hearing_stops(trainer.request_stop, speaks=trainer.processes.is_main):
            trainer.fit(on_epoch=lambda row, best: say(describe_row(row, config.epochs, best), flush=True))
    except Interrupted:
        say(f"Interrupted in epoch {trainer.epoch + 1}, after {trainer.step} of {trainer.plan.steps} steps, and saved. "
            "The same command goes on from here.")  # fmt: skip
        return EXIT_INTERRUPTED
    best = f"epoch {trainer.progress.best_epoch}" if trainer.valid_set is not None else "the last epoch"
    say(
        f"Finished after {trainer.epoch} epochs. The best weights, of {best}, are {trainer.run / BEST_NAME}; "
        f"log {trainer.log.path}."
    )
    return 0


def introduce(trainer: Trainer, say) -> None:
    """Says what is about to be trained on what."""
    config, films = trainer.config, trainer.train_set.films
    masked = sum(int(impossible_points(film).sum()) for film in films)
    points = f", {len(config.landmarks)} landmarks" if config.finds_landmarks else ""
    note = f", {masked} impossible points left out" if masked else ""
    held_out = "no validation" if trainer.valid_set is None else f"{len(trainer.valid_set)} to validate"
    precision = str(trainer.autocast_dtype).removeprefix("torch.")
    say(
        f"{config.model}: {parameter_count(trainer.model) / 1e6:.1f} M parameters{points}, on {trainer.device} "
        f"in {precision}."
    )
    say(f"{len(films)} films to train on, {held_out}{note}.")
    if trainer.epoch or trainer.step:
        say(f"Going on after epoch {trainer.epoch}" + (f" and {trainer.step} steps." if trainer.step else "."))


if __name__ == "__main__":
    keep_freed_memory()
    sys.exit(main())
