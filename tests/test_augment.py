"""Film and points move together, exactly, and the same however many workers there are (log #7, #24, #33)."""

import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import centroid, draw_blobs

from artefacts import add_artefacts
from augment import LEVELS, Augmentation, Augmenter, draw_seed, invert_film
from cache import FilmCache
from config import UserError, make_config
from dataset import EpochPlan, FilmDataset, make_loader
from films import scan_split
from warp import SmoothWarp

STILL = Augmentation(
    rotation_degrees=0, scale=(1.0, 1.0), shift=0, shear_degrees=0, brightness=0, contrast=0, gamma_log=0, intensity=0,
    blur=0, noisy=0, cutout=0, polarity=0, artefacts=0, elastic=0,
)  # fmt: skip
MOVES = {
    "rotation": replace(STILL, rotation_degrees=20),
    "scale": replace(STILL, scale=(0.6, 1.4)),
    "shift": replace(STILL, shift=0.1),
    "shear": replace(STILL, shear_degrees=8),
    "flip": replace(STILL, flip=1.0),
    "elastic": replace(STILL, elastic=1.0),
    "all of standard": replace(LEVELS["standard"], intensity=0, blur=0, noisy=0, cutout=0, polarity=0, artefacts=0),
    "all of strong": replace(
        LEVELS["strong"], intensity=0, blur=0, noisy=0, cutout=0, polarity=0, artefacts=0, elastic=1.0
    ),
}
SHADES = {
    "brightness": replace(STILL, intensity=1, brightness=0.3),
    "contrast": replace(STILL, intensity=1, contrast=0.4),
    "gamma": replace(STILL, intensity=1, gamma_log=0.7),
    "blur": replace(STILL, blur=1.0),
    "noise": replace(STILL, noisy=1.0),
    "cutout": replace(STILL, cutout=1.0),
    "polarity": replace(STILL, polarity=1.0),
    "artefacts": replace(STILL, artefacts=1.0),
}
SIZE = (240, 200)


@pytest.mark.parametrize("name", MOVES)
def test_a_moved_point_is_where_the_film_shows_it(name):
    augmenter, checked = Augmenter(MOVES[name]), 0
    # A warp's curvature bends a wide blob, which moves its centroid though not its middle.
    sigma_px = 1.0 if name == "elastic" else 1.6
    for epoch in range(25):
        point = np.random.default_rng(epoch).uniform(40, 160, (1, 2))
        image, moved = augmenter(draw_blobs(SIZE, point, sigma_px), point, (0, epoch, name))
        assert image.shape == SIZE and image.dtype == np.uint8 and moved.shape == (1, 2)
        if ((moved > 12) & (moved < np.array(SIZE[::-1]) - 12)).all():
            assert np.hypot(*(centroid(image, moved[0]) - moved[0])) < 0.1
            checked += 1
    assert checked >= 15


@pytest.mark.parametrize("name", MOVES)
def test_the_film_really_moves(name):
    point = np.array([[60.0, 70.0]])
    _, moved = Augmenter(MOVES[name])(draw_blobs(SIZE, point), point, (0, 1, "film"))
    assert np.hypot(*(moved - point)[0]) > 0.2


@pytest.mark.parametrize("name", SHADES)
def test_greys_change_and_points_do_not(name):
    film = np.random.default_rng(0).integers(20, 220, SIZE).astype(np.uint8)
    points = np.array([[60.25, 70.5], [np.nan, np.nan], [3.0, 200.0]])
    changed = 0
    for epoch in range(6):
        image, moved = Augmenter(SHADES[name])(film, points, (0, epoch, "film"))
        assert np.array_equal(moved, points, equal_nan=True)
        changed += not np.array_equal(image, film)
    assert changed >= 5


@pytest.mark.parametrize("level", ["light", "standard", "strong"])
def test_points_keep_their_number_order_and_gaps(level):
    points = np.array([[5.0, 5.0], [np.nan, np.nan], [199.0, 239.0], [100.0, 120.0], [5.0, 5.0]])
    for epoch in range(10):
        _, moved = Augmenter(level)(np.full(SIZE, 90, np.uint8), points, (1, epoch, "film"))
        assert moved.shape == points.shape and np.isnan(moved).any(axis=1).tolist() == [
            False,
            True,
            False,
            False,
            False,
        ]
        assert np.allclose(moved[0], moved[4])


