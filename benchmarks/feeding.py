"""How fast films reach the network: `python -m benchmarks.feeding [--only loaders steps memory] [--dataset DIR]`.

Our loader against the development log's way on the same films, workers, size and list of augmentations: the log
decoded, resized and varied every film in every epoch and drew one NumPy Gaussian per landmark. Then a whole training
step on real data against the same step on one constant batch, and the memory of 20,000 films.
"""

import argparse
import itertools
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import albumentations as A
import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from augment import LEVELS, Augmenter, make_geometry, make_intensity
from benchmarks.measuring import add_only, hardware, make_phantoms, memory_mb, side_by_side
from cache import FilmCache
from config import Config, UserError, make_config
from dataset import EpochPlan, FilmDataset, default_workers, describe_data, make_loader, start_worker
from films import Film, scan_split
from geometry import gaussian_profiles, net_to_cells
from inference import pick_device
from memory import keep_freed_memory
from model import build_model
from trainer import Trainer

STRIDE = 2  # of the heatmaps of `landmarks`


class LogDataset(Dataset):
    """The log's way, every epoch anew: decode, squash, vary, draw each landmark's Gaussian on the whole map."""

    def __init__(self, films: list[Film], config: Config, columns: list[int]):
        self.films, self.columns, self.size = films, columns, config.image_size[0]
        level = LEVELS[config.augmentation]
        points = A.KeypointParams("xy", remove_invisible=False)
        self.vary = A.Compose([make_geometry(level), make_intensity(level)], keypoint_params=points)

    def __len__(self) -> int:
        return len(self.films)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        film = self.films[index]
        picture = cv2.imread(str(film.image_path), cv2.IMREAD_GRAYSCALE)
        scale = self.size / np.array(picture.shape[::-1])
        picture = cv2.resize(picture, (self.size, self.size))
        points = np.nan_to_num(film.truth_px()[self.columns] * scale)
        varied = self.vary(image=picture, keypoints=points)
        cells = self.size // STRIDE
        rows, columns = np.mgrid[:cells, :cells]
        maps = np.zeros((len(points), cells, cells), dtype=np.float32)
        for number, (x, y) in enumerate(np.asarray(varied["keypoints"]) / STRIDE):
            maps[number] = np.exp(-((columns - int(x)) ** 2 + (rows - int(y)) ** 2) / (2 * 2.0**2))
        return torch.from_numpy(varied["image"]).unsqueeze(0).float() / 255, torch.from_numpy(maps)


