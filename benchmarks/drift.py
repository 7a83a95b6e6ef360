"""What a change of the annotators' habits costs: `python -m benchmarks.drift --dataset DIR [--split test]`.

Where predictions of a landmark lie to one side of the truth on average, the doctors who placed it on these films likely
place it elsewhere than those who taught the model, which may also be the model's own fault. Each film is judged once
more with the mean offset of all other films taken from its points. That is no figure to compare with others', since it
learns from the films it judges.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

from cache import FilmCache
from calibration import coverage, within
from config import SPLITS, SYMBOLS, UserError
from dataset import FilmDataset
from films import Film, scan_split
from flags import DEFAULT_CACHE, DEFAULT_DATASET, DEFAULT_OUTPUT
from inference import Prediction, default_weights, load_landmark_predictor, pick_device
from metrics import mean_and_deviation, success_rates
from scoring import to_mm


def main(arguments: list[str] | None = None) -> int:
    """Prints the table; returns the exit status."""
    parser = argparse.ArgumentParser(description="What a change of the annotators' habits costs.")
    parser.add_argument("--dataset", type=Path, default=Path(DEFAULT_DATASET), help="data set (default: %(default)s)")
    parser.add_argument("--split", choices=SPLITS, default="test", help="films to judge (default: %(default)s)")
    parser.add_argument("--weights", type=Path, help="model to judge (default: as evaluate.py)")
    parser.add_argument("--cache", type=Path, default=Path(DEFAULT_CACHE), help="prepared films (default: %(default)s)")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    options = parser.parse_args(arguments)
    try:
        weights = options.weights or default_weights(Path(DEFAULT_OUTPUT))
        predictor = load_landmark_predictor(weights, pick_device(options.device))
        films = scan_split(options.dataset, options.split)
        cache = FilmCache(options.cache, options.dataset, predictor.config.cached_size)
        cache.build(films)
        predictions, _ = predictor.predict_films(FilmDataset(films, predictor.config, cache))
        print(
            f"{weights}, {len(films)} films of {options.dataset.name}/{options.split}\n\n{describe(films, predictions)}"
        )
    except UserError as error:
        print(f"drift: {error}", file=sys.stderr)
        return 2
    return 0


def describe(films: list[Film], predictions: list[Prediction]) -> str:
    """Errors and radii as they are and without the offset of the other films, and the largest offsets."""
    offsets_mm = to_mm(offsets_of_experts(films, predictions), films)
    radii_mm = to_mm(np.array([prediction.radius95_px for prediction in predictions]), films)
    lines = ["| | MRE mm | SDR at 2 / 2.5 / 3 / 4 mm, % | within their radius, % |", "|---|---|---|---|"]
    for title, left_mm in (("as it is", offsets_mm), ("without the others' mean offset", unshifted(offsets_mm))):
        errors_mm = np.hypot(left_mm[..., 0], left_mm[..., 1])
        rates = " / ".join(f"{rate:.2f}" for rate in success_rates(errors_mm).values())
        held = coverage(within(errors_mm, radii_mm))["pooled"]
        held = "-" if held is None else f"{100 * held:.1f}"
        lines.append(f"| {title} | {mean_and_deviation(errors_mm)[0]:.3f} | {rates} | {held} |")
    return "\n".join([*lines, "", *describe_offsets(offsets_mm)])


def offsets_of_experts(films: list[Film], predictions: list[Prediction]) -> np.ndarray:
    """(N, 29, 2) prediction minus truth at experts' points, film px; x counts forward from S to N."""
    offsets_px = np.array(
        [prediction.landmarks_px - film.truth_px() for film, prediction in zip(films, predictions, strict=True)]
    )
    sella, nasion = (np.array([film.truth_px()[SYMBOLS.index(symbol)] for film in films]) for symbol in ("S", "N"))
    offsets_px[..., 0] *= np.sign(nasion[:, 0] - sella[:, 0])[:, None]
    return np.where(np.array([film.by_reader for film in films])[..., None], np.nan, offsets_px)


def unshifted(offsets_mm: np.ndarray) -> np.ndarray:
    """(N, 29, 2) offsets, each without the mean of the same landmark's on all other films."""
    known = ~np.isnan(offsets_mm)
    others = known.sum(axis=0) - known
    sums = np.nansum(offsets_mm, axis=0) - np.nan_to_num(offsets_mm)
    return offsets_mm - sums / np.maximum(others, 1)


def describe_offsets(offsets_mm: np.ndarray, count: int = 5) -> list[str]:
    """The landmarks that are most to one side, with how far forward and down the predictions lie."""
    known = ~np.isnan(offsets_mm).all(axis=(0, 2))
    means_mm = np.full(offsets_mm.shape[1:], np.nan)
    means_mm[known] = np.nanmean(offsets_mm[:, known], axis=0)
    order = np.argsort(-np.nan_to_num(np.hypot(*means_mm.T)), kind="stable")[:count]
    return [
        f"{SYMBOLS[index]:5} {means_mm[index, 0]:+.2f} mm forward, {means_mm[index, 1]:+.2f} mm down" for index in order
    ]


if __name__ == "__main__":
    sys.exit(main())
