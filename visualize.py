"""Drawing points on films and films on sheets; arrays in, BGR arrays out."""

import cv2
import numpy as np

from config import SYMBOLS

# Okabe and Ito's palette, readable with any colour vision; BGR.
TRUTH_COLOUR = (115, 158, 0)  # green
PREDICTION_COLOUR = (0, 94, 213)  # vermilion
LINK_COLOUR = (66, 228, 240)  # yellow
TEXT_COLOUR = (255, 255, 255)
SHIFT = 4  # OpenCV draws with this many binary digits after the point


def draw_film(
    film: np.ndarray,
    predicted_px: np.ndarray,
    truth_px: np.ndarray | None = None,
    numbers: bool = False,
    title: str = "",
) -> np.ndarray:
    """A film with its predicted points and, where given, the true ones, each pair joined by a line.

    Args:
        film: (height, width) uint8.
        predicted_px: (29, 2) film pixels, NaN where there is none.
        truth_px: the same, or None.
        numbers: write each point's number in `config.SYMBOLS`, from 1, beside it, with a key of numbers below the title.
        title: a line at the top.
    Returns:
        (height, width, 3) uint8 BGR.
    """
    canvas = cv2.cvtColor(film, cv2.COLOR_GRAY2BGR)
    unit = max(film.shape) / 800.0  # line widths and letters grow with the film
    if truth_px is not None:
        for truth, predicted in zip(truth_px, predicted_px, strict=True):
            if not np.isnan([truth, predicted]).any():
                cv2.line(canvas, fixed_point(truth), fixed_point(predicted), LINK_COLOUR, thick(unit), cv2.LINE_AA, SHIFT)
        for truth in truth_px:
            draw_ring(canvas, truth, 3.5 * unit, TRUTH_COLOUR, thick(1.4 * unit))
    for number, predicted in enumerate(predicted_px, start=1):
        draw_ring(canvas, predicted, 2.2 * unit, PREDICTION_COLOUR, -1)
        if numbers and not np.isnan(predicted).any():
            write(canvas, str(number), predicted[0] + 4 * unit, predicted[1] - 4 * unit, 0.42 * unit)
    write_lines(canvas, legend_lines(title, predicted_px, truth_px is not None, numbers), unit)
    return canvas


def legend_lines(title: str, predicted_px: np.ndarray, has_truth: bool, numbers: bool) -> list[tuple[str, tuple]]:
    """What stands in the upper left corner, each line with its colour."""
    lines = [(title, TEXT_COLOUR)] if title else []
    if has_truth:
        lines += [("ring: truth", TRUTH_COLOUR), ("dot: prediction", PREDICTION_COLOUR)]
    if numbers:
        shown = [f"{number} {symbol}" for number, symbol in enumerate(SYMBOLS, 1) if not np.isnan(predicted_px[number - 1]).any()]
        lines += [("   ".join(shown[start : start + 8]), TEXT_COLOUR) for start in range(0, len(shown), 8)]
    return lines


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


def write(canvas: np.ndarray, text: str, x_px: float, y_px: float, size: float, colour: tuple = TEXT_COLOUR) -> None:
    """Text with a dark edge, readable on bone and on air. OpenCV's letters are ASCII only."""
    text = text.encode("ascii", "replace").decode()
    place = (round(x_px), round(y_px))
    edge = thick(size * 2)
    # The edge is the same text moved: a thicker stroke would also be wider.
    for shift in ((-edge, 0), (edge, 0), (0, -edge), (0, edge), (0, 0)):
        shade = colour if shift == (0, 0) else (0, 0, 0)
        spot = (place[0] + shift[0], place[1] + shift[1])
        cv2.putText(canvas, text, spot, cv2.FONT_HERSHEY_SIMPLEX, size, shade, thick(size * 1.6), cv2.LINE_AA)


def write_lines(canvas: np.ndarray, lines: list[tuple[str, tuple]], unit: float) -> None:
    """Lines of text from the upper left corner down, made smaller where one would not fit."""
    for row, (text, colour) in enumerate(lines):
        width = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, 0.5 * unit, 1)[0][0]
        size = 0.5 * unit * min(1.0, 0.97 * canvas.shape[1] / max(width, 1))
        write(canvas, text, 8 * unit, (18 + 18 * row) * unit, size, colour)


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
