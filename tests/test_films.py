"""Reading a data set: both capitalisations, sorted order, honest refusals (log #8 and the unsorted listdir)."""

import shutil

import numpy as np
import pytest
from conftest import write_blob_dataset
from label_faults import BREAKAGES, SENIOR, edit

from annotations import read_landmarks, read_machines, write_landmarks
from config import LANDMARK_INDEX, SYMBOLS, UserError
from films import distance_px, has_split, impossible_points, scan_split


def test_a_film_knows_all_its_labels(blobs):
    films = scan_split(blobs, "train")
    assert [film.film_id for film in films] == [f"train{number:03d}" for number in range(8)]
    film = films[1]
    assert (film.stage, film.pixel_size_mm, film.machine) == (2, 0.5, "machine 1")
    assert film.annotators_px.shape == (2, 29, 2) and not np.isnan(film.annotators_px).any()
    assert np.allclose(film.disagreement_px(), np.hypot(2, 2))
    assert np.allclose(film.truth_px(), film.annotators_px.mean(axis=0))
    assert np.array_equal(film.truth_px("senior"), film.annotators_px[0])


def test_the_official_truth_is_the_ceil_of_the_mean(tmp_path):
    root = write_blob_dataset(tmp_path, {"train": 1})
    edit(root / SENIOR / "train000.json", lambda content: content["landmarks"][0]["value"].update(x=10))
    edit(
        root / SENIOR.replace("Senior", "Junior") / "train000.json",
        lambda content: content["landmarks"][0]["value"].update(x=11),
    )
    film = scan_split(root, "train")[0]
    assert film.truth_px()[0, 0] == 10.5 and film.truth_px("official")[0, 0] == 11


@pytest.mark.parametrize("spell", [str.upper, str.capitalize])
def test_any_capitalisation_of_folders(tmp_path, spell):
    root = write_blob_dataset(tmp_path / "a", {"train": 3})
    (root / "train" / "Annotations" / "CVM Stages").rename(root / "train" / "Annotations" / spell("cvm stages"))
    (root / "train").rename(root / spell("train"))
    assert [film.stage for film in scan_split(root, "train")] == [1, 2, 3]


@pytest.mark.parametrize(("points", "stages"), [(29, False), (19, True), (19, False), (0, True)])
def test_what_is_not_annotated_is_nan_or_none(tmp_path, points, stages):
    film = scan_split(write_blob_dataset(tmp_path, {"train": 1}, points, stages), "train")[0]
    assert (~np.isnan(film.truth_px()).any(axis=1)).sum() == points
    assert (film.stage == 1) if stages else (film.stage is None)


def test_a_point_of_one_annotator_counts_as_it_is(blobs):
    edit(blobs / SENIOR / "train000.json", lambda content: content["landmarks"].pop(3))
    film = scan_split(blobs, "train")[0]
    assert np.array_equal(film.truth_px()[3], film.truth_px("junior")[3])
    assert np.isnan(film.disagreement_px()[3]) and not impossible_points(film)[3]


def test_readers_points_are_marked(blobs):
    for who in ("Senior", "Junior"):
        path = blobs / SENIOR.replace("Senior", who) / "train000.json"
        edit(path, lambda content: content["landmarks"][9].update(annotator="reader", unsure=True))
    film = scan_split(blobs, "train")[0]
    assert film.by_reader.nonzero()[0].tolist() == [9] and film.unsure[9]


def test_the_order_of_a_folder_does_not_matter(blobs, monkeypatch):
    from pathlib import Path

    expected = [film.image_path for film in scan_split(blobs, "train")]
    listed = Path.iterdir
    monkeypatch.setattr(Path, "iterdir", lambda self: sorted(listed(self), reverse=True))
    assert [film.image_path for film in scan_split(blobs, "train")] == expected


@pytest.mark.parametrize("breakage", BREAKAGES)
def test_a_broken_label_is_refused_by_name(blobs, breakage):
    BREAKAGES[breakage](blobs)
    with pytest.raises(UserError, match="train002") as refusal:
        scan_split(blobs, "train")
    assert "--check" in str(refusal.value) and "\n" not in str(refusal.value)


