"""Cutting films into parts that are alike in machine and stage, with twins (the same picture twice) kept on one
side.
"""

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold

from config import UserError
from films import Film
from twins import group_twins


def split_folds(films: list[Film], folds: int, seed: int) -> list[list[Film]]:
    """Cuts films into `folds` parts of nearly equal size, each like the whole in machines and stages.

    The same films and seed give the same parts on any machine; films keep their order within a part.

    Raises:
        UserError: so many films are twins that there are fewer different pictures than folds.
    """
    assert 2 <= folds <= len(films), f"{len(films)} films cannot be cut into {folds} folds"
    groups = {film.film_id: number for number, film in enumerate(films)}
    for twins in group_twins(films):
        for twin in twins:
            groups[twin.film_id] = groups[twins[0].film_id]
    pictures = len(set(groups.values()))
    if pictures < folds:
        raise UserError(f"{len(films)} films with {pictures} different pictures cannot be cut into {folds} parts.")
    kinds = [f"{film.machine} {film.stage}" for film in films]
    splitter = StratifiedGroupKFold(n_splits=folds, shuffle=True, random_state=seed)
    cuts = splitter.split(
        np.zeros(len(films)), merge_rare_kinds(kinds, folds), [groups[film.film_id] for film in films]
    )
    return [[films[index] for index in held_out] for _, held_out in cuts]


def merge_rare_kinds(kinds: list[str], folds: int) -> list[str]:
    """Kinds with fewer films than folds cannot be in every part; they count as one kind."""
    names, counts = np.unique(kinds, return_counts=True)
    frequent = set(names[counts >= folds])
    return [kind if kind in frequent else "rare" for kind in kinds]
