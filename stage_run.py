"""A run of `train.py --model cvm`: necks read once and kept in the run's folder, members taught one after another, the
ensemble put together.

Its figures are those of a repeated stratified cross-validation inside train: each crop is judged by the members that
had not seen it, at a temperature that it had no part in (`stage_figures.py`).

Each neck is found by a model of the vertebrae that its points did not teach, where --needs and --unseen name one. It is
described by that of --needs all the same, whether its points taught that or not: each network has features of its own,
in an order of its own, so that all must be described by the one that the stage will be named with. Figures of crops
that taught it may be too good; `untaught` are those of the others.
"""

import argparse
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from cervical import STAGE_NAME, VERTEBRAE_NAME
from checkpoint import BEST_NAME, load_checkpoint, save_checkpoint, save_weights
from config import STAGE_COUNT, Config, UserError
from dataset import describe_data
from files import file_hash, read_bytes, write_bytes, write_json
from films import Film, films_fingerprint
from images import read_film
from neck_crossfit import load_finders, make_sample, unbiased_finder, was_taught
from partition import split_folds
from stage_figures import cross_figures, describe_cross
from stage_input import NeckSample
from stage_net import StageMember, StageNet
from stage_training import StageTrainer
from vertebra_finder import VertebraFinder


def train_stages(
    options: argparse.Namespace, asked: Config, films: list[Film], run: Path, device: torch.device, say: Callable
) -> None:
    """Trains, or goes on with, the run in this folder.

    Raises:
        UserError: there are no stages or no weights of vertebrae, or the run was begun with other settings.
    """
    if asked.members % asked.parts:
        raise UserError(f"--members {asked.members} is no multiple of --parts {asked.parts}; make it one.")
    if options.needs is None:
        raise UserError("cvm needs --needs FILE, the vertebrae weights that it will be used with.")
    films = [film for film in films if film.stage is not None]
    finders = load_finders([options.needs, *options.unseen], device)
    config = replace(describe_data(asked, films), feature_count=finders[0].feature_count)
    check_run(run, config, films, [options.needs, *options.unseen])
    if (run / BEST_NAME).exists():
        say(f"This run is finished; begin again with --restart. Its weights are {run / STAGE_NAME}.")
        return
    samples = kept_samples(run, config, finders, films)
    films = [film for film in films if film.film_id in samples]
    trainer = StageTrainer([samples[film.film_id] for film in films], config)
    parts = held_out_parts(films, config)
    members, answers = train_members(trainer, parts, config)
    taught = np.array([was_taught(finders[0], film) for film in films])
    figures = cross_figures(answers, parts, trainer.stages, taught, config)
    facts = {
        "films": films_fingerprint(films), "train_films": len(films), "dataset": options.dataset.resolve().name,
        "needs": {"vertebrae": file_hash(options.needs)}, "cross_validated": figures,
    }  # fmt: skip
    write_bytes(run / VERTEBRAE_NAME, read_bytes(options.needs))
    write_ensemble(run, config, members, facts)
    say(describe_cross(figures))
    say(f"Finished. {run / STAGE_NAME} goes with the vertebrae weights beside it.")


def write_ensemble(run: Path, config: Config, members: list[StageMember], facts: dict) -> None:
    """The members put together, calibrated as `facts` say, in the run's folder with its settings and figures."""
    net = StageNet(config)
    for place, member in zip(net.members, members, strict=True):
        place.load_state_dict(member.state_dict())
    net.temperature.fill_(facts["cross_validated"]["temperature"])
    write_json(run / "config.json", config.to_json())
    write_json(run / "cross_validation.json", facts["cross_validated"])
    save_weights(run / STAGE_NAME, net, config, facts, half=True)
    # The last file: where it is, the run is finished.
    save_checkpoint(run / BEST_NAME, {"model": net.state_dict(), "config": config.to_json(), "facts": facts})


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
    """The films' necks by film id, each found by a model that no label of this film taught, if there is one, and
    described by the first.
    """
    samples = {}
    for film in tqdm(films, desc="Reading necks", unit="film"):
        picture = read_film(film.image_path)
        neck = (unbiased_finder(finders, film) or finders[0]).find(picture)
        if neck.is_seen:
            samples[film.film_id] = make_sample(film, picture, neck, finders[0])
    if not samples:
        raise UserError("The weights of --needs find no neck on any of these films; name others, or other films.")
    return samples


def held_out_parts(films: list[Film], config: Config) -> np.ndarray:
    """(rounds, N) the part that holds each film out, in every repetition; another seed gives other parts."""
    rounds = config.members // config.parts
    place = {film.film_id: row for row, film in enumerate(films)}
    parts = np.zeros((rounds, len(films)), dtype=int)
    for repetition in range(rounds):
        for part, held_out in enumerate(split_folds(films, config.parts, seed=config.seed * rounds + repetition)):
            parts[repetition, [place[film.film_id] for film in held_out]] = part
    return parts


def train_members(
    trainer: StageTrainer, parts: np.ndarray, config: Config
) -> tuple[list[StageMember], dict[str, np.ndarray]]:
    """All members, and what each said of the crops that it had not seen, together and by each of its judgements:
    (rounds, N, 6).

    Args:
        parts: (rounds, N) of `held_out_parts`.
    """
    members, answers = [], {}
    for index in tqdm(range(config.members), desc="Teaching", unit="member"):
        repetition, part = divmod(index, config.parts)
        unseen = np.flatnonzero(parts[repetition] == part)
        member = trainer.fit(np.flatnonzero(parts[repetition] != part))
        for name, shares in trainer.shares_of(member, unseen).items():
            answers.setdefault(name, np.zeros((*parts.shape, STAGE_COUNT)))[repetition, unseen] = shares
        members.append(member)
    return members, answers
