"""What the benchmarks measure with, and the figures that they work out of logs."""

import argparse
import os
import sys
import time

import numpy as np
import pytest

from benchmarks import training
from benchmarks.measuring import last_line, memory_mb, tree_memory_mb, watch
from benchmarks.prediction import fill_folder, make_tiny
from checkpoint import load_model
from config import UserError
from images import read_film, write_png

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is read from /proc")


@linux
def test_memory_is_that_of_a_command_and_of_what_it_starts(tmp_path):
    assert tree_memory_mb(os.getpid()) == pytest.approx(memory_mb(), rel=0.1)
    hold = "import time; held = bytearray(60_000_000); time.sleep(1.5)"
    script = tmp_path / "starter.py"
    script.write_text(f"import subprocess, sys\nsys.exit(subprocess.call([sys.executable, '-c', {hold!r}]) + 3)\n")
    run, memory = watch(script, seconds=0.05)
    assert run.returncode == 3 and 65 < max(memory) < 200


def test_what_a_watched_command_says_is_kept_however_long(tmp_path):
    script = tmp_path / "talker.py"
    script.write_text("import sys\nprint('x' * 300_000)\nprint('its mistake', file=sys.stderr)\n")
    started = time.monotonic()
    run, _ = watch(script)
    assert len(run.stdout) == 300_001 and last_line(run.stderr) == "its mistake" and time.monotonic() - started < 60
    assert last_line("") == "it said nothing"


def racing(tmp_path, rows: list[tuple[str, str]], **settings) -> str:
    """What the race prints of a run with this log, (mre_mm, seconds) a row."""

    def log(model, options, folder):
        return [{"mre_mm": error, "seconds": seconds} for error, seconds in rows], 900.0

    options = argparse.Namespace(targets=[2.0, 4.0], epochs=4, minutes=1.0, race=tmp_path, **settings)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "train_until", log)
        training.race(options, tmp_path)


def test_a_racer_s_time_is_that_of_all_epochs_up_to_the_target(tmp_path, capsys):
    racing(tmp_path, [("9.5", "10"), ("", "10"), ("3.9", "11"), ("2.5", "12")])
    header, _, row, _ = capsys.readouterr().out.splitlines()
    assert [cell.strip() for cell in header.split("|")[2:4]] == ["s to 4 mm (epoch)", "s to 2 mm (epoch)"]
    assert [cell.strip() for cell in row.split("|")[1:-1]] == [
        "`landmarks`", "31 (3)", "not reached", "2.500", "4", "43", "900",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("rows", "over"),
    [([], False), ([("3.0", "20")], False), ([("", "20")], False), ([("2.0", "20")], True), ([("3.0", "61")], True)],
)
def test_a_race_ends_at_its_last_target_or_after_its_time(rows, over):
    rows = [{"mre_mm": error, "seconds": seconds} for error, seconds in rows]
    assert training.is_over(rows, argparse.Namespace(targets=[4.0, 2.0], minutes=1.0)) is over


def test_a_race_that_cannot_start_says_why(tmp_path):
    options = training.make_parser().parse_args(["--race", str(tmp_path / "missing"), "--device", "cpu"])
    with pytest.raises(UserError, match=r"Training landmarks failed: train.py: .*missing"):
        training.train_until("landmarks", options, tmp_path / "racer")


def test_a_folder_has_three_films_that_cannot_be_read(tmp_path):
    film = np.random.default_rng(0).integers(0, 255, (40, 30)).astype(np.uint8)
    write_png(tmp_path / "film.png", film)
    bad = fill_folder(tmp_path / "many", [tmp_path / "film.png"], 8)
    assert len(bad) == 3 and len(list((tmp_path / "many").iterdir())) == 8
    for path in (tmp_path / "many").iterdir():
        if path.name in bad:
            with pytest.raises(UserError, match=path.name):
                read_film(path)
        else:
            assert np.array_equal(read_film(path), film)


def test_the_tiny_network_is_a_model_like_any_other(tmp_path):
    model, config, _ = load_model(make_tiny(tmp_path / "tiny.safetensors"))
    assert config.finds_landmarks and sum(each.numel() for each in model.parameters()) < 100_000
