"""Reads films without truth: `python predict.py FILM_OR_FOLDER... -o OUT [--json] [--csv] [--overlay] [--annotations]`.

Landmarks in film pixels, measurements, the CVM stage where weights name one. A broken film does not stop the others.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from tqdm import tqdm

from analysis import measure
from annotations import write_landmarks
from config import DEFAULT_OUTPUT, SYMBOLS, UserError
from files import read_bytes, write_csv, write_json
from images import IMAGE_SUFFIXES, dicom_pixel_size_mm, read_film, write_png
from inference import Prediction, Predictor, default_weights, load_predictor, pick_device
from visualize import draw_film

CSV_COLUMNS = ["film", "landmark", "x", "y", "confidence", "spread_px", "taught_by"]


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
        predictions = [predictor.predict(film) for predictor in predictors]
        entries.append(describe_film(path, film, pixel_size_mm, predictions))
        points_px = merged_points_px(predictions, film)
        rows += point_rows(name, points_px, predictions, predictors)
        if options.overlay:
            write_png(options.out / f"{name}_overlay.png", draw_film(film, points_px, numbers=True, title=name))
        if options.annotations:
            write_landmarks(options.out / "annotations" / f"{name}.json", name, points_px)
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


def merged_points_px(predictions: list[Prediction], film: np.ndarray) -> np.ndarray:
    """(29, 2) the first prediction of each point; NaN for points outside the film."""
    points_px = np.full((len(SYMBOLS), 2), np.nan)
    for prediction in predictions:
        points_px = np.where(np.isnan(points_px), prediction.landmarks_px, points_px)
    limits = np.array(film.shape[::-1]) - 0.5
    outside = ((points_px < -0.5) | (points_px > limits)).any(axis=1)
    return np.where(outside[:, None], np.nan, points_px)


def describe_film(path: Path, film: np.ndarray, pixel_size_mm: float | None, predictions: list[Prediction]) -> dict:
    """A film's entry of predictions.json. Radii are null where the weights carry no calibration."""
    points_px = merged_points_px(predictions, film)
    warnings = [text for prediction in predictions for text in prediction.warnings]
    landmarks = {}
    for column, symbol in enumerate(SYMBOLS):
        source = source_of(column, predictions)
        if np.isnan(points_px[column]).any():
            if source is not None:
                warnings.append(f"{symbol} would lie outside the film and is left out.")
            continue
        x, y = points_px[column]
        landmarks[symbol] = {
            "x": round(float(x), 3),
            "y": round(float(y), 3),
            "confidence": plain(source.confidence[column], 4),
            "spread_px": plain(source.spread_px[column], 3),
        } | describe_radius(source.radius95_px[column], pixel_size_mm)
    return {
        "film": str(path),
        "width": film.shape[1],
        "height": film.shape[0],
        "pixel_size_mm": pixel_size_mm,
        "landmarks": landmarks,
        "measurements": rounded_measurements(points_px, pixel_size_mm, predictions),
        "cvm": describe_stage(predictions),
        "warnings": warnings,
    }


def describe_radius(radius95_px: float, pixel_size_mm: float | None) -> dict[str, float | None]:
    """A radius in mm where the film has a pixel size, else in film pixels."""
    if pixel_size_mm is None:
        return {"radius95_px": plain(radius95_px, 2)}
    return {"radius95_mm": plain(radius95_px * pixel_size_mm, 3)}


def rounded_measurements(
    points_px: np.ndarray, pixel_size_mm: float | None, predictions: list[Prediction]
) -> dict[str, dict]:
    """`analysis.measure` with numbers short enough to read, and with intervals where the points have radii."""
    sources = [source_of(column, predictions) for column in range(len(SYMBOLS))]
    radii_px = np.array([np.nan if each is None else each.radius95_px[column] for column, each in enumerate(sources)])
    table = measure(points_px, pixel_size_mm, None if np.isnan(radii_px).all() else radii_px)
    return {
        name: {key: round(value, 3) if isinstance(value, float) else value for key, value in row.items()}
        for name, row in table.items()
    }


def source_of(column: int, predictions: list[Prediction]) -> Prediction | None:
    """The prediction that a point is taken from."""
    return next((each for each in predictions if not np.isnan(each.landmarks_px[column]).any()), None)


def describe_stage(predictions: list[Prediction]) -> dict | None:
    """The first stage that a model names; None where none does."""
    for prediction in predictions:
        if prediction.stage is not None:
            probabilities = [round(float(value), 4) for value in prediction.stage_probabilities]
            return {"stage": prediction.stage, "probabilities": probabilities, "roi": None}
    return None


def point_rows(
    name: str, points_px: np.ndarray, predictions: list[Prediction], predictors: list[Predictor]
) -> list[dict]:
    """A film's rows of predictions.csv."""
    rows = []
    for column, symbol in enumerate(SYMBOLS):
        if np.isnan(points_px[column]).any():
            continue
        source = source_of(column, predictions)
        config = predictors[predictions.index(source)].config
        values = (*points_px[column], source.confidence[column], source.spread_px[column])
        numbers = ["" if np.isnan(value) else round(float(value), 4) for value in values]
        taught_by = config.taught_by[config.landmarks.index(symbol)]
        rows.append(dict(zip(CSV_COLUMNS, [name, symbol, *numbers, taught_by], strict=True)))
    return rows


def plain(value: float, digits: int) -> float | None:
    """A rounded float for JSON; None for NaN."""
    return None if np.isnan(value) else round(float(value), digits)


if __name__ == "__main__":
    sys.exit(main())
