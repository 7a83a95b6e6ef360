"""The benchmark that says what the annotators' habits cost."""

from dataclasses import replace

import numpy as np
import pytest
from known_prediction import predict_known

from benchmarks.drift import describe, offsets_of_experts, unshifted
from films import scan_split


def test_a_shift_of_all_films_is_taken_away_and_nothing_else():
    generator = np.random.default_rng(0)
    own_mm = generator.normal(0, 1, (200, 29, 2))
    own_mm -= own_mm.mean(axis=0)
    left_mm = unshifted(own_mm + [1.5, -2.0])
    assert left_mm == pytest.approx(own_mm * 200 / 199)  # each film's own part is not in the mean of the others
    alone = np.full((1, 29, 2), 3.0)
    assert np.array_equal(unshifted(alone), alone)


def test_points_that_are_missing_say_nothing_of_the_others():
    offsets_mm = np.ones((4, 29, 2))
    offsets_mm[0, 3] = np.nan
    left_mm = unshifted(offsets_mm)
    assert np.isnan(left_mm[0, 3]).all() and np.abs(np.delete(left_mm[:, 3], 0, axis=0)).max() < 1e-12


def test_predictions_to_one_side_are_reported_as_drift(blobs):
    films = scan_split(blobs, "valid")
    predictions = [
        replace(predict_known((96, 120), film.truth_px()), landmarks_px=film.truth_px() + [0.0, 8.0]) for film in films
    ]
    assert offsets_of_experts(films, predictions)[:, :, 1] == pytest.approx(8.0)
    before, after = describe(films, predictions).splitlines()[2:4]
    assert float(before.split("|")[2]) > 0 and float(after.split("|")[2]) < float(before.split("|")[2]) / 2
