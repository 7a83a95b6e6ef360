"""The Hub: the real client against a local server that speaks its protocol, at its best and at its worst."""

import base64
import getpass
import json
import logging
import os
import re
import socket
import subprocess
import sys
import time
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import write_blob_dataset
from fake_hub import OWNER, READER, WRITER, FakeHub, FakeRepository
from huggingface_hub import ModelCard, constants

import demo
import evaluate
import hub
import sharing
import train
from checkpoint import load_weights, save_weights
from config import UserError, make_config
from desk import Desk
from hub import HubUnreachable, pull, pull_all, pull_or_bundled, push
from inference import files_to_load, load_predictor
from intake import Film
from model import build_model
from reader import READY, Reader

ROOT = Path(__file__).parents[1]
REPO = f"{OWNER}/model"
TINY = {
    "landmarks": ("landmarks", {"image_size": (48, 32), "widths": (16, 24), "blocks": 1, "head_frame": False}),
    "cvm": ("cvm_mil", {"image_size": (48, 32), "patch_size": 16, "pretrained": False}),
}
SHORT = 5  # characters; a shorter name is part of other words, and of what looks like noise
PACKED = rb'"(?:content|sample)": ?"([A-Za-z0-9+/=]+)"'
ALONE = 10.0  # s; a loaded machine may be slow, but the client alone would try for 23


@pytest.fixture
def fake(monkeypatch, tmp_path) -> FakeHub:
    """A running fake Hub, an empty cache, and the login of someone who may write."""
    server = FakeHub()
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    monkeypatch.setenv("HF_TOKEN", WRITER)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub-cache"))
    for room in (hub, sharing):
        monkeypatch.setattr(room, "BUNDLED", tmp_path / "no-weights")
    yield server
    server.stop()


@pytest.fixture
def hurried(monkeypatch):
    """The client does not wait between its tries."""
    wait = time.sleep
    monkeypatch.setattr("time.sleep", lambda seconds: wait(min(seconds, 0.01)))


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


def seconds_of(action) -> float:
    """How long an action takes that ends in one sentence about the Hub."""
    started = time.perf_counter()
    with pytest.raises(HubUnreachable):
        action()
    return time.perf_counter() - started


# --- there and back ---------------------------------------------------------------------------------------------------


def test_weights_come_back_as_they_went(fake, tmp_path):
    weights = [write_tiny(tmp_path / f"{part}.safetensors", part) for part in ("landmarks", "cvm")]
    said = []
    pushed = push(REPO, weights, say=said.append)
    repository = fake.repositories[REPO]
    assert repository.private and len(repository.commits) == 2  # the Hub's own, and one
    sha, files = repository.commits[-1]
    assert pushed.commit == sha and pushed.sent == ("landmarks", "cvm") and sha in said[-1]
    names = {"landmarks.safetensors", "cvm.safetensors", "config.json", "metrics.json", "README.md"}
    assert set(files) == names | {".gitattributes"}
    assert {hub.file_name(part) for part in pushed.sent} < names
    assert len(fake.large_files) >= 2, "weights were not sent as large files"
    card = ModelCard(files["README.md"].decode(), ignore_metadata_errors=False)
    assert {each.metric_type for each in card.data.eval_results} >= {"mre_mm", "sdr_2.0mm", "qwk"}

    pulled = pull_all(REPO)
    assert list(pulled) == ["landmarks.safetensors", "cvm.safetensors"]
    for path in weights:
        assert pulled[path.name].path.read_bytes() == path.read_bytes() and pulled[path.name].commit == sha
    assert len({each.path.parent for each in pulled.values()}) == 1, "files of one commit lie beside each other"
    assert load_weights(pulled["cvm.safetensors"].path)[0].model == "cvm_mil"


def test_a_second_pull_is_one_short_question(fake, tmp_path):
    push(REPO, [write_tiny(tmp_path / "landmarks.safetensors")], say=str)
    first = pull(REPO)
    fake.requests.clear()
    assert pull(REPO) == first
    assert [(each.method, each.path) for each in fake.requests if not each.path.startswith("/large")] == [
        ("HEAD", f"/{REPO}/resolve/main/landmarks.safetensors")
    ]
    assert fake.count("GET") == 0
    fake.requests.clear()
    assert pull(REPO, first.commit) == first and not fake.requests, "a commit's hash needs no question"


