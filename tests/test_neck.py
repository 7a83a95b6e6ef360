"""The neck: labels found beside films, frames that show it upright, targets that stay on the vertebrae."""

import json

import numpy as np
import pytest
import torch
from conftest import centroid, draw_blobs
from target_maps import gaussian_heatmaps

from config import UserError, make_config
from films import scan_split
from geometry import cells_to_net, decode_heatmaps, net_to_cells
from images import write_png
from labelme import write_labelme
from losses import box_loss
from neck import frame_neck, labels_folder, mean_neck, region_of_box, with_vertebrae
from neck_dataset import NeckDataset, flipped_right, keep_neck, true_neck_frame, with_neck_shape


def necks_of(root, split="train"):
    return with_vertebrae(scan_split(root, split), labels_folder(root, split))


def test_phantoms_bring_their_vertebrae(drawn_phantoms):
    films = necks_of(drawn_phantoms)
    assert len(films) == 6 and all(film.vertebrae.known.sum() >= 8 for film in films)
    assert all(film.vertebrae.box_px is not None for film in films)


def test_a_folder_beside_the_data_set_is_found_too(drawn_phantoms, tmp_path):
    root = tmp_path / "films"
    root.symlink_to(drawn_phantoms)
    assert labels_folder(root, "train") is not None
    (tmp_path / "bare" / "train").mkdir(parents=True)
    (tmp_path / "bare_vertebrae" / "train").mkdir(parents=True)
    assert labels_folder(tmp_path / "bare", "train") == tmp_path / "bare_vertebrae" / "train"
    assert labels_folder(tmp_path / "bare", "test") is None


def test_the_frame_shows_the_neck_upright_at_one_size(drawn_phantoms):
    films = necks_of(drawn_phantoms)
    shape = mean_neck(np.array([flipped_right(film.vertebrae.points_px) for film in films]), (320, 320))
    assert np.ptp(shape[:, 1]) == pytest.approx(0.46 * 320, rel=1e-6)
    for film in films:
        points = film.vertebrae.points_px
        for moved in (points, points * [-1, 1] + [900, 0], points * 2.5):
            frame = frame_neck((1000, 1000), moved, np.ones(13), shape, (320, 320))
            seen = frame.to_net(moved)
            assert np.nanmean(np.hypot(*(seen - shape).T)) < 0.08 * 320
            assert np.allclose(frame.to_px(seen), moved, equal_nan=True)


def test_too_few_points_make_no_neck():
    points = np.full((13, 2), np.nan)
    points[:3] = [[0, 0], [5, 5], [10, 0]]
    assert frame_neck((100, 100), points, np.ones(13), np.zeros((13, 2)), (320, 320)) is None


def blob_neck(tmp_path, faces_left: bool = False):
    """A film whose vertebral points are bright dots, with its labels."""
    points = 3.0 * np.array([
        [100, 100], [116, 96], [132, 104], [101, 110], [133, 116], [99, 132], [115, 129], [132, 137], [98, 142],
        [131, 147], [96, 165], [112, 162], [130, 170],
    ])  # fmt: skip
    points = points * [-1, 1] + [899, 0] if faces_left else points
    root = tmp_path / "blobs"
    write_png(root / "train" / "Cephalograms" / "a.png", draw_blobs((900, 900), points, sigma_px=4.0))
    write_labelme(root / "train" / "Annotations" / "Vertebrae" / "a.json", points, (900, 900))
    (root / "train" / "Annotations" / "CVM Stages").mkdir(parents=True)
    stage = {"ceph_id": "a", "cvm_stage": {"value": 3}}
    (root / "train" / "Annotations" / "CVM Stages" / "a.json").write_text(json.dumps(stage))
    return root


@pytest.mark.parametrize("faces_left", [False, True])
def test_varied_necks_keep_points_on_what_they_mark(tmp_path, faces_left):
    films = necks_of(blob_neck(tmp_path, faces_left))
    config = with_neck_shape(make_config("vertebrae", augmentation="neck"), films)
    dataset = NeckDataset(films, config)
    off = []  # NaN where a dot lies under a cut-out
    for epoch in range(12):
        item = dataset[(epoch, 0)]
        image = item["image"].numpy()
        if np.median(image) > 120:  # a negative: dots are dark
            image = 255 - image
        for point in item["points_net"].numpy():
            if not np.isnan(point).any() and (point > 12).all() and (point < 308).all():
                off.append(np.hypot(*(centroid(np.maximum(image.astype(int) - 60, 0), point, 5) - point)))
    assert len(off) > 60 and np.nanmedian(off) < 0.7


def test_the_same_draw_gives_the_same_item(tmp_path):
    films = necks_of(blob_neck(tmp_path))
    config = with_neck_shape(make_config("vertebrae"), films)
    first, second, other = (NeckDataset(films, config)[(epoch, 1)] for epoch in (2, 2, 3))
    assert all(torch.equal(torch.nan_to_num(first[name]), torch.nan_to_num(second[name])) for name in first)
    assert not torch.equal(first["image"], other["image"])


def test_films_with_a_box_alone_are_framed_by_it(tmp_path):
    root = blob_neck(tmp_path)
    path = root / "train" / "Annotations" / "Vertebrae" / "a.json"
    with_points = necks_of(root)
    config = with_neck_shape(make_config("vertebrae"), with_points)
    content = json.loads(path.read_text())
    content["shapes"] = content["shapes"][-1:]
    path.write_text(json.dumps(content))
    films = necks_of(root)
    shape = np.array(config.neck_shape).reshape(-1, 2)
    by_points, by_box = (keep_neck(film[0]) for film in (with_points, films))
    middle = [(m := true_neck_frame(p, shape))[:, :2] @ [0, 0] + m[:, 2] for p in (by_points, by_box)]
    assert by_box.box is not None and np.isfinite(middle).all()
    item = NeckDataset(films, config)[(0, 0)]
    assert item["points_net"].isnan().all() and not item["box_net"].isnan().any()
    region = region_of_box(by_box.box, mirrored=False)
    true_region = np.array([by_points.points.min(axis=0), by_points.points.max(axis=0)])
    assert np.allclose(region[1] - region[0], true_region[1] - true_region[0], rtol=0.02)


def test_the_box_loss_is_least_where_the_box_fits():
    points = torch.tensor([[[40.0 + 5 * (k % 3), 30.0 + 6 * k] for k in range(13)]])
    logits = 200.0 * gaussian_heatmaps(net_to_cells(points, 2.0), (80, 80), 1.5)
    low, high = points.min(dim=1).values, points.max(dim=1).values
    extent = high - low
    box = torch.cat([low - extent * torch.tensor([0.60, 0.45]), high + extent * torch.tensor([0.25, 0.20])], dim=1)
    assert torch.allclose(cells_to_net(decode_heatmaps(logits)[0], 2.0), points, atol=0.2)
    fitting, shifted = (float(box_loss(logits, each, (160, 160))) for each in (box, box + 12.0))
    assert fitting < 0.1 * shifted
    assert float(box_loss(logits, torch.full((1, 4), torch.nan), (160, 160))) == 0.0


def test_without_points_there_is_nothing_to_learn(drawn_phantoms):
    films = scan_split(drawn_phantoms, "train")
    with pytest.raises(UserError, match="LabelMe"):
        with_neck_shape(make_config("vertebrae"), films)
