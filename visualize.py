"""Drawing points on films and films on sheets; arrays in, BGR arrays out."""

from collections.abc import Iterator

import cv2
import numpy as np

from config import SYMBOLS, VERTEBRAL_POINTS
from tracing import KIND_COLOURS, LINES, draw_line

# Okabe and Ito's palette, readable with any colour vision; BGR.
TRUTH_COLOUR = (115, 158, 0)  # green
PREDICTION_COLOUR = (0, 94, 213)  # vermilion
LINK_COLOUR = (66, 228, 240)  # yellow
TEXT_COLOUR = (255, 255, 255)
FONT = cv2.FONT_HERSHEY_SIMPLEX
SHIFT = 4  # OpenCV draws with this many binary digits after the point
PANEL_LIGHT = 0.3  # what the panel under the legend leaves of the film: some films carry text in that corner
# Where a label may stand, from its point: upper right first, then around, then the same farther away.
DIRECTIONS = ((1, -1), (1, 0), (1, 1), (-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1))
DISTANCES = (4.0, 10.0, 17.0)
MISLEADING = 0.1  # a label nearer to another point is as bad as one that hides this share of its area
VERTEBRAL_OUTLINES = (
    ("C2p", "C2m", "C2a"),
    ("C3up", "C3ua", "C3la", "C3m", "C3lp"),
    ("C4up", "C4ua", "C4la", "C4m", "C4lp"),
)


def draw_film(
    film: np.ndarray,
    predicted_px: np.ndarray,
    truth_px: np.ndarray | None = None,
    numbers: bool = False,
    title: str = "",
    labels: list[str] | None = None,
    marker: float = 1.0,
    tracing: bool = False,
) -> np.ndarray:
    """A film with its predicted points and, where given, the true ones, each pair joined by a line.

    Args:
        film: (height, width) uint8.
        predicted_px: (29, 2) film pixels, NaN where there is none.
        truth_px: the same, or None.
        numbers: write each point's number in `config.SYMBOLS`, from 1, beside it and a key below the title.
        title: a line at the top.
        labels: 29 texts to write beside the points instead of numbers.
        marker: size of points and letters; more than 1 for pictures that will be shrunk.
        tracing: draw the planes, axes and outlines of `tracing.LINES` under the points.
    Returns:
        (height, width, 3) uint8 BGR.
    """
    canvas = cv2.cvtColor(film, cv2.COLOR_GRAY2BGR)
    unit = max(film.shape) / 800.0  # line widths and letters grow with the film
    panel = write_legend(canvas, legend_lines(title, predicted_px, truth_px is not None, numbers), unit * marker)
    if tracing:
        draw_tracing(canvas, predicted_px, unit * marker)
    if truth_px is not None:
        draw_truth(canvas, predicted_px, truth_px, unit * marker)
    for predicted in predicted_px:
        draw_ring(canvas, predicted, 2.2 * unit * marker, PREDICTION_COLOUR, -1)
    if numbers and labels is None:
        labels = [str(number) for number in range(1, len(predicted_px) + 1)]
    if labels is not None:
        others_px = np.zeros((0, 2)) if truth_px is None else truth_px
        write_labels(canvas, predicted_px, others_px, labels, panel, unit)
    return canvas


def draw_tracing(canvas: np.ndarray, landmarks_px: np.ndarray, unit: float) -> None:
    """The lines of a tracing whose landmarks there are."""
    for line in LINES:
        corners_px = draw_line(line, landmarks_px)
        if corners_px is not None:
            colour = KIND_COLOURS[line.kind].lstrip("#")
            blue_green_red = tuple(int(colour[start : start + 2], 16) for start in (4, 2, 0))
            corners = np.array([fixed_point(corner) for corner in corners_px], dtype=np.int32)
            cv2.polylines(canvas, [corners], False, blue_green_red, thick(0.9 * unit), cv2.LINE_AA, SHIFT)


def draw_truth(canvas: np.ndarray, predicted_px: np.ndarray, truth_px: np.ndarray, unit: float) -> None:
    """Rings at the true points, with lines to what was predicted."""
    for truth, predicted in zip(truth_px, predicted_px, strict=True):
        if not np.isnan([truth, predicted]).any():
            ends = fixed_point(truth), fixed_point(predicted)
            cv2.line(canvas, *ends, LINK_COLOUR, thick(unit), cv2.LINE_AA, SHIFT)
    for truth in truth_px:
        draw_ring(canvas, truth, 3.5 * unit, TRUTH_COLOUR, thick(1.4 * unit))


def draw_ring(canvas: np.ndarray, point_px: np.ndarray, radius_px: float, colour: tuple, thickness: int) -> None:
    """A circle around a sub-pixel point; nothing for NaN. A thickness of -1 fills it."""
    if not np.isnan(point_px).any():
        cv2.circle(canvas, fixed_point(point_px), round(radius_px * 2**SHIFT), colour, thickness, cv2.LINE_AA, SHIFT)


