"""Judges a model on a split: `python evaluate.py [--split test] [--weights FILE] [--json FILE]`.

`python evaluate.py --visualize-index 5` draws one film instead, truth against prediction. The model is what the weights say.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

from cache import FilmCache
from config import DEFAULT_CACHE, DEFAULT_DATASET, DEFAULT_OUTPUT, SPLITS, SYMBOLS, UserError
from dataset import FilmDataset
from files import write_csv, write_json
from films import Film, scan_split
from images import read_film, write_png
from inference import Prediction, Predictor, default_weights, load_predictor, pick_device
from metrics import mean_and_deviation
from report import compare_annotators, describe_annotators, describe_figures, published_row
from scoring import measure_errors, score_films
from visualize import contact_sheet, draw_film


def make_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(description="Judges a model on a split of a data set, or draws one film of it.")
    parser.add_argument("--dataset", type=Path, default=Path(DEFAULT_DATASET), help="data set in Aariz's layout (default: %(default)s)")
    parser.add_argument("--split", choices=SPLITS, default="test", help="which films (default: %(default)s)")
    parser.add_argument("--weights", type=Path, metavar="FILE", help="a checkpoint or .safetensors file (default: the newest best)")
    parser.add_argument("--output", type=Path, default=Path(DEFAULT_OUTPUT), help="where runs lie (default: %(default)s)")
    parser.add_argument(
        "--truth",
        choices=("mean", "official", "senior", "junior"),
        default="mean",
        help="judge by the annotators' mean, its ceil as Aariz scores, or one of them (default: %(default)s)",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write the error of every point of every film there")
    parser.add_argument("--visualize-index", type=int, metavar="I", help="draw film I, counted from 0 in sorted order")
    parser.add_argument("--worst", type=int, default=9, metavar="N", help="films on the sheet of the worst (default: %(default)s)")
    parser.add_argument("--pictures", type=Path, default=Path("pictures"), help="where drawings go (default: %(default)s)")
    parser.add_argument("--cache", type=Path, default=Path(DEFAULT_CACHE), help="folder of prepared films (default: %(default)s)")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="where to compute (default: %(default)s)")
    parser.add_argument("--workers", type=int, default=0, help="processes that load films (default: %(default)s)")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Runs the command; returns its exit status."""
    options = make_parser().parse_args(arguments)
    try:
        if options.worst < 0 or options.workers < 0:
            raise UserError("--worst and --workers must be at least 0.")
        films = scan_split(options.dataset, options.split)
        weights = options.weights or default_weights(options.output)
        print(f"Weights: {weights}")
        predictor = load_predictor(weights, pick_device(options.device))
        if options.visualize_index is not None:
            return visualize(options, films, predictor)
        return evaluate(options, films, predictor, weights)
    except UserError as error:
        print(f"evaluate.py: {error}", file=sys.stderr)
        return 2


def evaluate(options: argparse.Namespace, films: list[Film], predictor: Predictor, weights: Path) -> int:
    """Prints all figures of a split, draws its worst films and writes what was asked for.

    Raises:
        UserError: the films have no labels of the kind that the model predicts.
    """
    cache = FilmCache(options.cache, options.dataset, predictor.config.image_size)
    cache.build(films)
    predictions, losses = predictor.predict_films(FilmDataset(films, predictor.config, cache), options.workers)
    scores = score_films(films, predictions, predictor.config, options.truth)
    if scores["landmarks"] is None and scores["cvm"] is None:
        raise UserError(f"{options.dataset} {options.split} has no labels of what {predictor.config.model} predicts; choose other films.")
    figures = {
        "model": predictor.config.model,
        "weights": str(weights),
        "dataset": options.dataset.resolve().name,
        "split": options.split,
        "loss": losses["total"],
    } | scores
    print(f"{figures['model']} on {figures['dataset']}/{options.split}: {len(films)} films\n")
    if scores["landmarks"] is not None:
        figures["annotators"] = compare_annotators(films, predictions)
    print(describe_figures(figures))
    if scores["landmarks"] is not None:
        print("\n" + describe_annotators(figures["annotators"]) + "\n\n" + published_row(figures))
        draw_worst(options, films, predictions)
    if options.json:
        write_json(options.json, figures)
    if options.csv:
        write_errors(options.csv, films, predictions, options.truth)
    return 0


def draw_worst(options: argparse.Namespace, films: list[Film], predictions: list[Prediction]) -> None:
    """A sheet of the films with the largest mean error, worst first."""
    if not options.worst:
        return
    errors = measure_errors(films, predictions, options.truth)
    means_px = np.array([mean_and_deviation(row)[0] for row in errors.of_experts(errors.px256)])
    order = [int(index) for index in np.argsort(-np.nan_to_num(means_px, nan=-1.0)) if not np.isnan(means_px[index])]
    tiles = []
    for index in order[: options.worst]:
        mean_mm = mean_and_deviation(errors.of_experts(errors.mm)[index])[0]
        size = f"{mean_mm:.2f} mm" if not np.isnan(mean_mm) else f"{mean_and_deviation(errors.px[index])[0]:.1f} px"
        picture = draw_pair(films[index], predictions[index], options.truth)
        tiles.append((picture, f"#{index} {films[index].film_id}: {size}"))
    if tiles:
        path = options.pictures / "worst_films.png"
        write_png(path, contact_sheet(tiles))
        print(f"\nThe {len(tiles)} films with the largest error: {path}")


def visualize(options: argparse.Namespace, films: list[Film], predictor: Predictor) -> int:
    """Draws one film and lists the error of each point."""
    index = options.visualize_index
    if not 0 <= index < len(films):
        raise UserError(f"--visualize-index is {index}, but {options.split} has films 0 to {len(films) - 1}.")
    film = films[index]
    prediction = predictor.predict(read_film(film.image_path))
    if predictor.config.finds_landmarks:
        errors = measure_errors([film], [prediction], options.truth)
        for symbol, px, mm in zip(SYMBOLS, errors.px[0], errors.mm[0], strict=True):
            if not np.isnan(px):
                print(f"{symbol:5} {px:8.2f} px" + ("" if np.isnan(mm) else f" {mm:7.2f} mm"))
    if prediction.stage is not None:
        print(f"stage: {prediction.stage} named, {film.stage or 'not'} labelled")
    path = options.pictures / f"film_{film.film_id}.png"
    write_png(path, draw_pair(film, prediction, options.truth))
    print(f"Film {index} ({film.film_id}): {path}")
    return 0


def draw_pair(film: Film, prediction: Prediction, truth: str) -> np.ndarray:
    """A film with truth and prediction; both are in its own pixels, so nothing is scaled here."""
    return draw_film(read_film(film.image_path), prediction.landmarks_px, film.truth_px(truth), title=film.film_id)


def write_errors(path: Path, films: list[Film], predictions: list[Prediction], truth: str) -> None:
    """One row for each point that has both truth and prediction."""
    errors = measure_errors(films, predictions, truth)
    rows = []
    for row, film in enumerate(films):
        for column, symbol in enumerate(SYMBOLS):
            px, mm = errors.px[row, column], errors.mm[row, column]
            if not np.isnan(px):
                taught_by = "reader" if film.by_reader[column] else "expert"
                rows.append({
                    "film": film.film_id, "landmark": symbol, "truth_by": taught_by,
                    "error_px": round(float(px), 3), "error_mm": "" if np.isnan(mm) else round(float(mm), 4),
                })  # fmt: skip
    write_csv(path, rows, ["film", "landmark", "truth_by", "error_px", "error_mm"])


if __name__ == "__main__":
    sys.exit(main())
