"""How fast and how large training is: `python -m benchmarks.training [--models landmarks unet ...]`.

Steps of every model on one batch of noise, each model in a process of its own, so that its peak memory is its own;
then `landmarks` with one setting changed at a time, and one process against two. With `--race DIR` `landmarks` and the
log's U-Net are trained on real films until they reach the same validation error.
"""

import argparse
import csv
import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from benchmarks.measuring import call, hardware, make_phantoms, memory_mb
from config import LANDMARK_COUNT, RECIPES, STAGE_COUNT, VERTEBRAL_POINTS, UserError, make_config
from dataset import THUMBNAILS_PER_FILM
from inference import pick_device, to_network_input
from losses import film_losses
from model import build_model, parameter_count
from neck_dataset import THUMBNAILS
from thumbnails import KINDS, SIDE
from trainer import make_optimizer, pick_precision

VARIANTS = {
    "as it is": [],
    "float32": ["--precision", "float32"],
    "not channels_last": ["--planar"],
    "compiled": ["--compile"],
}


# --- one model in a process of its own --------------------------------------------------------------------------------


def measure(options: argparse.Namespace) -> dict:
    """Films per second and the peak memory of one model's steps."""
    device = pick_device(options.device)
    config = make_config(options.measure, pretrained=False, precision=options.precision or "auto")
    torch.manual_seed(0)
    model = build_model(config).to(device, memory_format=memory_format(options)).train()
    if options.compile:
        model.compile()
    batch, optimizer = noise_batch(config, device, options), make_optimizer(model, config)
    dtype = pick_precision(config.precision, device)
    base_mb, seconds = memory_mb(), []
    for number in range(options.steps + 1):
        started = time.perf_counter()
        step(model, optimizer, batch, config, dtype, device)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        seconds += [time.perf_counter() - started] if number else []  # the first one also prepares
    peak_mb = torch.cuda.max_memory_allocated(device) / 1e6 if device.type == "cuda" else memory_mb(field="VmHWM")
    return {
        "films_per_s": config.batch_size / float(np.median(seconds)),
        "peak_mb": peak_mb,
        "base_mb": 0.0 if device.type == "cuda" else base_mb,
        "millions": parameter_count(model) / 1e6,
        "batch": config.batch_size,
        "size": "x".join(map(str, config.image_size)),
        "dtype": str(dtype).removeprefix("torch."),
    }


def memory_format(options: argparse.Namespace) -> torch.memory_format:
    """channels_last, as training has it, or the plain order."""
    return torch.contiguous_format if options.planar else torch.channels_last


def noise_batch(config, device: torch.device, options: argparse.Namespace) -> dict[str, torch.Tensor]:
    """Noise in place of a batch of films, shaped as the loader gives them."""
    generator = torch.Generator().manual_seed(0)
    height, width = config.image_size
    films = torch.randint(0, 256, (config.batch_size, height, width), dtype=torch.uint8, generator=generator)
    count = len(VERTEBRAL_POINTS) if config.finds_vertebrae else LANDMARK_COUNT
    points = torch.rand(config.batch_size, count, 2, generator=generator) * torch.tensor([width, height])
    batch = {
        "image": to_network_input(films, device).contiguous(memory_format=memory_format(options)),
        "points_net": points.to(device),
        "stage": torch.randint(0, STAGE_COUNT, (config.batch_size,), generator=generator).to(device),
    }
    if config.head_frame or config.finds_vertebrae:
        shown = config.batch_size, THUMBNAILS if config.finds_vertebrae else THUMBNAILS_PER_FILM
        thumbnails = torch.randint(0, 256, (shown[0] * shown[1], SIDE, SIDE), dtype=torch.uint8, generator=generator)
        batch["thumbnails"] = to_network_input(thumbnails, device).contiguous(memory_format=memory_format(options))
        batch["thumbnail_points"] = (torch.rand(*shown, count, 2, generator=generator) * SIDE).to(device)
        batch["kinds"] = torch.zeros(*shown, len(KINDS), device=device)
    if config.finds_vertebrae:
        batch["box_net"] = torch.full((config.batch_size, 4), torch.nan, device=device)
    return batch


def step(model, optimizer, batch: dict, config, dtype: torch.dtype, device: torch.device) -> None:
    """One optimiser step as the trainer takes it."""
    inputs = [batch[name] for name in ("image", "thumbnails") if name in batch]
    with torch.autocast(device.type, dtype=dtype, enabled=dtype != torch.float32):
        outputs = model(*inputs)
    film_losses(outputs, batch, config)["total"].mean().backward()
    for parameters in model.gradient_groups():
        torch.nn.utils.clip_grad_norm_(parameters, config.gradient_clip or 1e9)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)


# --- tables -----------------------------------------------------------------------------------------------------------


def measured(options: argparse.Namespace, model: str, flags: list[str]) -> dict | None:
    """`measure` in a process of its own; None where it failed."""
    common = ["--steps", str(options.steps), "--device", options.device]
    run = call("-m", "benchmarks.training", "--measure", model, *common, *flags)
    if run.returncode != 0:
        print(f"{model} {' '.join(flags)}: {run.stderr.strip().splitlines()[-1]}", file=sys.stderr)
        return None
    return json.loads(run.stdout.splitlines()[-1])


