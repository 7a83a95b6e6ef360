"""The cache: built once, whole after an interruption, never stale."""

import os

import numpy as np
import pytest

from cache import FilmCache
from config import UserError
from films import scan_split
from geometry import Letterbox
from images import read_film, write_png


@pytest.fixture
def cache(blobs, tmp_path):
    return FilmCache(tmp_path / "cache", blobs, (64, 48))


def test_it_holds_what_reading_the_film_gives(blobs, cache):
    films = scan_split(blobs, "train")
    assert cache.build(films, quiet=True) == 8
    for film in films:
        image, letterbox = cache.load(film)
        picture = read_film(film.image_path)
        assert letterbox == Letterbox((96, 120), (48, 64))
        assert np.array_equal(image, letterbox.apply(picture))


def test_it_is_built_once(blobs, cache, monkeypatch):
    films = scan_split(blobs, "train")
    cache.build(films, quiet=True)
    monkeypatch.setattr("cache.read_film", lambda path: pytest.fail("a film was read again"))
    assert cache.build(films, quiet=True) == 0
    for film in films:
        cache.load(film)


def test_an_interrupted_build_goes_on(blobs, cache, monkeypatch):
    films, read, count = scan_split(blobs, "train"), read_film, []

    def fail_at_fourth(path):
        count.append(path)
        if len(count) > 3:
            raise KeyboardInterrupt
        return read(path)

    monkeypatch.setattr("cache.read_film", fail_at_fourth)
    with pytest.raises(KeyboardInterrupt):
        cache.build(films, workers=1, quiet=True)
    monkeypatch.setattr("cache.read_film", read)
    assert not list(cache.folder.rglob("*.tmp"))
    assert cache.build(films, quiet=True) == 5


def test_a_changed_film_is_made_again(blobs, cache):
    film = scan_split(blobs, "train")[0]
    before = cache.load(film)[0]
    write_png(film.image_path, np.full((120, 96), 77, np.uint8))
    os.utime(film.image_path, ns=(1, 1))
    assert cache.load(film)[0].max() == 77 != before.max()
    assert cache.build([film], quiet=True) == 0


@pytest.mark.parametrize(
    "damage", [lambda data: data[: len(data) // 2], lambda data: b"", lambda data: b"PK" + data[2:40]]
)
def test_a_damaged_entry_is_made_again(blobs, cache, damage):
    film = scan_split(blobs, "train")[0]
    expected = cache.load(film)[0]
    path = cache.path(film)
    path.write_bytes(damage(path.read_bytes()))
    assert cache.build([film], quiet=True) == 1
    path.write_bytes(damage(path.read_bytes()))
    assert np.array_equal(cache.load(film)[0], expected)


def test_flipped_bits_are_noticed(blobs, cache):
    film = scan_split(blobs, "train")[0]
    expected = cache.load(film)[0]
    data = bytearray(cache.path(film).read_bytes())
    data[len(data) // 3] ^= 0xFF  # within the picture
    cache.path(film).write_bytes(data)
    assert np.array_equal(cache.load(film)[0], expected)


def test_a_build_shows_how_far_it_is(blobs, cache, capsys):
    assert cache.build(scan_split(blobs, "train")) == 8
    assert "Preparing films" in capsys.readouterr().err


def test_a_film_that_cannot_be_read_is_named(blobs, cache):
    films = scan_split(blobs, "train")
    films[5].image_path.write_bytes(b"")
    with pytest.raises(UserError, match="train005"):
        cache.build(films, quiet=True)
    films[5].image_path.unlink()
    with pytest.raises(UserError, match="train005"):
        cache.load(films[5])


def test_sizes_and_data_sets_do_not_mix(blobs, tmp_path):
    film = scan_split(blobs, "train")[0]
    paths = {
        FilmCache(tmp_path, root, size).path(film) for root in (blobs, blobs.parent) for size in ((64, 48), (48, 64))
    }
    assert len(paths) == 4
