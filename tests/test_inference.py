"""The one Predictor: points return to the film, once; what was not taught is absent (log #14 and #20)."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from known_prediction import predict_known
from small_weights import make_weights
from target_maps import gaussian_heatmaps
from torch import nn

from backbone import CephModel
from cache import FilmCache
from config import SYMBOLS, UserError, make_config
from dataset import FilmDataset, describe_data
from films import scan_split
from geometry import Letterbox, net_to_cells
from head_finder import HeadFinder, keep_surer
from images import read_film
from inference import REFUSAL, Predictor, default_weights, load_landmark_predictor, pick_device
from model import build_model, decode_maps
from report import describe_headline
from scoring import measure_errors, score_films, selection_score
from thumbnails import SIDE, view_of_thumbnail
from words import say


@pytest.mark.parametrize("film_size", [(1935, 2400), (301, 199), (2400, 700), (97, 131)])
def test_points_return_to_the_film(film_size):
    truth_px = np.random.default_rng(0).uniform(0.2, 0.8, (29, 2)) * film_size
    prediction = predict_known(film_size, truth_px)
    pixel_net = 1 / Letterbox(film_size, (128, 160)).scale.min()
    assert np.abs(prediction.landmarks_px - truth_px).max() < 0.03 * max(pixel_net, 1)
    assert prediction.film_size == film_size and prediction.confidence.min() > 0.9 and prediction.stage is None
    # A Gaussian of 1.5 cells of 2 net pixels lies 1.25 * 3 net pixels from its middle on average.
    assert np.allclose(prediction.spread_px, 3.76 * pixel_net, rtol=0.05)


def test_what_was_not_taught_is_absent():
    truth_px = np.full((29, 2), 60.0)
    prediction = predict_known((128, 160), truth_px, symbols=("S", "N", "Me"))
    known = ~np.isnan(prediction.landmarks_px).any(axis=1)
    assert {SYMBOLS[index] for index in known.nonzero()[0]} == {"S", "N", "Me"}
    assert np.isnan(prediction.confidence[~known]).all() and np.isnan(prediction.spread_px[~known]).all()


@pytest.mark.parametrize("loss", ["ce", "coral"])
def test_one_film_alone_and_among_others_is_the_same(blobs, tmp_path, loss):
    films = scan_split(blobs, "train")
    config = describe_data(make_config("cephnet", image_size=(48, 32), loss=loss), films)
    torch.manual_seed(0)
    predictor = Predictor(build_model(config), config, torch.device("cpu"))
    dataset = FilmDataset(films, config, FilmCache(tmp_path, blobs, config.image_size))
    together, losses = predictor.predict_films(dataset, quiet=True)
    assert losses["total"] > 0 and set(losses) == {"landmark", "stage", "total"}
    for film, prediction in zip(films, together, strict=True):
        alone = predictor.predict(read_film(film.image_path))
        assert np.allclose(alone.landmarks_px, prediction.landmarks_px, atol=1e-3)
        assert prediction.stage == alone.stage == alone.stage_probabilities.argmax() + 1
        assert alone.stage_probabilities.sum() == pytest.approx(1, abs=1e-5)


def test_a_head_that_was_taught_no_stage_names_none(blobs, tmp_path):
    """Named at random, on films of patients, it would look like any other stage."""
    films = [replace(film, stage=None) for film in scan_split(blobs, "train")]
    config = describe_data(make_config("cephnet", image_size=(48, 32)), films)
    predictor = Predictor(build_model(config), config, torch.device("cpu"))
    dataset = FilmDataset(films, config, FilmCache(tmp_path, blobs, config.image_size))
    predictions, _ = predictor.predict_films(dataset, quiet=True)
    assert {prediction.stage for prediction in predictions} == {None} and predictions[0].stage_probabilities is None
    labelled = scan_split(blobs, "train")
    assert score_films(labelled, predictions, config)["cvm"] is None
    assert score_films(labelled, predictions, config)["landmarks"]["mre_mm"] > 0


def test_scores_by_hand(blobs, tmp_path):
    films = scan_split(blobs, "valid")
    config = describe_data(make_config("landmarks", head_frame=False, image_size=(48, 32)), films)
    predictions = []
    for number, film in enumerate(films):
        landmarks_px = film.truth_px() + [3.0 * (number + 1), 4.0 * (number + 1)]
        landmarks_px[0] = np.nan
        known = predict_known((96, 120), film.truth_px())
        predictions.append(replace(known, landmarks_px=landmarks_px))
    figures = score_films(films, predictions, config)["landmarks"]
    errors_mm = [5.0 * 0.25, 10 * 0.5, 15 * 0.25, 20 * 0.5]  # px times each film's pixel size
    assert figures["mre_mm"] == pytest.approx(np.mean(errors_mm))
    assert figures["mre_sd_mm"] == pytest.approx(np.std(errors_mm))
    assert figures["mre_px"] == pytest.approx(12.5) and figures["count"] == 4 * 28 and figures["missing"] == 4
    stretched = np.hypot(3 * 256 / 96, 4 * 256 / 120) * 2.5
    assert figures["mre_px256"] == pytest.approx(stretched)
    assert figures["sdr"] == {"2.0": 25.0, "2.5": 25.0, "3.0": 25.0, "4.0": 50.0}
    assert set(figures["per_landmark"]) == set(SYMBOLS) - {"A"}
    assert figures["per_machine"]["machine 0"]["mre_mm"] == pytest.approx(2.5)
    low, high = figures["mre_mm_interval95"]
    assert low < figures["mre_mm"] < high


def test_readers_points_have_their_own_line(blobs):
    films = scan_split(blobs, "valid")
    by_reader = np.zeros(29, dtype=bool)
    by_reader[[9, 12]] = True
    unsure = np.arange(29) == 9
    films = [replace(film, by_reader=by_reader, unsure=unsure) for film in films]
    config = replace(make_config("landmarks"), taught_by=tuple("reader" if mark else "expert" for mark in by_reader))
    predictions = []
    for film in films:
        off_px = np.where(by_reader, np.where(unsure, 60.0, 20.0), 4.0)
        wrong_px = film.truth_px() + off_px[:, None] * [1.0, 0.0]
        predictions.append(replace(predict_known((96, 120), film.truth_px()), landmarks_px=wrong_px))
    figures = score_films(films, predictions, config)
    landmarks = figures["landmarks"]
    assert landmarks["mre_px"] == pytest.approx(4) and landmarks["count"] == 27 * 4
    assert landmarks["readers"]["mre_px"] == pytest.approx(40) and landmarks["readers"]["count"] == 8
    assert landmarks["readers"]["sure"]["mre_px"] == pytest.approx(20) and landmarks["readers"]["sure"]["count"] == 4
    assert "without those they were unsure of (4)" in describe_headline(landmarks)
    assert landmarks["per_landmark"]["R"]["taught_by"] == "reader"
    assert selection_score(figures) == -landmarks["mre_mm"]  # the best epoch is the experts'


def test_without_a_pixel_size_there_are_no_millimetres(blobs):
    films = [replace(film, pixel_size_mm=None) for film in scan_split(blobs, "valid")]
    known = [predict_known((96, 120), film.truth_px()) for film in films]
    predictions = [replace(each, landmarks_px=film.truth_px() + 1) for each, film in zip(known, films, strict=True)]
    figures = score_films(films, predictions, make_config("landmarks"))
    assert figures["landmarks"]["mre_mm"] is None and figures["landmarks"]["mre_px"] == pytest.approx(2**0.5)
    assert set(figures["landmarks"]["sdr"].values()) == {None}
    assert selection_score(figures) == pytest.approx(-(2**0.5))
    assert np.isnan(measure_errors(films, predictions).mm).all()


def test_the_newest_best_weights_are_found(tmp_path):
    import os

    with pytest.raises(UserError, match="train first"):
        default_weights(tmp_path / "none", tmp_path / "none.safetensors")
    for age, name in enumerate(("new", "old")):
        path = tmp_path / name / "best_model.pth"
        path.parent.mkdir()
        path.write_bytes(b"")
        os.utime(path, (1e9 - age, 1e9 - age))
    assert default_weights(tmp_path) == tmp_path / "new" / "best_model.pth"


@pytest.mark.parametrize("model", ["cvm_resnet18", "vertebrae"])
def test_weights_without_landmarks_are_refused_where_landmarks_are_judged(blobs, tmp_path, model):
    weights = make_weights(blobs, tmp_path / "best_model.pth", model)
    with pytest.raises(UserError, match=f"a model of {model}, which finds no landmarks; name others"):
        load_landmark_predictor(weights, torch.device("cpu"))


def test_cuda_is_refused_where_there_is_none(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert pick_device("auto").type == "cpu"
    with pytest.raises(UserError, match="--device cpu"):
        pick_device("cuda")


class KnowingLocator(CephModel):
    """Knows where the head is on the thumbnail, and in its frame finds points of a given shape."""

    def __init__(self, thumbnail_points: np.ndarray, kind_logits: list[float], shape: np.ndarray):
        super().__init__()
        self.points, self.kinds = torch.from_numpy(thumbnail_points).float(), torch.tensor([kind_logits])
        self.shape, self.shown = torch.from_numpy(shape).float(), []
        self.anchor = nn.Parameter(torch.zeros(1))

    def locate(self, thumbnails):
        maps = gaussian_heatmaps(net_to_cells(self.points, 2.0)[None], (SIDE // 2, SIDE // 2), 1.5)
        logits, count = maps.clamp(min=1e-30).log(), len(thumbnails)
        return {"thumbnail_logits": logits.expand(count, -1, -1, -1), "kind_logits": self.kinds.expand(count, -1)}

    def forward(self, images):
        self.shown.append((images[0, 0] * 255).round().byte().numpy())
        maps = gaussian_heatmaps(net_to_cells(self.shape, 2.0)[None], (80, 80), 1.5)
        return {"heatmap_logits": maps.clamp(min=1e-30).log()}


def predict_head(mirrored=False, negative=False, stranger_logit=-5.0, broken=False, facts=None):
    """A film of a head of random shape with a bright dot on its eighth point; true points, prediction, model."""
    generator = np.random.default_rng(1)
    shape = generator.uniform(30, 130, (29, 2))
    turn = np.deg2rad(30)
    linear = 4 * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    points_px = (shape * [-1 if mirrored else 1, 1]) @ linear.T
    points_px = points_px - points_px.min(axis=0) + 120
    film = np.full((1000, 900), 20, np.uint8)
    cv2.circle(film, tuple(points_px[7].round().astype(int).tolist()), 12, 255, -1)
    film = 255 - film if negative else film
    settings = {"image_size": (160, 160), "view_size": (512, 512)}
    config = replace(make_config("landmarks", **settings), head_shape=tuple(shape.flatten().tolist()))
    view = Letterbox((900, 1000), (512, 512))
    thumbnail_points = Letterbox((512, 512), (SIDE, SIDE)).to_net(view.to_net(points_px))
    found = generator.permutation(shape) if broken else shape
    model = KnowingLocator(thumbnail_points, [5.0 if negative else -5.0, stranger_logit], found)
    predictor = Predictor(model, config, torch.device("cpu"), facts)
    return points_px, predictor.predict(film), predictor.model


@pytest.mark.parametrize("negative", [False, True])
@pytest.mark.parametrize("mirrored", [False, True])
def test_a_head_is_read_however_it_lies_on_the_film(mirrored, negative):
    """Turned by 30 degrees, mirrored or not, as a negative or not: shown upright, and its points are the film's."""
    points_px, prediction, model = predict_head(mirrored, negative)
    assert np.abs(prediction.landmarks_px - points_px).max() < 1.0
    x, y = model.shape[7].round().int().tolist()
    assert len(model.shown) == 1 and model.shown[0][y, x] > 220 and np.median(model.shown[0]) < 40
    said = " ".join(prediction.warnings)
    assert ("mirrored" in said) == mirrored and ("negative" in said) == negative and "30 degrees" in said


