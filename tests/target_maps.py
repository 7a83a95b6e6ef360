"""Whole heatmaps of points, which training never draws: it sums under their two factors."""

import torch

from geometry import gaussian_profiles


def gaussian_heatmaps(points_cells: torch.Tensor, size: tuple[int, int], sigma_cells: float) -> torch.Tensor:
    """(B, K, 2) points in cells to (B, K, height, width) float32 maps, each a distribution; zeros of a NaN point."""
    along_x, along_y = gaussian_profiles(points_cells, size, sigma_cells)
    known = ~points_cells.isnan().any(dim=-1)  # (B, K)
    return along_y.unsqueeze(-1) * along_x.unsqueeze(-2) * known[..., None, None]
