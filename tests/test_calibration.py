"""Radii: 95 % of unseen points lie within, sharp answers get small ones, and the whole way from folds to weights."""

import json
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from small_runs import NETS, run
from small_weights import make_weights

import calibrate
import evaluate
import predict
from calibration import (
    Calibration,
    conformal_quantile,
    coverage,
    cross_coverage,
    fit_calibration,
    quarter_ratio,
    reliability,
    within,
)
from checkpoint import load_model


def draw(films: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Errors of films whose spread tells how large they may be, with landmarks of different difficulty."""
    generator = np.random.default_rng(seed)
    spreads = generator.lognormal(0.0, 0.5, (films, 29))
    difficulty = np.linspace(0.5, 3.0, 29)
    errors = np.hypot(*generator.normal(0, 1, (2, films, 29))) * spreads * difficulty
    return errors, spreads


def test_the_quantile_by_hand():
    scores = np.arange(1.0, 100.0)  # 99 scores: rank ceil(100 * 0.95) = 95
    assert conformal_quantile(np.append(scores, np.nan)) == 95.0
    assert conformal_quantile(np.arange(1.0, 11.0)) == 10.0  # too few to promise 95 %: the largest


def test_unseen_points_are_covered_and_ranked():
    calibration = fit_calibration(*draw(150, 0))
    errors, spreads = draw(2000, 1)
    radii = calibration.radii_net(spreads)
    shares = coverage(within(errors, radii))
    assert 0.94 < shares["pooled"] < 0.97 and min(shares["per_landmark"].values()) > 0.90
    assert quarter_ratio(errors, radii) > 2.5
    assert calibration.factors["Sn"] > 3 * calibration.factors["A"]  # the last landmark is six times harder
    assert Calibration(**json.loads(json.dumps(calibration.to_json()))) == calibration


def test_cross_validated_coverage_does_not_see_its_own_fold():
    errors, spreads = draw(150, 2)
    folds = np.arange(150) % 3
    assert 0.93 < coverage(cross_coverage(errors, spreads, folds))["pooled"] < 0.98
    errors[folds == 0] *= 10  # radii of the others cannot hold these
    covered = cross_coverage(errors, spreads, folds)
    assert np.nanmean(covered[folds == 0]) < 0.3 and np.nanmean(covered[folds == 1]) > 0.97


def test_reliability_sorts_by_radius_and_counts_what_is_held():
    errors, spreads = draw(150, 4)
    radii = fit_calibration(errors, spreads).radii_net(spreads)
    errors[0, 0] = np.nan
    rows = reliability(errors, radii)
    assert len(rows) == 5 and all(0.9 < row["held"] <= 1.0 for row in rows)
    assert sorted(row["radius"] for row in rows) == [row["radius"] for row in rows]
    assert rows[-1]["error"] > rows[0]["error"]
    assert [row["held"] for row in reliability(errors, 0.0 * radii)] == [0.0] * 5
    assert reliability(errors, np.nan * radii) == []


def test_what_is_unknown_is_left_out():
    errors, spreads = draw(60, 3)
    errors[:, 4] = np.nan
    errors[::2, 5] = np.nan
    calibration = fit_calibration(errors, spreads)
    assert "N" not in calibration.factors and len(calibration.factors) == 28
    assert np.isnan(calibration.radii_net(spreads)[:, 4]).all()
    assert "N" not in coverage(within(errors, calibration.radii_net(spreads)))["per_landmark"]
    assert coverage(np.full((3, 29), np.nan)) == {"pooled": None, "per_landmark": None}


def train_folds(blobs, folder, *flags) -> tuple[list[str], Path]:
    """Trains two folds and a model of all films; their runs, and its weights."""
    for fold in range(2):
        assert run(blobs, folder, *flags, "--folds", "2", "--fold", str(fold), "--run", f"fold{fold}") == 0
    assert run(blobs, folder, *flags, "--no-valid", "--schedule", "cosine", "--run", "all") == 0
    return [str(folder / "runs" / f"fold{fold}") for fold in range(2)], folder / "runs" / "all" / "best_model.pth"


def test_from_folds_to_radii_in_every_result(blobs, tmp_path, capsys, monkeypatch):
    flags = [*NETS["landmarks"], "--epochs", "1"]
    runs, weights = train_folds(blobs, tmp_path, *flags)
    out = tmp_path / "shared.safetensors"
    places = ["--dataset", str(blobs), "--cache", str(tmp_path / "cache"), "--device", "cpu"]
    opinions = tmp_path / "opinions.json"
    asked = ["--weights", str(weights), "-o", str(out), "--opinions", str(opinions), *places]
    assert calibrate.main(["--runs", *runs, *asked]) == 0
    assert "8 films, cross-validated" in capsys.readouterr().out
    assert calibrate.main(["--runs", *reversed(runs), *asked]) == 2
    assert "in order" in capsys.readouterr().err
    other = make_weights(blobs, tmp_path / "other.safetensors")
    with monkeypatch.context() as patch:
        patch.setattr(calibrate, "cross_predict", None)  # before any film is read
        for wrong, message in ((tmp_path / "nowhere.pth", "nowhere.pth"), (other, "differ in model")):
            assert calibrate.main(["--runs", *runs, *asked, "--weights", str(wrong)]) == 2
            assert message in capsys.readouterr().err
    assert load_model(out)[2]["calibration"]["intervals"], "how wide intervals must be goes with the weights"

    assert len(json.loads(opinions.read_text())) == 8
    student = [*flags, "--no-valid", "--schedule", "cosine", "--run", "student"]
    assert run(blobs, tmp_path, *student, "--opinions", str(opinions)) == 0
    assert run(blobs, tmp_path, *student, "--epochs", "2", "--new-schedule") == 2
    assert "--opinions" in capsys.readouterr().err

    results = ["--json", str(tmp_path / "e.json"), "--pictures", str(tmp_path / "pictures"), "--worst", "0"]
    assert evaluate.main([*places, "--weights", str(out), *results]) == 0
    assert [path.name for path in (tmp_path / "pictures").iterdir()] == ["reliability.png"]
    radii = json.loads((tmp_path / "e.json").read_text())["landmarks"]["coverage95"]
    assert 0 <= radii["pooled"] <= 1 and len(radii["per_landmark"]) == 29
    film = str(blobs / "test" / "Cephalograms" / "test000.png")
    for pixel_size, key in (([], "radius95_px"), (["--pixel-size", "0.1"], "radius95_mm")):
        assert (
            predict.main([film, "-o", str(tmp_path / "p"), "--weights", str(out), "--device", "cpu", *pixel_size]) == 0
        )
        entry = json.loads((tmp_path / "p" / "predictions.json").read_text())[0]
        assert all(point[key] > 0 for point in entry["landmarks"].values())
        assert all(row["low95"] <= row["high95"] for row in entry["measurements"].values())


def test_experts_points_are_ranked_apart_from_readers(capsys):
    """Readers' points are harder: together with experts' they make radii look better at ranking than they are."""
    rng = np.random.default_rng(0)
    by_reader = np.zeros((60, 29), dtype=bool)
    spreads_net = np.ones((60, 29))
    errors_net = rng.uniform(1.0, 2.0, (60, 29))
    crossed = SimpleNamespace(by_reader=lambda: by_reader, folds=np.arange(60) % 3)
    calibrate.show_coverage(crossed, errors_net, spreads_net, fit_calibration(errors_net, spreads_net))
    assert "experts" not in capsys.readouterr().out, "nothing to set apart"
    by_reader[:, 20:], spreads_net[:, 20:] = True, 10.0
    errors_net[:, 20:] *= 10.0
    calibrate.show_coverage(crossed, errors_net, spreads_net, fit_calibration(errors_net, spreads_net))
    together, experts = (float(each) for each in re.findall(r"([\d.]+) times", capsys.readouterr().out))
    assert together > 5.0 and 0.8 < experts < 1.5


@pytest.mark.parametrize("model", ["cephnet", "cvm_resnet18", "vertebrae"])
def test_runs_without_heatmaps_of_landmarks_are_refused(blobs, tmp_path, capsys, model):
    runs = [tmp_path / f"fold{fold}" for fold in range(2)]
    for each in runs:
        make_weights(blobs, each / "checkpoint_epoch_1.pth", model)
    asked = ["--opinions", str(tmp_path / "o.json"), "--dataset", str(blobs), "--cache", str(tmp_path / "cache")]
    assert calibrate.main(["--runs", *map(str, runs), *asked, "--device", "cpu"]) == 2
    assert f"fold0 is a run of {model}, which has no heatmaps of landmarks" in capsys.readouterr().err


@pytest.mark.parametrize(("flags", "message"), [(["-o", "x.pth"], "safetensors"), (["--runs", "one"], "at least 2")])
def test_mistakes_end_in_one_sentence(blobs, tmp_path, capsys, flags, message):
    base = ["--runs", "a", "b", "--weights", "w.pth", "-o", str(tmp_path / "x.safetensors"), "--dataset", str(blobs)]
    assert calibrate.main([*base, *flags]) == 2
    assert message in capsys.readouterr().err
