"""Weights from anywhere: nothing in them is run, nothing grows without limit, a flipped bit is noticed."""

import io
import json
import pickle
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import save as to_safetensors

from checkpoint import content_digest, load_checkpoint, load_model, load_weights, save_checkpoint, save_weights
from config import UserError, make_config
from inference import load_predictor
from model import build_model

FACTS = {"calibration": {"offset_net": 1.0, "factors": {"S": 2.0}, "films": 3}}


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> dict[str, Path]:
    """A model as a checkpoint and as shared weights."""
    folder = tmp_path_factory.mktemp("whole")
    config = make_config("landmarks", head_frame=False, image_size=(32, 32), widths=(16, 16), blocks=1)
    torch.manual_seed(0)
    model = build_model(config)
    save_weights(folder / "w.safetensors", model, config, FACTS)
    content = {"model": model.state_dict(), "config": config.to_json(), "facts": FACTS}
    save_checkpoint(folder / "w.pth", content)
    return {"safetensors": folder / "w.safetensors", "pth": folder / "w.pth"}


def test_whole_files_say_the_same(whole):
    first, second = (load_model(path) for path in whole.values())
    assert first[1] == second[1] and first[2] == second[2] == FACTS
    assert all(torch.equal(a, b) for a, b in zip(first[0].parameters(), second[0].parameters(), strict=True))


def test_equal_weights_are_equal_bytes(whole, tmp_path):
    """safetensors alone writes its texts in another order almost every time."""
    model, config, facts = load_model(whole["safetensors"])
    first = whole["safetensors"].read_bytes()
    for _ in range(8):
        save_weights(tmp_path / "again.safetensors", model, config, facts)
        assert (tmp_path / "again.safetensors").read_bytes() == first
    assert (8 + int.from_bytes(first[:8], "little")) % 8 == 0, "tensors begin where safetensors wants them"


@pytest.mark.parametrize("suffix", ["safetensors", "pth"])
@pytest.mark.parametrize("share", [0.0, 0.001, 0.05, 0.3, 0.5, 0.8, 0.97, 1.0])
def test_a_flipped_bit_changes_nothing_or_is_noticed(whole, tmp_path, suffix, share):
    data = bytearray(whole[suffix].read_bytes())
    data[min(int(share * len(data)), len(data) - 1)] ^= 4
    path = tmp_path / f"w.{suffix}"
    path.write_bytes(data)
    try:
        config, state, facts = load_weights(path)
    except UserError as error:
        assert str(path) in str(error)
        return
    known = load_weights(whole[suffix])
    assert (config, facts) == (known[0], known[2]) and all(torch.equal(state[name], known[1][name]) for name in state)


class Payload:
    """What a hostile checkpoint holds: a call that leaves a mark."""

    def __init__(self, mark: Path):
        self.mark = mark

    def __reduce__(self):
        return Path.touch, (self.mark,)


@pytest.mark.parametrize("legacy", [False, True])
def test_a_pickled_payload_is_never_run(tmp_path, legacy):
    mark, path = tmp_path / "mark", tmp_path / "w.pth"
    content = {"format": 2, "config": {}, "model": Payload(mark)}
    torch.save(content, path, _use_new_zipfile_serialization=not legacy)
    with pytest.raises(UserError, match=r"w\.pth"):
        load_checkpoint(path)
    path.write_bytes(pickle.dumps(content))
    with pytest.raises(UserError, match=r"w\.pth"):
        load_checkpoint(path)
    assert not mark.exists()
    pickle.loads(path.read_bytes())  # the payload works where someone is careless
    assert mark.exists()


def test_a_packed_archive_is_not_inflated(whole, tmp_path):
    packed = tmp_path / "w.pth"
    with zipfile.ZipFile(whole["pth"]) as source, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            target.writestr(name, bytes(50_000_000) if name.endswith("/data/0") else source.read(name))
    assert packed.stat().st_size < 1_000_000
    with pytest.raises(UserError, match="packed"):
        load_checkpoint(packed)


def rewrite(whole: dict[str, Path], path: Path, **changes) -> Path:
    """The shared weights with some settings or facts changed, signed anew as a forger would."""
    config, state, facts = load_weights(whole["safetensors"])
    content = config.to_json() | {name: value for name, value in changes.items() if name != "facts"}
    texts = {"config": json.dumps(content), "facts": json.dumps(changes.get("facts", facts))}
    path.write_bytes(to_safetensors(state, texts | {"digest": content_digest(state, texts)}))
    return path


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"image_size": [10**9, 10**9]}, "--image-size"),
        ({"image_size": [8192, 8192]}, "--image-size 8192x8192 would fill the memory"),
        ({"image_size": [2048, 2048], "model": "cephnet"}, "fit"),
        ({"image_size": "32x32"}, "--image-size"),
        ({"image_size": [32]}, "--image-size"),
        ({"widths": [16, 16, 2048]}, "fit"),
        ({"widths": []}, "--widths"),
        ({"blocks": 10**9}, "--blocks"),
        ({"blocks": True}, "--blocks"),
        ({"dropout": "0.1"}, "--dropout"),
        ({"dropout": float("nan")}, "--dropout"),
        ({"model": ["landmarks"]}, "--model"),
        ({"landmarks": ["S", "S"]}, "landmarks"),
        ({"landmarks": ["S", {}]}, "--landmarks"),
        ({"taught_by": ["expert"]}, "taught_by"),
        ({"unheard_of": 1}, "unheard_of"),
        ({"facts": []}, "no weights"),
        ({"facts": {"calibration": {"offset_net": "far"}}}, "facts"),
        ({"facts": {"calibration": {"offset_net": 1.0, "factors": {"S": None}, "films": 3}}}, "facts"),
        ({"facts": {"calibration": 7}}, "facts"),
    ],
)
def test_forged_settings_are_refused_before_a_model_is_built(whole, tmp_path, changes, message):
    with pytest.raises(UserError, match=message):
        load_predictor(rewrite(whole, tmp_path / "w.safetensors", **changes), torch.device("cpu"))


def test_weights_that_frame_heads_by_no_mean_head_are_refused(tmp_path):
    config = make_config("landmarks", image_size=(32, 32), widths=(16, 16), blocks=1)
    save_weights(tmp_path / "w.safetensors", build_model(config), config, {})
    with pytest.raises(UserError, match="no mean head"):
        load_predictor(tmp_path / "w.safetensors", torch.device("cpu"))


def test_weights_that_are_no_numbers_are_refused(whole, tmp_path):
    content = load_checkpoint(whole["pth"])
    content["model"]["head.1.bias"][0] = float("nan")
    save_checkpoint(tmp_path / "w.pth", content)
    with pytest.raises(UserError, match="no numbers"):
        load_model(tmp_path / "w.pth")
    content["model"]["head.1.bias"] = torch.zeros(1).expand(10**6, 10**6)
    save_checkpoint(tmp_path / "w.pth", content)
    with pytest.raises(UserError, match="fit"):
        load_model(tmp_path / "w.pth")


@pytest.mark.parametrize("content", [[], {"format": 2}, {"format": 2, "config": [], "model": {}}])
def test_other_files_are_no_checkpoints(tmp_path, content):
    data = io.BytesIO()
    torch.save(content, data)
    (tmp_path / "w.pth").write_bytes(data.getvalue())
    with pytest.raises(UserError, match=r"w\.pth"):
        load_model(tmp_path / "w.pth")
