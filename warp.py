"""A smooth elastic warp of our own that moves points exactly.

The elastic transforms of the usual libraries round points to pixels, drop some near the border, or are 1-2 px off.
"""

from dataclasses import dataclass

import cv2
import numpy as np

# The steepest the displacement may be, px per px: below 1 no part of the film folds over another.
STEEPEST = 0.35
ITERATIONS = 30


@dataclass(frozen=True, eq=False)
class SmoothWarp:
    """The film's pixel seen at q after the warp comes from q + displacement(q)."""

    displacement_px: np.ndarray  # (H, W, 2) float32

    @staticmethod
    def draw(
        size: tuple[int, int], spacing_px: float, deviation_px: float, generator: np.random.Generator
    ) -> "SmoothWarp":
        """A random warp of a `(height, width)` image: normal displacements on a coarse grid, joined by cubic curves."""
        height, width = size
        grid = (int(np.ceil(height / spacing_px)) + 2, int(np.ceil(width / spacing_px)) + 2, 2)
        coarse = generator.normal(0.0, deviation_px, grid).astype(np.float32)
        smooth = cv2.GaussianBlur(
            cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC), (0, 0), spacing_px / 4
        )
        steepest = max(np.abs(np.gradient(smooth, axis=axis)).sum(axis=-1).max() for axis in (0, 1))
        return SmoothWarp(smooth * min(1.0, STEEPEST / max(float(steepest), 1e-9)))

    def apply(self, image: np.ndarray) -> np.ndarray:
        """(H, W) uint8 to its warped form; what comes from outside the image is 0."""
        height, width = image.shape
        columns, rows = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
        source_x, source_y = columns + self.displacement_px[..., 0], rows + self.displacement_px[..., 1]
        return cv2.remap(image, source_x, source_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=0)

    def move(self, points_px: np.ndarray) -> np.ndarray:
        """(N, 2) points of the image to where `apply` shows them; NaN stays NaN.

        Solves q + displacement(q) = p by iteration, which converges because the displacement is nowhere steep.
        """
        moved_px = np.array(points_px, dtype=np.float64)
        for _ in range(ITERATIONS):
            moved_px = points_px - self.sample(moved_px)
        return moved_px

    def sample(self, points_px: np.ndarray) -> np.ndarray:
        """(N, 2) displacement at points, linear between pixels and constant beyond the border."""
        height, width, _ = self.displacement_px.shape
        known = np.nan_to_num(points_px)
        x, y = np.clip(known[:, 0], 0, width - 1), np.clip(known[:, 1], 0, height - 1)
        left, top = np.minimum(x.astype(int), width - 2), np.minimum(y.astype(int), height - 2)
        across, down = (x - left)[:, None], (y - top)[:, None]
        field = self.displacement_px
        upper = field[top, left] * (1 - across) + field[top, left + 1] * across
        lower = field[top + 1, left] * (1 - across) + field[top + 1, left + 1] * across
        return upper * (1 - down) + lower * down
