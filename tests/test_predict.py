"""predict.py: every film its results, a broken one its sentence, files that load back."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import write_blob_dataset
from small_weights import make_weights

import predict
from annotations import read_landmarks
from config import ANNOTATORS, SYMBOLS
from films import scan_split
from images import read_film, write_png


@pytest.fixture
def call(blobs, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    weights = make_weights(blobs, tmp_path / "w.safetensors")
    return lambda *flags: predict.main([*map(str, flags), "-o", "out", "--weights", str(weights), "--device", "cpu"])


def test_a_folder_of_films(blobs, tmp_path, call):
    folder = blobs / "test" / "Cephalograms"
    assert call(folder, "--json", "--csv", "--overlay", "--annotations") == 0
    entries = json.loads((tmp_path / "out" / "predictions.json").read_text())
    assert [entry["film"] for entry in entries] == [str(path) for path in sorted(folder.iterdir())]
    entry = entries[0]
    assert set(entry) == {"film", "width", "height", "pixel_size_mm", "landmarks", "measurements", "cvm", "warnings"}
    assert (entry["width"], entry["height"], entry["pixel_size_mm"]) == (96, 120, None)
    assert entry["cvm"]["stage"] in range(1, 7) and sum(entry["cvm"]["probabilities"]) == pytest.approx(1, abs=1e-3)
    rows = (tmp_path / "out" / "predictions.csv").read_text().splitlines()
    assert len(rows) == 1 + sum(len(each["landmarks"]) for each in entries)
    assert cv2.imread("out/test000_overlay.png").shape == (120, 96, 3)
    saved = read_landmarks(tmp_path / "out" / "annotations" / "test000.json", "test000").points_px
    for symbol, value in entry["landmarks"].items():
        assert np.allclose(saved[SYMBOLS.index(symbol)], [value["x"], value["y"]], atol=1e-3)


def test_json_is_the_default(blobs, tmp_path, call):
    assert call(blobs / "test" / "Cephalograms" / "test001.png", "--pixel-size", 0.2) == 0
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["predictions.json"]
    entry = json.loads((tmp_path / "out" / "predictions.json").read_text())[0]
    assert entry["pixel_size_mm"] == 0.2 and {"SNA", "Wits"} <= set(entry["measurements"])
    assert {"value", "unit", "norm", "sd", "low95", "high95"} <= set(entry["measurements"]["SNA"])


def test_a_broken_film_does_not_stop_the_others(blobs, tmp_path, call, capsys):
    folder = tmp_path / "mixed"
    folder.mkdir()
    (folder / "a.png").write_bytes(b"no film")
    write_png(folder / "b.png", read_film(blobs / "test" / "Cephalograms" / "test000.png"))
    (folder / "notes.txt").write_text("not a film")
    assert call(folder) == 1
    captured = capsys.readouterr()
    assert "a.png is not a picture" in captured.err and "1 of 2 films" in captured.out
    assert len(json.loads((tmp_path / "out" / "predictions.json").read_text())) == 1


def test_films_of_the_same_name_keep_their_results_apart(blobs, tmp_path, call):
    paths = []
    for name in ("a", "b"):
        paths.append(tmp_path / name / "film.png")
        write_png(paths[-1], read_film(blobs / "test" / "Cephalograms" / "test000.png"))
    assert call(*paths, "--overlay") == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["film_2_overlay.png", "film_overlay.png"]


def test_names_that_look_numbered_are_kept_apart():
    names = predict.name_films([Path("x/a.png"), Path("y/a.png"), Path("x/a_2.png"), Path("y/A.png")])
    assert names == ["a", "a_3", "a_2", "A_4"] and len({name.casefold() for name in names}) == 4


def test_annotations_make_a_data_set(blobs, tmp_path, call):
    """Corrected or not, predicted points can be trained on like any others."""
    films = blobs / "test" / "Cephalograms"
    assert call(films, "--json", "--annotations") == 0
    shutil.copytree(films, tmp_path / "new" / "train" / "Cephalograms")
    for annotator in ANNOTATORS:
        folder = tmp_path / "new" / "train" / "Annotations" / "Cephalometric Landmarks" / annotator
        shutil.copytree(tmp_path / "out" / "annotations", folder)
    entries = json.loads((tmp_path / "out" / "predictions.json").read_text())
    for film, entry in zip(scan_split(tmp_path / "new", "train"), entries, strict=True):
        known = {symbol: [value["x"], value["y"]] for symbol, value in entry["landmarks"].items()}
        read = {symbol: point for symbol, point in zip(SYMBOLS, film.truth_px(), strict=True) if symbol in known}
        assert np.allclose([known[symbol] for symbol in read], list(read.values()), atol=1e-3) and len(read) > 20


def test_a_head_that_was_taught_no_stage_names_none(blobs, tmp_path):
    bare = write_blob_dataset(tmp_path / "bare", {"train": 4}, stages=False)
    weights = make_weights(bare, tmp_path / "w.safetensors")
    film = blobs / "test" / "Cephalograms" / "test000.png"
    assert predict.main([str(film), "-o", str(tmp_path / "out"), "--weights", str(weights), "--device", "cpu"]) == 0
    assert json.loads((tmp_path / "out" / "predictions.json").read_text())[0]["cvm"] is None


def test_two_models_share_the_work(blobs, tmp_path):
    points = make_weights(blobs, tmp_path / "points.safetensors", "landmarks")
    stages = make_weights(blobs, tmp_path / "stages.safetensors", "cvm_resnet18")
    film = blobs / "test" / "Cephalograms" / "test000.png"
    flags = [film, "-o", tmp_path / "out", "--weights", stages, "--weights", points, "--device", "cpu"]
    assert predict.main([*map(str, flags)]) == 0
    entry = json.loads((tmp_path / "out" / "predictions.json").read_text())[0]
    assert entry["cvm"]["stage"] in range(1, 7) and len(entry["landmarks"]) > 20


def test_points_outside_the_film_are_left_out_and_named(blobs, tmp_path, call, monkeypatch):
    outside_px = np.full((29, 2), 50.0)
    outside_px[SYMBOLS.index("Po")] = (-4.0, 20.0)
    original = predict.Predictor.predict

    def shifted(self, film):
        from dataclasses import replace

        return replace(original(self, film), landmarks_px=outside_px)

    monkeypatch.setattr(predict.Predictor, "predict", shifted)
    assert call(blobs / "test" / "Cephalograms" / "test000.png") == 0
    entry = json.loads((tmp_path / "out" / "predictions.json").read_text())[0]
    assert "Po" not in entry["landmarks"] and len(entry["landmarks"]) == 28 and "Po" in entry["warnings"][0]


def test_a_film_with_nothing_on_it_is_named_with_the_reason(blobs, call, capsys, monkeypatch):
    films = sorted((blobs / "test" / "Cephalograms").iterdir())
    real = predict.read

    def refuse_the_first(predictors, film, name, pixel_size_mm):
        reading = real(predictors, film, name, pixel_size_mm)
        blank = replace(reading, points_px=np.full((29, 2), np.nan), warnings=["No head is on it."])
        return blank if name == films[0].stem else reading

    monkeypatch.setattr(predict, "read", refuse_the_first)
    assert call(*films, "--overlay") == 0
    said = [line for line in capsys.readouterr().out.splitlines() if "No head is on it." in line]
    assert len(said) == 1 and films[0].name in said[0]


@pytest.mark.parametrize(
    ("flags", "message"), [(["nowhere.png"], "nowhere.png"), (["--pixel-size", "0"], "--pixel-size")]
)
def test_mistakes_end_in_one_sentence(blobs, call, capsys, flags, message):
    assert call(blobs / "test" / "Cephalograms", *flags) == 2
    error = capsys.readouterr().err
    assert error.startswith("predict.py: ") and message in error


def test_results_that_cannot_be_written_are_refused_first(blobs, tmp_path, capsys):
    (tmp_path / "taken").write_text("")
    film, weights = blobs / "test" / "Cephalograms" / "test000.png", tmp_path / "w.safetensors"
    for out in ("taken", "taken/below"):
        assert predict.main([str(film), "-o", str(tmp_path / out), "--weights", str(weights)]) == 2
        assert "taken is a file" in capsys.readouterr().err
    make_weights(blobs, weights, "cvm_resnet18")
    assert predict.main([str(film), "-o", str(tmp_path / "out"), "--weights", str(weights), "--annotations"]) == 2
    assert "find landmarks" in capsys.readouterr().err


def test_an_empty_folder_is_refused(tmp_path, call, capsys):
    (tmp_path / "empty").mkdir()
    assert call(tmp_path / "empty") == 2 and "holds no picture" in capsys.readouterr().err


def read_json_of(path: Path) -> list[dict]:
    return json.loads(path.read_text())


def test_stopped_anywhere_it_goes_on(blobs, tmp_path, call, capsys, monkeypatch):
    """The journal of a stopped run is taken up, also with its last line cut; a whole run leaves none."""
    films, whole = blobs / "test" / "Cephalograms", tmp_path / "out" / "predictions.json"
    assert call(films, "--csv", "--json") == 0
    expected = whole.read_bytes(), whole.with_suffix(".csv").read_bytes()
    shutil.rmtree(tmp_path / "out")
    read, seen = predict.read, []

    def stop_at_third(predictors, film, name, size):
        seen.append(name)
        if len(seen) == 3:
            raise KeyboardInterrupt
        return read(predictors, film, name, size)

    monkeypatch.setattr("predict.read", stop_at_third)
    assert call(films, "--csv", "--json") == 130
    journal = tmp_path / "out" / "predictions.unfinished.jsonl"
    journal.write_bytes(journal.read_bytes()[:-20])  # the second film's line is cut
    assert call(films, "--csv", "--json") == 0 and "1 of 4 films were read before" in capsys.readouterr().out
    assert seen == ["test000", "test001", "test002", "test001", "test002", "test003"]
    assert (whole.read_bytes(), whole.with_suffix(".csv").read_bytes()) == expected and not journal.exists()


def test_a_journal_of_another_call_or_of_changed_films_is_not_taken_up(blobs, tmp_path, call, monkeypatch):
    films, read, seen = blobs / "test" / "Cephalograms", predict.read, []

    def stop(predictors, film, name, size):
        seen.append(name)
        if len(seen) == 4:
            raise KeyboardInterrupt
        return read(predictors, film, name, size)

    monkeypatch.setattr("predict.read", stop)
    assert call(films) == 130
    write_png(films / "test001.png", np.full((60, 50), 90, np.uint8))
    assert call(films, "--overlay") == 0 and len(seen) == 4 + 4, "the overlays of the first three are not there"
    seen.clear()
    assert call(films) == 130
    write_png(films / "test000.png", np.full((70, 50), 90, np.uint8))
    assert call(films) == 0 and seen[4:] == ["test000", "test003"]
    assert [entry["height"] for entry in read_json_of(tmp_path / "out" / "predictions.json")] == [70, 60, 120, 120]


def test_shards_are_all_films_once(blobs, tmp_path, call):
    films = blobs / "test" / "Cephalograms"
    assert call(films) == 0
    expected = {entry["film"]: entry for entry in read_json_of(tmp_path / "out" / "predictions.json")}
    for part in (1, 2, 3):
        assert call(films, "--shard", f"{part}/3", "--workers", 2) == 0
    parts = [read_json_of(tmp_path / "out" / f"predictions_{part}of3.json") for part in (1, 2, 3)]
    assert [len(part) for part in parts] == [2, 1, 1]
    assert {entry["film"]: entry for part in parts for entry in part} == expected


@pytest.mark.parametrize("shard", ["0/3", "4/3", "1", "a/b", "1/0"])
def test_a_shard_that_cannot_be_is_refused(blobs, call, capsys, shard):
    with pytest.raises(SystemExit):
        call(blobs / "test" / "Cephalograms", "--shard", shard)
    assert "I/N" in capsys.readouterr().err
