"""split_dataset.py: alike parts, twins together, and no file lost or doubled wherever it is stopped."""

import os
import shutil
from collections import Counter
from pathlib import Path

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


def test_the_films_are_the_first_fold(films, capsys):
    expected = [film.film_id for film in split_folds(scan_split(films, "train"), 5, seed=3)[0]]
    assert call(films, "--seed", "3") == 0
    assert [film.film_id for film in scan_split(films, "valid")] == expected
    table = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["all", "30", "24", "6"] in table and ["machine", "0,", "S1"] in [row[:3] for row in table]


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
    assert call(films, "--undo", "--dry-run") == 0 and snapshot(films) == after
    assert "6 films with 24 files" in capsys.readouterr().out


class Stop:
    """Lets `moves` files be replaced, then behaves like Ctrl-C."""

    def __init__(self, moves: int):
        self.left, self.replace = moves, os.replace

    def __call__(self, source, target):
        if self.left == 0:
            raise KeyboardInterrupt
        self.left -= 1
        self.replace(source, target)


def call_stopped(root, monkeypatch, moves: int, *flags) -> bool:
    """Runs the command until it has replaced so many files; whether it was stopped before its end."""
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", Stop(moves))
        status = call(root, *flags)
    assert status in (0, split_dataset.EXIT_INTERRUPTED)
    return status != 0


def assert_every_film_is_whole(root, names: list[str]) -> None:
    """Each file of the splits exactly once, wherever it is, and no other."""
    found = sorted(path.relative_to(root).as_posix().split("/", 1)[1] for path in root.glob("*/**/*.*"))
    assert found == names


@pytest.mark.parametrize("then", ["finish", "undo"])
@pytest.mark.parametrize("first", ["split", "undo"])
def test_stopped_at_any_file_nothing_is_lost_or_doubled(tmp_path, monkeypatch, first, then):
    start_root = write_blob_dataset(tmp_path / "start", {"train": 10})
    start = snapshot(start_root)
    names = sorted(path.relative_to(start_root / "train").as_posix() for path in start_root.glob("*/**/*.*"))
    done_root = Path(shutil.copytree(start_root, tmp_path / "done"))
    assert call(done_root) == 0
    done = snapshot(done_root)
    flags, origin = ([], start_root) if first == "split" else (["--undo"], done_root)
    for moves in range(100):
        root = Path(shutil.copytree(origin, tmp_path / f"stop{moves}"))
        stopped = call_stopped(root, monkeypatch, moves, *flags)
        assert_every_film_is_whole(root, names)
        if (root / split_dataset.SPLIT_MANIFEST).exists() or then == "finish":  # else nothing is to be done
            assert call(root, *(["--undo"] if then == "undo" else [])) == 0
        assert snapshot(root) == (start if then == "undo" else done)
        if not stopped:
            break
    # Two films of four files each and the machine file; splitting also writes the manifest.
    assert moves == (10 if first == "split" else 9)


def test_a_file_that_cannot_be_moved_is_named(films, monkeypatch, capsys):
    before = snapshot(films)
    replace_file = os.replace

    def refuse(source, target):
        if "Cephalograms" in str(source):
            raise PermissionError(13, "Permission denied")
        replace_file(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", refuse)
        assert call(films) == 2
    message = capsys.readouterr().err
    assert "Permission denied" in message and ".png cannot be moved" in message and message.count("\n") == 1
    assert call(films, "--undo") == 0 and snapshot(films) == before


def test_a_file_in_both_places_or_in_neither_stops_everything(films, capsys):
    assert call(films) == 0
    moved = min((films / "valid" / "Cephalograms").iterdir())
    (films / "train" / "Cephalograms" / moved.name).write_bytes(b"another")
    before = snapshot(films)
    for flags in ([], ["--undo"]):
        assert call(films, *flags) == 2 and "both exist" in capsys.readouterr().err
        assert snapshot(films) == before
    (films / "train" / "Cephalograms" / moved.name).unlink()
    moved.unlink()
    assert call(films, "--undo") == 2 and "neither" in capsys.readouterr().err
    assert not list((films / "train").rglob(f"{moved.stem}.*"))  # its labels have not gone back without it


@pytest.mark.parametrize(("train", "valid"), [("Train", "Valid"), ("TRAIN", "VALID")])
def test_the_new_folder_is_spelt_as_the_others(films, train, valid):
    (films / "train").rename(films / train)
    assert call(films) == 0
    assert (films / valid / "Cephalograms").is_dir() and len(scan_split(films, "valid")) == 6


def test_an_empty_folder_in_the_way_is_used(films):
    (films / "Valid" / "Cephalograms").mkdir(parents=True)
    assert call(films) == 0
    assert len(scan_split(films, "valid")) == 6 and not (films / "valid").exists()


def test_a_valid_split_of_others_is_left_alone(blobs, capsys):
    for path in sorted((blobs / "valid" / "Cephalograms").iterdir()):  # even when only its labels are left
        before = snapshot(blobs)
        assert call(blobs) == 2 and snapshot(blobs) == before
        assert "did not put there" in capsys.readouterr().err
        path.unlink()
    assert call(blobs) == 2 and "did not put there" in capsys.readouterr().err
    before = snapshot(blobs)
    assert call(blobs, "--undo") == 2 and snapshot(blobs) == before
    assert "no split of this command to undo" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"moves": [{"from": "../a", "to": "b"}]}'])
