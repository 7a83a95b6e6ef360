"""Cuts the neck out of every film: `python preprocess_roi.py [--dataset Aariz] [--output Aariz_ROI] [--from truth]`.

The region lies below porion and behind gonion, with margins in units of the distance from sella to nasion; or it is
the box of a LabelMe file (`--from labels`) or around the vertebrae that a model finds (`--from vertebrae`). They are
a data set of their own; each keeps its film's name and labels, and `transforms.json` holds the way back to the film.
"""

import argparse
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from tqdm import tqdm

from annotations import MachineRecord, write_landmarks, write_machines, write_stage
from cervical import VERTEBRAE_NAME
from config import ANNOTATORS, LANDMARK_INDEX, SPLITS, SYMBOLS, UserError
from files import file_hash, write_json
from films import TRANSFORMS, Film, has_split, scan_split
from flags import DEFAULT_DATASET, DEFAULT_OUTPUT, DEFAULT_ROI_DATASET
from images import read_film, write_png
from inference import CervicalPredictor, Predictor, default_weights, load_predictor, pick_device
from labelme import box_of_points
from memory import keep_freed_memory
from neck import labels_folder, with_vertebrae

BoxFinder = Callable[[Film, np.ndarray, float], tuple[int, int, int, int]]
# Edges of the region in units of S-N. On 25 ISBI 2015 training films the 13 points on C2-C4 reach from 0.58 behind to
# 0.03 before gonion and from 0.72 to 1.57 below porion; about 0.14 is added on each side. All 13 then lie inside on the
# 25 test films too (0.60, 0.07, 0.70, 1.68), by true and by predicted landmarks, and on all 50 turned by 10 degrees.
BEHIND_GONION = 0.72
BEFORE_GONION = 0.16
TOP_BELOW_PORION = 0.58
BOTTOM_BELOW_PORION = 1.74
NEEDED = ("S", "N", "Po", "Go")
SOURCES = ("predictions", "truth", "labels", "vertebrae")


