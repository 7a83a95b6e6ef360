"""A run of `train.py --model cvm`: necks read once and kept in the run's folder, members taught one after another, the
ensemble put together.

Its figures are those of a repeated stratified cross-validation inside train: each crop is judged by the members that
had not seen it. The temperature that calibrates its probabilities is fitted on the same answers.
"""

import argparse
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from cervical import VERTEBRAE_NAME
from checkpoint import BEST_NAME, load_checkpoint, save_checkpoint, save_weights
from config import STAGE_COUNT, Config, UserError
from dataset import describe_data
from files import file_hash, read_bytes, write_bytes, write_json
from films import Film, films_fingerprint
from images import read_film
from metrics import majority_figures, stage_figures, stage_intervals
from neck_crossfit import load_finders, make_sample, unbiased_finder
from partition import split_folds
from stage_input import NeckSample
from stage_net import StageMember, StageNet
from stage_training import StageTrainer
from vertebra_finder import VertebraFinder

TEMPERATURES = np.exp(np.linspace(np.log(0.4), np.log(2.5), 61))
SHARED_NAME = "cvm.safetensors"


def train_stages(
    options: argparse.Namespace, asked: Config, films: list[Film], device: torch.device, say: Callable
) -> None:
    """Trains, or goes on with, the run that the options describe.

    Raises:
        UserError: there are no stages or no weights of vertebrae, or the run was begun with other settings.
    """
    if asked.members % asked.parts:
        raise UserError(f"--members {asked.members} is no multiple of --parts {asked.parts}; make it one.")
    if options.needs is None:
        raise UserError("cvm needs --needs FILE, the vertebrae weights that it will be used with.")
    run = options.output / (options.run or asked.model)
    films = [film for film in films if film.stage is not None]
    finders = load_finders([options.needs, *options.unseen], device)
    config = replace(describe_data(asked, films), feature_count=finders[0].feature_count)
    check_run(run, config, films, [options.needs, *options.unseen])
    if (run / BEST_NAME).exists():
        say(f"This run is finished; begin again with --restart. Its weights are {run / SHARED_NAME}.")
        return
    samples = kept_samples(run, config, finders, films)
    films = [film for film in films if film.film_id in samples]
    trainer = StageTrainer([samples[film.film_id] for film in films], config)
    members, each = train_members(trainer, films, config)
    answers = each["both"]
    net = StageNet(config)
    for place, member in zip(net.members, members, strict=True):
        place.load_state_dict(member.state_dict())
    mean = answers.mean(axis=0)
    net.temperature.fill_(fit_temperature(mean, trainer.stages))
    figures = cross_figures(answers, mean, float(net.temperature), trainer.stages, config)
    figures["judgements"] = {name: headline(shares.mean(axis=0), trainer.stages) for name, shares in each.items()}
    facts = {
        "films": films_fingerprint(films), "train_films": len(films), "dataset": options.dataset.resolve().name,
        "needs": {"vertebrae": file_hash(options.needs)}, "cross_validated": figures,
    }  # fmt: skip
    write_json(run / "config.json", config.to_json())
    write_json(run / "cross_validation.json", figures)
    write_bytes(run / VERTEBRAE_NAME, read_bytes(options.needs))
    save_weights(run / SHARED_NAME, net, config, facts, half=True)
    # The last file: where it is, the run is finished.
    save_checkpoint(run / BEST_NAME, {"model": net.state_dict(), "config": config.to_json(), "facts": facts})
    say(describe_cross(figures))
    say(f"Finished. {run / SHARED_NAME} goes with the vertebrae weights beside it.")


def check_run(run: Path, config: Config, films: list[Film], finders: list[Path]) -> None:
    """Refuses to go on with a run of other settings, films or weights of vertebrae: its necks were read by those."""
    path = run / "begun.pth"
    hashes = [file_hash(path) for path in finders]
    content = {"config": config.to_json(), "films": films_fingerprint(films), "finders": hashes}
    if not path.exists():
        save_checkpoint(path, content)
        return
    begun = load_checkpoint(path)
    if {key: begun.get(key) for key in content} != content:
        raise UserError(
            f"{run} was begun with other settings, films or vertebrae weights; name another --run or use --restart."
        )


def kept_samples(run: Path, config: Config, finders: list[VertebraFinder], films: list[Film]) -> dict[str, NeckSample]:
    """The films' necks by film id, from the run's folder if they have been read before."""
    path = run / "necks.pth"
    if not path.exists():
        samples = gather_samples(finders, films)
        numbers = {name: stack(getattr(each, name) for each in samples.values()) for name in ("measures", "features")}
        save_checkpoint(path, {"config": config.to_json(), "film_ids": list(samples), **numbers})
    kept, stages = load_checkpoint(path), {film.film_id: film.stage for film in films}
    rows = zip(kept["film_ids"], kept["measures"].numpy(), kept["features"].numpy(), strict=True)
    return {film_id: NeckSample(measures, features, stages[film_id]) for film_id, measures, features in rows}