def our_epoch(dataset: FilmDataset, config: Config, workers: int, device: torch.device):
    """A function that runs through all films, with their targets as the loss makes them."""
    plan = EpochPlan(len(dataset), config)
    loader = make_loader(dataset, plan, workers, device)
    size = tuple(side // STRIDE for side in config.image_size)
    epochs = itertools.count(1)

    def run() -> None:
        plan.start(next(epochs))
        for batch in loader:
            gaussian_profiles(net_to_cells(batch["points_net"].to(device), STRIDE), size, config.heatmap_sigma)

    return run


def log_epoch(dataset: LogDataset, config: Config, workers: int, device: torch.device):
    """The same for the log's way."""
    settings = {"batch_size": config.batch_size, "num_workers": workers, "shuffle": True}
    loader = DataLoader(dataset, persistent_workers=workers > 0, worker_init_fn=start_worker, **settings)

    def run() -> None:
        for images, maps in loader:
            images.to(device), maps.to(device)

    return run


def judge_loaders(dataset: Path, folder: Path, workers: int, rounds: int, device: torch.device) -> None:
    """Prints films per second of both ways."""
    films = scan_split(dataset, "train")
    print("| loader | workers | films/s ours | films/s the log's way | times |\n|---|---|---|---|---|", flush=True)
    for name, head_frame, extras in (
        ("the same augmentations", False, False),
        ("ours with polarity and artefacts", False, True),
        ("and with the head found, four thumbnails a film", True, True),
    ):
        config = describe_data(make_config("landmarks", image_size=(512, 512), head_frame=head_frame), films)
        cache = FilmCache(folder / "cache", dataset, config.cached_size)
        cache.build(films, quiet=True)
        ours = FilmDataset(films, config, cache, training=True)
        if not extras:
            settings = replace(LEVELS[config.augmentation], polarity=0.0, artefacts=0.0)
            ours.augmenter = Augmenter(settings)
        log = LogDataset(films, config, ours.columns)
        ways = {"ours": our_epoch(ours, config, workers, device), "log": log_epoch(log, config, workers, device)}
        seconds = side_by_side(ways, rounds, device)
        rates = {way: len(films) / each for way, each in seconds.items()}
        row = f"{rates['ours']:.1f} | {rates['log']:.1f} | {rates['ours'] / rates['log']:.1f}"
        print(f"| {name} | {workers} | {row} |", flush=True)


def endless(trainer: Trainer) -> Iterator[dict]:
    """The pieces of epoch after epoch."""
    for epoch in itertools.count(1):
        trainer.plan.start(epoch)
        yield from trainer.loader


def judge_steps(dataset: Path, folder: Path, workers: int, rounds: int, device: torch.device) -> None:
    """Prints the whole step on real data against the same step on one constant batch."""
    films = scan_split(dataset, "train")
    print("\n| step of `landmarks` | workers | s on films | s on one batch | times |\n|---|---|---|---|---|")
    config = describe_data(make_config("landmarks"), films)
    cache = FilmCache(folder / "cache", dataset, config.cached_size)
    cache.build(films, quiet=True)
    data = FilmDataset(films, config, cache, training=True)
    torch.manual_seed(0)
    trainer = Trainer(config, build_model(config), data, None, folder / "run", device, workers=workers, quiet=True)
    trainer.model.train()
    pieces = endless(trainer)
    constant = itertools.repeat(next(pieces))
    size = config.batch_size
    ways = {
        "films": lambda: trainer.train_step(trainer.model, pieces, size),
        "constant": lambda: trainer.train_step(trainer.model, constant, size),
    }
    seconds = side_by_side(ways, rounds, device)
    ratio = seconds["films"] / seconds["constant"]
    row = f"{seconds['films']:.2f} | {seconds['constant']:.2f} | {ratio:.3f}"
    print(f"| {trainer.autocast_dtype}, batches of {size} on {device} | {workers} | {row} |", flush=True)


def copies_of(films: list[Film], cache: FilmCache, number: int) -> list[Film]:
    """So many films with names and labels of their own, whose prepared pictures are links to those of `films`."""
    copies = []
    for index in range(number):
        film = films[index % len(films)]
        labels = {name: getattr(film, name).copy() for name in ("annotators_px", "by_reader", "unsure")}
        copies.append(replace(film, film_id=f"copy{index}", **labels))
        path = cache.path(copies[-1])
        if not path.exists():
            path.symlink_to(cache.path(film))
    return copies


def judge_memory(dataset: Path, folder: Path, count: int) -> None:
    """Prints what `count` films take in memory, their labels and, after a pass, their pictures."""
    films = scan_split(dataset, "train")[:8]
    config = describe_data(make_config("landmarks", image_size=(128, 128), head_frame=False), films)
    cache = FilmCache(folder / "cache", dataset, config.cached_size)
    cache.build(films, quiet=True)
    print("\n| films | MB with their labels | MB after a pass | MB per 1,000 films |\n|---|---|---|---|", flush=True)
    first = None
    for number in (count // 100, count):
        many = copies_of(films, cache, number)
        before = memory_mb()
        dataset_of_many = FilmDataset(many, config, cache, training=True)
        for index in range(len(many)):
            dataset_of_many[(1, index)]
        after = memory_mb()
        grown = "" if first is None else f"{1000 * (after - first[1]) / (number - first[0]):.1f}"
        print(f"| {number} | {before:.0f} | {after:.0f} | {grown} |", flush=True)
        first = first or (number, after)


def main(arguments: list[str] | None = None) -> int:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description="Films per second of the loader, and what it costs a training step.")
    add_only(parser, "loaders", "steps", "memory")
    parser.add_argument("--dataset", type=Path, help="data set with train (default: 48 phantoms)")
    parser.add_argument("--workers", type=int, help="processes that prepare films (default: as train.py)")
    parser.add_argument("--rounds", type=int, default=5, help="how often each is measured (default: %(default)s)")
    parser.add_argument("--many", type=int, default=20_000, help="films for the memory (default: %(default)s)")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    options = parser.parse_args(arguments)
    keep_freed_memory()  # as train.py does
    try:
        device = pick_device(options.device)
        workers = default_workers(device) if options.workers is None else options.workers
        print(hardware() + "\n")
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            dataset = options.dataset or make_phantoms(folder / "phantoms", 48)
            if "loaders" in options.only:
                judge_loaders(dataset, folder, workers, options.rounds, device)
            if "steps" in options.only:
                judge_steps(dataset, folder, workers, 3 * options.rounds, device)
            if "memory" in options.only:
                judge_memory(dataset, folder, options.many)
    except UserError as error:
        print(f"feeding: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
