"""Second opinions: what of them is learnt, and what of a reader's slip is not."""

import numpy as np
import pytest

from config import LANDMARK_INDEX, UserError
from dataset import mix_opinion
from films import scan_split
from opinions import fingerprint, with_opinions, write_opinions


@pytest.fixture
def films(blobs):
    return scan_split(blobs, "train")


def test_opinions_survive_the_file_and_change_no_expert_label(films, tmp_path):
    points = np.array([film.truth_px() + 3.0 for film in films])
    radii = np.full(points.shape[:2], 1.0)
    points[0, 5], radii[1, 6] = np.nan, np.nan
    write_opinions(tmp_path / "o.json", films, points, radii)
    advised = with_opinions(films, tmp_path / "o.json")
    points[1, 6] = np.nan
    assert np.allclose([film.opinion_px for film in advised], points, atol=0.006, equal_nan=True)
    for before, after in zip(films, advised, strict=True):
        assert np.array_equal(before.annotators_px, after.annotators_px) and before.opinion_px is None


def test_a_readers_slip_is_replaced_and_an_honest_reading_kept(films, tmp_path):
    film = films[0]
    film.by_reader[:] = True
    points = film.truth_px()[None] + [3.0, 0.0]
    radii = np.full((1, 29), 3.5)
    radii[0, LANDMARK_INDEX["R"]] = 2.5
    write_opinions(tmp_path / "o.json", [film], points, radii)
    moved = np.hypot(*(with_opinions([film], tmp_path / "o.json")[0].truth_px() - film.truth_px()).T)
    assert moved[LANDMARK_INDEX["R"]] == pytest.approx(3.0, abs=0.02) and np.count_nonzero(moved) == 1


@pytest.mark.parametrize("share", [0.0, 0.3, 0.5, 0.8, 1.0])
def test_mixing_stays_between_and_keeps_its_mean(share):
    label, opinion = np.zeros((29, 2)), np.full((29, 2), 10.0)
    label[3], opinion[4] = np.nan, np.nan
    mixed = np.array([mix_opinion(label, opinion, share, (0, epoch, "a")) for epoch in range(400)])
    assert np.isnan(mixed[:, 3]).all() and (mixed[:, 4] == 0).all()
    rest = np.delete(mixed, [3, 4], axis=1)
    assert (rest >= 0).all() and (rest <= 10).all() and np.allclose(rest[..., 0], rest[..., 1])
    assert rest.mean() == pytest.approx(10 * share, abs=0.2)


def test_a_file_of_something_else_is_refused(films, tmp_path):
    path = tmp_path / "o.json"
    write_opinions(path, films[1:], np.zeros((len(films) - 1, 29, 2)), np.ones((len(films) - 1, 29)))
    with pytest.raises(UserError, match="no opinion on film train000"):
        with_opinions(films, path)
    points = '{"XX": [1, 2, 3]}', '{"A": [1, 2]}', '{"A": [1%s, 2, 3]}' % ("0" * 400)
    for text in ("[]", '{"train000": 3}', *(f'{{"train000": {each}}}' for each in points)):
        path.write_text(text)
        with pytest.raises(UserError, match="calibrate.py --opinions"):
            with_opinions(films[:1], path)
    before = fingerprint(path)
    path.write_text("{}")
    assert fingerprint(None) is None and fingerprint(path) != before
