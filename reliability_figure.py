"""Whether radii are honest, as a picture: errors against radii, and how many points each fifth of the radii holds."""

import itertools

import cv2
import numpy as np

from calibration import LEVEL
from visualize import LINK_COLOUR, PREDICTION_COLOUR, SHIFT, TEXT_COLOUR, fixed_point, text_size, write

WIDTH_PX, HEIGHT_PX = 520, 420  # of one of the two panels
MARGINS_PX = (64, 44, 24, 56)  # left, top, right, bottom
GRID_COLOUR = (70, 70, 70)
MEAN_IN_RADIUS95 = 0.5120  # mean length of a two-dimensional normal error, in radii that hold 95 % of such errors
LETTER = 0.42


class Panel:
    """A plot of x against y on its own black canvas."""

    def __init__(self, title: str, x_title: str, x_limits: tuple[float, float], y_limits: tuple[float, float]):
        self.canvas = np.zeros((HEIGHT_PX, WIDTH_PX, 3), dtype=np.uint8)
        self.x_limits, self.y_limits = x_limits, y_limits
        left, top, right, bottom = MARGINS_PX
        self.low_px = np.array([left, HEIGHT_PX - bottom], dtype=np.float64)
        self.high_px = np.array([WIDTH_PX - right, top], dtype=np.float64)
        write(self.canvas, title, left, top - 18, 0.5)
        write(self.canvas, x_title, WIDTH_PX - right - text_size(x_title, LETTER)[0], HEIGHT_PX - 12, LETTER)

    def place(self, x: float, y: float) -> np.ndarray:
        """(2,) canvas pixels of a point of the plot."""
        shares = [(value - low) / (high - low) for value, (low, high) in ((x, self.x_limits), (y, self.y_limits))]
        return self.low_px + np.array(shares) * (self.high_px - self.low_px)

    def line(self, start: tuple[float, float], end: tuple[float, float], colour: tuple, thickness: int = 1) -> None:
        """A straight line between two points of the plot."""
        ends = fixed_point(self.place(*start)), fixed_point(self.place(*end))
        cv2.line(self.canvas, *ends, colour, thickness, cv2.LINE_AA, SHIFT)

    def dot(self, x: float, y: float) -> None:
        """A filled dot."""
        cv2.circle(self.canvas, fixed_point(self.place(x, y)), 5 << SHIFT, PREDICTION_COLOUR, -1, cv2.LINE_AA, SHIFT)

    def grid(self, x_ticks: list[tuple[float, str]], y_ticks: list[tuple[float, str]]) -> None:
        """Ticks with their names; those of y have lines across."""
        for x, name in x_ticks:
            place = self.place(x, self.y_limits[0])
            write(self.canvas, name, place[0] - text_size(name, LETTER)[0] / 2, place[1] + 20, LETTER)
        for y, name in y_ticks:
            self.line((self.x_limits[0], y), (self.x_limits[1], y), GRID_COLOUR)
            place = self.place(self.x_limits[0], y)
            write(self.canvas, name, place[0] - text_size(name, LETTER)[0] - 8, place[1] + 5, LETTER)


def draw_reliability(rows: list[dict[str, float]]) -> np.ndarray:
    """The rows of `calibration.reliability`, in mm, as two panels; (H, W, 3) BGR uint8."""
    return np.hstack([draw_errors(rows), draw_held(rows)])


def draw_errors(rows: list[dict[str, float]]) -> np.ndarray:
    """Mean error against mean radius, beside the line on which normal errors with these radii would lie."""
    longest = 1.1 * max(row["radius"] for row in rows)
    tallest = 1.1 * max(max(row["error"] for row in rows), MEAN_IN_RADIUS95 * longest)
    panel = Panel("mean error, mm (yellow: if errors were normal)", "mean 95 % radius, mm", (0, longest), (0, tallest))
    panel.grid(ticks(longest), ticks(tallest))
    panel.line((0, 0), (longest, MEAN_IN_RADIUS95 * longest), LINK_COLOUR)
    for before, after in itertools.pairwise(rows):
        panel.line(*((row["radius"], row["error"]) for row in (before, after)), PREDICTION_COLOUR, 2)
    for row in rows:
        panel.dot(row["radius"], row["error"])
    return panel.canvas


def draw_held(rows: list[dict[str, float]]) -> np.ndarray:
    """The share of points within their radius, beside the 95 % that are promised."""
    lowest = min(80.0, 10 * np.floor(10 * min(row["held"] for row in rows)))
    panel = Panel(
        f"points within their radius, % (yellow: {100 * LEVEL:.0f})",
        f"{len(rows)} equal parts of the points, smallest radii first",
        (0.5, len(rows) + 0.5),
        (lowest, 100.0),
    )
    heights = np.arange(lowest, 101.0, 5 if lowest >= 50 else 10)
    panel.grid(
        [(part, str(part)) for part in range(1, len(rows) + 1)], [(height, f"{height:.0f}") for height in heights]
    )
    panel.line((0.5, 100 * LEVEL), (len(rows) + 0.5, 100 * LEVEL), LINK_COLOUR)
    for part, row in enumerate(rows, start=1):
        panel.line((part, lowest), (part, 100 * row["held"]), TEXT_COLOUR, 2)
        panel.dot(part, 100 * row["held"])
    return panel.canvas


def ticks(longest: float) -> list[tuple[float, str]]:
    """About five round numbers from 0 to a length."""
    raw = longest / 5
    unit = 10.0 ** np.floor(np.log10(raw))
    step = min((each * unit for each in (1, 2, 5, 10)), key=lambda each: abs(each - raw))
    return [(value, f"{value:g}") for value in np.round(np.arange(0, longest, step), 6)]
