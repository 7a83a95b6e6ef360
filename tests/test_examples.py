"""The example films that come with the project, and the warp by which they are made."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.mean_films import align, equalise, fill, follow, grid_of, load, main, remap, shape_at, warp_field
from config import SYMBOLS
from facing import TEMPLATE_MM
from files import read_json
from films import scan_split
from images import read_film
from neck import labels_folder, with_vertebrae

FOLDER = Path(__file__).parents[1] / "examples"
SIZE = (240, 300)


def test_three_classes_of_known_scale_in_small_files():
    entries = read_json(FOLDER / "examples.json")
    assert {entry["class"] for entry in entries} == {"I", "II", "III"}
    assert {path.name for path in FOLDER.glob("*.jpg")} == {entry["file"] for entry in entries}
    for entry in entries:
        path = FOLDER / entry["file"]
        assert path.stat().st_size < 300_000 and 1000 <= read_film(path).shape[0] <= 1400
        assert 0.05 < entry["pixel_size_mm"] < 0.5
        anb = entry["measurements"]["ANB"]
        assert {"I": 0 <= anb <= 4, "II": anb > 4, "III": anb < 0}[entry["class"]]


def test_a_warp_shows_points_where_it_was_asked_to():
    seen = np.random.default_rng(0).uniform((40, 40), (200, 260), (12, 2))
    source = seen + np.stack([5 * np.sin(seen[:, 1] / 60), 4 * np.cos(seen[:, 0] / 50)], axis=1)
    field = warp_field(seen, source, SIZE)
    grid = grid_of(SIZE)
    assert field.shape == grid.shape
    # A picture whose grey is its own x shows at each point the x that it came from.
    for axis in (0, 1):
        ramp = np.broadcast_to(np.arange(SIZE[axis], dtype=np.float32), SIZE[::-1] if axis == 0 else SIZE)
        ramp = np.ascontiguousarray(ramp if axis == 0 else ramp.T)
        shown = remap(ramp, field)
        for at, wanted in zip(seen, source, strict=True):
            column, row = np.rint(at).astype(int)
            assert shown[row, column] == pytest.approx(wanted[axis] + (column, row)[axis] - at[axis], abs=1.5)


def test_no_bend_leaves_a_picture_as_it_is():
    film = np.random.default_rng(0).integers(0, 255, SIZE[::-1]).astype(np.uint8)
    seen = np.random.default_rng(1).uniform(40, 200, (12, 2))
    field = warp_field(seen, seen, SIZE)
    assert np.abs(remap(film, field).astype(int) - film).max() <= 1
    assert np.allclose(follow(field, np.zeros_like(field), SIZE), field, atol=0.05)
    shifted = follow(field, np.full_like(field, 5.0), SIZE)
    assert np.allclose(shifted[4:-4, 4:-4], field[4:-4, 4:-4] + 5.0, atol=0.3)


def heads(count: int) -> np.ndarray:
    """Heads (count, 29, 2) that differ in place, size, turn and how far the lower jaw stands forward."""
    generator = np.random.default_rng(2)
    template = np.array([TEMPLATE_MM[symbol] for symbol in SYMBOLS])
    lower = np.isin(SYMBOLS, ("B", "Pog", "Gn", "Me", "LIT", "LIA"))
    shapes = []
    for _ in range(count):
        head = template + np.outer(lower, [generator.normal(0, 4), 0])
        turn = generator.normal(0, 0.05)
        matrix = generator.normal(5, 0.2) * np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
        shapes.append(head @ matrix + generator.normal(300, 20, 2))
    return np.array(shapes)


def test_shapes_are_laid_over_each_other_and_unknown_points_foretold():
    shapes = heads(40)
    aligned, moves = align(shapes)
    assert aligned.std(axis=0).max() < 0.2 * shapes.std(axis=0).max() + 12 and len(moves) == 40
    assert abs(np.mean([np.arctan2(move[1, 0], move[0, 0]) for move in moves])) < 1e-3
    pogonion = SYMBOLS.index("Pog")
    far = np.linalg.norm(aligned[:, pogonion] - aligned[:, pogonion].mean(axis=0), axis=1).argmax()
    holes = aligned.copy()
    holes[far, pogonion] = np.nan
    filled = fill(holes)
    wrong = np.linalg.norm(filled[far, pogonion] - aligned[far, pogonion])
    assert wrong < 0.3 * np.linalg.norm(np.nanmean(holes[:, pogonion], axis=0) - aligned[far, pogonion])
    assert (filled[~np.isnan(holes)] == holes[~np.isnan(holes)]).all()


def test_vertebral_points_are_read_as_everywhere_and_left_out_where_no_film_has_any(drawn_phantoms):
    bare = replace(scan_split(drawn_phantoms, "train")[0], pixel_size_mm=0.1)
    [labelled] = with_vertebrae([bare], labels_folder(drawn_phantoms, "train"))
    for pair, count in (([bare, bare], 29), ([labelled, bare], 42)):
        _, shapes, _ = load(pair)
        assert shapes.shape == (2, count, 2)
    expected = (labelled.vertebrae.points_px + 0.5) * 1200 / read_film(bare.image_path).shape[0] - 0.5
    assert np.allclose(shapes[0, 29:], expected, equal_nan=True) and np.isnan(shapes[1, 29:]).all()


def test_a_folder_without_vertebral_points_is_named(drawn_phantoms, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("benchmarks.mean_films.LEAST_FILMS", 1)
    flags = ["--dataset", str(drawn_phantoms), "--vertebrae", str(tmp_path / "empty"), "--output", str(tmp_path)]
    assert main(flags) == 2 and "empty has no vertebral points" in capsys.readouterr().err


def test_an_anatomy_has_the_angles_that_it_was_asked_for():
    from analysis import measure

    aligned, _ = align(heads(60))
    for anb in (-2.0, 3.0, 7.0):
        steepness = np.mean([measure(shape)["SN-GoGn"]["value"] for shape in aligned])
        assert measure(shape_at(aligned, 0.2, anb, steepness))["ANB"]["value"] == pytest.approx(anb, abs=1.0)


def test_films_are_made_equally_bright():
    generator = np.random.default_rng(0)
    dark, light = (generator.integers(low, low + 120, (60, 60)).astype(np.uint8) for low in (0, 130))
    first, second = equalise([dark, light])
    for share in (10, 50, 90):
        wanted = (np.percentile(dark, share) + np.percentile(light, share)) / 2
        assert abs(np.percentile(first, share) - wanted) < 4 and abs(np.percentile(second, share) - wanted) < 4
