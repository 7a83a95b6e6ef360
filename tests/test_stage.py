"""`cvm`: ordinal answers that add up, crops that lie by their points, a run that goes on and judges nothing it saw."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import evaluate
import predict
import train
from benchmarks import fit_thresholds
from cervical import CROP_ALONE, CUT_NECK, NO_C4, NO_NECK, NO_RULE, CervicalReader, likely_stages
from checkpoint import load_checkpoint, load_model, save_weights
from config import make_config
from files import read_bytes
from films import scan_split
from geometry import Letterbox
from head import HeadFrame
from images import read_film
from inference import CervicalPredictor, load_predictor
from model import build_model
from neck import labels_folder, mean_neck, with_vertebrae
from neck_crossfit import make_sample, unbiased_finder
from neck_dataset import flipped_right
from neck_scoring import read_necks, score_cervical
from stage_input import NeckSample, measures_of
from stage_namer import StageNamer
from stage_net import LinearReading, ordinal_loss, stage_shares
from stage_run import held_out_parts
from stage_training import StageTrainer, fit_reading
from vertebra_finder import Neck, VertebraFinder

STEADY = ["--device", "cpu", "--members", "4", "--parts", "2"]


def labelled(root, split: str):
    return with_vertebrae(scan_split(root, split), labels_folder(root, split))


class Oracle:
    """Finds what is labelled, as a trained model would."""

    def __init__(self, root):
        films = [film for split in ("train", "valid", "test") for film in labelled(root, split)]
        shapes = [flipped_right(film.vertebrae.points_px) for film in films if film.vertebrae.known.all()]
        self.shape = mean_neck(np.array(shapes), (320, 320))
        self.config = make_config("vertebrae", neck_shape=tuple(self.shape.flatten().tolist()))
        self.facts = {"labelled": []}
        self.feature_count = 4
        self.known = {read_film(film.image_path).tobytes(): film.vertebrae.points_px for film in films}

    def find(self, picture, landmarks_px=None):
        points_px = self.known.get(picture.tobytes())
        is_seen = points_px is not None and not np.isnan(points_px).any()
        points_px = points_px if is_seen else np.full((13, 2), np.nan)
        size = picture.shape[::-1]
        frame = HeadFrame(Letterbox(size, size), np.eye(2, 3), (320, 320))
        return Neck(points_px, np.ones(13), np.full(13, 1.0), np.full(13, 2.0), frame, doubt=0.2 if is_seen else np.inf)

    def describe_neck(self, picture, neck, stretch):
        return np.array([picture.mean(), np.ptp(neck.points_px[:, 1]), neck.points_px[0, 0], stretch])


@pytest.fixture(scope="module")
def oracle(drawn_phantoms):
    return Oracle(drawn_phantoms)


@pytest.mark.parametrize("loss", ["coral", "corn", "soft"])
def test_shares_are_a_distribution_and_the_right_answer_costs_least(loss):
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(50, 6 if loss == "soft" else 5, generator=generator) * 2
    shares = stage_shares(logits, loss)
    assert shares.shape == (50, 6) and (shares >= 0).all()
    assert torch.allclose(shares.sum(dim=1), torch.ones(50), atol=1e-5)
    for stage in range(6):
        sure = torch.where(torch.arange(5) < stage, 6.0, -6.0)[None] if loss != "soft" else None
        sure = 9.0 * torch.eye(6)[stage][None] if loss == "soft" else sure
        assert stage_shares(sure, loss).argmax() == stage
        costs = [float(ordinal_loss(sure, torch.tensor([other]), loss)) for other in range(6)]
        assert int(np.argmin(costs)) == stage
        if loss == "coral":  # the further off, the dearer; CORN asks no more once it has been wrong
            assert (np.diff(costs[stage:]) > 0).all() and (np.diff(costs[: stage + 1]) < 0).all()


def test_corn_asks_only_those_who_came_so_far():
    logits = torch.zeros(1, 5, requires_grad=True)
    ordinal_loss(logits, torch.tensor([1]), "corn").sum().backward()
    assert (logits.grad[0, :2] != 0).all() and (logits.grad[0, 2:] == 0).all()


def test_an_unsure_stage_is_a_pair():
    assert likely_stages(np.array([0, 0, 0.1, 0.8, 0.1, 0])) == (4,)
    assert likely_stages(np.array([0, 0, 0.1, 0.5, 0.4, 0])) == (4, 5)
    assert likely_stages(np.array([0, 0.2, 0.5, 0.3, 0, 0])) == (3, 4)
    assert likely_stages(np.array([0.55, 0.45, 0, 0, 0, 0])) == (1, 2)


@pytest.mark.parametrize("mirror, size, turn", [(1, 0.6, 12), (-1, 1.0, 0), (-1, 1.3, 12)])
def test_measures_do_not_depend_on_how_a_neck_lies(drawn_phantoms, mirror, size, turn):
    film = next(film for film in labelled(drawn_phantoms, "train") if film.vertebrae.known.all())
    points = film.vertebrae.points_px
    angle = np.deg2rad(turn)
    moved = size * (points @ [[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]) * [mirror, 1] + 50
    assert np.allclose(measures_of(moved, 1.0), measures_of(points, 1.0))
    assert np.allclose(measures_of(points * [1, 1 / 1.4], 1.4), measures_of(points, 1.0))


def test_a_finder_describes_a_neck_however_it_lies(oracle, drawn_phantoms):
    finder = VertebraFinder(build_model(oracle.config), oracle.config, torch.device("cpu"))
    film = next(film for film in labelled(drawn_phantoms, "train") if film.vertebrae.known.all())
    picture, points = read_film(film.image_path), film.vertebrae.points_px
    described = finder.describe(picture, points, 1.0)
    assert described.shape == (finder.feature_count,) and np.isfinite(described).all()
    mirrored = points * [-1, 1] + [picture.shape[1] - 1, 0]
    assert np.allclose(finder.describe(np.ascontiguousarray(picture[:, ::-1]), mirrored, 1.0), described, atol=2e-3)
    assert not np.allclose(finder.describe(picture, points + [40, 0], 1.0), described, atol=2e-3)
    frame = HeadFrame(Letterbox(picture.shape[::-1], picture.shape[::-1]), np.eye(2, 3), (320, 320))
    necks = [
        Neck(points, np.ones(13), np.ones(13), np.ones(13), replace(frame, negative=negative), doubt=0.0)
        for negative in (False, True)
    ]
    shown = [make_sample(film, 255 - picture if neck.frame.negative else picture, neck, finder) for neck in necks]
    assert np.array_equal(shown[0].features, shown[1].features), "a negative is described as its positive"
    shallow = make_config("vertebrae", neck_shape=oracle.config.neck_shape, widths=(16, 16, 24, 32))
    small = VertebraFinder(build_model(shallow), shallow, torch.device("cpu"))
    assert small.feature_count == 13 * 32, "a network without a fifth level is asked for its deepest"
    assert small.describe(picture, points, 1.0).shape == (small.feature_count,)
    lacking = finder.describe(picture, np.where(np.arange(13)[:, None] < 8, points, np.nan), 1.0)
    count = np.isnan(lacking).sum()
    assert count == 5 * finder.feature_count // 13


@pytest.mark.parametrize("loss", ["coral", "corn", "soft"])
def test_a_linear_reading_learns_the_order_of_stages_and_bears_what_is_unknown(loss):
    generator = np.random.default_rng(0)
    stages = generator.integers(0, 6, 300)
    values = generator.normal(size=(300, 200))
    values[:, :40] += 0.6 * stages[:, None]
    values[generator.random(values.shape) < 0.05] = np.nan
    reading = LinearReading(200, loss)
    fit_reading(reading, values[:200], stages[:200], np.ones(200), 0.01)
    with torch.inference_mode():
        shares = reading(torch.from_numpy(values[200:]).float())
        named = shares.argmax(dim=1).numpy()
    assert torch.allclose(shares.sum(dim=1), torch.ones(100), atol=1e-5)
    assert np.abs(named - stages[200:]).mean() < 1.0 < np.abs(generator.permutation(named) - stages[200:]).mean()
    plain = LinearReading(1, loss)
    fit_reading(plain, np.nanmean(values[:200, :40], axis=1, keepdims=True), stages[:200], np.ones(200), 0.3)
    with torch.inference_mode():
        assert plain(torch.tensor([[0.0], [1.5], [3.0]])).argmax(dim=1).diff().min() > 0


def test_rare_stages_count_more(oracle):
    samples = [NeckSample(np.zeros(15), np.zeros(4), stage) for stage in [4] * 16 + [2] * 4]
    config = make_config("cvm", feature_count=4, balance=0.5)
    weights = StageTrainer(samples, config).weights(np.arange(20))
    assert weights.mean() == pytest.approx(1.0) and weights[16] / weights[0] == pytest.approx(2.0)


def test_another_seed_gives_other_parts(drawn_phantoms):
    films = scan_split(drawn_phantoms, "train")
    cut = [held_out_parts(films, make_config("cvm", members=4, parts=2, seed=seed)) for seed in (0, 0, 1)]
    assert cut[0].shape == (2, len(films)) and np.array_equal(cut[0], cut[1])
    assert not np.array_equal(cut[0], cut[2])
    assert {tuple(np.bincount(row)) for row in cut[0]} <= {(3, 3), (len(films) // 2, len(films) - len(films) // 2)}


@pytest.fixture
def stage_run(drawn_phantoms, oracle, tmp_path, monkeypatch):
    """A tiny run of `train.py --model cvm` with labelled points."""
    monkeypatch.setattr("stage_run.load_finders", lambda paths, device: [oracle])
    needs = tmp_path / "vertebrae.safetensors"
    save_weights(needs, build_model(oracle.config), oracle.config, oracle.facts, half=True)
    flags = ["--model", "cvm", "--dataset", drawn_phantoms, "--output", tmp_path / "runs", "--needs", needs, *STEADY]
    arguments = [str(flag) for flag in flags]
    assert train.main(arguments) == 0
    return SimpleNamespace(folder=tmp_path / "runs" / "cvm", arguments=arguments)


def test_a_run_ends_with_an_ensemble_and_its_figures(stage_run):
    model, config, facts = load_model(stage_run.folder / "cvm.safetensors")
    assert len(model.members) == config.members == 4
    figures = json.loads((stage_run.folder / "cross_validation.json").read_text())
    assert figures["films"] <= 6 and len(figures["repetitions"]) == 2
    assert figures["together"]["accuracy"] == facts["cross_validated"]["together"]["accuracy"]
    assert sum(map(sum, figures["together"]["confusion"])) == figures["films"]
    assert (stage_run.folder / "cvm.safetensors").stat().st_size < 10_000_000


def test_a_run_goes_on_with_the_necks_it_has_read(stage_run, monkeypatch, capsys):
    before = load_checkpoint(stage_run.folder / "best_model.pth")["model"]
    monkeypatch.setattr("stage_run.gather_samples", lambda finders, films: pytest.fail("read again"))
    assert train.main(stage_run.arguments) == 0 and "finished" in capsys.readouterr().out
    (stage_run.folder / "best_model.pth").unlink()  # as if it had been stopped before
    assert train.main(stage_run.arguments) == 0
    after = load_checkpoint(stage_run.folder / "best_model.pth")["model"]
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert train.main([*stage_run.arguments, "--loss", "coral"]) == 2
    assert "other settings" in capsys.readouterr().err
    needs = Path(stage_run.arguments[stage_run.arguments.index("--needs") + 1])
    needs.write_bytes(needs.read_bytes() + b" ")
    assert train.main(stage_run.arguments) == 2 and "vertebrae weights" in capsys.readouterr().err


def test_a_neck_is_read_by_a_model_that_its_labels_did_not_teach(drawn_phantoms):
    film = labelled(drawn_phantoms, "train")[0]
    assert film.vertebrae.known.any()
    shared, fold = SimpleNamespace(facts={}), SimpleNamespace(facts={"labelled": ["another"]})
    taught = SimpleNamespace(facts={"labelled": [film.film_id]})
    assert unbiased_finder([shared, taught, fold], film) is fold
    assert unbiased_finder([shared, taught], film) is None
    bare = replace(film, vertebrae=replace(film.vertebrae, points_px=np.full((13, 2), np.nan), box_px=None))
    assert unbiased_finder([shared, fold], bare) is shared  # what is not labelled can have taught none


def test_thresholds_are_fitted_to_films_that_are_read_once(drawn_phantoms, oracle, monkeypatch):
    monkeypatch.setattr("benchmarks.fit_thresholds.load_finders", lambda paths, device: [oracle])
    monkeypatch.setattr("benchmarks.fit_thresholds.STAGE_COUNT", 1)
    read = []
    monkeypatch.setattr("images.read_bytes", lambda path, *limits: read.append(path) or read_bytes(path, *limits))
    measures, stages = fit_thresholds.read_measures(drawn_phantoms, [], torch.device("cpu"))
    whole = [film for film in labelled(drawn_phantoms, "train") if film.stage and film.vertebrae.known.all()]
    assert measures.shape == (len(whole), 15) and stages.tolist() == [film.stage for film in whole]
    pictures = [path for path in read if path.parent.name == "Cephalograms"]
    in_train = [path for path in pictures if "train" in path.parts]
    assert len(in_train) == len(set(in_train)) >= len(whole)


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        (["--epochs", "3", "--learning-rate", "0.1"], "does not use --epochs, --learning-rate; leave them out"),
        (["--image-size", "64"], "--image-size; leave it out"),
        (["--batch-size", "8"], "--batch-size"),
        (["--pretrained"], "--pretrained"),
        (["--folds", "3", "--fold", "1"], "--folds, --fold;"),
        (["--also", "more", "--compile"], "--also, --compile"),
        (["--init-from", "best_model.pth"], "--init-from"),
    ],
)
def test_flags_without_a_meaning_are_refused(drawn_phantoms, tmp_path, capsys, flags, named):
    arguments = ["--model", "cvm", "--dataset", str(drawn_phantoms), "--output", str(tmp_path), "--needs", "x", *flags]
    assert train.main(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("train.py: --model cvm") and named in error and len(error.splitlines()) == 1
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("flags", [["--members", "5"], ["--balance", "0"], ["--needs", "x"], ["--unseen", "x"]])
def test_flags_of_cvm_are_refused_elsewhere(drawn_phantoms, tmp_path, capsys, flags):
    arguments = ["--model", "vertebrae", "--dataset", str(drawn_phantoms), "--output", str(tmp_path), *flags]
    assert train.main(arguments) == 2
    assert f"--model vertebrae does not use {flags[0]}" in capsys.readouterr().err


def test_the_members_follow_the_seed(stage_run, capsys):
    seeded = [*stage_run.arguments, "--run", "other", "--seed", "1"]
    assert train.main(seeded) == 0
    models = [load_model(stage_run.folder.with_name(name) / "cvm.safetensors")[0] for name in ("cvm", "other")]
    first, other = (model.members[0].by_measures.weight for model in models)
    assert not torch.equal(first, other)


def test_what_is_missing_is_named(drawn_phantoms, tmp_path, capsys):
    place = ["--dataset", str(drawn_phantoms), "--output", str(tmp_path)]
    assert train.main(["--model", "cvm", *place]) == 2
    assert "--needs" in capsys.readouterr().err
    assert train.main(["--model", "cvm", *place, "--members", "3"]) == 2
    assert "multiple" in capsys.readouterr().err


def test_weights_are_used_only_with_those_they_were_taught_with(stage_run, tmp_path, oracle, capsys):
    device = torch.device("cpu")
    predictor = load_predictor(stage_run.folder / "cvm.safetensors", device)
    assert predictor.names_stage and predictor.cervical.namer is not None
    beside = stage_run.folder / "vertebrae.safetensors"
    save_weights(beside, build_model(oracle.config), oracle.config, {"labelled": ["x"]}, half=True)
    film = next((tmp_path.parent / "nothing").glob("*"), None)
    assert film is None
    assert predict.main([str(beside.with_name("a.png")), "-o", str(tmp_path), "--weights", str(beside)]) == 2
    capsys.readouterr()
    assert evaluate.main(["--dataset", "x", "--weights", str(stage_run.folder / "cvm.safetensors")]) == 2
    with pytest.raises(Exception, match="other vertebrae weights"):
        load_predictor(stage_run.folder / "cvm.safetensors", device)
    beside.unlink()
    with pytest.raises(Exception, match="put them beside"):
        load_predictor(stage_run.folder / "cvm.safetensors", device)


def test_a_neck_is_read_with_stage_rule_and_reason(stage_run, oracle, drawn_phantoms):
    model, config, facts = load_model(stage_run.folder / "cvm.safetensors")
    reader = CervicalReader(oracle, StageNamer(model, config, torch.device("cpu"), facts))
    films = labelled(drawn_phantoms, "test")
    readings = read_necks(reader, films)
    for film, reading in zip(films, readings, strict=True):
        if film.vertebrae.known.all():
            assert reading.stage in range(1, 7) and np.isclose(reading.probabilities.sum(), 1.0, atol=1e-4)
            assert reading.geometry.reason.endswith(f"CS{reading.geometry.rule}") and reading.stretch == 1.0
            left, top, width, height = reading.roi
            inside = (reading.points_px >= [left, top]) & (reading.points_px <= [left + width, top + height])
            assert inside.all()
    figures = score_cervical(films, readings, config.stage_counts)
    assert figures["vertebrae"]["mean_px"] == 0.0 and figures["cvm"]["films"] == figures["vertebrae"]["films"]
    nothing, warnings = reader.read(np.zeros((40, 40), dtype=np.uint8))
    assert nothing is None and warnings == [NO_NECK]


def test_weights_of_necks_alone_read_a_crop_as_a_crop(oracle, drawn_phantoms, monkeypatch):
    film = next(film for film in labelled(drawn_phantoms, "train") if film.vertebrae.known.all())
    asked = []
    neck = oracle.find(read_film(film.image_path))
    finder = SimpleNamespace(find=lambda picture, landmarks: asked.append(landmarks) or neck)
    predictor = CervicalPredictor(CervicalReader(finder), oracle.config)
    monkeypatch.setattr("cervical.fills_picture", lambda picture, neck: True)
    prediction = predictor.predict(read_film(film.image_path))
    assert asked == [None], "no face is known, so none is to tell where the neck lies"
    assert CROP_ALONE in prediction.warnings


def test_a_neck_cut_by_the_border_gets_no_stage(oracle, drawn_phantoms):
    film = next(film for film in labelled(drawn_phantoms, "train") if film.vertebrae.known.all())
    picture = read_film(film.image_path)
    oracle_far = replace(oracle.find(picture), points_px=oracle.find(picture).points_px + [0, picture.shape[0] / 2])
    reader = CervicalReader(SimpleNamespace(find=lambda picture, landmarks: oracle_far), namer=None)
    cervical, warnings = reader.read(picture, film.truth_px())
    assert cervical.stage is None and warnings == [CUT_NECK]
    without_c4 = np.where(np.arange(13)[:, None] < 8, oracle_far.points_px + [0, picture.shape[0]], np.nan)
    oracle_far = replace(oracle_far, points_px=without_c4)
    assert reader.read(picture, film.truth_px())[1] == [CUT_NECK], "no stage is named, also not from C2 and C3"


def test_without_c4_it_is_said_what_can_be_named(stage_run, oracle, drawn_phantoms):
    model, config, facts = load_model(stage_run.folder / "cvm.safetensors")
    film = next(film for film in labelled(drawn_phantoms, "train") if film.vertebrae.known.all())
    picture = read_film(film.image_path)
    neck = oracle.find(picture)
    neck = replace(neck, points_px=np.where(np.arange(13)[:, None] < 8, neck.points_px, np.nan))
    finder = SimpleNamespace(find=lambda picture, landmarks: neck, describe_neck=lambda *_: np.zeros(4))
    for namer, said in ((StageNamer(model, config, torch.device("cpu"), facts), NO_C4), (None, NO_RULE)):
        cervical, warnings = CervicalReader(finder, namer).read(picture, film.truth_px())
        assert warnings == [said] and (cervical.stage is None) == (namer is None) and cervical.geometry.rule is None
