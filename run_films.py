"""The films of a run: which to learn from, which to be judged by, and both as the trainer takes them."""

import argparse
import os
from pathlib import Path

import numpy as np

from cache import FilmCache
from config import Config, UserError
from dataset import FilmDataset, describe_data
from films import Film, films_fingerprint, has_split, scan_split, training_films
from neck import label_necks
from neck_dataset import NeckDataset, describe_necks
from partition import split_folds
from processes import Processes


def data_roots(options: argparse.Namespace) -> list[Path]:
    """All data sets to train on."""
    return [options.dataset, *options.also]


def choose_films(
    options: argparse.Namespace, config: Config, say_so: bool = True
) -> tuple[list[Film], list[Film] | None]:
    """The films to learn from, and those to judge by (None with --no-valid)."""
    films, held_out = split_films(options, say_so)
    if config.finds_vertebrae:
        return label_necks(films, held_out, data_roots(options), options.pseudo, bool(options.folds))
    return films, held_out


def split_films(options: argparse.Namespace, say_so: bool) -> tuple[list[Film], list[Film] | None]:
    """All films of train, or of all folds but one; and those of valid, of that fold, or None."""
    train_films, twins = [], []
    for root in data_roots(options):
        kept, left_out = training_films(root)
        train_films, twins = train_films + kept, twins + left_out
    if twins and say_so:
        names = ", ".join(film.film_id for film in twins)
        print(f"Left out of training, since the same picture is in valid or test: {names}.")
    if options.no_valid:
        return train_films, None
    if options.folds:
        if options.folds > len(train_films):
            raise UserError(f"--folds {options.folds} is more than the {len(train_films)} films; use fewer.")
        folds = split_folds(train_films, options.folds, seed=0)
        return [film for fold in folds if fold is not folds[options.fold] for film in fold], folds[options.fold]
    held_out = [film for root in data_roots(options) if has_split(root, "valid") for film in scan_split(root, "valid")]
    if not held_out:
        raise UserError(
            f"{options.dataset} has no valid split; make one with `python split_dataset.py --dataset "
            f"{options.dataset}`, "
            "or use --folds 5 --fold 0, or --no-valid."
        )
    return train_films, held_out


def check_same_films(films: list[Film], processes: Processes) -> None:
    """Refuses to train when this machine's training films are not those of the main process."""
    if processes.share(films_fingerprint(films)) != films_fingerprint(films):
        raise UserError("This machine's training films are not those of the first one; copy the same data set here.")


def describe_films(config: Config, films: list[Film]) -> Config:
    """The config with the facts of its training films.

    Raises:
        UserError: the films lack what the model is to learn.
    """
    return describe_necks(config, films) if config.finds_vertebrae else describe_data(config, films)


def check_held_out(config: Config, held_out: list[Film] | None) -> None:
    """Refuses validation films without anything that the best epoch could be chosen by."""
    if held_out is None:
        return
    expert_points = any((~np.isnan(film.truth_px()).any(axis=1) & ~film.by_reader).any() for film in held_out)
    stages = any(film.stage is not None for film in held_out)
    necks = config.finds_vertebrae and bool(held_out)
    if not necks and not (config.finds_landmarks and expert_points) and not (config.names_stage and stages):
        raise UserError(
            f"The films to validate on have no labels of what {config.model} predicts; use others or --no-valid."
        )


def held_out_fingerprint(held_out: list[Film] | None) -> str | None:
    """Changes with the films that choose the best epoch; None where the last epoch is kept."""
    return None if held_out is None else films_fingerprint(held_out)


def neck_facts(config: Config, films: list[Film]) -> dict:
    """For a model of vertebrae, which films taught it by a person's labels: others may ask it about the rest."""
    if not config.finds_vertebrae:
        return {}
    return {"labelled": sorted(film.film_id for film in films if not film.vertebrae.pseudo)}


def make_sets(
    options: argparse.Namespace, config: Config, films: list[Film], held_out: list[Film] | None, processes: Processes
) -> tuple[FilmDataset | NeckDataset, FilmDataset | list[Film] | None]:
    """What to learn from and what to be judged by, all films prepared."""
    if config.finds_vertebrae:
        return NeckDataset(films, config), held_out
    cache = FilmCache(options.cache, options.dataset, config.cached_size)
    if processes.is_first_here:
        films_here = films + (held_out or [] if processes.is_main else [])  # the main process alone validates
        cache.build(films_here, workers=os.cpu_count() or 1, quiet=not processes.is_main, begin=processes.place)
    processes.wait()
    valid_set = FilmDataset(held_out, config, cache) if held_out is not None else None
    return FilmDataset(films, config, cache, training=True), valid_set
