"""The demo on weights of a repository: which of its files are loaded, and what serves while the Hub is away."""

from hashlib import sha256
from pathlib import Path

import numpy as np
import torch
from fake_hub import OWNER, REPO, FakeRepository
from small_weights import write_tiny

import demo
import hub
from checkpoint import save_weights
from config import make_config
from desk import Desk
from hub import push
from inference import files_to_load, load_predictor
from intake import Film
from model import build_model
from reader import READY, Reader


def test_the_demo_reads_with_a_repositorys_weights_and_says_which(fake, tmp_path, monkeypatch, capsys):
    pushed = push(REPO, [write_tiny(tmp_path / f"{part}.safetensors", part) for part in ("landmarks", "cvm")], say=str)
    paths = demo.find_weights(demo.make_parser().parse_args(["--repo-id", REPO]))
    assert [path.name for path in paths] == ["landmarks.safetensors", "cvm.safetensors"]
    assert {path.parent.name for path in paths} == {pushed.commit}
    assert pushed.commit in capsys.readouterr().out
    bundled = write_tiny(tmp_path / "weights" / "landmarks.safetensors")
    monkeypatch.setattr(hub, "BUNDLED", bundled.parent)
    fake.stop()
    assert demo.find_weights(demo.make_parser().parse_args(["--repo-id", f"{OWNER}/other"])) == [bundled]
    told = capsys.readouterr().err
    assert told.startswith("demo.py: ") and "The bundled weights serve." in told and len(told.splitlines()) == 1
    assert demo.find_weights(demo.make_parser().parse_args(["--repo-id", REPO])) == paths, "what was fetched serves"
    assert "fetched before serves" in capsys.readouterr().err


def test_the_demo_pushes_as_the_hub_command_does(fake, tmp_path, capsys):
    path = write_tiny(tmp_path / "landmarks.safetensors")
    assert demo.main(["--push", REPO, "--weights", str(path)]) == 0
    repository = fake.repositories[REPO]
    assert repository.private and repository.commits[-1][1]["landmarks.safetensors"] == path.read_bytes()
    assert repository.commits[-1][0] in capsys.readouterr().out
    worse = write_tiny(tmp_path / "worse.safetensors", figure=2.0, seed=1)
    assert demo.main(["--push", REPO, "--weights", str(worse)]) == 2 and len(repository.commits) == 2
    error = capsys.readouterr().err
    assert error.startswith("demo.py: ") and "no better" in error and len(error.splitlines()) == 1


def write_neck_chain(folder: Path) -> dict[str, bytes]:
    """Untaught weights of the vertebrae, and of the stage that needs them, by file name."""
    shape = [0.6 * value for x in (0, 20, 50) for y in (20, 45, 70, 95) for value in (x, y)] + [0.0, 60.0]
    tiny = {"image_size": (64, 64), "widths": (16, 16), "blocks": 1, "neck_shape": tuple(shape)}
    vertebrae = make_config("vertebrae", **tiny)
    save_weights(folder / "vertebrae.safetensors", build_model(vertebrae), vertebrae, {})
    stage = make_config("cvm", members=2, parts=2, feature_count=13 * 16, stage_counts=(1, 1, 1, 1, 1, 1))
    needs = {"vertebrae": sha256((folder / "vertebrae.safetensors").read_bytes()).hexdigest()}
    save_weights(folder / "cvm.safetensors", build_model(stage), stage, {"needs": needs})
    return {name: (folder / name).read_bytes() for name in ("vertebrae.safetensors", "cvm.safetensors")}


def test_the_page_works_by_a_repository_of_necks_alone(fake, tmp_path):
    fake.repositories[REPO] = FakeRepository(private=False)
    files = write_neck_chain(tmp_path)
    commit = fake.repositories[REPO].commit(files)
    fake.large_files |= {sha256(data).hexdigest(): data for data in files.values()}
    options = demo.make_parser().parse_args(["--repo-id", REPO])
    (path,) = demo.find_weights(options)
    assert path.name == "cvm.safetensors" and path.parent.name == commit, "it brings what lies beside it"
    reader = Reader(lambda: demo.find_weights(options), "cpu")
    reader.load()
    assert reader.state == READY, reader.problem
    (predictor,) = reader.predictors
    assert predictor.names_stage and predictor.cervical.namer is not None
    desk = Desk(reader, 30)
    film = Film("film", np.random.default_rng(0).integers(0, 255, (200, 160)).astype(np.uint8), None)
    answer = desk.find_points({"key": desk.lightbox.put(film)})
    assert answer["points"] == [] and "CVM stage" in answer["cvm"]


def test_whatever_lies_together_takes_part(tmp_path):
    chain = {name: tmp_path / name for name in write_neck_chain(tmp_path)}
    other = write_tiny(tmp_path / "other" / "cvm.safetensors", "cvm")
    landmarks = write_tiny(tmp_path / "landmarks.safetensors")
    assert files_to_load({landmarks.name: landmarks, **chain}) == [landmarks]
    assert files_to_load({"vertebrae.safetensors": chain["vertebrae.safetensors"]}) == [chain["vertebrae.safetensors"]]
    assert files_to_load({landmarks.name: landmarks, other.name: other}) == [landmarks, other], "it reads by itself"
    assert files_to_load({**chain, other.name: other}) == [chain["vertebrae.safetensors"], other]
    (tmp_path / "cvm.safetensors").write_bytes(other.read_bytes())
    predictor = load_predictor(landmarks, torch.device("cpu"))
    assert predictor.cervical is not None and predictor.cervical.namer is None
