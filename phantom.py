"""Writes a small synthetic data set in Aariz's layout: `python phantom.py OUT --films N --seed S`.

With it everything can be tried without data. The same seed gives the same films on any machine.
"""

import argparse
import shutil
import sys
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from annotations import MachineRecord, write_landmarks, write_machines, write_stage
from config import ANNOTATORS, SPLITS, STAGE_COUNT, UserError
from files import write_bytes, write_json
from labelme import write_labelme
from neck import LABELS_FOLDER
from synthetic import Phantom, make_phantom

MARK = "phantom.json"  # tells a data set of this command from any other folder
FORMATS = ("png", "jpg", "jpeg", "bmp")
# Two annotators' reading errors, mm along each axis.
ANNOTATOR_ERROR_MM = (0.15, 0.4)


def make_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        description="Writes a synthetic data set in Aariz's layout, to try everything without data."
    )
    parser.add_argument("output", type=Path, metavar="OUT", help="new folder for the data set")
    parser.add_argument(
        "--films", type=int, default=96, metavar="N", help="films in all splits together (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=0, help="which films (default: %(default)s)")
    parser.add_argument("--valid", type=int, metavar="N", help="films in valid (default: a sixth)")
    parser.add_argument("--test", type=int, metavar="N", help="films in test (default: a sixth)")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Runs the command; returns its exit status."""
    options = make_parser().parse_args(arguments)
    try:
        counts = split_counts(options.films, options.valid, options.test)
        if options.seed < 0:
            raise UserError(f"--seed is {options.seed}; it must be at least 0.")
        write_dataset(options.output, counts, options.seed)
    except UserError as error:
        print(f"phantom.py: {error}", file=sys.stderr)
        return 2
    shares = ", ".join(f"{count} {split}" for split, count in counts.items())
    print(f"{options.output}: {shares}. Next: python train.py --dataset {options.output}")
    return 0


def split_counts(films: int, valid: int | None, test: int | None) -> dict[str, int]:
    """How many films each split gets.

    Raises:
        UserError: nothing would be left to train on.
    """
    valid, test = (films // 6 if count is None else count for count in (valid, test))
    counts = dict(zip(SPLITS, (films - valid - test, valid, test), strict=True))
    if films < 1 or min(counts.values()) < 0 or counts["train"] < 1:
        raise UserError(
            f"--films {films} with {valid} for valid and {test} for test leaves nothing to train on; raise --films."
        )
    return counts


def write_dataset(output: Path, counts: dict[str, int], seed: int) -> None:
    """Writes all splits under a temporary name, then renames: an interruption leaves no half data set.

    Raises:
        UserError: `output` is something else than a former phantom.
    """
    output = output.absolute()
    if output.exists() and not output.is_dir():
        raise UserError(f"{output} is a file; name a folder.")
    if output.exists() and any(output.iterdir()) and not (output / MARK).exists():
        raise UserError(f"{output} exists and is no phantom data set; name another folder.")
    building = output.with_name(f".{output.name}.tmp")
    shutil.rmtree(building, ignore_errors=True)
    machines = {}
    index = 0
    with tqdm(total=sum(counts.values()), desc="Drawing", unit="film") as bar:
        for split, count in counts.items():
            for number in range(count):
                phantom = make_phantom(seed, index, stage=number % STAGE_COUNT + 1)
                film_id = f"phantom{seed}x{index:05d}"
                machines[film_id] = write_film(
                    building / split, film_id, phantom, np.random.default_rng([seed, index, 1])
                )
                index += 1
                bar.update()
    write_machines(building, machines)
    write_json(building / MARK, {"seed": seed, "films": counts})
    if output.exists():
        shutil.rmtree(output)
    building.rename(output)


def write_film(folder: Path, film_id: str, phantom: Phantom, generator: np.random.Generator) -> MachineRecord:
    """Writes one film with both annotators' points and its stage; returns its row of the machine file."""
    suffix = "png" if phantom.image.dtype == np.uint16 else str(generator.choice(FORMATS))
    done, data = cv2.imencode(f".{suffix}", phantom.image)
    assert done, f"OpenCV cannot write {suffix}"
    write_bytes(folder / "Cephalograms" / f"{film_id}.{suffix}", data.tobytes())
    labels = folder / "Annotations"
    for annotator, error_mm in zip(ANNOTATORS, ANNOTATOR_ERROR_MM, strict=True):
        error_px = generator.normal(0, error_mm / phantom.pixel_size_mm, phantom.landmarks_px.shape)
        path = labels / "Cephalometric Landmarks" / annotator / f"{film_id}.json"
        write_landmarks(path, film_id, read_points(phantom, error_px), dataset_name="Phantom")
    write_vertebrae(labels / LABELS_FOLDER / f"{film_id}.json", phantom, f"{film_id}.{suffix}")
    write_stage(labels / "CVM Stages" / f"{film_id}.json", film_id, phantom.stage, dataset_name="Phantom")
    mode = folder.name.capitalize()
    return MachineRecord(phantom.machine, phantom.pixel_size_mm, suffix, mode)


def write_vertebrae(path: Path, phantom: Phantom, picture: str) -> None:
    """Writes the points of C2 to C4 that the film shows, and the box around them, as LabelMe does."""
    size = phantom.image.shape[1], phantom.image.shape[0]
    shown = ((phantom.vertebrae_px >= 0) & (phantom.vertebrae_px <= np.array(size) - 1)).all(axis=1)
    points_px = np.where(shown[:, None], phantom.vertebrae_px, np.nan)
    write_labelme(path, points_px, size, f"../../Cephalograms/{picture}")


def read_points(phantom: Phantom, error_px: np.ndarray) -> np.ndarray:
    """(29, 2) an annotator's whole pixels, on the film; a point that the film does not show is NaN."""
    height, width = phantom.image.shape[:2]
    limit = np.array([width, height]) - 1
    shown = ((phantom.landmarks_px >= 0) & (phantom.landmarks_px <= limit)).all(axis=1)
    points_px = np.clip(np.rint(phantom.landmarks_px + error_px), 0, limit)
    return np.where(shown[:, None], points_px, np.nan)


if __name__ == "__main__":
    sys.exit(main())
