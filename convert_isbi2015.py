"""Brings the ISBI 2015 challenge's own files into Aariz's layout: `python convert_isbi2015.py SRC OUT`.

SRC holds the challenge's folders RawImage (TrainingData, Test1Data, Test2Data) and AnnotationsByMD (400_senior,
400_junior). OUT gets train (films 1-150) and test (Test1, 151-300); Test2 (301-400) becomes the test split of a data
set beside it, OUT_test2, since Aariz's layout knows one test.
"""

import argparse
import os
import shutil
import sys
from pathlib import Path

import numpy as np
from tqdm import tqdm

from annotations import MachineRecord, write_landmarks, write_machines
from config import ANNOTATORS, LANDMARK_COUNT, LANDMARK_INDEX, UserError
from files import read_bytes, write_bytes
from films import is_picture

# The challenge's landmarks 1-19 by Aariz's symbols. Wang et al., Medical Image Analysis 31 (2016).
CHALLENGE_ORDER = (
    "S", "N", "Or", "Po", "A", "B", "Pog", "Me", "Gn", "Go", "LIT", "UIT", "Ls", "Li", "Sn", "Pog`", "PNS", "ANS", "Ar",
)  # fmt: skip
# Folder, first and last film of each part.
PARTS = {"train": ("TrainingData", 1, 150), "test": ("Test1Data", 151, 300), "test2": ("Test2Data", 301, 400)}
ANNOTATOR_FOLDERS = ("400_senior", "400_junior")  # in the order of ANNOTATORS
MACHINE = "Soredex CRANEX Excel Ceph"
PIXEL_SIZE_MM = 0.1


def make_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        description="Brings the ISBI 2015 cephalometric challenge's files into Aariz's layout. Pictures are copied "
        "unchanged. The challenge's training films become OUT's train split, its Test1 OUT's test split; its Test2, "
        "if it is there, becomes the test split of a second data set, OUT_test2."
    )
    parser.add_argument(
        "source",
        type=Path,
        metavar="SRC",
        help="folder that holds, at any depth, TrainingData, Test1Data, 400_senior, 400_junior and perhaps Test2Data",
    )
    parser.add_argument("target", type=Path, metavar="OUT", help="the new data set; Test2 goes to OUT_test2")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Runs the command; returns its exit status."""
    options = make_parser().parse_args(arguments)
    try:
        convert(options.source, options.target)
    except UserError as error:
        print(f"convert_isbi2015.py: {error}", file=sys.stderr)
        return 2
    return 0


def convert(source: Path, target: Path) -> None:
    """Converts all parts of the challenge that are there; the data sets appear whole or not at all.

    Raises:
        UserError: the source lacks something, or the target is in use.
    """
    target = Path(os.path.abspath(target))  # "." and ".." have no name to put _test2 behind
    second = target.with_name(f"{target.name}_test2")
    for folder in (target, second):
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise UserError(f"{folder} exists and is not an empty folder; name another or remove it.")
    folders = index_folders(source)
    datasets = {target: {"train": PARTS["train"], "test": PARTS["test"]}}
    if PARTS["test2"][0].lower() in folders:
        datasets[second] = {"test": PARTS["test2"]}
    building = {dataset: dataset.with_name(f".{dataset.name}.tmp") for dataset in datasets}
    try:
        for dataset, parts in datasets.items():
            shutil.rmtree(building[dataset], ignore_errors=True)  # left by a crash
            write_dataset(building[dataset], dataset.name, folders, parts)
        for dataset, folder in building.items():
            folder.replace(dataset)  # takes the place of an empty folder
            print(f"{dataset} is written. Next: python dataset.py --check {dataset}")
    except OSError as error:
        raise UserError(f"{target} cannot be written ({error.strerror}); check the disk and its permissions.") from None
    finally:
        for folder in building.values():
            shutil.rmtree(folder, ignore_errors=True)


def index_folders(source: Path) -> dict[str, Path]:
    """Every folder below `source` by its name in lower case, the one nearest to `source` where names repeat:
    archives are often unpacked into a folder of their own name.
    """
    if not source.is_dir():
        raise UserError(f"{source} is not a folder; name the one that the challenge's archives were unpacked into.")
    folders = (path for path in source.rglob("*") if path.is_dir() and "__MACOSX" not in path.parts)
    by_depth = sorted(folders, key=lambda path: (len(path.parts), path))
    return {path.name.lower(): path for path in reversed(by_depth)}


def pick_folder(folders: dict[str, Path], name: str) -> Path:
    """A folder of the challenge, by name."""
    if name.lower() not in folders:
        raise UserError(f"The challenge's folder {name} is missing; unpack all its archives into one folder.")
    return folders[name.lower()]


def write_dataset(building: Path, name: str, folders: dict[str, Path], parts: dict[str, tuple[str, int, int]]) -> None:
    """Writes the films, their points and the machine file of one data set."""
    machines = {}
    label_folders = [pick_folder(folders, folder) for folder in ANNOTATOR_FOLDERS]
    for split, (folder, first, last) in parts.items():
        pictures = index_pictures(pick_folder(folders, folder))
        for number in tqdm(range(first, last + 1), desc=f"Writing {name}/{split}", unit="film"):
            film_id = f"{number:03d}"
            if film_id not in pictures:
                raise UserError(
                    f"{folders[folder.lower()]} has no film {film_id}; unpack the challenge's archive again."
                )
            write_film(building / split, pictures[film_id], film_id, label_folders)
            suffix = pictures[film_id].suffix.lower()[1:]
            machines[film_id] = MachineRecord(MACHINE, PIXEL_SIZE_MM, suffix, split.capitalize())
    write_machines(building, machines)


def index_pictures(folder: Path) -> dict[str, Path]:
    """The pictures of a folder, bitmaps or others, by their name without ending."""
    return {path.stem: path for path in sorted(folder.iterdir()) if is_picture(path)}


def write_film(split_folder: Path, picture: Path, film_id: str, label_folders: list[Path]) -> None:
    """Copies a picture unchanged and writes both annotators' points."""
    name = f"{film_id}{picture.suffix.lower()}"
    write_bytes(split_folder / "Cephalograms" / name, read_bytes(picture))
    for annotator, folder in zip(ANNOTATORS, label_folders, strict=True):
        points_px = read_challenge_points(folder / f"{film_id}.txt")
        path = split_folder / "Annotations" / "Cephalometric Landmarks" / annotator / f"{film_id}.json"
        write_landmarks(path, film_id, points_px, dataset_name="ISBI 2015")


def read_challenge_points(path: Path) -> np.ndarray:
    """The first 19 lines, "x,y" each, as (29, 2) film pixels in Aariz's order, the other ten NaN; what follows them,
    the challenge's classes of anatomy, is left out.

    Raises:
        UserError: the file is missing or has fewer points.
    """
    points_px = np.full((LANDMARK_COUNT, 2), np.nan)
    lines = read_bytes(path).decode("ascii", "replace").splitlines()
    try:
        for symbol, line in zip(CHALLENGE_ORDER, lines[: len(CHALLENGE_ORDER)], strict=True):
            x, y = (float(number) for number in line.split(","))
            if not np.isfinite([x, y]).all():
                raise ValueError(line)
            points_px[LANDMARK_INDEX[symbol]] = x, y
    except ValueError:
        raise UserError(
            f"{path} has no {len(CHALLENGE_ORDER)} lines of x,y; unpack the challenge's archive again."
        ) from None
    return points_px


if __name__ == "__main__":
    sys.exit(main())
