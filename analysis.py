"""A film's measurements from its 29 landmarks, each beside a norm, with an interval where the points have radii.

An angle or ratio needs no scale; a length is only given in mm, where the pixel size is known. A measurement that lacks
one of its points is not made.
"""

from functools import lru_cache
from statistics import NormalDist

import numpy as np

from config import LANDMARK_INDEX
from measurements import MEASUREMENTS, Measurement, Points
from norms import DEFAULT_CHOICE, NORM_SETS, Norm, norm_of

# A circle of this many deviations holds 95 % of a two-dimensional Gaussian.
DEVIATIONS_IN_RADIUS95 = 2.4477
DRAWS = 2000
WITHIN = "within the norm"
UNSURE, TOO_UNCERTAIN = "unsure", "too uncertain to read"  # a level, and what is said of it
DEVIATIONS_IN_INTERVAL95 = 1.96
# A reading whose interval holds all three is given only if it is twice as likely as the other two together.
LEAST_LIKELY = 2 / 3

# In which order people read them: across the face's depth, its height, the teeth, the skin.
GROUPS = {
    "Jaws, front to back": (
        "SNA", "SNB", "ANB", "Wits", "Facial angle", "Convexity", "A-B plane", "APDI", "A-NPog distance",
        "A-Nperp distance", "Pog-Nperp distance", "Pog-NB distance", "Co-A", "Co-Gn", "Co-Gn minus Co-A",
    ),
    "Jaws, vertical": (
        "FMA", "SN-GoGn", "MMPA", "SN-PP", "SN-OP", "Occlusal cant", "Y axis", "Saddle angle", "Articular angle",
        "Gonial angle", "Upper gonial angle", "Lower gonial angle", "Sum of angles", "Face height ratio",
        "Lower face height", "ANS-Me", "ODI",
    ),
    "Teeth": (
        "U1-SN", "U1-PP", "U1-NA", "U1-NA distance", "U1-APog distance", "IMPA", "FMIA", "L1-NB", "L1-NB distance",
        "L1-OP", "L1-APog distance", "Interincisal", "Overjet", "Overbite", "MW",
    ),
    "Soft tissue": (
        "Ls-E line", "Li-E line", "H angle", "Z angle", "Soft convexity", "Soft convexity with nose",
    ),
}  # fmt: skip


def measure(
    landmarks_px: np.ndarray,
    pixel_size_mm: float | None = None,
    radius95_px: np.ndarray | None = None,
    norm_set: str = DEFAULT_CHOICE,
    interval_factors: dict[str, float] | None = None,
) -> dict[str, dict]:
    """All measurements that can be made of one film.

    Args:
        landmarks_px: (29, 2) film pixels, NaN where missing.
        pixel_size_mm: without it there are no lengths.
        radius95_px: (29,) circles that hold the true points for 95 % of films; without them there are no intervals.
        norm_set: a key of `norms.NORM_CHOICES`.
        interval_factors: by `factor_key`, how far each measurement's interval is stretched (`intervals.py`); 1 where
            there is none.
    Returns:
        by name: `value`, `unit`, `norm` and `sd` (None for a norm that is a range), `norm_low` and `norm_high` (None
        for a mean), `norm_set`, its `source` and for whom it `holds_for`, `deviation` in standard deviations (None
        for a range), `level` ("low", "normal", "high", or "unsure" where it may be any), `reading` in
        words, `points` (symbols), `low95` and `high95`, and whether it is `certain` that all of these have the same
        reading (None without an interval).
    """
    known = {symbol for symbol, index in LANDMARK_INDEX.items() if not np.isnan(landmarks_px[index]).any()}
    scale = 1.0 if pixel_size_mm is None else pixel_size_mm
    landmarks = landmarks_px * scale
    points = Points(landmarks)
    draws = None if radius95_px is None else Points(draw_points(landmarks_px, radius95_px) * scale, landmarks)
    table = {}
    for each in MEASUREMENTS:
        # The face's direction is needed for every sign.
        if not {*each.needs, "S", "N"} <= known or (each.unit == "mm" and pixel_size_mm is None):
            continue
        with np.errstate(invalid="ignore", divide="ignore"):
            value = float(each.compute(points))
        if not np.isfinite(value):
            continue  # two of its points lie on each other
        factor = (interval_factors or {}).get(factor_key(each.name), 1.0)
        interval = (None, None) if draws is None else interval95(each, draws, value, factor)
        table[each.name] = describe(each, value, norm_of(each.name, norm_set), interval)
    return table


