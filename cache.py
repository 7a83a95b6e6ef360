"""The cache that feeds training: every film decoded and letterboxed once, one file per film.

Each file carries the size and time of its source, so that a changed film is made again, and is written under a
temporary name, so that an interrupted build leaves only whole files and goes on where it stopped.
"""

import hashlib
import io
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from tqdm import tqdm

from files import remove_leftovers, write_bytes
from films import Film
from geometry import Letterbox
from images import read_film

# What NumPy raises for a missing or damaged file.
UNREADABLE = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile)
LEFTOVER_AGE_S = 3600.0  # a temporary file this old has no process that still writes it
CACHE_VERSION = 1  # raised when the reader or the letterbox changes what it makes of a film


class FilmCache:
    """Letterboxed films of one data set at one size."""

    def __init__(self, folder: Path, dataset: Path, image_size: tuple[int, int]):
        root = Path(dataset).resolve()
        place = hashlib.blake2b(str(root).encode(), digest_size=4).hexdigest()
        height, width = image_size
        self.folder = Path(folder) / f"{root.name}-{place}" / f"{height}x{width}"
        self.target_size = (width, height)

    def path(self, film: Film) -> Path:
        """Where a film's entry lies."""
        return self.folder / film.split / f"{film.film_id}.npz"

    def load(self, film: Film) -> tuple[np.ndarray, Letterbox]:
        """The film's letterboxed image (height, width) uint8 and its letterbox; made now if it is not there.

        Raises:
            UserError: the film cannot be read.
        """
        entry = self.read_entry(film)
        if entry is None:
            entry = self.make_entry(film)
        image, source_size = entry
        return image, Letterbox(source_size, self.target_size)

    def build(self, films: list[Film], workers: int = 2, quiet: bool = False, begin: float = 0.0) -> int:
        """Makes all entries that are missing or outdated and says how many films that were.

        Machines that share a disk share the work when each begins at its own place, 0-1, in the list.
        """
        missing = [film for film in films if self.read_stamp(film) != source_stamp(film)]
        if not missing:
            return 0
        for split in {film.split for film in missing}:
            remove_leftovers(self.folder / split, LEFTOVER_AGE_S)
        first = int(begin * len(missing))
        pool = ThreadPoolExecutor(max(1, workers))  # OpenCV decodes outside Python's lock
        try:
            jobs = pool.map(self.fill_entry, missing[first:] + missing[:first])
            for _ in tqdm(jobs, total=len(missing), desc="Preparing films", unit="film", disable=quiet):
                pass
        finally:
            pool.shutdown(cancel_futures=True)  # an interruption need not wait for the rest
        return len(missing)

    def fill_entry(self, film: Film) -> None:
        """Makes one film's entry unless another machine has made it meanwhile."""
        if self.read_stamp(film) != source_stamp(film):
            self.make_entry(film)

    def make_entry(self, film: Film) -> tuple[np.ndarray, tuple[int, int]]:
        """Reads, letterboxes and stores one film."""
        stamp = source_stamp(film)
        picture = read_film(film.image_path)
        source_size = picture.shape[1], picture.shape[0]
        image = Letterbox(source_size, self.target_size).apply(picture)
        data = io.BytesIO()
        np.savez(data, image=image, source_size=source_size, stamp=stamp)
        write_bytes(self.path(film), data.getvalue())
        return image, source_size

    def read_entry(self, film: Film) -> tuple[np.ndarray, tuple[int, int]] | None:
        """The stored image and its film's (width, height), or None where it is missing or outdated."""
        stamp = source_stamp(film)
        try:
            with np.load(self.path(film)) as entry:
                if tuple(entry["stamp"].tolist()) != stamp:
                    return None
                return entry["image"], tuple(entry["source_size"].tolist())
        except UNREADABLE:
            return None

    def read_stamp(self, film: Film) -> tuple[int, ...] | None:
        """The stamp of the stored entry, or None where there is none."""
        try:
            with np.load(self.path(film)) as entry:
                return tuple(entry["stamp"].tolist())
        except UNREADABLE:
            return None


def source_stamp(film: Film) -> tuple[int, int, int]:
    """What changes when a film's file does: the cache's version, its size in bytes and its time in ns."""
    try:
        status = film.image_path.stat()
    except OSError:
        return CACHE_VERSION, -1, -1  # read_film will say what is wrong
    return CACHE_VERSION, status.st_size, status.st_mtime_ns
