"""Losses, one number per film: what a batch adds up to does not depend on how it is cut into processes or pieces.

`film_losses` returns named terms (B,); a term of a film with nothing to learn from is 0.
"""

import torch
from torch.nn import functional

from config import STAGE_COUNT, Config
from geometry import cells_to_net, gaussian_profiles, net_to_cells, spatial_softmax
from labelme import BOX_MARGINS
from stage_net import ordinal_loss
from thumbnails import SIDE as THUMBNAIL_SIDE

LOCATOR_SIGMA_CELLS = 1.5
# Coordinate errors below this share of the image's height count squared, above it linearly.
COORDINATE_BETA = 0.02
BOX_WEIGHT = 0.2


def film_losses(
    outputs: dict[str, torch.Tensor], batch: dict[str, torch.Tensor], config: Config
) -> dict[str, torch.Tensor]:
    """The terms of the loss for each film of a batch.

    Args:
        outputs: what a model returned.
        batch: `points_net` (B, K, 2) with NaN, `stage` (B,) 0-5 or -1; with thumbnails `thumbnail_points` (B, T, K, 2)
            and `kinds` (B, T, 2), both with NaN; of necks `box_net` (B, 4) with NaN.
    Returns:
        `landmark`, `box`, `stage` and `locator` where the model has such outputs, and `total`, their weighted sum;
        each (B,) float32.
    """
    terms = {}
    if "heatmap_logits" in outputs:
        height = config.image_size[0]
        terms["landmark"] = heatmap_loss(outputs["heatmap_logits"], batch["points_net"], height, config.heatmap_sigma)
        if "box_net" in batch:
            terms["box"] = box_loss(outputs["heatmap_logits"], batch["box_net"], config.image_size)
    if "thumbnail_logits" in outputs:
        terms["locator"] = locator_loss(outputs, batch["thumbnail_points"], batch["kinds"])
    if "points_net" in outputs:
        terms["landmark"] = coordinate_loss(outputs["points_net"], batch["points_net"], config.image_size)
    if "stage_logits" in outputs:
        terms["stage"] = stage_loss(outputs["stage_logits"], batch["stage"], config)
    stage_weight = config.stage_weight if config.finds_landmarks else 1.0
    weights = {"landmark": 1.0, "box": BOX_WEIGHT, "locator": 1.0, "stage": stage_weight}
    terms["total"] = sum(weights[name] * term for name, term in terms.items())
    return terms


def heatmap_loss(
    heatmap_logits: torch.Tensor, points_net: torch.Tensor, image_height: int, sigma_cells: float
) -> torch.Tensor:
    """Cross-entropy between each map's softmax and the Gaussian around its point; (B, K, h, w), (B, K, 2) to (B,).

    Each map is normalised by itself, and the Gaussian sums to 1, so what is left is the logarithm of the map's sum less
    the logits' mean under the Gaussian. The mean square over all cells, nearly all of which are empty, is already tiny
    for maps of zeros, and training from scratch stays there (`benchmarks/log_baseline.py` shows it).
    """
    logits, size = heatmap_logits.float(), heatmap_logits.shape[-2:]
    points_cells = net_to_cells(points_net, image_height / size[0])
    along_x, along_y = gaussian_profiles(points_cells, size, sigma_cells)
    # No matrix product, which autocast would round to 16 bits.
    under_gaussian = ((logits * along_x.unsqueeze(-2)).sum(dim=-1) * along_y).sum(dim=-1)  # (B, K)
    per_point = logits.flatten(2).logsumexp(dim=-1) - under_gaussian
    return mean_over_known(per_point, points_net)


def locator_loss(outputs: dict[str, torch.Tensor], thumbnail_points: torch.Tensor, kinds: torch.Tensor) -> torch.Tensor:
    """Where the points are on each film's T thumbnails, and of what kind these are; (B, T, K, 2), (B, T, 2) to (B,)."""
    films, each = kinds.shape[:2]
    per_thumbnail = heatmap_loss(
        outputs["thumbnail_logits"], thumbnail_points.flatten(0, 1), THUMBNAIL_SIDE, LOCATOR_SIGMA_CELLS
    )
    known = ~kinds.isnan()
    per_kind = functional.binary_cross_entropy_with_logits(
        outputs["kind_logits"].float(), torch.nan_to_num(kinds).flatten(0, 1), reduction="none"
    ).view_as(kinds)
    return per_thumbnail.view(films, each).mean(dim=1) + torch.where(known, per_kind, 0.0).sum(dim=2).mean(dim=1)


