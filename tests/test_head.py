"""The head's frame: exact both ways, found whatever the film's size, turn and facing, and seen as it was placed."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from geometry import Letterbox
from head import HeadFrame, fit_head, fit_similarity, join_matrices, mean_shape, move_points, warp_image, whole_view
from thumbnails import SIDE, draw_thumbnail, shrink_view, view_of_thumbnail

SHAPE = np.random.default_rng(0).uniform(60, 200, (29, 2))


def draw_matrix(generator: np.random.Generator, mirrored: bool) -> np.ndarray:
    """A similarity of any turn, size and place."""
    turn, scale = generator.uniform(-np.pi, np.pi), np.exp(generator.uniform(-1, 1))
    linear = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    return np.column_stack([linear @ np.diag([-1.0 if mirrored else 1.0, 1.0]), generator.uniform(-50, 50, 2)])


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_a_moved_shape_is_brought_back(seed, mirrored):
    moved = move_points(SHAPE, draw_matrix(np.random.default_rng(seed), mirrored))
    matrix, cost = fit_head(moved, SHAPE, np.ones(29))
    assert np.allclose(move_points(moved, matrix), SHAPE, atol=1e-6) and cost < 1e-8
    assert (np.linalg.det(matrix[:, :2]) < 0) == mirrored


def test_single_bad_points_do_not_move_the_head():
    moved = move_points(SHAPE, draw_matrix(np.random.default_rng(1), True))
    broken = moved.copy()
    broken[[3, 17, 20]] += 300
    broken[8] = np.nan
    matrix, _ = fit_head(broken, SHAPE, np.ones(29))
    assert np.abs(move_points(moved, matrix) - SHAPE).max() < 0.02 * 140


@pytest.mark.parametrize("mirrored", [False, True])
def test_points_return_through_a_frame(mirrored):
    frame = HeadFrame(Letterbox((1935, 2400), (256, 320)), draw_matrix(np.random.default_rng(2), mirrored), (128, 160))
    points_px = np.random.default_rng(3).uniform(0, 1900, (29, 2))
    assert np.allclose(frame.to_px(frame.to_net(points_px)), points_px, atol=1e-6)
    assert np.isnan(frame.to_net(np.full((1, 2), np.nan))).all()
    assert frame.mirrored == mirrored
    assert frame.length_to_px(frame.length_to_net(7.0)) == pytest.approx(7.0)
    apart_net = np.linalg.norm(frame.to_net(points_px[0]) - frame.to_net(points_px[1]))
    apart_px = np.linalg.norm(points_px[0] - points_px[1])
    assert frame.length_to_net(apart_px) == pytest.approx(apart_net, rel=2e-3)


@pytest.mark.parametrize("scale", [0.2, 0.45, 0.9, 1.6])
def test_a_drawn_point_is_seen_where_it_was_moved(scale):
    """Also where the picture shrinks so far that it is averaged first."""
    turn = 0.3
    linear = scale * np.array([[np.cos(turn), np.sin(turn)], [np.sin(turn), -np.cos(turn)]])
    point = np.array([301.3, 222.6])
    matrix = np.column_stack([linear, np.array([80.0, 70.0]) - linear @ point])
    columns, rows = np.meshgrid(np.arange(640), np.arange(512))
    blob = 250 * np.exp(-((columns - point[0]) ** 2 + (rows - point[1]) ** 2) / (2 * (3 / scale) ** 2))
    warped = warp_image(blob.round().astype(np.uint8), matrix, (160, 140)).astype(np.float64)
    columns, rows = np.meshgrid(np.arange(160), np.arange(140))
    seen = np.array([(warped * columns).sum(), (warped * rows).sum()]) / warped.sum()
    assert np.abs(seen - move_points(point, matrix)).max() < 0.1


def test_the_mean_shape_is_that_of_all_heads_in_its_frame():
    generator = np.random.default_rng(4)
    heads = np.array([move_points(SHAPE, draw_matrix(generator, number % 2 == 1)) for number in range(12)])
    heads[3, 5] = np.nan
    heads[7, :20] = np.nan
    heads[9, 2] += 4000  # an impossible label
    shape = mean_shape(heads, (512, 448))
    matrix, cost = fit_head(shape, SHAPE, np.ones(29))
    assert cost < 1e-6 and np.allclose(move_points(shape, matrix), SHAPE, atol=1e-3)
    assert (shape > 0).all() and (shape < [512, 448]).all()
    assert np.allclose((shape.min(axis=0) + shape.max(axis=0)) / 2, [255.5, 223.5])


def test_a_negative_is_shown_as_a_positive_and_its_bars_stay_black():
    letterbox = Letterbox((100, 200), (200, 200))
    film = np.full((200, 100), 40, np.uint8)
    frame = HeadFrame(letterbox, whole_view((200, 200), (64, 64)), (64, 64), negative=True)
    shown = frame.apply(letterbox.apply(film))
    assert shown[32, 32] == 215 and shown[32, 2] == 0


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("shift, share", [(0.0, 1.0), (32.0, 0.5), (64.0, 0.0), (-16.0, 0.75)])
def test_a_frame_knows_how_much_of_it_lies_on_the_film(mirrored, shift, share):
    linear = np.diag([-1.0 if mirrored else 1.0, 1.0])
    matrix = np.column_stack([linear, [63.0 + shift if mirrored else shift, 0.0]])
    frame = HeadFrame(Letterbox((100, 100), (64, 64)), matrix, (64, 64))
    assert frame.film_share == pytest.approx(share, abs=1e-6)


def test_the_bars_around_a_film_are_no_part_of_it():
    frame = HeadFrame(Letterbox((100, 200), (200, 200)), whole_view((200, 200), (64, 64)), (64, 64))
    assert frame.film_share == pytest.approx(0.5)


@pytest.mark.parametrize("negative", [False, True])
@pytest.mark.parametrize("scale", [0.2, 0.8])
def test_a_film_can_go_on_beyond_its_borders(negative, scale):
    """A film of two greys, 100 x 50 in the middle of its view: each goes on to the frame's border, and on the film
    nothing changes, also where it shrinks so far that it is averaged first.
    """
    letterbox = Letterbox((100, 50), (100, 100))
    view = letterbox.apply(np.tile(np.repeat(np.array([60, 200], np.uint8), 50), (50, 1)))
    middle = (np.array([120, 90]) - 1) / 2
    matrix = np.column_stack([scale * np.eye(2), middle - scale * 49.5])
    frame = HeadFrame(letterbox, matrix, (120, 90), negative)
    shown, extended = frame.apply(view), replace(frame, beyond=cv2.BORDER_REPLICATE).apply(view)
    left, right = (195, 55) if negative else (60, 200)
    assert (extended[:, :57] == left).all() and (extended[:, 63:] == right).all()
    half = int(25 * scale) - 2
    on_film = np.s_[45 - half : 45 + half, 60 - 2 * half : 60 + 2 * half]
    assert np.abs(extended[on_film].astype(int) - shown[on_film]).max() <= 1
    assert (shown[[0, -1]] == 0).all() and (shown[:, [0, -1]] == 0).all()


def test_matrices_join_in_order():
    generator = np.random.default_rng(5)
    first, then = draw_matrix(generator, False), draw_matrix(generator, True)
    points = generator.uniform(0, 100, (6, 2))
    assert np.allclose(move_points(points, join_matrices(first, then)), move_points(move_points(points, first), then))


def test_thumbnails_show_their_points():
    """A cross drawn on the film is found on every wild thumbnail at the point that goes with it."""
    letterbox = Letterbox((600, 800), (640, 640))
    point_px = np.array([300.0, 420.0])
    film = np.full((800, 600), 90, np.uint8)
    cv2.circle(film, (300, 420), 25, 255, -1)
    view = letterbox.apply(film)
    points_view = letterbox.to_net(np.array([point_px, [220.0, 330.0], [390.0, 500.0]]))
    found = 0
    for seed in range(40):
        thumbnail = draw_thumbnail(view, letterbox, points_view, np.random.default_rng(seed))
        if thumbnail.kinds[1] == 1:
            assert np.isnan(thumbnail.points).all() and np.isnan(thumbnail.kinds[0])
            continue
        x, y = thumbnail.points[0].round().astype(int)
        if 3 <= x < SIDE - 3 and 3 <= y < SIDE - 3:
            assert thumbnail.image[y, x] == (0 if thumbnail.kinds[0] else 255)
            found += 1
    assert found > 20


def test_a_thumbnail_s_points_return_to_the_view():
    view = np.zeros((480, 640), np.uint8)
    assert shrink_view(view).shape == (SIDE, SIDE)
    corner = view_of_thumbnail(np.array([[SIDE / 2 - 0.5, SIDE / 2 - 0.5]]), (640, 480))
    assert np.allclose(corner, [[319.5, 239.5]], atol=1e-6)


@pytest.mark.parametrize("mirrored", [False, True])
def test_the_mean_shape_faces_and_tilts_as_most_films_do(mirrored):
    """Whichever film comes first: here one that is turned by 15 degrees and faces the other way."""
    generator = np.random.default_rng(5)
    shapes = []
    for turn in [15.0, *np.linspace(-4, 10, 15)]:
        linear = cv2.getRotationMatrix2D((0, 0), turn, 1.0)[:, :2] @ np.diag([-1.0 if mirrored else 1.0, 1.0])
        shapes.append((SHAPE + generator.normal(0, 1.0, SHAPE.shape)) @ linear.T)
    shapes[0] = shapes[0] * [-1.0, 1.0]
    middle = cv2.getRotationMatrix2D((0, 0), 3.0, 1.0)[:, :2] @ np.diag([-1.0 if mirrored else 1.0, 1.0])
    back, _ = fit_similarity(mean_shape(np.array(shapes), (512, 512)), SHAPE @ middle.T, np.ones(29), mirrored=False)
    assert np.linalg.norm(back[:, 0]) > 0.1
    assert np.degrees(np.arctan2(back[1, 0], back[0, 0])) == pytest.approx(0.0, abs=1.0)
    assert fit_head(mean_shape(np.array(shapes), (512, 512)), SHAPE @ middle.T, np.ones(29))[0][0, 0] > 0
