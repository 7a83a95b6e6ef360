"""Every model of the registry builds, has its outputs' shapes, learns, and moves weights for real (log #43)."""

from dataclasses import replace

import pytest
import torch
from torch import nn

import model as models
from backbone import for_prediction, transfer_backbone
from config import RECIPES, STAGE_COUNT, VERTEBRAL_POINTS, UserError, make_config
from losses import film_losses
from model import MODELS, build_model, parameter_count, stage_probabilities
from thumbnails import SIDE

SIZES = {"unet": (64, 96), "heatmap": (64, 96), "landmarks": (64, 96), "cvm_mil": (128, 96)}


def small_config(name: str, **settings):
    """A model at a size that a test can afford."""
    settings = {
        "image_size": SIZES.get(name, (64, 96)),
        "pretrained": False,
        "widths": (16, 24, 32),
        "blocks": 1,
        "head_frame": False,
    } | settings
    return replace(make_config(name, **settings), stage_counts=(1, 2, 3, 4, 5, 6))


def test_the_registry_is_the_design_s_table():
    assert set(MODELS) == set(RECIPES)


def normalisations(model: nn.Module) -> int:
    return sum(isinstance(module, nn.BatchNorm2d) for module in model.modules())


@pytest.mark.parametrize("name", ["landmarks", "vertebrae", "unet", "heatmap"])
def test_a_model_that_only_looks_has_no_normalisations_and_says_the_same(name):
    """With batch statistics that are not those of a new model, which would change nothing."""
    config = small_config(name)
    model, images = build_model(config), torch.rand(2, 1, *config.image_size)
    for _ in range(3):
        model(3.0 * torch.rand(2, 1, *config.image_size))  # gathers statistics
    looking = for_prediction(model, torch.device("cpu"))
    assert normalisations(looking) < normalisations(model) and model.training
    expected = model.eval()(images)["heatmap_logits"]
    torch.testing.assert_close(looking(images)["heatmap_logits"], expected, rtol=1e-4, atol=1e-4)


FILM_MODELS = [name for name in RECIPES if name != "cvm"]  # cvm takes measures too; tests/test_stage.py has it


@pytest.mark.parametrize("name", FILM_MODELS)
def test_outputs_have_their_shapes(name):
    config = small_config(name)
    outputs = build_model(config).eval()(torch.rand(2, 1, *config.image_size))
    if "heatmaps" in config.outputs:
        stride = 2 if name == "landmarks" else 4
        assert outputs["heatmap_logits"].shape == (
            2,
            29,
            config.image_size[0] // stride,
            config.image_size[1] // stride,
        )
    if "coordinates" in config.outputs:
        assert outputs["points_net"].shape == (2, 29, 2)
    if "stage" in config.outputs:
        assert outputs["stage_logits"].shape == (2, STAGE_COUNT - (config.loss == "coral"))


@pytest.mark.parametrize("name", FILM_MODELS)
def test_every_parameter_learns(name):
    config = small_config(name)
    model = build_model(config).train()
    points = len(VERTEBRAL_POINTS) if config.finds_vertebrae else 29
    batch = {"points_net": torch.rand(2, points, 2) * 60, "stage": torch.tensor([0, 4])}
    inputs = [torch.rand(2, 1, *config.image_size)]
    if config.finds_vertebrae:
        inputs.append(torch.rand(2, 1, SIDE, SIDE))
        batch |= {"thumbnail_points": torch.rand(2, 1, points, 2) * SIDE, "kinds": torch.tensor([[[0.0, 1.0]]] * 2)}
    film_losses(model(*inputs), batch, config)["total"].sum().backward()
    idle = [key for key, value in model.named_parameters() if value.requires_grad and value.grad is None]
    assert not idle


@pytest.mark.parametrize("name", ["cephnet", "landmarks"])
def test_a_model_can_learn_two_films_by_heart(name):
    torch.manual_seed(0)
    config = small_config(name, image_size=(64, 64), heatmap_sigma=1.0)
    model = build_model(config).train()
    images = torch.rand(2, 1, 64, 64)
    batch = {"points_net": torch.rand(2, 29, 2) * 50 + 5, "stage": torch.tensor([1, 5])}
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    losses = []
    for _ in range(60):
        optimizer.zero_grad()
        losses.append(film_losses(model(images), batch, config)["total"].mean())
        losses[-1].backward()
        optimizer.step()
    assert losses[-1] < 0.6 * losses[0]


def test_building_is_reproducible():
    config = small_config("landmarks")
    states = []
    for _ in range(2):
        torch.manual_seed(3)
        states.append(build_model(config).state_dict())
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])


def test_the_default_model_fits_the_weights_limit():
    assert 2 * parameter_count(build_model(make_config("landmarks"))) < 9.8e6  # bytes in half precision


