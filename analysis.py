"""Cephalometric measurements from the 29 landmarks, each by its definition, with an interval where the points have
radii.

All arithmetic is in a frame with the face looking to +x and y down, whichever way the film looks, so signs are
anatomical. An angle or ratio needs no scale; a length is only given in mm, where the pixel size is known. A
measurement that lacks one of its points is not made.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from config import LANDMARK_INDEX
from norms import DEFAULT_CHOICE, NORM_SETS, Norm, norm_of

# A circle of this many deviations holds 95 % of a two-dimensional Gaussian.
DEVIATIONS_IN_RADIUS95 = 2.4477
DRAWS = 2000
WITHIN = "within the norm"
UNSURE, TOO_UNCERTAIN = "unsure", "too uncertain to read"  # a level, and what is said of it
# An interval wider than this many bands of the norm says nothing, unless all of it has one reading: a band is one
# standard deviation to either side or the author's range, so these are two deviations to either side.
WIDEST_IN_BANDS = 2.0


class Points:
    """Landmarks by symbol, (..., 2) each, in the anatomical frame; lengths are in the unit of the coordinates."""

    def __init__(self, landmarks: np.ndarray):
        """landmarks (..., 29, 2) in film axes, in px or mm."""
        looks_left = landmarks[..., LANDMARK_INDEX["N"], 0] < landmarks[..., LANDMARK_INDEX["S"], 0]
        self.landmarks = (
            landmarks * np.stack([np.where(looks_left, -1.0, 1.0), np.ones_like(looks_left, float)], -1)[..., None, :]
        )

    def __getitem__(self, symbol: str) -> np.ndarray:
        return self.landmarks[..., LANDMARK_INDEX[symbol], :]

    def middle(self, *symbols: str) -> np.ndarray:
        """The mean of some landmarks."""
        return sum(self[symbol] for symbol in symbols) / len(symbols)

    def towards(self, start: str, end: str) -> np.ndarray:
        """The vector from one landmark to another."""
        return self[end] - self[start]

    @property
    def frankfort(self) -> np.ndarray:
        """Forward along the Frankfort horizontal."""
        return self.towards("Po", "Or")

    @property
    def occlusal(self) -> np.ndarray:
        """Forward along the functional occlusal plane, from between the molars' to between the premolars' cusps."""
        return self.middle("UPM", "LPM") - self.middle("UMT", "LMT")

    @property
    def bisected_occlusal(self) -> np.ndarray:
        """Forward along the occlusal plane that halves the incisors' overlap."""
        return self.middle("UIT", "LIT") - self.middle("UMT", "LMT")


