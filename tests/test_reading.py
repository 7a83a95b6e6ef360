"""A reading: what the user moves is marked as the user's, and every measurement says on whose points it rests."""

import numpy as np
import pytest
from known_reading import make_reading

from config import LANDMARK_INDEX, SYMBOLS, make_config
from geometry import Letterbox
from head import HeadFrame
from inference import Prediction
from norms import NORM_CHOICES, NORM_SETS, NORMS
from reading import OUTSIDE, describe_reading, read
from words import say


def test_a_moved_point_is_the_users_and_has_no_radius():
    reading = make_reading()
    moved = reading.corrected({"A": (1500.0, 1100.0)})
    index = LANDMARK_INDEX["A"]
    assert moved.edited.tolist() == [symbol == "A" for symbol in SYMBOLS] and not reading.edited.any()
    assert moved.points_px[index].tolist() == [1500.0, 1100.0] and np.isnan(moved.radius95_px[index])
    assert describe_reading(moved, "film.png")["landmarks"]["A"]["radius95_mm"] is None
    before, after = reading.measurements(), moved.measurements()
    assert after["SNA"]["edited"] == ["A"] and before["SNA"]["edited"] == [] and after["SNB"] == before["SNB"]
    assert after["SNA"]["value"] != before["SNA"]["value"]


def test_a_users_point_adds_nothing_to_an_interval():
    reading = make_reading()
    index = LANDMARK_INDEX["A"]
    same_place = reading.corrected({"A": tuple(reading.points_px[index])})
    wide, narrow = (each.measurements()["SNA"] for each in (reading, same_place))
    assert narrow["value"] == wide["value"]
    assert 0 < narrow["high95"] - narrow["low95"] < 0.9 * (wide["high95"] - wide["low95"])
    all_moved = reading.corrected({symbol: tuple(reading.points_px[LANDMARK_INDEX[symbol]]) for symbol in "SNA"})
    assert all_moved.measurements()["SNA"]["low95"] is None and all_moved.measurements()["SNB"]["low95"] is not None


def test_weights_that_know_how_wide_intervals_are_say_so():
    wide, narrow = (
        make_reading(radius_px=40.0, interval_factors=factors).measurements() for factors in ({}, {"SNA": 0.2})
    )
    assert (wide["SNA"]["level"], narrow["SNA"]["level"]) == ("unsure", "normal") and wide["SNB"] == narrow["SNB"]


def test_measurements_name_their_reader_taught_points():
    table = make_reading().measurements()
    assert table["Co-Gn"]["reader_taught"] == ["Co"] and table["U1-NA"]["reader_taught"] == ["UIA"]
    assert table["SNA"]["reader_taught"] == [] and table["SNA"]["points"] == ["S", "N", "A"]


def test_without_radii_there_are_values_and_no_intervals():
    table = make_reading(radius95_px=np.full(29, np.nan)).measurements()
    assert len(table) > 50 and all(row["low95"] is None for row in table.values())


@pytest.mark.parametrize("choice", NORM_CHOICES)
def test_norm_sets_are_chosen_and_say_for_whom_they_hold(choice):
    holds_for, preferred = NORM_CHOICES[choice]
    assert holds_for and set(preferred) <= set(NORM_SETS)
    table = make_reading().measurements(choice)
    assert len(table) > 50
    for name, row in table.items():
        offered = {norm.norm_set for norm in NORMS if norm.measurement == name}
        assert row["norm_set"] in offered
        assert not offered & set(preferred) or row["norm_set"] in preferred
        assert (row["source"], row["holds_for"]) == NORM_SETS[row["norm_set"]]
        if row["sd"] is None:
            assert row["deviation"] is None and row["norm_low"] < row["norm_high"]
        else:
            assert row["value"] == pytest.approx(row["norm"] + row["deviation"] * row["sd"])
            beside = "low" if row["deviation"] < -1 else "high" if row["deviation"] > 1 else "normal"
            assert row["level"] in (beside, "unsure")


