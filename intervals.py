"""How wide the interval of a measurement must be to hold the truth on 95 % of films, learnt as the radii are.

Points drawn within their radii, each by itself and alike to all sides, make intervals that can be far too wide: errors
of neighbouring points go together, and those of the teeth run along the occlusal plane, which they hardly turn. So each
measurement's interval is stretched by a factor of its own: the conformal quantile of how far from the value, in units
of the drawn interval's end on that side, the truth lay on films that had not taught the network.
"""

import numpy as np

from analysis import UNSURE, distance_from, factor_key, measure
from calibration import conformal_quantile
from measurements import MEASUREMENTS

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


def interval_halves(
    points_px: np.ndarray, radius95_px: np.ndarray, sizes_mm: list[float | None], factors: dict[str, float]
) -> tuple[np.ndarray, np.ndarray]:
    """(N, M) each: half the width of every interval, in degrees, mm or percent, and whether its measurement is too
    uncertain to read; NaN where there is none. `sizes_mm` are the pixel sizes of the N films.
    """
    halves, unsure = (np.full((len(points_px), len(MEASUREMENTS)), np.nan) for _ in range(2))
    for row, film in enumerate(zip(points_px, sizes_mm, radius95_px, strict=True)):
        table = measure(*film, interval_factors=factors)
        for column, each in enumerate(MEASUREMENTS):
            if table.get(each.name, {}).get("low95") is not None:
                halves[row, column] = (table[each.name]["high95"] - table[each.name]["low95"]) / 2
                unsure[row, column] = table[each.name]["level"] == UNSURE
    return halves, unsure


def describe_intervals(
    points_px: np.ndarray, radius95_px: np.ndarray, sizes_mm: list[float | None], scores: np.ndarray, folds: np.ndarray
) -> str:
    """How intervals fare as drawn and as learnt, over all and for each measurement, the most narrowed first."""
    factors, known = fit_factors(scores), ~np.isnan(scores)
    ways = [interval_halves(points_px, radius95_px, sizes_mm, each) for each in ({}, factors)]
    (drawn, drawn_unsure), (learnt, learnt_unsure) = ways
    held = f"{100 * (scores[known] <= 1).mean():.1f} % as drawn and {100 * np.nanmean(cross_held(scores, folds)):.1f} %"
    shares = f"{100 * np.nanmean(drawn_unsure):.0f} and {100 * np.nanmean(learnt_unsure):.0f} %"
    lines = [
        f"Intervals of measurements hold {held} as learnt from the other folds; {shares} are too uncertain to read.",
        f"{'':26}factor  half the width, median: drawn, learnt  too uncertain, %: drawn, learnt",
    ]
    # Of some measurements there are values but no truth: no film has all of their points annotated.
    has_both = [factor_key(each.name) in factors for each in MEASUREMENTS] & ~np.isnan(drawn).all(axis=0)
    columns = np.flatnonzero(has_both)
    for column in sorted(columns, key=lambda column: factors[factor_key(MEASUREMENTS[column].name)]):
        each = MEASUREMENTS[column]
        widths = f"{np.nanmedian(drawn[:, column]):8.1f} {np.nanmedian(learnt[:, column]):8.1f} {each.unit:4}"
        shares = f"{100 * np.nanmean(drawn_unsure[:, column]):6.0f} {100 * np.nanmean(learnt_unsure[:, column]):6.0f}"
        lines.append(f"{each.name:26}{factors[factor_key(each.name)]:6.2f} {widths} {shares}")
    return "\n".join(lines)


def interval_score(row: dict, truth: float) -> float:
    """One measurement's score: 1 at an end of its interval."""
    off = distance_from(row["value"], truth, row["unit"])
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
