"""What leaves with the user: files that open, load back, train, and cannot harm, whatever a film is called."""

import csv
import io
import json
import shutil
import tracemalloc
import zipfile

import cv2
import numpy as np
import pytest
from known_reading import make_reading

from annotations import read_landmarks
from config import ANNOTATORS, SYMBOLS, UserError
from exports import export_film, file_name, write_archive
from films import scan_split
from images import write_png
from norms import NORM_CHOICES
from reading import describe_reading

FILM = np.full((480, 387), 90, dtype=np.uint8)
KINDS = {"points", "measurements", "json", "annotation", "overlay", "report"}
NASTY = [
    "../../etc/passwd", "..\\..\\windows\\x", "/abs", "a\x00b\n", "con", "LPT1.txt", ".hidden", "", "  ", "x" * 400,
    "<b>&\"'", "=1+1", "\u202egnp.exe", "C:\\film", "a/b", "-rf", "김 철수",
]  # fmt: skip


def small_reading(**changes):
    """A head on `FILM`, 0.5 mm to a pixel."""
    facts = {"points_px": make_reading().points_px / 5, "film_size": FILM.shape[::-1], "radius95_px": np.full(29, 2.5)}
    return make_reading(0.5, **(facts | changes))


def read_table(path) -> list[dict]:
    return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig"))))


def test_one_film_gives_one_file_of_each_kind(tmp_path):
    reading = small_reading(stage=3, stage_probabilities=np.eye(6)[2]).corrected({"A": (281.0, 226.5)})
    paths = export_film(reading, FILM, tmp_path, "ko")
    assert set(paths) == KINDS and all(path.is_file() for path in paths.values())
    points = {row["landmark"]: row for row in read_table(paths["points"])}
    assert len(points) == 29 and points["A"]["taught_by"] == "user" and points["A"]["radius95_px"] == ""
    assert float(points["A"]["x"]) == 281.0 and points["Co"]["taught_by"] == "reader"
    rows = {row["measurement"]: row for row in read_table(paths["measurements"])}
    expected = reading.measurements()
    assert set(rows) == set(expected) and rows["SNA"]["edited"] == "A" and rows["Co-Gn"]["reader_taught"] == "Co"
    assert float(rows["SNA"]["value"]) == pytest.approx(expected["SNA"]["value"], abs=1e-3)
    assert rows["SN-GoGn"]["sd"] == rows["SN-GoGn"]["deviation"] == "" and float(rows["SN-GoGn"]["norm_low"]) == 28
    assert cv2.imread(str(paths["overlay"])).shape == (480, 387, 3)
    assert json.loads(paths["json"].read_text()) == [json.loads(json.dumps(describe_reading(reading, "film")))]
    assert '<html lang="ko">' in paths["report"].read_text()


@pytest.mark.parametrize(("language", "words"), [("en", "too uncertain to read"), ("ko", "불확실하여 판독할 수 없음")])
def test_files_say_what_is_too_uncertain(tmp_path, language, words):
    paths = export_film(make_reading(radius_px=40.0), FILM, tmp_path, language, kinds=("measurements", "json"))
    table = io.StringIO(paths["measurements"].read_text("utf-8-sig"))
    rows = {row["measurement"]: row for row in csv.DictReader(table)}
    assert (rows["Wits"]["reading"], rows["Wits"]["level"], rows["Wits"]["certain"]) == (words, "unsure", "no")
    assert json.loads(paths["json"].read_text())[0]["measurements"]["Wits"]["reading"] == "too uncertain to read"


def test_the_overlay_shows_tracing_and_points(tmp_path):
    drawn = cv2.imread(str(export_film(small_reading(), FILM, tmp_path)["overlay"]))
    assert (drawn != 90).any(axis=2).mean() > 0.01
    x, y = np.rint(small_reading().points_px[SYMBOLS.index("Or")]).astype(int)
    assert drawn[y, x, 2] > 150 > drawn[y, x, 0]


def test_the_annotation_loads_back_identically(tmp_path):
    reading = small_reading().corrected({"A": (281.125, 226.5)})
    first = export_film(reading, FILM, tmp_path / "a")["annotation"]
    labels = read_landmarks(first, "film")
    assert np.allclose(labels.points_px, reading.points_px, atol=5e-4)
    assert labels.by_reader.tolist() == [teacher == "reader" for teacher in reading.taught_by]
    entries = {entry["symbol"]: entry for entry in json.loads(first.read_text())["landmarks"]}
    assert entries["A"]["annotator"] == "user" and "annotator" not in entries["B"]
    again = small_reading(points_px=labels.points_px, taught_by=reading.taught_by)
    assert export_film(again, FILM, tmp_path / "b")["annotation"].read_bytes() == first.read_bytes()


