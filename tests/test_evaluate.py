"""evaluate.py: the weights say which model, the figures are those of scoring, the drawing is in film pixels."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from conftest import write_blob_dataset
from label_faults import SENIOR, edit
from small_weights import make_weights

import evaluate
from config import LANDMARK_INDEX, SYMBOLS, make_config
from films import scan_split
from images import read_film
from inference import default_weights, load_predictor
from report import compare_annotators, describe_annotators, describe_headline, published_row
from scoring import LandmarkErrors, measure_errors, score_films
from visualize import TRUTH_COLOUR

REQUIRED = {"count", "mre_mm", "mre_sd_mm", "mre_px", "mre_px256", "sdr", "per_landmark", "per_machine"}
LANDMARK_KEYS = REQUIRED | {"coverage95"}
STAGE_KEYS = {"accuracy", "macro_f1", "qwk", "mae", "within_one", "ece", "confusion"}


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
    assert table["junior"]["mean_mm"] == pytest.approx(apart_mm)
    assert table["mean"]["mean_mm"] == pytest.approx(apart_mm / 2) and table["points"] == 4 * 29


def test_one_film_is_drawn_with_truth_at_the_truth(blobs, tmp_path, call, capsys):
    weights = make_weights(blobs, tmp_path / "w.safetensors")
    assert call("--weights", weights, "--visualize-index", 2) == 0
    assert "test002" in capsys.readouterr().out
    film = scan_split(blobs, "test")[2]
    picture = cv2.imread(f"pictures/film_{film.film_id}.png")
    assert picture.shape == (120, 96, 3)
    # Green lies at the truth and nowhere else; dots and letters may hide a few rings of so small a film.
    green = picture[..., 1].astype(int) - picture[..., 2] > 60
    assert TRUTH_COLOUR[1] - TRUTH_COLOUR[2] > 60
    near, found = np.zeros_like(green), []
    for x, y in np.rint(film.truth_px()).astype(int):
        near[max(y - 2, 0) : y + 3, max(x - 2, 0) : x + 3] = True
        found.append(green[max(y - 2, 0) : y + 3, max(x - 2, 0) : x + 3].any())
    below_legend = 12
    assert np.mean(found) > 0.8 and not (green & ~near)[below_legend:].any()


def test_the_order_of_the_folder_does_not_matter(blobs, tmp_path, call, capsys, monkeypatch):
    weights = make_weights(blobs, tmp_path / "w.safetensors")
    listed = Path.iterdir
    monkeypatch.setattr(Path, "iterdir", lambda self: iter(sorted(listed(self), reverse=True)))
    assert call("--weights", weights, "--visualize-index", 1) == 0
    assert "Film 1 (test001)" in capsys.readouterr().out


def test_the_headline_is_the_mean_over_points_by_hand(blobs, tmp_path, call):
    weights = make_weights(blobs, tmp_path / "w.safetensors")
    assert call("--weights", weights, "--json", "out.json", "--worst", 0) == 0
    predictor = load_predictor(weights, torch.device("cpu"))
    errors_mm = []
    for film in scan_split(blobs, "test"):
        apart_px = predictor.predict(read_film(film.image_path)).landmarks_px - film.annotators_px.mean(axis=0)
        errors_mm += list(np.sqrt((apart_px**2).sum(axis=1)) * film.pixel_size_mm)
    figures = json.loads(Path("out.json").read_text())["landmarks"]
    assert figures["mre_mm"] == pytest.approx(np.mean(errors_mm), abs=1e-4) and figures["count"] == len(errors_mm)
    assert figures["sdr"]["4.0"] == pytest.approx(100 * np.mean(np.array(errors_mm) <= 4), abs=1e-6)


def test_the_seed_moves_the_interval_alone(blobs, tmp_path, call):
    weights, results = make_weights(blobs, tmp_path / "w.safetensors"), []
    for seed in (0, 1, 1):
        assert call("--weights", weights, "--json", "out.json", "--worst", 0, "--split", "train", "--seed", seed) == 0
        results.append(json.loads(Path("out.json").read_text())["landmarks"])
    intervals = [result.pop("mre_mm_interval95") for result in results]
    assert intervals[0] != intervals[1] == intervals[2] and results[0] == results[1]


def test_the_seed_reaches_the_figures_of_necks(call, monkeypatch):
    seeds, nothing = [], {"vertebrae": None, "cvm": None}
    predictor = SimpleNamespace(config=make_config("vertebrae"), cervical=None)
    monkeypatch.setattr(evaluate, "load_predictor", lambda *_: predictor)
    monkeypatch.setattr(evaluate, "read_necks", lambda *_: [])
    monkeypatch.setattr(evaluate, "score_cervical", lambda *given: seeds.append(given[-1]) or nothing)
    assert call("--weights", "any", "--seed", 7) == 2 and seeds == [7]


def test_the_worst_films_are_in_the_order_of_what_is_written_below_them():
    errors_mm, errors_px256 = np.full((3, 29), np.nan), np.full((3, 29), np.nan)
    errors_mm[:, 0], errors_px256[:, 0] = (1.0, 3.0, 2.0), (9.0, 5.0, 7.0)
    errors = LandmarkErrors(errors_px256, errors_mm, errors_mm, errors_px256, *np.zeros((2, 3, 29), dtype=bool))
    assert evaluate.rank_films(errors) == ([(1, 3.0), (2, 2.0), (0, 1.0)], "mm")
    errors_mm[2, 0] = np.nan  # without a pixel size, millimetres cannot rank all films
    assert evaluate.rank_films(errors) == ([(0, 9.0), (2, 7.0), (1, 5.0)], "px of 256")


def test_errors_scaled_by_sella_nasion_do_not_depend_on_the_pixel_size(blobs, tmp_path):
    """The pixel sizes of about half of Aariz's test films cannot be true."""
    weights, results = make_weights(blobs, tmp_path / "w.safetensors"), []
    for factor in (1.0, 2.0):
        films = [replace(film, pixel_size_mm=0.1 * factor) for film in scan_split(blobs, "test")]
        predictor = load_predictor(weights, torch.device("cpu"))
        predictions = [predictor.predict(read_film(film.image_path)) for film in films]
        results.append(score_films(films, predictions, predictor.config)["landmarks"])
    assert results[1]["mre_mm"] == pytest.approx(2 * results[0]["mre_mm"])
    assert results[0]["sn_scaled"] == results[1]["sn_scaled"]
    film, found = films[0], predictions[0].landmarks_px
    truth_px = film.annotators_px.mean(axis=0)
    share = np.hypot(*(found - truth_px).T) / np.hypot(*(truth_px[LANDMARK_INDEX["S"]] - truth_px[LANDMARK_INDEX["N"]]))
    one = score_films(films[:1], predictions[:1], predictor.config)["landmarks"]["sn_scaled"]["mre_mm"]
    assert one == pytest.approx(71 * share.mean())


