"""What a training leaves behind, and where two of them differ: exact resume is judged by this, in the tests too."""

import csv
from pathlib import Path

import torch

from checkpoint import BEST_NAME, epoch_path, list_epochs, load_checkpoint

TIMES_AND_PLACES = {"seconds", "log_path"}  # which differ between equal runs


def outcome(run: Path, logs: Path) -> tuple[dict, dict, list[list[dict]]]:
    """A run's last checkpoint, its best weights, and the rows of every log in a folder: of one, if all is well.

    Raises:
        UserError: there is no such checkpoint or weights, or they are damaged.
    """
    last = load_checkpoint(epoch_path(run, max(list_epochs(run), default=0)))
    return last, load_checkpoint(run / BEST_NAME), [read_log(path) for path in sorted(logs.glob("*.csv"))]


def read_log(path: Path) -> list[dict]:
    """The rows of a training's log; none where its head is just being written, which `files.read_csv` refuses."""
    with path.open() as file:
        return list(csv.DictReader(file))


def difference(first: object, second: object, place: str = "it") -> str:
    """Where two values, nested dicts, lists and tensors, first differ in a bit, times and places aside; empty where
    they do not.
    """
    if type(first) is not type(second):
        return f"{place} is {type(first).__name__} and {type(second).__name__}"
    if isinstance(first, dict):
        if first.keys() != second.keys():
            return f"{place} has {sorted(map(str, first.keys() ^ second.keys()))} only once"
        pairs = [(f"{place}[{key!r}]", first[key], second[key]) for key in first if key not in TIMES_AND_PLACES]
    elif isinstance(first, (list, tuple)):
        if len(first) != len(second):
            return f"{place} has {len(first)} and {len(second)} entries"
        pairs = [(f"{place}[{number}]", *pair) for number, pair in enumerate(zip(first, second, strict=True))]
    else:
        is_equal = torch.equal(first, second) if isinstance(first, torch.Tensor) else first == second
        return "" if is_equal else f"{place} differs"
    return next((found for where, *pair in pairs if (found := difference(*pair, where))), "")


def same(first: object, second: object) -> bool:
    """Whether two values do not differ in a bit, times and places aside."""
    return not difference(first, second)