def test_annotations_train(tmp_path):
    """A corrected film in Aariz's layout is a film to train on like any other."""
    import train

    root = tmp_path / "set"
    for split in ("train", "valid"):
        for number in range(2):
            name = f"{split}{number}"
            paths = export_film(small_reading(name=name).corrected({"A": (281.0, 226.5)}), FILM, tmp_path / "out")
            write_png(root / split / "Cephalograms" / f"{name}.png", FILM + 10 * number + (split == "train"))
            for annotator in ANNOTATORS:
                folder = root / split / "Annotations" / "Cephalometric Landmarks" / annotator
                folder.mkdir(parents=True, exist_ok=True)
                shutil.copy(paths["annotation"], folder)
    assert np.allclose(scan_split(root, "train")[0].truth_px()[0], (281.0, 226.5))
    flags = ["--epochs", "1", "--image-size", "64", "--widths", "16,16,16", "--blocks", "1", "--batch-size", "2"]
    flags += ["--no-head-frame", "--device", "cpu", "--output", str(tmp_path / "runs")]
    assert train.main(["--dataset", str(root), *flags]) == 0


@pytest.mark.parametrize("name", NASTY)
def test_no_name_leaves_its_folder_or_becomes_a_formula(tmp_path, name):
    safe = file_name(name)
    assert safe and not set('/\\:*?"<>|\0\n') & set(safe) and len(safe.encode()) < 250
    assert not safe.startswith((".", "-", "=")) and safe.lower() != "con" and file_name(safe) == safe
    paths = export_film(small_reading(name=name), FILM, tmp_path / "out")
    assert all(path.resolve().is_relative_to((tmp_path / "out").resolve()) for path in paths.values())
    assert sum(path.is_file() for path in tmp_path.rglob("*")) == len(KINDS)
    for kind in ("points", "measurements"):
        assert not read_table(paths[kind])[0]["film"].lstrip().startswith(("=", "+", "-", "@"))
    read_landmarks(paths["annotation"], paths["annotation"].stem)


@pytest.mark.parametrize("choice", NORM_CHOICES)
def test_chosen_norms_reach_every_file(tmp_path, choice):
    reading = small_reading()
    paths = export_film(reading, FILM, tmp_path, norm_set=choice)
    expected = {name: row["norm_set"] for name, row in reading.measurements(choice).items()}
    assert {row["measurement"]: row["norm_set"] for row in read_table(paths["measurements"])} == expected
    entry = json.loads(paths["json"].read_text())[0]
    assert {name: row["norm_set"] for name, row in entry["measurements"].items()} == expected


def broken():
    raise UserError("=b.png is not a picture.")


def test_an_archive_holds_every_film_and_says_what_failed(tmp_path):
    films = [(name, lambda name=name: (small_reading(name=name), FILM)) for name in ("a", "A", "../c")]
    films.insert(1, ("=b.png", broken))
    errors = write_archive(tmp_path / "all.zip", iter(films), "en")
    assert [path.name for path in tmp_path.iterdir()] == ["all.zip"]
    with zipfile.ZipFile(tmp_path / "all.zip") as archive:
        archive.extractall(tmp_path / "x")
        assert archive.testzip() is None
        assert {name.split("/")[0] for name in archive.namelist() if "/" in name} == {"a", "A_2", "c"}
        assert len(archive.namelist()) == 3 * len(KINDS) + 3
    assert errors == [{"film": "'=b.png", "error": "'=b.png is not a picture."}]
    assert read_table(tmp_path / "x" / "errors.csv") == errors
    points, measured = (read_table(tmp_path / "x" / f"{kind}.csv") for kind in ("points", "measurements"))
    assert len(points) == 3 * 29 and {row["film"] for row in points} == {"a", "A_2", "c"}
    assert {row["film"] for row in measured} == {"a", "A_2", "c"}
    read_landmarks(tmp_path / "x" / "A_2" / "annotations" / "A_2.json", "A_2")


def test_an_archive_takes_no_more_memory_for_more_films(tmp_path):
    def peak(count: int) -> int:
        tracemalloc.start()
        films = ((f"film{number}", lambda: (small_reading(), FILM.copy())) for number in range(count))
        write_archive(tmp_path / "all.zip", films)
        _, highest = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return highest

    peak(1)
    assert peak(12) < 1.2 * peak(3) + 100_000


def test_an_archive_is_whole_or_not_there(tmp_path):
    (tmp_path / "all.zip").write_text("earlier")

    def stop():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_archive(tmp_path / "all.zip", [("a", lambda: (small_reading(), FILM)), ("b", stop)])
    assert (tmp_path / "all.zip").read_text() == "earlier" and len(list(tmp_path.iterdir())) == 1
    with pytest.raises(UserError, match="cannot be written"):
        write_archive(tmp_path / "nowhere" / "all.zip", [])
