"""What the shape of C2 to C4 says: how hollow the lower borders are, how high the bodies, of what shape, and which
stage the published rules make of it, in words.

All is made of ratios, so no scale is needed; but a picture must not be stretched (`stretch.py` undoes it before).
Baccetti, Franchi and McNamara, Seminars in Orthodontics 11 (2005).
"""

from dataclasses import dataclass

import numpy as np

from analysis import DEVIATIONS_IN_RADIUS95
from config import VERTEBRAL_POINTS
from neck import POINT_INDEX

BODIES = ("C3", "C4")
BORDERS = {"C2": ("C2p", "C2m", "C2a"), "C3": ("C3lp", "C3m", "C3la"), "C4": ("C4lp", "C4m", "C4la")}
SHAPES = ("trapezoid", "rectangular horizontal", "square", "rectangular vertical")
DRAWS = 200  # of points within their radii, for the intervals
SEED = 0


@dataclass(frozen=True)
class Thresholds:
    """Where one class ends and the next begins; the defaults are what `benchmarks/fit_thresholds.py` fits to training
    crops, their stretch undone.
    """

    concave: tuple[float, float, float] = (0.07, 0.055, 0.035)  # depth over length of C2, C3, C4 when it is hollow
    trapezoid: float = 0.85  # anterior over posterior height below which a body is a trapezoid
    square: float = 0.93  # mean height over lower length from which a body is square
    vertical: float = 1.09  # and from which it is higher than wide


@dataclass(frozen=True)
class Measure:
    """A ratio with the interval that the points' radii leave; NaN where a point or its radius is missing."""

    value: float
    low95: float
    high95: float


@dataclass(frozen=True)
class Geometry:
    """The neck in numbers and words."""

    measures: dict[str, Measure]  # by the names of `MEASURES`
    shapes: dict[str, str]  # of C3 and C4, of SHAPES; "" where it cannot be told
    shape_shares: dict[str, dict[str, float]]  # how probable each shape is within the points' radii
    rule: int | None  # stage 1-6 by the published rules
    reason: str  # in words; empty where the rule cannot tell

    def to_json(self) -> dict:
        """Plain types, NaN as null."""
        numbers = {
            name: {key: None if np.isnan(value) else round(value, 4) for key, value in vars(measure).items()}
            for name, measure in self.measures.items()
        }
        return {"measures": numbers, "shapes": self.shapes, "shape_probabilities": self.shape_shares}


def distance(points: np.ndarray, first: str, second: str) -> np.ndarray:
    """(..., 13, 2) to (...): from one point to another."""
    return np.hypot(*np.moveaxis(points[..., POINT_INDEX[first], :] - points[..., POINT_INDEX[second], :], -1, 0))


def concavity(points: np.ndarray, body: str) -> np.ndarray:
    """(..., 13, 2) to (...): depth of the lower border's middle point over its length; negative where it bulges.

    However the neck lies on its film, the depth is towards the head: from C3's lower border to C2's.
    """
    back, middle, front = (points[..., POINT_INDEX[name], :] for name in BORDERS[body])
    along, to_middle = front - back, middle - back
    cross = along[..., 0] * to_middle[..., 1] - along[..., 1] * to_middle[..., 0]
    above, below = (
        points[..., [POINT_INDEX[name] for name in BORDERS[each]], :].mean(axis=-2) for each in ("C2", "C3")
    )
    up = above - below
    side = along[..., 0] * up[..., 1] - along[..., 1] * up[..., 0]
    side = np.where(np.isnan(side), -along[..., 0], side)  # one body alone counts as upright
    return np.sign(side) * cross / (along**2).sum(axis=-1)


def anterior_height(points: np.ndarray, body: str) -> np.ndarray:
    """Front height over the lower border's length."""
    return distance(points, f"{body}ua", f"{body}la") / distance(points, f"{body}lp", f"{body}la")


def posterior_height(points: np.ndarray, body: str) -> np.ndarray:
    """Back height over the lower border's length."""
    return distance(points, f"{body}up", f"{body}lp") / distance(points, f"{body}lp", f"{body}la")


def mean_height(points: np.ndarray, body: str) -> np.ndarray:
    """Mean of both heights over the lower border's length."""
    return 0.5 * (anterior_height(points, body) + posterior_height(points, body))


def front_to_back(points: np.ndarray, body: str) -> np.ndarray:
    """Front over back height."""
    return distance(points, f"{body}ua", f"{body}la") / distance(points, f"{body}up", f"{body}lp")


def upper_to_lower(points: np.ndarray, body: str) -> np.ndarray:
    """Length of the upper border over that of the lower."""
    return distance(points, f"{body}up", f"{body}ua") / distance(points, f"{body}lp", f"{body}la")


def gap_above(points: np.ndarray, body: str) -> np.ndarray:
    """Height of the disc space above a body's front corner over the body's lower length."""
    above = {"C3": "C2a", "C4": "C3la"}[body]
    return distance(points, above, f"{body}ua") / distance(points, f"{body}lp", f"{body}la")


