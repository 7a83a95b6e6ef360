"""A tiny `vertebrae` run from flags to points: it trains, is judged, and finds what it was taught."""

import json
import shutil
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

import train
import vertebra_finder
from checkpoint import load_checkpoint, load_model, save_weights
from config import make_config
from films import scan_split
from geometry import Letterbox
from head import HeadFrame
from images import read_film
from label_vertebrae import join_opinions, suggest_films
from labelme import box_of_points
from model import build_model
from neck import body_spacing, labels_folder, lacks_c4, with_vertebrae
from neck_dataset import with_neck_shape
from neck_scoring import describe_neck_points, find_necks, score_necks
from vertebra_finder import Neck, VertebraFinder
from visualize import draw_vertebrae

SMALL = ["--model", "vertebrae", "--image-size", "64", "--widths", "16,16,16", "--batch-size", "4", "--device", "cpu"]


@pytest.fixture(scope="module")
def small_run(drawn_phantoms, tmp_path_factory):
    """A run of two epochs on phantoms."""
    place = tmp_path_factory.mktemp("necks")
    flags = ["--dataset", drawn_phantoms, "--output", place / "runs", "--logs", place / "logs", "--epochs", "2"]
    assert train.main([*SMALL, *map(str, flags)]) == 0
    return place


def test_a_run_leaves_weights_that_find_points(small_run, drawn_phantoms):
    best = load_checkpoint(small_run / "runs" / "vertebrae" / "best_model.pth")
    assert best["facts"]["valid"]["vertebrae"]["films"] == 3
    model, config, facts = load_model(small_run / "runs" / "vertebrae" / "best_model.pth")
    finder = VertebraFinder(model, config, torch.device("cpu"), facts)
    films = with_vertebrae(scan_split(drawn_phantoms, "valid"), labels_folder(drawn_phantoms, "valid"))
    necks = find_necks(finder, films)
    figures = score_necks(films, necks)
    assert figures["relative"] == pytest.approx(best["facts"]["valid"]["vertebrae"]["relative"], rel=1e-4)
    for film, neck in zip(films, necks, strict=True):
        assert neck.points_px.shape == (13, 2) and np.isfinite(neck.points_px[:8]).all()
        assert (neck.spread_px > 0).all() and np.isnan(neck.radius95_px).all()
        assert neck.frame.source_size == read_film(film.image_path).shape[::-1]


def test_a_resumed_run_is_the_run_never_interrupted(small_run, drawn_phantoms, tmp_path):
    flags = ["--dataset", drawn_phantoms, "--output", tmp_path / "runs", "--logs", tmp_path / "logs"]
    for epochs in ("1", "2"):
        more = ["--epochs", epochs, "--schedule", "constant"]
        assert train.main([*SMALL, *map(str, flags), *more]) == 0
    straight = ["--output", tmp_path / "other", "--epochs", "2", "--schedule", "constant"]
    assert train.main([*SMALL, *map(str, flags), *map(str, straight)]) == 0
    first, second = (
        load_checkpoint(tmp_path / place / "vertebrae" / "checkpoint_epoch_2.pth") for place in ("runs", "other")
    )
    assert all(torch.equal(first["model"][name], second["model"][name]) for name in first["model"])


def test_pseudo_labels_are_counted_among_the_films_but_never_judged(drawn_phantoms, tmp_path, capsys):
    bare = tmp_path / "bare"
    shutil.copytree(drawn_phantoms, bare)
    labels = bare / "train" / "Annotations" / "Vertebrae"
    pseudo = tmp_path / "pseudo"
    pseudo.mkdir()
    for path in sorted(labels.glob("*.json"))[3:]:
        content = json.loads(path.read_text())
        (pseudo / path.name).write_text(json.dumps(content | {"flags": {"pseudo": True}}))
        path.unlink()
    flags = ["--dataset", bare, "--output", tmp_path / "runs", "--logs", tmp_path / "logs", "--epochs", "1"]
    assert train.main([*SMALL, *map(str, flags)]) == 0
    alone = capsys.readouterr().out
    assert train.main([*SMALL, *map(str, flags), "--run", "more", "--pseudo", str(pseudo)]) == 0
    assert "15 films to train on" in alone  # three, five times each
    assert "18 films to train on" in capsys.readouterr().out  # and three that a model read, once


