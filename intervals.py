"""How wide the interval of a measurement must be to hold the truth on 95 % of films, learnt as the radii are.

Points drawn within their radii, each by itself and alike to all sides, make intervals that can be far too wide: errors
of neighbouring points go together, and those of the teeth run along the occlusal plane, which they hardly turn. So each
measurement's interval is stretched by a factor of its own: the conformal quantile of how far from the value, in units
of the drawn interval's end on that side, the truth lay on films that had not taught the network.
"""

import numpy as np

from analysis import MEASUREMENTS, factor_key, measure
from calibration import conformal_quantile

ANY_SIZE_MM = 0.1  # of a pixel: scores do not depend on it, but without one there are no lengths
SMALLEST = 1e-9  # half of an interval


def interval_scores(points_px: np.ndarray, radius95_px: np.ndarray, truth_px: np.ndarray) -> np.ndarray:
    """(N, M) how far the truth of each of `MEASUREMENTS` lies from its value, in halves of the drawn interval; NaN
    where a point is missing.

    Args:
        points_px: (N, 29, 2) what networks say of films that had not taught them.
        radius95_px: (N, 29) of these.
        truth_px: (N, 29, 2) where the points are.
    """
    scores = np.full((len(points_px), len(MEASUREMENTS)), np.nan)
    for row, (points, radii, truth) in enumerate(zip(points_px, radius95_px, truth_px, strict=True)):
        said, true = measure(points, ANY_SIZE_MM, radii), measure(truth, ANY_SIZE_MM)
        for column, each in enumerate(MEASUREMENTS):
            if each.name in true and said.get(each.name, {}).get("low95") is not None:
                scores[row, column] = interval_score(said[each.name], true[each.name]["value"])
    return scores


def interval_score(row: dict, truth: float) -> float:
    """One measurement's score: 1 at an end of its interval."""
    off = truth - row["value"]
    if row["unit"] == "deg":
        off = (off + 180.0) % 360.0 - 180.0
    half = row["high95"] - row["value"] if off > 0 else row["value"] - row["low95"]
    return abs(off) / max(half, SMALLEST)


def fit_factors(scores: np.ndarray) -> dict[str, float]:
    """The factors by `factor_key`; measurements without a score have none. (N, M)."""
    known = {each.name: column[~np.isnan(column)] for each, column in zip(MEASUREMENTS, scores.T, strict=True)}
    return {factor_key(name): conformal_quantile(column) for name, column in known.items() if column.size}


def cross_held(scores: np.ndarray, folds: np.ndarray) -> np.ndarray:
    """(N, M) whether each truth lies in the interval that the other folds (N,) make: 1, 0 or NaN."""
    held = np.full(scores.shape, np.nan)
    for fold in np.unique(folds):
        factors = fit_factors(scores[folds != fold])
        limits = np.array([factors.get(factor_key(each.name), np.nan) for each in MEASUREMENTS])
        inside = (scores <= limits).astype(np.float64)
        held[folds == fold] = np.where(np.isnan(scores) | np.isnan(limits), np.nan, inside)[folds == fold]
    return held
