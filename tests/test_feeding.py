"""The benchmark of the loaders: the many films whose memory it takes are films of their own that read what is there."""

import numpy as np

from benchmarks.feeding import copies_of
from cache import FilmCache
from films import scan_split


def test_copies_are_films_of_their_own_and_are_not_prepared_again(blobs, tmp_path):
    films = scan_split(blobs, "train")[:3]
    cache = FilmCache(tmp_path / "cache", blobs, (64, 64))
    cache.build(films, quiet=True)
    copies = copies_of(films, cache, 7)
    assert len({copy.film_id for copy in copies}) == 7 and len(copies_of(films, cache, 9)) == 9
    for index, copy in enumerate(copies):
        film = films[index % 3]
        assert np.array_equal(copy.annotators_px, film.annotators_px, equal_nan=True)
        assert not np.shares_memory(copy.annotators_px, film.annotators_px)
        assert np.array_equal(cache.read_entry(copy)[0], cache.load(film)[0]) and cache.path(copy).is_symlink()