def make_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(description="Cuts the neck out of every film into a data set in the same layout.")
    add = parser.add_argument
    add("--dataset", type=Path, default=Path(DEFAULT_DATASET), help="in Aariz's layout (default: %(default)s)")
    add("--output", type=Path, default=Path(DEFAULT_ROI_DATASET), help="new data set (default: %(default)s)")
    add(
        "--from", "--source", dest="source", choices=SOURCES, default="predictions",
        help="what says where the neck is: landmarks that are predicted or true, LabelMe labels, or the vertebrae that "
        "a model finds (default: %(default)s)",
    )  # fmt: skip
    add("--weights", type=Path, metavar="FILE", help="landmark or vertebrae weights (default: the newest best)")
    add("--runs", type=Path, default=Path(DEFAULT_OUTPUT), help="where runs lie (default: %(default)s)")
    add(
        "--margin",
        type=float,
        default=0.0,
        help="widen each side by this much of S-N, or of the box's height (default: %(default)s)",
    )
    add("--restart", action="store_true", help="replace an output that this command made before")
    add("--device", choices=("auto", "cpu", "cuda"), default="auto", help="where to compute (default: %(default)s)")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Runs the command; returns its exit status."""
    options = make_parser().parse_args(arguments)
    try:
        if not -0.1 <= options.margin <= 1.0:
            raise UserError(f"--margin is {options.margin}; it must be from -0.1 to 1.")
        check_output(options.output, options.restart, options.dataset)
        return cut_dataset(options)
    except UserError as error:
        print(f"preprocess_roi.py: {error}", file=sys.stderr)
        return 2


def check_output(output: Path, restart: bool, dataset: Path) -> None:
    """Refuses to write over anything but a former result of this command, and over the films themselves."""
    if output.exists() and not output.is_dir():
        raise UserError(f"{output} is a file; name a folder with --output.")
    if output.resolve() == dataset.resolve():
        raise UserError(f"--output and --dataset are both {output}; name another --output.")
    if not output.exists() or not any(output.iterdir()):
        return
    if not (output / TRANSFORMS).exists():
        raise UserError(f"{output} exists and was not made by this command; name another --output.")
    if not restart:
        raise UserError(f"{output} was made before; add --restart to make it again.")


def cut_dataset(options: argparse.Namespace) -> int:
    """Cuts all splits under a temporary name, then puts the result in place; 1 when a film had to be left out."""
    splits = [split for split in SPLITS if has_split(options.dataset, split)]
    films = [film for split in splits for film in scan_split(options.dataset, split)]
    if not films:
        raise UserError(f"{options.dataset} has no films; see README.md for how a data set must look.")
    check_ids(films)
    find_box = choose_source(options)
    if options.source == "labels":
        films = [film for split in splits for film in label_split(films, options.dataset, split)]
    building = options.output.with_name(f".{options.output.name}.tmp")
    shutil.rmtree(building, ignore_errors=True)
    transforms, machines, skipped = {}, {}, []
    for film in tqdm(films, desc="Cutting", unit="film"):
        try:
            transforms[film.film_id] = cut_film(film, find_box, options.margin, building)
            machines[film.film_id] = MachineRecord(film.machine, film.pixel_size_mm, "png", film.split.capitalize())
        except UserError as error:
            skipped.append(str(error))
    if not transforms:
        shutil.rmtree(building, ignore_errors=True)
        raise UserError(f"No film could be cut; the first: {skipped[0]}")
    write_machines(building, machines)
    write_json(building / TRANSFORMS, transforms)
    if options.output.exists():
        shutil.rmtree(options.output)
    building.rename(options.output)
    for sentence in skipped:
        print(f"preprocess_roi.py: {sentence}", file=sys.stderr)
    print(f"{len(transforms)} of {len(films)} films cut into {options.output}.")
    return 1 if skipped else 0


def check_ids(films: list[Film]) -> None:
    """Refuses an id in two splits: a crop could not be traced to its film."""
    splits = {}
    for film in films:
        if film.film_id in splits:
            first = splits[film.film_id]
            raise UserError(f"Film {film.film_id} is in {first} and in {film.split}; rename or remove one of them.")
        splits[film.film_id] = film.split


def choose_source(options: argparse.Namespace) -> BoxFinder:
    """What tells the region of a film: a function of film, picture and margin.

    Raises:
        UserError: the weights are missing or find something else.
    """
    if options.source == "truth":
        return lambda film, picture, margin: roi_box_px(film.truth_px(), picture.shape[::-1], margin)
    if options.source == "labels":
        return lambda film, picture, margin: labelled_box_px(film, picture.shape[::-1], margin)
    bundled = Path(__file__).parent / "weights" / VERTEBRAE_NAME
    is_neck = options.source == "vertebrae"
    weights = options.weights or (bundled if is_neck else default_weights(options.runs))
    predictor = load_predictor(weights, pick_device(options.device))
    print(f"Weights: {weights}")
    if is_neck and predictor.cervical is None:
        raise UserError(f"{weights} finds no vertebrae; name vertebrae weights with --weights.")
    if is_neck:
        return lambda film, picture, margin: found_box_px(predictor, picture, margin)
    if not set(NEEDED) <= set(predictor.config.landmarks) or not predictor.config.finds_landmarks:
        raise UserError(f"{weights} does not find {', '.join(NEEDED)}; name landmark weights with --weights.")
    return lambda film, picture, margin: roi_box_px(
        predictor.predict_known(picture).landmarks_px, picture.shape[::-1], margin
    )


def label_split(films: list[Film], root: Path, split: str) -> list[Film]:
    """The films of one split with their vertebral labels."""
    return with_vertebrae([film for film in films if film.split == split], labels_folder(root, split))


def labelled_box_px(film: Film, film_size: tuple[int, int], margin: float) -> tuple[int, int, int, int]:
    """The box that a LabelMe file draws, or that around its points.

    Raises:
        ValueError: it has neither.
    """
    labels = film.vertebrae
    if labels.box_px is None and not labels.known.any():
        raise ValueError("it has no LabelMe file with a box or points")
    box_px = labels.box_px if labels.box_px is not None else box_of_points(labels.points_px)
    return widened_box_px(box_px, film_size, margin)


def found_box_px(predictor: CervicalPredictor | Predictor, picture: np.ndarray, margin: float) -> tuple:
    """The box around the vertebrae that a model finds.

    Raises:
        ValueError: it finds none.
    """
    cervical = predictor.predict(picture).cervical
    if cervical is None:
        raise ValueError("no neck is to be seen on it")
    return widened_box_px(cervical.neck.box_px, picture.shape[::-1], margin)


def widened_box_px(box_px: np.ndarray, film_size: tuple[int, int], margin: float) -> tuple[int, int, int, int]:
    """A box as left, top, right, bottom in whole pixels, the last two exclusive, each side widened by a share of its
    height and cut at the film's border.
    """
    widen = margin * (box_px[3] - box_px[1])
    low = np.maximum(np.floor(box_px[:2] - widen), 0).astype(int)
    high = np.minimum(np.ceil(box_px[2:] + widen) + 1, film_size).astype(int)
    if (high - low).min() < 2:
        raise ValueError("its cervical region lies outside the film")
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])


def cut_film(film: Film, find_box: BoxFinder, margin: float, root: Path) -> dict:
    """Writes one film's crop and labels; returns its entry of transforms.json.

    Raises:
        UserError: the film cannot be read, or its region cannot be told or lies outside it.
    """
    picture = read_film(film.image_path)
    try:
        left, top, right, bottom = find_box(film, picture, margin)
    except ValueError as error:
        raise UserError(f"Film {film.film_id} ({film.split}) is left out: {error}.") from None
    split_folder = root / film.split
    write_png(split_folder / "Cephalograms" / f"{film.film_id}.png", picture[top:bottom, left:right])
    origin, size = np.array([left, top]), np.array([right - left, bottom - top])
    for annotator, points_px in zip(ANNOTATORS, film.annotators_px, strict=True):
        if np.isnan(film.annotators_px).all():
            break  # a film without landmarks has no such files
        crop_px = points_px - origin
        inside = ((crop_px >= -0.5) & (crop_px <= size - 0.5)).all(axis=1)
        path = split_folder / "Annotations" / "Cephalometric Landmarks" / annotator / f"{film.film_id}.json"
        write_landmarks(path, film.film_id, np.where(inside[:, None], crop_px, np.nan), notes=label_notes(film))
    if film.stage is not None:
        write_stage(split_folder / "Annotations" / "CVM Stages" / f"{film.film_id}.json", film.film_id, film.stage)
    box = {"left": left, "top": top, "width": right - left, "height": bottom - top}
    film_size = [picture.shape[1], picture.shape[0]]
    digest = file_hash(film.image_path)  # twins among the films stay twins among their crops
    return {"split": film.split, "film": film.image_path.name, "sha256": digest, "film_size": film_size, "box": box}


def label_notes(film: Film) -> dict[str, dict]:
    """What a film's labels say of their points beside the coordinates: who placed them, and whether in doubt."""
    notes = {}
    for symbol, by_reader, unsure in zip(SYMBOLS, film.by_reader, film.unsure, strict=True):
        notes[symbol] = ({"annotator": "reader"} if by_reader else {}) | ({"unsure": True} if unsure else {})
    return notes