@pytest.mark.parametrize("flaw", [{"stranger_logit": 3.0}, {"broken": True}])
def test_a_picture_that_is_no_head_gets_no_points(flaw):
    _, prediction, _ = predict_head(**flaw)
    assert np.isnan(prediction.landmarks_px).all() and np.isnan(prediction.radius95_px).all()
    assert prediction.warnings == [REFUSAL]


@pytest.mark.parametrize(("refused", "said"), [(0.0, "does not look"), (0.01, "does not look"), (0.4, "40 %")])
def test_weights_that_see_no_head_on_true_films_do_not_blame_this_one(refused, said):
    """A network that was barely trained refuses everything; how its own validation films fared tells that."""
    _, prediction, _ = predict_head(broken=True, facts={"valid": {"landmarks": {"refused": refused}}})
    assert len(prediction.warnings) == 1 and said in prediction.warnings[0]
    assert say(prediction.warnings[0], "ko") != prediction.warnings[0]


def test_figures_count_the_films_that_would_be_refused(blobs):
    films = scan_split(blobs, "test")
    _, lost, _ = predict_head(broken=True)
    truths = [film.truth_px() for film in films]
    found = [replace(lost, landmarks_px=points_px, frame=replace(lost.frame, doubt=0.5)) for points_px in truths]
    lost = [replace(each, frame=replace(each.frame, doubt=2.0)) for each in found[:1]]
    config = make_config("landmarks")
    figures = score_films(films, [*lost, *found[1:]], config)["landmarks"]
    assert figures["refused"] == 1 / len(films) and "would be refused" in describe_headline(figures)
    figures = score_films(films, found, config)["landmarks"]
    assert figures["refused"] == 0 and "would be refused" not in describe_headline(figures)