def cross(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """z of the cross product; positive when `second` is clockwise of `first` as seen on the film."""
    return first[..., 0] * second[..., 1] - first[..., 1] * second[..., 0]


def dot(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Scalar product of (..., 2) vectors."""
    return (first * second).sum(axis=-1)


def turn(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Degrees from one direction clockwise to another, -180 to 180."""
    return np.degrees(np.arctan2(cross(first, second), dot(first, second)))


def angle(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Degrees between two directions, 0 to 180."""
    return np.abs(turn(first, second))


def corner(points: Points, first: str, vertex: str, second: str) -> np.ndarray:
    """Degrees at `vertex` between the lines to two landmarks."""
    return angle(points.towards(vertex, first), points.towards(vertex, second))


def ahead_of(points: Points, symbol: str, upper: str, lower: str) -> np.ndarray:
    """Distance of a landmark from the line through two others, positive in front of it."""
    down = points.towards(upper, lower)
    return -cross(down, points.towards(upper, symbol)) / np.linalg.norm(down, axis=-1)


def along(direction: np.ndarray, vector: np.ndarray) -> np.ndarray:
    """The length of a vector's shadow on a direction."""
    return dot(vector, direction) / np.linalg.norm(direction, axis=-1)


def length(points: Points, first: str, second: str) -> np.ndarray:
    """Distance between two landmarks."""
    return np.linalg.norm(points.towards(first, second), axis=-1)


def interincisal(points: Points) -> np.ndarray:
    """Degrees between the incisors' axes on the tongue's side; above 180 when both lean back."""
    return -turn(points.towards("UIT", "UIA"), points.towards("LIT", "LIA")) % 360.0


def impa(points: Points) -> np.ndarray:
    """Lower incisor to the mandibular plane."""
    return angle(points.towards("Me", "Go"), points.towards("LIA", "LIT"))


def fma(points: Points) -> np.ndarray:
    """Frankfort horizontal to the mandibular plane."""
    return turn(points.frankfort, points.towards("Go", "Me"))


def facial_angle(points: Points) -> np.ndarray:
    """Frankfort horizontal to N-Pog, at the back below."""
    return angle(-points.frankfort, points.towards("N", "Pog"))


def a_b_plane(points: Points) -> np.ndarray:
    """A-B to N-Pog, negative when B lies behind."""
    return -turn(points.towards("N", "Pog"), points.towards("A", "B"))


def palatal_tilt(points: Points) -> np.ndarray:
    """Frankfort horizontal to the palatal plane, positive when the front is lower."""
    return turn(points.frankfort, points.towards("PNS", "ANS"))


def z_angle(points: Points) -> np.ndarray:
    """Frankfort horizontal to the line from the chin to the more prominent lip."""
    return np.minimum(*(angle(points.frankfort, points.towards("Pog`", lip)) for lip in ("Ls", "Li")))


def overbite(points: Points) -> np.ndarray:
    """How far the upper incisor's edge lies below the lower's, across the occlusal plane."""
    return cross(points.occlusal, points.towards("LIT", "UIT")) / np.linalg.norm(points.occlusal, axis=-1)


def incisor_distance(points: Points) -> np.ndarray:
    """ISBI 2015's MW: the distance of the incisors' edges, negative when the lower one lies in front."""
    return np.sign(points.towards("LIT", "UIT")[..., 0]) * length(points, "LIT", "UIT")


@dataclass(frozen=True)
class Measurement:
    """One measurement: what it is called, what it needs, how it is made and what a deviation means."""

    name: str
    unit: str  # "deg", "mm" or "%"
    needs: tuple[str, ...]  # symbols
    compute: Callable[[Points], np.ndarray]
    low: str  # in words, below the norm
    high: str  # and above it


def m(name: str, unit: str, needs: str, compute: Callable[[Points], np.ndarray], low: str, high: str) -> Measurement:
    """A row of the table below; `needs` are symbols with spaces between."""
    return Measurement(name, unit, tuple(needs.split()), compute, low, high)


MEASUREMENTS = (
    m("SNA", "deg", "S N A", lambda p: corner(p, "S", "N", "A"), "maxilla set back (retrognathic)",
      "maxilla set forward (prognathic)"),
    m("SNB", "deg", "S N B", lambda p: corner(p, "S", "N", "B"), "mandible set back (retrognathic)",
      "mandible set forward (prognathic)"),
    m("ANB", "deg", "S N A B", lambda p: corner(p, "S", "N", "A") - corner(p, "S", "N", "B"),
      "skeletal class III tendency", "skeletal class II tendency"),
    m("SN-GoGn", "deg", "S N Go Gn", lambda p: turn(p.towards("S", "N"), p.towards("Go", "Gn")),
      "low angle (hypodivergent)",
      "high angle (hyperdivergent)"),
    m("SN-OP", "deg", "S N UMT LMT UIT LIT", lambda p: turn(p.towards("S", "N"), p.bisected_occlusal),
      "flat occlusal plane", "steep occlusal plane"),
    m("U1-NA", "deg", "N A UIA UIT", lambda p: turn(p.towards("UIA", "UIT"), p.towards("N", "A")),
      "upper incisor tipped back (retroclined)", "upper incisor tipped forward (proclined)"),
    m("U1-NA distance", "mm", "N A UIT", lambda p: ahead_of(p, "UIT", "N", "A"), "upper incisor set back",
      "upper incisor set forward"),
    m("L1-NB", "deg", "N B LIA LIT", lambda p: turn(p.towards("B", "N"), p.towards("LIA", "LIT")),
      "lower incisor tipped back (retroclined)", "lower incisor tipped forward (proclined)"),
    m("L1-NB distance", "mm", "N B LIT", lambda p: ahead_of(p, "LIT", "N", "B"), "lower incisor set back",
      "lower incisor set forward"),
    m("Interincisal", "deg", "UIA UIT LIA LIT", interincisal, "incisors tipped forward", "incisors upright"),
    m("Pog-NB distance", "mm", "N B Pog", lambda p: ahead_of(p, "Pog", "N", "B"), "flat chin", "prominent chin"),
    m("U1-SN", "deg", "S N UIA UIT", lambda p: angle(p.towards("N", "S"), p.towards("UIA", "UIT")),
      "upper incisor tipped back (retroclined)", "upper incisor tipped forward (proclined)"),
    m("U1-PP", "deg", "ANS PNS UIA UIT", lambda p: angle(p.towards("ANS", "PNS"), p.towards("UIA", "UIT")),
      "upper incisor tipped back (retroclined)", "upper incisor tipped forward (proclined)"),
    m("IMPA", "deg", "Go Me LIA LIT", impa, "lower incisor tipped back (retroclined)",
      "lower incisor tipped forward (proclined)"),
    m("FMA", "deg", "Po Or Go Me", fma, "low angle (hypodivergent)", "high angle (hyperdivergent)"),
    m("FMIA", "deg", "Po Or Go Me LIA LIT", lambda p: 180.0 - fma(p) - impa(p),
      "lower incisor tipped forward (proclined)",
      "lower incisor tipped back (retroclined)"),
    m("MMPA", "deg", "ANS PNS Go Me", lambda p: turn(p.towards("PNS", "ANS"), p.towards("Go", "Me")),
      "low angle (hypodivergent)",
      "high angle (hyperdivergent)"),
    m("SN-PP", "deg", "S N ANS PNS", lambda p: turn(p.towards("S", "N"), p.towards("PNS", "ANS")),
      "palate tipped up in front", "palate tipped down in front"),
    m("Lower face height", "%", "N ANS Me", lambda p: 100 * along(p.towards("N", "Me"), p.towards("ANS",
      "Me")) / length(p, "N", "Me"),
      "short lower face", "long lower face"),
    m("Facial angle", "deg", "Po Or N Pog", facial_angle, "chin set back", "chin set forward"),
    m("Convexity", "deg", "N A Pog", lambda p: turn(p.towards("N", "A"), p.towards("A", "Pog")), "concave profile",
      "convex profile"),
    m("A-B plane", "deg", "N Pog A B", a_b_plane, "skeletal class II tendency", "skeletal class III tendency"),
    m("Y axis", "deg", "Po Or S Gn", lambda p: turn(p.frankfort, p.towards("S", "Gn")), "growth forward",
      "growth downward"),
    m("Occlusal cant", "deg", "Po Or UMT LMT UPM LPM", lambda p: turn(p.frankfort, p.occlusal),
      "flat occlusal plane", "steep occlusal plane"),
    m("L1-OP", "deg", "LIA LIT UMT LMT UPM LPM", lambda p: angle(-p.occlusal, p.towards("LIA", "LIT")) - 90.0,
      "lower incisor tipped back (retroclined)", "lower incisor tipped forward (proclined)"),
    m("U1-APog distance", "mm", "A Pog UIT", lambda p: ahead_of(p, "UIT", "A", "Pog"), "upper incisor set back",
      "upper incisor set forward"),
    m("L1-APog distance", "mm", "A Pog LIT", lambda p: ahead_of(p, "LIT", "A", "Pog"), "lower incisor set back",
      "lower incisor set forward"),
    m("A-NPog distance", "mm", "N A Pog", lambda p: ahead_of(p, "A", "N", "Pog"), "concave profile", "convex profile"),
    m("A-Nperp distance", "mm", "Po Or N A", lambda p: along(p.frankfort, p.towards("N", "A")), "maxilla set back",
      "maxilla set forward"),
    m("Pog-Nperp distance", "mm", "Po Or N Pog", lambda p: along(p.frankfort, p.towards("N", "Pog")),
      "chin set back", "chin set forward"),
    m("Co-A", "mm", "Co A", lambda p: length(p, "Co", "A"), "short midface", "long midface"),
    m("Co-Gn", "mm", "Co Gn", lambda p: length(p, "Co", "Gn"), "short mandible", "long mandible"),
    m("Co-Gn minus Co-A", "mm", "Co A Gn", lambda p: length(p, "Co", "Gn") - length(p, "Co", "A"),
      "mandible short for the midface",
      "mandible long for the midface"),
    m("ANS-Me", "mm", "ANS Me", lambda p: length(p, "ANS", "Me"), "short lower face", "long lower face"),
    m("Wits", "mm", "A B UMT LMT UPM LPM", lambda p: along(p.occlusal, p.towards("B", "A")),
      "skeletal class III tendency", "skeletal class II tendency"),
    m("Saddle angle", "deg", "N S Ar", lambda p: corner(p, "N", "S", "Ar"), "joint set forward", "joint set back"),
    m("Articular angle", "deg", "S Ar Go", lambda p: corner(p, "S", "Ar", "Go"), "mandible set forward",
      "mandible set back"),
    m("Gonial angle", "deg", "Ar Go Me", lambda p: corner(p, "Ar", "Go", "Me"), "closed mandible", "open mandible"),
    m("Sum of angles", "deg", "N S Ar Go Me",
      lambda p: corner(p, "N", "S", "Ar") + corner(p, "S", "Ar", "Go") + corner(p, "Ar", "Go", "Me"),
      "growth counter-clockwise", "growth clockwise"),
    m("Upper gonial angle", "deg", "Ar Go N", lambda p: corner(p, "Ar", "Go", "N"), "growth downward",
      "growth forward"),
    m("Lower gonial angle", "deg", "N Go Me", lambda p: corner(p, "N", "Go", "Me"), "closed bite tendency",
      "open bite tendency"),
    m("Face height ratio", "%", "S Go N Me", lambda p: 100 * length(p, "S", "Go") / length(p, "N", "Me"),
      "growth clockwise", "growth counter-clockwise"),
    m("Overjet", "mm", "UIT LIT UMT LMT UPM LPM", lambda p: along(p.occlusal, p.towards("LIT", "UIT")),
      "small or reversed overjet",
      "large overjet"),
    m("Overbite", "mm", "UIT LIT UMT LMT UPM LPM", overbite, "open bite tendency", "deep bite"),
    m("ODI", "deg", "A B Go Me Po Or ANS PNS", lambda p: angle(p.towards("B", "A"), p.towards("Me",
      "Go")) + palatal_tilt(p),
      "open bite tendency", "deep bite tendency"),
    m("APDI", "deg", "Po Or N Pog A B ANS PNS", lambda p: facial_angle(p) + a_b_plane(p) + palatal_tilt(p),
      "skeletal class II tendency", "skeletal class III tendency"),
    m("Ls-E line", "mm", "Pn Pog` Ls", lambda p: ahead_of(p, "Ls", "Pn", "Pog`"), "upper lip set back",
      "upper lip prominent"),
    m("Li-E line", "mm", "Pn Pog` Li", lambda p: ahead_of(p, "Li", "Pn", "Pog`"), "lower lip set back",
      "lower lip prominent"),
    m("H angle", "deg", "N` Pog` Ls", lambda p: turn(p.towards("Pog`", "N`"), p.towards("Pog`", "Ls")),
      "upper lip set back",
      "upper lip prominent"),
    m("Soft convexity", "deg", "N` Sn Pog`", lambda p: corner(p, "N`", "Sn", "Pog`"), "convex soft profile",
      "flat soft profile"),
    m("Soft convexity with nose", "deg", "N` Pn Pog`", lambda p: corner(p, "N`", "Pn", "Pog`"),
      "convex soft profile", "flat soft profile"),
    m("Z angle", "deg", "Po Or Pog` Ls Li", z_angle, "lips prominent", "lips set back"),
    m("MW", "mm", "UIT LIT", incisor_distance, "edge to edge or crossbite", "large distance"),
)  # fmt: skip

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
        for a range), `level` ("low", "normal", "high", or "unsure" where the interval says nothing), `reading` in
        words, `points` (symbols), `low95` and `high95`, and whether it is `certain` that all of these have the same
        reading (None without an interval).
    """
    known = {symbol for symbol, index in LANDMARK_INDEX.items() if not np.isnan(landmarks_px[index]).any()}
    scale = 1.0 if pixel_size_mm is None else pixel_size_mm
    points = Points(landmarks_px * scale)
    draws = None if radius95_px is None else Points(draw_points(landmarks_px, radius95_px) * scale)
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
    shifts = np.random.default_rng(0).normal(size=(DRAWS, *landmarks_px.shape))
    return landmarks_px + shifts * (radius95_px / DEVIATIONS_IN_RADIUS95)[:, None]


def factor_key(name: str) -> str:
    """A measurement's name as a file of weights may carry it."""
    return name.replace(" ", "_")


def interval95(
    each: Measurement, draws: Points, value: float, factor: float = 1.0
) -> tuple[float | None, float | None]:
    """The middle 95 % of a measurement over drawn points, stretched from its value by a factor; None where a point it
    needs has no radius.
    """
    off = each.compute(draws) - value
    if np.isnan(off).any():
        return None, None
    if each.unit == "deg":
        off = (off + 180.0) % 360.0 - 180.0  # a line that is drawn beyond the back has not leapt to the other side
    low, high = np.percentile(off, [2.5, 97.5])
    return value + factor * min(float(low), 0.0), value + factor * max(float(high), 0.0)


def describe(each: Measurement, value: float, norm: Norm, interval: tuple[float | None, float | None]) -> dict:
    """A value and its interval beside a norm."""
    source, holds_for = NORM_SETS[norm.norm_set]
    level, (band_low, band_high) = norm.reading(value), norm.band
    certain = None if None in interval else all(norm.reading(end) == level for end in interval)
    if certain is False and interval[1] - interval[0] > WIDEST_IN_BANDS * (band_high - band_low):
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
