"""Scaling, targets and decoding lose nothing: log #14 and #20, and the whole-pixel targets and argmax of #37."""

import numpy as np
import pytest
import torch
from conftest import centroid, draw_blobs
from target_maps import gaussian_heatmaps

from geometry import Letterbox, cells_to_net, decode_heatmaps, inside_frame, net_to_cells, pixels_to_mm

SIZES = [(1935, 2400), (2400, 1935), (513, 511), (97, 640), (1, 7), (300, 300), (64, 64)]


@pytest.mark.parametrize("source", SIZES)
@pytest.mark.parametrize("target", [(512, 640), (256, 256), (31, 57)])
def test_letterbox_returns_every_point(source, target):
    points_px = np.random.default_rng(0).uniform(-50, 3000, (40, 2))
    letterbox = Letterbox(source, target)
    assert np.abs(letterbox.to_px(letterbox.to_net(points_px)) - points_px).max() < 1e-9


def test_letterbox_returns_every_point_at_any_size():
    generator = np.random.default_rng(1)
    for _ in range(300):
        source, target = (tuple(int(side) for side in generator.integers(1, limit, 2)) for limit in (9000, 1100))
        letterbox = Letterbox(source, target)
        points_px = generator.uniform(0, 1, (20, 2)) * np.array(source) - 0.5
        points_net = letterbox.to_net(points_px)
        assert np.abs(letterbox.to_px(points_net) - points_px).max() < 1e-9
        assert inside_frame(torch.from_numpy(points_net), target[::-1]).all()
        length_px = generator.uniform(0, 100)
        assert letterbox.length_to_px(letterbox.length_to_net(length_px)) == pytest.approx(length_px)


@pytest.mark.parametrize("source", SIZES)
def test_letterbox_maps_the_film_into_its_frame(source):
    letterbox = Letterbox(source, (512, 640))
    corners_px = np.array([[-0.5, -0.5], [source[0] - 0.5, source[1] - 0.5]])
    corners_net = letterbox.to_net(corners_px)
    low, high = np.array(letterbox.offset), np.array(letterbox.offset) + letterbox.inner_size
    assert np.allclose(corners_net, np.array([low, high]) - 0.5)
    assert (low >= 0).all() and (high <= (512, 640)).all()
    assert max(np.array(letterbox.inner_size) / (512, 640)) == 1.0


@pytest.mark.parametrize("source", [(300, 400), (401, 299), (640, 512), (100, 130)])
def test_picture_and_points_move_together(source):
    point_px = np.array([[source[0] * 0.37, source[1] * 0.61]])
    letterbox = Letterbox(source, (160, 200))
    film = draw_blobs(source[::-1], point_px, sigma_px=6)
    point_net = letterbox.to_net(point_px)[0]
    assert np.hypot(*(centroid(letterbox.apply(film), point_net, 60) - point_net)) < 0.05


def test_bars_are_black_and_the_aspect_is_kept():
    net = Letterbox((100, 50), (64, 64)).apply(np.full((50, 100), 200, np.uint8))
    assert (net[:16] == 0).all() and (net[48:] == 0).all() and (net[16:48] == 200).all()


def test_nan_stays_nan():
    letterbox = Letterbox((100, 50), (64, 64))
    assert np.isnan(letterbox.to_net(np.array([np.nan, 3.0]))[0])
    maps = gaussian_heatmaps(torch.tensor([[[torch.nan, 2.0], [3.0, 2.0]]]), (8, 8), 1.0)
    assert maps[0, 0].sum() == 0 and maps[0, 1].sum() == pytest.approx(1, abs=1e-6)


def test_cells_and_net_pixels_are_inverse():
    points = torch.rand(5, 7, 2, generator=torch.Generator().manual_seed(0)) * 300
    assert torch.allclose(cells_to_net(net_to_cells(points, 4.0), 4.0), points, atol=1e-4)
    # The four pixels 0-3 of a cell have their middle at 1.5.
    assert torch.allclose(cells_to_net(torch.zeros(2), 4.0), torch.full((2,), 1.5))


@pytest.mark.parametrize("sigma", [1.0, 1.5, 2.0])
def test_a_heatmap_gives_its_sub_cell_point_back(sigma):
    points = torch.rand(4, 29, 2, generator=torch.Generator().manual_seed(0)) * torch.tensor([50.0, 66.0]) + 6
    maps = gaussian_heatmaps(points, (80, 64), sigma)
    decoded, confidence, spread = decode_heatmaps(maps.clamp(min=1e-30).log(), radius_cells=round(3.5 * sigma))
    assert (decoded - points).norm(dim=-1).max() < 0.02
    assert confidence.min() > 0.99
    # The mean distance of a 2-D Gaussian from its middle is sigma * sqrt(pi / 2);
    # at sigma 1 the cells are coarse enough to miss it by up to 3.2 %.
    assert torch.allclose(spread, torch.full_like(spread, sigma * 1.2533), rtol=0.035)


def test_a_point_near_the_border_stays_near_it():
    points = torch.tensor([[[0.2, 0.4], [63.3, 79.1]]])
    decoded, _, _ = decode_heatmaps(gaussian_heatmaps(points, (80, 64), 1.5).clamp(min=1e-30).log(), 5)
    assert (decoded - points).norm(dim=-1).max() < 1.6  # in a corner three quarters of the Gaussian are cut off
    assert (decoded >= 0).all() and (decoded <= torch.tensor([63.0, 79.0])).all()


@pytest.mark.parametrize(("cells", "tolerance"), [(0, 1.8), (1, 1.0), (2, 0.4), (3, 0.15), (4, 0.03)])
def test_the_nearer_to_the_border_the_less_exact(cells, tolerance):
    """The frame cuts the Gaussian (sigma 1.5 cells), so that what is left of it has its middle further inside."""
    points = torch.rand(1, 200, 2, generator=torch.Generator().manual_seed(0)) - 0.5 + cells
    decoded, _, _ = decode_heatmaps(gaussian_heatmaps(points, (80, 64), 1.5).clamp(min=1e-30).log(), 5)
    assert (decoded - points).norm(dim=-1).max() < tolerance


def test_background_does_not_draw_the_point_to_the_middle():
    probability = (
        gaussian_heatmaps(torch.tensor([[[10.3, 12.7]]]), (80, 64), 1.5) + 1e-4
    )  # 5120 cells hold a third of the mass
    decoded, _, _ = decode_heatmaps(probability.log(), 4)
    assert (decoded - torch.tensor([10.3, 12.7])).abs().max() < 0.1


def test_a_window_larger_than_the_map_is_the_map():
    """Weights from anywhere may ask for one of any size; it must not be filled with nothing."""
    logits = torch.randn(2, 3, 8, 6, generator=torch.Generator().manual_seed(0))
    for whole, larger in zip(decode_heatmaps(logits, 8), decode_heatmaps(logits, 10**6), strict=True):
        assert torch.equal(whole, larger)
    assert torch.allclose(decode_heatmaps(logits, 10**6)[1], torch.ones(2, 3))


def test_inside_frame():
    points = torch.tensor([[-0.5, 0.0], [-0.6, 0.0], [9.5, 19.5], [9.6, 0.0], [torch.nan, 1.0]])
    assert inside_frame(points, (20, 10)).tolist() == [True, False, True, False, False]


def test_millimetres_need_a_pixel_size():
    assert pixels_to_mm(np.array([10.0]), 0.1)[0] == pytest.approx(1.0)
    assert np.isnan(pixels_to_mm(np.array([10.0]), None)).all()