def test_what_is_no_manifest_is_refused(films, capsys, text):
    (films / split_dataset.SPLIT_MANIFEST).write_text(text)
    before = snapshot(films)
    for flags in ([], ["--undo"], ["--dry-run"]):
        assert call(films, *flags) == 2 and split_dataset.SPLIT_MANIFEST in capsys.readouterr().err
        assert snapshot(films) == before


@pytest.mark.parametrize("flags", [["--share", "0"], ["--share", "0.9"], ["--share", "nan"], ["--seed", "-1"]])
def test_impossible_values_are_refused(films, capsys, flags):
    before = snapshot(films)
    assert call(films, *flags) == 2 and flags[0] in capsys.readouterr().err
    assert snapshot(films) == before


def test_too_few_films_or_pictures_are_refused(tmp_path, capsys):
    few = write_blob_dataset(tmp_path / "few", {"train": 4})
    assert call(few) == 2 and "4 films are too few" in capsys.readouterr().err
    same = write_blob_dataset(tmp_path / "same", {"train": 6})
    for path in (same / "train" / "Cephalograms").iterdir():
        path.write_bytes((same / "train" / "Cephalograms" / "train000.png").read_bytes())
    assert call(same) == 2 and "1 different picture" in capsys.readouterr().err


def test_films_without_stages_or_machines(tmp_path):
    root = write_blob_dataset(tmp_path / "bare", {"train": 10}, points=19, stages=False)
    (root / "cephalogram_machine_mappings.csv").unlink()
    assert call(root) == 0 and len(scan_split(root, "valid")) == 2


def test_all_labels_go_with_their_films(films):
    vertebrae = films / "train" / "Annotations" / "Vertebrae"
    vertebrae.mkdir()
    for film in scan_split(films, "train"):
        (vertebrae / f"{film.film_id}.json").write_text("{}")
    landmarks = films / "train" / "Annotations" / "Cephalometric Landmarks"
    landmarks.rename(films / "elsewhere")
    landmarks.symlink_to(films / "elsewhere")
    assert call(films) == 0
    valid = [film.film_id for film in scan_split(films, "valid")]
    assert sorted(path.stem for path in (films / "valid" / "Annotations" / "Vertebrae").iterdir()) == valid


@pytest.mark.parametrize(("mode", "valid"), [("Train", "Valid"), ("train", "valid"), ("TRAIN", "VALID"), ("", "")])
def test_the_machine_file_keeps_its_spelling_and_its_other_values(films, mode, valid):
    path = films / "cephalogram_machine_mappings.csv"
    rows = path.read_text().replace(",Train", f",{mode}").splitlines() + ["other,m,0.1,png,Train"]
    text = "".join(row + (",note,by\r\n" if row is rows[0] else ",more,more\r\n") for row in rows)
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())
    before = snapshot(films)
    assert call(films) == 0
    after = path.read_bytes().decode("utf-8-sig").split("\r\n")
    assert sum(line.endswith(f",{valid},more,more") for line in after) >= 6
    assert after[-2] == "other,m,0.1,png,Train,more,more"
    assert call(films, "--undo") == 0 and snapshot(films) == before
