"""Figures of `cvm` and their temperature: probabilities are calibrated by parts that had no say in them."""

import numpy as np
import pytest

from config import make_config
from stage_figures import calibrated, cross_calibrated, cross_figures, fit_temperature, log_loss


def test_temperature_makes_confident_answers_honest():
    generator = np.random.default_rng(0)
    truth = generator.integers(0, 6, 4000)
    named = np.where(generator.random(4000) < 0.6, truth, generator.integers(0, 6, 4000))
    sure = np.full((4000, 6), 0.002)
    sure[np.arange(4000), named] = 0.99
    temperature = fit_temperature(sure, truth)
    assert temperature > 1.5
    mean = calibrated(sure, temperature).max(axis=1).mean()
    assert abs(mean - (named == truth).mean()) < 0.05


def drawn_answers(temperature: float, count: int = 20_000, seed: int = 0):
    """Answers (N, 6), and stages (N,) 0-5 as likely as these answers say at a temperature."""
    generator = np.random.default_rng(seed)
    shares = calibrated(np.exp(generator.normal(size=(count, 6))), 1.0)
    true = calibrated(shares, temperature).cumsum(axis=1)
    return shares, (generator.random((count, 1)) > true).sum(axis=1).clip(max=5)


@pytest.mark.parametrize("temperature", [0.05, 0.3, 0.4, 1.0, 2.5, 8.0])
def test_a_known_temperature_is_found_again(temperature):
    assert fit_temperature(*drawn_answers(temperature)) == pytest.approx(temperature, rel=0.1)


def test_no_stage_has_a_say_in_its_own_probability():
    shares, stages = drawn_answers(0.5, count=60)
    parts = np.arange(60) % 3
    before = cross_calibrated(shares, stages, parts)
    changed = np.where(parts == 1, (stages + 3) % 6, stages)
    after = cross_calibrated(shares, changed, parts)
    assert np.array_equal(before[parts == 1], after[parts == 1])
    assert not np.allclose(before[parts != 1], after[parts != 1])


def test_all_figures_are_of_calibrated_probabilities():
    shares, stages = drawn_answers(0.4, count=4000)
    answers = {"both": np.stack([shares, shares]), "measures": np.stack([shares, shares])}
    parts = np.stack([np.arange(4000) % 5, np.arange(4000) % 5])
    taught = np.arange(4000) < 1000
    config = make_config("cvm", stage_counts=(1, 1, 1, 1, 1, 1))
    figures = cross_figures(answers, parts, stages, taught, config)
    raw = log_loss(shares, stages)
    for row in (*figures["repetitions"], figures["together"], *figures["judgements"].values(), figures["untaught"]):
        assert row["ece"] < 0.05 and row["log_loss"] < 0.9 * raw
    assert figures["untaught"]["films"] == 3000 and figures["films"] == 4000
    assert cross_figures(answers, parts, stages, np.ones(4000, bool), config)["untaught"] == {"films": 0}