def test_a_pinned_revision_stays_when_the_branch_moves_on(fake, tmp_path):
    old = push(REPO, [write_tiny(tmp_path / "old.safetensors", figure=1.0)], say=str)
    new = push(REPO, [write_tiny(tmp_path / "new.safetensors", figure=0.9, seed=1)], say=str)
    assert pull(REPO, old.commit).path.read_bytes() == (tmp_path / "old.safetensors").read_bytes()
    assert pull(REPO).commit == new.commit != old.commit
    assert pull(REPO, new.commit).path.read_bytes() == (tmp_path / "new.safetensors").read_bytes()
    for revision in ("no-such-branch", "f" * 40):
        with pytest.raises(UserError, match=f"no revision {revision}"):
            pull(REPO, revision)


def test_a_folder_on_this_machine_comes_first(fake, tmp_path):
    path = write_tiny(tmp_path / "mine" / "landmarks.safetensors")
    assert pull(str(tmp_path / "mine")) == hub.Pulled(path, None) and not fake.requests


def test_the_command_says_what_it_did(fake, tmp_path, capsys):
    path = write_tiny(tmp_path / "landmarks.safetensors")
    assert hub.main(["push", REPO, "--weights", str(path), "--public", "--licence", "cc-by-4.0"]) == 0
    commit = fake.repositories[REPO].commits[-1][0]
    assert commit in capsys.readouterr().out and not fake.repositories[REPO].private
    assert b"cc-by-4.0" in fake.repositories[REPO].commits[-1][1]["README.md"]
    assert hub.main(["pull", REPO, "--revision", commit]) == 0
    shown = capsys.readouterr().out
    assert commit in shown and "landmarks.safetensors" in shown
    assert hub.main(["pull", f"{OWNER}/nothing"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("hub.py: ") and len(error.splitlines()) == 1
    assert hub.main(["push", REPO]) == 2 and "no weights" in capsys.readouterr().err


# --- only what is better ----------------------------------------------------------------------------------------------


def test_a_worse_file_stays_unless_forced(fake, tmp_path):
    push(REPO, [write_tiny(tmp_path / "a.safetensors", figure=1.0)], say=str)
    worse = write_tiny(tmp_path / "b.safetensors", figure=1.1, seed=1)
    before = len(fake.repositories[REPO].commits)
    with pytest.raises(UserError, match=r"landmarks: its 1.100 mm are no better than the 1.000 mm there.*--force"):
        push(REPO, [worse], say=str)
    assert len(fake.repositories[REPO].commits) == before
    assert fake.count("PUT") == 1, "what stays is not uploaded either"
    assert push(REPO, [worse], force=True, say=str).sent == ("landmarks",)
    assert fake.repositories[REPO].commits[-1][1]["landmarks.safetensors"] == worse.read_bytes()


def test_each_file_is_judged_by_itself(fake, tmp_path):
    first = [write_tiny(tmp_path / "a.safetensors", figure=1.0), write_tiny(tmp_path / "b.safetensors", "cvm", 0.7)]
    push(REPO, first, say=str)
    second = [
        write_tiny(tmp_path / "c.safetensors", figure=1.0, seed=1),
        write_tiny(tmp_path / "d.safetensors", "cvm", 0.8, seed=1),
    ]
    pushed = push(REPO, second, say=str)
    assert pushed.sent == ("cvm",) and "no better" in pushed.kept["landmarks"]
    files = fake.repositories[REPO].commits[-1][1]
    assert files["landmarks.safetensors"] == first[0].read_bytes()
    assert files["cvm.safetensors"] == second[1].read_bytes()
    assert {part: entry["sha256"] for part, entry in json.loads(files["metrics.json"]).items()} == {
        "landmarks": sha256(first[0].read_bytes()).hexdigest(), "cvm": sha256(second[1].read_bytes()).hexdigest(),
    }  # fmt: skip
    assert b"1.000 mm" in files["README.md"] and b"0.800 quadratic weighted kappa" in files["README.md"]


def test_the_same_file_again_changes_nothing(fake, tmp_path):
    path = write_tiny(tmp_path / "a.safetensors")
    first = push(REPO, [path], say=str)
    said = []
    again = push(REPO, [path], force=True, say=said.append)
    assert again.commit == first.commit and again.sent == () and "already" in said[0]


def test_weights_without_figures_do_not_replace_others(fake, tmp_path):
    unknown = write_tiny(tmp_path / "a.safetensors", valid=None)
    with pytest.raises(UserError, match="evaluate.py --json"):
        push(REPO, [unknown], say=str)
    assert REPO not in fake.repositories, "nothing is made for a push that is refused"
    fake.repositories[REPO] = FakeRepository(private=True)
    fake.repositories[REPO].commit({"landmarks.safetensors": b"by hand"})
    with pytest.raises(UserError, match="no figures to compare with"):
        push(REPO, [write_tiny(tmp_path / "b.safetensors")], say=str)


# --- several at once --------------------------------------------------------------------------------------------------


def test_a_push_that_is_overtaken_judges_again(fake, tmp_path):
    push(REPO, [write_tiny(tmp_path / "a.safetensors", figure=1.0)], say=str)
    other = write_tiny(tmp_path / "b.safetensors", figure=0.8, seed=1)
    mine = write_tiny(tmp_path / "c.safetensors", figure=0.9, seed=2)
    fake.before_commit = lambda: push(REPO, [other], say=str)
    with pytest.raises(UserError, match="no better than the 0.800 mm"):
        push(REPO, [mine], say=str)
    assert fake.repositories[REPO].commits[-1][1]["landmarks.safetensors"] == other.read_bytes()
    best = write_tiny(tmp_path / "d.safetensors", figure=0.7, seed=3)
    stages = write_tiny(tmp_path / "e.safetensors", "cvm", 0.5)
    fake.before_commit = lambda: push(REPO, [stages], say=str)
    push(REPO, [best], say=str)
    files = fake.repositories[REPO].commits[-1][1]
    assert files["landmarks.safetensors"] == best.read_bytes() and files["cvm.safetensors"] == stages.read_bytes()
    assert set(json.loads(files["metrics.json"])) == {"landmarks", "cvm"}, "the other push's figures were lost"


def test_two_first_pushes_do_not_bury_each_other(fake, tmp_path, monkeypatch):
    good = write_tiny(tmp_path / "a.safetensors", figure=0.8)
    bad = write_tiny(tmp_path / "b.safetensors", figure=0.9, seed=1)
    create = hub.HfApi.create_repo

    def create_late(api, *arguments, **settings):
        monkeypatch.setattr(hub.HfApi, "create_repo", create)
        push(REPO, [good], say=str)
        return create(api, *arguments, **settings)

    monkeypatch.setattr(hub.HfApi, "create_repo", create_late)
    with pytest.raises(UserError, match="no better"):
        push(REPO, [bad], say=str)
    assert fake.repositories[REPO].commits[-1][1]["landmarks.safetensors"] == good.read_bytes()


def test_a_push_gives_up_when_it_is_always_overtaken(fake, tmp_path):
    push(REPO, [write_tiny(tmp_path / "a.safetensors")], say=str)

    def touch():
        fake.repositories[REPO].commit({"note.txt": str(len(fake.requests)).encode()})
        fake.before_commit = touch

    fake.before_commit = touch
    with pytest.raises(UserError, match="try again in a minute"):
        push(REPO, [write_tiny(tmp_path / "b.safetensors", figure=0.5)], say=str)


# --- who asks ---------------------------------------------------------------------------------------------------------


def test_logins_that_do_not_suffice(fake, tmp_path, monkeypatch):
    path = write_tiny(tmp_path / "a.safetensors")
    push(REPO, [path], say=str)
    better = write_tiny(tmp_path / "b.safetensors", figure=0.5)
    monkeypatch.setenv("HF_TOKEN", "hf_wrongwrongwrongwrong")
    for action in (lambda: push(REPO, [better], say=str), lambda: pull(REPO), lambda: hub.check_target(REPO)):
        with pytest.raises(UserError, match="does not accept your token"):
            action()
    monkeypatch.setenv("HF_TOKEN", READER)
    assert pull(REPO).commit
    with pytest.raises(UserError, match=f"may not do this to {REPO}"):
        push(REPO, [better], say=str)
    monkeypatch.setenv("HF_TOKEN", WRITER)
    with pytest.raises(UserError, match="may not do this to stranger/model"):
        push("stranger/model", [better], say=str)
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(UserError, match="hf auth login"):
        push(REPO, [better], say=str)
    with pytest.raises(UserError, match=f"shows you no {REPO}"):
        pull(REPO)
    assert len(fake.repositories[REPO].commits) == 2


def test_what_is_not_there(fake, tmp_path):
    with pytest.raises(UserError, match=f"shows you no {OWNER}/nothing"):
        pull(f"{OWNER}/nothing")
    push(REPO, [write_tiny(tmp_path / "a.safetensors")], say=str)
    with pytest.raises(UserError, match="no cvm.safetensors"):
        pull(REPO, name="cvm.safetensors")
    fake.repositories[f"{OWNER}/foreign"] = FakeRepository(private=False)
    fake.repositories[f"{OWNER}/foreign"].commit({"model.bin": b"other"})
    with pytest.raises(UserError, match="no weights of this project"):
        pull_all(f"{OWNER}/foreign")
    for name in ("model", "a/b/c", "", "../etc", "owner/", "/model", "owner/mo del", "x" * 200):
        with pytest.raises(UserError, match="NAME/MODEL"):
            pull(name)
        with pytest.raises(UserError, match="NAME/MODEL"):
            push(name, [tmp_path / "a.safetensors"], say=str)


# --- what breaks ------------------------------------------------------------------------------------------------------


def test_a_broken_download_goes_on_where_it_broke(fake, tmp_path, hurried, monkeypatch):
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 256)  # the client keeps whole pieces; this file is small
    path = write_tiny(tmp_path / "a.safetensors")
    push(REPO, [path], say=str)
    fake.cut_downloads = 3
    assert pull(REPO).path.read_bytes() == path.read_bytes()
    ranges = [each.headers.get("Range") for each in fake.requests if each.method == "GET" and "/large/" in each.path]
    assert len(ranges) == 4 and ranges[0] is None and all(ranges[1:])


def test_a_download_that_always_breaks_leaves_no_half_file(fake, tmp_path, hurried, monkeypatch):
    path = write_tiny(tmp_path / "a.safetensors")
    commit = push(REPO, [path], say=str).commit
    monkeypatch.setattr("fake_hub.CUT_AFTER", 0)
    fake.cut_downloads = 1000
    with pytest.raises(HubUnreachable, match="broke; run the same command again"):
        pull(REPO)
    assert hub.find_cached(REPO, commit, "landmarks.safetensors") is None
    fake.cut_downloads = 0
    assert pull(REPO).path.read_bytes() == path.read_bytes()


def test_a_broken_upload_is_tried_again(fake, tmp_path, hurried):
    path = write_tiny(tmp_path / "a.safetensors")
    fake.cut_uploads = 2
    assert push(REPO, [path], say=str).sent == ("landmarks",)
    assert fake.repositories[REPO].commits[-1][1]["landmarks.safetensors"] == path.read_bytes()


def test_an_upload_that_always_breaks_changes_nothing(fake, tmp_path, hurried):
    push(REPO, [write_tiny(tmp_path / "a.safetensors")], say=str)
    before = fake.repositories[REPO].commits[-1]
    fake.cut_uploads = 1000
    with pytest.raises(UserError, match="broke; run the same command again"):
        push(REPO, [write_tiny(tmp_path / "b.safetensors", figure=0.5, seed=1)], say=str)
    assert fake.repositories[REPO].commits[-1] == before


def test_a_hub_out_of_order(fake, tmp_path, hurried):
    push(REPO, [write_tiny(tmp_path / "a.safetensors")], say=str)
    first = pull(REPO)
    fake.down = True
    with pytest.raises(HubUnreachable, match="out of order"):
        push(REPO, [write_tiny(tmp_path / "b.safetensors", figure=0.5)], say=str)
    late = pull(REPO)
    assert late.path == first.path and "out of order" in late.note and "fetched before" in late.note


# --- no Hub at all ----------------------------------------------------------------------------------------------------


def test_an_unreachable_hub_is_told_in_time(fake, tmp_path, monkeypatch):
    path = write_tiny(tmp_path / "a.safetensors")
    assert hub.PATIENCE_S < 5
    with socket.create_server(("127.0.0.1", 0)) as silent:  # accepts, never answers
        addresses = [f"http://127.0.0.1:{silent.getsockname()[1]}", "http://127.0.0.1:9", "http://nowhere.invalid"]
        for address in [*addresses, "nonsense", "ftp://127.0.0.1"]:
            monkeypatch.setenv("HF_ENDPOINT", address)
            assert seconds_of(lambda: pull(REPO)) < ALONE
            assert seconds_of(lambda: pull_all(REPO)) < ALONE
            assert seconds_of(lambda: push(REPO, [path], say=str)) < ALONE


def test_the_cache_serves_while_the_hub_is_away(fake, tmp_path):
    push(REPO, [write_tiny(tmp_path / "a.safetensors")], say=str)
    first = pull(REPO)
    fake.stop()
    later = pull(REPO)
    assert later.path == first.path and later.commit == first.commit
    assert "cannot be reached" in later.note and "fetched before serves" in later.note
    assert pull(REPO, first.commit).note == ""
    for revision in (None, first.commit):
        ((name, each),) = pull_all(REPO, revision).items()
        assert name == "landmarks.safetensors" and each.path == first.path and "cannot be reached" in each.note


def test_the_bundled_weights_serve_while_the_hub_is_away(fake, tmp_path, monkeypatch):
    for part in ("landmarks", "cvm"):
        write_tiny(tmp_path / "weights" / f"{part}.safetensors", part)
    with pytest.raises(UserError, match="shows you no"):  # a wrong name is no reason to show other weights
        pull_or_bundled(REPO)
    fake.stop()
    with pytest.raises(HubUnreachable):
        pull_or_bundled(REPO)
    monkeypatch.setattr(hub, "BUNDLED", tmp_path / "weights")
    served = pull_or_bundled(REPO)
    assert list(served) == ["landmarks.safetensors", "cvm.safetensors"]
    for name, each in served.items():
        assert each.path == tmp_path / "weights" / name and each.commit is None
        assert "cannot be reached" in each.note and "The bundled weights serve" in each.note


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


def test_offline_mode_is_said(fake, tmp_path):
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path), "HF_TOKEN": WRITER}
    command = [sys.executable, "hub.py", "pull", REPO]
    run = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 2 and "HF_HUB_OFFLINE" in run.stderr and len(run.stderr.splitlines()) == 1
    assert not fake.requests


