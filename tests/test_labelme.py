"""LabelMe files: what is written reads back, outlines give points, mistakes are named."""

import json
from pathlib import Path

import numpy as np
import pytest

from config import VERTEBRAL_POINTS, UserError
from labelme import BOX_MARGINS, box_of_points, read_labelme, write_labelme

NECK_PX = np.array([
    [100, 100], [116, 96], [132, 104], [101, 110], [133, 116], [99, 132], [115, 129], [132, 137], [98, 142], [131, 147],
    [96, 165], [112, 162], [130, 170],
], dtype=np.float64)  # fmt: skip


def edit(path: Path, change) -> Path:
    """Changes a file's content in place."""
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    return path


@pytest.fixture
def neck_file(tmp_path: Path) -> Path:
    path = tmp_path / "neck.json"
    write_labelme(path, NECK_PX, (300, 300), "film.png", unsure=np.arange(13) == 4)
    return path


def test_written_files_read_back(neck_file):
    labels = read_labelme(neck_file)
    assert np.allclose(labels.points_px, NECK_PX)
    assert np.flatnonzero(labels.unsure).tolist() == [4] and not labels.pseudo
    assert np.allclose(labels.box_px, box_of_points(NECK_PX, (300, 300)), atol=0.01)


def test_points_that_are_not_there_stay_unknown(tmp_path):
    points = NECK_PX.copy()
    points[8:] = np.nan
    write_labelme(tmp_path / "part.json", points, (300, 300), pseudo=True)
    labels = read_labelme(tmp_path / "part.json")
    assert labels.known.tolist() == [True] * 8 + [False] * 5 and labels.pseudo


def test_the_box_keeps_its_wider_margin_behind_the_neck():
    mirrored = NECK_PX * [-1, 1] + [299, 0]
    left, _, right, _ = box_of_points(NECK_PX)
    mirrored_left, _, mirrored_right, _ = box_of_points(mirrored)
    width = np.ptp(NECK_PX[:, 0])
    assert np.isclose(NECK_PX[:, 0].min() - left, BOX_MARGINS[0] * width)
    assert np.isclose(mirrored_right, 299 - left) and np.isclose(mirrored_left, 299 - right)


def test_a_file_may_hold_the_box_alone(neck_file):
    edit(neck_file, lambda content: content.update(shapes=content["shapes"][-1:]))
    labels = read_labelme(neck_file)
    assert not labels.known.any() and labels.box_px is not None


def outline(body: str) -> list:
    """A drawn outline of C3 or C4 through its five points."""
    order = [f"{body}{part}" for part in ("up", "ua", "la", "m", "lp")]
    return [NECK_PX[VERTEBRAL_POINTS.index(name)].tolist() for name in order]


@pytest.mark.parametrize("faces_left", [False, True])
def test_outlines_give_the_points_of_their_corners(neck_file, faces_left):
    def draw(content: dict) -> None:
        flip = [299, -1] if faces_left else [0, 1]
        shapes = {body: [[flip[0] + flip[1] * x, y] for x, y in outline(body)] for body in ("C3", "C4")}
        content["shapes"] = [
            {"label": body, "shape_type": "polygon", "points": points} for body, points in shapes.items()
        ]
        content["flags"] = {"faces_left": faces_left}

    labels = read_labelme(edit(neck_file, draw))
    assert labels.known.tolist() == [False] * 3 + [True] * 10
    wanted = NECK_PX * [-1, 1] + [299, 0] if faces_left else NECK_PX
    assert np.abs(labels.points_px[3:] - wanted[3:]).max() < 1.5


def test_a_point_by_hand_outdoes_the_outline(neck_file):
    shape = {"label": "C3", "shape_type": "polygon", "points": [[0, 0], [9, 0], [9, 9], [0, 9]]}
    edit(neck_file, lambda content: content["shapes"].append(shape))
    assert np.allclose(read_labelme(neck_file).points_px, NECK_PX)


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda content: content.update(shapes=None), "no LabelMe file"),
        (lambda content: content["shapes"].append(content["shapes"][0]), "twice"),
        (lambda content: content["shapes"][0].update(points=[["a", 1]]), "C2p"),
        (lambda content: content["shapes"][0].update(points=[[float("nan"), 1]]), "C2p"),
        (lambda content: content["shapes"][0].update(points=[]), "C2p"),
        (
            lambda content: content["shapes"].append(
                {"label": "C3", "shape_type": "polygon", "points": [[1, 1], [2, 2], [3, 3], [4, 4]]}
            ),
            "encloses no area",
        ),
    ],
)
def test_mistakes_are_named(neck_file, change, message):
    with pytest.raises(UserError, match=message):
        read_labelme(edit(neck_file, change))


@pytest.mark.parametrize("place", [["1", 24.7], [10**400, 5], [True, False], [[1], 2], None, {}])
def test_what_is_no_pair_of_numbers_is_no_point(neck_file, place):
    """Texts were once taken for the numbers they spell, and a number beyond all floats ended in a traceback."""
    edit(neck_file, lambda content: content["shapes"][0].update(points=[place]))
    with pytest.raises(UserError, match="usable points"):
        read_labelme(neck_file)


@pytest.mark.parametrize("flags", ["unsure", 7, 0.5, ["unsure"], None])
def test_flags_of_another_kind_are_none(neck_file, flags):
    def change(content):
        content["flags"] = content["shapes"][4]["flags"] = flags

    labels = read_labelme(edit(neck_file, change))
    assert np.allclose(labels.points_px, NECK_PX) and not labels.unsure.any() and not labels.pseudo
