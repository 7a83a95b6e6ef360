"""What models of the vertebrae say of films that taught none of them."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from cervical import crop_stretch, load_finder
from films import Film
from images import read_film
from metrics import radial_error
from neck import has_vertebrae
from stage_input import NeckSample, measures_of
from vertebra_finder import Neck, VertebraFinder


def load_finders(paths: list[Path], device: torch.device) -> list[VertebraFinder]:
    """Several models of the vertebrae.

    Raises:
        UserError: a file is missing, damaged or of another model.
    """
    return [load_finder(path, device) for path in paths]


def unbiased_finder(finders: list[VertebraFinder], film: Film) -> VertebraFinder | None:
    """The first of the models that no label of this film taught; None where all were."""
    return next((finder for finder in finders if not was_taught(finder, film)), None)


def was_taught(finder: VertebraFinder, film: Film) -> bool:
    """Whether a film's labels may have taught a model. Weights to share do not name films: theirs may all have."""
    names = finder.facts.get("labelled")
    return has_vertebrae(film.vertebrae) if names is None else film.film_id in names


def find_unseen(finders: list[VertebraFinder], films: list[Film]) -> Iterator[tuple[Film, np.ndarray, Neck]]:
    """The films that one of the models was not taught by, each with its picture, read once, and what it says of it."""
    for film in tqdm(films, desc="Reading necks", unit="film"):
        finder = unbiased_finder(finders, film)
        if finder is not None:
            picture = read_film(film.image_path)
            yield film, picture, finder.find(picture)


def neck_errors_net(found: list[tuple[Film, Neck]]) -> tuple[np.ndarray, np.ndarray]:
    """Errors and spreads (N, 13) each, in network pixels, NaN where a point is not labelled."""
    errors, spreads = [], []
    for film, neck in found:
        errors.append(neck.frame.length_to_net(radial_error(neck.points_px, film.vertebrae.points_px)))
        spreads.append(neck.frame.length_to_net(neck.spread_px))
    return np.array(errors), np.array(spreads)


def make_sample(film: Film, picture: np.ndarray, neck: Neck, describer: VertebraFinder) -> NeckSample:
    """A neck as a stage is learnt from it.

    Args:
        describer: the model with which the stage will be named, even where the film's points taught it: another's
            features have another order.
    """
    stretch = crop_stretch(picture, neck)
    features = describer.describe_neck(picture, neck, stretch)
    return NeckSample(measures_of(neck.points_px, stretch), features, film.stage or 0)
