"""Cephalometric measurements of the 29 landmarks, each by its definition.

All arithmetic is in a frame with the face looking to +x and y down, however the head lies on the film, so signs are
anatomical. Landmarks may be those of one film or many draws of them; what lacks one of its points is NaN.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from config import LANDMARK_INDEX
from facing import to_anatomical


class Points:
    """Landmarks by symbol, (..., 2) each, in the anatomical frame; lengths are in the unit of the coordinates."""

    def __init__(self, landmarks: np.ndarray, film: np.ndarray | None = None):
        """landmarks (29, 2) of a film, or (D, 29, 2) of draws of it: then `film` (29, 2) says how all of them lie. In
        film axes, in px or mm.
        """
        turned = landmarks @ to_anatomical(landmarks if film is None else film).T
        # Each landmark's draws lie together in memory: what is measured on them takes half the time.
        self.landmarks = np.moveaxis(np.moveaxis(turned, -2, 0).copy(), 0, -2)

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
    m("Lower face height", "%", "N ANS Me",
      lambda p: 100 * along(p.towards("N", "Me"), p.towards("ANS", "Me")) / length(p, "N", "Me"),
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
    m("ODI", "deg", "A B Go Me Po Or ANS PNS",
      lambda p: angle(p.towards("B", "A"), p.towards("Me", "Go")) + palatal_tilt(p),
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