def box_loss(heatmap_logits: torch.Tensor, box_net: torch.Tensor, image_size: tuple[int, int]) -> torch.Tensor:
    """How far the box around the expected vertebral points is from the labelled one; (B, 13, h, w), (B, 4) to (B,).

    It teaches films on which someone drew just the box, and no point.
    """
    height, width = heatmap_logits.shape[-2:]
    probabilities = spatial_softmax(heatmap_logits)
    columns = torch.arange(width, device=box_net.device, dtype=torch.float32)
    rows = torch.arange(height, device=box_net.device, dtype=torch.float32)
    x, y = (probabilities.sum(dim=-2) * columns).sum(dim=-1), (probabilities.sum(dim=-1) * rows).sum(dim=-1)
    points_net = cells_to_net(torch.stack([x, y], dim=-1), image_size[0] / height)  # (B, 13, 2)
    low, high = points_net.min(dim=1).values, points_net.max(dim=1).values
    behind, above, before, below = BOX_MARGINS
    extent = high - low
    predicted = torch.cat(
        [low - extent * extent.new_tensor([behind, above]), high + extent * extent.new_tensor([before, below])], dim=1
    )
    return coordinate_loss(predicted.view(-1, 2, 2), box_net.view(-1, 2, 2), image_size)


def coordinate_loss(predicted_net: torch.Tensor, points_net: torch.Tensor, image_size: tuple[int, int]) -> torch.Tensor:
    """Smooth L1 distance in hundredths of the image's height; two (B, K, 2) to (B,)."""
    truth = torch.nan_to_num(points_net)
    per_axis = functional.smooth_l1_loss(
        predicted_net / image_size[0], truth / image_size[0], beta=COORDINATE_BETA, reduction="none"
    )
    return mean_over_known(100.0 * per_axis.sum(dim=-1), points_net)


def mean_over_known(per_point: torch.Tensor, points_net: torch.Tensor) -> torch.Tensor:
    """(B, K) to (B,): the mean over the points that the film has; 0 for a film without any."""
    known = ~points_net.isnan().any(dim=-1)
    total = torch.where(known, per_point, 0.0).sum(dim=1)
    return total / known.sum(dim=1).clamp(min=1)


def stage_loss(stage_logits: torch.Tensor, stages: torch.Tensor, config: Config) -> torch.Tensor:
    """The configured stage loss; (B, 6) or (B, 5) logits, (B,) stages 0-5 or -1, to (B,)."""
    known = stages >= 0
    targets = stages.clamp(min=0)
    logits = stage_logits.float()
    if config.loss == "coral":
        per_film = coral_loss(logits, targets)
    elif config.loss == "focal":
        per_film = focal_loss(logits, targets, class_weights(config.stage_counts, logits), config.focal_gamma)
    else:
        weights = class_weights(config.stage_counts, logits) if config.loss == "weighted" else None
        per_film = functional.cross_entropy(logits, targets, weight=weights, reduction="none")
    return torch.where(known, per_film, 0.0)


def class_weights(stage_counts: tuple[int, ...], like: torch.Tensor) -> torch.Tensor:
    """(6,) weights of the stages, inverse to how many films of the training split have them, 1 on average over
    these films.
    """
    assert len(stage_counts) == STAGE_COUNT and sum(stage_counts) > 0, "describe_data sets the counts before training"
    counts = torch.tensor(stage_counts, dtype=torch.float32, device=like.device)
    present = counts > 0
    return torch.where(present, counts.sum() / (present.sum() * counts.clamp(min=1)), 0.0)


def focal_loss(logits: torch.Tensor, targets: torch.Tensor, weights: torch.Tensor, gamma: float) -> torch.Tensor:
    """Cross-entropy that turns from films already right (Lin et al., ICCV 2017); (B, 6), (B,), (6,) to (B,)."""
    log_probability = torch.log_softmax(logits, dim=1).gather(1, targets[:, None]).squeeze(1)
    return -weights[targets] * (1.0 - log_probability.exp()) ** gamma * log_probability


def coral_loss(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Five yes-or-no questions, "is it past stage k?" (Cao et al. 2020); (B, 5), (B,) to (B,)."""
    return ordinal_loss(logits, targets, "coral")