def roi_box_px(landmarks_px: np.ndarray, film_size: tuple[int, int], margin: float = 0.0) -> tuple[int, int, int, int]:
    """The cervical region as left, top, right, bottom in film pixels, the last two exclusive, cut at the film's border.

    Args:
        landmarks_px: (29, 2); S, N, Po and Go are needed. N before S tells which way the face looks.
        film_size: width and height.
        margin: widens every side, in units of S-N.
    Raises:
        ValueError: a needed landmark is missing, or under half of the region lies on the film.
    """
    sella, nasion, porion, gonion = (landmarks_px[LANDMARK_INDEX[symbol]] for symbol in NEEDED)
    if np.isnan([sella, nasion, porion, gonion]).any():
        raise ValueError(f"one of {', '.join(NEEDED)} is missing")
    unit_px = float(np.hypot(*(nasion - sella)))
    forward = 1.0 if nasion[0] >= sella[0] else -1.0
    edges_x = gonion[0] + forward * unit_px * np.array([-BEHIND_GONION - margin, BEFORE_GONION + margin])
    edges_y = porion[1] + unit_px * np.array([TOP_BELOW_PORION - margin, BOTTOM_BELOW_PORION + margin])
    low = np.floor([edges_x.min(), edges_y.min()])
    high = np.ceil([edges_x.max(), edges_y.max()]) + 1
    shown_low, shown_high = np.maximum(low, 0), np.minimum(high, film_size)
    shown = np.maximum(shown_high - shown_low, 0)
    if shown.prod() < 0.5 * (high - low).prod():
        raise ValueError("its cervical region lies outside the film")
    left, top, right, bottom = (int(value) for value in (*shown_low, *shown_high))
    return left, top, right, bottom


if __name__ == "__main__":
    keep_freed_memory()
    sys.exit(main())
