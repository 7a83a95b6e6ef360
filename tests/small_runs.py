"""Small training runs: by the command, by the loop alone, and what they leave behind."""

import csv
from pathlib import Path

import torch

import train
from cache import FilmCache
from checkpoint import epoch_path, list_epochs, load_checkpoint
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
    """The last checkpoint, the best weights and the log without its times."""
    place = folder / "runs" / model
    last = load_checkpoint(epoch_path(place, list_epochs(place)[-1]))
    logs = list((folder / "logs").glob("*.csv"))
    assert len(logs) == 1 and model in logs[0].name
    with logs[0].open() as file:
        rows = [{key: value for key, value in row.items() if key != "seconds"} for row in csv.DictReader(file)]
    return last, load_checkpoint(place / "best_model.pth"), rows


def assert_same(first: object, second: object, path: str = "") -> None:
    """Bitwise equality of nested dicts, lists and tensors, times and places aside."""
    assert type(first) is type(second), path
    if isinstance(first, dict):
        assert first.keys() == second.keys(), path
        for key in first:
            if key not in ("seconds", "log_path"):
                assert_same(first[key], second[key], f"{path}/{key}")
    elif isinstance(first, list):
        assert len(first) == len(second), path
        for index, pair in enumerate(zip(first, second, strict=True)):
            assert_same(*pair, f"{path}/{index}")
    elif isinstance(first, torch.Tensor):
        assert torch.equal(first, second), path
    else:
        assert first == second, path


def make_trainer(blobs: Path, folder: Path, processes: Processes | None = None, **settings) -> Trainer:
    """A trainer of a small `cephnet`, without validation films."""
    films = scan_split(blobs, "train")
    settings = {"image_size": (48, 32), "precision": "float32", "batch_size": 4, "epochs": 1} | settings
    config = describe_data(make_config("cephnet", **settings), films)
    torch.manual_seed(config.seed)
    dataset = FilmDataset(films, config, FilmCache(blobs.parent / "cache", blobs, config.image_size), training=True)
    return Trainer(config, build_model(config), dataset, None, folder, torch.device("cpu"), processes, quiet=True)
