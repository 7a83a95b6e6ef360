"""The lines of a cephalometric tracing as data, so that Python's drawings and the browser's page follow one list.

A line runs through knots; a knot is a landmark or the mean of some. A browser draws a straight line between the ends
that `extended` describes, and a smooth one by the cubic Bezier curves that `bezier_arms` describes.
"""

from dataclasses import dataclass

import numpy as np

from config import LANDMARK_INDEX

CURVE_STEPS = 12  # straight pieces by which one curve between two knots is drawn


@dataclass(frozen=True)
class Line:
    """One line of the tracing.

    `kind` is "plane", "axis" (of a tooth), "aesthetic", "profile" (skin) or "outline" (bone).
    """

    name: str
    kind: str
    knots: tuple[tuple[str, ...], ...]  # each knot is the mean of these landmarks
    extend: float = 0.0  # how far a straight line overshoots either end, share of its length
    smooth: bool = False  # a curve through the knots instead of straight pieces


def line(name: str, kind: str, knots: str, extend: float = 0.0, smooth: bool = False) -> Line:
    """A row of the table below: knots with spaces between, a mean of landmarks as `UMT+LMT`."""
    return Line(name, kind, tuple(tuple(knot.split("+")) for knot in knots.split()), extend, smooth)


LINES = (
    line("S-N", "plane", "S N", 0.12),
    line("Frankfort horizontal", "plane", "Po Or", 0.15),
    line("Palatal plane", "plane", "PNS ANS", 0.25),
    line("Functional occlusal plane", "plane", "UMT+LMT UPM+LPM", 2.5),
    line("Mandibular plane", "plane", "Go Me", 0.2),
    line("N-A", "plane", "N A", 0.15),
    line("N-B", "plane", "N B", 0.1),
    line("Facial plane", "plane", "N Pog", 0.08),
    line("A-Pog", "plane", "A Pog", 0.08),
    line("S-Gn", "plane", "S Gn"),
    line("Upper incisor", "axis", "UIA UIT", 0.3),
    line("Lower incisor", "axis", "LIA LIT", 0.3),
    line("E-line", "aesthetic", "Pn Pog`", 0.15),
    line("Soft-tissue profile", "profile", "N` Pn Sn Ls Li Pog`", smooth=True),
    line("Mandible", "outline", "Co Ar R Go Me Gn Pog B", smooth=True),
    line("Maxilla", "outline", "PNS ANS A", smooth=True),
    line("Cranial base", "outline", "N S Ar"),
)
# Okabe and Ito's colours, which any colour vision tells apart, on a dark film.
KIND_COLOURS = {
    "plane": "#56b4e9",
    "axis": "#f0e442",
    "aesthetic": "#cc79a7",
    "profile": "#ffffff",
    "outline": "#f2c9a1",
}


def draw_line(line: Line, landmarks_px: np.ndarray) -> np.ndarray | None:
    """The corners of a line, (n, 2), on landmarks (29, 2); None where a knot lacks one of its landmarks."""
    knots_px = knots_of(line, landmarks_px)
    if np.isnan(knots_px).any():
        return None
    return curve_through(knots_px) if line.smooth else extended(knots_px, line.extend)


def knots_of(line: Line, landmarks_px: np.ndarray) -> np.ndarray:
    """(k, 2) the knots of a line, NaN where a landmark is missing."""
    places = [[landmarks_px[LANDMARK_INDEX[symbol]] for symbol in knot] for knot in line.knots]
    return np.array([np.mean(points, axis=0) for points in places])


def extended(knots_px: np.ndarray, share: float) -> np.ndarray:
    """Knots with both ends moved outwards along their last piece by a share of the whole way from end to end."""
    if share == 0.0:
        return knots_px
    moved = knots_px.copy()
    reach = share * np.linalg.norm(knots_px[-1] - knots_px[0])
    moved[0] -= reach * unit(knots_px[1] - knots_px[0])
    moved[-1] += reach * unit(knots_px[-1] - knots_px[-2])
    return moved


def curve_through(knots_px: np.ndarray) -> np.ndarray:
    """(n, 2) points of a smooth curve through knots; knots close together make no loop."""
    t = np.linspace(0.0, 1.0, CURVE_STEPS + 1)[:-1, None]
    pieces = []
    for start, first, second, end in zip(knots_px, *bezier_arms(knots_px), knots_px[1:], strict=False):
        pieces.append((1 - t) ** 3 * start + 3 * (1 - t) ** 2 * t * first + 3 * (1 - t) * t**2 * second + t**3 * end)
    return np.vstack([*pieces, knots_px[-1:]])


def bezier_arms(knots_px: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The two inner control points, (k - 1, 2) each, of the cubic Bezier curve from each knot to the next.

    A tangent halves the angle between the ways to its knot and from it. An arm is a third of its own piece, and no
    longer than half the piece on the knot's other side: a short piece cannot overshoot, and a long one, such as the
    lower border of the mandible, is straight but for its ends.
    """
    ways = np.diff(knots_px, axis=0)
    directions = np.array([unit(way) for way in ways])
    tangents = np.array([unit(sum(directions[max(i - 1, 0) : i + 1])) for i in range(len(knots_px))])
    lengths = np.linalg.norm(ways, axis=1)
    before, after = np.append(np.inf, lengths[:-1]), np.append(lengths[1:], np.inf)  # the pieces on the other sides
    first, second = (np.minimum(lengths / 3.0, other / 2.0)[:, None] for other in (before, after))
    return knots_px[:-1] + first * tangents[:-1], knots_px[1:] - second * tangents[1:]


def unit(vector: np.ndarray) -> np.ndarray:
    """A vector at length 1; no direction stays none."""
    return vector / max(float(np.linalg.norm(vector)), 1e-9)
