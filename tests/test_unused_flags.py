"""One rule for all models: a flag that means nothing to the chosen one is refused; a published command never is."""

import re
import shutil
import subprocess
from dataclasses import fields, replace
from pathlib import Path

import pytest
import torch

import train
from config import DATA_FACTS, RECIPES, SAYS_NOTHING_WITHOUT, TRAITS_NEEDED, Config, UserError, make_config
from flags import config_from_flags
from model import build_model
from run_setup import check_flags

ROOT = Path(__file__).parents[1]
PUBLISHED = ("README.md", "README.ko.md", "RESULTS.md", "weights/README.md")
# What a shell runs in place of `python`: of train.py it says the arguments, nothing else is run.
SAY_ARGUMENTS = 'python() { [ "$1" != train.py ] || echo "${@:2}"; }\n'


def check(*flags: str) -> None:
    """As train.py does before any work."""
    options = train.make_parser().parse_args(flags)
    train.check_options(options, config_from_flags(options))


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        ("--model cvm_resnet18 --loss ce --focal-gamma 3", "--focal-gamma without --loss focal; leave it out"),
        ("--model cvm_resnet18 --heatmap-sigma 2 --widths 16,32", "--widths, --heatmap-sigma; leave them out"),
        ("--model cephnet --decode-radius 2", "--decode-radius"),
        ("--model cephnet --bag-top 0.4", "--bag-top"),
        ("--model cephnet --pretrained", "--pretrained"),
        ("--model unet --widths 16,32", "--widths"),
        ("--model unet --loss focal", "--loss"),
        ("--model heatmap --stage-weight 2", "--stage-weight"),
        ("--model cvm_mil --stage-weight 2", "--stage-weight"),
        ("--model cvm_unet --annotator-mix 0.1", "--annotator-mix"),
        ("--model cvm_unet --opinions o.json", "--opinions"),
        ("--model vertebrae --annotator-mix 0.1", "--annotator-mix"),
        ("--model vertebrae --view-size 512", "--view-size"),
        ("--model landmarks --no-head-frame --view-size 512", "--view-size without --head-frame"),
        ("--model landmarks --plateau-patience 3", "--plateau-patience without --schedule plateau"),
        ("--model landmarks --init-from nowhere.pth", "--init-from"),
        ("--model landmarks --freeze-epochs 3", "--freeze-epochs"),
        ("--model landmarks --patches 3", "--patches"),
    ],
)
def test_what_a_model_does_not_use_is_refused_by_name(flags, named):
    with pytest.raises(UserError, match=f"--model {flags.split()[1]} does not use {named}") as refusal:
        check(*flags.split())
    assert len(str(refusal.value).splitlines()) == 1


@pytest.mark.parametrize(
    "flags",
    [
        "--model cvm_resnet18 --loss focal --focal-gamma 3 --freeze-epochs 2 --no-head-frame",
        "--model cvm_mil --bag-top 0.4 --patches 3 --patch-size 32 --plateau-factor 0.5",
        "--model vertebrae --widths 16,32 --heatmap-sigma 2 --decode-radius 2 --also more --pseudo labels",
        "--model resnet50 --stage-weight 0.5 --loss coral --annotator-mix 0.1 --init-from x.pth",
        "--model landmarks --view-size 512 --opinions o.json --opinion-mix 0.3 --no-pretrained",
        "--model cvm --loss corn --members 10 --parts 5 --balance 0 --needs x --no-valid --workers 0",
    ],
)
def test_what_a_model_uses_is_not(flags):
    check(*flags.split())


@pytest.mark.parametrize("model", RECIPES)
def test_a_recipe_uses_its_own_settings_and_names_its_backbone(model):
    options = train.make_parser().parse_args(["--model", model])
    vars(options).update(RECIPES[model].settings)
    config = config_from_flags(options)
    check_flags(options, config)
    with torch.device("meta"):
        network = build_model(replace(config, pretrained=False))
    assert bool(config.backbone) == (network.backbone is not None)


def test_the_tables_name_settings_and_traits_that_there_are():
    names = {each.name for each in fields(Config)} - set(DATA_FACTS)
    assert set(TRAITS_NEEDED) <= names and set(SAYS_NOTHING_WITHOUT) <= names
    traits = set().union(*(make_config(model).traits for model in RECIPES))
    assert {trait for needed in TRAITS_NEEDED.values() for trait in needed} <= traits


@pytest.mark.skipif(shutil.which("bash") is None, reason="expands the loops of the commands")
@pytest.mark.parametrize("name", PUBLISHED)
def test_no_published_command_is_refused(name, tmp_path):
    blocks = re.findall(r"^```bash\n(.*?)^```", (ROOT / name).read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    script = SAY_ARGUMENTS + "\n".join(blocks)
    nothing_else = {"PATH": str(tmp_path)}
    bash = [shutil.which("bash"), "-c", script]
    said = subprocess.run(bash, cwd=tmp_path, env=nothing_else, capture_output=True, text=True, check=False).stdout
    commands = said.splitlines()
    assert len(commands) >= (5 if name != "weights/README.md" else 0)
    for command in commands:
        check(*command.split())
