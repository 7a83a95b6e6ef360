"""Pure functions on NumPy arrays: radial errors and what is read from them, classification figures, bootstrap
intervals.

Missing values are NaN: they are skipped and counted, never taken for zero. A success counts when its error is <= the
limit.
"""

from collections.abc import Callable

import numpy as np
from sklearn.metrics import accuracy_score, cohen_kappa_score, confusion_matrix, f1_score

from config import STAGE_COUNT

SDR_LIMITS_MM = (2.0, 2.5, 3.0, 4.0)


def radial_error(predicted: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Distances (...) between two arrays (..., 2), in their unit; NaN where either is missing."""
    return np.hypot(*np.moveaxis(np.asarray(predicted) - np.asarray(truth), -1, 0))


def mean_and_deviation(errors: np.ndarray) -> tuple[float, float]:
    """Mean and standard deviation over all known errors; NaN where there is none."""
    known = errors[~np.isnan(errors)]
    return (float(known.mean()), float(known.std())) if known.size else (np.nan, np.nan)


def success_rate(errors: np.ndarray, limit: float) -> float:
    """Percentage of the known errors that are at most `limit`; NaN where there is none."""
    known = errors[~np.isnan(errors)]
    return float(100.0 * (known <= limit).mean()) if known.size else np.nan


def success_rates(errors_mm: np.ndarray) -> dict[str, float]:
    """The success detection rates at 2, 2.5, 3 and 4 mm, percent."""
    return {str(limit): success_rate(errors_mm, limit) for limit in SDR_LIMITS_MM}


def bootstrap_interval(
    per_film: np.ndarray, statistic: Callable[[np.ndarray], float], draws: int = 1000, seed: int = 0
) -> tuple[float, float]:
    """The 95 % interval of `statistic` over films drawn with replacement.

    Points of one film are not independent, so whole films are drawn; `per_film` has films along its first axis.
    """
    generator = np.random.default_rng(seed)
    count = len(per_film)
    values = [statistic(per_film[generator.integers(0, count, count)]) for _ in range(draws)]
    low, high = np.nanpercentile(values, [2.5, 97.5]) if not np.isnan(values).all() else (np.nan, np.nan)
    return float(low), float(high)


def stage_figures(predicted: np.ndarray, truth: np.ndarray, probabilities: np.ndarray) -> dict:
    """Figures of stages 1-6 (N,) against the truth (N,), with probabilities (N, 6).

    `macro_f1` is the mean over the stages that occur in the truth or in the prediction; `qwk` is Cohen's kappa with
    quadratic weights, 0 when all predictions are one stage and the truth is not, 1 when both are; `mae` is in stages.
    """
    stages = np.arange(1, STAGE_COUNT + 1)
    apart = np.abs(predicted - truth)
    one_stage = len(np.unique(np.concatenate([predicted, truth]))) == 1  # kappa would be 0 / 0
    kappa = float(one_stage) if one_stage else cohen_kappa_score(truth, predicted, labels=stages, weights="quadratic")
    return {
        "accuracy": float(accuracy_score(truth, predicted)),
        "macro_f1": float(f1_score(truth, predicted, average="macro", zero_division=0)),
        "qwk": float(kappa),
        "mae": float(apart.mean()),
        "within_one": float((apart <= 1).mean()),
        "ece": calibration_error(probabilities, truth),
        "confusion": confusion_matrix(truth, predicted, labels=stages).tolist(),
    }


def stage_intervals(predicted: np.ndarray, truth: np.ndarray, seed: int = 0) -> dict:
    """Bootstrap intervals of the headline figures, films drawn with replacement."""
    pairs = np.stack([predicted, truth], axis=1)
    nothing = np.full((len(pairs), STAGE_COUNT), 1 / STAGE_COUNT)
    names = ("accuracy", "macro_f1", "qwk", "within_one")

    def interval(name: str) -> list[float]:
        return list(bootstrap_interval(pairs, lambda drawn: stage_figures(*drawn.T, nothing)[name], 500, seed))

    return {name: interval(name) for name in names}


def calibration_error(probabilities: np.ndarray, truth: np.ndarray, bins: int = 10) -> float:
    """Expected calibration error of the likeliest stage, 0-1 (Guo et al., ICML 2017); (N, 6), (N,) stages 1-6."""
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) + 1 == truth
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = [
        abs(right[place == b].mean() - confidence[place == b].mean()) * (place == b).mean() for b in np.unique(place)
    ]
    return float(np.sum(gaps))


def majority_figures(truth: np.ndarray, training_counts: tuple[int, ...]) -> dict:
    """The figures of always naming the training films' most frequent stage."""
    stage = int(np.argmax(training_counts)) + 1
    probabilities = np.tile(np.array(training_counts) / max(sum(training_counts), 1), (len(truth), 1))
    return stage_figures(np.full(len(truth), stage), truth, probabilities)
