"""Reads films without truth: `python predict.py FILM_OR_FOLDER... -o OUT [--json] [--csv] [--overlay] [--annotations]`.

Landmarks in film pixels, measurements, the CVM stage where weights name one. A broken film does not stop the others.
"""

import argparse
import sys
from pathlib import Path

from tqdm import tqdm

from annotations import write_landmarks
from config import DEFAULT_OUTPUT, UserError
from files import read_bytes, write_csv, write_json
from images import IMAGE_SUFFIXES, dicom_pixel_size_mm, read_film, write_png
from inference import Predictor, default_weights, load_predictor, pick_device
from reading import CSV_COLUMNS, describe_reading, point_notes, point_rows, read
from visualize import draw_film


def make_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(description="Finds landmarks, and with such weights the CVM stage, without truth.")
    add = parser.add_argument
    add("films", type=Path, nargs="+", metavar="FILM_OR_FOLDER", help="pictures, or folders of them")
    add("-o", "--out", type=Path, required=True, help="folder for the results")
    add("--json", action="store_true", help="write predictions.json (also when nothing else is asked for)")
    add("--csv", action="store_true", help="write predictions.csv, a row for each point")
    add("--overlay", action="store_true", help="write a picture of each film with its points numbered")
    add("--annotations", action="store_true", help="write each film's points as an Aariz annotation file")
    add(
        "--weights", type=Path, action="append", metavar="FILE",
        help="a checkpoint or .safetensors file; give it twice for landmarks and stage (default: the newest best)",
    )  # fmt: skip
    add("--output", type=Path, default=Path(DEFAULT_OUTPUT), help="where runs lie (default: %(default)s)")
    add("--pixel-size", type=float, metavar="MM", help="pixel size of the films that do not state their own")
    add("--device", choices=("auto", "cpu", "cuda"), default="auto", help="where to compute (default: %(default)s)")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Runs the command; 1 when a film could not be read, 2 for a mistake in the call."""
    options = make_parser().parse_args(arguments)
    try:
        check_options(options)
        paths = find_films(options.films)
        weights = options.weights or [default_weights(options.output)]
        print("Weights: " + ", ".join(map(str, weights)))
        predictors = [load_predictor(path, pick_device(options.device)) for path in weights]
        if options.annotations and not any(predictor.config.finds_landmarks for predictor in predictors):
            raise UserError("--annotations needs weights that find landmarks; name such a file with --weights.")
        failures = predict_all(options, paths, predictors)
    except UserError as error:
        print(f"predict.py: {error}", file=sys.stderr)
        return 2
    for failure in failures:
        print(f"predict.py: {failure}", file=sys.stderr)
    print(f"{len(paths) - len(failures)} of {len(paths)} films read; results in {options.out}.")
    return 1 if failures else 0


def check_options(options: argparse.Namespace) -> None:
    """Refuses an impossible pixel size, and a place where no folder can be made."""
    if options.pixel_size is not None and not 0 < options.pixel_size < 10:
        raise UserError(f"--pixel-size is {options.pixel_size}; give millimetres, for example 0.1.")
    nearest = next(path for path in (options.out, *options.out.parents) if path.exists())
    if not nearest.is_dir():
        raise UserError(f"-o {options.out} is impossible, because {nearest} is a file; name a folder.")


def find_films(given: list[Path]) -> list[Path]:
    """The pictures named, and those in the folders named, in order.

    Raises:
        UserError: a path does not exist, or a folder holds no picture.
    """
    paths = []
    for path in given:
        if path.is_dir():
            pictures = (each for each in path.iterdir() if each.suffix.lower() in IMAGE_SUFFIXES)
            inside = sorted(each for each in pictures if not each.name.startswith("."))
            if not inside:
                raise UserError(f"{path} holds no picture ({', '.join(IMAGE_SUFFIXES)}); name another folder.")
            paths += inside
        elif path.exists():
            paths.append(path)
        else:
            raise UserError(f"{path} does not exist; check the path.")
    return list(dict.fromkeys(paths))


def name_films(paths: list[Path]) -> list[str]:
    """A name for each film's results: its file's name without ending, numbered where two would be the same.

    A film's own name goes before a numbered one, and some disks do not tell capitals apart.
    """
    own = {path.stem.casefold() for path in paths}
    names, taken = [], set()
    for path in paths:
        name, number = path.stem, 1
        while name.casefold() in taken or (number > 1 and name.casefold() in own):
            number += 1
            name = f"{path.stem}_{number}"
        names.append(name)
        taken.add(name.casefold())
    return names


def predict_all(options: argparse.Namespace, paths: list[Path], predictors: list[Predictor]) -> list[str]:
    """Predicts and writes every film; returns a sentence for each that could not be read."""
    entries, rows, failures = [], [], []
    for path, name in tqdm(list(zip(paths, name_films(paths), strict=True)), desc="Reading films", unit="film"):
        try:
            film = read_film(path)
            pixel_size_mm = film_pixel_size_mm(path, options.pixel_size)
        except UserError as error:
            failures.append(str(error))
            continue
        reading = read(predictors, film, name, pixel_size_mm)
        entries.append(describe_reading(reading, str(path)))
        rows += point_rows(reading)
        if options.overlay:
            overlay = draw_film(film, reading.points_px, numbers=True, title=name)
            write_png(options.out / f"{name}_overlay.png", overlay)
        if options.annotations:
            path = options.out / "annotations" / f"{name}.json"
            write_landmarks(path, name, reading.points_px, notes=point_notes(reading))
    if options.json or not (options.csv or options.overlay or options.annotations):
        write_json(options.out / "predictions.json", entries)
    if options.csv:
        write_csv(options.out / "predictions.csv", rows, CSV_COLUMNS)
    return failures


def film_pixel_size_mm(path: Path, given_mm: float | None) -> float | None:
    """A film's own pixel size where its file states one, else what the user gave."""
    if path.suffix.lower() == ".dcm":
        return dicom_pixel_size_mm(read_bytes(path), path) or given_mm
    return given_mm


if __name__ == "__main__":
    sys.exit(main())
