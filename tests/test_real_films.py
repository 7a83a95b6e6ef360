"""On real films, where CEPH_DATA names a data set (the converted ISBI 2015 challenge or Aariz)."""

import os
from pathlib import Path

import numpy as np
import pytest

import dataset
from films import distance_px, has_split, impossible_points, scan_split
from geometry import Letterbox
from images import read_film

pytestmark = pytest.mark.skipif("CEPH_DATA" not in os.environ, reason="CEPH_DATA names no data set")


@pytest.fixture(scope="module")
def root() -> Path:
    return Path(os.environ["CEPH_DATA"])


def test_the_audit_finds_no_error(root, capsys):
    assert dataset.main(["--check", str(root)]) == 0
    assert "0 errors" in capsys.readouterr().out


def test_heads_have_a_plausible_size(root):
    films = [film for split in ("train", "valid", "test") if has_split(root, split) for film in scan_split(root, split)]
    lengths_mm = np.array([distance_px(film.truth_px(), "S", "N") * (film.pixel_size_mm or np.nan) for film in films])
    assert 55 < np.nanmedian(lengths_mm) < 80
    assert np.mean([impossible_points(film).any() for film in films]) < 0.02


def test_bone_is_bright_where_the_points_are(root):
    """Points and pictures belong together: chin and teeth are brighter than the corners of the film."""
    brighter = []
    for film in scan_split(root, "train")[:12]:
        picture = read_film(film.image_path)
        letterbox = Letterbox(picture.shape[::-1], (256, 320))
        small = letterbox.apply(picture)
        points_net = letterbox.to_net(film.truth_px())
        assert np.allclose(letterbox.to_px(points_net), film.truth_px(), equal_nan=True)
        columns, rows = np.rint(points_net[~np.isnan(points_net).any(axis=1)]).astype(int).T
        brighter.append(small[rows, columns].mean() > np.median(small))
    assert np.mean(brighter) > 0.8
