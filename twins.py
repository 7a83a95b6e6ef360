"""Films that are one picture: they must not lie on both sides of a split, or a model is judged by what it learnt.

Files are compared byte by byte; crops, which follow the labels of their film and so differ, by the film they were cut
from.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path

from config import UserError
from files import file_hash
from films import Film, has_split, inspect_split, scan_split

SAMPLE_BYTES = 4096  # of four places of a file, to tell films apart without reading all of them


def group_twins(films: list[Film]) -> list[list[Film]]:
    """Groups of two and more films that are one picture. Whole files are read only where size and samples are equal.

    Raises:
        UserError: a film cannot be read, a link that leads nowhere for example.
    """
    crops, whole = [film for film in films if film.source_digest], [film for film in films if not film.source_digest]
    for fingerprint in (file_size, sample_digest, file_hash):
        twins = group_equal(whole, lambda film, fingerprint=fingerprint: of_file(film.image_path, fingerprint))
        whole = [film for group in twins for film in group]
    return group_equal(crops, lambda film: film.source_digest) + twins


def group_equal(films: list[Film], key: Callable[[Film], object]) -> list[list[Film]]:
    """Groups of two and more films whose `key` is equal."""
    groups = {}
    for film in films:
        groups.setdefault(key(film), []).append(film)
    return [group for group in groups.values() if len(group) > 1]


def of_file(path: Path, fingerprint: Callable[[Path], object]) -> object:
    """The fingerprint of a file, or one sentence that it cannot be read."""
    try:
        return fingerprint(path)
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}); restore or remove it.") from None


def file_size(path: Path) -> int:
    """Bytes of a file."""
    return path.stat().st_size


def sample_digest(path: Path) -> bytes:
    """Differs for nearly all films that differ: a machine's films may all have one size, and a million of them would
    take hours to read.
    """
    size = path.stat().st_size
    digest = hashlib.sha256(str(size).encode())
    with open(path, "rb") as file:
        for share in (0.0, 0.3, 0.5, 0.7):
            file.seek(int(share * size))
            digest.update(file.read(SAMPLE_BYTES))
    return digest.digest()


def training_films(root: Path) -> tuple[list[Film], list[Film]]:
    """The films to learn from: those of train, less any that are also in valid or test; and those left out.

    Raises:
        UserError: the data set is not there, or a training film's labels cannot be used.
    """
    train = scan_split(root, "train")
    judged = [
        film
        for split in ("valid", "test")
        if has_split(root, split)
        for film, _ in inspect_split(root, split)
        if film is not None
    ]
    judged_twins = {
        film.image_path
        for twins in group_twins(train + judged)
        if any(twin.split != "train" for twin in twins)
        for film in twins
    }
    left_out = [film for film in train if film.image_path in judged_twins]
    return [film for film in train if film.image_path not in judged_twins], left_out