def fixed_point(point_px: np.ndarray) -> tuple[int, int]:
    """A sub-pixel point as OpenCV takes it."""
    return round(float(point_px[0]) * 2**SHIFT), round(float(point_px[1]) * 2**SHIFT)


def thick(width_px: float) -> int:
    """A line width that OpenCV can draw."""
    return max(1, round(width_px))


def draw_vertebrae(picture: np.ndarray, points_px: np.ndarray) -> np.ndarray:
    """A film or crop (height, width) uint8 with the outlines of C2's border, C3 and C4 through their points (13, 2);
    (height, width, 3) uint8 BGR.
    """
    canvas = cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR)
    known_px = points_px[~np.isnan(points_px).any(axis=1)]  # C4 may not be on the picture
    extent = float(np.ptp(known_px, axis=0).max()) if len(known_px) else 100.0
    unit = extent / 140.0
    for outline, colour in zip(VERTEBRAL_OUTLINES, (TRUTH_COLOUR, PREDICTION_COLOUR, LINK_COLOUR), strict=True):
        corners_px = points_px[[VERTEBRAL_POINTS.index(name) for name in outline]]
        if not np.isnan(corners_px).any():
            corners = np.array([fixed_point(corner) for corner in corners_px], dtype=np.int32)
            cv2.polylines(canvas, [corners], len(outline) > 3, colour, thick(0.6 * unit), cv2.LINE_AA, SHIFT)
        for corner_px in corners_px:
            draw_ring(canvas, corner_px, 1.6 * unit, colour, -1)
    return canvas


# --- text ------------------------------------------------------------------------------------------------------------


def write(canvas: np.ndarray, text: str, x_px: float, y_px: float, size: float, colour: tuple = TEXT_COLOUR) -> None:
    """Text with a dark edge, readable on bone and on air. OpenCV's letters are ASCII only."""
    text = text.encode("ascii", "replace").decode()
    place = (round(x_px), round(y_px))
    edge = thick(size * 2)
    # The edge is the same text moved: a thicker stroke would also be wider.
    for shift in ((-edge, 0), (edge, 0), (0, -edge), (0, edge), (0, 0)):
        shade = colour if shift == (0, 0) else (0, 0, 0)
        spot = (place[0] + shift[0], place[1] + shift[1])
        cv2.putText(canvas, text, spot, FONT, size, shade, thick(size * 1.6), cv2.LINE_AA)


def text_size(text: str, size: float) -> np.ndarray:
    """(2,) width and height of a text, px."""
    return np.array(cv2.getTextSize(text, FONT, size, thick(size * 1.6))[0], dtype=np.float64)


def write_labels(
    canvas: np.ndarray, points_px: np.ndarray, others_px: np.ndarray, labels: list[str], panel: np.ndarray, unit: float
) -> None:
    """A text beside each point, where it hides least of the points, of the other texts and of the legend."""
    size = 0.42 * unit
    dots_px = np.vstack([points_px, others_px])
    dots_px = dots_px[~np.isnan(dots_px).any(axis=1)]
    taken = np.vstack([panel[None], np.hstack([dots_px - 2.5 * unit, dots_px + 2.5 * unit])])  # (M, 4) boxes
    known = ~np.isnan(points_px).any(axis=1)
    sizes_px = {index: text_size(text, size) for index, text in enumerate(labels) if text and known[index]}
    for index, box, end_px in place_labels(points_px, sizes_px, taken, canvas.shape[1::-1], unit):
        if end_px is not None:
            ends = fixed_point(points_px[index]), fixed_point(end_px)
            cv2.line(canvas, *ends, TEXT_COLOUR, thick(0.4 * unit), cv2.LINE_AA, SHIFT)
        write(canvas, labels[index], box[0], box[3], size)


def place_labels(
    points_px: np.ndarray,
    sizes_px: dict[int, np.ndarray],
    taken: np.ndarray,
    film_size: tuple[int, int],
    unit: float,
) -> Iterator[tuple[int, np.ndarray, np.ndarray | None]]:
    """Where labels stand beside some of the (K, 2) points, clear of the (M, 4) boxes `taken` and of each other.

    Args:
        sizes_px: of each label (2,), by the index of its point.
    Yields:
        The index; the label's (4,) left, top, right, bottom; where a line from the point to it ends, or None.
    """
    for index, size_px in sizes_px.items():
        box = place_label(points_px[index], size_px, taken, points_px, film_size, unit)
        taken = np.vstack([taken, box])
        yield index, box, leader_end(points_px[index], box, points_px, unit)


def place_label(
    point_px: np.ndarray,
    size_px: np.ndarray,
    taken: np.ndarray,
    points_px: np.ndarray,
    film_size: tuple[int, int],
    unit: float,
) -> np.ndarray:
    """The (4,) left, top, right, bottom of a label beside its point: the first free place to which none of all the
    (K, 2) points is nearer, else the one that hides least.
    """
    best, least = None, np.inf
    for distance in DISTANCES:
        for direction in np.array(DIRECTIONS, dtype=np.float64):
            middle = point_px + direction * (distance * unit + size_px / 2)
            box = np.concatenate([middle - size_px / 2, middle + size_px / 2])
            inside = overlap(box, np.array([[0, 0, *film_size]]))
            hidden = overlap(box, taken) + (size_px.prod() - inside)
            if is_nearer_to_another(point_px, box, points_px):
                hidden += MISLEADING * size_px.prod()
            if hidden < least:
                best, least = box, hidden
            if least <= 0:
                return best
    return best


