"""Measurements against values worked out by hand, in both facings and with both signs."""

import numpy as np
import pytest
from known_reading import make_reading

from analysis import TOO_UNCERTAIN, UNSURE, WITHIN, measure, reading_probability
from config import LANDMARK_INDEX, SYMBOLS
from measurements import MEASUREMENTS
from norms import NORM_SETS, NORMS, norm_of, norms_of


def head(**points) -> np.ndarray:
    """(29, 2) points of a face that looks to the right, y down; N at (100, 0) before S at (0, 0) unless given."""
    points_px = np.full((29, 2), np.nan)
    for symbol, point in ({"S": (0, 0), "N": (100, 0)} | points).items():
        points_px[LANDMARK_INDEX[symbol.replace("_soft", "`")]] = point
    return points_px


def degrees(length: float, angle: float) -> np.ndarray:
    """A vector turned clockwise from straight ahead; 90 points down."""
    return length * np.array([np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))])


def value(name: str, points_px: np.ndarray, pixel_size_mm: float | None = 1.0) -> float:
    """One measurement, checked to be the same on the mirrored film and at another scale."""
    found = measure(points_px, pixel_size_mm)[name]["value"]
    mirrored = measure(points_px * [-1, 1] + [2000, 0], pixel_size_mm)[name]["value"]
    assert mirrored == pytest.approx(found, abs=1e-9)
    if pixel_size_mm is not None:
        assert measure(points_px * 10 + 300, pixel_size_mm / 10)[name]["value"] == pytest.approx(found, abs=1e-9)
    return found


N = np.array([100.0, 0.0])
# Frankfort flat at y = 20; a flat occlusal plane at y = 60; the palate flat at y = 40.
FLAT = {"Po": (-20, 20), "Or": (80, 20), "PNS": (20, 40), "ANS": (105, 40)}
OCCLUSAL = {"UMT": (40, 59), "LMT": (40, 61), "UPM": (60, 59), "LPM": (60, 61)}