def draw_points(landmarks_px: np.ndarray, radius95_px: np.ndarray) -> np.ndarray:
    """(DRAWS, 29, 2) places where the true points may be; the same draws for every film."""
    return landmarks_px + standard_shifts(len(landmarks_px)) * (radius95_px / DEVIATIONS_IN_RADIUS95)[:, None]


@lru_cache(maxsize=1)
def standard_shifts(count: int) -> np.ndarray:
    """(DRAWS, count, 2) draws of a normal distribution; kept, since every edit on the page asks for them anew."""
    return np.random.default_rng(0).normal(size=(DRAWS, count, 2))


def factor_key(name: str) -> str:
    """A measurement's name as a file of weights may carry it."""
    return name.replace(" ", "_")


def distance_from(value: float, other: np.ndarray | float, unit: str) -> np.ndarray | float:
    """How far other values of a measurement lie above this one; an angle at most half a turn to either side, since a
    line that is drawn beyond the back has not leapt to the other side.
    """
    off = other - value
    return (off + 180.0) % 360.0 - 180.0 if unit == "deg" else off


def interval95(
    each: Measurement, draws: Points, value: float, factor: float = 1.0
) -> tuple[float | None, float | None]:
    """The middle 95 % of a measurement over drawn points, stretched from its value by a factor; None where a point it
    needs has no radius.
    """
    off = distance_from(value, each.compute(draws), each.unit)
    if np.isnan(off).any():
        return None, None
    low, high = np.percentile(off, [2.5, 97.5])
    return value + factor * min(float(low), 0.0), value + factor * max(float(high), 0.0)


def reading_probability(value: float, norm: Norm, interval: tuple[float, float]) -> float:
    """How probably, 0-1, the true value has the same reading, if it lies around the value as a normal distribution
    does of which the interval holds 95 %.
    """
    around = NormalDist(value, max((interval[1] - interval[0]) / (2 * DEVIATIONS_IN_INTERVAL95), 1e-9))
    low, high = (around.cdf(end) for end in norm.band)
    return {"low": low, "normal": high - low, "high": 1.0 - high}[norm.reading(value)]


def is_doubtful(row: dict) -> bool:
    """Whether a row of `measure` gives a reading that is not certain; one too uncertain to read gives none."""
    return row["certain"] is False and row["level"] != UNSURE


def describe(each: Measurement, value: float, norm: Norm, interval: tuple[float | None, float | None]) -> dict:
    """A value and its interval beside a norm."""
    source, holds_for = NORM_SETS[norm.norm_set]
    level = norm.reading(value)
    certain = None if None in interval else all(norm.reading(end) == level for end in interval)
    holds_all = certain is False and norm.reading(interval[0]) == "low" and norm.reading(interval[1]) == "high"
    if holds_all and reading_probability(value, norm, interval) < LEAST_LIKELY:
        level = UNSURE
    return {
        "value": value,
        "unit": each.unit,
        "norm": norm.mean,
        "sd": norm.sd,
        "norm_low": norm.low,
        "norm_high": norm.high,
        "norm_set": norm.norm_set,
        "source": source,
        "holds_for": holds_for,
        "deviation": norm.deviation(value),
        "level": level,
        "reading": {"low": each.low, "normal": WITHIN, "high": each.high, UNSURE: TOO_UNCERTAIN}[level],
        "points": list(each.needs),
        "low95": interval[0],
        "high95": interval[1],
        "certain": certain,
    }
