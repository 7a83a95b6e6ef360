"""The phantom's anatomy: a hand-written lateral head in millimetres, and how it varies with growth, jaws, posture
and chance.

The frame has sella at (0, 0), x towards the face and y down. Every landmark is a knot of the curve that is drawn
through it.
"""

from dataclasses import dataclass

import numpy as np

from config import SYMBOLS, VERTEBRAL_POINTS
from facing import TEMPLATE_MM

MANDIBLE = ("LIT", "LIA", "B", "Pog", "Gn", "Me", "Go", "R", "LMT", "LPM", "Li", "Pog`")
MAXILLA = ("ANS", "PNS", "A", "UIT", "UIA", "UMT", "UPM", "Sn", "Ls")
HINGE_MM = np.array([-12.0, 26.0])  # the mandible turns about the condyle

# By stage 1-6: the shape of C3 and C4 and how hollow the lower borders are. Baccetti, Franchi and McNamara (2005).
HEIGHT_TO_WIDTH = (0.50, 0.57, 0.65, 0.77, 0.90, 1.04)
FRONT_TO_BACK = (0.66, 0.72, 0.80, 0.92, 0.97, 1.00)  # a trapezoid's front is lower than its back
HOLLOW_C2 = (0.02, 0.07, 0.11, 0.13, 0.15, 0.17)  # depth of the lower border, share of its length
HOLLOW_C3 = (0.01, 0.03, 0.10, 0.13, 0.15, 0.17)
HOLLOW_C4 = (0.01, 0.01, 0.03, 0.11, 0.14, 0.16)
FACE_SIZE = (0.87, 0.90, 0.93, 0.96, 0.99, 1.01)
JAW_SIZE = (0.93, 0.94, 0.96, 0.98, 1.00, 1.01)  # the mandible catches up
VAULT_GROWTH = 0.25  # how far the vault follows the face: it is nearly grown before the first stage


@dataclass(frozen=True, eq=False)
class Anatomy:
    """One head. All points in mm; `vertebrae` and `points` are by name."""

    points: dict[str, np.ndarray]
    vertebrae: dict[str, np.ndarray]
    vault_mm: tuple[float, float]  # half length and half height of the skull
    stage: int

    def landmarks_mm(self) -> np.ndarray:
        """(29, 2) in Aariz's order."""
        return np.array([self.points[symbol] for symbol in SYMBOLS])

    def vertebrae_mm(self) -> np.ndarray:
        """(13, 2) in the order of `VERTEBRAL_POINTS`."""
        return np.array([self.vertebrae[name] for name in VERTEBRAL_POINTS])


def make_anatomy(stage: int, generator: np.random.Generator) -> Anatomy:
    """A random head of a CVM stage, 1-6."""
    points = {name: np.array(point, dtype=np.float64) for name, point in TEMPLATE_MM.items()}
    vary_jaws(points, generator)
    incline_incisors(points, generator)
    vary_profile(points, generator)
    jaw = JAW_SIZE[stage - 1] * generator.normal(1.0, 0.02)
    for name in MANDIBLE:
        points[name] = HINGE_MM + (points[name] - HINGE_MM) * jaw
    size = FACE_SIZE[stage - 1] * generator.normal(1.0, 0.03)
    aspect = generator.normal(1.0, 0.025)
    stretch = size * np.array([aspect, 1 / aspect])
    points = {name: point * stretch + generator.normal(0, 0.5, 2) for name, point in points.items()}
    points["S"] = np.zeros(2)
    vault = VAULT_GROWTH * size + 1 - VAULT_GROWTH
    vault_mm = (98 * vault * generator.normal(1, 0.025), 84 * vault * generator.normal(1, 0.025))
    return Anatomy(points, make_vertebrae(stage, size, points, generator), vault_mm, stage)


def vary_jaws(points: dict[str, np.ndarray], generator: np.random.Generator) -> None:
    """Skeletal class, facial height and the mandible's rotation, in place."""
    upper = np.array([generator.normal(0, 2.0), generator.normal(0, 1.5)])
    lower = np.array([generator.normal(0, 3.5), 0.0])
    turn = np.deg2rad(generator.normal(0, 3.0))
    for name in MAXILLA:
        points[name] += upper
    for name in MANDIBLE:
        points[name] = rotate(points[name] + lower, HINGE_MM, turn)
    points["Go"] += generator.normal(0, 2.0, 2)
    points["R"] = 0.5 * (points["R"] + points["Go"] * 0.55 + points["Ar"] * 0.45 + np.array([-1.0, 0]))
    # Teeth meet: what the jaws' shift opened or closed is taken up by both dental arches.
    gap = points["UMT"][1] - points["LMT"][1] + 2.0
    for upper_tooth, lower_tooth in (("UMT", "LMT"), ("UPM", "LPM"), ("UIT", "LIT")):
        points[upper_tooth][1] -= gap / 2
        points[lower_tooth][1] += gap / 2
    points["UIA"][1] -= gap / 2
    points["LIA"][1] += gap / 2