HAND = [
    ("SNA", {"A": N + degrees(50, 98)}, 82),
    ("SNB", {"B": N + degrees(90, 100)}, 80),
    ("ANB", {"A": N + degrees(50, 98), "B": N + degrees(90, 100)}, 2),
    ("ANB", {"A": N + degrees(50, 100), "B": N + degrees(90, 97)}, -3),
    ("SN-GoGn", {"Go": (0, 80), "Gn": np.array([0, 80]) + degrees(70, 32)}, 32),
    ("SN-OP", {**OCCLUSAL, "UIT": (90, 64), "LIT": (90, 66)}, np.degrees(np.arctan2(5, 50))),
    ("U1-NA", {"A": (100, 50), "UIA": (95, 50), "UIT": np.array([95, 50]) + degrees(24, 90 - 22)}, 22),
    ("U1-NA", {"A": (100, 50), "UIA": (95, 50), "UIT": np.array([95, 50]) + degrees(24, 90 + 8)}, -8),
    ("U1-NA distance", {"A": (100, 50), "UIT": (104, 70)}, 4),
    ("U1-NA distance", {"A": (100, 50), "UIT": (97, 70)}, -3),
    ("L1-NB", {"B": (100, 90), "LIA": (92, 90), "LIT": np.array([92, 90]) + degrees(20, -90 + 25)}, 25),
    ("L1-NB", {"B": (100, 90), "LIA": (92, 90), "LIT": np.array([92, 90]) + degrees(20, -90 - 5)}, -5),
    ("L1-NB distance", {"B": (100, 90), "LIT": (104, 70)}, 4),
    ("Interincisal", {"UIT": (90, 60), "UIA": (85, 38), "LIT": (90, 61), "LIA": (85, 83)},
    180 - 2 * np.degrees(np.arctan2(5, 22))),
    ("Interincisal", {"UIT": (90, 60), "UIA": (93, 38), "LIT": (90, 61), "LIA": (93, 83)},
    180 + 2 * np.degrees(np.arctan2(3, 22))),
    ("Pog-NB distance", {"B": (100, 90), "Pog": (102.5, 110)}, 2.5),
    ("U1-SN", {"UIA": (85, 40), "UIT": np.array([85, 40]) + degrees(24, 180 - 103)}, 103),
    ("U1-PP", {**FLAT, "UIA": (85, 40), "UIT": np.array([85, 40]) + degrees(24, 180 - 109)}, 109),
    ("IMPA", {"Go": (0, 100), "Me": (70, 100), "LIA": (60, 90), "LIT": np.array([60, 90]) + degrees(20, 180 + 95)}, 95),
    ("FMA", {**FLAT, "Go": (0, 80), "Me": np.array([0, 80]) + degrees(70, 25)}, 25),
    ("FMA", {**FLAT, "Go": (0, 80), "Me": np.array([0, 80]) + degrees(70, -2)}, -2),
    ("FMIA", {**FLAT, "Go": (0, 100), "Me": (70, 100), "LIA": (60, 90), "LIT": np.array([60, 90]) + degrees(20,
    275)}, 85),
    ("MMPA", {**FLAT, "Go": (0, 80), "Me": np.array([0, 80]) + degrees(70, 27)}, 27),
    ("SN-PP", {"PNS": (20, 40), "ANS": np.array([20, 40]) + degrees(85, 8)}, 8),
    ("SN-PP", {"PNS": (20, 40), "ANS": np.array([20, 40]) + degrees(85, -4)}, -4),
    ("Lower face height", {"ANS": (110, 45), "Me": (100, 100)}, 55),
    ("Facial angle", {**FLAT, "Pog": N + degrees(100, 92.2)}, 87.8),
    ("Convexity", {"A": (102, 50), "Pog": (100, 100)}, 2 * np.degrees(np.arctan2(2, 50))),
    ("Convexity", {"A": (98, 50), "Pog": (100, 100)}, -2 * np.degrees(np.arctan2(2, 50))),
    ("A-B plane", {"Pog": (100, 110), "A": (102, 50), "B": (98, 90)}, -np.degrees(np.arctan2(4, 40))),
    ("A-B plane", {"Pog": (100, 110), "A": (98, 50), "B": (102, 90)}, np.degrees(np.arctan2(4, 40))),
    ("Y axis", {**FLAT, "Gn": degrees(120, 59.4)}, 59.4),
    ("Occlusal cant", {**FLAT, "UMT": (40, 59), "LMT": (40, 61), "UPM": (60, 62), "LPM": (60, 64)},
    np.degrees(np.arctan2(3, 20))),
    ("L1-OP", {**OCCLUSAL, "LIA": (80, 80), "LIT": np.array([80, 80]) + degrees(20, -90 + 14.5)}, 14.5),
    ("U1-APog distance", {"A": (100, 50), "Pog": (100, 110), "UIT": (102.7, 70)}, 2.7),
    ("L1-APog distance", {"A": (100, 50), "Pog": (100, 110), "LIT": (99, 70)}, -1),
    ("A-NPog distance", {"A": (102, 50), "Pog": (100, 110)}, 2),
    ("A-NPog distance", {"A": (97, 50), "Pog": (100, 110)}, -3),
    ("A-Nperp distance", {**FLAT, "A": (101, 50)}, 1),
    ("Pog-Nperp distance", {**FLAT, "Pog": (96, 110)}, -4),
    ("Co-A", {"Co": (-10, 20), "A": (80, 20)}, 90),
    ("Co-Gn", {"Co": (-10, 20), "Gn": (62, 116)}, 120),
    ("Co-Gn minus Co-A", {"Co": (-10, 20), "A": (80, 20), "Gn": (62, 116)}, 30),
    ("ANS-Me", {"ANS": (100, 45), "Me": (100, 113)}, 68),
    ("Wits", {**OCCLUSAL, "A": (101, 45), "B": (98, 85)}, 3),
    ("Wits", {**OCCLUSAL, "A": (98, 45), "B": (101, 85)}, -3),
    ("Saddle angle", {"Ar": degrees(35, 123)}, 123),
    ("Articular angle", {"Ar": (-15, 35), "Go": np.array([-15, 35]) + degrees(50, np.degrees(np.arctan2(-35,
    15)) + 143)}, 143),
    ("Gonial angle", {"Ar": (0, 40), "Go": (0, 80), "Me": np.array([0, 80]) + degrees(70, 40)}, 130),
    ("Sum of angles", {"Ar": (0, 40), "Go": (0, 80), "Me": np.array([0, 80]) + degrees(70, 40)}, 90 + 180 + 130),
    ("Upper gonial angle", {"Ar": (0, 40), "Go": (0, 100)}, 45),
    ("Lower gonial angle", {"Go": (0, 100), "Me": np.array([0, 100]) + degrees(70, 30)}, 75),
    ("Face height ratio", {"Go": (0, 78), "Me": (100, 120)}, 65),
    ("Overjet", {**OCCLUSAL, "UIT": (90, 61), "LIT": (87, 60)}, 3),
    ("Overjet", {**OCCLUSAL, "UIT": (86, 61), "LIT": (87, 60)}, -1),
    ("Overbite", {**OCCLUSAL, "UIT": (90, 62), "LIT": (87, 60)}, 2),
    ("Overbite", {**OCCLUSAL, "UIT": (90, 58), "LIT": (87, 60)}, -2),
    ("ODI", {**FLAT, "A": (100, 50), "B": (100, 90), "Go": (0, 80), "Me": np.array([0, 80]) + degrees(70, 25)}, 65),
    ("APDI", {**FLAT, "Pog": (100, 110), "A": (100, 50), "B": (100, 90)}, 90),
    ("Ls-E line", {"Pn": (120, 40), "Pog_soft": (120, 110), "Ls": (116, 70)}, -4),
    ("Li-E line", {"Pn": (120, 40), "Pog_soft": (120, 110), "Li": (121, 80)}, 1),
    ("H angle", {"N_soft": (110, 0), "Pog_soft": (110, 110), "Ls": np.array([110, 110]) + degrees(40, -90 + 12)}, 12),
    ("Soft convexity", {"N_soft": (110, 0), "Sn": (115, 50), "Pog_soft": (110, 100)},
    180 - 2 * np.degrees(np.arctan2(5, 50))),
    ("Soft convexity with nose", {"N_soft": (110, 0), "Pn": (130, 50), "Pog_soft": (110, 100)},
    180 - 2 * np.degrees(np.arctan2(20, 50))),
    ("Z angle", {**FLAT, "Pog_soft": (110, 110), "Ls": np.array([110, 110]) + degrees(40, -80), "Li": np.array([110,
    110]) + degrees(25, -75)}, 75),
    ("MW", {"UIT": (93, 64), "LIT": (90, 60)}, 5),
    ("MW", {"UIT": (87, 64), "LIT": (90, 60)}, -5),
    # The other sign of those that have one.
    ("SN-GoGn", {"Go": (0, 80), "Gn": np.array([0, 80]) + degrees(70, -4)}, -4),
    ("SN-OP", {**OCCLUSAL, "UIT": (90, 54), "LIT": (90, 56)}, -np.degrees(np.arctan2(5, 50))),
    ("L1-NB distance", {"B": (100, 90), "LIT": (97, 70)}, -3),
    ("Pog-NB distance", {"B": (100, 90), "Pog": (98, 110)}, -2),
    ("MMPA", {**FLAT, "Go": (0, 80), "Me": np.array([0, 80]) + degrees(70, -3)}, -3),
    ("Facial angle", {**FLAT, "Pog": N + degrees(100, 87)}, 93),
    ("Occlusal cant", {**FLAT, "UMT": (40, 59), "LMT": (40, 61), "UPM": (60, 56), "LPM": (60, 58)},
    -np.degrees(np.arctan2(3, 20))),
    ("L1-OP", {**OCCLUSAL, "LIA": (80, 80), "LIT": np.array([80, 80]) + degrees(20, -90 - 8)}, -8),
    ("U1-APog distance", {"A": (100, 50), "Pog": (100, 110), "UIT": (98, 70)}, -2),
    ("L1-APog distance", {"A": (100, 50), "Pog": (100, 110), "LIT": (102, 70)}, 2),
    ("A-Nperp distance", {**FLAT, "A": (97, 50)}, -3),
    ("Pog-Nperp distance", {**FLAT, "Pog": (102, 110)}, 2),
    ("Co-Gn minus Co-A", {"Co": (-10, 20), "A": (80, 20), "Gn": (38, 84)}, -10),
    ("ODI", {**FLAT, "ANS": np.array([20, 40]) + degrees(85, -5), "A": (100, 50), "B": (100, 90), "Go": (0, 80),
    "Me": np.array([0, 80]) + degrees(70, 25)}, 60),
    ("APDI", {**FLAT, "ANS": np.array([20, 40]) + degrees(85, 4), "Pog": (100, 110), "A": (102, 50), "B": (98, 90)},
    94 - np.degrees(np.arctan2(4, 40))),
    ("Ls-E line", {"Pn": (120, 40), "Pog_soft": (120, 110), "Ls": (122, 70)}, 2),
    ("Li-E line", {"Pn": (120, 40), "Pog_soft": (120, 110), "Li": (117, 80)}, -3),
    ("H angle", {"N_soft": (110, 0), "Pog_soft": (110, 110), "Ls": np.array([110, 110]) + degrees(40, -93)}, -3),
]  # fmt: skip


