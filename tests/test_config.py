"""Settings: a flag for each, refused before any work when wrong, the same after JSON."""

import argparse
import dataclasses

import pytest

from config import DATA_FACTS, RECIPES, Config, UserError, config_from_json, make_config
from flags import add_config_flags, config_from_flags


def parse(*flags: str) -> Config:
    parser = argparse.ArgumentParser()
    add_config_flags(parser)
    return config_from_flags(parser.parse_args(flags))


@pytest.mark.parametrize("model", RECIPES)
def test_every_recipe_is_a_config_and_survives_json(model):
    config = make_config(model)
    assert config_from_json(config.to_json()) == config == parse("--model", model)


def test_every_setting_is_a_flag():
    parser = argparse.ArgumentParser()
    add_config_flags(parser)
    for each in dataclasses.fields(Config):
        flag = "--" + each.name.replace("_", "-")
        assert (flag in parser._option_string_actions) == (each.name not in DATA_FACTS), flag


def test_flags_override_the_recipe_and_no_more():
    config = parse("--model", "unet", "--image-size", "320x256", "--no-pretrained", "--widths", "16,32")
    assert config == make_config("unet", image_size=(320, 256), pretrained=False, widths=(16, 32))
    assert parse("--image-size", "128").image_size == (128, 128)


@pytest.mark.parametrize(
    "settings",
    [
        {"epochs": 0}, {"learning_rate": -1.0}, {"image_size": (8, 8)}, {"augmentation": "wild"}, {"ema_decay": 1.0},
        {"annotator_mix": 0.7}, {"learning_rate": float("nan")}, {"widths": (4, 8)},
    ],
)  # fmt: skip
def test_values_out_of_range_are_refused_by_flag(settings):
    with pytest.raises(UserError, match="--" + next(iter(settings)).replace("_", "-")):
        make_config("landmarks", **settings)


def test_unknown_models_and_settings_are_refused():
    with pytest.raises(UserError, match="choose one of cephnet"):
        make_config("alexnet")
    with pytest.raises(UserError, match="temperature"):
        config_from_json(make_config("unet").to_json() | {"temperature": 3})


@pytest.mark.parametrize("settings", [{"bag_top": 0.9}, {"image_size": (32, 32)}, {"image_size": (256, 63)}])
def test_a_bag_holds_at_least_one_patch(settings):
    with pytest.raises(UserError, match="--patch-size 64 does not fit"):
        make_config("cvm_mil", **settings)
    assert make_config("cvm_mil", patch_size=16, **settings).patch_size == 16


LOSSES_OF_OTHERS = [("cvm", "ce"), ("cvm", "focal"), ("cvm_unet", "soft"), ("resnet18", "corn")]


@pytest.mark.parametrize(("model", "loss"), LOSSES_OF_OTHERS)
def test_a_loss_that_a_model_does_not_have_is_refused(model, loss):
    """Else another would be taken in silence."""
    with pytest.raises(UserError, match=f"--loss {loss} is not for --model {model}"):
        make_config(model, loss=loss)
