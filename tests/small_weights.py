"""Weights that are made in a moment: of small networks that were taught nothing."""

from pathlib import Path

import torch

from checkpoint import save_checkpoint, save_weights
from config import make_config
from dataset import describe_data
from films import scan_split
from model import build_model

TINY = {
    "landmarks": ("landmarks", {"image_size": (48, 32), "widths": (16, 24), "blocks": 1, "head_frame": False}),
    "cvm": ("cvm_mil", {"image_size": (48, 32), "patch_size": 16, "pretrained": False}),
}


def make_weights(blobs: Path, path: Path, model: str = "cephnet", split: str = "train") -> Path:
    """Weights, or a checkpoint, of a model that knows what a set of blobs would teach it."""
    settings = make_config(model, image_size=(48, 32), pretrained=False, head_frame=False)
    config = describe_data(settings, scan_split(blobs, split))
    torch.manual_seed(0)
    network = build_model(config)
    if path.suffix == ".pth":
        save_checkpoint(path, {"model": network.state_dict(), "config": config.to_json(), "facts": {}})
    else:
        save_weights(path, network, config, {})
    return path


def write_tiny(path: Path, part: str = "landmarks", figure: float = 1.0, seed: int = 0, **facts) -> Path:
    """Weights of a part that carry a figure of their validation films."""
    torch.manual_seed(seed)
    model, settings = TINY[part]
    config = make_config(model, **settings)
    landmarks = {"mre_mm": figure, "mre_px": 9.0, "sdr": {"2.0": 80.0}, "truth": "mean", "per_landmark": {}}
    valid = {"films": 4, "landmarks": landmarks if part == "landmarks" else None}
    valid |= {"cvm": {"qwk": figure, "accuracy": 0.5} if part == "cvm" else None}
    facts = {"dataset": "Aariz", "held_out": "0" * 16, "train_films": 8, "valid": valid} | facts
    save_weights(path, build_model(config), config, facts)
    return path
