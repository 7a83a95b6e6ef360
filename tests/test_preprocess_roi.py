"""preprocess_roi.py: the neck, with its own film's labels and the way back (log #27; ROI of one set with labels of another)."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

import preprocess_roi
from config import LANDMARK_INDEX
from films import scan_split
from images import read_film
from preprocess_roi import roi_box_px


def head_px(scale=1.0, mirrored_in=None) -> np.ndarray:
    """The four needed landmarks of a head looking to the right, or mirrored in a film of that width."""
    points_px = np.full((29, 2), np.nan)
    for symbol, point in {"S": (300, 200), "N": (400, 200), "Po": (270, 230), "Go": (290, 320)}.items():
        points_px[LANDMARK_INDEX[symbol]] = np.array(point) * scale
    if mirrored_in:
        points_px[:, 0] = mirrored_in - 1 - points_px[:, 0]
    return points_px


def test_the_box_by_hand():
    assert roi_box_px(head_px(), (900, 900)) == (218, 288, 307, 405)  # S-N is 100 px
    assert roi_box_px(head_px(), (900, 900), margin=0.1) == (208, 278, 317, 415)


def test_the_box_grows_with_the_head_and_turns_with_the_face():
    left, top, right, bottom = roi_box_px(head_px(2.0), (1800, 1800))
    assert (left, top, right, bottom) == pytest.approx((436, 576, 614, 810), abs=2)
    mirrored = roi_box_px(head_px(mirrored_in=900), (900, 900))
    assert mirrored == pytest.approx((900 - 307, 288, 900 - 218, 405), abs=1)


def test_the_box_is_cut_at_the_border_and_refused_beyond():
    assert roi_box_px(head_px(), (900, 380))[3] == 380
    with pytest.raises(ValueError, match="outside"):
        roi_box_px(head_px(), (900, 300))
    points_px = head_px()
    points_px[LANDMARK_INDEX["Po"]] = np.nan
    with pytest.raises(ValueError, match="missing"):
        roi_box_px(points_px, (900, 900))


@pytest.fixture
def crops(phantoms, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert preprocess_roi.main(["--dataset", str(phantoms), "--output", "roi", "--source", "truth"]) in (0, 1)
    return tmp_path / "roi"


def test_crops_keep_their_film_s_name_labels_and_place(phantoms, crops):
    transforms = json.loads((crops / "transforms.json").read_text())
    count = 0
    for split in ("train", "valid", "test"):
        films = {film.film_id: film for film in scan_split(phantoms, split)}
        for crop in scan_split(crops, split):
            film, box = films[crop.film_id], transforms[crop.film_id]["box"]
            assert crop.stage == film.stage and crop.pixel_size_mm == film.pixel_size_mm and crop.machine == film.machine
            window = read_film(film.image_path)[box["top"] : box["top"] + box["height"], box["left"] : box["left"] + box["width"]]
            assert np.array_equal(read_film(crop.image_path), window)
            back_px = crop.annotators_px + [box["left"], box["top"]]
            known = ~np.isnan(back_px)
            assert np.allclose(back_px[known], film.annotators_px[known])
            count += 1
    assert count == len(transforms) >= 10


def test_the_phantoms_vertebrae_lie_in_their_crops(phantoms, crops):
    from synthetic import make_phantom

    transforms = json.loads((crops / "transforms.json").read_text())
    inside = []
    for number, film_id in enumerate(sorted(transforms)):
        index = int(film_id[-5:])
        counts = [6, 3, 3]
        place = index if index < 6 else (index - 6 if index < 9 else index - 9)
        box = transforms[film_id]["box"]
        points_px = make_phantom(5, index, place % 6 + 1).vertebrae_px - [box["left"], box["top"]]
        inside.append(((points_px >= 0) & (points_px < [box["width"], box["height"]])).all(axis=1).mean())
        assert number < sum(counts)
    assert np.mean(inside) > 0.97


def test_an_output_in_use_is_not_overwritten(phantoms, crops, capsys):
    flags = ["--dataset", str(phantoms), "--output", "roi", "--source", "truth"]
    assert preprocess_roi.main(flags) == 2 and "--restart" in capsys.readouterr().err
    assert preprocess_roi.main([*flags, "--restart"]) in (0, 1)
    Path("mine").mkdir()
    Path("mine/file").write_text("keep")
    assert preprocess_roi.main(["--dataset", str(phantoms), "--output", "mine", "--restart"]) == 2
    assert Path("mine/file").read_text() == "keep"


def test_films_whose_neck_cannot_be_told_are_named(blobs, tmp_path, capsys):
    """Blob films have no anatomy: some of their regions lie outside."""
    status = preprocess_roi.main(["--dataset", str(blobs), "--output", str(tmp_path / "roi"), "--source", "truth"])
    captured = capsys.readouterr()
    if status == 1:
        assert "is left out" in captured.err
    kept = len(json.loads((tmp_path / "roi" / "transforms.json").read_text())) if status != 2 else 0
    assert captured.err.count("is left out") + kept == 16 or status == 2


@pytest.mark.skipif("CEPH_DATA" not in os.environ, reason="needs real films")
@pytest.mark.parametrize("split", ["train", "test"])
def test_the_region_holds_c2_to_c4_of_real_films(split):
    labels = Path(os.environ["CEPH_DATA"]).parent / "isbi2015_vertebrae" / split
    if not labels.is_dir():
        pytest.skip("needs the vertebral labels beside the films")
    films = {film.film_id: film for film in scan_split(Path(os.environ["CEPH_DATA"]), split)}
    for path in sorted(labels.glob("*.json")):
        shapes = json.loads(path.read_text())["shapes"]
        points_px = np.array([shape["points"][0] for shape in shapes if shape["shape_type"] == "point"])
        film = films[path.stem]
        left, top, right, bottom = roi_box_px(film.truth_px(), read_film(film.image_path).shape[::-1])
        assert ((points_px >= [left, top]) & (points_px < [right, bottom])).all(), path.stem
