"""One picture is never learnt from and judged by: twins by their bytes, and crops by the film they were cut from."""

import json

import pytest

import preprocess_roi
from config import UserError
from films import scan_split
from twins import group_twins, training_films


def test_twins_are_found_by_their_bytes(blobs):
    films = blobs / "train" / "Cephalograms"
    (films / "train005.png").write_bytes((films / "train001.png").read_bytes())
    twins = group_twins(scan_split(blobs, "train"))
    assert [[film.film_id for film in group] for group in twins] == [["train001", "train005"]]


def test_films_that_differ_outside_their_samples_are_no_twins(blobs):
    films = scan_split(blobs, "train")[:3]
    data = bytearray(100_000)
    for film, place in zip(films, (0, 20_000, 0), strict=True):
        film.image_path.write_bytes(data[:place] + bytes([place > 0]) + data[place + 1 :])
    assert [[film.film_id for film in group] for group in group_twins(films)] == [["train000", "train002"]]


def test_films_that_are_also_judged_by_are_not_learnt_from(blobs):
    pictures = blobs / "train" / "Cephalograms", blobs / "test" / "Cephalograms"
    (pictures[0] / "train002.png").write_bytes((pictures[1] / "test001.png").read_bytes())
    (pictures[0] / "train005.png").write_bytes((pictures[0] / "train001.png").read_bytes())  # these may stay
    films, left_out = training_films(blobs)
    assert [film.film_id for film in left_out] == ["train002"]
    assert {"train001", "train005"} <= {film.film_id for film in films} and len(films) == 7


def test_crops_of_twins_are_twins_though_their_labels_cut_them_differently(phantoms, tmp_path):
    pictures = phantoms / "train" / "Cephalograms", phantoms / "test" / "Cephalograms"
    copied, judged = min(pictures[0].iterdir()), min(pictures[1].iterdir())
    copied.write_bytes(judged.read_bytes())  # with its own labels, so with another box
    assert preprocess_roi.main(["--dataset", str(phantoms), "--output", str(tmp_path / "roi"), "--from", "truth"]) == 0
    films, left_out = training_films(tmp_path / "roi")
    crops = [tmp_path / "roi" / split / "Cephalograms" for split in ("train", "test")]
    copy, original = (crops[0] / f"{copied.stem}.png").read_bytes(), (crops[1] / f"{judged.stem}.png").read_bytes()
    assert copy != original
    assert [film.film_id for film in left_out] == [copied.stem] and copied.stem not in {film.film_id for film in films}


def test_old_or_foreign_transforms_say_nothing_of_twins(blobs):
    (blobs / "transforms.json").write_text(json.dumps({"train001": {"box": {}}, "train002": 3}))
    assert all(film.source_digest is None for film in scan_split(blobs, "train"))
    (blobs / "transforms.json").write_text("{")
    with pytest.raises(UserError, match="transforms.json is not valid JSON"):
        scan_split(blobs, "train")


def test_a_link_that_leads_nowhere_is_one_sentence(blobs):
    (blobs / "train" / "Cephalograms" / "train001.png").unlink()
    (blobs / "train" / "Cephalograms" / "train001.png").symlink_to(blobs / "nowhere.png")
    with pytest.raises(UserError, match="train001.png cannot be read"):
        training_films(blobs)
