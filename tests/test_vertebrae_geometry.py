"""Shape of the vertebrae: ratios by hand, unmoved by what should not move them, and the rules' words."""

import numpy as np
import pytest

from anatomy import make_anatomy
from config import VERTEBRAL_POINTS
from vertebrae_geometry import MEASURES, Thresholds, all_measures, measure_vertebrae, stage_by_rule

# Bodies 20 wide; C3 8 high in front and 12 behind, C4 22 high; borders hollow by 1, 2 and 0.
NECK_PX = np.array([
    [0, 0], [10, -1], [20, 0], [0, 5], [20, 9], [0, 17], [10, 15], [20, 17], [0, 20], [20, 20], [0, 42], [10, 42],
    [20, 42],
], dtype=np.float64)  # fmt: skip
SURE = np.zeros(13)


def values(points: np.ndarray) -> dict:
    return dict(zip(MEASURES, all_measures(points), strict=True))


def test_ratios_by_hand():
    by_name = values(NECK_PX)
    wanted = {
        "concavity_C2": 0.05, "concavity_C3": 0.10, "concavity_C4": 0.0, "anterior_height_C3": 0.4,
        "posterior_height_C3": 0.6, "height_C3": 0.5, "height_C4": 1.1, "front_to_back_C3": 2 / 3, "gap_above_C4": 0.15,
    }  # fmt: skip
    for name, value in wanted.items():
        assert np.isclose(by_name[name], value), name


@pytest.mark.parametrize(
    "turn_degrees, size, mirror",
    [(0, 3.0, 1), (25, 1.0, 1), (-40, 0.5, -1), (0, 1.0, -1), (90, 1.0, 1), (180, 1.0, 1), (200, 2.0, -1)],
)
def test_place_turn_size_and_facing_do_not_matter(turn_degrees, size, mirror):
    angle = np.deg2rad(turn_degrees)
    turned = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    moved = size * (NECK_PX * [mirror, 1]) @ turned + [300, 70]
    assert np.allclose(all_measures(moved), all_measures(NECK_PX))


def test_a_known_stretch_is_undone():
    squeezed = NECK_PX * [1, 1 / 1.3]
    told = measure_vertebrae(squeezed, SURE, stretch=1.3)
    assert np.isclose(told.measures["height_C3"].value, 0.5)
    assert np.isclose(measure_vertebrae(squeezed, SURE).measures["height_C4"].value, 1.1 / 1.3)


def test_intervals_hold_the_value_and_grow_with_the_radius():
    small, large = (measure_vertebrae(NECK_PX, np.full(13, radius)) for radius in (0.3, 1.0))
    for name in MEASURES:
        a, b = small.measures[name], large.measures[name]
        assert a.low95 <= a.value <= a.high95
        assert b.high95 - b.low95 > 2 * (a.high95 - a.low95)
    assert all(np.isclose(sum(shares.values()), 1.0, atol=0.01) for shares in large.shape_shares.values())


def test_shapes_and_rule_in_words():
    geometry = measure_vertebrae(NECK_PX, SURE, Thresholds(concave=(0.04, 0.08, 0.08)))
    assert geometry.shapes == {"C3": "trapezoid", "C4": "rectangular vertical"}
    assert geometry.rule == 3
    assert geometry.reason == "C2 and C3 concave, C4 flat, C3 trapezoid, C4 rectangular vertical: CS3"


@pytest.mark.parametrize(
    "hollow, shapes, stage",
    [
        ("000", ("trapezoid", "trapezoid"), 1),
        ("100", ("trapezoid", "trapezoid"), 2),
        ("110", ("trapezoid", "rectangular horizontal"), 3),
        ("111", ("rectangular horizontal", "rectangular horizontal"), 4),
        ("111", ("square", "rectangular horizontal"), 5),
        ("111", ("square", "rectangular vertical"), 6),
    ],
)
def test_every_stage_of_the_definition(hollow, shapes, stage):
    named, reason = stage_by_rule(
        {body: flag == "1" for body, flag in zip(("C2", "C3", "C4"), hollow, strict=True)},
        dict(zip(("C3", "C4"), shapes, strict=True)),
    )
    assert named == stage and reason.endswith(f": CS{stage}")


def test_unknown_points_leave_the_rule_out():
    points = NECK_PX.copy()
    points[VERTEBRAL_POINTS.index("C4m")] = np.nan
    geometry = measure_vertebrae(points, SURE)
    assert geometry.rule is None and geometry.reason == ""
    alone = NECK_PX.copy()
    alone[VERTEBRAL_POINTS.index("C3up") :] = np.nan
    assert values(alone)["concavity_C2"] == pytest.approx(0.05), "one body alone counts as upright"
    assert np.isnan(geometry.measures["concavity_C4"].value) and not np.isnan(geometry.measures["height_C3"].value)
    assert geometry.to_json()["measures"]["concavity_C4"]["value"] is None


def test_the_rule_follows_the_stage_of_drawn_heads():
    """The phantom's bodies grow and its borders hollow with the stage; the rule must say so, give or take one."""
    apart = []
    for number in range(60):
        anatomy = make_anatomy(number % 6 + 1, np.random.default_rng(number))
        rule = measure_vertebrae(anatomy.vertebrae_mm(), SURE, Thresholds(concave=(0.05, 0.05, 0.05))).rule
        apart.append(abs(rule - anatomy.stage))
    assert np.mean(np.array(apart) <= 1) > 0.9
