"""What the phantom is drawn on and with: a sheet that adds up attenuation, and curves in mm."""

from collections.abc import Callable

import cv2
import numpy as np

SHIFT = 4  # binary digits after the point in OpenCV's drawing


class Sheet:
    """A float canvas on which curves (N, 2) given in mm add attenuation."""

    def __init__(self, size: tuple[int, int], to_px: Callable[[np.ndarray], np.ndarray]):
        """A canvas (height, width), and where points (..., 2) in mm lie on it."""
        self.attenuation = np.zeros(size, dtype=np.float32)
        self.to_px = to_px
        self.px_per_mm = float(np.linalg.norm(to_px(np.array([1.0, 0.0])) - to_px(np.zeros(2))))

    def fixed(self, curve_mm: np.ndarray) -> np.ndarray:
        """A curve (N, 2) as OpenCV draws it."""
        return np.rint(self.to_px(np.asarray(curve_mm, dtype=np.float64)) * 2**SHIFT).astype(np.int32)

    def add(self, curve_mm: np.ndarray, reach_mm: float, blur_mm: float, amount: float, draw: Callable) -> None:
        """Adds what `draw(canvas, curve)` paints white, softened; only the part of the sheet near the curve is
        touched.
        """
        curve = self.fixed(curve_mm)
        reach_px = int(np.ceil((reach_mm + 4 * blur_mm) * self.px_per_mm)) + 2
        low = np.maximum(curve.min(axis=0) // 2**SHIFT - reach_px, 0)
        high = np.minimum(curve.max(axis=0) // 2**SHIFT + reach_px, self.attenuation.shape[::-1])
        if (high <= low).any():
            return  # it lies outside the film
        canvas = np.zeros((high - low)[::-1], dtype=np.uint8)
        draw(canvas, (curve - low * 2**SHIFT).astype(np.int32))
        mask = blurred(canvas.astype(np.float32) / 255.0, blur_mm * self.px_per_mm)
        self.attenuation[low[1] : high[1], low[0] : high[0]] += amount * mask

    def fill(self, curve_mm: np.ndarray, amount: float, blur_mm: float = 0.5) -> None:
        """Adds a filled outline."""
        self.add(
            curve_mm, 0.0, blur_mm, amount, lambda canvas, curve: cv2.fillPoly(canvas, [curve], 255, cv2.LINE_AA, SHIFT)
        )

    def line(
        self, curve_mm: np.ndarray, width_mm: float, amount: float, blur_mm: float = 0.3, closed: bool = False
    ) -> None:
        """Adds a line, as a thin plate of bone seen edge on."""
        thickness = max(1, round(width_mm * self.px_per_mm))

        def draw(canvas: np.ndarray, curve: np.ndarray) -> None:
            cv2.polylines(canvas, [curve], closed, 255, thickness, cv2.LINE_AA, SHIFT)

        self.add(curve_mm, width_mm, blur_mm, amount, draw)

    def bone(self, outline_mm: np.ndarray, inside: float, rim: float, rim_mm: float = 1.2) -> None:
        """A filled outline with a denser cortex."""
        self.fill(outline_mm, inside)
        self.line(outline_mm, rim_mm, rim, closed=True)


def blurred(image: np.ndarray, sigma_px: float) -> np.ndarray:
    """A Gaussian blur; nothing for a sigma of 0."""
    return cv2.GaussianBlur(image, (0, 0), sigma_px) if sigma_px > 0.05 else image


def smooth(knots_mm: list, closed: bool = False, steps: int = 12) -> np.ndarray:
    """A Catmull-Rom curve through all knots; (N, 2) to (M, 2)."""
    knots = np.array(knots_mm, dtype=np.float64)
    ends = (knots[-1:], knots[:2]) if closed else (2 * knots[:1] - knots[1:2], 2 * knots[-1:] - knots[-2:-1])
    padded = np.concatenate([ends[0], knots, ends[1]])
    before, start, end, after = padded[:-3, None], padded[1:-2, None], padded[2:-1, None], padded[3:, None]
    t = np.linspace(0, 1, steps, endpoint=False)[None, :, None]
    curve = 0.5 * (
        2 * start + (end - before) * t + (2 * before - 5 * start + 4 * end - after) * t**2
        + (3 * start - before - 3 * end + after) * t**3
    )  # fmt: skip
    curve = curve.reshape(-1, 2)
    return curve if closed else np.vstack([curve, knots[-1:]])


def ellipse(centre: np.ndarray, half: tuple[float, float], start: float = 0, end: float = 360) -> np.ndarray:
    """Points of an ellipse's arc; degrees clockwise from the front."""
    angle = np.deg2rad(np.linspace(start, end, 60))
    return np.array(centre) + np.stack([half[0] * np.cos(angle), half[1] * np.sin(angle)], axis=1)