def test_films_without_vertebrae_are_refused(blobs, tmp_path, capsys):
    flags = ["--dataset", blobs, "--output", tmp_path / "runs", "--logs", tmp_path / "logs", "--epochs", "1"]
    assert train.main([*SMALL, *map(str, flags)]) == 2
    assert "LabelMe" in capsys.readouterr().err


NECK = np.array([
    [172.1, 118.4], [192.7, 121.5], [225.2, 139.4], [167.1, 132.6], [217.1, 161.6], [154.0, 180.1], [175.7, 184.4],
    [208.8, 204.1], [148.8, 192.1], [198.2, 224.8], [133.2, 240.0], [154.7, 245.5], [186.2, 265.6],
])  # fmt: skip


def made_neck(points_px: np.ndarray, finder: VertebraFinder, picture: np.ndarray) -> Neck:
    frame = finder.frame_of_crop(picture)
    return finder.make_neck(points_px, np.ones(13), np.full(13, 2.0), frame)


def untaught_finder() -> VertebraFinder:
    shape = np.linspace(20, 200, 26).round(2)
    config = make_config("vertebrae", neck_shape=tuple(shape.tolist()))
    torch.manual_seed(0)
    return VertebraFinder(build_model(config), config, torch.device("cpu"))


def test_weights_to_share_are_small(tmp_path):
    finder = untaught_finder()
    save_weights(tmp_path / "v.safetensors", finder.model, finder.config, {}, half=True)
    assert (tmp_path / "v.safetensors").stat().st_size < 10_000_000


def test_scores_by_hand(drawn_phantoms):
    films = with_vertebrae(scan_split(drawn_phantoms, "test"), labels_folder(drawn_phantoms, "test"))
    films = [film for film in films if film.vertebrae.known.all()]
    assert films
    finder = untaught_finder()
    pictures = [read_film(film.image_path) for film in films]
    shifted = [
        made_neck(film.vertebrae.points_px + [3.0, 4.0], finder, picture)
        for film, picture in zip(films, pictures, strict=True)
    ]
    figures = score_necks(films, shifted)
    assert (
        figures["mean_px"] == pytest.approx(5.0)
        and figures["unfound"] == 0
        and figures["slipped"] == 0
        and figures["count"] == 13 * len(films)
    )
    assert figures["mean_mm"] == pytest.approx(np.mean([5.0 * film.pixel_size_mm for film in films]))
    spacing = body_spacing(np.array([film.vertebrae.points_px for film in films]))
    slipped = [
        made_neck(film.vertebrae.points_px + [0.0, each], finder, picture)
        for film, each, picture in zip(films, spacing, pictures, strict=True)
    ]
    assert score_necks(films, slipped)["slipped"] == len(films)
    nothing = score_necks(films, [None] * len(films))
    assert nothing["missed"] == len(films) and nothing["unfound"] == 13 * len(films)
    assert "no neck was found" in describe_neck_points(nothing)[0]
    box = shifted[0].box_px
    assert np.allclose(box, box_of_points(shifted[0].points_px, pictures[0].shape[::-1]))


def test_the_interval_of_necks_follows_the_seed(drawn_phantoms, monkeypatch):
    monkeypatch.setattr("neck_scoring.bootstrap_interval", lambda px, statistic, seed: (seed, seed))
    films = with_vertebrae(scan_split(drawn_phantoms, "test"), labels_folder(drawn_phantoms, "test"))
    assert score_necks(films, [None] * len(films), seed=7)["mean_px_interval95"] == [7, 7]


def test_landmarks_tell_where_the_neck_is(drawn_phantoms):
    films = with_vertebrae(scan_split(drawn_phantoms, "train"), labels_folder(drawn_phantoms, "train"))
    config = with_neck_shape(make_config("vertebrae"), films)
    finder = VertebraFinder(build_model(config), config, torch.device("cpu"))
    for film in films:
        picture = read_film(film.image_path)
        frame = finder.frame_from_landmarks(picture, film.truth_px())
        seen = frame.to_net(film.vertebrae.points_px)
        assert np.nanmean(seen > 0) == 1.0 and np.nanmax(seen) < 320
        assert np.nanmean(np.hypot(*(seen - finder.shape).T)) < 0.25 * 320
        lying = np.rot90(picture, 2)  # on its head
        turned = finder.frame_from_landmarks(lying, np.array(lying.shape[::-1]) - 1 - film.truth_px())
        assert np.abs(turned.apply(lying).astype(int) - frame.apply(picture)).mean() < 1
    assert finder.frame_from_landmarks(picture, np.full((29, 2), np.nan)) is None


