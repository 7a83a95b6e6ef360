"""The picture of honest radii."""

import numpy as np
import pytest

from reliability_figure import MEAN_IN_RADIUS95, Panel, draw_held, draw_reliability, ticks
from visualize import PREDICTION_COLOUR

ROWS = [{"radius": 1.0 + part, "error": 0.4 + 0.5 * part, "held": 0.97 - 0.01 * part} for part in range(5)]


def test_the_line_is_where_normal_errors_lie():
    errors = np.random.default_rng(0).standard_normal((200_000, 2))
    lengths = np.hypot(*errors.T)
    assert lengths.mean() / np.quantile(lengths, 0.95) == pytest.approx(MEAN_IN_RADIUS95, abs=0.003)


def test_a_point_of_the_plot_has_its_place():
    panel = Panel("", "", (0.0, 10.0), (0.0, 2.0))
    assert panel.place(0, 0) == pytest.approx(panel.low_px) and panel.place(10, 2) == pytest.approx(panel.high_px)
    assert panel.place(5, 1) == pytest.approx((panel.low_px + panel.high_px) / 2)


def test_a_dot_falls_with_the_share_that_is_held():
    tops = []
    for held in (0.99, 0.90, 0.30):
        picture = draw_held([ROWS[0] | {"held": held}])
        tops.append(np.flatnonzero((picture == PREDICTION_COLOUR).all(axis=2).any(axis=1)).min())
    assert tops[0] < tops[1]  # in one scale; below 80 % the scale reaches down to the dot
    assert tops[2] < draw_held(ROWS).shape[0]


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_every_row_is_drawn_whatever_its_size(scale):
    rows = [row | {"radius": scale * row["radius"], "error": scale * row["error"]} for row in ROWS]
    picture = draw_reliability(rows)
    assert picture.dtype == np.uint8 and picture.ndim == 3
    columns = (picture == PREDICTION_COLOUR).all(axis=2).any(axis=0)
    assert columns[: picture.shape[1] // 2].any() and columns[picture.shape[1] // 2 :].any()


def test_ticks_are_few_and_round():
    assert [name for _, name in ticks(5.2)] == ["0", "1", "2", "3", "4", "5"]
    assert all(3 <= len(ticks(longest)) <= 8 for longest in (0.03, 0.7, 1.0, 3.3, 9.9, 480.0))