def test_chosen_norms_change_the_reading_not_the_value():
    by_steiner, by_isbi = (make_reading().measurements(choice)["SNB"] for choice in ("Default", "ISBI 2015"))
    assert by_steiner["value"] == by_isbi["value"] and by_steiner["norm"] == 80 and by_isbi["norm_low"] == 74.6


@pytest.mark.parametrize(
    ("pixel_size_mm", "said"),
    [(0.1, ""), (0.05, "too small, lengths come out too short"), (0.2, "lengths come out too long"), (None, "")],
)
def test_an_impossible_scale_is_doubted_and_what_follows_is_said(pixel_size_mm, said):
    reading = make_reading(pixel_size_mm, warnings=["The film is a negative; it was read as a positive."])
    assert bool(reading.scale_caution) == bool(said) and said in reading.scale_caution
    assert reading.cautions() == [*reading.warnings, *([reading.scale_caution] if said else [])]
    assert describe_reading(reading, "film.png")["warnings"] == reading.cautions()


def test_points_outside_the_film_are_told_in_one_sentence():
    """A film cut close lacks many; a line for each would push the results out of sight."""
    reading = make_reading(warnings=["It is a negative."], outside=("B", "Me", "Po"))
    assert reading.cautions() == ["It is a negative.", "B, Me, Po would lie outside the film and are left out."]
    assert reading.corrected({"Me": (9.0, 9.0)}).cautions()[1].startswith("B, Po would")
    assert reading.corrected({"Me": (9.0, 9.0), "B": (9.0, 9.0)}).cautions()[1] == OUTSIDE.format("Po")
    assert say(reading.cautions()[1], "ko").startswith("B, Me, Po 점들은")


class Teller:
    """A predictor that says what it is told to."""

    weights = "told"

    def __init__(
        self, doubt: float, points_px: np.ndarray, stage: int | None, warnings: list[str], factors: dict | None = None
    ):
        self.config = make_config("landmarks")
        frame = HeadFrame(Letterbox((100, 100), (100, 100)), np.eye(2, 3), (100, 100), doubt=doubt)
        values = np.full(29, 0.5)
        self.told = Prediction(
            frame, points_px, values, values, values, stage, None, warnings, interval_factors=factors or {}
        )

    def predict(self, film: np.ndarray) -> Prediction:
        return self.told


@pytest.mark.parametrize("order", [1, -1])
def test_what_one_model_refuses_no_other_places(order):
    sure = Teller(0.0, np.full((29, 2), 50.0), 5, ["sure"])
    refusing = Teller(2.0, np.full((29, 2), np.nan), None, ["refused"])
    reading = read([sure, refusing][::order], np.zeros((100, 100), np.uint8), "hand", None)
    assert not reading.known.any() and reading.stage is None and reading.warnings == ["refused"]
    both = read([sure, sure], np.zeros((100, 100), np.uint8), "head", None)
    assert both.known.all() and both.stage == 5 and both.warnings == ["sure"]


def test_the_factor_of_an_interval_is_that_of_the_model_which_placed_its_points():
    """Where two models share the points, the errors behind a measurement of both go together in no known way."""
    skull, all_px = make_reading().points_px.copy(), make_reading().points_px
    skull[[LANDMARK_INDEX[symbol] for symbol in ("B", "Co", "Gn")]] = np.nan
    factors = {"SNA": 0.3, "SNB": 0.4, "Co-Gn": 0.5}
    plain, first = Teller(0.0, skull, None, []), Teller(0.0, skull, None, [], factors)
    second = Teller(0.0, all_px, None, [], {name: 2 * factor for name, factor in factors.items()})
    film = np.zeros((2400, 1935), np.uint8)
    assert read([first, second], film, "both", None).interval_factors == {"SNA": 0.3, "Co-Gn": 1.0}
    assert read([plain, second], film, "uncalibrated first", None).interval_factors == {"Co-Gn": 1.0}
    assert read([second, first], film, "all by one", None).interval_factors == second.told.interval_factors
