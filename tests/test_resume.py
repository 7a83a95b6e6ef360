"""Exact resume, the best never lost, and what a resumed run refuses (log #6, #9, #12, #18)."""

import os
import signal

import numpy as np
import pytest
import torch
from small_runs import NETS, assert_same, outcome, run

from checkpoint import epoch_path, load_checkpoint, save_checkpoint
from config import UserError
from trainer import Trainer
from training_log import is_own_log


@pytest.mark.parametrize("flags", NETS.values(), ids=NETS)
def test_stopped_anywhere_and_resumed_is_as_never_stopped(blobs, tmp_path, monkeypatch, flags):
    """Killed by Ctrl-C after every few steps, in the middle of epochs and between them."""
    model = flags[1]
    assert run(blobs, tmp_path / "whole", *flags, "--epochs", "3") == 0
    train_step, steps = Trainer.train_step, []

    def interrupted_step(self, *arguments):
        steps.append(1)
        if len(steps) % 2 == 0:
            os.kill(os.getpid(), signal.SIGINT)
        return train_step(self, *arguments)

    monkeypatch.setattr(Trainer, "train_step", interrupted_step)
    statuses = [run(blobs, tmp_path / "parts", *flags, "--epochs", "3") for _ in range(5)]
    assert statuses == [130, 130, 130, 130, 0] and len(steps) == 9
    for whole, parts in zip(outcome(tmp_path / "whole", model), outcome(tmp_path / "parts", model), strict=True):
        assert_same(whole, parts)
    assert not (tmp_path / "parts" / "runs" / model / "interrupted.pth").exists()


def test_one_then_two_epochs_are_two_under_the_plateau_schedule(blobs, tmp_path):
    flags = [*NETS["landmarks"], "--schedule", "plateau"]
    assert run(blobs, tmp_path / "whole", *flags, "--epochs", "2") == 0
    assert run(blobs, tmp_path / "parts", *flags, "--epochs", "1") == 0
    assert run(blobs, tmp_path / "parts", *flags, "--epochs", "2") == 0
    for whole, parts in zip(
        outcome(tmp_path / "whole", "landmarks"), outcome(tmp_path / "parts", "landmarks"), strict=True
    ):
        whole.pop("config", None) if isinstance(whole, dict) else None
        parts.pop("config", None) if isinstance(parts, dict) else None
        assert_same(whole, parts)


def test_a_schedule_with_an_end_asks_before_it_is_changed(blobs, tmp_path, capsys):
    flags = [*NETS["landmarks"], "--schedule", "cosine"]
    assert run(blobs, tmp_path, *flags, "--epochs", "1") == 0
    assert run(blobs, tmp_path, *flags, "--epochs", "2") == 2
    assert "--new-schedule" in capsys.readouterr().err
    assert run(blobs, tmp_path, *flags, "--epochs", "2", "--new-schedule") == 0
    assert outcome(tmp_path, "landmarks")[0]["epoch"] == 2


def test_killed_before_its_first_checkpoint_a_run_begins_again_with_one_log(blobs, tmp_path, monkeypatch):
    flags = [*NETS["cephnet"], "--epochs", "2"]
    with monkeypatch.context() as patch:
        patch.setattr("trainer.epoch_path", lambda *_: (_ for _ in ()).throw(SystemExit))  # as SIGKILL there
        with pytest.raises(SystemExit):
            run(blobs, tmp_path, *flags)
    assert run(blobs, tmp_path, *flags) == 0
    log = next((tmp_path / "logs").glob("*.csv"))
    whole = log.read_bytes()
    assert len(outcome(tmp_path, "cephnet")[2]) == 2
    log.write_bytes(whole[:-30])
    assert run(blobs, tmp_path, *flags) == 0 and log.read_bytes() == whole, "a finished run mends its log"


