"""The benchmark of disturbed films: what it counts as on the film does not depend on what the model says of it."""

from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks.stress import DISTURBANCES, crop, disturbed_errors, print_table, shrink
from config import UserError
from films import scan_split
from head import move_points
from images import read_film


def answering(points_px: np.ndarray, is_head: bool = True) -> SimpleNamespace:
    """A predictor that says the same of every film."""
    return SimpleNamespace(predict=lambda picture: SimpleNamespace(landmarks_px=points_px, is_head=is_head))


NOWHERE = answering(np.full((29, 2), np.nan), is_head=False)


def test_points_of_a_refused_film_still_lie_on_it(blobs, capsys):
    films = scan_split(blobs, "test")
    experts = sum(int((~film.by_reader & ~np.isnan(film.truth_px()).any(axis=1)).sum()) for film in films)
    errors_mm, on_film, refused = disturbed_errors(films, NOWHERE, DISTURBANCES["as it is"], "")
    assert np.isnan(errors_mm).all() and on_film.sum() == experts > 0 and refused == len(films)
    print_table(films, NOWHERE, ["as it is"])
    cells = [cell.strip() for cell in capsys.readouterr().out.splitlines()[-1].split("|")[1:-1]]
    assert cells == ["as it is", "nan", "nan", "nan", str(experts), str(len(films))]


def test_points_cut_off_are_not_on_the_film(blobs):
    film = scan_split(blobs, "test")[0]
    height = read_film(film.image_path).shape[0]
    _, on_film, _ = disturbed_errors([film], answering(np.zeros((29, 2))), crop(0.4, 0.0), "")
    known = ~film.by_reader & ~np.isnan(film.truth_px()).any(axis=1)
    assert np.array_equal(on_film[0], known & (film.truth_px()[:, 1] >= round(0.4 * height)))
    assert 0 < on_film.sum() < known.sum()


def test_errors_of_a_smaller_film_are_those_of_the_whole_one(blobs):
    film = scan_split(blobs, "test")[0]
    picture, matrix = shrink(read_film(film.image_path), 3.0)
    there_px = move_points(film.truth_px() + [3.0, 0.0], matrix)
    errors_mm, on_film, _ = disturbed_errors([film], answering(there_px), DISTURBANCES["a third of its resolution"], "")
    assert picture.size == pytest.approx(read_film(film.image_path).size / 9, rel=0.05)
    assert errors_mm[on_film] == pytest.approx(3.0 * film.pixel_size_mm, rel=0.02)


def test_a_row_that_is_not_there_is_named(blobs):
    with pytest.raises(UserError, match="No disturbance has a name with upside down"):
        print_table(scan_split(blobs, "test"), NOWHERE, ["upside down"])
