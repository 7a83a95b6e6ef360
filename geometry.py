"""The only place that scales coordinates: one invertible letterbox, heatmap targets, sub-pixel decoding, pixels to
millimetres.

A point is `(x, y)`, float, with pixel centres at whole numbers. Three spaces: `_px` pixels of the original film,
`_net` pixels of the letterboxed image a network sees, `_cells` cells of its heatmaps (cell i covers net pixels
i*stride to (i+1)*stride - 1).
"""

from dataclasses import dataclass

import cv2
import numpy as np
import torch


@dataclass(frozen=True)
class Letterbox:
    """Fits a film of `source_size` into `target_size` (both width, height) with its aspect kept and dark bars around
    it.

    The scaled film has a whole number of pixels, so the scales of x and y may differ by under half a pixel over the
    whole film; points use these exact scales, not the nominal one.
    """

    source_size: tuple[int, int]
    target_size: tuple[int, int]

    @property
    def inner_size(self) -> tuple[int, int]:
        """Width and height of the scaled film inside the target."""
        nominal = min(t / s for t, s in zip(self.target_size, self.source_size, strict=True))
        return tuple(max(1, round(s * nominal)) for s in self.source_size)

    @property
    def scale(self) -> np.ndarray:
        """(2,) net pixels per film pixel along x and y."""
        return np.array(self.inner_size, dtype=np.float64) / np.array(self.source_size, dtype=np.float64)

    @property
    def offset(self) -> tuple[int, int]:
        """Left and top bar in net pixels."""
        return tuple((t - i) // 2 for t, i in zip(self.target_size, self.inner_size, strict=True))

    def to_net(self, points_px: np.ndarray) -> np.ndarray:
        """Film pixels (..., 2) to net pixels (..., 2); NaN stays NaN."""
        return (np.asarray(points_px, dtype=np.float64) + 0.5) * self.scale - 0.5 + np.array(self.offset)

    def to_px(self, points_net: np.ndarray) -> np.ndarray:
        """Net pixels (..., 2) to film pixels (..., 2); the inverse of `to_net`."""
        return (np.asarray(points_net, dtype=np.float64) - np.array(self.offset) + 0.5) / self.scale - 0.5

    def length_to_px(self, length_net: np.ndarray) -> np.ndarray:
        """A length without direction, in film pixels: the mean of both scales."""
        return np.asarray(length_net, dtype=np.float64) / self.scale.mean()

    def length_to_net(self, length_px: np.ndarray) -> np.ndarray:
        """The inverse of `length_to_px`."""
        return np.asarray(length_px, dtype=np.float64) * self.scale.mean()

    def apply(self, image: np.ndarray) -> np.ndarray:
        """The letterboxed film: (height, width) uint8 to (target height, target width) uint8, bars are 0."""
        assert image.shape == self.source_size[::-1], f"film {image.shape} is not {self.source_size[::-1]}"
        shrinks = self.inner_size[0] < self.source_size[0]
        inner = cv2.resize(image, self.inner_size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
        canvas = np.zeros(self.target_size[::-1], dtype=np.uint8)
        left, top = self.offset
        canvas[top : top + inner.shape[0], left : left + inner.shape[1]] = inner
        return canvas


def net_to_cells(points_net: torch.Tensor, stride: float) -> torch.Tensor:
    """Net pixels (..., 2) to heatmap cells (..., 2)."""
    return (points_net + 0.5) / stride - 0.5


def cells_to_net(points_cells: torch.Tensor, stride: float) -> torch.Tensor:
    """Heatmap cells (..., 2) to net pixels (..., 2); the inverse of `net_to_cells`."""
    return (points_cells + 0.5) * stride - 0.5


def inside_frame(points_net: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """(..., 2) points to (...) bool: annotated (not NaN) and on one of the pixels of a `(height, width)` image."""
    limit = points_net.new_tensor([size[1] - 0.5, size[0] - 0.5])
    return ((points_net >= -0.5) & (points_net <= limit)).all(dim=-1)  # a comparison with NaN is False


def gaussian_profiles(
    points_cells: torch.Tensor, size: tuple[int, int], sigma_cells: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Target heatmaps by their two factors: a Gaussian is the product of one along x and one along y, so what is summed
    under it need not be multiplied cell by cell.

    The centre is the unrounded point: rounding it to a cell costs 0.38 cell of error on average.

    Args:
        points_cells: (B, K, 2) points in cells; a NaN coordinate is taken for 0.
        size: (height, width) of the maps.
        sigma_cells: standard deviation in cells.
    Returns:
        (B, K, width) along x and (B, K, height) along y, float32; each factor sums to 1.
    """
    height, width = size
    centres = torch.nan_to_num(points_cells).float()
    columns = torch.arange(width, device=points_cells.device, dtype=torch.float32)
    rows = torch.arange(height, device=points_cells.device, dtype=torch.float32)
    along_x = torch.softmax(-((columns - centres[..., :1]) ** 2) / (2 * sigma_cells**2), dim=-1)
    along_y = torch.softmax(-((rows - centres[..., 1:]) ** 2) / (2 * sigma_cells**2), dim=-1)
    return along_x, along_y


def spatial_softmax(heatmap_logits: torch.Tensor) -> torch.Tensor:
    """(B, K, h, w) logits to float32 distributions over the cells of each map."""
    return torch.softmax(heatmap_logits.float().flatten(2), dim=-1).view_as(heatmap_logits)


def decode_heatmaps(
    heatmap_logits: torch.Tensor, radius_cells: int = 3
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Sub-cell points by a soft-argmax in a window around each map's hottest cell.

    A soft-argmax over the whole map is drawn to the middle by the background's mass; the window keeps it local.
    Where the window is cut by the border, the point is as near to it as its weights say, never outside the map.

    Args:
        heatmap_logits: (B, K, h, w).
        radius_cells: the window reaches this far on each side of the peak.
    Returns:
        points_cells (B, K, 2); confidence (B, K), the window's share of the map's mass, 0 to 1; spread_cells (B, K),
        the expected distance of the map's mass from the point (McCouat and Voiculescu, CVPR 2022: expected radial
        error).
    """
    batch, count, height, width = heatmap_logits.shape
    probabilities = spatial_softmax(heatmap_logits)
    peaks = probabilities.flatten(2).argmax(dim=-1, keepdim=True)  # (B, K, 1)
    radius_cells = min(radius_cells, max(height, width))  # beyond the borders there is nothing, however far
    reach = torch.arange(-radius_cells, radius_cells + 1, device=heatmap_logits.device)
    near_x, near_y = peaks % width + reach, peaks // width + reach  # (B, K, 2 radius + 1)
    window = window_of(probabilities, near_x, near_y)
    confidence = window.sum(dim=(-2, -1))
    x = (window.sum(dim=-2) * near_x).sum(dim=-1) / confidence
    y = (window.sum(dim=-1) * near_y).sum(dim=-1) / confidence
    columns = torch.arange(width, device=heatmap_logits.device, dtype=torch.float32)
    rows = torch.arange(height, device=heatmap_logits.device, dtype=torch.float32)
    square_x, square_y = (columns - x.unsqueeze(-1)) ** 2, (rows - y.unsqueeze(-1)) ** 2
    distance = (square_y.unsqueeze(-1) + square_x.unsqueeze(-2)).sqrt_()  # (B, K, h, w)
    spread = distance.mul_(probabilities).sum(dim=(-2, -1))
    assert spread.shape == (batch, count)
    return torch.stack([x, y], dim=-1), confidence, spread


def window_of(maps: torch.Tensor, columns: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    """(B, K, h, w) maps to what they hold at whole `columns` (B, K, n) and `rows` (B, K, m), (B, K, m, n); 0 beyond
    their borders.
    """
    height, width = maps.shape[-2:]
    held = ((rows >= 0) & (rows < height)).unsqueeze(-1) & ((columns >= 0) & (columns < width)).unsqueeze(-2)
    cells = (rows.unsqueeze(-1) * width + columns.unsqueeze(-2)).clamp(0, height * width - 1)
    return maps.flatten(2).gather(-1, cells.flatten(2)).view_as(cells) * held


def pixels_to_mm(length_px: np.ndarray, pixel_size_mm: float | None) -> np.ndarray:
    """Lengths in film pixels to millimetres; all NaN where the film has no pixel size."""
    return np.asarray(length_px, dtype=np.float64) * (np.nan if pixel_size_mm is None else pixel_size_mm)
