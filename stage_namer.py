"""Asks `cvm` for the stage of a neck that `vertebrae` has found."""

import numpy as np
import torch

from backbone import CephModel
from config import Config
from model import stage_probabilities, to_network_input
from stage_input import NeckSample, crop_matrix, crop_shape, cut_crop, measures_of


class StageNamer:
    """A trained `cvm` ensemble on a device."""

    def __init__(self, model: CephModel, config: Config, device: torch.device, facts: dict | None = None):
        self.model = model.to(device=device, memory_format=torch.channels_last).eval()
        self.config, self.device, self.facts = config, device, facts or {}
        self.size = config.image_size[::-1]
        self.shape = crop_shape(np.array(config.neck_shape).reshape(-1, 2), self.size)

    @torch.inference_mode()
    def probabilities(self, picture: np.ndarray, points_px: np.ndarray, stretch: float) -> np.ndarray:
        """(6,) of the stages, for a picture (height, width) uint8 with its vertebral points (13, 2) and stretch."""
        sample = NeckSample(picture, points_px, np.zeros(len(points_px)), stretch, 0)
        crops, measures = as_tensors([plain_input(sample, self.shape, self.size)], self.device)
        return stage_probabilities(self.model(crops, measures)["stage_logits"])[0].cpu().double().numpy()


def plain_input(sample: NeckSample, shape: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """A neck as the network sees it: crop (H, W) uint8 and measures (M,)."""
    crop = cut_crop(sample.picture, crop_matrix(sample.points, sample.stretch, shape), size)
    return crop, measures_of(sample.points, sample.stretch)


def as_tensors(drawn: list[tuple[np.ndarray, np.ndarray]], device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Crops and measures to (B, 1, H, W) in 0-1 and (B, M)."""
    crops = to_network_input(torch.from_numpy(np.stack([crop for crop, _ in drawn])), device)
    return crops, torch.from_numpy(np.stack([measures for _, measures in drawn])).float().to(device)
