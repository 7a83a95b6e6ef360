"""preprocess_roi.py: the neck, with its own film's labels and the way back (log #27)."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

import preprocess_roi
from annotations import read_landmarks, write_landmarks
from config import ANNOTATORS, LANDMARK_INDEX, UserError
from films import scan_split
from images import read_film, write_png
from labelme import read_labelme
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
            assert crop.stage == film.stage and crop.machine == film.machine
            assert crop.pixel_size_mm == film.pixel_size_mm
            rows = slice(box["top"], box["top"] + box["height"])
            columns = slice(box["left"], box["left"] + box["width"])
            assert np.array_equal(read_film(crop.image_path), read_film(film.image_path)[rows, columns])
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
    for output, message in (("mine/file", "is a file"), ("roi", "both")):
        dataset = "roi" if message == "both" else str(phantoms)
        capsys.readouterr()
        assert preprocess_roi.main(["--dataset", dataset, "--output", output, "--restart"]) == 2
        assert message in capsys.readouterr().err and Path("roi/transforms.json").exists()


def write_heads(root: Path, heads: dict[str, np.ndarray], split: str = "train", notes: dict | None = None) -> Path:
    """Films of 600x600 px with given landmarks (29, 2)."""
    for film_id, landmarks_px in heads.items():
        write_png(root / split / "Cephalograms" / f"{film_id}.png", np.full((600, 600), 80, np.uint8))
        for annotator in ANNOTATORS:
            folder = root / split / "Annotations" / "Cephalometric Landmarks" / annotator
            write_landmarks(folder / f"{film_id}.json", film_id, landmarks_px, notes=notes)
    return root


def test_films_whose_neck_cannot_be_told_are_named(tmp_path, capsys):
    no_porion, far_off = head_px(), head_px() + [0, 300]
    no_porion[LANDMARK_INDEX["Po"]] = np.nan
    root = write_heads(tmp_path / "heads", {"good": head_px(), "bad": no_porion, "low": far_off})
    assert preprocess_roi.main(["--dataset", str(root), "--output", str(tmp_path / "roi"), "--from", "truth"]) == 1
    captured = capsys.readouterr()
    assert "bad (train) is left out: one of S, N, Po, Go is missing" in captured.err
    assert "low (train) is left out: its cervical region lies outside" in captured.err
    assert "1 of 3 films" in captured.out
    assert list(json.loads((tmp_path / "roi" / "transforms.json").read_text())) == ["good"]


def test_points_keep_who_placed_them(tmp_path):
    """A reader's point must not become an expert's by being cut out."""
    notes = {"Go": {"annotator": "reader", "unsure": True}}
    root = write_heads(tmp_path / "heads", {"a": head_px()}, notes=notes)
    assert preprocess_roi.main(["--dataset", str(root), "--output", str(tmp_path / "roi"), "--from", "truth"]) == 0
    crop = scan_split(tmp_path / "roi", "train")[0]
    index = LANDMARK_INDEX["Go"]
    assert not np.isnan(crop.truth_px()[index]).any() and crop.by_reader[index] and crop.unsure[index]


def test_labels_of_another_film_are_refused(phantoms, crops):
    """The log trained on the crops of one set with the labels of another."""
    folder = crops / "train" / "Annotations" / "CVM Stages"
    first, second = sorted(folder.iterdir())[:2]
    shutil.copy(first, second)
    with pytest.raises(UserError, match=first.stem):
        scan_split(crops, "train")


def test_one_id_in_two_splits_is_refused(tmp_path, capsys):
    root = write_heads(tmp_path / "heads", {"a": head_px()})
    write_heads(root, {"a": head_px()}, split="test")
    assert preprocess_roi.main(["--dataset", str(root), "--output", str(tmp_path / "roi"), "--from", "truth"]) == 2
    assert "Film a is in train and in test" in capsys.readouterr().err and not (tmp_path / "roi").exists()


def test_crop_points_return_exactly_to_the_film(tmp_path):
    for name, mirrored_in in (("right", None), ("left", 600)):
        landmarks_px = head_px(mirrored_in=mirrored_in) + 0.25
        root = write_heads(tmp_path / name, {"a": landmarks_px})
        output = tmp_path / f"{name}_roi"
        assert preprocess_roi.main(["--dataset", str(root), "--output", str(output), "--from", "truth"]) == 0
        entry = json.loads((output / "transforms.json").read_text())["a"]
        folder = output / "train" / "Annotations" / "Cephalometric Landmarks" / ANNOTATORS[0]
        crop_px = read_landmarks(folder / "a.json", "a").points_px[LANDMARK_INDEX["Go"]]
        box = entry["box"]
        assert (crop_px + [box["left"], box["top"]]).tolist() == landmarks_px[LANDMARK_INDEX["Go"]].tolist()
        assert read_film(output / "train" / "Cephalograms" / "a.png").shape == (box["height"], box["width"])
        assert entry["film_size"] == [600, 600]


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


def test_labelled_boxes_are_cut_as_they_are(phantoms, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    folder = phantoms / "train" / "Annotations" / "Vertebrae"
    unlabelled = min(folder.glob("*.json"))
    unlabelled.unlink()
    assert preprocess_roi.main(["--dataset", str(phantoms), "--output", "roi", "--from", "labels"]) == 1
    assert f"{unlabelled.stem} (train) is left out: it has no LabelMe file" in capsys.readouterr().err
    transforms = json.loads((tmp_path / "roi" / "transforms.json").read_text())
    assert unlabelled.stem not in transforms
    for path in sorted(folder.glob("*.json")):
        box = transforms[path.stem]["box"]
        labels = read_labelme(path)
        low = np.array([box["left"], box["top"]])
        high = low + [box["width"], box["height"]]
        assert np.allclose([*low, *high], labels.box_px, atol=2)
        known = labels.points_px[labels.known]
        assert ((known >= low) & (known < high)).all()
        crop = read_film(tmp_path / "roi" / "train" / "Cephalograms" / f"{path.stem}.png")
        assert crop.shape == (box["height"], box["width"])


def test_weights_that_find_no_vertebrae_are_refused(phantoms, tmp_path, capsys):
    missing = tmp_path / "none.safetensors"
    flags = ["--dataset", str(phantoms), "--output", str(tmp_path / "roi"), "--from", "vertebrae"]
    assert preprocess_roi.main([*flags, "--weights", str(missing)]) == 2
    assert "none.safetensors" in capsys.readouterr().err
