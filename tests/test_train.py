"""Training: what it prints, keeps and learns from, and honest stops (log #6, #9, #12, #18)."""

import shutil

import pytest
import torch
from small_runs import NETS, SMALL, assert_same, outcome, run

import train
from cache import FilmCache
from checkpoint import load_checkpoint, load_model, load_weights, save_weights
from config import UserError, make_config
from dataset import FilmDataset
from films import scan_split
from inference import Predictor
from model import build_model
from privacy import shareable_facts
from scoring import score_films
from training_log import LOG_COLUMNS


def test_what_train_prints_is_what_evaluate_finds(blobs, tmp_path):
    assert run(blobs, tmp_path, *NETS["landmarks"], "--epochs", "2") == 0
    rows = outcome(tmp_path, "landmarks")[2]
    model, config, facts = load_model(tmp_path / "runs" / "landmarks" / "best_model.pth")
    films = scan_split(blobs, "valid")
    dataset = FilmDataset(films, config, FilmCache(blobs.parent / "cache", blobs, config.image_size))
    predictions, losses = Predictor(model, config, torch.device("cpu")).predict_films(dataset, quiet=True)
    figures = score_films(films, predictions, config)
    row = rows[facts["epoch"] - 1]
    assert float(row["mre_mm"]) == figures["landmarks"]["mre_mm"] == facts["valid"]["landmarks"]["mre_mm"]
    assert float(row["valid_loss"]) == losses["total"]
    assert list(rows[0]) == LOG_COLUMNS


def test_stage_weights_come_from_the_training_films_alone(blobs, tmp_path):
    assert run(blobs, tmp_path, *NETS["cephnet"], "--epochs", "1", "--loss", "weighted") == 0
    config = load_weights(tmp_path / "runs" / "cephnet" / "best_model.pth")[0]
    counts = [sum(film.stage == stage for film in scan_split(blobs, "train")) for stage in range(1, 7)]
    assert (
        list(config.stage_counts)
        == counts
        != [sum(film.stage == s for film in scan_split(blobs, "valid")) for s in range(1, 7)]
    )


def test_a_two_headed_model_logs_both(blobs, tmp_path):
    assert run(blobs, tmp_path, *NETS["cephnet"], "--epochs", "1") == 0
    row = outcome(tmp_path, "cephnet")[2][0]
    assert all(row[column] != "" for column in LOG_COLUMNS if column != "seconds" and not column.startswith("neck"))


def test_a_loss_that_is_not_finite_names_its_films(blobs, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(
        "trainer.film_losses", lambda outputs, batch, config: {"total": outputs["stage_logits"].sum(1) / 0}
    )
    assert run(blobs, tmp_path, *NETS["cephnet"], "--epochs", "1") == 2
    error = capsys.readouterr().err
    assert "not finite" in error and error.count("train00") in (2, 3)  # a batch of the 8 films


def test_folds_share_all_films_and_overlap_in_none(blobs, tmp_path):
    held = []
    for fold in range(3):
        options = train.make_parser().parse_args(["--dataset", str(blobs), "--folds", "3", "--fold", str(fold)])
        films, judged = train.choose_films(options)
        assert {film.film_id for film in films}.isdisjoint(film.film_id for film in judged) and len(films) + len(
            judged
        ) == 8
        held += [film.film_id for film in judged]
    assert sorted(held) == [f"train{number:03d}" for number in range(8)]


def test_training_without_valid_keeps_the_last_weights(blobs, tmp_path):
    shutil.rmtree(blobs / "valid")
    flags = [*NETS["landmarks"], "--epochs", "2", "--no-valid"]
    assert run(blobs, tmp_path, *flags, "--schedule", "cosine") == 0
    last, best, rows = outcome(tmp_path, "landmarks")
    assert_same(best["model"], last["ema"])
    assert rows[0]["mre_mm"] == "" and rows[0]["train_loss"] != ""


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--no-valid", "--schedule", "plateau"], "plateau"),
        (["--no-valid", "--folds", "3"], "exclude each other"),
        (["--opinions", "opinions.json", "--folds", "3"], "too good"),
        (["--folds", "3", "--fold", "3"], "not possible"),
        (["--fold", "1"], "without --folds"),
        (["--also", "more", "--pseudo", "labels"], "--also, --pseudo"),
        (["--epochs", "0"], "--epochs"),
        (["--workers", "-1"], "--workers"),
        (["--opinion-mix", "0.3"], "without --opinions"),
    ],
)
def test_wrong_flags_are_refused_in_one_sentence(blobs, tmp_path, capsys, flags, message):
    assert run(blobs, tmp_path, *NETS["landmarks"], *flags) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("train.py: ") and message in error
    assert not (tmp_path / "runs").exists()


