"""predict.py: every film its results, a broken one its sentence, files that load back."""

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import write_blob_dataset
from test_evaluate import make_weights

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
