"""The eight clinical classifications of ISBI 2015: how often predicted landmarks put a film into its true class.

`python -m benchmarks.classification --dataset DIR [--split test] [--weights FILE]`. Rules: Wang et al., Medical Image
Analysis 31 (2016). The truth is the class of the measurement on the mean of both annotators' points. Two rates are
printed, since both are published as "success classification rate": the share of films in their true class, and the
mean over the classes of each class's share (the diagonal of the confusion matrix).
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from tqdm import tqdm

from analysis import measure
from config import SPLITS, UserError
from films import Film, scan_split
from flags import DEFAULT_OUTPUT
from images import read_film
from inference import Predictor, default_weights, load_landmark_predictor, pick_device
from norms import norms_of

# Our name of each, in the challenge's order; its "FMA" is the angle between S-N and Go-Gn, its "FHI" S-Go to N-Me.
MEASURED = {
    "ANB": "ANB", "SNB": "SNB", "SNA": "SNA", "ODI": "ODI", "APDI": "APDI", "FHI": "Face height ratio",
    "FMA": "SN-GoGn", "MW": "MW",
}  # fmt: skip
NORM_SET = "ISBI 2015"


def main(arguments: list[str] | None = None) -> int:
    """Prints the table; returns the exit status."""
    parser = argparse.ArgumentParser(description="Success classification rate of the eight measures of ISBI 2015.")
    parser.add_argument("--dataset", type=Path, required=True, help="data set with films of known pixel size")
    parser.add_argument("--split", choices=SPLITS, default="test", help="films to judge on (default: %(default)s)")
    parser.add_argument("--weights", type=Path, help="checkpoint or .safetensors file (default: the newest best)")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="where to compute")
    options = parser.parse_args(arguments)
    try:
        weights = options.weights or default_weights(Path(DEFAULT_OUTPUT))
        predictor = load_landmark_predictor(weights, pick_device(options.device))
        films = scan_split(options.dataset, options.split)
        print(f"{weights}, {len(films)} films of {options.split}")
        print(make_table(films, predict_classes(films, predictor)))
    except UserError as error:
        print(f"classification: {error}", file=sys.stderr)
        return 2
    return 0


def classify(name: str, value: float) -> int:
    """The class of one of the challenge's measures: 0 below its range, 1 within, 2 above; for MW 0 is crossbite (below
    zero), 3 edge to edge, which the rules put at exactly zero and we put below the normal 2 mm.
    """
    norm = next(norm for norm in norms_of(MEASURED[name]) if norm.norm_set == NORM_SET)
    level = ("low", "normal", "high").index(norm.reading(value))
    return 3 if name == "MW" and level == 0 and value >= 0 else level


def classes_of(points_px: np.ndarray, pixel_size_mm: float | None) -> list[int]:
    """The eight classes of a film with landmarks (29, 2); -1 where a point is missing."""
    table = measure(points_px, pixel_size_mm)
    return [classify(name, table[own]["value"]) if own in table else -1 for name, own in MEASURED.items()]


def predict_classes(films: list[Film], predictor: Predictor) -> np.ndarray:
    """(films, 8) the classes by a model's landmarks."""
    rows = []
    for film in tqdm(films, desc="Reading films", unit="film"):
        prediction = predictor.predict(read_film(film.image_path))
        rows.append(classes_of(prediction.landmarks_px, film.pixel_size_mm))
    return np.array(rows)


def make_table(films: list[Film], predicted: np.ndarray) -> str:
    """The rates of each measure and their means, beside the annotators' agreement and the most frequent class."""
    truth, senior, junior = (
        np.array([classes_of(film.truth_px(kind), film.pixel_size_mm) for film in films])
        for kind in ("mean", "senior", "junior")
    )
    lines = ["| measure | films | SCR, % of films | SCR, mean of classes % | annotators agree % | majority class % |",
             "|---|---|---|---|---|---|"]  # fmt: skip
    figures = []
    for column, name in enumerate(MEASURED):
        known = truth[:, column] >= 0
        if known.any():
            true, guess = truth[known, column], predicted[known, column]
            by_both = (senior[:, column] >= 0) & (junior[:, column] >= 0)
            agreement = 100 * np.mean(senior[by_both, column] == junior[by_both, column]) if by_both.any() else np.nan
            majority = 100 * np.bincount(true).max() / len(true)
            figures.append((*success_rates(true, guess), agreement, majority))
            lines.append(f"| {name} | {len(true)} | " + " | ".join(f"{value:.1f}" for value in figures[-1]) + " |")
    if not figures:
        raise UserError("None of the eight measures can be made of these films' true points.")
    means = " | ".join(f"**{value:.1f}**" for value in np.mean(figures, axis=0))
    return "\n".join([*lines, f"| mean | | {means} |"])


def success_rates(true: np.ndarray, guess: np.ndarray) -> tuple[float, float]:
    """Per cent of films (F,) in their true class, and the mean of that over the classes that occur."""
    hits = true == guess
    return 100 * float(hits.mean()), 100 * float(np.mean([hits[true == each].mean() for each in np.unique(true)]))


if __name__ == "__main__":
    sys.exit(main())
