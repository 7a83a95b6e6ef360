"""Asks `cvm` for the stage of a neck that `vertebrae` has found."""

import numpy as np
import torch

from backbone import CephModel
from config import Config
from model import stage_probabilities
from stage_input import measures_of


class StageNamer:
    """A trained `cvm` ensemble on a device."""

    def __init__(self, model: CephModel, config: Config, device: torch.device, facts: dict | None = None):
        self.model = model.to(device).eval()
        self.config, self.device, self.facts = config, device, facts or {}

    @torch.inference_mode()
    def probabilities(self, points_px: np.ndarray, stretch: float, features: np.ndarray) -> np.ndarray:
        """(6,) of the stages, for vertebral points (13, 2), the stretch of their picture, and the features (F,) by
        which `VertebraFinder.describe` describes them.
        """
        numbers = (measures_of(points_px, stretch), features)
        measures, features = (torch.from_numpy(each).float()[None].to(self.device) for each in numbers)
        return stage_probabilities(self.model(measures, features)["stage_logits"])[0].cpu().double().numpy()