def test_a_head_that_was_taught_no_stage_is_not_judged(tmp_path, call):
    """A model with two heads learns from films without stages; its stages would be named at random."""
    bare = write_blob_dataset(tmp_path / "bare", {"train": 4}, stages=False)
    weights = make_weights(bare, tmp_path / "w.safetensors")
    assert call("--weights", weights, "--json", "out.json", "--worst", 0) == 0
    figures = json.loads(Path("out.json").read_text())
    assert figures["cvm"] is None and figures["landmarks"]["count"] == 4 * 29


def test_without_a_pixel_size_all_tables_are_in_pixels(blobs, tmp_path):
    films = [replace(film, pixel_size_mm=None) for film in scan_split(blobs, "test")]
    predictor = load_predictor(make_weights(blobs, tmp_path / "w.safetensors"), torch.device("cpu"))
    predictions = [predictor.predict(read_film(film.image_path)) for film in films]
    landmarks = score_films(films, predictions, predictor.config)["landmarks"]
    assert "no film has a pixel size" in describe_headline(landmarks)
    table = compare_annotators(films, predictions)
    assert table["annotators"]["mean_px"] == pytest.approx(np.hypot(2, 2)) and table["annotators"]["mean_mm"] is None
    assert "mean px" in describe_annotators(table)
    row = published_row({"model": "m", "dataset": "d", "split": "test", "films": 4, "landmarks": landmarks})
    assert f"{np.nanmean(measure_errors(films, predictions).px):.2f} px" in row


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--weights", "nowhere.pth"], "nowhere.pth"),
        (["--visualize-index", "99"], "films 0 to 3"),
        (["--worst", "-1"], "--worst"),
        (["--seed", "-1"], "--seed"),
        (["--json", "taken/out.json"], "taken is a file"),
        (["--csv", "folder"], "is a folder"),
        ([], "train first"),
    ],
)
def test_mistakes_end_in_one_sentence(blobs, tmp_path, call, capsys, flags, message, monkeypatch):
    monkeypatch.setattr(evaluate, "default_weights", lambda output: default_weights(output, tmp_path / "no"))
    Path("taken").write_text("")
    Path("folder").mkdir()
    if "--weights" not in flags and flags:
        flags = [*flags, "--weights", str(make_weights(blobs, tmp_path / "w.safetensors"))]
    assert call(*flags) == 2
    error = capsys.readouterr().err.strip()
    assert error.startswith("evaluate.py: ") and message in error and "Traceback" not in error


@pytest.mark.parametrize("model", ["landmarks", "cvm_resnet18"])
def test_films_without_the_right_truth_are_refused_at_once(blobs, tmp_path, call, capsys, model, monkeypatch):
    weights = make_weights(blobs, tmp_path / "w.safetensors", model)
    monkeypatch.setattr(evaluate, "FilmCache", None)  # before any film is prepared or judged
    lacks = {"points": 0} if model == "landmarks" else {"stages": False}
    bare = write_blob_dataset(tmp_path / "bare", {"test": 3}, **lacks)
    assert evaluate.main(["--dataset", str(bare), "--weights", str(weights), "--device", "cpu"]) == 2
    assert "no labels" in capsys.readouterr().err
    assert evaluate.main(["--dataset", str(bare), "--weights", str(weights), "--visualize-index", "0"]) == 0


def test_the_official_truth_is_said(blobs, tmp_path, call, capsys):
    weights = make_weights(blobs, tmp_path / "w.safetensors", "landmarks")
    edit(blobs / SENIOR.replace("train", "test") / "test000.json", lambda c: c["landmarks"][0]["value"].update(x=50))
    assert call("--weights", weights, "--truth", "official", "--worst", 0) == 0
    assert "ceil of the annotators' mean" in capsys.readouterr().out