def leader_end(point_px: np.ndarray, box: np.ndarray, points_px: np.ndarray, unit: float) -> np.ndarray | None:
    """(2,) where the line from a point to its label ends; None where it is plain whose label this is."""
    end_px = np.clip(point_px, box[:2], box[2:])
    is_far = gaps_px(point_px, box) > 1.5 * DISTANCES[0] * unit
    return end_px if is_far or is_nearer_to_another(point_px, box, points_px) else None


def is_nearer_to_another(point_px: np.ndarray, box: np.ndarray, points_px: np.ndarray) -> bool:
    """Whether a label would be taken for that of another of the (K, 2) points than its own."""
    others_px = points_px[(points_px != point_px).any(axis=1)]
    return bool((gaps_px(others_px, box) <= gaps_px(point_px, box)).any())  # a missing point is NaN, and never nearer


def gaps_px(points_px: np.ndarray, box: np.ndarray) -> np.ndarray:
    """How far (..., 2) points lie from a (4,) box, 0 for those within."""
    return np.linalg.norm(np.clip(points_px, box[:2], box[2:]) - points_px, axis=-1)


def overlap(box: np.ndarray, others: np.ndarray) -> float:
    """The summed area that a (4,) box shares with (M, 4) others."""
    sides = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
    return float(np.maximum(sides, 0).prod(axis=1).sum())


def legend_lines(title: str, predicted_px: np.ndarray, has_truth: bool, numbers: bool) -> list[tuple[str, tuple]]:
    """What stands in the upper left corner, each line with its colour."""
    lines = [(title, TEXT_COLOUR)] if title else []
    if has_truth:
        lines += [("ring: truth", TRUTH_COLOUR), ("dot: prediction", PREDICTION_COLOUR)]
    if numbers:
        known = ~np.isnan(predicted_px).any(axis=1)
        shown = [f"{number} {symbol}" for number, symbol in enumerate(SYMBOLS, 1) if known[number - 1]]
        lines += [("   ".join(shown[start : start + 8]), TEXT_COLOUR) for start in range(0, len(shown), 8)]
    return lines


def write_legend(canvas: np.ndarray, lines: list[tuple[str, tuple]], unit: float) -> np.ndarray:
    """Lines of text on a dark panel in the upper left corner, made smaller where one would not fit.

    Returns:
        (4,) left, top, right, bottom of the panel, px.
    """
    if not lines:
        return np.zeros(4)
    widths = [text_size(text, 0.5 * unit)[0] for text, _ in lines]
    shrink = min(1.0, (canvas.shape[1] - 16 * unit) / max(*widths, 1.0))
    right, bottom = max(widths) * shrink + 16 * unit, (8 + 18 * len(lines)) * unit
    panel = canvas[: round(bottom), : round(right)]
    panel[:] = (panel * PANEL_LIGHT).astype(np.uint8)
    for row, (text, colour) in enumerate(lines):
        write(canvas, text, 8 * unit, (18 + 18 * row) * unit, 0.5 * unit * shrink, colour)
    return np.array([0.0, 0.0, right, bottom])


# --- sheets ----------------------------------------------------------------------------------------------------------


def contact_sheet(tiles: list[tuple[np.ndarray, str]], columns: int = 3, height_px: int = 560) -> np.ndarray:
    """Pictures with captions in a grid, each scaled to one height; (H, W, 3) uint8."""
    shrunk = [(resize_to_height(picture, height_px), caption) for picture, caption in tiles]
    width_px = max(picture.shape[1] for picture, _ in shrunk)
    cells = [make_cell(picture, caption, width_px) for picture, caption in shrunk]
    cells += [np.zeros_like(cells[0])] * (-len(cells) % columns)
    return np.vstack([np.hstack(cells[start : start + columns]) for start in range(0, len(cells), columns)])


def resize_to_height(picture: np.ndarray, height_px: int) -> np.ndarray:
    """A picture scaled with its aspect kept."""
    width_px = max(1, round(picture.shape[1] * height_px / picture.shape[0]))
    return cv2.resize(picture, (width_px, height_px), interpolation=cv2.INTER_AREA)


def make_cell(picture: np.ndarray, caption: str, width_px: int) -> np.ndarray:
    """A picture in the middle of its column, its caption below."""
    cell = np.zeros((picture.shape[0] + 26, width_px, 3), dtype=np.uint8)
    left = (width_px - picture.shape[1]) // 2
    cell[: picture.shape[0], left : left + picture.shape[1]] = picture
    write(cell, caption, 6, picture.shape[0] + 18, 0.45)
    return cell
