"""What models of the vertebrae say of films that taught none of them."""

from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from cervical import crop_stretch, load_finder
from config import UserError
from films import Film
from images import read_film
from metrics import radial_error
from stage_input import NeckSample
from vertebra_finder import Neck, VertebraFinder

PICTURE_REACH = 1.4  # of the points' extent, from their middle: what is kept of a picture


def load_finders(paths: list[Path], device: torch.device) -> list[VertebraFinder]:
    """Several models of the vertebrae.

    Raises:
        UserError: a file is missing, damaged, of another model, or does not say which films taught it.
    """
    finders = [load_finder(path, device) for path in paths]
    for path, finder in zip(paths, finders, strict=True):
        if "labelled" not in finder.facts:
            raise UserError(f"{path} does not say which films taught it; train it again.")
    return finders


def unbiased_finder(finders: list[VertebraFinder], film: Film) -> VertebraFinder | None:
    """The first of the models that no label of this film taught; None where all were."""
    return next((finder for finder in finders if film.film_id not in finder.facts["labelled"]), None)


def find_unseen(finders: list[VertebraFinder], films: list[Film]) -> list[tuple[Film, Neck]]:
    """The films that one of the models was not taught by and finds a neck on, with that neck."""
    found = []
    for film in tqdm(films, desc="Reading necks", unit="film"):
        finder = unbiased_finder(finders, film)
        neck = finder.find(read_film(film.image_path)) if finder is not None else None
        if neck is not None:
            found.append((film, neck))
    return found


def neck_errors_net(found: list[tuple[Film, Neck]]) -> tuple[np.ndarray, np.ndarray]:
    """Errors and spreads (N, 13) each, in network pixels, NaN where a point is not labelled."""
    errors, spreads = [], []
    for film, neck in found:
        errors.append(neck.frame.length_to_net(radial_error(neck.points_px, film.vertebrae.points_px)))
        spreads.append(neck.frame.length_to_net(neck.spread_px))
    return np.array(errors), np.array(spreads)


def make_sample(film: Film, picture: np.ndarray, neck: Neck, describer: VertebraFinder) -> NeckSample:
    """A neck as a stage is learnt from it; of a whole film just the neck is kept.

    Args:
        describer: the model with which the stage will be named.
    """
    stretch = crop_stretch(picture, neck)
    features = describer.describe(picture, neck.points_px, stretch)
    low, high = np.nanmin(neck.points_px, axis=0), np.nanmax(neck.points_px, axis=0)
    reach = PICTURE_REACH * (high - low).max()
    first = np.floor(np.maximum((low + high) / 2 - reach, 0)).astype(int)
    last = np.ceil(np.minimum((low + high) / 2 + reach, picture.shape[::-1])).astype(int)
    kept = np.ascontiguousarray(picture[first[1] : last[1], first[0] : last[0]])
    return NeckSample(kept, neck.points_px - first, neck.spread_px, stretch, film.stage or 0, features)
