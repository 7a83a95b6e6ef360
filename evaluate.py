"""Judges a model on a split: `python evaluate.py [--split test] [--weights FILE] [--json FILE]`.

`python evaluate.py --visualize-index 5` draws one film instead, truth against prediction. The weights say which model.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

from cache import FilmCache
from config import SPLITS, SYMBOLS, UserError
from dataset import FilmDataset
from files import file_hash, write_csv, write_json
from films import Film, films_fingerprint, scan_split
from flags import DEFAULT_CACHE, DEFAULT_DATASET, DEFAULT_OUTPUT
from images import read_film, write_png
from inference import Prediction, Predictor, default_weights, load_predictor, pick_device
from memory import keep_freed_memory
from metrics import mean_and_deviation
from neck import labels_folder, with_vertebrae
from neck_scoring import describe_neck_figures, read_necks, score_cervical
from reliability_figure import draw_reliability
from report import compare_annotators, describe_annotators, describe_figures, published_row
from scoring import LandmarkErrors, interval, measure_errors, score_films
from visualize import contact_sheet, draw_film, draw_vertebrae


def make_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(description="Judges a model on a split of a data set, or draws one film of it.")
    add = parser.add_argument
    add("--dataset", type=Path, default=Path(DEFAULT_DATASET), help="in Aariz's layout (default: %(default)s)")
    add("--split", choices=SPLITS, default="test", help="which films (default: %(default)s)")
    add("--weights", type=Path, metavar="FILE", help="a checkpoint or .safetensors file (default: the newest best)")
    add("--output", type=Path, default=Path(DEFAULT_OUTPUT), help="where runs lie (default: %(default)s)")
    add(
        "--truth",
        choices=("mean", "official", "senior", "junior"),
        default="mean",
        help="judge by the annotators' mean, its ceil as Aariz scores, or one of them (default: %(default)s)",
    )
    add("--json", type=Path, metavar="FILE", help="write all figures there")
    add("--csv", type=Path, metavar="FILE", help="write the error of every point of every film there")
    add("--visualize-index", type=int, metavar="I", help="draw film I, counted from 0 in sorted order")
    add("--worst", type=int, default=9, metavar="N", help="films on the sheet of the worst (default: %(default)s)")
    add("--pictures", type=Path, default=Path("pictures"), help="where drawings go (default: %(default)s)")
    add("--cache", type=Path, default=Path(DEFAULT_CACHE), help="folder of prepared films (default: %(default)s)")
    add("--device", choices=("auto", "cpu", "cuda"), default="auto", help="where to compute (default: %(default)s)")
    add("--workers", type=int, default=0, help="processes that load films (default: %(default)s)")
    add("--seed", type=int, default=0, help="seed of the bootstrap intervals (default: %(default)s)")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Runs the command; returns its exit status."""
    options = make_parser().parse_args(arguments)
    try:
        check_options(options)
        films = scan_split(options.dataset, options.split)
        weights = options.weights or default_weights(options.output)
        print(f"Weights: {weights}")
        predictor = load_predictor(weights, pick_device(options.device))
        if predictor.config.reads_necks:
            return evaluate_necks(options, films, predictor, weights)
        check_truth(options, films, predictor)
        if options.visualize_index is not None:
            return visualize(options, films, predictor)
        return evaluate(options, films, predictor, weights)
    except UserError as error:
        print(f"evaluate.py: {error}", file=sys.stderr)
        return 2


def check_options(options: argparse.Namespace) -> None:
    """Refuses impossible numbers, and results that could not be written after minutes of judging."""
    if options.worst < 0 or options.workers < 0 or options.seed < 0:
        raise UserError("--worst, --workers and --seed must be at least 0.")
    for flag, path in (("--json", options.json), ("--csv", options.csv)):
        if path is not None and path.is_dir():
            raise UserError(f"{flag} {path} is a folder; name a file.")
    for path in (options.json, options.csv, options.pictures / "worst_films.png"):
        blocking = next((parent for parent in path.parents if parent.exists()), None) if path is not None else None
        if blocking is not None and not blocking.is_dir():
            raise UserError(f"{path} cannot be written, because {blocking} is a file; name another place.")


