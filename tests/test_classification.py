"""The challenge's classes and their rates, by hand; perfect points are always right."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks import classification
from benchmarks.classification import MEASURED, classes_of, classify, make_table, predict_classes, success_rates
from films import scan_split


@pytest.mark.parametrize(
    ("name", "values"),
    [("ANB", (3.1, 3.2, 5.8)), ("SNB", (74.5, 78.7, 78.8)), ("SNA", (79.3, 83.2, 83.3)), ("ODI", (68.3, 70, 80.6)),
     ("APDI", (77.5, 77.6, 85.3)), ("FHI", (64.9, 70, 75.1)), ("FMA", (26.7, 26.8, 31.5)), ("MW", (-0.1, 2.0, 4.6))],
)  # fmt: skip
def test_classes_by_the_rules(name, values):
    assert [classify(name, value) for value in values] == [0, 1, 2]
    assert name != "MW" or [classify(name, value) for value in (0.0, 1.9)] == [3, 3]


def test_rates_by_hand():
    true, guess = np.array([1, 1, 1, 1, 2, 2]), np.array([1, 1, 1, 0, 2, 1])
    by_film, by_class = success_rates(true, guess)
    assert by_film == pytest.approx(100 * 4 / 6) and by_class == pytest.approx(100 * (3 / 4 + 1 / 2) / 2)


def test_true_points_are_always_in_their_class(drawn_phantoms):
    films = scan_split(drawn_phantoms, "test")
    truth = np.array([classes_of(film.truth_px(), film.pixel_size_mm) for film in films])
    table = make_table(films, truth)
    assert [line.split("|")[1].strip() for line in table.splitlines()[2:]] == [*MEASURED, "mean"]
    assert "| mean | | **100.0** | **100.0** |" in table
    missed = make_table(films, np.full_like(truth, -1))
    assert "| mean | | **0.0** | **0.0** |" in missed


def test_without_a_second_annotator_there_is_no_agreement(drawn_phantoms):
    films = scan_split(drawn_phantoms, "test")
    alone = [replace(film, annotators_px=film.annotators_px * [[[1.0]], [[np.nan]]]) for film in films]
    truth = np.array([classes_of(film.truth_px(), film.pixel_size_mm) for film in alone])
    assert {line.split("|")[5].strip(" *") for line in make_table(alone, truth).splitlines()[2:]} == {"nan"}
    agreed = make_table([*films, alone[0]], np.vstack([truth, truth[:1]])).splitlines()
    assert [line.split("|")[5] for line in agreed[2:]] == [
        line.split("|")[5] for line in make_table(films, truth).splitlines()[2:]
    ]


def test_films_are_read_as_the_predictor_says(drawn_phantoms):
    films = scan_split(drawn_phantoms, "test")

    class Oracle:
        def __init__(self):
            self.waiting = list(films)

        def predict(self, film):
            self.landmarks_px = self.waiting.pop(0).truth_px()
            return self

    expected = np.array([classes_of(film.truth_px(), film.pixel_size_mm) for film in films])
    assert (predict_classes(films, Oracle()) == expected).all()


def test_mistakes_end_in_one_sentence(tmp_path, capsys):
    assert classification.main(["--dataset", str(tmp_path), "--weights", str(tmp_path / "no.safetensors")]) == 2
    assert capsys.readouterr().err.startswith("classification: ")