def judge_models(options: argparse.Namespace) -> None:
    """Prints every model's speed and memory."""
    print("| model | parameters | input | batch | arithmetic | films/s | of `landmarks` | peak MB | by the steps |")
    print("|---|---|---|---|---|---|---|---|---|", flush=True)
    reference = None
    for model in options.models:
        row = measured(options, model, [])
        if row is None:
            continue
        reference = reference or row["films_per_s"]
        share, own = row["films_per_s"] / reference, row["peak_mb"] - row["base_mb"]
        cells = f"{row['millions']:.1f} M | {row['size']} | {row['batch']} | {row['dtype']} | {row['films_per_s']:.2f}"
        print(f"| `{model}` | {cells} | {share:.2f} | {row['peak_mb']:.0f} | {own:.0f} |", flush=True)


def judge_variants(options: argparse.Namespace) -> None:
    """Prints what each setting does to `landmarks`."""
    print("\n| `landmarks` | films/s | times as fast | peak MB | times the memory |\n|---|---|---|---|---|", flush=True)
    reference = None
    for name, flags in VARIANTS.items():
        row = measured(options, "landmarks", flags)
        if row is None:
            continue
        reference = reference or row
        faster, larger = row["films_per_s"] / reference["films_per_s"], row["peak_mb"] / reference["peak_mb"]
        print(f"| {name} | {row['films_per_s']:.2f} | {faster:.2f} | {row['peak_mb']:.0f} | {larger:.2f} |", flush=True)


def judge_processes(options: argparse.Namespace, folder: Path) -> None:
    """Prints the time of an epoch in one process and in two that share each batch."""
    dataset = make_phantoms(folder / "phantoms", 24)
    print("\n| processes | threads each | s an epoch | times as fast |\n|---|---|---|---|", flush=True)
    reference = None
    cores = torch.get_num_threads()
    for count in (1, 2):
        threads = max(1, cores // count)
        launcher = ["-m", "torch.distributed.run", "--nproc-per-node", "2", "--"] if count == 2 else []
        seconds = epoch_seconds([*launcher, "train.py"], dataset, folder / str(count), threads, options.device)
        reference = reference or seconds
        print(f"| {count} | {threads} | {seconds:.1f} | {reference / seconds:.2f} |", flush=True)


def epoch_seconds(command: list[str], dataset: Path, folder: Path, threads: int, device: str) -> float:
    """Seconds of the last of three epochs of `landmarks`, by the run's own log."""
    places = ["--output", folder / "runs", "--logs", folder / "logs", "--cache", folder / "cache"]
    flags = ["--no-valid", "--epochs", "3", "--batch-size", "8", "--threads", threads, "--device", device]
    run = call(*command, "--dataset", dataset, *places, *flags)
    assert run.returncode == 0, run.stderr[-2000:]
    return float(read_log(folder)[-1]["seconds"])


def read_log(folder: Path) -> list[dict]:
    """The rows of a run's log."""
    with next((folder / "logs").glob("*.csv")).open() as file:
        return list(csv.DictReader(file))


def race(options: argparse.Namespace, folder: Path) -> None:
    """Prints how long `landmarks` and the log's U-Net train until they reach a validation error."""
    print(f"\n| model | to {options.target} mm | epochs | best mm | s in all |\n|---|---|---|---|---|", flush=True)
    for model in ("landmarks", "unet"):
        places = ["--output", folder / model, "--logs", folder / model / "logs", "--cache", folder / "cache"]
        flags = ["--no-pretrained", "--epochs", options.epochs, "--schedule", "cosine", "--patience", "0"]
        run = call("train.py", "--model", model, "--dataset", options.race, *places, *flags, "--device", options.device)
        assert run.returncode == 0, run.stderr[-2000:]
        rows = read_log(folder / model)
        seconds = np.cumsum([float(row["seconds"]) for row in rows])
        errors = np.array([float(row["mre_mm"]) for row in rows])
        reached = np.flatnonzero(errors <= options.target)
        when = f"{seconds[reached[0]]:.0f} s | {reached[0] + 1}" if reached.size else "never | -"
        print(f"| `{model}` | {when} | {errors.min():.3f} | {seconds[-1]:.0f} |", flush=True)


def main(arguments: list[str] | None = None) -> int:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description="Films per second and memory of training.")
    # The layers of cvm are solved for at once, in no steps.
    models = ["landmarks", *(name for name in RECIPES if name not in ("landmarks", "cvm"))]
    parser.add_argument("--models", nargs="*", default=models, choices=models, help="which (default: all)")
    parser.add_argument("--steps", type=int, default=5, help="measured steps of each (default: %(default)s)")
    parser.add_argument("--race", type=Path, metavar="DIR", help="data set with valid, to train two models on")
    parser.add_argument("--target", type=float, default=2.0, help="error to race to, mm (default: %(default)s)")
    parser.add_argument("--epochs", type=int, default=16, help="of the race (default: %(default)s)")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--measure", choices=list(RECIPES), help=argparse.SUPPRESS)
    parser.add_argument("--precision", help=argparse.SUPPRESS)
    parser.add_argument("--planar", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--compile", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.measure:
        print(json.dumps(measure(options)))
        return 0
    print(hardware() + "\n")
    try:
        with tempfile.TemporaryDirectory() as name:
            if options.race:
                race(options, Path(name))
                return 0
            judge_models(options)
            judge_variants(options)
            judge_processes(options, Path(name))
    except UserError as error:
        print(f"training: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
