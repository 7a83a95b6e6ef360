"""convert_isbi2015.py: the challenge's files become a data set that reads back point for point."""

import json
import shutil

import cv2
import numpy as np
import pytest

import convert_isbi2015
import dataset
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
        source = next((challenge / "RawImage").glob(f"*/{film.film_id}.bmp"))
        assert film.image_path.read_bytes() == source.read_bytes()
    assert dataset.main(["--check", str(out)]) == 1  # the made-up points lie outside their films
    labels = json.loads(next(out.glob("train/Annotations/*/Senior*/001.json")).read_text())
    assert labels["landmarks"][0]["value"] == {"x": 6, "y": 10}  # A, the fifth line; whole numbers as Aariz has them


def test_without_test2_there_is_no_second_set(challenge, tmp_path):
    shutil.rmtree(challenge / "RawImage" / "Test2Data")
    assert convert_isbi2015.main([str(challenge), str(tmp_path / "isbi")]) == 0
    assert not (tmp_path / "isbi_test2").exists()


@pytest.mark.parametrize("spell", [str.lower, str.upper])
def test_folders_unpacked_deeper_or_spelt_otherwise_are_found(challenge, tmp_path, spell):
    shutil.copytree(challenge / "RawImage", tmp_path / "other" / "RawImage" / "RawImage")
    shutil.copytree(challenge / "AnnotationsByMD", tmp_path / "other" / "downloads")
    for folder in [path for path in (tmp_path / "other").glob("*/*/*") if path.is_dir()]:
        folder.rename(folder.with_name(spell(folder.name)))
    assert convert_isbi2015.main([str(tmp_path / "other"), str(tmp_path / "isbi")]) == 0
    assert len(scan_split(tmp_path / "isbi", "train")) == len(scan_split(tmp_path / "isbi_test2", "test")) == 2


BREAKAGES = {
    "TrainingData": lambda source: (source / "RawImage" / "TrainingData").rename(source / "elsewhere"),
    "no film 002": lambda source: (source / "RawImage" / "TrainingData" / "002.bmp").unlink(),
    "151.txt": lambda source: (source / "AnnotationsByMD" / "400_junior" / "151.txt").unlink(),
    "002.txt": lambda source: (source / "AnnotationsByMD" / "400_senior" / "002.txt").write_text("1,2\n3,4\n"),
    "152.txt": lambda source: (source / "AnnotationsByMD" / "400_junior" / "152.txt").write_text("nan,1\n" * 19),
    "302.txt": lambda source: (source / "AnnotationsByMD" / "400_junior" / "302.txt").unlink(),
    "400_junior": lambda source: (source / "AnnotationsByMD" / "400_junior").rename(source / "gone"),
}


@pytest.mark.parametrize("named", BREAKAGES)
def test_what_is_missing_is_named_and_nothing_half_is_left(challenge, tmp_path, capsys, named):
    BREAKAGES[named](challenge)
    assert convert_isbi2015.main([str(challenge), str(tmp_path / "isbi")]) == 2
    message = capsys.readouterr().err.splitlines()[-1]
    assert message.startswith("convert_isbi2015.py: ") and named in message
    assert [path.name for path in tmp_path.iterdir()] == ["challenge"]


def test_an_empty_folder_is_filled(challenge, tmp_path, monkeypatch):
    (tmp_path / "isbi").mkdir()
    monkeypatch.chdir(tmp_path / "isbi")
    assert convert_isbi2015.main([str(challenge), "."]) == 0
    assert len(scan_split(tmp_path / "isbi", "test")) == 2 and (tmp_path / "isbi_test2").is_dir()


def test_a_source_that_is_none_is_named(tmp_path, capsys):
    assert convert_isbi2015.main([str(tmp_path / "nowhere"), str(tmp_path / "isbi")]) == 2
    assert "nowhere is not a folder" in capsys.readouterr().err


def test_a_full_disk_ends_in_one_sentence(challenge, tmp_path, monkeypatch, capsys):
    def full(self, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(type(tmp_path), "replace", full)
    assert convert_isbi2015.main([str(challenge), str(tmp_path / "isbi")]) == 2
    assert "No space left" in capsys.readouterr().err and [path.name for path in tmp_path.iterdir()] == ["challenge"]


@pytest.mark.parametrize("name", ["isbi", "isbi_test2"])
def test_a_file_is_not_overwritten(challenge, tmp_path, capsys, name):
    (tmp_path / name).write_text("keep")
    assert convert_isbi2015.main([str(challenge), str(tmp_path / "isbi")]) == 2
    assert (tmp_path / name).read_text() == "keep" and "not an empty folder" in capsys.readouterr().err


def test_a_folder_in_use_is_not_overwritten(challenge, tmp_path, capsys):
    (tmp_path / "isbi").mkdir()
    (tmp_path / "isbi" / "mine").write_text("keep")
    assert convert_isbi2015.main([str(challenge), str(tmp_path / "isbi")]) == 2
    assert (tmp_path / "isbi" / "mine").read_text() == "keep" and "not an empty folder" in capsys.readouterr().err
