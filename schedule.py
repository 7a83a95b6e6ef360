"""The learning rate as a pure function of how far training is, and the plateau rule, the only part that remembers."""

import math
from dataclasses import asdict, dataclass

from config import Config

# After `freeze_epochs` everything trains at this share of the rate (the log's FINE_TUNE_LR_FACTOR).
UNFREEZE_FACTOR = 0.1
# The plateau schedule never goes below this share of the first rate.
SMALLEST_SHARE = 1e-3


def learning_rate(config: Config, epochs_done: float, plateau_share: float, frozen_at_start: bool) -> float:
    """The rate after `epochs_done` epochs (a fraction within one), warm-up, schedule and unfreezing together."""
    rate = config.learning_rate * plateau_share
    if config.warmup_epochs and epochs_done < config.warmup_epochs:
        rate *= max(epochs_done / config.warmup_epochs, 1e-3)
    elif config.schedule == "cosine":
        horizon = max(config.epochs - config.warmup_epochs, 1e-9)
        rate *= 0.5 * (1.0 + math.cos(math.pi * min((epochs_done - config.warmup_epochs) / horizon, 1.0)))
    return rate * (UNFREEZE_FACTOR if frozen_at_start and epochs_done >= config.freeze_epochs else 1.0)


def has_horizon(config: Config) -> bool:
    """Whether the rate depends on the last epoch, so that adding epochs would change what is already trained."""
    return config.schedule == "cosine"


@dataclass
class Progress:
    """How training stands between epochs: the best score so far, and what the plateau rule and early stopping count.

    As the log's ReduceLROnPlateau: after more than `plateau_patience` epochs without a better score the rate is
    lowered.
    """

    best_score: float | None = None
    best_epoch: int = 0
    epochs_since_best: int = 0
    epochs_since_drop: int = 0
    plateau_share: float = 1.0

    def record(self, score: float, epoch: int, config: Config) -> bool:
        """Takes an epoch's score (higher is better) and says whether it is the best."""
        better = self.best_score is None or score > self.best_score
        if better:
            self.best_score, self.best_epoch = score, epoch
        self.epochs_since_best = 0 if better else self.epochs_since_best + 1
        self.epochs_since_drop = 0 if better else self.epochs_since_drop + 1
        if config.schedule == "plateau" and self.epochs_since_drop > config.plateau_patience:
            self.plateau_share = max(self.plateau_share * config.plateau_factor, SMALLEST_SHARE)
            self.epochs_since_drop = 0
        return better

    def should_stop(self, config: Config) -> bool:
        """Whether early stopping ends training."""
        return bool(config.patience) and self.epochs_since_best >= config.patience

    def to_json(self) -> dict:
        """Plain types for a checkpoint; `Progress(**content)` reads them."""
        return asdict(self)