def check_truth(options: argparse.Namespace, films: list[Film], predictor: Predictor) -> None:
    """Refuses films without any label of what the model predicts; a single film may be drawn without."""
    taught = [SYMBOLS.index(symbol) for symbol in predictor.config.landmarks if predictor.config.finds_landmarks]
    points = any((~np.isnan(film.truth_px(options.truth)[taught]).any(axis=1)).any() for film in films)
    stages = predictor.names_stage and any(film.stage is not None for film in films)
    if options.visualize_index is None and not points and not stages:
        raise UserError(
            f"{options.dataset} {options.split} has no labels (truth: {options.truth}) of what "
            f"{predictor.config.model} predicts; choose other films or weights."
        )


def evaluate(options: argparse.Namespace, films: list[Film], predictor: Predictor, weights: Path) -> int:
    """Prints all figures of a split, draws its worst films and its radii, and writes what was asked for."""
    cache = FilmCache(options.cache, options.dataset, predictor.config.cached_size)
    cache.build(films)
    predictions, losses = predictor.predict_films(FilmDataset(films, predictor.config, cache), options.workers)
    scores = score_films(films, predictions, predictor.config, options.truth)
    without_size = sum(film.pixel_size_mm is None for film in films)
    counted = {"loss": losses["total"], "films_without_pixel_size": without_size}
    figures = say_what(options, films, predictor, weights) | counted | scores
    print(f"{figures['model']} on {figures['dataset']}/{options.split}: {len(films)} films\n")
    if scores["landmarks"] is not None:
        figures["annotators"] = compare_annotators(films, predictions)
        if options.seed:  # training and the default draw with seed 0
            errors = measure_errors(films, predictions, options.truth)
            figures["landmarks"]["mre_mm_interval95"] = interval(errors, options.seed)
    print(describe_figures(figures))
    if scores["landmarks"] is not None:
        print("\n" + describe_annotators(figures["annotators"]) + "\n\n" + published_row(figures))
        draw_radii(options, scores["landmarks"]["coverage95"]["reliability_mm"])
        draw_worst(options, films, predictions)
    if options.json:
        write_json(options.json, figures)
    if options.csv:
        write_errors(options.csv, films, predictions, options.truth)
    return 0


def say_what(options: argparse.Namespace, films: list[Film], predictor, weights: Path) -> dict:
    """What was judged on what; by the hashes, figures are known for those of a file of weights (`sharing.py`)."""
    return {
        "model": predictor.config.model,
        "weights": str(weights),
        "weights_sha256": file_hash(weights),
        "dataset": options.dataset.resolve().name,
        "split": options.split,
        "films_fingerprint": films_fingerprint(films),
    }


def evaluate_necks(options: argparse.Namespace, films: list[Film], predictor, weights: Path) -> int:
    """As `evaluate`, for the models of the neck; --visualize-index draws the vertebrae it finds on one film."""
    films = with_vertebrae(films, labels_folder(options.dataset, options.split))
    config = predictor.config
    if options.visualize_index is not None:
        return visualize_neck(options, film_to_draw(options, films), predictor)
    figures = score_cervical(films, read_necks(predictor.cervical, films), config.stage_counts, options.seed)
    if figures["vertebrae"] is None and figures["cvm"] is None:
        raise UserError(f"{options.dataset} {options.split} has no labels of what {config.model} predicts.")
    names = say_what(options, films, predictor, weights)
    print(f"{config.model} on {names['dataset']}/{options.split}: {len(films)} films\n")
    print(describe_neck_figures(figures))
    if options.json:
        write_json(options.json, names | {"films": len(films), "landmarks": None} | figures)
    return 0


def film_to_draw(options: argparse.Namespace, films: list[Film]) -> Film:
    """The film that --visualize-index names."""
    index = options.visualize_index
    if not 0 <= index < len(films):
        raise UserError(f"--visualize-index is {index}, but {options.split} has films 0 to {len(films) - 1}.")
    return films[index]


