"""Asks `cvm` for the stage of a neck that `vertebrae` has found."""

import numpy as np
import torch

from backbone import CephModel
from config import Config
from model import stage_probabilities, to_network_input
from stage_input import cut_patches, measures_of


class StageNamer:
    """A trained `cvm` ensemble on a device."""

    def __init__(self, model: CephModel, config: Config, device: torch.device, facts: dict | None = None):
        self.model = model.to(device=device, memory_format=torch.channels_last).eval()
        self.config, self.device, self.facts = config, device, facts or {}

    @torch.inference_mode()
    def probabilities(
        self, picture: np.ndarray, points_px: np.ndarray, stretch: float, features: np.ndarray
    ) -> np.ndarray:
        """(6,) of the stages, for a picture (height, width) uint8 with its vertebral points (13, 2), its stretch and
        the features (F,) by which `VertebraFinder.describe` describes it.
        """
        patches = cut_patches(picture, points_px, stretch, self.config.image_size[0])
        seen = as_tensors([(patches, measures_of(points_px, stretch), features)], self.device)
        return stage_probabilities(self.model(*seen)["stage_logits"])[0].cpu().double().numpy()


def as_tensors(
    drawn: list[tuple[np.ndarray, np.ndarray, np.ndarray]], device: torch.device
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Patches, measures and features to (B, 1, S, 3 S) in 0-1, (B, M) and (B, F)."""
    patches, *numbers = (np.stack(each) for each in zip(*drawn, strict=True))
    seen = to_network_input(torch.from_numpy(patches), device)
    return seen, *(torch.from_numpy(each).float().to(device) for each in numbers)