def test_c4_beyond_the_border_is_unknown():
    """Where a crop ends in C4, a network still puts its points somewhere; they must not count as C4."""
    config = make_config("vertebrae", neck_shape=tuple(NECK.flatten().tolist()))
    finder = VertebraFinder(build_model(config), config, torch.device("cpu"))
    height = 205  # ends within C4
    squeezed = NECK.copy()
    squeezed[8:, 1] = np.clip(squeezed[8:, 1], 196, 203)
    assert lacks_c4(squeezed, finder.shape, (320, height))
    assert not lacks_c4(NECK, finder.shape, (320, 320))  # all of it is there
    assert not lacks_c4(squeezed, finder.shape, (320, 320))  # oddly shaped, but not cut
    lowest = NECK[8:, 1].max()
    assert lacks_c4(NECK, finder.shape, (320, int(lowest))) and not lacks_c4(NECK, finder.shape, (320, int(lowest) + 2))
    cut = finder.without_c4(made_neck(squeezed, finder, np.zeros((height, 320), dtype=np.uint8)))
    assert np.isnan(cut.points_px[8:]).all() and cut.doubt < 1.0


def test_a_neck_in_doubt_is_looked_for_a_vertebra_higher_and_lower(monkeypatch):
    config = make_config("vertebrae", neck_shape=tuple(NECK.flatten().tolist()))
    finder = VertebraFinder(build_model(config), config, torch.device("cpu"))
    picture = np.zeros((512, 512), dtype=np.uint8)
    step = float(body_spacing(NECK[None])[0])
    truth_px = finder.frame_of_crop(picture).to_px(NECK - [0.0, step])  # a vertebra above where crops have it

    def look(seen, frames):
        """As a network that knows a neck only where it has been taught to expect one."""
        is_near = [np.abs(frame.to_net(truth_px) - NECK).max() < 0.6 * step for frame in frames]
        shown = [truth_px if near else truth_px[::-1] for near in is_near]
        rows = zip(shown, frames, strict=True)
        return [finder.make_neck(points_px, np.ones(13), np.full(13, 2.0), frame) for points_px, frame in rows]

    monkeypatch.setattr(finder, "look", look)
    monkeypatch.setattr(finder, "locate", lambda seen: (None, 0.0))
    found = finder.find(picture)
    assert found.is_seen and np.allclose(found.points_px, truth_px)
    monkeypatch.setattr(vertebra_finder, "SEARCH_DOUBT", np.inf)
    assert not finder.find(picture).is_seen


@pytest.mark.parametrize("height, going_on", [(512, False), (200, True)])
def test_a_neck_on_a_picture_cut_close_is_seen_without_black_around_it(monkeypatch, height, going_on):
    """As a network that takes C3 for C2 where black lies above it, and is less sure then."""
    config = make_config("vertebrae", neck_shape=tuple(NECK.flatten().tolist()))
    finder = VertebraFinder(build_model(config), config, torch.device("cpu"))
    picture = np.zeros((height, 320), dtype=np.uint8)
    frame = HeadFrame(Letterbox((320, height), (320, height)), np.array([[1.0, 0, 0], [0, 1.0, 0]]), (320, 320))
    slipped, asked = NECK + [0.0, body_spacing(NECK[None])[0]], []

    def look(seen, frames):
        asked.extend(frame.beyond for frame in frames)
        rows = [(NECK, 0.9) if frame.beyond == cv2.BORDER_REPLICATE else (slipped, 0.8) for frame in frames]
        looks = zip(frames, rows, strict=True)
        return [finder.make_neck(at, np.full(13, sure), np.full(13, 2.0), frame) for frame, (at, sure) in looks]

    monkeypatch.setattr(finder, "look", look)
    monkeypatch.setattr(finder, "locate", lambda seen: (None, 0.0))
    monkeypatch.setattr(finder, "first_frames", lambda *others: [frame])
    found = finder.find(picture)
    assert np.allclose(found.points_px[:8], (NECK if going_on else slipped)[:8])
    assert (cv2.BORDER_REPLICATE in asked) == going_on


