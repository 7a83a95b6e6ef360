"""How fast and how large training is: `python -m benchmarks.training [--only models variants processes]`.

Steps of every model, as `train.py` takes them, on one batch of noise, each model in a process of its own, so that its
peak memory is its own; then `landmarks` with one setting changed at a time, and one process against two. With
`--race DIR`, instead of these, `landmarks` and the log's U-Net are trained on real films until their validation error
is small enough.
"""

import argparse
import itertools
import json
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from benchmarks.measuring import (
    add_only,
    call,
    hardware,
    last_line,
    make_phantoms,
    memory_mb,
    start,
    watch,
)
from benchmarks.outcomes import read_log
from config import LANDMARK_COUNT, RECIPES, STAGE_COUNT, VERTEBRAL_POINTS, Config, UserError, make_config
from dataset import THUMBNAILS_PER_FILM
from inference import pick_device
from memory import keep_freed_memory
from model import build_model, parameter_count
from neck_dataset import THUMBNAILS
from stage_input import MEASURE_COUNT, NeckSample
from stage_training import StageTrainer
from thumbnails import KINDS, SIDE
from trainer import Trainer

# One setting changed at a time; "auto" is bf16 where the hardware has units for it.
VARIANTS = {
    "as it is": [],
    "float32": ["--precision", "float32"],
    "bf16": ["--precision", "bf16"],
    "not channels_last": ["--planar"],
    "compiled": ["--compile"],
}
TWO_PROCESSES = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "--"]
FILMS, EPOCHS = 24, 4  # timed by the last three
NECKS, FEATURES = 434, 2912  # of Aariz's train crops, by the bundled `vertebrae`


# --- one model in a process of its own --------------------------------------------------------------------------------


def measure(options: argparse.Namespace) -> dict:
    """Films per second and the peak memory of one model's steps."""
    keep_freed_memory()  # as train.py does
    device = pick_device(options.device)
    config = make_config(options.measure, pretrained=False, precision=options.precision or "auto")
    trainer, batch = make_trainer(config, device, options), noise_batch(config)
    base_mb, seconds = memory_mb(), []
    for number in range(options.steps + 1):
        started = time.perf_counter()
        trainer.train_step(trainer.model, itertools.repeat(batch), config.batch_size)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        seconds += [time.perf_counter() - started] if number else []  # the first one also prepares
    peak_mb = torch.cuda.max_memory_allocated(device) / 1e6 if device.type == "cuda" else memory_mb(field="VmHWM")
    return {
        "films_per_s": config.batch_size / float(np.median(seconds)),
        "peak_mb": peak_mb,
        "base_mb": 0.0 if device.type == "cuda" else base_mb,
        "millions": parameter_count(trainer.model) / 1e6,
        "batch": config.batch_size,
        "size": "x".join(map(str, config.image_size)),
        "dtype": str(trainer.autocast_dtype).removeprefix("torch."),
    }


def make_trainer(config: Config, device: torch.device, options: argparse.Namespace) -> Trainer:
    """What takes the steps in train.py, without films."""
    torch.manual_seed(0)
    model = build_model(config)
    if options.compile:
        model.compile()
    trainer = Trainer(config, model, range(config.batch_size), None, Path(), device, quiet=True)
    trainer.model.train()
    if options.planar:
        trainer.model.to(memory_format=torch.contiguous_format)
    return trainer