def test_a_head_far_from_its_first_frame_is_looked_at_again():
    """A locator that sees the head a third too small: the second frame is by the points found in the first."""
    generator = np.random.default_rng(2)
    shape = generator.uniform(30, 130, (29, 2))
    settings = {"image_size": (160, 160), "view_size": (512, 512)}
    config = replace(make_config("landmarks", **settings), head_shape=tuple(shape.flatten().tolist()))
    thumbnail_points = shape * 0.6 + 40
    small = (shape - shape.mean(axis=0)) * 0.7 + shape.mean(axis=0)
    model = KnowingLocator(thumbnail_points, [-5.0, -5.0], small)
    predictor = Predictor(model, config, torch.device("cpu"))
    prediction, model = predictor.predict(np.zeros((512, 512), np.uint8)), predictor.model
    assert len(model.shown) == 2 and prediction.is_head
    first = 160 / (0.6 * 160 * 512 / SIDE)
    assert prediction.frame.scale_net == pytest.approx(first / 0.7, rel=0.02)


@pytest.mark.parametrize("frame_px, corners", [(460, [0]), (540, [90, 90])])
def test_a_head_on_a_film_cut_close_is_seen_without_black_around_it(frame_px, corners):
    """The head's frame reaches a little or far beyond a grey film of 400 x 400 px; far beyond, grey goes on, in two
    ways, each looked at.
    """
    shape = np.random.default_rng(3).uniform(30, 130, (29, 2))
    settings = {"image_size": (160, 160), "view_size": (512, 512)}
    config = replace(make_config("landmarks", **settings), head_shape=tuple(shape.flatten().tolist()))
    points_px = (shape - 79.5) * frame_px / 160 + 199.5
    model = KnowingLocator(Letterbox((400, 400), (SIDE, SIDE)).to_net(points_px), [-5.0, -5.0], shape)
    predictor = Predictor(model, config, torch.device("cpu"))
    prediction, model = predictor.predict(np.full((400, 400), 90, np.uint8)), predictor.model
    assert np.abs(prediction.landmarks_px - points_px).max() < 1.0
    assert prediction.frame.film_share == pytest.approx((400 / frame_px) ** 2, abs=0.02)
    assert [shown[0, 0] for shown in model.shown] == [shown[-1, -1] for shown in model.shown] == corners
    assert all(shown[80, 80] == 90 for shown in model.shown)


