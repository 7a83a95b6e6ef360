"""Intervals that are learnt: they hold what they promise, however the errors of points go together."""

import numpy as np
import pytest

from analysis import factor_key
from anatomy import make_anatomy
from calibration import Calibration
from intervals import (
    cross_held,
    describe_intervals,
    fit_factors,
    interval_halves,
    interval_score,
    interval_scores,
)  # fmt: skip
from measurements import MEASUREMENTS
from privacy import private_texts

FILMS = 60
NAMES = [each.name for each in MEASUREMENTS]


@pytest.fixture(scope="module")
def said():
    """Heads whose points are all off by the same, so that no line turns: points, radii and truth."""
    generator = np.random.default_rng(0)
    truth_px = np.array([make_anatomy(4, generator).landmarks_mm() * 10 + 200 for _ in range(FILMS)])
    shared = generator.normal(size=(FILMS, 1, 2)) * 10
    own = generator.normal(size=truth_px.shape) * 1.0
    return truth_px + shared + own, np.full(truth_px.shape[:2], 10 * 2.4477), truth_px


@pytest.fixture(scope="module")
def scores(said):
    return interval_scores(*said)


def test_errors_that_go_together_make_narrow_intervals(scores):
    assert (scores[~np.isnan(scores)] <= 1).mean() > 0.99, "as drawn they are far too wide"
    factors = fit_factors(scores)
    assert set(factors) == {factor_key(name) for name in NAMES}
    assert all(factors[factor_key(name)] < 0.4 for name in ("Wits", "Occlusal cant", "ANB"))


def test_they_hold_what_they_promise_on_films_that_did_not_teach_them(scores):
    held = cross_held(scores, np.arange(FILMS) % 3)
    assert 0.92 < np.nanmean(held) < 0.99
    scores = np.where(np.arange(len(NAMES)) == NAMES.index("Wits"), np.nan, scores)
    assert "Wits" not in fit_factors(scores)
    assert np.isnan(cross_held(scores, np.arange(FILMS) % 3)[:, NAMES.index("Wits")]).all()


def test_the_command_shows_what_was_gained(said, scores):
    points_px, radius95_px, _ = (each[:12] for each in said)
    halves = [interval_halves(points_px, radius95_px, [0.1] * 12, each)[0] for each in ({}, fit_factors(scores))]
    wits = NAMES.index("Wits")
    assert np.allclose(halves[1][:, wits], halves[0][:, wits] * fit_factors(scores)["Wits"])
    text = describe_intervals(points_px, radius95_px, [None] * 12, scores[:12], np.arange(12) % 3)
    assert "ANB" in text and "Wits" not in text, "films without a pixel size have no lengths"
    assert "too uncertain to read" in text.splitlines()[0]


def test_a_measurement_without_any_truth_is_left_out(said, scores):
    points_px, radius95_px, _ = (each[:6] for each in said)
    scores = np.where(np.arange(len(NAMES)) == NAMES.index("ANB"), np.nan, scores[:6])
    text = describe_intervals(points_px, radius95_px, [0.1] * 6, scores, np.arange(6) % 3)
    assert "SNB" in text and "ANB" not in text


def test_a_score_is_one_at_either_end():
    row = {"value": 170.0, "low95": 160.0, "high95": 190.0, "unit": "deg"}
    for truth, score in ((190.0, 1.0), (160.0, 1.0), (-170.0, 1.0), (165.0, 0.5), (170.0, 0.0)):
        assert interval_score(row, truth) == pytest.approx(score)


def test_factors_travel_with_weights(scores):
    calibration = Calibration(0.5, {"S": 1.0}, FILMS, intervals=fit_factors(scores))
    content = calibration.to_json()
    assert Calibration(**content) == calibration and not list(private_texts(content))
    assert "intervals" not in Calibration(0.5, {"S": 1.0}, FILMS).to_json()
    with pytest.raises(ValueError):
        Calibration(0.5, {"S": 1.0}, FILMS, intervals={"SNA": float("nan")})