@pytest.mark.parametrize(("name", "points", "expected"), HAND, ids=[f"{row[0]} {row[2]:.0f}" for row in HAND])
def test_by_hand(name, points, expected):
    assert value(name, head(**points)) == pytest.approx(expected, abs=1e-6)


def test_every_measurement_is_worked_out_by_hand():
    assert {each.name for each in MEASUREMENTS} == {row[0] for row in HAND}


@pytest.mark.parametrize("each", MEASUREMENTS, ids=lambda each: each.name)
def test_a_missing_point_leaves_the_measurement_out(each):
    points_px = make_reading().points_px + np.random.default_rng(0).normal(0, 30, (29, 2))
    assert each.name in measure(points_px, 0.1)
    for symbol in each.needs:
        without = points_px.copy()
        without[LANDMARK_INDEX[symbol]] = np.nan
        assert each.name not in measure(without, 0.1)
    unneeded = [index for index, symbol in enumerate(SYMBOLS) if symbol not in (*each.needs, "S", "N")]
    alone = points_px.copy()
    alone[unneeded] = np.nan
    assert measure(alone, 0.1)[each.name]["value"] == pytest.approx(measure(points_px, 0.1)[each.name]["value"])


def test_without_a_scale_there_are_angles_and_ratios_only():
    table = measure(np.random.default_rng(0).uniform(0, 100, (29, 2)), None)
    assert {row["unit"] for row in table.values()} == {"deg", "%"}
    assert set(table) == {each.name for each in MEASUREMENTS if each.unit != "mm"}


