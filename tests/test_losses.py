"""Losses against hand values; what is missing teaches nothing; a batch may be cut anywhere."""

import math
from dataclasses import replace

import pytest
import torch
from target_maps import gaussian_heatmaps
from torch.nn import functional

from config import make_config
from geometry import net_to_cells
from losses import class_weights, coordinate_loss, coral_loss, film_losses, focal_loss, heatmap_loss, stage_loss

CONFIG = replace(make_config("landmarks", image_size=(32, 32)), stage_counts=(1, 2, 3, 4, 5, 6))


def test_the_heatmap_loss_is_the_cross_entropy_of_whole_maps():
    """By the map's factors or cell by cell, also where autocast rounds."""
    generator = torch.Generator().manual_seed(0)
    logits = 6 * torch.randn(2, 3, 24, 16, generator=generator)
    points = 32 * torch.rand(2, 3, 2, generator=generator)
    target = gaussian_heatmaps(net_to_cells(points, 2.0), (24, 16), 1.5).flatten(2)
    whole = -(target * logits.flatten(2).log_softmax(dim=-1)).sum(dim=-1).mean(dim=1)
    assert torch.allclose(heatmap_loss(logits, points, 48, 1.5), whole, atol=1e-4)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.allclose(heatmap_loss(logits, points, 48, 1.5), whole, atol=1e-4)


def test_the_heatmap_loss_is_least_at_its_target():
    points = torch.tensor([[[15.0, 17.0]]])

    target = gaussian_heatmaps(net_to_cells(points, 2.0), (16, 16), 1.5)
    best = heatmap_loss(target.clamp(min=1e-20).log(), points, 32, 1.5)
    entropy = -(target * target.clamp(min=1e-20).log()).sum()
    assert best.item() == pytest.approx(entropy.item(), rel=1e-4)
    assert heatmap_loss(torch.zeros(1, 1, 16, 16), points, 32, 1.5).item() == pytest.approx(math.log(256), rel=1e-4)


def test_every_map_counts_the_same_however_large(n=64):
    """The log's plain mean square falls with the area of the map; a collapse to zeros costs it next to nothing."""

    target = gaussian_heatmaps(torch.tensor([[[n / 2, n / 2]]]), (n, n), 2.0)
    peak_one = target / target.max()
    assert (peak_one**2).mean() < 0.01  # all that a map of zeros loses by mean square
    zeros = heatmap_loss(torch.zeros(1, 1, n, n), torch.tensor([[[n, n]]]), 2 * n, 1.5)
    best = -(target * target.clamp(min=1e-20).log()).sum()
    assert zeros > 1.8 * best


def test_missing_points_teach_nothing():
    points = torch.rand(2, 3, 2) * 30
    logits = torch.randn(2, 3, 16, 16, requires_grad=True)
    points[0, 1] = torch.nan
    points[1] = torch.nan
    losses = heatmap_loss(logits, points, 32, 1.5)
    losses.sum().backward()
    assert losses[1] == 0 and (logits.grad[0, 1] == 0).all() and (logits.grad[1] == 0).all()
    assert logits.grad[0, 0].abs().sum() > 0 and torch.isfinite(logits.grad).all()
    full = heatmap_loss(logits[:1, [0, 2]], points[:1, [0, 2]], 32, 1.5)
    assert torch.allclose(losses[0], full[0])


def test_coordinates_by_hand():
    predicted = torch.tensor([[[10.0, 10.0], [0.0, 0.0]]], requires_grad=True)
    truth = torch.tensor([[[42.0, 10.0], [torch.nan, torch.nan]]])
    loss = coordinate_loss(predicted, truth, (320, 320))
    assert loss.item() == pytest.approx(100 * (0.1 - 0.01), rel=1e-4)  # |0.1| - beta / 2
    loss.sum().backward()
    assert (predicted.grad[0, 1] == 0).all() and torch.isfinite(predicted.grad).all()


def test_class_weights_come_from_the_training_split_and_average_to_one():
    counts = (10, 20, 0, 40, 50, 80)
    weights = class_weights(counts, torch.zeros(1))
    assert weights[2] == 0 and weights[0] / weights[5] == pytest.approx(8)
    assert (weights * torch.tensor(counts)).sum() / sum(counts) == pytest.approx(1)


def test_focal_loss_by_hand():
    logits, targets = torch.randn(8, 6), torch.arange(8) % 6
    cross_entropy = functional.cross_entropy(logits, targets, reduction="none")
    assert torch.allclose(focal_loss(logits, targets, torch.ones(6), 0.0), cross_entropy)
    expected = (1 - torch.exp(-cross_entropy)) ** 2 * cross_entropy
    assert torch.allclose(focal_loss(logits, targets, torch.ones(6), 2.0), expected)


def test_coral_loss_by_hand():
    loss = coral_loss(torch.zeros(1, 5), torch.tensor([3]))
    assert loss.item() == pytest.approx(5 * math.log(2), rel=1e-5)
    sure = coral_loss(torch.tensor([[9.0, 9.0, 9.0, -9.0, -9.0]]), torch.tensor([3]))
    assert sure.item() < 1e-3


@pytest.mark.parametrize("loss", ["ce", "weighted", "focal", "coral"])
def test_a_film_without_stage_teaches_none(loss):
    config = replace(CONFIG, loss=loss)
    logits = torch.randn(2, 5 if loss == "coral" else 6, requires_grad=True)
    losses = stage_loss(logits, torch.tensor([-1, 2]), config)
    losses.sum().backward()
    assert losses[0] == 0 and losses[1] > 0 and (logits.grad[0] == 0).all()


def test_a_batch_may_be_cut_anywhere():
    config = replace(make_config("resnet18", image_size=(32, 32)), stage_counts=(1, 2, 3, 4, 5, 6), loss="weighted")
    outputs = {"points_net": torch.rand(6, 29, 2), "stage_logits": torch.randn(6, 6)}
    batch = {"points_net": torch.rand(6, 29, 2), "stage": torch.tensor([0, 1, -1, 3, 4, 5])}
    batch["points_net"][2, :20] = torch.nan
    whole = film_losses(outputs, batch, config)["total"]
    parts = []
    for rows in (slice(0, 1), slice(1, 4), slice(4, 6)):
        part = {key: value[rows] for key, value in outputs.items()}
        parts.append(film_losses(part, {key: value[rows] for key, value in batch.items()}, config)["total"])
    assert torch.allclose(whole, torch.cat(parts))