def test_a_missing_valid_split_names_the_mend(blobs, tmp_path, capsys):
    shutil.rmtree(blobs / "valid")
    assert run(blobs, tmp_path, *NETS["landmarks"]) == 2
    assert "split_dataset.py" in capsys.readouterr().err


def test_films_to_validate_on_must_have_the_right_labels(blobs, tmp_path, capsys):
    shutil.rmtree(blobs / "valid" / "Annotations" / "Cephalometric Landmarks")
    assert run(blobs, tmp_path, *NETS["landmarks"]) == 2
    assert "validate on have no labels" in capsys.readouterr().err
    assert run(blobs, tmp_path, *NETS["cephnet"], "--epochs", "1") == 0  # it has stages to go by


def test_weights_to_share_hold_the_model_and_its_config(blobs, tmp_path):
    assert run(blobs, tmp_path, *NETS["landmarks"], "--epochs", "1") == 0
    model, config, facts = load_model(tmp_path / "runs" / "landmarks" / "best_model.pth")
    save_weights(tmp_path / "shared.safetensors", model, config, facts)
    again, config_again, facts_again = load_model(tmp_path / "shared.safetensors")
    assert config_again == config and facts_again == shareable_facts(facts)
    assert_same(dict(model.state_dict()), dict(again.state_dict()))
    save_weights(tmp_path / "half.safetensors", model, config, facts, half=True)
    assert (tmp_path / "half.safetensors").stat().st_size < 0.7 * (tmp_path / "shared.safetensors").stat().st_size
    image = torch.rand(1, 1, 48, 32)
    halved = load_model(tmp_path / "half.safetensors")[0]
    assert torch.allclose(model(image)["heatmap_logits"], halved(image)["heatmap_logits"], atol=0.05)
    (tmp_path / "half.safetensors").write_bytes(b"nothing")
    with pytest.raises(UserError, match="half.safetensors"):
        load_weights(tmp_path / "half.safetensors")


def test_weights_of_another_version_are_refused(blobs, tmp_path, monkeypatch):
    config = make_config("landmarks", head_frame=False, widths=(16, 16), image_size=(64, 64))
    monkeypatch.setattr("checkpoint.FORMAT", 1)
    save_weights(tmp_path / "old.safetensors", build_model(config), config, {})
    monkeypatch.undo()
    with pytest.raises(UserError, match="another version"):
        load_weights(tmp_path / "old.safetensors")


def test_what_cannot_be_cut_is_refused_before_films_are_prepared(blobs, tmp_path, capsys):
    assert run(blobs, tmp_path, *NETS["landmarks"], "--batch-size", "3", "--accumulate", "5") == 2
    assert "--accumulate" in capsys.readouterr().err and not (tmp_path / "cache").exists()


def test_init_from_says_how_much_it_took(blobs, tmp_path, capsys):
    flags = ["--no-pretrained", *SMALL, "--image-size", "64x64", "--epochs", "1", "--batch-size", "4"]
    assert run(blobs, tmp_path, "--model", "heatmap", *flags) == 0
    source = tmp_path / "runs" / "heatmap" / "best_model.pth"
    shutil.rmtree(tmp_path / "logs")
    assert run(blobs, tmp_path, "--model", "unet", *flags, "--init-from", str(source)) == 0
    assert "Took 318 backbone tensors" in capsys.readouterr().out
    # Given weights are frozen at first: the transferred backbone is still as it came.
    moved = load_checkpoint(tmp_path / "runs" / "unet" / "best_model.pth")["model"]
    given = load_checkpoint(source)["model"]
    assert all(torch.equal(moved[key], given[key]) for key in given if key.startswith("backbone."))


def test_a_card_that_torch_cannot_use_is_announced(monkeypatch, capsys, tmp_path):
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\nexit 0\n")
    program.chmod(0o755)
    monkeypatch.setattr("shutil.which", lambda name: str(program))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    train.warn_of_idle_card(torch.device("cpu"))
    assert "NVIDIA" in capsys.readouterr().err
    program.write_text("#!/bin/sh\nexit 9\n")
    train.warn_of_idle_card(torch.device("cpu"))
    assert capsys.readouterr().err == ""


def test_nothing_is_left_to_learn_from_when_each_film_is_also_judged_by(blobs, tmp_path, capsys):
    for film in (blobs / "train" / "Cephalograms").iterdir():
        shutil.copy(film, blobs / "test" / "Cephalograms" / f"test_{film.name}")
        for folder in (path for path in (blobs / "train" / "Annotations").rglob("*") if path.is_dir()):
            label = folder / f"{film.stem}.json"
            if label.exists():
                place = blobs / "test" / label.relative_to(blobs / "train").with_name(f"test_{label.name}")
                place.write_text(label.read_text().replace(film.stem, f"test_{film.stem}"))
    assert run(blobs, tmp_path, *NETS["cephnet"]) == 2
    assert "is also in valid or test" in capsys.readouterr().err
