"""`cvm`: an ensemble, each member of which judges a neck in three ways and takes their mean: a small network sees
patches of the lower borders beside the measures, one linear layer weighs the measures, another what `vertebrae` saw at
its points. They err differently, and a few hundred necks teach a linear layer more than they teach a network.

CORN asks of each stage whether the neck is past it, given that it has come there (Shi, Cao and Raschka, Pattern
Analysis and Applications 26, 2023); CORAL shares one score among these questions; "soft" spreads each label over its
neighbours, as raters do. The setting `loss` is the network's; the linear layers always learn from soft labels.
"""

import math
from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional

from backbone import CephModel
from config import STAGE_COUNT, Config
from stage_input import LARGEST_DEVIATION, MEASURE_COUNT
from unet import convolution, residual_stage
from vertebrae_geometry import BORDERS

SOFT_STAGES = 0.75  # deviation of a soft label
HIDDEN = 24
KEPT_CHANNELS = 6  # of the last maps, whose places are kept: on a patch they mean something
NETWORK_WEIGHT, MEASURES_WEIGHT, FEATURES_WEIGHT = 1.0, 2.0, 2.0  # of the three judgements


class LinearReading(nn.Module):
    """Stages from numbers by one linear layer; unknown ones (NaN) count as the mean."""

    def __init__(self, count: int):
        super().__init__()
        self.register_buffer("mean", torch.zeros(count))
        self.register_buffer("deviation", torch.ones(count))
        self.answers = nn.Linear(count, STAGE_COUNT)

    def scaled(self, values: torch.Tensor) -> torch.Tensor:
        """(B, F) to about -1 to 1; a misplaced point must not count more than `LARGEST_DEVIATION`."""
        away = ((values - self.mean) / self.deviation).clamp(-LARGEST_DEVIATION, LARGEST_DEVIATION)
        return torch.where(values.isnan(), 0.0, away)

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """(B, F) to logits (B, 6)."""
        return self.answers(self.scaled(values))


class StageMember(nn.Module):
    """One member of the ensemble."""

    def __init__(self, config: Config):
        super().__init__()
        self.loss = config.loss
        self.by_measures, self.by_features = LinearReading(MEASURE_COUNT), LinearReading(config.feature_count)
        self.measures = nn.Sequential(
            nn.Linear(2 * MEASURE_COUNT, HIDDEN),
            nn.GELU(),
            nn.Dropout(config.dropout),
            nn.Linear(HIDDEN, HIDDEN),
            nn.GELU(),
        )
        widths = config.widths
        layers = [convolution(1, widths[0], stride=2)]
        for before, width in pairwise(widths):
            layers.append(residual_stage(before, width, config.blocks, stride=2))
        self.patch = nn.Sequential(*layers, nn.Conv2d(widths[-1], KEPT_CHANNELS, 1), nn.GELU())
        cells = math.ceil(config.image_size[0] / 2 ** len(widths)) ** 2
        answers = {"soft": STAGE_COUNT, "coral": 1, "corn": STAGE_COUNT - 1}[config.loss]
        self.answers = nn.Linear(HIDDEN + len(BORDERS) * KEPT_CHANNELS * cells, answers)
        self.thresholds = nn.Parameter(torch.linspace(2.0, -2.0, STAGE_COUNT - 1)) if config.loss == "coral" else None
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, patches: torch.Tensor, measures: torch.Tensor) -> torch.Tensor:
        """The network: (B, 1, S, 3 S) in 0-1 and (B, M) measures, to the logits of its kind of answers."""
        known = ~measures.isnan()  # those of a vertebra that is not on the film are unknown
        numbers = torch.cat([self.by_measures.scaled(measures), known.float()], dim=1)
        each = torch.cat(patches.chunk(len(BORDERS), dim=3)) - 0.5  # one network for all bodies
        seen = self.patch(each).flatten(1).chunk(len(BORDERS))
        logits = self.answers(self.dropout(torch.cat([self.measures(numbers), *seen], dim=1)))
        return logits if self.thresholds is None else logits + self.thresholds

    def shares(self, patches: torch.Tensor, measures: torch.Tensor, features: torch.Tensor) -> torch.Tensor:
        """As `forward` with features (B, F), to probabilities (B, 6): the mean of the three judgements."""
        judgements = (
            (NETWORK_WEIGHT, stage_shares(self(patches, measures), self.loss)),
            (MEASURES_WEIGHT, torch.softmax(self.by_measures(measures), dim=1)),
            (FEATURES_WEIGHT, torch.softmax(self.by_features(features), dim=1)),
        )
        return sum(weight * share for weight, share in judgements) / sum(weight for weight, _ in judgements)


class StageNet(CephModel):
    """The ensemble, with the temperature that calibrates its probabilities."""

    def __init__(self, config: Config):
        super().__init__()
        self.members = nn.ModuleList(StageMember(config) for _ in range(config.members))
        self.register_buffer("temperature", torch.ones(()))

    def forward(self, patches: torch.Tensor, measures: torch.Tensor, features: torch.Tensor) -> dict[str, torch.Tensor]:
        """(B, 1, S, 3 S) in 0-1, (B, M) measures and (B, F) features to `stage_logits` (B, 6), logarithms of the mean
        probabilities.
        """
        each = [member.shares(patches, measures, features) for member in self.members]
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
