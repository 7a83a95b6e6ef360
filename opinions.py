"""A second opinion on training films: what networks that had not seen a film say of its points.

A network averages its annotators' slips over many films, so its answer on a new film is often nearer to what they
mean than the one point that they placed there. Training may mix both (`train.py --opinions FILE`, written by
`calibrate.py --opinions FILE`), and one careless reading no longer teaches alone. Self-distillation across folds;
compare Furlanello et al., ICML 2018.
"""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np

from config import LANDMARK_COUNT, LANDMARK_INDEX, SYMBOLS, UserError
from files import read_bytes, read_json, write_json
from films import Film


def write_opinions(path: Path, films: list[Film], points_px: np.ndarray, radius95_px: np.ndarray) -> None:
    """Writes (N, 29, 2) points with their (N, 29) radii, film px; NaN is left out."""
    content = {}
    for film, points, radii in zip(films, points_px, radius95_px, strict=True):
        known = ~np.isnan(points).any(axis=1) & ~np.isnan(radii)
        content[film.film_id] = {
            SYMBOLS[index]: [round(float(value), 2) for value in (*points[index], radii[index])]
            for index in np.flatnonzero(known)
        }
    write_json(path, content)


def with_opinions(films: list[Film], path: Path) -> list[Film]:
    """The films with their second opinions.

    Raises:
        UserError: the file is unreadable, or has no opinion on one of the films.
    """
    content = read_json(path)
    missing = [film.film_id for film in films if not isinstance(content, dict) or film.film_id not in content]
    if missing:
        raise UserError(f"{path} has no opinion on film {missing[0]}; write it anew with calibrate.py --opinions.")
    try:
        return [add_opinion(film, *parse_opinion(content[film.film_id])) for film in films]
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError):
        raise UserError(f"{path} is not a file of opinions; write it anew with calibrate.py --opinions.") from None


def parse_opinion(points: dict[str, list[float]]) -> tuple[np.ndarray, np.ndarray]:
    """One film's entry to points (29, 2) and radii (29,), NaN where it has none."""
    points_px, radius95_px = np.full((LANDMARK_COUNT, 2), np.nan), np.full(LANDMARK_COUNT, np.nan)
    for symbol, (x, y, radius) in points.items():
        points_px[LANDMARK_INDEX[symbol]], radius95_px[LANDMARK_INDEX[symbol]] = (float(x), float(y)), float(radius)
    return points_px, radius95_px


def add_opinion(film: Film, points_px: np.ndarray, radius95_px: np.ndarray) -> Film:
    """The film with an opinion (29, 2); labels of a reader beyond its radius (29,) are taken for slips and replaced."""
    beyond = np.hypot(*(film.truth_px() - points_px).T) > radius95_px
    slipped = film.by_reader & beyond
    annotators_px = np.where(slipped[:, None], points_px, film.annotators_px)
    return replace(film, annotators_px=annotators_px, opinion_px=points_px)


def fingerprint(path: Path | None) -> str | None:
    """Changes with the file's content; None without a file."""
    return None if path is None else hashlib.blake2b(read_bytes(path), digest_size=8).hexdigest()