def visualize_neck(options: argparse.Namespace, film: Film, predictor) -> int:
    """Draws the vertebrae of one film, and says what was read of it."""
    picture = read_film(film.image_path)
    cervical = predictor.predict(picture).cervical
    if cervical is None:
        raise UserError(f"No neck is to be seen on {film.image_path}.")
    path = options.pictures / f"neck_{film.film_id}.png"
    write_png(path, draw_vertebrae(picture, cervical.points_px))
    print(f"{cervical.geometry.reason}; stage {cervical.stage} named, {film.stage or 'none'} labelled\n{path}")
    return 0


def rank_films(errors: LandmarkErrors) -> tuple[list[tuple[int, float]], str]:
    """Films with their mean error, the worst first, and its unit: mm, or px of a 256 x 256 stretch if any lacks mm."""
    means_mm, means_px256 = (
        np.array([mean_and_deviation(row)[0] for row in errors.of_experts(lengths)])
        for lengths in (errors.mm, errors.px256)
    )
    known = np.flatnonzero(~np.isnan(means_px256))
    in_mm = not np.isnan(means_mm[known]).any()
    means = means_mm if in_mm else means_px256
    order = known[np.argsort(-means[known], kind="stable")]
    return [(int(index), float(means[index])) for index in order], "mm" if in_mm else "px of 256"


def draw_radii(options: argparse.Namespace, rows: list[dict[str, float]]) -> None:
    """A picture of how honest the radii are; nothing of weights without radii."""
    if rows:
        path = options.pictures / "reliability.png"
        write_png(path, draw_reliability(rows))
        print(f"\nErrors against radii: {path}")


def draw_worst(options: argparse.Namespace, films: list[Film], predictions: list[Prediction]) -> None:
    """A sheet of the films with the largest mean error, worst first."""
    if not options.worst:
        return
    ranking, unit = rank_films(measure_errors(films, predictions, options.truth))
    tiles = []
    for index, mean in ranking[: options.worst]:
        film = films[index]
        picture = draw_pair(film, predictions[index], options.truth, marker=1.7)
        tiles.append((picture, f"#{index} {film.film_id}: {mean:.2f} {unit}"))
    if tiles:
        path = options.pictures / "worst_films.png"
        write_png(path, contact_sheet(tiles))
        print(f"\nThe {len(tiles)} films with the largest error: {path}")


def visualize(options: argparse.Namespace, films: list[Film], predictor: Predictor) -> int:
    """Draws one film and lists the error of each point."""
    film = film_to_draw(options, films)
    prediction = predictor.predict_known(read_film(film.image_path))
    labels = list(SYMBOLS)
    errors = measure_errors([film], [prediction], options.truth)
    for column, (px, mm) in enumerate(zip(errors.px[0], errors.mm[0], strict=True)):
        if not np.isnan(px):
            print(f"{SYMBOLS[column]:5} {px:8.2f} px" + ("" if np.isnan(mm) else f" {mm:7.2f} mm"))
            labels[column] += f" {px:.0f} px" if np.isnan(mm) else f" {mm:.1f}"
    for sentence in prediction.warnings:
        print(sentence)
    if prediction.stage is not None:
        print(f"stage: {prediction.stage} named, {film.stage or 'not'} labelled")
    path = options.pictures / f"film_{film.film_id}.png"
    unit = "" if film.pixel_size_mm is None else ", errors in mm"
    write_png(path, draw_pair(film, prediction, options.truth, f"{film.film_id}{unit}", labels))
    print(f"Film {options.visualize_index} ({film.film_id}): {path}")
    return 0


def draw_pair(
    film: Film,
    prediction: Prediction,
    truth: str,
    title: str = "",
    labels: list[str] | None = None,
    marker: float = 1.0,
) -> np.ndarray:
    """A film with truth and prediction; both are in its own pixels, so nothing is scaled here."""
    picture, truth_px = read_film(film.image_path), film.truth_px(truth)
    return draw_film(picture, prediction.landmarks_px, truth_px, title=title, labels=labels, marker=marker)


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
    keep_freed_memory()
    sys.exit(main())
