"""Phantoms: the same by seed, varied by index, and their stage shows in the vertebrae."""

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

import phantom
from anatomy import VERTEBRAL_POINTS, make_anatomy
from films import scan_split
from images import to_grey8
from synthetic import make_phantom

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def drawn():
    return [make_phantom(3, index) for index in range(30)]


def test_equal_seeds_give_equal_films_in_any_order():
    code = "import sys, hashlib; from synthetic import make_phantom; p = make_phantom(3, 4);"
    code += "print(hashlib.sha256(p.image.tobytes() + p.landmarks_px.tobytes()).hexdigest())"
    here = make_phantom(3, 4)
    import hashlib

    expected = hashlib.sha256(here.image.tobytes() + here.landmarks_px.tobytes()).hexdigest()
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert run.stdout.strip() == expected


def test_films_vary_in_all_that_real_ones_do(drawn):
    assert len({film.image.shape[:2] for film in drawn}) > 10
    assert {film.image.dtype for film in drawn} == {np.dtype(np.uint8), np.dtype(np.uint16)}
    assert {film.image.ndim for film in drawn} == {2, 3} and len({film.machine for film in drawn}) == 4
    assert {film.stage for film in drawn} == {1, 2, 3, 4, 5, 6}
    faces_left = [film.landmarks_px[4, 0] < film.landmarks_px[10, 0] for film in drawn]  # N before S
    # The air before the face is dark on a film and bright on its negative.
    dark = [np.median(to_grey8(film.image)[:, [3, -4]]) < 128 for film in drawn]
    assert 0 < sum(faces_left) < 12 and 0 < dark.count(False) < 12


def test_points_lie_on_the_film_and_are_all_there(drawn):
    for film in drawn:
        inside = ((film.landmarks_px >= 0) & (film.landmarks_px < film.image.shape[1::-1])).all(axis=1)
        assert film.landmarks_px.shape == (29, 2) and np.isfinite(film.landmarks_px).all() and inside.mean() > 0.96


def test_landmarks_are_where_the_film_has_structure(drawn):
    """Around a landmark greys change far more than around points chosen at random in the head."""
    ratios = []
    for film in drawn[:12]:
        grey = cv2.GaussianBlur(to_grey8(film.image).astype(np.float32), (0, 0), 1.5)
        edges = cv2.magnitude(cv2.Sobel(grey, -1, 1, 0), cv2.Sobel(grey, -1, 0, 1))
        strength = cv2.dilate(edges, np.ones((9, 9)))
        low, high = film.landmarks_px.min(axis=0), film.landmarks_px.max(axis=0)
        random_px = np.random.default_rng(0).uniform(low, high, (400, 2))
        at = [np.median(sample(strength, points)) for points in (film.landmarks_px, random_px)]
        ratios.append(at[0] / at[1])
    assert np.median(ratios) > 2


def sample(image: np.ndarray, points_px: np.ndarray) -> np.ndarray:
    columns, rows = np.clip(np.rint(points_px).astype(int), 0, np.array(image.shape[::-1]) - 1).T
    return image[rows, columns]


def test_the_stage_shows_in_the_vertebrae():
    shapes = {stage: [] for stage in range(1, 7)}
    for stage, found in shapes.items():
        for index in range(20):
            v = dict(
                zip(
                    VERTEBRAL_POINTS,
                    make_anatomy(stage, np.random.default_rng([index, stage])).vertebrae_mm(),
                    strict=True,
                )
            )
            width = np.linalg.norm(v["C3la"] - v["C3lp"])
            height = 0.5 * (np.linalg.norm(v["C3up"] - v["C3lp"]) + np.linalg.norm(v["C3ua"] - v["C3la"]))
            hollow = [np.linalg.norm(v[f"{n}m"] - 0.5 * (v[f"{n}a"] + v[f"{n}p"])) for n in ("C2",)]
            hollow += [np.linalg.norm(v[f"{n}m"] - 0.5 * (v[f"{n}la"] + v[f"{n}lp"])) for n in ("C3", "C4")]
            found.append([height / width, *(depth / width for depth in hollow)])
    means = np.array([np.mean(shapes[stage], axis=0) for stage in shapes])
    assert (np.diff(means[:, 0]) > 0.04).all()  # bodies grow tall
    assert means[1, 1] > 2 * means[0, 1]  # CS2: C2 is hollow
    assert means[2, 2] > 2 * means[1, 2] and means[3, 3] > 2 * means[2, 3]  # CS3: C3, CS4: C4


def test_the_command_writes_a_readable_data_set(drawn_phantoms):
    films = {split: scan_split(drawn_phantoms, split) for split in ("train", "valid", "test")}
    assert {split: len(found) for split, found in films.items()} == {"train": 6, "valid": 3, "test": 3}
    assert [film.stage for film in films["train"]] == [1, 2, 3, 4, 5, 6]
    film = films["train"][2]
    truth_px = make_phantom(5, 2, 3).landmarks_px
    apart_mm = np.hypot(*(film.truth_px() - truth_px).T) * film.pixel_size_mm
    assert np.nanmean(apart_mm) < 0.6 and film.pixel_size_mm == make_phantom(5, 2, 3).pixel_size_mm
    assert len({path.suffix for path in drawn_phantoms.rglob("Cephalograms/*")}) >= 2


def test_nothing_else_is_overwritten(tmp_path, capsys):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").write_text("keep")
    assert phantom.main([str(tmp_path / "mine"), "--films", "6"]) == 2
    assert (tmp_path / "mine" / "file").read_text() == "keep" and "no phantom" in capsys.readouterr().err


def test_a_file_is_no_place_for_films(tmp_path, capsys):
    (tmp_path / "taken").write_text("mine")
    assert phantom.main([str(tmp_path / "taken"), "--films", "6"]) == 2
    assert "name a folder" in capsys.readouterr().err and (tmp_path / "taken").read_text() == "mine"


def test_an_interruption_leaves_no_half_data_set(tmp_path, monkeypatch):
    count = []

    def stop_at_third(*arguments, **settings):
        count.append(1)
        if len(count) == 3:
            raise KeyboardInterrupt
        return make_phantom(*arguments, **settings)

    monkeypatch.setattr(phantom, "make_phantom", stop_at_third)
    with pytest.raises(KeyboardInterrupt):
        phantom.main([str(tmp_path / "new"), "--films", "6"])
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    "flags", [["--films", "0"], ["--films", "4", "--valid", "4"], ["--seed", "-1"], ["--test", "-2"]]
)
def test_impossible_counts_are_refused(tmp_path, capsys, flags):
    assert phantom.main([str(tmp_path / "new"), *flags]) == 2
    assert capsys.readouterr().err.startswith("phantom.py: ") and not (tmp_path / "new").exists()