def stack(arrays: Iterable[np.ndarray]) -> torch.Tensor:
    """Arrays (F,) to a tensor (N, F)."""
    return torch.from_numpy(np.stack(list(arrays)))


def gather_samples(finders: list[VertebraFinder], films: list[Film]) -> dict[str, NeckSample]:
    """The films' necks by film id, each read by a model that no label of this film taught, if there is one."""
    samples = {}
    for film in tqdm(films, desc="Reading necks", unit="film"):
        picture = read_film(film.image_path)
        neck = (unbiased_finder(finders, film) or finders[0]).find(picture)
        if neck.is_seen:
            samples[film.film_id] = make_sample(film, picture, neck, finders[0])
    if not samples:
        raise UserError("The weights of --needs find no neck on any of these films; name others, or other films.")
    return samples


def train_members(
    trainer: StageTrainer, films: list[Film], config: Config
) -> tuple[list[StageMember], dict[str, np.ndarray]]:
    """All members, and what each said of the crops that it had not seen, together and by each of its judgements:
    (rounds, N, 6).
    """
    rounds = config.members // config.parts
    place = {film.film_id: row for row, film in enumerate(films)}
    cuts = [split_folds(films, config.parts, seed=repetition) for repetition in range(rounds)]
    members, answers = [], {}
    for index in tqdm(range(config.members), desc="Teaching", unit="member"):
        repetition, part = divmod(index, config.parts)
        held_out = cuts[repetition][part]
        unseen = np.array([place[film.film_id] for film in held_out])
        member = trainer.fit(np.setdiff1d(np.arange(len(films)), unseen))
        for name, shares in trainer.shares_of(member, unseen).items():
            answers.setdefault(name, np.zeros((rounds, len(films), STAGE_COUNT)))[repetition, unseen] = shares
        members.append(member)
    return members, answers


def fit_temperature(shares: np.ndarray, stages: np.ndarray) -> float:
    """The temperature under which the held-out answers (N, 6) are likeliest (Guo et al., ICML 2017)."""
    logs = np.log(np.maximum(shares, 1e-6))
    losses = []
    for temperature in TEMPERATURES:
        scaled = logs / temperature
        scaled -= np.log(np.exp(scaled).sum(axis=1, keepdims=True))
        losses.append(-scaled[np.arange(len(stages)), stages].mean())
    return float(TEMPERATURES[int(np.argmin(losses))])


def calibrated(shares: np.ndarray, temperature: float) -> np.ndarray:
    """(N, 6) probabilities sharpened or softened."""
    powered = np.maximum(shares, 1e-6) ** (1.0 / temperature)
    return powered / powered.sum(axis=1, keepdims=True)


def cross_figures(
    answers: np.ndarray, mean: np.ndarray, temperature: float, stages: np.ndarray, config: Config
) -> dict:
    """Figures of each repetition and of the mean of what networks that had not seen a crop say of it."""
    truth = stages + 1
    each = [headline(calibrated(shares, temperature), stages) for shares in answers]
    together = stage_figures(mean.argmax(axis=1) + 1, truth, calibrated(mean, temperature))
    return {
        "films": len(truth),
        "repetitions": each,
        "mean": {name: float(np.mean([figures[name] for figures in each])) for name in each[0]},
        "together": together | {"interval95": stage_intervals(mean.argmax(axis=1) + 1, truth)},
        "temperature": temperature,
        "majority": majority_figures(truth, config.stage_counts),
    }


def headline(shares: np.ndarray, stages: np.ndarray) -> dict:
    """The figures of probabilities (N, 6) against stages (N,) 0-5 that are plain numbers."""
    figures = stage_figures(shares.argmax(axis=1) + 1, stages + 1, shares)
    return {name: figures[name] for name in ("accuracy", "macro_f1", "qwk", "mae", "within_one", "ece")}


def describe_cross(figures: dict) -> str:
    """The cross-validation in a few lines."""
    lines = [f"Cross-validated on {figures['films']} films, accuracy / kappa / macro-F1 / within one stage:"]
    rows = [("mean of the repetitions", figures["mean"]), ("their members together", figures["together"])]
    judged = [(f"  of these by {name} alone", row) for name, row in figures["judgements"].items() if name != "both"]
    for title, row in [*rows, *judged, ("always the most frequent stage", figures["majority"])]:
        numbers = " / ".join(f"{row[name]:.3f}" for name in ("accuracy", "qwk", "macro_f1", "within_one"))
        lines.append(f"  {title}: {numbers}")
    spans = ", ".join(f"{name} {low:.3f}-{high:.3f}" for name, (low, high) in figures["together"]["interval95"].items())
    lines.append(f"  95 % intervals of the members together: {spans}")
    lines.append(f"  calibration error {figures['together']['ece']:.3f} at temperature {figures['temperature']:.2f}")
    return "\n".join(lines)
