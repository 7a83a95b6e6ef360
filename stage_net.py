"""`cvm`: an ensemble of small networks, each of which sees a neck's crop and its measures and orders it among the
stages.

CORN asks of each stage whether the neck is past it, given that it has come there (Shi, Cao and Raschka, Pattern
Analysis and Applications 26, 2023); CORAL shares one score among these questions; "soft" spreads each label over its
neighbours, as raters do.
"""

from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional

from backbone import CephModel
from config import STAGE_COUNT, Config
from stage_input import LARGEST_DEVIATION, MEASURE_COUNT
from unet import convolution, residual_stage

SOFT_STAGES = 0.55  # deviation of a soft label
HIDDEN = 24


class StageMember(nn.Module):
    """One network of the ensemble."""

    def __init__(self, config: Config):
        super().__init__()
        self.loss = config.loss
        self.register_buffer("mean", torch.zeros(MEASURE_COUNT))
        self.register_buffer("deviation", torch.ones(MEASURE_COUNT))
        self.measures = nn.Sequential(
            nn.Linear(2 * MEASURE_COUNT, HIDDEN),
            nn.GELU(),
            nn.Dropout(config.dropout),
            nn.Linear(HIDDEN, HIDDEN),
            nn.GELU(),
        )
        widths, layers = config.widths, []
        if widths:
            layers = [convolution(1, widths[0], stride=2)]
            for before, width in pairwise(widths):
                layers.append(residual_stage(before, width, config.blocks, stride=2))
        self.crop = nn.Sequential(*layers)
        answers = STAGE_COUNT if config.loss == "soft" else STAGE_COUNT - 1
        self.answers = nn.Linear(HIDDEN + 2 * (widths[-1] if widths else 0), 1 if config.loss == "coral" else answers)
        self.thresholds = nn.Parameter(torch.linspace(2.0, -2.0, STAGE_COUNT - 1)) if config.loss == "coral" else None
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, crops: torch.Tensor, measures: torch.Tensor) -> torch.Tensor:
        """(B, 1, H, W) in 0-1 and (B, M) measures, to the logits of its kind of answers."""
        known = ~measures.isnan()  # those of a vertebra that is not on the film are unknown
        scaled = ((measures - self.mean) / self.deviation).clamp(-LARGEST_DEVIATION, LARGEST_DEVIATION)
        features = [self.measures(torch.cat([torch.where(known, scaled, 0.0), known.float()], dim=1))]
        if len(self.crop):
            maps = self.crop(crops - 0.5)
            features += [maps.mean(dim=(2, 3)), maps.amax(dim=(2, 3))]
        logits = self.answers(self.dropout(torch.cat(features, dim=1)))
        return logits if self.thresholds is None else logits + self.thresholds


class StageNet(CephModel):
    """The ensemble, with the temperature that calibrates its probabilities."""

    def __init__(self, config: Config):
        super().__init__()
        self.members = nn.ModuleList(StageMember(config) for _ in range(config.members))
        self.register_buffer("temperature", torch.ones(()))

    def forward(self, crops: torch.Tensor, measures: torch.Tensor) -> dict[str, torch.Tensor]:
        """(B, 1, H, W) in 0-1 and (B, M) measures to `stage_logits` (B, 6), logarithms of the mean probabilities."""
        each = [stage_shares(member(crops, measures), member.loss) for member in self.members]
        mean = torch.stack(each).mean(dim=0).clamp(min=1e-6)
        return {"stage_logits": mean.log() / self.temperature}


def stage_shares(logits: torch.Tensor, loss: str) -> torch.Tensor:
    """Logits (B, 6) of a softmax ("soft") or (B, 5) of questions ("coral", "corn") to probabilities (B, 6)."""
    if loss == "soft":
        return torch.softmax(logits.float(), dim=1)
    past = torch.sigmoid(logits.float())
    past = past.cumprod(dim=1) if loss == "corn" else past.cummin(dim=1).values  # a stage past 3 is also past 2
    edges = torch.cat([torch.ones_like(past[:, :1]), past, torch.zeros_like(past[:, :1])], dim=1)  # (B, 7)
    return edges[:, :-1] - edges[:, 1:]


def ordinal_loss(logits: torch.Tensor, stages: torch.Tensor, loss: str) -> torch.Tensor:
    """A member's logits and stages (B,) 0-5 to losses (B,)."""
    if loss == "soft":
        return -(soft_labels(stages, logits) * torch.log_softmax(logits, dim=1)).sum(dim=1)
    levels = torch.arange(STAGE_COUNT - 1, device=logits.device)
    past = (stages[:, None] > levels).float()  # (B, 5)
    each = functional.binary_cross_entropy_with_logits(logits, past, reduction="none")
    if loss == "corn":  # a question is asked only of necks that have come so far
        each = each * (stages[:, None] >= levels)
    return each.sum(dim=1)


def soft_labels(stages: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """(B,) stages 0-5 to (B, 6) distributions around them."""
    apart = torch.arange(STAGE_COUNT, device=like.device) - stages[:, None]
    return torch.softmax(-(apart.float() ** 2) / (2 * SOFT_STAGES**2), dim=1)
