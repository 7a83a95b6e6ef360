"""convert_isbi2015.py: the challenge's files become a data set that reads back point for point."""

import cv2
import numpy as np
import pytest

import convert_isbi2015
from config import LANDMARK_INDEX
from films import scan_split
from images import read_film


@pytest.fixture
def challenge(tmp_path, monkeypatch):
    """A challenge of two films a part."""
    parts = {"train": ("TrainingData", 1, 2), "test": ("Test1Data", 151, 152), "test2": ("Test2Data", 301, 302)}
    monkeypatch.setattr(convert_isbi2015, "PARTS", parts)
    source = tmp_path / "challenge"
    for folder, first, last in parts.values():
        for number in range(first, last + 1):
            picture = source / "RawImage" / folder / f"{number:03d}.bmp"
            picture.parent.mkdir(parents=True, exist_ok=True)
            picture.write_bytes(cv2.imencode(".bmp", np.full((40, 30), number % 256, np.uint8))[1].tobytes())
            for who, shift in (("400_senior", 0), ("400_junior", 1)):
                text = source / "AnnotationsByMD" / who / f"{number:03d}.txt"
                text.parent.mkdir(parents=True, exist_ok=True)
                lines = [f"{line + number},{2 * line + shift}" for line in range(1, 20)] + ["1", "2", "3"]
                text.write_text("\r\n".join(lines))
    return source


def test_points_and_pictures_read_back(challenge, tmp_path):
    out = tmp_path / "isbi"
    assert convert_isbi2015.main([str(challenge), str(out)]) == 0
    for root, split, first in ((out, "train", 1), (out, "test", 151), (tmp_path / "isbi_test2", "test", 301)):
        films = scan_split(root, split)
        assert [film.film_id for film in films] == [f"{first:03d}", f"{first + 1:03d}"]
        film = films[1]
        assert film.pixel_size_mm == 0.1 and film.machine == "Soredex CRANEX Excel Ceph" and film.stage is None
        # Line 1 is sella, line 11 the lower incisor's tip, line 19 articulare.
        for line, symbol in ((1, "S"), (11, "LIT"), (16, "Pog`"), (19, "Ar")):
            expected = [[line + first + 1, 2 * line], [line + first + 1, 2 * line + 1]]
            assert film.annotators_px[:, LANDMARK_INDEX[symbol]].tolist() == expected
        assert (~np.isnan(film.truth_px()).any(axis=1)).sum() == 19
        assert (read_film(film.image_path) == (first + 1) % 256).all()


def test_without_test2_there_is_no_second_set(challenge, tmp_path):
    import shutil

    shutil.rmtree(challenge / "RawImage" / "Test2Data")
    assert convert_isbi2015.main([str(challenge), str(tmp_path / "isbi")]) == 0
    assert not (tmp_path / "isbi_test2").exists()


BREAKAGES = {
    "TrainingData": lambda source: (source / "RawImage" / "TrainingData").rename(source / "elsewhere"),
    "no film 002": lambda source: (source / "RawImage" / "TrainingData" / "002.bmp").unlink(),
    "151.txt": lambda source: (source / "AnnotationsByMD" / "400_junior" / "151.txt").unlink(),
    "002.txt": lambda source: (source / "AnnotationsByMD" / "400_senior" / "002.txt").write_text("1,2\n3,4\n"),
    "400_junior": lambda source: (source / "AnnotationsByMD" / "400_junior").rename(source / "gone"),
}


@pytest.mark.parametrize("named", BREAKAGES)
def test_what_is_missing_is_named_and_nothing_half_is_left(challenge, tmp_path, capsys, named):
    BREAKAGES[named](challenge)
    assert convert_isbi2015.main([str(challenge), str(tmp_path / "isbi")]) == 2
    assert named in capsys.readouterr().err and not (tmp_path / "isbi").exists()


def test_a_folder_in_use_is_not_overwritten(challenge, tmp_path, capsys):
    (tmp_path / "isbi").mkdir()
    (tmp_path / "isbi" / "mine").write_text("keep")
    assert convert_isbi2015.main([str(challenge), str(tmp_path / "isbi")]) == 2
    assert (tmp_path / "isbi" / "mine").read_text() == "keep" and "not empty" in capsys.readouterr().err