MEASURES = {f"concavity_{body}": (concavity, body) for body in BORDERS} | {
    f"{name}_{body}": (function, body)
    for body in BODIES
    for name, function in (
        ("anterior_height", anterior_height), ("posterior_height", posterior_height), ("height", mean_height),
        ("front_to_back", front_to_back), ("upper_to_lower", upper_to_lower), ("gap_above", gap_above),
    )
}  # fmt: skip


def all_measures(points: np.ndarray) -> np.ndarray:
    """(..., 13, 2) to (..., M) in the order of `MEASURES`."""
    return np.stack([function(points, body) for function, body in MEASURES.values()], axis=-1)


def measure_vertebrae(
    points_px: np.ndarray, radius95_px: np.ndarray, thresholds: Thresholds | None = None, stretch: float = 1.0
) -> Geometry:
    """The geometry of a neck.

    Args:
        points_px: (13, 2), NaN where unknown.
        radius95_px: (13,) of the points; NaN gives no intervals.
        stretch: by what heights must be multiplied to have the scale of widths.
    """
    limits = thresholds or Thresholds()
    unstretched = points_px * np.array([1.0, stretch])
    values = all_measures(unstretched)
    generator = np.random.default_rng(SEED)
    deviations = radius95_px[:, None] / DEVIATIONS_IN_RADIUS95
    drawn = (points_px + generator.normal(size=(DRAWS, len(VERTEBRAL_POINTS), 2)) * deviations) * [1.0, stretch]
    spread = all_measures(drawn)
    low, high = np.percentile(spread, [2.5, 97.5], axis=0)
    measures = {
        name: Measure(*map(float, row)) for name, row in zip(MEASURES, zip(values, low, high, strict=True), strict=True)
    }
    shapes = {body: shape_of(unstretched, body, limits) for body in BODIES}
    shares = {body: shape_shares(drawn, body, limits) for body in BODIES}
    hollow = {body: values[k] >= limits.concave[k] for k, body in enumerate(BORDERS)}
    known = not np.isnan(values[: len(BORDERS)]).any() and all(shapes.values())
    rule, reason = stage_by_rule(hollow, shapes) if known else (None, "")
    return Geometry(measures, shapes, shares, rule, reason)


def shape_of(points: np.ndarray, body: str, limits: Thresholds) -> str:
    """The shape class of one body of (13, 2) points; "" where a corner is missing."""
    height, taper = float(mean_height(points, body)), float(front_to_back(points, body))
    if np.isnan(height) or np.isnan(taper):
        return ""
    return SHAPES[int(shape_index(np.array(height), np.array(taper), limits))]


def shape_index(height: np.ndarray, taper: np.ndarray, limits: Thresholds) -> np.ndarray:
    """Index into `SHAPES`. A body as high as wide has outgrown the trapezoid, whatever its taper."""
    by_height = (height >= limits.square).astype(int) + (height >= limits.vertical) + 1
    return np.where((taper < limits.trapezoid) & (height < limits.square), 0, by_height)


def shape_shares(drawn: np.ndarray, body: str, limits: Thresholds) -> dict[str, float]:
    """How often each shape comes out of drawn points (D, 13, 2); empty where these are unknown."""
    height, taper = mean_height(drawn, body), front_to_back(drawn, body)
    if np.isnan(height).any():
        return {}
    counts = np.bincount(shape_index(height, taper, limits), minlength=len(SHAPES))
    return {shape: round(float(count / len(drawn)), 3) for shape, count in zip(SHAPES, counts, strict=True)}


def stage_by_rule(hollow: dict[str, bool], shapes: dict[str, str]) -> tuple[int, str]:
    """The stage 1-6 by the published rules, and the reason.

    Borders grow hollow from C2 down. Where they do not, the number of hollow ones counts.
    """
    count = sum(bool(each) for each in hollow.values())
    if count < len(hollow):
        stage = 1 + count
    else:
        stage = {"rectangular vertical": 6, "square": 5}.get(max(shapes.values(), key=SHAPES.index), 4)
    return stage, f"{describe_borders(hollow)}, {describe_shapes(shapes)}: CS{stage}"


def describe_borders(hollow: dict[str, bool]) -> str:
    """ "C2 and C3 concave, C4 flat"."""
    parts = []
    for word, wanted in (("concave", True), ("flat", False)):
        names = [body for body, is_hollow in hollow.items() if bool(is_hollow) == wanted]
        if names:
            parts.append(f"{join_words(names)} {word}")
    return ", ".join(parts)


def describe_shapes(shapes: dict[str, str]) -> str:
    """ "C3 trapezoid, C4 rectangular horizontal", or "C3 and C4 square"."""
    if len(set(shapes.values())) == 1:
        return f"{join_words(list(shapes))} {next(iter(shapes.values()))}"
    return ", ".join(f"{body} {shape}" for body, shape in shapes.items())


def join_words(words: list[str]) -> str:
    """ "C2", "C2 and C3", "C2, C3 and C4"."""
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + f" and {words[-1]}"
