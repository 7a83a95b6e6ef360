"""Checkpoints that resume exactly, and weights to share. Everything is read with `weights_only`: no code runs on
loading.
"""

import io
import json
import re
from dataclasses import replace
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_safetensors

from backbone import CephModel
from config import Config, UserError, config_from_json
from files import read_bytes, write_bytes
from model import build_model

FORMAT = 2  # of checkpoints and weights; raised when older ones can no longer be read
BEST_NAME = "best_model.pth"
INTERRUPTED_NAME = "interrupted.pth"
KEEP_LAST = 2


def save_checkpoint(path: Path, content: dict) -> None:
    """Writes a dict of tensors and plain types, whole or not at all."""
    data = io.BytesIO()
    torch.save(content | {"format": FORMAT}, data)
    write_bytes(path, data.getvalue(), lasting=True)


def load_checkpoint(path: Path) -> dict:
    """Reads what `save_checkpoint` wrote.

    Raises:
        UserError: it is missing, damaged, no checkpoint of this project, or holds code instead of data.
    """
    data = read_bytes(path)
    try:
        content = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Exception as error:  # noqa: BLE001 (on damaged bytes torch raises whatever its unpickler stumbles over)
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(f"{path} is damaged or no checkpoint ({reason}); delete it or restore it.") from None
    if not isinstance(content, dict) or content.get("format") != FORMAT or "config" not in content:
        raise UserError(f"{path} is no checkpoint of this version of the project; train again or update.")
    return content


def epoch_path(run: Path, epoch: int) -> Path:
    """The checkpoint of a run after its `epoch`-th epoch."""
    return run / f"checkpoint_epoch_{epoch}.pth"


def list_epochs(run: Path) -> list[int]:
    """The epochs of which a run has a checkpoint, in order."""
    names = (re.fullmatch(r"checkpoint_epoch_(\d+)\.pth", path.name) for path in run.glob("checkpoint_epoch_*.pth"))
    return sorted(int(match.group(1)) for match in names if match)


def remove_old_checkpoints(run: Path) -> None:
    """Keeps the last few checkpoints of a run."""
    for epoch in list_epochs(run)[:-KEEP_LAST]:
        epoch_path(run, epoch).unlink(missing_ok=True)


def newest_checkpoint(run: Path) -> Path | None:
    """Where a run goes on: after its last epoch, or within the next one if it was interrupted there."""
    epochs = list_epochs(run)
    interrupted = run / INTERRUPTED_NAME
    if interrupted.exists() and load_checkpoint(interrupted)["epoch"] >= (epochs[-1] if epochs else 0):
        return interrupted
    return epoch_path(run, epochs[-1]) if epochs else None


# --- weights ----------------------------------------------------------------------------------------------------------


def save_weights(path: Path, model: CephModel, config: Config, facts: dict, half: bool = False) -> None:
    """Writes weights to share: one safetensors file with the config and `facts` (plain types) in its metadata.

    With `half`, floating-point tensors are stored in 16 bits: half the size, and no figure moves by more than rounding.
    """
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    if half:
        tensors = {name: tensor.half() if tensor.is_floating_point() else tensor for name, tensor in tensors.items()}
    metadata = {"format": str(FORMAT), "config": json.dumps(config.to_json()), "facts": json.dumps(facts)}
    write_bytes(path, to_safetensors(tensors, metadata))


def load_weights(path: Path) -> tuple[Config, dict[str, torch.Tensor], dict]:
    """A model's config, state dict and facts, from a `.safetensors` file or a run's checkpoint.

    Raises:
        UserError: it is missing, damaged or not of this project.
    """
    if Path(path).suffix == ".safetensors":
        return load_safetensors(Path(path))
    content = load_checkpoint(path)
    state = content.get("ema") or content["model"]
    return config_from_json(content["config"]), state, content.get("facts", {})


def load_safetensors(path: Path) -> tuple[Config, dict[str, torch.Tensor], dict]:
    """`load_weights` of a safetensors file."""
    read_bytes(path)  # for its message when the file is missing
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            metadata = file.metadata() or {}
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
        if metadata["format"] != str(FORMAT):
            raise UserError(f"{path} has weights of another version of the project; update it or train again.")
        config = config_from_json(json.loads(metadata["config"]))
        facts = json.loads(metadata["facts"])
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"{path} is damaged or not weights of this project ({error}); restore it or train again."
        ) from None
    return (
        config,
        {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in state.items()},
        facts,
    )


def load_model(path: Path) -> tuple[CephModel, Config, dict]:
    """Builds the model that a weights file describes and fills it, every tensor; in evaluation mode.

    Raises:
        UserError: the file is missing, damaged, or its tensors are not those of its config.
    """
    config, state, facts = load_weights(path)
    model = build_model(replace(config, pretrained=False))  # the file fills every tensor, so nothing is downloaded
    try:
        model.load_state_dict(state, strict=True)
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip()
        raise UserError(f"{path} does not fit its own config ({reason}); restore it or train again.") from None
    return model.eval(), config, facts