def test_a_point_off_the_frame_keeps_its_place():
    points = np.array([[0.0, 0.0], [100.0, 120.0], [50.0, 60.0]])
    _, moved = Augmenter(replace(STILL, scale=(1.4, 1.4)))(np.zeros(SIZE, np.uint8), points, (0, 0, "film"))
    assert moved[0].max() < 0  # outside, where it belongs: an affine map keeps the midpoint
    assert np.allclose(moved[2], 0.5 * (moved[0] + moved[1]), atol=1e-3)


def test_polarity_is_the_negative_of_the_film_alone():
    film = np.zeros((40, 30), np.uint8)
    film[5:35] = np.random.default_rng(0).integers(1, 256, (30, 30))
    negative = invert_film(film)
    assert (negative[5:35] == 255 - film[5:35]).all() and negative[:5].max() == negative[35:].max() == 0
    assert np.array_equal(invert_film(np.zeros((4, 4), np.uint8)), np.zeros((4, 4)))


def test_the_warp_folds_nowhere_and_moves_border_points():
    warp = SmoothWarp.draw(SIZE, 30.0, 6.0, np.random.default_rng(0))
    grid = np.stack(np.meshgrid(np.arange(0.0, 200), np.arange(0.0, 240)), axis=-1).reshape(-1, 2)
    moved = warp.move(grid)
    assert np.abs(moved + warp.sample(moved) - grid).max() < 1e-6
    rows = moved.reshape(240, 200, 2)
    assert (np.diff(rows[..., 0], axis=1) > 0).all() and (np.diff(rows[..., 1], axis=0) > 0).all()


def test_artefacts_leave_the_given_film_alone():
    film = np.full(SIZE, 80, np.uint8)
    altered = [add_artefacts(film, np.random.default_rng(seed)) for seed in range(20)]
    assert (film == 80).all() and sum(not np.array_equal(each, film) for each in altered) >= 18


def test_equal_draws_are_equal_in_any_order_and_others_differ():
    film, points = draw_blobs(SIZE, np.array([[60.0, 70.0]])), np.array([[60.0, 70.0]])
    augmenter = pickle.loads(pickle.dumps(Augmenter("strong")))  # as spawned workers get it
    draws = [(seed, epoch, name) for seed in (0, 1) for epoch in (1, 2) for name in ("a", "b")]
    first = {draw: augmenter(film, points, draw) for draw in draws}
    for draw in reversed(draws):
        again = Augmenter("strong")(film, points, draw)
        assert np.array_equal(again[0], first[draw][0]) and np.array_equal(again[1], first[draw][1])
    assert len({image.tobytes() for image, _ in first.values()}) == len(draws)


def test_the_seed_is_the_same_in_every_process():
    code = "from augment import draw_seed; print(draw_seed((3, 4, 'film')))"
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(__file__).parents[1], check=True
    )
    assert int(run.stdout) == draw_seed((3, 4, "film"))


def test_none_changes_nothing_and_unknown_levels_are_refused():
    film, points = np.ones(SIZE, np.uint8), np.array([[1.0, 2.0]])
    image, moved = Augmenter("none")(film, points, (0, 0, "film"))
    assert image is film and moved is points
    with pytest.raises(UserError, match="none, light, standard, strong"):
        Augmenter("wild")


@pytest.mark.parametrize("workers", [1, 2])
def test_the_number_of_workers_changes_nothing(blobs, tmp_path, workers):
    config = make_config("landmarks", head_frame=False, image_size=(64, 48), augmentation="strong", batch_size=3)
    films = scan_split(blobs, "train")
    dataset = FilmDataset(films, config, FilmCache(tmp_path, blobs, config.image_size), training=True)

    def two_epochs(count):
        plan = EpochPlan(len(films), config)
        loader = make_loader(dataset, plan, count, torch.device("cpu"))
        batches = []
        for epoch in (1, 2):
            plan.start(epoch)
            batches += [(batch["image"], batch["points_net"], batch["index"]) for batch in loader]
        return batches

    alone, shared = two_epochs(0), two_epochs(workers)
    assert len(alone) == len(shared) == 6
    for one, other in zip(alone, shared, strict=True):
        assert all(torch.equal(torch.nan_to_num(a), torch.nan_to_num(b)) for a, b in zip(one, other, strict=True))
    by_film = [
        {int(i): image for images, _, index in half for i, image in zip(index, images, strict=True)}
        for half in (alone[:3], alone[3:])
    ]
    assert all(not torch.equal(by_film[0][i], by_film[1][i]) for i in range(8))  # no epoch repeats another
