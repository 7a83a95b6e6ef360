"""Tracing lines: through their knots, beyond their ends by the share they say, absent where a point is."""

import numpy as np
import pytest

from config import LANDMARK_INDEX, SYMBOLS
from facing import TEMPLATE_MM
from tracing import KIND_COLOURS, LINES, bezier_arms, curve_through, draw_line, knots_of

HEAD_PX = 10.0 * np.array([TEMPLATE_MM[symbol] for symbol in SYMBOLS]) + 600.0


def named(name: str):
    return next(each for each in LINES if each.name == name)


def test_lines_are_made_of_landmarks():
    assert len({each.name for each in LINES}) == len(LINES) and {each.kind for each in LINES} == set(KIND_COLOURS)
    for each in LINES:
        assert len(each.knots) >= 2 and {symbol for knot in each.knots for symbol in knot} <= set(SYMBOLS)
        assert not (each.smooth and each.extend)


@pytest.mark.parametrize("each", LINES, ids=lambda each: each.name)
def test_a_line_needs_every_one_of_its_points(each):
    assert draw_line(each, HEAD_PX) is not None
    for knot in each.knots:
        for symbol in knot:
            without = HEAD_PX.copy()
            without[LANDMARK_INDEX[symbol]] = np.nan
            assert draw_line(each, without) is None


def test_straight_lines_overshoot_by_their_share():
    sella_nasion = named("S-N")
    drawn = draw_line(sella_nasion, HEAD_PX)
    start, end = HEAD_PX[LANDMARK_INDEX["S"]], HEAD_PX[LANDMARK_INDEX["N"]]
    assert np.allclose(drawn, [start - sella_nasion.extend * (end - start), end + sella_nasion.extend * (end - start)])
    occlusal = knots_of(named("Functional occlusal plane"), HEAD_PX)
    for knot, pair in zip(occlusal, (("UMT", "LMT"), ("UPM", "LPM")), strict=True):
        assert np.allclose(knot, HEAD_PX[[LANDMARK_INDEX[symbol] for symbol in pair]].mean(axis=0))


def test_curves_pass_through_their_knots_and_follow_any_shift_turn_and_size():
    for each in (line for line in LINES if line.smooth):
        knots_px, drawn = knots_of(each, HEAD_PX), draw_line(each, HEAD_PX)
        assert all(np.linalg.norm(drawn - knot, axis=1).min() < 1e-9 for knot in knots_px)
        matrix = 1.7 * np.array([[np.cos(0.3), np.sin(0.3)], [-np.sin(0.3), np.cos(0.3)]])
        assert np.allclose(draw_line(each, HEAD_PX @ matrix + 40), drawn @ matrix + 40)


def test_curves_make_no_loop_where_a_short_piece_follows_a_long_one():
    knots_px = np.array([[0.0, 0], [600, 100], [640, 90], [650, 60], [640, 0]])
    steps = np.diff(curve_through(knots_px), axis=0)
    turns = np.abs(np.degrees(np.arctan2(
        steps[:-1, 0] * steps[1:, 1] - steps[:-1, 1] * steps[1:, 0], (steps[:-1] * steps[1:]).sum(axis=1)
    )))  # fmt: skip
    assert turns.max() < 30
    # The long side stays within a few pixels of straight, though it bends at both its ends.
    border = curve_through(np.array([[0.0, -200], [0, 0], [600, 300], [640, 290]]))
    along = border[(border[:, 0] > 150) & (border[:, 0] < 590)]
    assert np.abs(along[:, 1] - along[:, 0] / 2).max() < 45
    first, second = bezier_arms(np.array([[0.0, 0], [30, 0]]))
    assert np.allclose(first, [[10, 0]]) and np.allclose(second, [[20, 0]])