def test_of_two_looks_each_point_s_surer_one_counts():
    """On the film that was looked at twice, and on no other."""
    config = replace(make_config("landmarks", widths=(16, 16)), head_shape=tuple(np.arange(58.0)))
    points = torch.tensor([[20.0, 20.0], [40.0, 30.0]])
    sharp, blunt = (gaussian_heatmaps(points[None], (64, 64), sigma).clamp(min=1e-30).log()[0] for sigma in (1.0, 9.0))
    first, other = torch.stack([sharp[0], blunt[1]]), torch.stack([blunt[0], sharp[1]])
    outputs, others = ({"heatmap_logits": maps} for maps in (torch.stack([first, first]), other[None]))
    for each in (outputs, others):
        each["decoded"] = decode_maps(each, config)
    keep_surer(outputs, [1], others)
    assert torch.equal(outputs["heatmap_logits"], torch.stack([first, sharp]))
    assert torch.allclose(outputs["decoded"], decode_maps(outputs, config)), "what is decoded goes with its map"


@pytest.mark.parametrize("good", [0, 1, 2])
def test_the_guess_that_looks_like_a_head_is_taken(good):
    shape = np.random.default_rng(0).uniform(100, 400, (29, 2))
    config = replace(make_config("landmarks", widths=(16, 16)), head_shape=tuple(shape.flatten()))
    finder = HeadFinder(build_model(config), config, torch.device("cpu"))
    guesses = np.random.default_rng(1).uniform(0, SIDE, (3, 29, 2))
    guesses[good] = 0.2 * shape + 30
    frame = finder.frame_head(Letterbox((800, 900), (1024, 1024)), guesses, np.ones((3, 29)), np.full(2, 0.01))
    assert np.allclose(frame.from_view(view_of_thumbnail(guesses[good], (1024, 1024))), shape, atol=0.5)
    assert not frame.negative and frame.doubt < 0.1


def test_what_is_found_on_the_mirror_image_is_laid_back(monkeypatch):
    """A locator that knows the head only on the mirror images of two films."""
    shape = np.random.default_rng(0).uniform(100, 400, (29, 2))
    config = replace(make_config("landmarks", widths=(16, 16)), head_shape=tuple(shape.flatten()))
    finder = HeadFinder(build_model(config), config, torch.device("cpu"))
    heads = np.stack([0.2 * shape + 30, 0.25 * shape + 10])
    points = np.random.default_rng(1).uniform(0, SIDE, (2, 3, 29, 2))
    points[:, 1] = heads * [-1, 1] + [SIDE - 1, 0]
    located = points, np.ones((2, 3, 29)), np.full((2, 3, 2), 0.01)
    monkeypatch.setattr(finder, "locate", lambda shown: located)
    views = [np.zeros((1024, 1024), np.uint8)] * 2
    frames = finder.find_heads(views, [Letterbox((800, 900), (1024, 1024))] * 2)
    for frame, head in zip(frames, heads, strict=True):
        assert np.allclose(frame.from_view(view_of_thumbnail(head, (1024, 1024))), shape, atol=0.5)
        assert not frame.mirrored
