"""On real films, where CEPH_DATA names a data set (the converted ISBI 2015 challenge or Aariz)."""

import os
from pathlib import Path

import cv2
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


def test_points_and_pictures_belong_together(root):
    """Greys change more at the points than at points drawn at random between them."""
    ratios = []
    for film in scan_split(root, "train")[:12]:
        picture = read_film(film.image_path)
        letterbox = Letterbox(picture.shape[::-1], (512, 640))
        points_net = letterbox.to_net(film.truth_px())
        assert np.allclose(letterbox.to_px(points_net), film.truth_px(), equal_nan=True)
        small = cv2.GaussianBlur(letterbox.apply(picture).astype(np.float32), (0, 0), 1.0)
        edges = cv2.dilate(cv2.magnitude(cv2.Sobel(small, -1, 1, 0), cv2.Sobel(small, -1, 0, 1)), np.ones((5, 5)))
        known_net = points_net[~np.isnan(points_net).any(axis=1)]
        random_net = np.random.default_rng(0).uniform(known_net.min(axis=0), known_net.max(axis=0), (300, 2))
        columns, rows = np.rint(np.vstack([known_net, random_net])).astype(int).T
        strength = edges[rows, columns]
        ratios.append(strength[: len(known_net)].mean() / strength[len(known_net) :].mean())
    assert np.mean(ratios) > 1.3
