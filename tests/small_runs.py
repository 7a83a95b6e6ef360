"""Small training runs: by the command, by the loop alone, and what they leave behind."""

from pathlib import Path

import torch

import train
from benchmarks import outcomes
from cache import FilmCache
from config import make_config
from dataset import FilmDataset, describe_data
from films import scan_split
from model import build_model
from processes import Processes
from trainer import Trainer

SMALL = ["--image-size", "48x32", "--batch-size", "3", "--precision", "float32", "--warmup-epochs", "1"]
SMALL += ["--device", "cpu"]
TINY = ["--widths", "16,24", "--blocks", "1"]
NETS = {
    "landmarks": ["--model", "landmarks", *TINY, "--dropout", "0.2", "--no-head-frame", *SMALL],
    "heads": ["--model", "landmarks", *TINY, "--view-size", "96x80", *SMALL],
    "cephnet": ["--model", "cephnet", "--dropout", "0.3", *SMALL],
    "cvm_mil": ["--model", "cvm_mil", "--no-pretrained", "--patch-size", "16", "--patches", "3", *SMALL],
}


def run(blobs: Path, folder: Path, *flags: str) -> int:
    """Trains in `folder` by the command's own main."""
    places = ["--dataset", blobs, "--output", folder / "runs", "--logs", folder / "logs"]
    places += ["--cache", blobs.parent / "cache"]
    return train.main([*map(str, places), *flags])


def outcome(folder: Path, model: str) -> tuple[dict, dict, list[dict]]:
    """The last checkpoint, the best weights and the rows of the log."""
    last, best, logs = outcomes.outcome(folder / "runs" / model, folder / "logs")
    assert [model in path.name for path in (folder / "logs").glob("*.csv")] == [True]
    return last, best, logs[0]


def assert_same(first: object, second: object) -> None:
    """Bitwise equality of nested dicts, lists and tensors, times and places aside."""
    assert outcomes.difference(first, second) == ""


def make_trainer(blobs: Path, folder: Path, processes: Processes | None = None, **settings) -> Trainer:
    """A trainer of a small `cephnet`, without validation films."""
    films = scan_split(blobs, "train")
    settings = {"image_size": (48, 32), "precision": "float32", "batch_size": 4, "epochs": 1} | settings
    config = describe_data(make_config("cephnet", **settings), films)
    torch.manual_seed(config.seed)
    dataset = FilmDataset(films, config, FilmCache(blobs.parent / "cache", blobs, config.image_size), training=True)
    return Trainer(config, build_model(config), dataset, None, folder, torch.device("cpu"), processes, quiet=True)