def incline_incisors(points: dict[str, np.ndarray], generator: np.random.Generator) -> None:
    """Turns each incisor about the middle of its root, in place."""
    for tip, apex in (("UIT", "UIA"), ("LIT", "LIA")):
        centre = 0.35 * points[tip] + 0.65 * points[apex]
        turn = np.deg2rad(generator.normal(0, 6.0))
        points[tip], points[apex] = rotate(points[tip], centre, turn), rotate(points[apex], centre, turn)


def vary_profile(points: dict[str, np.ndarray], generator: np.random.Generator) -> None:
    """Nose, lips and chin of skin, in place; lips follow the teeth."""
    points["Pn"] += np.array([generator.normal(0, 3.5), generator.normal(0, 2.0)])
    points["Ls"][0] += 0.4 * (points["UIT"][0] - 76) + generator.normal(0, 1.2)
    points["Li"][0] += 0.4 * (points["LIT"][0] - 73.5) + generator.normal(0, 1.2)
    points["Pog`"][0] = points["Pog"][0] + generator.normal(11, 1.2)
    points["Pog`"][1] = points["Pog"][1] + generator.normal(-0.5, 1.0)
    points["Sn"][0] = points["A"][0] + generator.normal(15, 1.2)
    points["N`"][0] = points["N"][0] + generator.normal(7, 0.8)


def make_vertebrae(
    stage: int, size: float, points: dict[str, np.ndarray], generator: np.random.Generator
) -> dict[str, np.ndarray]:
    """The points of C2 to C5, from the odontoid down a slightly curved column. C5 has the names of C4 with a 5."""
    width = 16.5 * size * generator.normal(1.0, 0.035)
    gap = 3.6 * size
    lean = np.deg2rad(generator.normal(-4.0, 5.0))
    top = np.array([-24.0, 73.0]) * size + generator.normal(0, 2.0, 2)
    vertebrae = {}
    lower = hollow_border(top, width * 0.98, lean + np.deg2rad(9), scatter(HOLLOW_C2[stage - 1], generator))
    vertebrae["C2p"], vertebrae["C2m"], vertebrae["C2a"] = lower
    vertebrae["dens"] = top + rotate(np.array([2.5, -38.0 * size]), np.zeros(2), lean)
    for name, hollow in (("C3", HOLLOW_C3), ("C4", HOLLOW_C4), ("C5", HOLLOW_C4)):
        lean += np.deg2rad(generator.normal(3.0, 1.5))
        back = width * HEIGHT_TO_WIDTH[stage - 1] * generator.normal(1.0, 0.03) / (0.5 + 0.5 * FRONT_TO_BACK[stage - 1])
        front = back * min(FRONT_TO_BACK[stage - 1] * generator.normal(1.0, 0.025), 1.05)
        corners, top = vertebra(top, width, back, front, gap, lean, scatter(hollow[stage - 1], generator))
        vertebrae |= {f"{name}{part}": point for part, point in corners.items()}
    return vertebrae


def vertebra(
    above: np.ndarray, width: float, back: float, front: float, gap: float, lean: float, hollow: float
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """The five points of a body below the middle `above` of the border over it, and the middle of its own lower
    border.
    """
    down, ahead = rotate(np.array([0.0, 1.0]), np.zeros(2), lean), rotate(np.array([1.0, 0.0]), np.zeros(2), lean)
    middle = above + down * (gap + max(back, front))
    posterior, deepest, anterior = hollow_border(middle, width, lean, hollow)
    corners = {"lp": posterior, "m": deepest, "la": anterior}
    corners |= {"up": posterior - down * back + ahead * 0.4, "ua": anterior - down * front - ahead * 1.0}
    return corners, middle


def hollow_border(
    middle: np.ndarray, width: float, lean: float, hollow: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Posterior corner, deepest point and anterior corner of a lower border."""
    ahead, down = rotate(np.array([1.0, 0.0]), np.zeros(2), lean), rotate(np.array([0.0, 1.0]), np.zeros(2), lean)
    return middle - ahead * width / 2, middle - down * hollow * width, middle + ahead * width / 2


def scatter(value: float, generator: np.random.Generator) -> float:
    """A share that varies a little and stays above zero."""
    return max(value + generator.normal(0, 0.008), 0.0)


def rotate(point: np.ndarray, centre: np.ndarray, angle: float) -> np.ndarray:
    """A point (..., 2) turned about a centre; radians, clockwise on the film."""
    cosine, sine = np.cos(angle), np.sin(angle)
    return centre + (point - centre) @ np.array([[cosine, sine], [-sine, cosine]])
