"""Teaches `cvm`: repeated stratified cross-validation whose networks, one for each part held out, are the ensemble.

So every figure of train comes from networks that had not seen the crop, and nothing is trained twice. Finished
networks are kept in the run's folder, where an interrupted run goes on.
"""

import numpy as np
import torch

from augment import Augmenter
from config import STAGE_COUNT, Config
from dataset import seed_of
from head import join_matrices
from stage_input import NeckSample, crop_matrix, crop_shape, cut_crop, measures_of
from stage_namer import as_tensors, plain_input
from stage_net import StageMember, ordinal_loss, stage_shares

JITTER = 0.7  # of the points within their spread, each time a crop is shown
STRETCH_JITTER = 0.04  # deviation of the logarithm


class StageTrainer:
    """Samples, and the networks that learn from them."""

    def __init__(self, samples: list[NeckSample], config: Config, neck_shape: np.ndarray, device: torch.device):
        self.samples, self.config, self.device = samples, config, device
        self.size = config.image_size[::-1]
        self.shape = crop_shape(neck_shape, self.size)
        self.stages = np.array([sample.stage - 1 for sample in samples])  # 0-5
        self.augmenter = Augmenter(config.augmentation)

    def draw(self, index: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Sample `index` varied: crop (H, W) uint8 and measures (M,)."""
        sample, generator = self.samples[index], np.random.default_rng(seed)
        moved = generator.normal(size=(len(sample.points), 2)) * (JITTER * sample.deviation[:, None])
        points = sample.points + moved / np.sqrt(2.0)
        stretch = sample.stretch * float(np.exp(generator.normal(0.0, STRETCH_JITTER)))
        matrix = crop_matrix(points, stretch, self.shape)
        jitter = self.augmenter.draw_jitter(self.size, ("stage", seed))
        crop = cut_crop(sample.picture, join_matrices(matrix, jitter), self.size)
        return self.augmenter.vary_greys(crop, generator), measures_of(points, stretch)

    def plain(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Sample `index` as it is."""
        sample = self.samples[index]
        return plain_input(sample, self.shape, self.size)

    def fit(self, rows: np.ndarray, seed: int) -> StageMember:
        """A network that has learnt from the samples `rows`, in evaluation mode."""
        config = self.config
        torch.manual_seed(seed)
        member = StageMember(config).to(self.device, memory_format=torch.channels_last)
        self.set_scale(member, rows)
        steps = config.epochs * -(-len(rows) // config.batch_size)
        optimizer = torch.optim.AdamW(member.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, config.learning_rate, total_steps=steps, pct_start=0.1
        )
        average = torch.optim.swa_utils.AveragedModel(
            member, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(config.ema_decay), use_buffers=True
        )
        shares = self.draw_shares(rows)
        generator = np.random.default_rng(seed_of("stage", config.seed, seed))
        for _ in range(steps):
            chosen = generator.choice(rows, config.batch_size, p=shares)
            drawn = [self.draw(index, int(generator.integers(2**40))) for index in chosen]
            crops, measures = as_tensors(drawn, self.device)
            targets = torch.from_numpy(self.stages[chosen]).to(self.device)
            loss = ordinal_loss(member(crops, measures), targets, config.loss).mean()
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(member.parameters(), config.gradient_clip)
            optimizer.step()
            schedule.step()
            average.update_parameters(member)
        return average.module.eval()

    def set_scale(self, member: StageMember, rows: np.ndarray) -> None:
        """The mean and deviation of the measures of these samples."""
        measures = np.array([self.plain(index)[1] for index in rows])
        low, high = np.nanpercentile(measures, [2.0, 98.0], axis=0)
        kept = np.clip(measures, low, high)
        member.mean.copy_(torch.from_numpy(np.nanmean(kept, axis=0)))
        member.deviation.copy_(torch.from_numpy(np.nanstd(kept, axis=0) + 1e-6))

    def draw_shares(self, rows: np.ndarray) -> np.ndarray:
        """How often each sample is drawn: rare stages more often than they occur, as `balance` says."""
        counts = np.bincount(self.stages[rows], minlength=STAGE_COUNT)
        weight = counts[self.stages[rows]].astype(np.float64) ** -self.config.balance
        return weight / weight.sum()

    @torch.inference_mode()
    def shares_of(self, member: StageMember, rows: np.ndarray) -> np.ndarray:
        """(N, 6) what a network says of samples."""
        crops, measures = as_tensors([self.plain(index) for index in rows], self.device)
        return stage_shares(member(crops, measures), self.config.loss).cpu().double().numpy()
