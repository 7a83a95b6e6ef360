"""The ladder of stage classifiers: what it is asked for exists, is trained anew, and its shapes are read in one way."""

import argparse
from pathlib import Path

import numpy as np
import pytest

from benchmarks import cvm_ladder, mean_shape
from benchmarks.anatomies import read_shapes
from config import UserError
from metrics import majority_figures
from train import make_parser


def write_table(path: Path, count: int = 60) -> tuple[np.ndarray, np.ndarray]:
    """A table of anatomies of which A's height tells the stage; (N, 2, 2) points and (N,) stages."""
    generator = np.random.default_rng(0)
    stages = 1 + np.arange(count) % 6
    points = generator.uniform(50, 200, (count, 2, 2)).round(1)
    lines = [f"{stage},{a[0]},{a[1]},{b[0]},{b[1]}" for stage, (a, b) in zip(stages, points, strict=True)]
    path.write_text("\n".join(["cvm_stage,A_x,A_y,B_x,B_y", *lines]) + "\n")
    return points, stages


def test_a_table_of_anatomies_is_read_as_it_was_written(tmp_path):
    points, stages = write_table(tmp_path / "shapes.csv")
    read_points, read_stages = read_shapes(tmp_path / "shapes.csv")
    assert np.array_equal(read_points, points) and np.array_equal(read_stages, stages)
    assert "(60 anatomies, 2 points)" in mean_shape.judge_shapes(tmp_path / "shapes.csv")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a,b\n1,2\n", "no rows with columns SYMBOL_x"),
        ("A_x,A_y\n", "no rows with columns SYMBOL_x"),
        ("A_x\n1\n", "lacks a column or a number"),
        ("A_x,A_y\n1,two\n", "lacks a column or a number"),
        ("A_x,A_y\n1,nan\n", "a point that is nowhere"),
        ("A_x,A_y,cvm_stage\n1,2,7\n", "a stage that is not 1-6"),
    ],
)
def test_a_table_that_cannot_be_used_is_named(tmp_path, text, said):
    (tmp_path / "shapes.csv").write_text(text)
    with pytest.raises(UserError, match=rf"shapes\.csv.*{said}"):
        read_shapes(tmp_path / "shapes.csv")


def test_shapes_are_judged_beside_their_own_majority(tmp_path, capsys):
    _, stages = write_table(tmp_path / "shapes.csv")
    assert cvm_ladder.main(["--shapes", str(tmp_path / "shapes.csv")]) == 0
    _, _, learnt, majority = capsys.readouterr().out.splitlines()
    assert learnt.startswith("| facial landmarks alone, 60 anatomies |")
    figures = majority_figures(stages, (10, 10, 10, 10, 10, 10))
    assert majority.split("|")[2].strip() == f"{figures['accuracy']:.3f}"


@pytest.mark.parametrize(
    ("flags", "said"),
    [([], "nothing to judge"), (["--dataset", "here", "--only", "vgg"], "No recipe has a name with vgg")],
)
def test_nothing_to_judge_is_said(flags, said, capsys):
    assert cvm_ladder.main(flags) == 2
    out, error = capsys.readouterr()
    assert said in error and not out


def test_recipes_are_trained_from_the_beginning(monkeypatch, tmp_path):
    asked = []
    monkeypatch.setattr("train.main", lambda arguments: asked.append(make_parser().parse_args(arguments)) or 0)
    options = argparse.Namespace(dataset="here", output=tmp_path, cache="cache", epochs=8, device="cpu")
    [name] = cvm_ladder.choose_recipes(["resnet18, focal"])
    assert cvm_ladder.train_recipe(name, options) == tmp_path / "ladder_cvm_resnet18_focal"
    assert asked[0].restart and asked[0].model == "cvm_resnet18" and asked[0].loss == "focal" and asked[0].epochs == 8
