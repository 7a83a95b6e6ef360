"""The Hub when it fails: transfers that break, a Hub out of order, unreachable or forbidden, and what serves then."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from fake_hub import REPO, WRITER
from huggingface_hub import constants
from small_weights import write_tiny

import hub
from config import UserError
from hub import HubUnreachable, pull, pull_all, pull_or_bundled, push

ROOT = Path(__file__).parents[1]
ALONE = 10.0  # s; a loaded machine may be slow, but the client alone would try for 23


def seconds_of(action) -> float:
    """How long an action takes that ends in one sentence about the Hub."""
    started = time.perf_counter()
    with pytest.raises(HubUnreachable):
        action()
    return time.perf_counter() - started


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


def test_offline_mode_is_said(fake, tmp_path):
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path), "HF_TOKEN": WRITER}
    command = [sys.executable, "hub.py", "pull", REPO]
    run = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 2 and "HF_HUB_OFFLINE" in run.stderr and len(run.stderr.splitlines()) == 1
    assert not fake.requests
