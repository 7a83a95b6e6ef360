"""Figures against hand values."""

import numpy as np
import pytest

from metrics import (
    bootstrap_interval,
    calibration_error,
    majority_figures,
    mean_and_deviation,
    radial_error,
    stage_figures,
    stage_intervals,
    success_rate,
    success_rates,
)


def test_radial_error_by_hand():
    predicted = np.array([[3.0, 4.0], [1.0, 1.0], [np.nan, 0.0]])
    errors = radial_error(predicted, np.array([[0.0, 0.0], [1.0, 1.0], [0.0, 0.0]]))
    assert errors[:2].tolist() == [5.0, 0.0] and np.isnan(errors[2])


def test_a_success_is_at_most_the_limit():
    errors_mm = np.array([1.0, 2.0, 2.0001, 4.0, np.nan])
    assert success_rate(errors_mm, 2.0) == 50.0
    assert success_rates(errors_mm) == {"2.0": 50.0, "2.5": 75.0, "3.0": 75.0, "4.0": 100.0}


def test_missing_errors_are_skipped_not_zero():
    assert mean_and_deviation(np.array([[1.0, np.nan], [3.0, np.nan]])) == (2.0, 1.0)
    assert np.isnan(mean_and_deviation(np.array([np.nan]))).all() and np.isnan(success_rate(np.array([np.nan]), 2))


def test_bootstrap_draws_whole_films_and_repeats():
    per_film = np.repeat(np.arange(30.0)[:, None], 19, axis=1)
    low, high = bootstrap_interval(per_film, np.mean)
    assert (low, high) == bootstrap_interval(per_film, np.mean) != bootstrap_interval(per_film, np.mean, seed=1)
    # 30 independent films, not 570 points: the standard error is 8.66 / sqrt(30).
    assert (high - low) / 2 == pytest.approx(1.96 * 8.655 / np.sqrt(30), rel=0.15) and low < 14.5 < high


def test_the_intervals_of_stages_follow_the_seed(monkeypatch):
    monkeypatch.setattr("metrics.bootstrap_interval", lambda pairs, statistic, draws, seed: (seed, statistic(pairs)))
    truth = np.array([1, 2, 3, 4])
    names = ("accuracy", "macro_f1", "qwk", "within_one")
    assert stage_intervals(truth, truth, 7) == {name: [7, 1.0] for name in names}


def test_stage_figures_by_hand():
    truth, predicted = np.array([1, 2, 3, 4, 5, 6]), np.array([1, 2, 4, 4, 5, 4])
    figures = stage_figures(predicted, truth, np.eye(6)[predicted - 1])
    assert figures["accuracy"] == pytest.approx(4 / 6) and figures["mae"] == pytest.approx(0.5)
    assert figures["within_one"] == pytest.approx(5 / 6)
    assert figures["macro_f1"] == pytest.approx((1 + 1 + 0 + 0.5 + 1 + 0) / 6)
    weights = np.subtract.outer(np.arange(6), np.arange(6)) ** 2
    confusion = np.array(figures["confusion"])
    expected = np.outer(confusion.sum(axis=1), confusion.sum(axis=0)) / 6
    assert figures["qwk"] == pytest.approx(1 - (weights * confusion).sum() / (weights * expected).sum())
    assert confusion[2, 3] == 1 and confusion[5, 3] == 1 and figures["ece"] == pytest.approx(2 / 6)


def test_a_perfect_and_a_constant_answer():
    truth = np.array([4, 5, 5, 6])
    assert stage_figures(truth, truth, np.eye(6)[truth - 1])["qwk"] == 1.0
    majority = majority_figures(truth, (0, 1, 1, 3, 9, 2))
    assert majority["accuracy"] == 0.5 and majority["qwk"] == 0.0 and majority["within_one"] == 1.0
    assert stage_figures(np.full(3, 5), np.full(3, 5), np.eye(6)[[4, 4, 4]])["qwk"] == 1.0


def test_calibration_error_by_hand():
    probabilities = np.tile([0.8, 0.2, 0, 0, 0, 0], (10, 1))
    truth = np.array([1] * 6 + [2] * 4)
    assert calibration_error(probabilities, truth) == pytest.approx(0.2)