def measure_stages(options: argparse.Namespace) -> dict:
    """Seconds of teaching a member of `cvm`, whose layers are solved for at once, in no steps; the peak memory."""
    config, generator = make_config("cvm", feature_count=FEATURES), np.random.default_rng(0)
    stages = 1 + generator.integers(STAGE_COUNT, size=NECKS)
    measures, features = (stages[:, None] + generator.normal(size=(NECKS, size)) for size in (MEASURE_COUNT, FEATURES))
    trainer = StageTrainer([NeckSample(*each) for each in zip(measures, features, stages, strict=True)], config)
    base_mb, started = memory_mb(), time.perf_counter()
    for _ in range(options.steps):
        trainer.fit(generator.permutation(NECKS)[: NECKS - NECKS // config.parts])
    seconds = (time.perf_counter() - started) / options.steps
    peak_mb = memory_mb(field="VmHWM")
    return {"seconds": seconds, "members": config.members, "peak_mb": peak_mb, "own_mb": peak_mb - base_mb}


def noise_batch(config: Config) -> dict[str, torch.Tensor]:
    """Noise in place of a batch of films, shaped as the loader gives them."""
    generator = torch.Generator().manual_seed(0)
    films, (height, width) = config.batch_size, config.image_size
    count = len(VERTEBRAL_POINTS) if config.finds_vertebrae else LANDMARK_COUNT
    batch = {
        "image": torch.randint(0, 256, (films, height, width), dtype=torch.uint8, generator=generator),
        "points_net": torch.rand(films, count, 2, generator=generator) * torch.tensor([width, height]),
        "stage": torch.randint(0, STAGE_COUNT, (films,), generator=generator),
    }
    if config.head_frame or config.finds_vertebrae:
        shown = films, THUMBNAILS if config.finds_vertebrae else THUMBNAILS_PER_FILM
        batch["thumbnails"] = torch.randint(0, 256, (*shown, SIDE, SIDE), dtype=torch.uint8, generator=generator)
        batch["thumbnail_points"] = torch.rand(*shown, count, 2, generator=generator) * SIDE
        batch["kinds"] = torch.zeros(*shown, len(KINDS))
    if config.finds_vertebrae:
        batch["box_net"] = torch.full((films, 4), torch.nan)
    return batch


# --- tables -----------------------------------------------------------------------------------------------------------


def measured(options: argparse.Namespace, model: str, flags: list[str]) -> dict | None:
    """`measure` in a process of its own; None where it failed."""
    common = ["--steps", str(options.steps), "--device", options.device]
    run = call("-m", "benchmarks.training", "--measure", model, *common, *flags)
    if run.returncode != 0:
        print(f"{model} {' '.join(flags)}: {last_line(run.stderr)}", file=sys.stderr)
        return None
    return json.loads(run.stdout.splitlines()[-1])


def judge_models(options: argparse.Namespace) -> None:
    """Prints every model's speed and memory."""
    names = [name for name in options.models if name != "cvm"]
    if names:
        print("| model | parameters | input | batch | arithmetic | films/s ", end="")
        print(f"| of `{names[0]}` | peak MB | by the steps |\n|---|---|---|---|---|---|---|---|---|", flush=True)
    reference = None
    for model in names:
        row = measured(options, model, [])
        if row is None:
            continue
        reference = reference or row["films_per_s"]
        share, own = row["films_per_s"] / reference, row["peak_mb"] - row["base_mb"]
        cells = f"{row['millions']:.1f} M | {row['size']} | {row['batch']} | {row['dtype']} | {row['films_per_s']:.2f}"
        print(f"| `{model}` | {cells} | {share:.2f} | {row['peak_mb']:.0f} | {own:.0f} |", flush=True)
    if "cvm" in options.models and (row := measured(options, "cvm", [])) is not None:
        memory = f"{row['peak_mb']:.0f} MB at most, {row['own_mb']:.0f} of them by it"
        each = f"{row['seconds']:.2f} s for each of its {row['members']} members"
        print(f"\n`cvm`, from {NECKS} necks: {each}; {memory}.", flush=True)


def judge_variants(options: argparse.Namespace) -> None:
    """Prints what each setting does to `landmarks`; the variants take turns, the middle round of each counts."""
    rows = {name: [] for name in VARIANTS}
    for _ in range(options.rounds):
        for name, flags in VARIANTS.items():
            row = measured(options, "landmarks", flags) if None not in rows[name] else None
            rows[name].append(row)
    print("\n| `landmarks` | arithmetic | films/s | times as fast | peak MB | times the memory |")
    print("|---|---|---|---|---|---|", flush=True)
    reference = None
    for name, rounds in rows.items():
        if None in rounds:
            continue
        rate, peak_mb = (float(np.median([row[key] for row in rounds])) for key in ("films_per_s", "peak_mb"))
        reference = reference or (rate, peak_mb)
        cells = f"{rounds[0]['dtype']} | {rate:.2f} | {rate / reference[0]:.2f} | {peak_mb:.0f}"
        print(f"| {name} | {cells} | {peak_mb / reference[1]:.2f} |", flush=True)


def judge_processes(options: argparse.Namespace, folder: Path) -> None:
    """Prints films per second and memory of one process and of two that share each batch, and all cores."""
    device = pick_device(options.device)
    if device.type == "cuda" and torch.cuda.device_count() < 2:
        print("\nTwo processes need two cards; there is one.", flush=True)
        return
    dataset = make_phantoms(folder / "phantoms", FILMS)
    print("\n| processes | threads each | films/s | times as fast | peak MB in all |")
    print("|---|---|---|---|---|", flush=True)
    reference = None
    cores = torch.get_num_threads()
    for count in (1, 2):
        threads = max(1, cores // count)
        launcher, flags = TWO_PROCESSES if count == 2 else [], train_flags(options, dataset, folder / str(count))
        run, memory = watch(*launcher, "train.py", *flags, "--threads", threads, "--no-valid", "--epochs", EPOCHS)
        if run.returncode != 0:
            raise UserError(f"Training in {count} processes failed: {last_line(run.stderr)}")
        rate = FILMS / float(np.median([float(row["seconds"]) for row in rows_so_far(folder / str(count))[1:]]))
        reference = reference or rate
        print(f"| {count} | {threads} | {rate:.2f} | {rate / reference:.2f} | {max(memory):.0f} |", flush=True)


def train_flags(options: argparse.Namespace, dataset: Path, folder: Path) -> list:
    """Flags of a run of `train.py` whose outputs lie in `folder`."""
    places = ["--output", folder / "runs", "--logs", folder / "logs", "--cache", folder.parent / "cache"]
    return ["--dataset", dataset, *places, "--device", options.device, *shlex.split(options.train_flags)]


def rows_so_far(folder: Path) -> list[dict]:
    """The rows of a run's log; none as long as it has no log."""
    return next(map(read_log, (folder / "logs").glob("*.csv")), [])


# --- the race ---------------------------------------------------------------------------------------------------------


def race(options: argparse.Namespace, folder: Path) -> None:
    """Prints how long `landmarks` and the log's U-Net train, judging included, until they reach validation errors."""
    targets = sorted(options.targets, reverse=True)
    columns = "".join(f" s to {target:g} mm (epoch) |" for target in targets)
    print(f"| model |{columns} best mm | epochs | s in all | peak MB |\n|---{'|---' * len(targets)}|---|---|---|---|")
    for model in ("landmarks", "unet"):
        rows, peak_mb = train_until(model, options, folder / model)
        seconds = np.cumsum([float(row["seconds"]) for row in rows])
        errors = errors_mm(rows)
        cells = []
        for target in targets:
            reached = np.flatnonzero(errors <= target)
            cells.append(f"{seconds[reached[0]]:.0f} ({reached[0] + 1})" if reached.size else "not reached")
        totals = f"{np.nanmin(errors):.3f} | {len(rows)} | {seconds[-1]:.0f} | {peak_mb:.0f}"
        print(f"| `{model}` | {' | '.join(cells)} | {totals} |", flush=True)


def train_until(model: str, options: argparse.Namespace, folder: Path) -> tuple[list[dict], float]:
    """Trains until the smallest target is reached, the epochs or the minutes are over; the log's rows and the peak of
    memory, MB.

    Raises:
        UserError: the training failed, or no epoch was finished.
    """
    flags = ["--no-pretrained", "--epochs", options.epochs, "--schedule", "cosine", "--patience", "0"]
    command = ["train.py", "--model", model, *flags, *train_flags(options, options.race, folder)]
    folder.mkdir()
    rows, peak_mb = [], 0.0
    with (folder / "errors").open("w+") as errors:
        process = start(*command, stdout=subprocess.DEVNULL, stderr=errors)
        while process.poll() is None and not is_over(rows, options):
            time.sleep(0.5)
            rows, peak_mb = rows_so_far(folder), max(peak_mb, np.nan_to_num(memory_mb(process.pid)))
        process.kill()  # nothing of it is needed but the log
        status, rows = process.wait(), rows_so_far(folder)
        if status > 0 or not rows:
            errors.seek(0)
            raise UserError(f"Training {model} failed: {last_line(errors.read())}")
    if np.isnan(errors_mm(rows)).all():
        raise UserError(f"{options.race} has no valid films or no pixel sizes to race by; name another data set.")
    return rows, peak_mb


def is_over(rows: list[dict], options: argparse.Namespace) -> bool:
    """Whether a racer has reached the last target, or trained for long enough."""
    seconds = sum(float(row["seconds"]) for row in rows)
    return bool((errors_mm(rows) <= min(options.targets)).any()) or seconds > 60 * options.minutes


def errors_mm(rows: list[dict]) -> np.ndarray:
    """Validation error after each epoch, mm; NaN where it was not judged."""
    return np.array([float(row["mre_mm"] or "nan") for row in rows])


def make_parser() -> argparse.ArgumentParser:
    """The command line; what `measured` asks a process of its own for is not shown."""
    parser = argparse.ArgumentParser(description="Films per second and memory of training.")
    add = parser.add_argument
    add_only(parser, "models", "variants", "processes")
    models = ["landmarks", *(name for name in RECIPES if name != "landmarks")]
    add("--models", nargs="+", default=models, choices=models, help="which (default: all)")
    add("--steps", type=int, default=5, help="measured steps of each (default: %(default)s)")
    add("--rounds", type=int, default=3, help="turns of the variants (default: %(default)s)")
    add("--race", type=Path, metavar="DIR", help="data set with valid and pixel sizes, to train two models on")
    add("--targets", type=float, nargs="+", default=[4.0, 3.0, 2.0], help="errors to race to, mm (default: 4 3 2)")
    add("--epochs", type=int, default=16, help="of the race, at most (default: %(default)s)")
    add("--minutes", type=float, default=30.0, help="of the race, for each at most (default: %(default)s)")
    add("--train-flags", default="", metavar="TEXT", help="more flags of train.py for race and processes, in one text")
    add("--device", choices=("auto", "cpu", "cuda"), default="auto")
    add("--measure", choices=list(RECIPES), help=argparse.SUPPRESS)
    add("--precision", help=argparse.SUPPRESS)
    add("--planar", action="store_true", help=argparse.SUPPRESS)
    add("--compile", action="store_true", help=argparse.SUPPRESS)
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Prints the tables."""
    options = make_parser().parse_args(arguments)
    if options.measure:
        print(json.dumps(measure_stages(options) if options.measure == "cvm" else measure(options)))
        return 0
    print(hardware() + "\n")
    try:
        with tempfile.TemporaryDirectory() as name:
            if options.race:
                race(options, Path(name))
                return 0
            if "models" in options.only:
                judge_models(options)
            if "variants" in options.only:
                judge_variants(options)
            if "processes" in options.only:
                judge_processes(options, Path(name))
    except UserError as error:
        print(f"training: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