# --- what leaves ------------------------------------------------------------------------------------------------------


def test_nothing_private_leaves(fake, tmp_path, monkeypatch, caplog, capfd):
    """A run on a clinic's own films, pushed at its end, then judged and pushed again: every byte is looked at."""
    caplog.set_level(logging.DEBUG)
    clinic = write_blob_dataset(tmp_path / "Praxis_Muster", {"train": 8, "valid": 4, "test": 4})
    for path in sorted(clinic.rglob("*.*")):
        if path.is_file() and path.stem.startswith(("train", "valid", "test")):
            path.rename(path.with_name(f"muster_hans_{path.name}"))
    machines = clinic / "cephalogram_machine_mappings.csv"
    lines = machines.read_text().splitlines()
    renamed = ["muster_hans_" + line.replace("machine ", "Muster's ") for line in lines[1:]]
    machines.write_text("\n".join([lines[0], *renamed]) + "\n")
    for label in clinic.rglob("*.json"):
        label.write_text(re.sub('"(train|valid|test)', r'"muster_hans_\1', label.read_text()))
    places = ["--dataset", clinic, "--output", tmp_path / "runs", "--cache", tmp_path / "cache"]
    places += ["--logs", tmp_path / "logs"]
    flags = ["--image-size", "48x32", "--widths", "16,24", "--blocks", "1", "--no-head-frame", "--batch-size", "4"]
    flags += ["--precision", "float32", "--device", "cpu", "--epochs", "1", "--push-to-hub", REPO]
    assert train.main([*map(str, places), *flags]) == 0
    best, figures = tmp_path / "runs" / "landmarks" / "best_model.pth", tmp_path / "figures.json"
    assert evaluate.main([*map(str, places[:2]), "--weights", str(best), "--json", str(figures), "--worst", "0",
                          *map(str, places[4:6])]) == 0  # fmt: skip
    assert "muster" in figures.read_text().lower(), "there was something to keep back"
    assert hub.main(["push", REPO, "--weights", str(best), "--metrics", str(figures), "--force"]) == 0
    assert len(fake.repositories[REPO].commits) == 3 and fake.count("POST", "/commit/") == 2

    secrets = ["muster", str(tmp_path), str(ROOT), str(Path.home()), socket.gethostname(), getpass.getuser()]
    secrets += ["best_model", "machine 0"]
    for request in fake.requests:
        headers = [f"{name}: {value}" for name, value in request.headers.items() if name.lower() != "authorization"]
        sent = "\n".join([request.path, *headers, *texts_of(request.body)])
        assert not leaks(secrets, sent), request.path
        assert WRITER not in sent
    storage = [each for each in fake.requests if each.path.startswith("/large/")]
    assert storage and not [each for each in storage if "authorization" in {name.lower() for name in each.headers}]
    shown = capfd.readouterr()
    assert WRITER not in shown.out + shown.err + caplog.text
    files = fake.repositories[REPO].commits[-1][1]
    assert json.loads(files["metrics.json"])["landmarks"]["judged"]["dataset"] == "private"


