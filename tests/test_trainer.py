"""The loop's parts: any cut of a batch is the same step, rates and rules by hand, workers anywhere (log #12, #19)."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import write_blob_dataset
from small_runs import make_trainer

from cache import FilmCache
from checkpoint import epoch_path, load_checkpoint
from config import make_config
from dataset import FilmDataset, describe_data
from films import scan_split
from schedule import Progress, learning_rate
from trainer import Interrupted, pick_precision
from training_log import TrainingLog

ROOT = Path(__file__).parents[1]


def test_accumulated_pieces_make_the_same_step(blobs, tmp_path):
    """For a model without batch statistics: those are taken over a piece, not over the batch."""
    states = []
    for pieces in (1, 2):
        trainer = make_trainer(blobs, tmp_path / str(pieces), accumulate=pieces, weight_decay=0.0)
        trainer.fit()
        states.append(trainer.model.state_dict())
    assert all((states[0][key] - states[1][key]).abs().max() < 1e-5 for key in states[0])


def test_two_processes_train_as_one(blobs, tmp_path):
    """Two gloo processes against one with the same global batch; cephnet has no batch statistics."""
    trainer = make_trainer(blobs, tmp_path / "one", epochs=2)
    trainer.fit()
    script = tmp_path / "two.py"
    script.write_text(
        f"import sys; sys.path[:0] = [{str(ROOT)!r}, {str(ROOT / 'tests')!r}]\n"
        "from pathlib import Path\nimport torch\nfrom processes import join_processes, leave_processes\n"
        "from small_runs import make_trainer\n"
        "if __name__ == '__main__':\n"
        "    processes, device = join_processes(torch.device('cpu'))\n"
        f"    trainer = make_trainer(Path({str(blobs)!r}), Path({str(tmp_path / 'two')!r}), processes, epochs=2)\n"
        "    trainer.fit()\n    leave_processes()\n"
    )
    # Torchrun's own environment, without its launcher's seconds of start-up.
    settings = {
        "WORLD_SIZE": "2",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(20000 + os.getpid() % 20000),
        "OMP_NUM_THREADS": "1",
    }
    runs = [
        subprocess.Popen([sys.executable, str(script)], env=os.environ | settings | {"RANK": rank, "LOCAL_RANK": rank})
        for rank in "01"
    ]
    assert [process.wait(timeout=120) for process in runs] == [0, 0]
    together = load_checkpoint(epoch_path(tmp_path / "two", 2))
    alone = load_checkpoint(epoch_path(tmp_path / "one", 2))
    assert all((alone["model"][key] - together["model"][key]).abs().max() < 1e-5 for key in alone["model"])
    for one, two in zip(alone["history"], together["history"], strict=True):
        assert one["train_loss"] == pytest.approx(two["train_loss"], rel=1e-5)


def test_the_average_follows_the_weights_and_their_statistics(blobs, tmp_path):
    trainer = make_trainer(blobs, tmp_path, ema_decay=0.9, epochs=2)
    trainer.fit()
    average, weights = trainer.average.module.state_dict(), trainer.model.state_dict()
    assert trainer.judged_model() is trainer.average.module
    moved = [key for key in weights if not torch.equal(average[key], weights[key])]
    assert moved and all((average[key] - weights[key]).abs().max() < 0.1 for key in moved)


def test_a_request_to_stop_saves_within_the_epoch(blobs, tmp_path):
    trainer = make_trainer(blobs, tmp_path)
    trainer.request_stop()
    with pytest.raises(Interrupted):
        trainer.fit()
    assert load_checkpoint(tmp_path / "interrupted.pth")["step"] == 0


def test_learning_rates_by_hand():
    config = make_config("landmarks", learning_rate=1.0, epochs=11, warmup_epochs=1.0, schedule="cosine")
    rates = [learning_rate(config, done, 1.0, False) for done in (0, 0.5, 1, 6, 11)]
    assert rates == pytest.approx([0.001, 0.5, 1.0, 0.5, 0.0], abs=1e-9)
    frozen = replace(config, freeze_epochs=3, schedule="constant")
    assert [learning_rate(frozen, done, 1.0, True) for done in (2.9, 3.0)] == pytest.approx([1.0, 0.1])
    assert learning_rate(frozen, 5.0, 1.0, False) == 1.0


def test_the_plateau_rule_is_pytorch_s(tmp_path):
    """The log used ReduceLROnPlateau(patience=5, factor=0.1)."""
    config = make_config("cephnet", schedule="plateau", plateau_patience=2)
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer, mode="max", patience=2, factor=0.1, threshold=0.0, min_lr=1e-3
    )
    ours = Progress()
    generator = np.random.default_rng(0)
    for epoch, score in enumerate(generator.normal(0, 1, 40).round(1), start=1):
        ours.record(float(score), epoch, config)
        theirs.step(float(score))
        assert ours.plateau_share == pytest.approx(optimizer.param_groups[0]["lr"])


def test_early_stopping_counts_epochs_without_a_better_score():
    config, progress = make_config("cephnet", patience=2), Progress()
    stops = []
    for epoch, score in enumerate([1.0, 2.0, 1.5, 1.9], start=1):
        progress.record(score, epoch, config)
        stops.append(progress.should_stop(config))
    assert stops == [False, False, False, True] and progress.best_epoch == 2
    assert not progress.should_stop(replace(config, patience=0))


@pytest.mark.parametrize("has_units, fastest", [(True, torch.bfloat16), (False, torch.float32)])
def test_precision_follows_the_device(monkeypatch, has_units, fastest):
    """Processors without AMX know bf16 too, but it took them a third longer than float32 (RESULTS 9)."""
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: has_units)
    assert pick_precision("auto", torch.device("cpu")) == fastest
    assert pick_precision("bf16", torch.device("cpu")) == torch.bfloat16


def test_workers_may_be_spawned(tmp_path):
    """Windows and Python 3.14 start workers afresh: everything they get must pickle."""
    root = write_blob_dataset(tmp_path / "set", {"train": 4})
    films = scan_split(root, "train")
    config = describe_data(make_config("landmarks", head_frame=False, image_size=(48, 32), batch_size=2), films)
    dataset = FilmDataset(films, config, FilmCache(tmp_path, root, config.image_size), training=True)
    loader = torch.utils.data.DataLoader(
        dataset, batch_sampler=[[(1, 0), (1, 1)], [(1, 2), (1, 3)]], num_workers=1, multiprocessing_context="spawn"
    )
    here = [dataset[(1, index)]["image"] for index in range(4)]
    assert torch.equal(torch.cat([batch["image"] for batch in loader]), torch.stack(here))


def test_epochs_between_judgements_are_neither_judged_nor_the_best(blobs, tmp_path):
    trainer = make_trainer(blobs, tmp_path / "run", epochs=3, judge_every=2)
    trainer.valid_set = FilmDataset(scan_split(blobs, "train"), trainer.config, trainer.train_set.cache)
    rows = []
    trainer.fit(lambda row, is_best: rows.append((row["mre_px"] is not None, is_best)))
    assert [judged for judged, _ in rows] == [False, True, True]
    assert rows[0][1] is False and rows[1][1] is True


def test_runs_of_one_minute_get_logs_of_their_own(blobs, tmp_path):
    """And each keeps its own when it goes on."""
    wanted = tmp_path / "logs" / "20260101_1200_cephnet_log.csv"
    for name in ("first", "second"):
        trainer = make_trainer(blobs, tmp_path / name)
        trainer.log = TrainingLog(wanted)
        trainer.fit()
    assert trainer.log.path == wanted.with_stem(f"{wanted.stem}_2")
    logs = [path.read_bytes() for path in (wanted, trainer.log.path)]
    resumed = make_trainer(blobs, tmp_path / "second", epochs=2)
    resumed.restore(load_checkpoint(epoch_path(tmp_path / "second", 1)))
    resumed.fit()
    assert wanted.read_bytes() == logs[0] and trainer.log.path.read_bytes().startswith(logs[1])
    assert len(trainer.log.path.read_text().splitlines()) == 3 and len(list(wanted.parent.iterdir())) == 2


def test_a_log_that_was_being_written_when_its_run_was_killed_leaves_nothing(tmp_path):
    """But what another run is writing stays."""
    log, rows = TrainingLog(tmp_path / "20260101_1200_cephnet_log.csv", claimed=True), [{"epoch": 1}]
    mine, others = (tmp_path / f".{name}.0123456789ab.tmp" for name in (log.path.name, "20260101_1200_unet_log.csv"))
    for path in (mine, others):
        path.write_text("epoch,tr")
    log.write(rows)
    assert sorted(tmp_path.iterdir()) == sorted([log.path, others])