def test_the_heatmap_backbone_moves_into_the_unet():
    source, target = build_model(small_config("heatmap")), build_model(small_config("unet"))
    before = {key: value.clone() for key, value in target.state_dict().items()}
    count = transfer_backbone(target, source.state_dict(), "heatmap.pth")
    after, given = target.state_dict(), source.state_dict()
    backbone = [key for key in after if key.startswith("backbone.")]
    assert count == len(backbone) > 300
    assert all(torch.equal(after[key], given[key]) for key in backbone)
    assert all(torch.equal(after[key], before[key]) for key in after if key not in backbone)


@pytest.mark.parametrize(("target", "source"), [("unet", "resnet18"), ("landmarks", "heatmap"), ("unet", "cephnet")])
def test_a_transfer_that_moves_nothing_is_refused(target, source):
    state = build_model(small_config(source)).state_dict()
    if source == "resnet18":  # a few tensors of the stem would fit a ResNet-50
        state = {key: value for key, value in state.items() if not key.startswith("backbone.stem")}
        state = {
            key: value
            for key, value in state.items()
            if value.ndim == 4 and value.shape[-1] == 3 and value.shape[0] > 64
        }
        state = {key: value[:1] for key, value in state.items()}
    with pytest.raises(UserError, match="no backbone tensor"):
        transfer_backbone(build_model(small_config(target)), state, "other.pth")


def test_a_frozen_backbone_keeps_weights_and_statistics():
    config = small_config("heatmap")
    model = build_model(config)
    model.freeze_backbone()
    model.train()
    before = {key: value.clone() for key, value in model.backbone.state_dict().items()}
    trainable = [value for value in model.parameters() if value.requires_grad]
    model(torch.rand(2, 1, 64, 96))["heatmap_logits"].sum().backward()
    torch.optim.SGD(trainable, 0.1).step()
    assert all(torch.equal(value, before[key]) for key, value in model.backbone.state_dict().items())
    model.unfreeze()
    model(torch.rand(2, 1, 64, 96))
    assert not torch.equal(model.backbone.state_dict()["stem.1.running_mean"], before["stem.1.running_mean"])


def test_weights_that_cannot_be_had_are_never_random_in_silence(monkeypatch):
    import torchvision

    def offline(weights=None):
        raise OSError("no network")

    monkeypatch.setattr(torchvision.models, "resnet18", offline)
    with pytest.raises(UserError, match="--no-pretrained"):
        build_model(make_config("cvm_resnet18"))


def test_a_bag_sees_its_region_and_all_of_it_when_judging():
    config = small_config("cvm_mil", bag_top=0.5, patch_size=32, patches=4)
    model = build_model(config)
    image = torch.zeros(1, 1, 128, 96)
    image[..., 64:, :] = 1.0
    assert model.eval().cut_patches(image).shape == (1, 3 * 5, 1, 32, 32)
    assert model.cut_patches(image).min() == 1.0
    assert model.train().cut_patches(image).shape[1] == 4
    outputs = model.eval()(image)
    assert outputs["attention"].sum().item() == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize("logits", [torch.randn(5, 6), torch.randn(5, 5) * 3])
def test_stage_probabilities_add_up_to_one(logits):
    probabilities = stage_probabilities(logits)
    assert probabilities.shape == (5, 6) and (probabilities >= 0).all()
    assert torch.allclose(probabilities.sum(dim=1), torch.ones(5))


def test_ordinal_thresholds_start_at_the_shares_of_the_stages():
    counts = (10, 20, 30, 40, 50, 50)
    thresholds = build_model(replace(small_config("cvm_mil"), stage_counts=counts)).stage.thresholds.detach()
    shares = torch.tensor(counts) / 200
    assert torch.allclose(stage_probabilities(thresholds[None])[0], shares, atol=0.01)
    assert (torch.diff(thresholds) < 0).all()
    bare = build_model(replace(small_config("cvm_mil"), stage_counts=())).stage.thresholds
    assert (torch.diff(bare) < 0).all()


def test_ordinal_probabilities_by_hand():
    past = torch.tensor([[0.9, 0.7, 0.4, 0.2, 0.1]])
    expected = torch.tensor([[0.1, 0.2, 0.3, 0.2, 0.1, 0.1]])
    assert torch.allclose(stage_probabilities(torch.logit(past)), expected, atol=1e-6)


def test_the_module_has_no_unlisted_model():
    classes = {
        value for value in vars(models).values() if isinstance(value, type) and issubclass(value, models.CephModel)
    }
    assert classes - {models.CephModel} == set(MODELS.values())


@pytest.mark.parametrize("name", ["landmarks", "vertebrae", "unet"])
def test_gradients_are_clipped_in_groups_that_share_a_loss(name):
    """Clipped together, a locator's larger gradients would silence the network's."""
    model = build_model(make_config(name, image_size=(64, 64), pretrained=False))
    groups = model.gradient_groups()
    counted = [parameter for group in groups for parameter in group]
    assert len(counted) == len(set(counted)) == len(list(model.parameters()))
    assert len(groups) == (1 if name == "unet" else 2)
    if name != "unet":
        assert set(model.locator.parameters()) in [set(group) for group in groups]
