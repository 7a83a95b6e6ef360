"""The command that fits the rules' thresholds: its rules are those of the reader, and it finds what made the stages."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks import fit_thresholds as command
from benchmarks.fit_thresholds import COLUMN, cross_validated, fit_thresholds, rule_stages
from vertebrae_geometry import BODIES, BORDERS, MEASURES, Thresholds, all_measures, shape_of, stage_by_rule

NECK = np.array([
    [172.1, 118.4], [192.7, 121.5], [225.2, 139.4], [167.1, 132.6], [217.1, 161.6], [154.0, 180.1], [175.7, 184.4],
    [208.8, 204.1], [148.8, 192.1], [198.2, 224.8], [133.2, 240.0], [154.7, 245.5], [186.2, 265.6],
])  # fmt: skip


def test_its_rules_are_the_readers():
    generator = np.random.default_rng(0)
    necks = NECK + generator.normal(size=(300, 13, 2)) * 3.0
    limits = replace(Thresholds(), square=0.7, vertical=0.78)
    for points, named in zip(necks, rule_stages(all_measures(necks), limits), strict=True):
        values = all_measures(points)
        hollow = {body: values[k] >= limits.concave[k] for k, body in enumerate(BORDERS)}
        assert stage_by_rule(hollow, {body: shape_of(points, body, limits) for body in BODIES})[0] == named


def made_measures(count: int) -> np.ndarray:
    """(N, M) measures in which every stage of the rules occurs."""
    generator = np.random.default_rng(1)
    measures = generator.uniform(0.5, 1.1, size=(count, len(MEASURES)))
    for body in BORDERS:
        measures[:, COLUMN[f"concavity_{body}"]] = generator.uniform(0.0, 0.3, count)
    return measures


def test_it_finds_the_thresholds_that_made_the_stages():
    measures, true = made_measures(800), Thresholds((0.05, 0.07, 0.09), 0.8, 0.75, 0.9)
    stages = rule_stages(measures, true)
    assert set(stages) == set(range(1, 7))
    fitted = fit_thresholds(measures, stages)
    assert np.allclose(fitted.concave, true.concave, atol=0.006)
    assert fitted.square == pytest.approx(0.75, abs=0.015) and fitted.vertical == pytest.approx(0.9, abs=0.015)
    assert (cross_validated(measures, stages) == stages).mean() > 0.9


def test_no_fold_begins_at_thresholds_that_were_fitted_to_what_it_is_judged_by(monkeypatch):
    """The reader's thresholds, which are `Thresholds()`, were fitted to all crops."""
    measures = made_measures(120)
    stages = rule_stages(measures, Thresholds((0.05, 0.07, 0.09), 0.8, 0.75, 0.9))

    def made_of_numbers(*given, **named):
        assert given or named, "the reader's thresholds were asked for"
        return Thresholds(*given, **named)

    monkeypatch.setattr(command, "Thresholds", made_of_numbers)
    monkeypatch.setattr(command, "ROUNDS", 1)
    assert cross_validated(measures, stages).min() >= 1
    assert command.START != Thresholds()
