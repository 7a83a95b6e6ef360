"""Checkpoints that resume exactly, and weights to share. Everything is read with `weights_only`: no code runs on
loading. A flipped bit anywhere is noticed by checksums, which neither torch nor safetensors looks at by itself.
"""

import hashlib
import io
import json
import pickle
import re
import zipfile
from dataclasses import replace
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_safetensors

from backbone import CephModel
from config import Config, UserError, config_from_json, quoted
from files import LARGEST_WEIGHTS, read_bytes, write_bytes
from model import build_model
from privacy import shareable_facts

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
    data = read_bytes(path, LARGEST_WEIGHTS)
    try:
        check_archive(data)
        content = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise UserError(f"{path} holds something else than numbers and plain values; it is not loaded.") from None
    except Exception as error:  # noqa: BLE001 (on damaged bytes torch raises whatever its unpickler stumbles over)
        reason = quoted(str(error))
        raise UserError(f"{path} is damaged or no checkpoint ({reason}); delete it or restore it.") from None
    if not isinstance(content, dict) or content.get("format") != FORMAT or "config" not in content:
        raise UserError(f"{path} is no checkpoint of this version of the project; train again or update.")
    return content


def check_archive(data: bytes) -> None:
    """Checks the archive that `torch.save` makes: every part is whole, and none is packed, so none can grow.

    Raises:
        ValueError: it is not such an archive.
    """
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        parts = archive.infolist()
        packed = any(part.compress_type != zipfile.ZIP_STORED for part in parts)
        if packed or sum(part.file_size for part in parts) > len(data):
            raise ValueError("its parts are packed")
        if archive.testzip() is not None:
            raise ValueError("one of its parts is broken")


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

    Of the facts, what may not leave this machine is left out (`privacy.shareable_facts`).
    With `half`, floating-point tensors are stored in 16 bits: half the size, and no figure moves by more than rounding.
    """
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    if half:
        tensors = {name: tensor.half() if tensor.is_floating_point() else tensor for name, tensor in tensors.items()}
    shared = json.dumps(shareable_facts(facts))
    texts = {"format": str(FORMAT), "config": json.dumps(config.to_json()), "facts": shared}
    data = to_safetensors(tensors, texts | {"digest": content_digest(tensors, texts)})
    write_bytes(path, with_ordered_header(data))


def with_ordered_header(data: bytes) -> bytes:
    """A safetensors file with the texts of its header in order, so that equal weights are equal bytes.

    safetensors writes them in an order that changes from call to call.
    """
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # tensors begin at a multiple of 8 bytes
    return len(text).to_bytes(8, "little") + text + data[8 + length :]


def content_digest(tensors: dict[str, torch.Tensor], texts: dict[str, str]) -> str:
    """SHA-256 of all that a file of weights says."""
    digest = hashlib.sha256(repr((texts["config"], texts["facts"])).encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(repr((name, str(tensor.dtype), tuple(tensor.shape))).encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


def load_weights(path: Path) -> tuple[Config, dict[str, torch.Tensor], dict]:
    """A model's config, state dict and facts, from a `.safetensors` file or a run's checkpoint.

    Raises:
        UserError: it is missing, damaged or not of this project.
    """
    if Path(path).suffix == ".safetensors":
        content, state, facts = load_safetensors(Path(path))
    else:
        checkpoint = load_checkpoint(path)
        content, facts = checkpoint["config"], checkpoint.get("facts", {})
        state = checkpoint.get("ema") or checkpoint.get("model")
    sound = isinstance(state, dict) and all(isinstance(name, str) and is_array(state[name]) for name in state)
    if not sound or not isinstance(facts, dict):
        raise UserError(f"{path} holds no weights; restore it or train again.")
    try:
        return config_from_json(content), state, facts
    except UserError as error:
        raise UserError(f"{path} cannot be used. {error}") from None


def is_array(value: object) -> bool:
    """Whether a value is a plain tensor in memory."""
    return isinstance(value, torch.Tensor) and value.layout == torch.strided and value.device.type == "cpu"


def load_safetensors(path: Path) -> tuple[object, dict[str, torch.Tensor], object]:
    """Config as JSON, state dict and facts of a safetensors file."""
    read_bytes(path, LARGEST_WEIGHTS)  # for its message when the file is missing
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            texts = file.metadata() or {}
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
        if texts.get("format", str(FORMAT)) != str(FORMAT):
            raise UserError(f"{path} has weights of another version of the project; update it or train again.")
        if texts.get("digest", "") not in ("", content_digest(state, texts)):  # older files have none
            raise ValueError("it was changed after it had been written")
        content, facts = json.loads(texts["config"]), json.loads(texts["facts"])
    except (SafetensorError, KeyError, TypeError, ValueError, RuntimeError, RecursionError) as error:
        raise UserError(
            f"{path} is damaged or not weights of this project ({quoted(str(error))}); restore it or train again."
        ) from None
    return content, {name: t.float() if t.is_floating_point() else t for name, t in state.items()}, facts


def holds_more(path: Path) -> bool:
    """Whether a safetensors file says more than `save_weights` writes and `load_weights` reads, such as who made it."""
    with safe_open(path, framework="pt", device="cpu") as file:
        return not set(file.metadata()) <= {"format", "config", "facts", "digest"}


def load_model(path: Path) -> tuple[CephModel, Config, dict]:
    """Builds the model that a weights file describes and fills it, every tensor; in evaluation mode.

    Raises:
        UserError: the file is missing, damaged, or its tensors are not those of its config.
    """
    config, state, facts = load_weights(path)
    settings = replace(config, pretrained=False)  # the file fills every tensor, so nothing is downloaded
    misfit = find_misfit(settings, state)
    if misfit:
        raise UserError(f"{path} does not fit its own config ({misfit}); restore it or train again.")
    model = build_model(settings)
    model.load_state_dict(state, strict=True)
    return model.eval(), config, facts


def find_misfit(config: Config, state: dict[str, torch.Tensor]) -> str:
    """What of a state dict does not fit the model of its config; empty where all does. The model is only sketched:
    settings of a foreign file might ask for more than the memory holds.
    """
    try:
        with torch.device("meta"):
            expected = build_model(config).state_dict()
    except (RuntimeError, ValueError, TypeError, IndexError, AssertionError) as error:
        return f"no such model can be built, {quoted(str(error))}"
    if set(expected) != set(state):
        return f"tensors that only one of them has, such as {quoted(min(set(expected) ^ set(state)))}"
    for name, tensor in state.items():
        if tensor.shape != expected[name].shape or tensor.is_floating_point() != expected[name].is_floating_point():
            return f"{quoted(name)} is {tuple(tensor.shape)}, not {tuple(expected[name].shape)}"
        if not torch.isfinite(tensor).all():
            return f"{quoted(name)} holds values that are no numbers"
    return ""
