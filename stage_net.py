"""`cvm`: an ensemble, each member of which judges a neck in two ways and takes their mean: one linear layer weighs the
vertebrae's measures, another what `vertebrae` saw at its points. They err differently, and a few hundred necks teach
linear layers more than they teach a network of its own.

CORN asks of each stage whether the neck is past it, given that it has come there (Shi, Cao and Raschka, Pattern
Analysis and Applications 26, 2023); CORAL shares one score among these questions; "soft" spreads each label over its
neighbours, as raters do.
"""

import torch
from torch import nn
from torch.nn import functional

from backbone import CephModel
from config import STAGE_COUNT, Config
from stage_input import LARGEST_DEVIATION, MEASURE_COUNT

SOFT_STAGES = 0.75  # deviation of a soft label


class LinearReading(nn.Module):
    """Stages from numbers by one linear layer; unknown ones (NaN) count as the mean."""

    def __init__(self, count: int, loss: str):
        super().__init__()
        self.loss = loss
        answers = STAGE_COUNT if loss == "soft" else STAGE_COUNT - 1
        self.register_buffer("mean", torch.zeros(count))
        self.register_buffer("deviation", torch.ones(count))
        self.weight = nn.Parameter(torch.zeros(count, 1 if loss == "coral" else answers))
        self.bias = nn.Parameter(torch.zeros(answers))

    def scaled(self, values: torch.Tensor) -> torch.Tensor:
        """(B, F) in deviations from the mean, 0 where unknown."""
        away = ((values - self.mean) / self.deviation).clamp(-LARGEST_DEVIATION, LARGEST_DEVIATION)
        return torch.where(values.isnan(), 0.0, away)

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """(B, F) to probabilities (B, 6)."""
        return stage_shares(self.scaled(values) @ self.weight + self.bias, self.loss)


class StageMember(nn.Module):
    """One member of the ensemble."""

    def __init__(self, config: Config):
        super().__init__()
        self.by_measures = LinearReading(MEASURE_COUNT, config.loss)
        self.by_features = LinearReading(config.feature_count, config.loss)

    def forward(self, measures: torch.Tensor, features: torch.Tensor) -> torch.Tensor:
        """(B, M) and (B, F) to probabilities (B, 6)."""
        return (self.by_measures(measures) + self.by_features(features)) / 2


class StageNet(CephModel):
    """The ensemble, with the temperature that calibrates its probabilities."""

    def __init__(self, config: Config):
        super().__init__()
        self.members = nn.ModuleList(StageMember(config) for _ in range(config.members))
        self.register_buffer("temperature", torch.ones(()))

    def forward(self, measures: torch.Tensor, features: torch.Tensor) -> dict[str, torch.Tensor]:
        """(B, M) measures and (B, F) features to `stage_logits` (B, 6), logarithms of the mean probabilities."""
        mean = torch.stack([member(measures, features) for member in self.members]).mean(dim=0).clamp(min=1e-6)
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
    """Logits and stages (B,) 0-5 to losses (B,)."""
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
