"""Teaches `cvm`: repeated stratified cross-validation whose members, one for each part held out, are the ensemble.

So every figure of train comes from members that had not seen the crop, and nothing is trained twice. Finished
members are kept in the run's folder, where an interrupted run goes on.
"""

import numpy as np
import torch

from augment import Augmenter
from config import STAGE_COUNT, Config
from dataset import seed_of
from stage_input import NeckSample, cut_patches, measures_of
from stage_namer import as_tensors
from stage_net import LinearReading, StageMember, ordinal_loss, stage_shares
from vertebrae_geometry import BORDERS

JITTER = 0.5  # of the points within their spread, each time a crop is shown
STRETCH_JITTER = 0.04  # deviation of the logarithm
VERSIONS = 8  # of each sample: drawn once, they serve all networks, since drawing takes longer than learning
COMPONENTS = 60  # principal ones of the features that a linear layer may use
MEASURES_FREEDOM, FEATURES_FREEDOM = 0.3, 0.01  # variance of a weight before anything has been seen


class StageTrainer:
    """Samples, and the members that learn from them."""

    def __init__(self, samples: list[NeckSample], config: Config, device: torch.device):
        self.samples, self.config, self.device = samples, config, device
        self.side = config.image_size[0]
        self.stages = np.array([sample.stage - 1 for sample in samples])  # 0-5
        self.augmenter = Augmenter(config.augmentation)
        self.plain = [self.show(sample) for sample in samples]
        self.versions = [
            [self.draw(sample, seed_of("stage version", config.seed, index, version)) for version in range(VERSIONS)]
            for index, sample in enumerate(samples)
        ]

    def show(self, sample: NeckSample) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """A sample as it is: patches (S, 3 S) uint8, measures (M,) and features (F,)."""
        patches = cut_patches(sample.picture, sample.points, sample.stretch, self.side)
        return patches, measures_of(sample.points, sample.stretch), sample.features

    def draw(self, sample: NeckSample, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """A sample varied."""
        generator = np.random.default_rng(seed)
        moved = generator.normal(size=(len(sample.points), 2)) * (JITTER * sample.deviation[:, None])
        points = sample.points + moved
        stretch = sample.stretch * float(np.exp(generator.normal(0.0, STRETCH_JITTER)))
        size = (self.side, self.side)
        jitter = [self.augmenter.draw_jitter(size, ("stage", seed, index)) for index in range(len(BORDERS))]
        patches = cut_patches(sample.picture, points, stretch, self.side, jitter)
        return self.augmenter.vary_greys(patches, generator), measures_of(points, stretch), sample.features

    def fit(self, rows: np.ndarray, seed: int) -> StageMember:
        """A member that has learnt from the samples `rows`, in evaluation mode."""
        torch.manual_seed(seed)
        member = StageMember(self.config).to(self.device, memory_format=torch.channels_last)
        _, measures, features = (np.stack(each) for each in zip(*(self.plain[row] for row in rows), strict=True))
        stages, weights = self.stages[rows], self.weights(rows)
        fit_reading(member.by_measures, measures, stages, weights, MEASURES_FREEDOM)
        fit_reading(member.by_features, features, stages, weights, FEATURES_FREEDOM)
        return self.fit_network(member, rows, seed)

    def fit_network(self, member: StageMember, rows: np.ndarray, seed: int) -> StageMember:
        """Teaches the member's network; returns the mean of its last states, in evaluation mode."""
        config = self.config
        steps = config.epochs * -(-len(rows) // config.batch_size)
        learning = [each for name, each in member.named_parameters() if not name.startswith("by_")]
        optimizer = torch.optim.AdamW(learning, lr=config.learning_rate, weight_decay=config.weight_decay)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, config.learning_rate, total_steps=steps, pct_start=0.1
        )
        average = torch.optim.swa_utils.AveragedModel(
            member, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(config.ema_decay), use_buffers=True
        )
        weights = self.weights(rows)
        generator = np.random.default_rng(seed_of("stage", config.seed, seed))
        for _ in range(steps):
            chosen = generator.choice(rows, config.batch_size, p=weights / weights.sum())
            drawn = [self.versions[index][int(generator.integers(VERSIONS))] for index in chosen]
            patches, measures, _ = as_tensors(drawn, self.device)
            targets = torch.from_numpy(self.stages[chosen]).to(self.device)
            loss = ordinal_loss(member(patches, measures), targets, config.loss).mean()
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(learning, config.gradient_clip)
            optimizer.step()
            schedule.step()
            average.update_parameters(member)
        return average.module.eval()

    def weights(self, rows: np.ndarray) -> np.ndarray:
        """How far each sample counts, 1 on average: rare stages more, as `balance` says."""
        counts = np.bincount(self.stages[rows], minlength=STAGE_COUNT)
        weights = counts[self.stages[rows]].astype(np.float64) ** -self.config.balance
        return weights / weights.mean()

    @torch.inference_mode()
    def shares_of(self, member: StageMember, rows: np.ndarray) -> dict[str, np.ndarray]:
        """What a member says of samples, (N, 6) each: `all` of it together, and its three judgements."""
        patches, measures, features = as_tensors([self.plain[row] for row in rows], self.device)
        judgements = {
            "all": member.shares(patches, measures, features),
            "network": stage_shares(member(patches, measures), self.config.loss),
            "measures": torch.softmax(member.by_measures(measures), dim=1),
            "features": torch.softmax(member.by_features(features), dim=1),
        }
        return {name: shares.cpu().double().numpy() for name, shares in judgements.items()}


def fit_reading(
    reading: LinearReading, values: np.ndarray, stages: np.ndarray, weights: np.ndarray, freedom: float
) -> None:
    """Fits a linear reading to values (N, F), NaN where unknown, with soft labels of stages (N,) 0-5, and weights (N,).

    Of more than `COMPONENTS` values only as many principal components are used.
    """
    low, high = np.nanpercentile(values, [2.0, 98.0], axis=0)
    kept = np.clip(values, low, high)
    reading.mean.copy_(torch.from_numpy(np.nanmean(kept, axis=0)))
    reading.deviation.copy_(torch.from_numpy(np.nanstd(kept, axis=0) + 1e-6))
    scaled = reading.scaled(torch.from_numpy(values).float().to(reading.mean.device)).double().cpu()
    basis = torch.eye(values.shape[1], dtype=torch.float64)
    if values.shape[1] > COMPONENTS:
        powers, directions = torch.linalg.eigh(scaled @ scaled.T)
        powers, directions = powers[-COMPONENTS:].clamp(min=1e-9), directions[:, -COMPONENTS:]
        basis = scaled.T @ directions / powers.sqrt()  # (F, components)
    weight, bias = solve_reading(scaled @ basis, torch.from_numpy(stages), torch.from_numpy(weights), freedom)
    with torch.no_grad():
        reading.answers.weight.copy_((basis @ weight).T)
        reading.answers.bias.copy_(bias)


def solve_reading(
    values: torch.Tensor, stages: torch.Tensor, weights: torch.Tensor, freedom: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """The likeliest layer, (F, 6) and (6,), for values (N, F) if its weights are normal with variance `freedom`."""
    weight = torch.zeros(values.shape[1], STAGE_COUNT, dtype=torch.float64, requires_grad=True)
    bias = torch.zeros(STAGE_COUNT, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([weight, bias], max_iter=200, line_search_fn="strong_wolfe")

    def cost() -> torch.Tensor:
        optimizer.zero_grad()
        losses = weights * ordinal_loss(values @ weight + bias, stages, "soft")
        total = losses.sum() + (weight**2).sum() / (2 * freedom)
        total.backward()
        return total

    optimizer.step(cost)
    return weight.detach(), bias.detach()
