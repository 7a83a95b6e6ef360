"""The log's first heatmap training (#37) as it was: square squash, whole-pixel targets, argmax, plain mean square.

`python -m benchmarks.log_baseline --dataset DIR` trains it beside our own targets on the same network and films, and
prints what becomes of its maps. Kept for comparison only; nothing else uses it.
"""

import argparse
import sys
from pathlib import Path

import cv2
import numpy as np
import torch
from torch.nn import functional

from augment import Augmenter
from benchmarks.measuring import LOG_CELLS, LOG_SIDE
from config import SYMBOLS, Config, UserError, make_config
from dataset import describe_data, seed_of
from films import Film, scan_split
from images import read_film
from inference import pick_device
from metrics import mean_and_deviation, success_rate
from model import build_model
from trainer import pick_precision

SIGMA_CELLS = 2.0  # of the log's Gaussian
BATCH = 16
LEARNING_RATE = 1e-3
BLANK = 0.1  # a map whose peak stays below this share of the target's is blank


def squash(film: Film) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A film forced into a square, its points (29, 2) there, and the two scales from film to square."""
    picture = read_film(film.image_path)
    scale = LOG_SIDE / np.array(picture.shape[::-1], dtype=np.float64)
    return cv2.resize(picture, (LOG_SIDE, LOG_SIDE), interpolation=cv2.INTER_AREA), film.truth_px() * scale, scale


def whole_pixel_targets(points: np.ndarray) -> torch.Tensor:
    """(K, 2) points of the square to (K, 64, 64) maps with a peak of 1 at the truncated cell."""
    rows, columns = np.mgrid[:LOG_CELLS, :LOG_CELLS]
    targets = np.zeros((len(points), LOG_CELLS, LOG_CELLS), dtype=np.float32)
    for index, (x, y) in enumerate(points):
        if not np.isnan([x, y]).any():
            column, row = int(x * LOG_CELLS / LOG_SIDE), int(y * LOG_CELLS / LOG_SIDE)
            targets[index] = np.exp(-((columns - column) ** 2 + (rows - row) ** 2) / (2 * SIGMA_CELLS**2))
    return torch.from_numpy(targets)


def normalised_loss(maps: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Ours, on the same targets: cross-entropy of each map's softmax with its target made a distribution."""
    distribution = targets.flatten(2) / targets.flatten(2).sum(dim=-1, keepdim=True).clamp(min=1e-9)
    return -(distribution * torch.log_softmax(maps.flatten(2), dim=-1)).sum(dim=-1).mean()


def train_epoch(
    network, optimizer, data: list, columns: list[int], epoch: int, loss_name: str, device: torch.device
) -> float:
    """One pass over the films, varied as everywhere else; returns the mean loss."""
    augmenter, dtype = Augmenter("standard"), pick_precision("auto", device)
    losses = []
    network.train()
    for batch in np.array_split(np.random.default_rng(epoch).permutation(len(data)), -(-len(data) // BATCH)):
        images, targets = [], []
        for index in batch:
            film, image, points, _ = data[index]
            image, points = augmenter(image, points[columns], (0, epoch, film.film_id))
            images.append(torch.from_numpy(image))
            targets.append(whole_pixel_targets(points))
        with torch.autocast(device.type, dtype=dtype, enabled=dtype != torch.float32):
            maps = network(torch.stack(images).unsqueeze(1).float().to(device) / 255)["heatmap_logits"].float()
        truth = torch.stack(targets).to(device)
        loss = functional.mse_loss(maps, truth) if loss_name == "mse" else normalised_loss(maps, truth)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return float(np.mean(losses))


@torch.inference_mode()
def judge(network, data: list, columns: list[int], device: torch.device) -> tuple[np.ndarray, float]:
    """Errors (films, K) in mm of the experts' points by the maps' hottest cell, and the share of blank maps."""
    network.eval()
    errors_mm, blank = [], []
    for film, image, _, scale in data:
        maps = network(torch.from_numpy(image)[None, None].float().to(device) / 255)["heatmap_logits"][0].cpu()
        hottest = maps.flatten(1).argmax(dim=1).numpy()
        predicted_px = np.stack([hottest % LOG_CELLS, hottest // LOG_CELLS], axis=1) * (LOG_SIDE / LOG_CELLS) / scale
        truth_px = np.where(film.by_reader[:, None], np.nan, film.truth_px())[columns]
        errors_mm.append(np.hypot(*(predicted_px - truth_px).T) * (film.pixel_size_mm or np.nan))
        blank.append((maps.flatten(1).max(dim=1).values < BLANK).float().mean().item())
    return np.array(errors_mm), float(np.mean(blank))


def train_with(
    loss_name: str, config: Config, splits: tuple[list, list], columns: list[int], epochs: int, device: torch.device
) -> None:
    """Trains the network anew with one of the losses; prints a line an epoch."""
    train_data, valid_data = splits
    torch.manual_seed(seed_of("baseline", 0))
    network = build_model(config).to(device, memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(network.parameters(), LEARNING_RATE)
    for epoch in range(1, epochs + 1):
        loss = train_epoch(network, optimizer, train_data, columns, epoch, loss_name, device)
        errors_mm, blank = judge(network, valid_data, columns, device)
        blank_text = f"{100 * blank:.0f} % blank maps  " if loss_name == "mse" else ""
        mean_mm, _ = mean_and_deviation(errors_mm)
        rate = success_rate(errors_mm, 2.0)
        print(
            f"{loss_name:10} epoch {epoch:>3}  loss {loss:.5f}  {blank_text}MRE {mean_mm:.2f} mm  SDR2 {rate:.1f} %",
            flush=True,
        )


def main(arguments: list[str] | None = None) -> int:
    """Runs the comparison; returns the exit status."""
    parser = argparse.ArgumentParser(
        description="The log's first heatmap training as it was, and with a normalised loss."
    )
    parser.add_argument("--dataset", type=Path, required=True, help="data set with train and valid")
    parser.add_argument("--epochs", type=int, default=16, help="passes over train (default: %(default)s)")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    options = parser.parse_args(arguments)
    try:
        splits = [scan_split(options.dataset, split) for split in ("train", "valid")]
        device = pick_device(options.device)
        config = describe_data(make_config("heatmap", pretrained=False), splits[0])
        train_data, valid_data = ([(film, *squash(film)) for film in films] for films in splits)
    except UserError as error:
        print(f"log_baseline: {error}", file=sys.stderr)
        return 2
    columns = [index for index, symbol in enumerate(SYMBOLS) if symbol in config.landmarks]
    for loss_name in ("mse", "normalised"):
        train_with(loss_name, config, (train_data, valid_data), columns, options.epochs, device)
    return 0


if __name__ == "__main__":
    sys.exit(main())
