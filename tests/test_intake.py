"""What is handed to the page: films come in as `images` reads them, anything else gets one sentence with the mend."""

import struct
import zlib

import cv2
import numpy as np
import pytest

from config import UserError
from intake import clean_name, take_in

GREY = np.tile(np.linspace(0, 255, 64, dtype=np.uint8), (48, 1))


def encoded(suffix: str, image: np.ndarray) -> bytes:
    return cv2.imencode(suffix, image)[1].tobytes()


def png_header(width: int, height: int) -> bytes:
    """A PNG file that claims a size and holds nothing."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".tif"])
def test_pictures_come_in(suffix):
    film = take_in(encoded(suffix, GREY), f"C:\\films\\Müller 1{suffix}", 30)
    assert film.name == "Müller 1" and film.size == (64, 48) and film.pixel_size_mm is None
    assert np.abs(film.pixels.astype(int) - GREY).max() <= (4 if suffix == ".jpg" else 0)


def test_deep_colour_and_transparent_films_come_in():
    deep = take_in(encoded(".tif", GREY.astype(np.uint16) * 16), "deep.tif", 30).pixels
    assert deep.dtype == np.uint8 and deep.min() == 0 and deep.max() == 255
    colour = take_in(encoded(".png", cv2.cvtColor(GREY, cv2.COLOR_GRAY2BGRA)), "alpha.png", 30).pixels
    assert np.array_equal(colour, GREY)


def test_dicom_brings_its_pixel_size(dicom_bytes):
    for name in ("film.dcm", "IM000001"):  # many machines write no ending
        film = take_in(dicom_bytes, name, 30)
        assert film.pixel_size_mm == pytest.approx(0.1) and film.pixels.shape == (48, 64)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is empty"),
        (b"%PDF-1.7 a letter", "is not a picture"),
        (encoded(".png", GREY)[:200], "is not a picture"),
        (b"x" * 2_100_000, r"has 2 MB, and this page takes 2 MB; read it with predict\.py"),
        (png_header(20_000, 10_000), r"200 megapixels, and this page takes 100; read it with predict\.py"),
        (png_header(100_000, 100_000), r"10000 megapixels"),
    ],
)
def test_anything_else_gets_one_sentence(data, words):
    with pytest.raises(UserError, match=words) as caught:
        take_in(data, "letter.png", 2)
    assert str(caught.value).startswith("letter.png") and "\n" not in str(caught.value)


def test_names_are_shown_without_folders_and_tricks():
    assert clean_name("../../etc/passwd") == "passwd" and clean_name("C:\\a\\b.png") == "b.png"
    assert clean_name("<img onerror=x>.png") == "_img onerror=x_.png" and clean_name("") == "film" == clean_name("..")
    assert len(clean_name("x" * 300 + ".tiff")) <= 80 and clean_name("x" * 300 + ".tiff").endswith(".tiff")
