"""evaluate.py: the weights say which model, the figures are those of scoring, the drawing is in film pixels."""

import json

import cv2
import numpy as np
import pytest
import torch
from conftest import write_blob_dataset
from test_films import SENIOR, edit

import evaluate
from checkpoint import save_checkpoint, save_weights
from config import SYMBOLS, make_config
from dataset import describe_data
from films import scan_split
from model import build_model
from report import compare_annotators
from visualize import PREDICTION_COLOUR, TRUTH_COLOUR, contact_sheet, draw_film

LANDMARK_KEYS = {"count", "mre_mm", "mre_sd_mm", "mre_px", "mre_px256", "sdr", "per_landmark", "per_machine", "coverage95"}
STAGE_KEYS = {"accuracy", "macro_f1", "qwk", "mae", "within_one", "ece", "confusion"}


def make_weights(blobs, path, model="cephnet", split="train"):
    config = describe_data(make_config(model, image_size=(48, 32), pretrained=False), scan_split(blobs, split))
    torch.manual_seed(0)
    network = build_model(config)
    if path.suffix == ".pth":
        save_checkpoint(path, {"model": network.state_dict(), "config": config.to_json(), "facts": {}})
    else:
        save_weights(path, network, config, {})
    return path


@pytest.fixture
def call(blobs, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return lambda *flags: evaluate.main(["--dataset", str(blobs), "--device", "cpu", *map(str, flags)])


def test_json_has_every_key_of_the_design(blobs, tmp_path, call, capsys):
    weights = make_weights(blobs, tmp_path / "both.safetensors")
    assert call("--weights", weights, "--json", tmp_path / "out.json", "--csv", tmp_path / "out.csv") == 0
    figures = json.loads((tmp_path / "out.json").read_text())
    assert {"model", "weights", "dataset", "split", "films", "landmarks", "cvm"} <= set(figures)
    assert (figures["model"], figures["dataset"], figures["split"], figures["films"]) == ("cephnet", "blobs", "test", 4)
    assert set(figures["landmarks"]) >= LANDMARK_KEYS and set(figures["cvm"]) >= STAGE_KEYS
    assert set(figures["landmarks"]["per_landmark"]) == set(SYMBOLS)
    assert np.array(figures["cvm"]["confusion"]).shape == (6, 6)
    assert len((tmp_path / "out.csv").read_text().splitlines()) == 1 + 4 * 29
    out = capsys.readouterr().out
    assert str(weights) in out and f"{figures['landmarks']['mre_mm']:.3f}" in out and "annotators to each other" in out
    assert cv2.imread("pictures/worst_films.png") is not None


def test_checkpoints_and_shared_weights_say_the_same(blobs, tmp_path, call):
    results = []
    for name in ("run/best_model.pth", "shared.safetensors"):
        make_weights(blobs, tmp_path / name)
        assert call("--weights", tmp_path / name, "--json", tmp_path / "out.json", "--worst", 0) == 0
        results.append(json.loads((tmp_path / "out.json").read_text()))
    assert results[0]["landmarks"] == results[1]["landmarks"] and results[0]["cvm"] == results[1]["cvm"]


def test_the_newest_run_is_taken_and_named(blobs, tmp_path, call, capsys):
    make_weights(blobs, tmp_path / "checkpoints" / "cephnet" / "best_model.pth")
    assert call() == 0
    assert "best_model.pth" in capsys.readouterr().out


def test_annotators_are_compared_by_hand(blobs):
    films = scan_split(blobs, "test")

    class Answer:
        def __init__(self, film):
            self.landmarks_px, self.film_size = film.annotators_px[0], (96, 120)

    table = compare_annotators(films, [Answer(film) for film in films])
    apart_mm = np.mean([np.hypot(2, 2) * size for size in (0.25, 0.5)])
    assert table["senior"]["mean_mm"] == 0 and table["annotators"]["mean_mm"] == pytest.approx(apart_mm)
    assert table["junior"]["mean_mm"] == pytest.approx(apart_mm) and table["mean"]["mean_mm"] == pytest.approx(apart_mm / 2)


def test_one_film_is_drawn_with_truth_at_the_truth(blobs, tmp_path, call, capsys):
    weights = make_weights(blobs, tmp_path / "w.safetensors")
    assert call("--weights", weights, "--visualize-index", 2) == 0
    assert "test002" in capsys.readouterr().out
    picture = cv2.imread("pictures/film_test002.png")
    assert picture.shape == (120, 96, 3)


def test_drawing_puts_both_kinds_where_they_are():
    truth_px, predicted_px = np.full((29, 2), np.nan), np.full((29, 2), np.nan)
    truth_px[3], predicted_px[3] = (400.0, 700.0), (500.0, 620.0)
    picture = draw_film(np.full((800, 640), 60, np.uint8), predicted_px, truth_px)
    where = {}
    for name, colour in (("truth", TRUTH_COLOUR), ("prediction", PREDICTION_COLOUR)):
        rows, columns = (np.abs(picture.astype(int) - colour).sum(axis=2) < 90).nonzero()
        below_legend = rows > 100
        where[name] = columns[below_legend].mean(), rows[below_legend].mean()
    assert where["truth"] == pytest.approx((400, 700), abs=1.5) and where["prediction"] == pytest.approx((500, 620), abs=1)


def test_a_contact_sheet_has_a_cell_for_each():
    sheet = contact_sheet([(np.full((100, 50, 3), 200, np.uint8), "a")] * 4, columns=3, height_px=60)
    assert sheet.shape == (2 * 86, 3 * 30, 3)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--weights", "nowhere.pth"], "nowhere.pth"),
        (["--visualize-index", "99"], "films 0 to 3"),
        (["--worst", "-1"], "--worst"),
        ([], "train first"),
    ],
)
def test_mistakes_end_in_one_sentence(blobs, tmp_path, call, capsys, flags, message, monkeypatch):
    monkeypatch.setattr(evaluate, "default_weights", lambda output: __import__("inference").default_weights(output, tmp_path / "no"))
    if "--weights" not in flags and flags:
        flags = [*flags, "--weights", str(make_weights(blobs, tmp_path / "w.safetensors"))]
    assert call(*flags) == 2
    error = capsys.readouterr().err.strip()
    assert error.startswith("evaluate.py: ") and message in error and "Traceback" not in error


def test_films_without_the_right_truth_are_refused(blobs, tmp_path, call, capsys):
    weights = make_weights(blobs, tmp_path / "w.safetensors", "landmarks")
    bare = write_blob_dataset(tmp_path / "bare", {"test": 3}, points=0)
    assert evaluate.main(["--dataset", str(bare), "--weights", str(weights), "--device", "cpu"]) == 2
    assert "no labels" in capsys.readouterr().err


def test_the_official_truth_is_said(blobs, tmp_path, call, capsys):
    weights = make_weights(blobs, tmp_path / "w.safetensors", "landmarks")
    edit(blobs / SENIOR.replace("train", "test") / "test000.json", lambda c: c["landmarks"][0]["value"].update(x=50))
    assert call("--weights", weights, "--truth", "official", "--worst", 0) == 0
    assert "ceil of the annotators' mean" in capsys.readouterr().out