def leaks(secrets: list[str], text: str) -> list[str]:
    """The secrets that a text holds, whatever their case; a short one, such as a host named "vm", only as a word."""
    found = []
    for secret in secrets:
        pattern = re.escape(secret)
        if len(secret) < SHORT:
            pattern = rf"(?<![A-Za-z0-9]){pattern}(?![A-Za-z0-9])"
        found += [secret] if re.search(pattern, text, re.IGNORECASE) else []
    return found


def texts_of(body: bytes) -> list[str]:
    """What can be read in what was sent, also in base64; among numbers, only runs that are too long for chance."""
    packed = [base64.b64decode(text) for text in re.findall(PACKED, body)]
    clear = re.sub(PACKED, b"", body)
    runs = [clear] if clear.isascii() else re.findall(rb"[\x20-\x7e\n]{16,}", clear)
    return [run.decode() for run in runs] + [text for each in packed for text in texts_of(each)]


LEAKS = ["/home/vm/run", "sent by vm", "host=VM; port=1", '{"film": "Muster_Hans.png"}', "x-machine: vm_2", "root@vm"]


@pytest.mark.parametrize("text", LEAKS)
def test_a_leak_would_be_seen(text):
    secrets = ["vm", "root", "muster"]
    packed = base64.b64encode(text.encode()).decode()
    bodies = [text.encode(), b"\x00\xff\x03{'metadata': '" + text.encode() + b"'}\x00\x80"]
    bodies += [json.dumps({"value": {"content": packed}}).encode(), json.dumps({"sample": packed}).encode()]
    for body in bodies:
        assert leaks(secrets, "\n".join(texts_of(body))), body