@pytest.mark.parametrize(
    "strangeness, landmarks_px, seen, at_length",
    [
        (0.1, None, True, True),
        (0.6, None, False, True),
        (0.9, None, False, False),
        (0.9, np.zeros((29, 2)), True, True),
    ],
)
def test_what_is_surely_no_neck_is_refused_at_a_glance(monkeypatch, strangeness, landmarks_px, seen, at_length):
    """However much like a neck it looks; a picture with a face is never taken for one without a neck."""
    config = make_config("vertebrae", neck_shape=tuple(NECK.flatten().tolist()))
    finder, looked = VertebraFinder(build_model(config), config, torch.device("cpu")), []
    frame = HeadFrame(Letterbox((320, 512), (320, 512)), np.array([[1.0, 0, 0], [0, 1.0, 0]]), (320, 320))

    def look(picture, frames):
        looked.append(len(frames))
        return [finder.make_neck(NECK, np.full(13, 0.9), np.full(13, 2.0), each) for each in frames]

    monkeypatch.setattr(finder, "look", look)
    monkeypatch.setattr(finder, "locate", lambda picture: (None, strangeness))
    monkeypatch.setattr(finder, "first_frames", lambda *others: [frame])
    found = finder.find(np.zeros((512, 320), dtype=np.uint8), landmarks_px)
    assert found.is_seen == seen and (len(looked) > 1) == at_length


def test_one_neck_found_in_several_frames_is_looked_at_again_once(monkeypatch):
    config = make_config("vertebrae", neck_shape=tuple(NECK.flatten().tolist()))
    finder = VertebraFinder(build_model(config), config, torch.device("cpu"))
    picture, seen = np.zeros((512, 512), dtype=np.uint8), []
    frame = finder.frame_of_crop(picture)
    points_px = frame.to_px(NECK)
    necks = [
        finder.make_neck(points_px + shift, np.full(13, sureness), np.full(13, 2.0), replace(frame, negative=negative))
        for shift, sureness, negative in [(0.0, 0.4, False), (2.0, 1.0, False), (2.0, 0.5, True), (90.0, 0.3, False)]
    ]
    monkeypatch.setattr(finder, "locate", lambda picture: (None, 0.0))
    finder.goes_on = False
    monkeypatch.setattr(finder, "first_frames", lambda *others: [])
    monkeypatch.setattr(finder, "look", lambda *others: necks)
    monkeypatch.setattr(finder, "look_again", lambda picture, first: seen.append(first) or first)
    assert finder.find(picture).points_px is necks[1].points_px
    assert seen == [necks[1], necks[2], necks[3]], "the surest of those that agree, and all others"


def test_a_neck_without_c4_is_drawn():
    picture = np.zeros((320, 320), dtype=np.uint8)
    points_px = np.where(np.arange(13)[:, None] < 8, NECK, np.nan)
    drawn = draw_vertebrae(picture, points_px)
    assert drawn[182:188, 173:179].any()  # C3's lower border
    assert not drawn[215:].any()  # and nothing of C4
    assert not draw_vertebrae(picture, np.full((13, 2), np.nan)).any()


def test_films_that_show_no_c4_have_their_place_among_those_to_label(drawn_phantoms):
    """An agreement that is no number would leave the order to chance."""
    film, size = scan_split(drawn_phantoms, "train")[0], (320, 320)
    frame = HeadFrame(Letterbox(size, size), np.eye(2, 3), size)
    cut = np.where(np.arange(13)[:, None] < 8, NECK, np.nan)
    opinions = []
    for number, (points_px, apart_px) in enumerate([(NECK, 0.0), (cut, 4.0), (NECK, 8.0)]):
        necks = [
            Neck(points_px + [moved, 0.0], np.ones(13), np.ones(13), np.ones(13), frame, doubt=0.0)
            for moved in (-apart_px, apart_px)
        ]
        opinions.append(join_opinions(replace(film, film_id=str(number)), size, necks))
    assert [opinion.film.film_id for opinion in suggest_films(opinions, 3)] == ["2", "1", "0"]
    assert [opinion.is_sure for opinion in opinions][:2] == [True, False], "half a neck stands for no whole one"