def test_what_is_no_data_set_is_refused(tmp_path):
    with pytest.raises(UserError, match="train/Cephalograms"):
        scan_split(tmp_path, "train")
    (tmp_path / "train" / "Cephalograms").mkdir(parents=True)
    with pytest.raises(UserError, match="holds no film"):
        scan_split(tmp_path, "train")


def test_hidden_files_and_others_are_no_films(blobs):
    films = blobs / "valid" / "Cephalograms"
    for name in (".DS_Store", "._valid000.png", "Thumbs.db"):
        (films / name).write_bytes(b"x")
    assert len(scan_split(blobs, "valid")) == 4
    for path in films.glob("valid*"):
        path.unlink()
    assert not has_split(blobs, "valid")


def test_two_spellings_of_one_folder_are_refused_unless_one_is_empty(blobs):
    (blobs / "Train").mkdir()
    if (blobs / "Train" / "Cephalograms").exists():
        pytest.skip("this file system does not tell the two apart")
    assert len(scan_split(blobs, "train")) == 8
    (blobs / "Train" / "Cephalograms").mkdir()
    with pytest.raises(UserError, match="both Train and train"):
        scan_split(blobs, "train")


def test_a_machine_file_without_its_columns_is_refused(blobs):
    path = blobs / "cephalogram_machine_mappings.csv"
    path.write_text(path.read_text().replace(",", ";"))
    with pytest.raises(UserError, match="no column cephalogram_id"):
        read_machines(blobs)


@pytest.mark.parametrize("text", ["c", "cephalogram_id,machine,pixe", "cephalogram_id,machine,pixel_size"])
def test_a_machine_file_cut_in_its_first_line_is_refused(blobs, text):
    """It once passed for a table of no films, and all pixel sizes were gone in silence."""
    (blobs / "cephalogram_machine_mappings.csv").write_text(text)
    with pytest.raises(UserError, match="lists no film"):
        read_machines(blobs)


def test_a_whole_annotator_may_be_missing(blobs):
    shutil.rmtree(blobs / SENIOR)
    film = scan_split(blobs, "train")[0]
    assert np.isnan(film.truth_px("senior")).all() and np.array_equal(film.truth_px(), film.truth_px("junior"))
    assert not impossible_points(film).any()


@pytest.mark.parametrize("text", ["-0.5", "0", "nan", "inf", "one", '"0,1"'])
def test_a_pixel_size_must_be_a_positive_number(blobs, text):
    path = blobs / "cephalogram_machine_mappings.csv"
    path.write_text(path.read_text().replace("train001,machine 1,0.5", f"train001,machine 1,{text}"))
    with pytest.raises(UserError, match="train001"):
        read_machines(blobs)


def test_impossible_labels_are_found(blobs):
    edit(blobs / SENIOR / "train000.json", lambda content: content["landmarks"][5]["value"].update(x=900))
    film = scan_split(blobs, "train")[0]
    assert impossible_points(film).nonzero()[0].tolist() == [5]

    def swap_lips(content):
        upper, lower = (content["landmarks"][LANDMARK_INDEX[symbol]] for symbol in ("Ls", "Li"))
        upper["value"], lower["value"] = lower["value"], upper["value"]

    edit(blobs / SENIOR / "train001.json", swap_lips)
    found = impossible_points(scan_split(blobs, "train")[1])
    assert {SYMBOLS[index] for index in found.nonzero()[0]} == {"Ls", "Li"}


def test_points_are_written_as_they_are_read(tmp_path):
    points_px = np.random.default_rng(0).uniform(0, 2000, (29, 2)).round(3)
    points_px[7] = np.nan
    write_landmarks(tmp_path / "film.json", "film", points_px, notes={"R": {"annotator": "reader", "unsure": True}})
    labels = read_landmarks(tmp_path / "film.json", "film")
    assert np.array_equal(labels.points_px, points_px, equal_nan=True)
    assert labels.by_reader.sum() == labels.unsure.sum() == 1


def test_distance():
    points_px = np.full((29, 2), np.nan)
    points_px[LANDMARK_INDEX["S"]], points_px[LANDMARK_INDEX["N"]] = (0, 0), (30, 40)
    assert distance_px(points_px, "S", "N") == 50 and np.isnan(distance_px(points_px, "S", "Me"))
