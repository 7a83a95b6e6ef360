"""split_dataset.py: alike parts, twins together, and no file lost or doubled wherever it is stopped."""

import os
from collections import Counter

import pytest
from conftest import write_blob_dataset

import split_dataset
from annotations import read_machines
from films import scan_split
from partition import split_folds


def snapshot(root) -> dict[str, bytes]:
    """Every file of a data set with its content."""
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.fixture
def films(tmp_path):
    return write_blob_dataset(tmp_path / "set", {"train": 30, "test": 2})


def call(root, *flags) -> int:
    return split_dataset.main(["--dataset", str(root), *flags])


def test_a_fifth_moves_with_all_its_labels(films):
    before = {film.film_id: film for film in scan_split(films, "train")}
    assert call(films) == 0
    train, valid = scan_split(films, "train"), scan_split(films, "valid")
    assert len(valid) == 6 and len(train) == 24
    for film in train + valid:
        assert film.stage == before[film.film_id].stage
        assert (film.annotators_px == before[film.film_id].annotators_px).all()
    modes = {film_id: record.mode for film_id, record in read_machines(films).items()}
    assert all(modes[film.film_id] == ("Valid" if film.split == "valid" else "Train") for film in train + valid)


def test_the_parts_are_alike_in_machine_and_stage(tmp_path):
    root = write_blob_dataset(tmp_path / "set", {"train": 60})
    for fold in split_folds(scan_split(root, "train"), 5, seed=0):
        counts = Counter((film.machine, film.stage) for film in fold)
        assert len(counts) == 6 and max(counts.values()) - min(counts.values()) <= 1


def test_twins_stay_together(films):
    pictures = films / "train" / "Cephalograms"
    for number in range(1, 15, 2):
        (pictures / f"train{number + 14:03d}.png").write_bytes((pictures / f"train{number:03d}.png").read_bytes())
    assert call(films) == 0
    sides = {film.film_id: film.split for split in ("train", "valid") for film in scan_split(films, split)}
    assert all(sides[f"train{number:03d}"] == sides[f"train{number + 14:03d}"] for number in range(1, 15, 2))


def test_a_twin_in_test_is_named(films, capsys):
    source, target = (films / split / "Cephalograms" / f"{split}001.png" for split in ("train", "test"))
    target.write_bytes(source.read_bytes())
    assert call(films, "--dry-run") == 0
    assert "train001 (train), test001 (test)" in capsys.readouterr().out


def test_the_choice_depends_on_the_seed_alone(tmp_path):
    chosen = []
    for place, seed in (("a", "0"), ("b", "0"), ("c", "1")):
        root = write_blob_dataset(tmp_path / place, {"train": 30})
        assert call(root, "--seed", seed) == 0
        chosen.append([film.film_id for film in scan_split(root, "valid")])
    assert chosen[0] == chosen[1] != chosen[2]


def test_a_dry_run_changes_nothing(films):
    before = snapshot(films)
    assert call(films, "--dry-run") == 0 and snapshot(films) == before


def test_undo_restores_every_byte(films):
    before = snapshot(films)
    assert call(films) == 0 and snapshot(films) != before
    assert call(films, "--undo") == 0 and snapshot(films) == before
    assert not (films / "valid").exists()


def test_it_may_be_called_again(films, capsys):
    assert call(films) == 0
    after = snapshot(films)
    assert call(films) == 0 and snapshot(films) == after and "already" in capsys.readouterr().out


@pytest.mark.parametrize("then", ["finish", "undo"])
def test_stopped_at_any_file_nothing_is_lost(tmp_path, monkeypatch, then):
    replace_file = os.replace
    whole = write_blob_dataset(tmp_path / "whole", {"train": 10})
    start = snapshot(whole)
    assert call(whole) == 0
    finished = snapshot(whole)
    for stop in range(8):  # two films of four files each
        root = write_blob_dataset(tmp_path / f"{then}{stop}", {"train": 10})
        moved = []

        def stopping(source, target, moved=moved, stop=stop):
            if len(moved) == stop:
                raise KeyboardInterrupt
            moved.append(source)
            replace_file(source, target)

        monkeypatch.setattr(split_dataset.os, "replace", stopping)
        with pytest.raises(KeyboardInterrupt):
            call(root)
        monkeypatch.setattr(split_dataset.os, "replace", replace_file)
        pictures = sorted(path.name for path in root.rglob("*.png"))
        assert pictures == sorted({f"train{number:03d}.png" for number in range(10)})
        if (
            then == "finish" or (root / split_dataset.MANIFEST).exists()
        ):  # stopped before the manifest, nothing was moved
            assert call(root, *(["--undo"] if then == "undo" else [])) == 0
        assert snapshot(root) == (start if then == "undo" else finished)


@pytest.mark.parametrize(("train", "valid"), [("Train", "Valid"), ("TRAIN", "VALID")])
def test_the_new_folder_is_spelt_as_the_others(films, train, valid):
    (films / "train").rename(films / train)
    assert call(films) == 0
    assert (films / valid / "Cephalograms").is_dir() and len(scan_split(films, "valid")) == 6


def test_a_valid_split_of_others_is_left_alone(blobs, capsys):
    before = snapshot(blobs)
    assert call(blobs) == 2 and snapshot(blobs) == before
    assert "did not make" in capsys.readouterr().err
    assert call(blobs, "--undo") == 2 and snapshot(blobs) == before


@pytest.mark.parametrize("share", ["0", "0.9", "-1"])
def test_impossible_shares_are_refused(films, capsys, share):
    assert call(films, "--share", share) == 2 and "--share" in capsys.readouterr().err


def test_films_without_stages_or_machines(tmp_path):
    root = write_blob_dataset(tmp_path / "bare", {"train": 10}, points=19, stages=False)
    (root / "cephalogram_machine_mappings.csv").unlink()
    assert call(root) == 0 and len(scan_split(root, "valid")) == 2