def test_noise_is_no_leak():
    noise = [b"\x80\x01/vm+\x02\xff", b"square rooted kvm", b'{"sample": "aaa/vm+aaaaa"}']
    assert not [body for body in noise if leaks(["vm", "root"], "\n".join(texts_of(body)))]


def test_a_token_that_no_header_can_hold_is_not_shown(fake, monkeypatch, capsys):
    for token in ("hf_secret\nsecret", "hf_secret\x7f\x00secret", "hf_sécret"):
        monkeypatch.setenv("HF_TOKEN", token.replace("\x00", "\x01"))
        assert hub.main(["pull", REPO]) == 2
        error = capsys.readouterr().err
        assert "secret" not in error and "sécret" not in error and len(error.splitlines()) == 1


# --- train.py --push-to-hub -------------------------------------------------------------------------------------------


def test_training_refuses_a_push_that_cannot_be_before_it_begins(fake, blobs, tmp_path, monkeypatch, capsys):
    places = ["--dataset", str(blobs), "--output", str(tmp_path / "runs")]
    assert train.main([*places, "--push-to-hub", "nonsense"]) == 2
    assert "NAME/MODEL" in capsys.readouterr().err
    assert train.main([*places, "--push-to-hub", REPO, "--no-valid"]) == 2
    assert "--no-valid" in capsys.readouterr().err
    monkeypatch.setenv("HF_TOKEN", "hf_wrongwrongwrongwrong")
    assert train.main([*places, "--push-to-hub", REPO]) == 2
    assert "token" in capsys.readouterr().err
    fake.stop()
    assert train.main([*places, "--push-to-hub", REPO]) == 2
    assert "cannot be reached" in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()