def test_killed_before_its_checkpoint_knows_its_log_a_run_keeps_it(blobs, tmp_path, monkeypatch):
    """Between the log's first row and the second writing of the first checkpoint, which notes the log's name."""
    flags = [*NETS["landmarks"], "--epochs", "2"]

    def save(path, content):
        if content.get("log_claimed"):
            raise SystemExit  # as SIGKILL there
        save_checkpoint(path, content)

    with monkeypatch.context() as patch:
        patch.setattr("trainer.save_checkpoint", save)
        with pytest.raises(SystemExit):
            run(blobs, tmp_path, *flags)
    (log,) = (tmp_path / "logs").glob("*.csv")
    other = log.with_stem(log.stem + "_of_another")
    other.write_text(log.read_text().replace("1,", "1,9", 1))
    assert not is_own_log(other, load_checkpoint(tmp_path / "runs" / "landmarks" / "checkpoint_epoch_1.pth")["history"])
    other.unlink()
    assert run(blobs, tmp_path, *flags) == 0
    assert run(blobs, tmp_path / "whole", *flags) == 0
    assert_same(list(outcome(tmp_path / "whole", "landmarks")), list(outcome(tmp_path, "landmarks")))


def test_a_finished_run_is_left_alone_unless_asked(blobs, tmp_path, capsys):
    flags = [*NETS["cephnet"], "--epochs", "1"]
    assert run(blobs, tmp_path, *flags) == 0
    path = tmp_path / "runs" / "cephnet" / "best_model.pth"
    before = path.read_bytes()
    assert run(blobs, tmp_path, *flags) == 0
    assert "finished" in capsys.readouterr().out and path.read_bytes() == before
    assert run(blobs, tmp_path, *flags, "--restart", "--seed", "1") == 0
    aside = [folder for folder in (tmp_path / "runs").iterdir() if folder.name.startswith("cephnet.")]
    assert (aside[0] / "best_model.pth").read_bytes() == before != path.read_bytes()


def test_the_best_survives_a_resume_with_worse_epochs(blobs, tmp_path, monkeypatch):
    flags = [*NETS["cephnet"], "--schedule", "constant"]
    scores = iter([3.0, 1.0, 2.0, 5.0])
    monkeypatch.setattr("trainer.selection_score", lambda figures: -next(scores))
    assert run(blobs, tmp_path, *flags, "--epochs", "2") == 0
    best = load_checkpoint(tmp_path / "runs" / "cephnet" / "best_model.pth")
    assert run(blobs, tmp_path, *flags, "--epochs", "4") == 0
    last, after, rows = outcome(tmp_path, "cephnet")
    assert_same(best, after)
    assert last["progress"]["best_epoch"] == 2 and last["progress"]["best_score"] == -1.0 and len(rows) == 4


def test_a_resumed_run_refuses_other_settings_and_films(blobs, tmp_path, capsys):
    flags = [*NETS["cephnet"], "--epochs", "2"]
    assert run(blobs, tmp_path, *flags, "--epochs", "1") == 0
    assert run(blobs, tmp_path, *flags, "--learning-rate", "0.5") == 2
    assert "--learning-rate is 0.5" in capsys.readouterr().err
    for path in list((blobs / "train").rglob("train003.*")):
        path.unlink()
    assert run(blobs, tmp_path, *flags) == 2
    assert "other training films" in capsys.readouterr().err


def test_a_damaged_or_foreign_checkpoint_is_refused(blobs, tmp_path, capsys):
    flags = [*NETS["cephnet"], "--epochs", "2", "--schedule", "constant"]
    assert run(blobs, tmp_path, *flags, "--epochs", "1") == 0
    path = epoch_path(tmp_path / "runs" / "cephnet", 1)
    whole = path.read_bytes()
    for damage in (whole[: len(whole) // 2], b"", b"text"):
        path.write_bytes(damage)
        assert run(blobs, tmp_path, *flags) == 2
        assert str(path) in capsys.readouterr().err
    torch.save({"model": {}, "format": 1, "config": {}, "code": np.float64(1)}, path)  # not plain data
    with pytest.raises(UserError, match="not loaded"):
        load_checkpoint(path)
    torch.save({"state_dict": {}}, path)
    with pytest.raises(UserError, match="no checkpoint"):
        load_checkpoint(path)
