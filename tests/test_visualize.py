"""Drawings: points where they are, at sub-pixel places, on films of any size; texts that can be read."""

import numpy as np
import pytest

from config import SYMBOLS
from visualize import (
    LINK_COLOUR,
    PREDICTION_COLOUR,
    TEXT_COLOUR,
    TRUTH_COLOUR,
    contact_sheet,
    draw_film,
    leader_end,
    overlap,
    place_label,
)


def points_px(**given) -> np.ndarray:
    """(29, 2) points by symbol, NaN for all others."""
    points = np.full((29, 2), np.nan)
    for symbol, point in given.items():
        points[SYMBOLS.index(symbol)] = point
    return points


def middle_of(picture: np.ndarray, colour: tuple, below: int = 0) -> np.ndarray:
    """The (x, y) middle of all pixels of nearly one colour, under the legend."""
    rows, columns = (np.abs(picture.astype(int) - colour).sum(axis=2) < 90).nonzero()
    rows, columns = rows[rows >= below], columns[rows >= below]
    return np.array([columns.mean(), rows.mean()])


def test_drawing_puts_both_kinds_where_they_are():
    truth_px, predicted_px = np.full((29, 2), np.nan), np.full((29, 2), np.nan)
    truth_px[3], predicted_px[3] = (400.0, 700.0), (500.0, 620.0)
    picture = draw_film(np.full((800, 640), 60, np.uint8), predicted_px, truth_px)
    where = {}
    for name, colour in (("truth", TRUTH_COLOUR), ("prediction", PREDICTION_COLOUR)):
        where[name] = middle_of(picture, colour, below=100)
    assert where["truth"] == pytest.approx((400, 700), abs=1.5)
    assert where["prediction"] == pytest.approx((500, 620), abs=1)


def test_the_legend_of_a_picture_that_will_be_shrunk_can_be_read():
    film, nothing = np.zeros((2400, 1935), np.uint8), np.full((29, 2), np.nan)
    heights = []
    for marker in (1.0, 1.7):
        [tile] = np.split(contact_sheet([(draw_film(film, nothing, nothing, marker=marker), "")], columns=1)[:560], 1)
        lettered = (np.abs(tile.astype(int) - PREDICTION_COLOUR).sum(axis=2) < 120).any(axis=1)
        heights.append(int(lettered.sum()))
    assert heights[1] >= 9 and heights[1] > 1.4 * heights[0]


def test_a_contact_sheet_has_a_cell_for_each():
    sheet = contact_sheet([(np.full((100, 50, 3), 200, np.uint8), "a")] * 4, columns=3, height_px=60)
    assert sheet.shape == (2 * 86, 3 * 30, 3)


@pytest.mark.parametrize("height", [600, 2400])
def test_dots_are_sub_pixel_and_grow_with_the_film(height):
    dot_px = np.array([0.5 * height + 0.25, 0.75 * height + 0.5])
    picture = draw_film(np.zeros((height, height), np.uint8), points_px(S=dot_px))
    weight = picture[..., 2].astype(float)  # red, alone in the dot
    rows, columns = np.mgrid[:height, :height]
    centre = np.array([(weight * columns).sum(), (weight * rows).sum()]) / weight.sum()
    assert centre == pytest.approx(dot_px, abs=0.1)
    radius_px = np.sqrt(weight.sum() / weight.max() / np.pi)
    assert radius_px == pytest.approx(2.2 * height / 800, abs=0.7)  # the smooth edge adds some


def test_the_error_is_a_line_between_both():
    film = np.full((800, 640), 60, np.uint8)
    picture = draw_film(film, points_px(Go=(300, 600)), points_px(Go=(400, 600)))
    assert middle_of(picture, LINK_COLOUR, 500) == pytest.approx((348, 600), abs=4)
    # A point without truth has no line, one without prediction only its ring.
    alone = draw_film(film, points_px(Go=(300, 600)), points_px(Me=(400, 700)))
    assert not (np.abs(alone[500:].astype(int) - LINK_COLOUR).sum(axis=2) < 90).any()
    assert middle_of(alone, TRUTH_COLOUR, 650) == pytest.approx((400, 700), abs=1)
    assert middle_of(alone, PREDICTION_COLOUR, 500) == pytest.approx((300, 600), abs=1)


def test_the_film_is_left_alone():
    film = np.full((200, 160), 60, np.uint8)
    picture = draw_film(film, np.full((29, 2), np.nan))
    assert (film == 60).all() and (picture == 60).all()


def test_a_title_can_be_read_on_a_white_film():
    picture = draw_film(np.full((800, 640), 255, np.uint8), np.full((29, 2), np.nan), title="a film")
    assert picture[2, 2].max() < 100 and (picture[:26, :40] == TEXT_COLOUR).all(axis=2).any()
    assert (picture[100:] == 255).all()


def test_labels_keep_clear_of_points_and_of_each_other():
    dots_px = np.array([[300.0, 300.0], [303.0, 301.0], [306.0, 299.0]])  # molar cusps lie on each other
    taken = np.hstack([dots_px - 2.5, dots_px + 2.5])
    for dot_px in dots_px:
        box = place_label(dot_px, np.array([16.0, 10.0]), taken, dots_px, (640, 800), 1.0)
        assert overlap(box, taken) == 0
        taken = np.vstack([taken, box])
    corner = place_label(np.array([638.0, 2.0]), np.array([16.0, 10.0]), taken, dots_px, (640, 800), 1.0)
    assert (corner[:2] >= 0).all() and (corner[2:] <= [640, 800]).all()


def test_no_label_is_taken_for_that_of_a_nearer_point():
    """The cusps of molars lie so close that a number beside one used to stand next to the other."""
    dots_px = np.array([[300.0, 300.0], [302.0, 309.0], [330.0, 296.0], [331.0, 305.0]])
    taken = np.hstack([dots_px - 2.5, dots_px + 2.5])
    for dot_px in dots_px:
        box = place_label(dot_px, np.array([16.0, 10.0]), taken, dots_px, (640, 800), 1.0)
        taken = np.vstack([taken, box])
        gaps = np.hypot(*(np.clip(dots_px, box[:2], box[2:]) - dots_px).T)
        has_line = leader_end(dot_px, box, dots_px, 1.0) is not None
        assert has_line or (dots_px[np.argmin(gaps)] == dot_px).all()
    beside = np.array([304.0, 302.0, 320.0, 312.0])
    assert (leader_end(dots_px[0], beside, dots_px, 1.0) == [304.0, 302.0]).all(), "the other dot is nearer"
    assert leader_end(dots_px[0], beside, dots_px[:1], 1.0) is None


def test_numbers_and_other_texts_are_written():
    film, dots_px = np.zeros((800, 640), np.uint8), points_px(S=(300, 400))
    plain, numbered = draw_film(film, dots_px), draw_film(film, dots_px, numbers=True)
    texted = draw_film(film, dots_px, labels=[*SYMBOLS])
    white = [(picture[300:].min(axis=2) > 150).sum() for picture in (plain, numbered, texted)]
    assert white[0] == 0 and white[1] > 10 and white[2] > 10
