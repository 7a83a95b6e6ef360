"""Targets, the order of an epoch and what a config learns from its data."""

import numpy as np
import pytest
import torch
from conftest import write_blob_dataset
from label_faults import SENIOR, edit

from cache import FilmCache
from config import LANDMARK_INDEX, UserError, make_config
from dataset import EpochPlan, FilmDataset, describe_data, mix_annotators, seed_of
from films import scan_split


def make_dataset(root, tmp_path, training, **settings):
    films = scan_split(root, "train")
    settings = {"image_size": (120, 96), "augmentation": "none", "head_frame": False} | settings
    config = describe_data(make_config("landmarks", **settings), films)
    return FilmDataset(films, config, FilmCache(tmp_path / "cache", root, config.image_size), training)


@pytest.mark.parametrize("image_size", [(120, 96), (240, 200), (100, 160)])
def test_targets_lie_on_the_resized_film(blobs, tmp_path, image_size):
    """Log #14: the film was resized, its points were not."""
    dataset = make_dataset(blobs, tmp_path, training=False, image_size=image_size)
    item = dataset[(0, 2)]
    assert item["image"].dtype == torch.uint8 and item["image"].shape == image_size
    assert item["points_net"].shape == (29, 2) and item["stage"] == 2
    for x, y in item["points_net"].numpy().round().astype(int):
        assert item["image"][y, x] > 150


def test_training_mixes_the_annotators_per_epoch_and_point(blobs, tmp_path):
    dataset = make_dataset(blobs, tmp_path, training=True, annotator_mix=0.25)
    senior, junior = dataset.films[0].annotators_px
    draws = np.array([dataset[(epoch, 0)]["points_net"].numpy() for epoch in range(40)])
    share = (draws - junior)[..., 0] / (senior - junior)[:, 0]
    assert share.min() >= 0.25 - 1e-4 and share.max() <= 0.75 + 1e-4 and share.std() > 0.1
    assert len(np.unique(share[0].round(6))) > 20
    plain = make_dataset(blobs, tmp_path, training=True, annotator_mix=0.0)
    assert np.allclose(plain[(1, 0)]["points_net"], dataset.films[0].truth_px(), atol=1e-4)


def test_mixing_by_hand():
    points = np.array([np.zeros((29, 2)), np.full((29, 2), 4.0)])
    assert np.allclose(mix_annotators(points, 0.0, (0, 0, "a")), 2.0)
    mixed = mix_annotators(points, 0.25, (0, 0, "a"))
    assert (mixed >= 1).all() and (mixed <= 3).all() and np.allclose(mixed[:, 0], mixed[:, 1])


def test_impossible_points_are_not_learnt_but_are_judged(blobs, tmp_path):
    path = blobs / SENIOR / "train000.json"
    edit(path, lambda content: content["landmarks"][5]["value"].update(x=0, y=900))
    assert torch.isnan(make_dataset(blobs, tmp_path, training=True)[(0, 0)]["points_net"][5]).all()
    judged = make_dataset(blobs, tmp_path, training=False)
    assert not np.isnan(judged.target_px(judged.films[0], (0, 0, ""))[5]).any()


def test_points_outside_the_picture_are_masked(blobs, tmp_path):
    for who in ("Senior", "Junior"):
        edit(
            blobs / SENIOR.replace("Senior", who) / "train000.json", lambda c: c["landmarks"][0]["value"].update(x=500)
        )
    assert torch.isnan(make_dataset(blobs, tmp_path, training=False)[(0, 0)]["points_net"][0]).all()


def test_a_config_learns_its_points_and_stages_from_the_films(tmp_path):
    films = scan_split(write_blob_dataset(tmp_path / "a", {"train": 7}, points=19), "train")
    config = describe_data(make_config("resnet18"), films)
    assert len(config.landmarks) == len(config.taught_by) == 19 and set(config.taught_by) == {"expert"}
    assert config.stage_counts == (2, 1, 1, 1, 1, 1)
    assert describe_data(make_config("cvm_mil"), films).landmarks == ()
    no_points = scan_split(write_blob_dataset(tmp_path / "b", {"train": 2}, points=0), "train")
    with pytest.raises(UserError, match="no landmarks"):
        describe_data(make_config("landmarks", head_frame=False), no_points)
    no_stages = scan_split(write_blob_dataset(tmp_path / "c", {"train": 2}, stages=False), "train")
    one_point = write_blob_dataset(tmp_path / "one", {"train": 3}, points=1)
    with pytest.raises(UserError, match="two landmarks.*--no-head-frame"):
        describe_data(make_config("landmarks"), scan_split(one_point, "train"))
    with pytest.raises(UserError, match="no CVM stages"):
        describe_data(make_config("cvm_mil"), no_stages)


def test_who_taught_a_point_is_known(blobs):
    for film in range(8):
        for who in ("Senior", "Junior"):
            path = blobs / SENIOR.replace("Senior", who) / f"train{film:03d}.json"
            edit(path, lambda content: content["landmarks"][LANDMARK_INDEX["R"]].update(annotator="reader"))
    config = describe_data(make_config("landmarks", head_frame=False), scan_split(blobs, "train"))
    taught = dict(zip(config.landmarks, config.taught_by, strict=True))
    assert taught["R"] == "reader" and taught["S"] == "expert"


@pytest.mark.parametrize(("count", "batch_size"), [(120, 32), (7, 3), (5, 8), (434, 6)])
def test_an_epoch_shows_every_film_once_in_even_batches(count, batch_size):
    plan = EpochPlan(count, make_config("landmarks", batch_size=batch_size))
    seen = []
    for epoch in (1, 2):
        plan.start(epoch)
        pieces = list(plan)
        sizes = {len(piece) for piece in pieces}
        assert max(sizes) - min(sizes) <= 1 and max(sizes) <= batch_size and len(pieces) == len(plan)
        assert {number for piece in pieces for number, _ in piece} == {epoch}
        seen.append([index for piece in pieces for _, index in piece])
    assert sorted(seen[0]) == sorted(seen[1]) == list(range(count)) and seen[0] != seen[1]


def test_processes_and_pieces_share_the_same_batches():
    config = make_config("landmarks", batch_size=8, accumulate=2)
    whole = [sorted(batch.tolist()) for batch in EpochPlan(30, config).batches()]
    shares = [list(EpochPlan(30, config, rank, 2)) for rank in (0, 1)]
    assert all(len(share) == 8 for share in shares)
    for step, batch in enumerate(whole):
        pieces = [index for share in shares for piece in share[2 * step : 2 * step + 2] for _, index in piece]
        assert sorted(pieces) == batch


def test_a_resumed_epoch_is_the_rest_of_the_whole_one():
    plan = EpochPlan(30, make_config("landmarks", batch_size=4, accumulate=2))
    plan.start(3)
    whole = list(plan)
    plan.start(3, first_step=5)
    assert list(plan) == whole[10:] and len(plan) == len(whole) - 10


def test_too_many_shares_are_refused():
    with pytest.raises(UserError, match="--batch-size"):
        EpochPlan(30, make_config("landmarks", batch_size=4, accumulate=3), world=2)


def test_seeds_do_not_depend_on_the_process():
    assert seed_of("order", 0, 1) == seed_of("order", 0, 1) != seed_of("order", 1, 0)
    assert 0 <= seed_of("x") < 2**63