def test_angles_do_not_turn_with_the_head():
    points_px = head(**FLAT, **OCCLUSAL, A=(101, 50), B=(98, 90), Pog=(99, 110), Gn=(95, 115), Me=(88, 118), Go=(0, 85))
    cosine, sine = np.cos(0.2), np.sin(0.2)
    turned = measure(points_px @ np.array([[cosine, sine], [-sine, cosine]]), 0.1)
    straight = measure(points_px, 0.1)
    assert all(turned[name]["value"] == pytest.approx(straight[name]["value"], abs=1e-9) for name in straight)


def test_intervals_follow_the_radii():
    points_px = head(A=N + degrees(50, 98), B=N + degrees(90, 100)) * 10
    radius95_px = np.full(29, 10.0)
    narrow = measure(points_px, 0.1, radius95_px)["SNA"]
    wide = measure(points_px, 0.1, 3 * radius95_px)["SNA"]
    assert narrow["low95"] < narrow["value"] < narrow["high95"]
    assert wide["high95"] - wide["low95"] == pytest.approx(3 * (narrow["high95"] - narrow["low95"]), rel=0.05)
    # Each axis deviates by 10 / 2.4477 px; N turns both lines, 1000 and 500 px long.
    sigma = 10 / 2.4477
    tangent = np.hypot(sigma / 500, sigma / 1000) ** 2 + sigma**2 * (
        1 / 500**2 + 1 / 1000**2 - 2 * np.cos(np.deg2rad(82)) / 5e5
    )
    assert narrow["high95"] - narrow["low95"] == pytest.approx(2 * 1.96 * np.degrees(np.sqrt(tangent)), rel=0.05)
    radius95_px[LANDMARK_INDEX["A"]] = np.nan
    partly = measure(points_px, 0.1, radius95_px)
    assert partly["SNA"]["low95"] is None and partly["SNB"]["low95"] is not None
    assert measure(points_px, 0.1)["SNA"]["low95"] is None


def test_a_reading_that_is_as_likely_wrong_as_right_is_not_given():
    points_px = head(A=N + degrees(50, 98), B=N + degrees(90, 100)) * 10  # SNA 82, the very norm of 82 +- 2

    def sna(radius95_px: float, points_px=points_px) -> dict:
        return measure(points_px, 0.1, np.full(29, radius95_px))["SNA"]

    narrow, wide = sna(20.0), sna(60.0)
    assert narrow["high95"] - narrow["low95"] < 8 and wide["high95"] - wide["low95"] > 12
    assert (narrow["level"], narrow["reading"]) == ("normal", WITHIN)
    assert (wide["level"], wide["reading"], wide["certain"]) == (UNSURE, TOO_UNCERTAIN, False)
    far = sna(60.0, head(A=N + degrees(50, 78), B=N + degrees(90, 100)) * 10)  # 102: nearly all of its interval is high
    assert far["level"] == "high"
    edge = sna(20.0, head(A=N + degrees(50, 96.2), B=N + degrees(90, 100)) * 10)  # 83.8: perhaps high, but not low
    assert (edge["level"], edge["certain"]) == ("normal", False)


