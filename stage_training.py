"""Teaches `cvm`: repeated stratified cross-validation whose members, one for each part held out, are the ensemble.

So every figure of train comes from members that had not seen the crop, and nothing is taught twice.
"""

import numpy as np
import torch

from config import STAGE_COUNT, Config
from stage_input import NeckSample
from stage_net import LinearReading, StageMember, ordinal_loss

COMPONENTS = 60  # principal ones of the features that a layer may use
NEVER_KNOWN = 1e9  # deviation of a value that no sample has: none of its size counts
MEASURES_FREEDOM, FEATURES_FREEDOM = 0.3, 0.01  # variance of a weight before anything has been seen
STEPS = 200


class StageTrainer:
    """Samples, and the members that learn from them."""

    def __init__(self, samples: list[NeckSample], config: Config):
        self.config = config
        self.measures = np.array([sample.measures for sample in samples])  # (N, M)
        self.features = np.array([sample.features for sample in samples])  # (N, F)
        self.stages = np.array([sample.stage - 1 for sample in samples])  # (N,) 0-5

    def fit(self, rows: np.ndarray) -> StageMember:
        """A member that has learnt from the samples `rows`."""
        member = StageMember(self.config)
        weights = self.weights(rows)
        fit_reading(member.by_measures, self.measures[rows], self.stages[rows], weights, MEASURES_FREEDOM)
        fit_reading(member.by_features, self.features[rows], self.stages[rows], weights, FEATURES_FREEDOM)
        return member

    def weights(self, rows: np.ndarray) -> np.ndarray:
        """How far each sample counts, 1 on average: rare stages more, as `balance` says."""
        counts = np.bincount(self.stages[rows], minlength=STAGE_COUNT)
        weights = counts[self.stages[rows]].astype(np.float64) ** -self.config.balance
        return weights / weights.mean()

    @torch.inference_mode()
    def shares_of(self, member: StageMember, rows: np.ndarray) -> dict[str, np.ndarray]:
        """What a member says of samples, (N, 6) each: `both` judgements together, and each of them."""
        measures, features = (torch.from_numpy(each[rows]).float() for each in (self.measures, self.features))
        judgements = {
            "both": member(measures, features),
            "measures": member.by_measures(measures),
            "features": member.by_features(features),
        }
        return {name: shares.double().numpy() for name, shares in judgements.items()}


def fit_reading(
    reading: LinearReading, values: np.ndarray, stages: np.ndarray, weights: np.ndarray, freedom: float
) -> None:
    """Fits a linear reading to values (N, F), NaN where unknown, of stages (N,) 0-5 with weights (N,): the likeliest
    layer if its weights are normal with variance `freedom`.

    Of more than `COMPONENTS` values only as many principal components are used.
    """
    is_taught = ~np.isnan(values).all(axis=0)
    given = np.where(is_taught, values, 0.0)
    kept = np.clip(given, *np.nanpercentile(given, [2.0, 98.0], axis=0))
    deviation = np.where(is_taught, np.nanstd(kept, axis=0) + 1e-6, NEVER_KNOWN)
    reading.mean.copy_(torch.from_numpy(np.nanmean(kept, axis=0)))
    reading.deviation.copy_(torch.from_numpy(deviation))
    scaled = reading.scaled(torch.from_numpy(values).float()).double()
    basis = torch.eye(values.shape[1], dtype=torch.float64)
    if values.shape[1] > COMPONENTS:
        powers, directions = torch.linalg.eigh(scaled @ scaled.T)
        powers, directions = powers[-COMPONENTS:].clamp(min=1e-9), directions[:, -COMPONENTS:]
        basis = scaled.T @ directions / powers.sqrt()  # (F, components)
    solved = solve_reading(reading, scaled @ basis, torch.from_numpy(stages), torch.from_numpy(weights), freedom)
    with torch.no_grad():
        reading.weight.copy_(basis @ solved[0])
        reading.bias.copy_(solved[1])


def solve_reading(
    reading: LinearReading, values: torch.Tensor, stages: torch.Tensor, weights: torch.Tensor, freedom: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Weight (F, A) and bias (A,) of a layer for values (N, F) with the reading's loss."""
    weight = torch.zeros(values.shape[1], reading.weight.shape[1], dtype=torch.float64, requires_grad=True)
    bias = torch.linspace(2.0, -2.0, len(reading.bias), dtype=torch.float64).requires_grad_(True)
    optimizer = torch.optim.LBFGS([weight, bias], max_iter=STEPS, line_search_fn="strong_wolfe")

    def cost() -> torch.Tensor:
        optimizer.zero_grad()
        losses = weights * ordinal_loss(values @ weight + bias, stages, reading.loss)
        total = losses.sum() + (weight**2).sum() / (2 * freedom)
        total.backward()
        return total

    optimizer.step(cost)
    return weight.detach(), bias.detach()
