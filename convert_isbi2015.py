"""Brings the ISBI 2015 challenge's own files into Aariz's layout: `python convert_isbi2015.py SRC OUT`.

SRC holds the challenge's folders RawImage (TrainingData, Test1Data, Test2Data) and AnnotationsByMD (400_senior,
400_junior). OUT gets train (films 1-150) and test (Test1, 151-300); Test2 (301-400) becomes the test split of a data
set beside it, OUT_test2.
"""

import argparse
import shutil
import sys
from pathlib import Path

import numpy as np
from tqdm import tqdm

from annotations import MachineRecord, write_landmarks, write_machines
from config import ANNOTATORS, LANDMARK_COUNT, LANDMARK_INDEX, UserError
from files import read_bytes
from films import find_folder

# The challenge's landmarks 1-19 by Aariz's symbols. Wang et al., Medical Image Analysis 31 (2016).
CHALLENGE_ORDER = (
    "S", "N", "Or", "Po", "A", "B", "Pog", "Me", "Gn", "Go", "LIT", "UIT", "Ls", "Li", "Sn", "Pog`", "PNS", "ANS", "Ar",
)  # fmt: skip
PARTS = {"train": ("TrainingData", 1, 150), "test": ("Test1Data", 151, 300), "test2": ("Test2Data", 301, 400)}
MACHINE = "Soredex CRANEX Excel Ceph"
PIXEL_SIZE_MM = 0.1


def main(arguments: list[str] | None = None) -> int:
    """Runs the command; returns its exit status."""
    parser = argparse.ArgumentParser(description="Brings the ISBI 2015 challenge's files into Aariz's layout.")
    parser.add_argument("source", type=Path, metavar="SRC", help="folder with RawImage and AnnotationsByMD")
    parser.add_argument("target", type=Path, metavar="OUT", help="new data set; Test2 goes to OUT_test2")
    options = parser.parse_args(arguments)
    try:
        convert(options.source, options.target)
    except UserError as error:
        print(f"convert_isbi2015.py: {error}", file=sys.stderr)
        return 2
    return 0


def convert(source: Path, target: Path) -> None:
    """Converts all parts of the challenge that are there; each data set appears whole or not at all.

    Raises:
        UserError: the source lacks something or the target is not empty.
    """
    second = target.with_name(f"{target.name}_test2")
    for folder in (target, second):
        if folder.exists() and any(folder.iterdir()):
            raise UserError(f"{folder} exists and is not empty; name another folder or remove it.")
    make_dataset(source, target, {"train": PARTS["train"], "test": PARTS["test"]})
    if find_folder(source, "RawImage", PARTS["test2"][0]) is not None:
        make_dataset(source, second, {"test": PARTS["test2"]})


def make_dataset(source: Path, target: Path, parts: dict[str, tuple[str, int, int]]) -> None:
    """Writes one data set under a temporary name, then renames it."""
    building = target.with_name(f".{target.name}.tmp")
    shutil.rmtree(building, ignore_errors=True)
    machines = {}
    for split, (folder_name, first, last) in parts.items():
        pictures = find_folder(source, "RawImage", folder_name)
        if pictures is None:
            raise UserError(f"{source} has no folder RawImage/{folder_name}; unpack the challenge's archive there.")
        for number in tqdm(range(first, last + 1), desc=f"{target.name}/{split}", unit="film"):
            film_id = f"{number:03d}"
            picture = find_picture(pictures, film_id)
            write_film(building / split, picture, film_id, source)
            machines[film_id] = MachineRecord(MACHINE, PIXEL_SIZE_MM, picture.suffix.lower()[1:], split.capitalize())
    write_machines(building, machines)
    if target.exists():
        target.rmdir()  # it is empty
    building.rename(target)
    print(f"{target}: {len(machines)} films")


def find_picture(folder: Path, film_id: str) -> Path:
    """A film's picture, bitmap or other."""
    matches = sorted(
        path for path in folder.glob(f"{film_id}.*") if path.suffix.lower() in (".bmp", ".png", ".jpg", ".tif")
    )
    if not matches:
        raise UserError(f"{folder} has no film {film_id}; unpack the challenge's archive again.")
    return matches[0]


def write_film(split_folder: Path, picture: Path, film_id: str, source: Path) -> None:
    """Copies a picture unchanged and writes both annotators' points."""
    target = split_folder / "Cephalograms" / f"{film_id}{picture.suffix.lower()}"
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(picture, target)
    for annotator, folder_name in zip(ANNOTATORS, ("400_senior", "400_junior"), strict=True):
        folder = find_folder(source, "AnnotationsByMD", folder_name) or find_folder(source, folder_name)
        if folder is None:
            raise UserError(
                f"{source} has no folder AnnotationsByMD/{folder_name}; unpack the challenge's archive there."
            )
        points_px = read_challenge_points(folder / f"{film_id}.txt")
        labels = split_folder / "Annotations" / "Cephalometric Landmarks" / annotator
        write_landmarks(labels / f"{film_id}.json", film_id, points_px, dataset_name="ISBI 2015")


def read_challenge_points(path: Path) -> np.ndarray:
    """The first 19 lines, "x,y" each, as (29, 2) film pixels in Aariz's order, the other ten NaN.

    Raises:
        UserError: the file is missing or has fewer points.
    """
    points_px = np.full((LANDMARK_COUNT, 2), np.nan)
    lines = read_bytes(path).decode("ascii", "replace").split("\n")
    try:
        for symbol, line in zip(CHALLENGE_ORDER, lines[: len(CHALLENGE_ORDER)], strict=True):
            x, y = line.strip().split(",")
            points_px[LANDMARK_INDEX[symbol]] = float(x), float(y)
    except ValueError:
        raise UserError(
            f"{path} has no {len(CHALLENGE_ORDER)} lines of x,y; unpack the challenge's archive again."
        ) from None
    return points_px


if __name__ == "__main__":
    sys.exit(main())