@pytest.mark.parametrize("value", [75.0, 80.5, 82.0, 84.5, 90.0])
@pytest.mark.parametrize("half", [0.5, 3.0, 6.0])
def test_how_likely_a_reading_is_right_is_counted_over_draws(value, half):
    norm = norm_of("SNA", "Steiner")
    draws = np.random.default_rng(0).normal(value, half / 1.96, 20_000)
    share = np.mean([norm.reading(draw) == norm.reading(value) for draw in draws])
    assert reading_probability(value, norm, (value - half, value + half)) == pytest.approx(share, abs=0.02)


def test_a_learnt_factor_stretches_an_interval():
    points_px = head(A=N + degrees(50, 98), B=N + degrees(90, 100), Go=(0, 80), Me=(60, 110)) * 10
    plain = measure(points_px, 0.1, np.full(29, 10.0))
    stretched = measure(points_px, 0.1, np.full(29, 10.0), interval_factors={"SNA": 0.5, "Lower_gonial_angle": 2.0})
    for name, factor in {"SNA": 0.5, "SNB": 1.0, "Lower gonial angle": 2.0}.items():
        for end in ("low95", "high95"):
            away, before = (table[name][end] - plain[name]["value"] for table in (stretched, plain))
            assert away == pytest.approx(factor * before)


def test_a_line_that_may_lie_any_way_has_no_torn_interval():
    """Molars and premolars a millimetre apart: their line may point to any side, but the value stays inside."""
    close = {"UMT": (50, 59), "LMT": (50, 61), "UPM": (51, 59), "LPM": (51, 61)}
    row = measure(head(**FLAT, **close) * 10, 0.1, np.full(29, 40.0))["Occlusal cant"]
    assert row["low95"] <= row["value"] <= row["high95"] and row["high95"] - row["low95"] < 360
    assert row["reading"] == TOO_UNCERTAIN


def test_norms_are_whole_and_ranges_stay_ranges():
    names = {each.name for each in MEASUREMENTS}
    assert {norm.measurement for norm in NORMS} == names and {norm.norm_set for norm in NORMS} == set(NORM_SETS)
    for norm in NORMS:
        assert (norm.mean is None) == (norm.sd is None) != (norm.low is None) == (norm.high is None)
        if norm.mean is None:
            assert norm.deviation(1.0) is None
        else:
            assert norm.deviation(norm.mean + norm.sd) == pytest.approx(1.0)
    fma = norms_of("FMA")[0]
    assert [fma.reading(angle) for angle in (20.9, 21, 29, 29.1)] == ["low", "normal", "normal", "high"]
    row = measure(head(Go=(0, 80), Gn=(70, 130)), 1.0)["SN-GoGn"]
    assert row["norm"] is row["sd"] is None and (row["norm_low"], row["norm_high"]) == (28, 36)


def test_readings_say_what_a_deviation_means():
    table = measure(head(A=N + degrees(50, 98), B=N + degrees(90, 104)), 1.0)
    assert table["ANB"]["reading"] == "skeletal class II tendency" and table["SNA"]["reading"] == "within the norm"
    assert table["SNB"]["reading"] == "mandible set back (retrognathic)"


@pytest.mark.parametrize("mirrored", [1, -1])
@pytest.mark.parametrize("turned", [0, 30, 90, 180, 250, 270])
def test_a_film_on_its_side_or_on_its_head_measures_the_same(turned, mirrored):
    """Signs follow from the anatomy, not from left and right on the film."""
    upright_px = make_reading().points_px.copy()
    upright_px[[LANDMARK_INDEX["Pn"], LANDMARK_INDEX["Co"]]] = np.nan  # not every film has all points
    lying_px = (upright_px * [mirrored, 1]) @ np.array([degrees(1, turned), degrees(1, turned + 90)]) + 4000
    upright, lying = (measure(points_px, 0.1) for points_px in (upright_px, lying_px))
    assert len(upright) == len(lying) > 45
    for name, row in upright.items():
        assert lying[name]["value"] == pytest.approx(row["value"], abs=1e-6), name


def test_draws_lie_as_their_film_does():
    """Also where few points have radii, which alone would not tell that the film lies on its head."""
    points_px = 4000 - make_reading().points_px
    radius95_px = np.full(29, np.nan)
    few = [LANDMARK_INDEX[symbol] for symbol in ("S", "N", "A", "B", "Pog")]
    radius95_px[few] = 1.0
    row = measure(points_px, 0.1, radius95_px)["Convexity"]
    assert row["low95"] < row["value"] < row["high95"] and row["high95"] - row["low95"] < 5
