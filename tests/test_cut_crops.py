"""The benchmark of crops cut at the top: its errors and slips are of the necks that were found."""

from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks.cut_crops import cut_top, describe, unseen_crops
from config import UserError
from films import scan_split
from neck import labels_folder, with_vertebrae


def finding(points_px: np.ndarray, is_seen: bool) -> SimpleNamespace:
    """A finder that says the same of every crop."""
    neck = SimpleNamespace(points_px=points_px, radius95_px=np.full(13, np.nan), is_seen=is_seen)
    return SimpleNamespace(find=lambda picture: neck, goes_on=True, facts={"labelled": []})


@pytest.fixture(scope="module")
def films(drawn_phantoms):
    return with_vertebrae(scan_split(drawn_phantoms, "train"), labels_folder(drawn_phantoms, "train"))


def test_necks_that_were_refused_have_neither_error_nor_slip(films):
    points_px = films[0].vertebrae.points_px
    seen, refused = finding(points_px + [3.0, 4.0], True), finding(points_px + 500.0, False)
    error, slipped, missed = describe([(films[0], None, seen)], True).split(" | ")[1:]
    assert 0 < float(error) < 0.3 and (slipped, missed) == ("0", "0")
    crops = [(films[0], None, seen), (films[0], None, refused)]
    assert describe(crops, False) == f"2 | {error} | 0 | 1" and not refused.goes_on
    assert describe(crops[1:], True) == "1 | - | 0 | 1"
    assert describe([], True) == "0 | - | - | -"


def test_points_move_with_the_cut_and_a_crop_without_c2_is_left_out(films):
    film = films[0]
    [(cut, picture)] = cut_top(film, 0.0)
    assert np.array_equal(cut.vertebrae.points_px, film.vertebrae.points_px, equal_nan=True) and picture.ndim == 2
    assert list(cut_top(film, 0.99)) == []


def test_weights_that_all_crops_taught_are_refused(drawn_phantoms):
    taught = finding(np.zeros((13, 2)), True)
    assert unseen_crops(drawn_phantoms, [taught])
    taught.facts = {}  # shared weights do not say which
    with pytest.raises(UserError, match="no crops with points that did not teach"):
        unseen_crops(drawn_phantoms, [taught])
