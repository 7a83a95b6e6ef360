"""What a file claims is known before it is decoded, and bombs are refused by it."""

import io
import struct
import zlib

import cv2
import numpy as np
import pytest

from config import UserError
from headers import LARGEST_PIXELS, Damaged, Header, read_header
from images import DEEP_FILM_PERCENTILES, decode_dicom, decode_picture, deep_range, flatten_alpha, rle_bytes, to_grey8

GREY = np.arange(48 * 64, dtype=np.uint32).reshape(48, 64)
GREY8 = cv2.GaussianBlur((GREY % 251).astype(np.uint8), (0, 0), 2)


def encoded(suffix: str, image: np.ndarray = GREY8) -> bytearray:
    return bytearray(cv2.imencode(suffix, image)[1].tobytes())


def claim_png(width: int, height: int) -> bytes:
    data = encoded(".png")
    struct.pack_into(">II", data, 16, width, height)
    struct.pack_into(">I", data, 29, zlib.crc32(data[12:29]))
    return bytes(data)


def claim_jpeg(width: int, height: int) -> bytes:
    data = encoded(".jpg")
    struct.pack_into(">HH", data, data.index(b"\xff\xc0") + 5, height, width)
    return bytes(data)


def claim_bmp(width: int, height: int) -> bytes:
    data = encoded(".bmp")
    struct.pack_into("<ii", data, 18, width, -height)
    return bytes(data)


def claim_tiff(width: int, height: int) -> bytes:
    """An empty page with no more than what says how large it is."""
    entries = [(256, width), (257, height), (258, 8), (277, 1)]
    body = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in entries)
    return b"II*\0" + struct.pack("<IH", 8, len(entries)) + body + b"\0" * 4


CLAIMS = {"png": claim_png, "jpg": claim_jpeg, "bmp": claim_bmp, "tif": claim_tiff}


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".tif"])
@pytest.mark.parametrize("samples", [1, 3])
def test_headers_say_what_decoding_gives(suffix, samples):
    header = read_header(bytes(encoded(suffix, GREY8 if samples == 1 else np.dstack([GREY8] * 3))))
    assert (header.width, header.height) == (64, 48) and header.refusal() is None
    assert header.samples == (3 if suffix == ".bmp" else samples) and header.bits == 8


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_deep_headers(suffix):
    assert read_header(bytes(encoded(suffix, GREY.astype(np.uint16)))) == Header(64, 48, 1, 16)


@pytest.mark.parametrize("claim", CLAIMS.values(), ids=CLAIMS)
@pytest.mark.parametrize("size", [(60000, 60000), (65535, 2000)])
def test_bombs_are_refused_before_they_are_decoded(claim, size, monkeypatch):
    assert size[0] * size[1] > LARGEST_PIXELS
    monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("the bomb was decoded"))
    with pytest.raises(UserError, match="bomb is not decoded, since it claims"):
        decode_picture(claim(*size), "bomb")


def test_a_tile_larger_than_its_page_is_a_bomb_too():
    data = bytearray(claim_tiff(64, 64))
    struct.pack_into("<HHII", data, 10 + 2 * 12, 322, 4, 1, 3_000_000_000)
    with pytest.raises(Damaged, match="tiles"):
        read_header(bytes(data))


def test_a_jpeg_of_endless_scans_is_refused():
    data = encoded(".jpg")
    scan = data[data.index(b"\xff\xda") : -2]
    with pytest.raises(UserError, match="scans"):
        decode_picture(bytes(data[:-2] + scan * 200 + b"\xff\xd9"), "slow")


@pytest.mark.parametrize("place", range(8, 90, 3))
def test_a_png_with_a_flipped_bit_anywhere_is_refused(place):
    data = encoded(".png")
    data[place] ^= 1
    with pytest.raises(UserError):
        decode_picture(bytes(data), "film")


@pytest.mark.parametrize("dtype", [np.uint16, np.int16])
def test_percentiles_by_counting_are_numpy_s(dtype):
    image = np.random.default_rng(0).normal(900, 700, (301, 207)).astype(dtype)
    assert np.allclose(deep_range(image), np.percentile(image, DEEP_FILM_PERCENTILES), atol=1e-6)
    order = np.argsort(image, axis=None, kind="stable")
    assert (np.diff(to_grey8(image).reshape(-1)[order].astype(int)) >= 0).all(), "the order of greys survives"


def test_floats_that_are_no_numbers_become_some_grey():
    image = np.linspace(-5, 9, 48 * 64, dtype=np.float32).reshape(48, 64)
    image[0, 0], image[0, 1], image[0, 2] = np.nan, np.inf, -np.inf
    grey = to_grey8(image)
    assert grey.dtype == np.uint8 and grey[-1, -1] == 255 and grey[0, 1] == 255 and grey[0, 2] == 0


def test_strips_change_nothing(monkeypatch):
    generator = np.random.default_rng(1)
    clear = generator.integers(0, 65536, (50, 40, 4)).astype(np.uint16)
    deep = generator.integers(0, 65536, (50, 40)).astype(np.uint16)
    whole = flatten_alpha(clear), to_grey8(deep)
    monkeypatch.setattr("images.STRIP_PIXELS", 100)
    assert np.array_equal(flatten_alpha(clear), whole[0]) and np.array_equal(to_grey8(deep), whole[1])


# --- DICOM ------------------------------------------------------------------------------------------------------------


def make_dicom(rows: int, columns: int, pixels: bytes, syntax: str = "1.2.840.10008.1.2.1") -> bytes:
    """A DICOM file of an 8-bit grey picture."""
    pydicom = pytest.importorskip("pydicom")
    file = pydicom.dataset.FileDataset("", {}, preamble=b"\0" * 128)
    file.file_meta = pydicom.dataset.FileMetaDataset()
    file.file_meta.TransferSyntaxUID = pydicom.uid.UID(syntax)
    file.file_meta.MediaStorageSOPClassUID = pydicom.uid.SecondaryCaptureImageStorage
    file.file_meta.MediaStorageSOPInstanceUID = pydicom.uid.generate_uid()
    file.Rows, file.Columns, file.SamplesPerPixel, file.PhotometricInterpretation = rows, columns, 1, "MONOCHROME2"
    file.BitsAllocated, file.BitsStored, file.HighBit, file.PixelRepresentation = 8, 8, 7, 0
    if file.file_meta.TransferSyntaxUID.is_encapsulated:
        file.PixelData = pydicom.encaps.encapsulate([pixels])
        file["PixelData"].is_undefined_length = True
    else:
        file.PixelData = pixels
    data = io.BytesIO()
    file.save_as(data, enforce_file_format=True)
    return data.getvalue()


def run_lengths(times: int) -> bytes:
    """A run-length frame of one segment that becomes 128 x `times` bytes."""
    return struct.pack("<16L", 1, 64, *[0] * 14) + b"\x81\x07" * times


def test_run_lengths_are_counted():
    assert rle_bytes(run_lengths(24)[64:], 10**9) == 24 * 128
    assert rle_bytes(b"\x02abc\x80\xff\x05", 10**9) == 3 + 2
    film = decode_dicom(make_dicom(48, 64, run_lengths(24), "1.2.840.10008.1.2.5"), "film.dcm")
    assert film.shape == (48, 64) and (film == 7).all()


@pytest.mark.parametrize(
    ("file", "message"),
    [
        (lambda: make_dicom(65535, 65535, b"\0" * 64), "claims"),
        (lambda: make_dicom(48, 64, run_lengths(100_000), "1.2.840.10008.1.2.5"), "larger than it says"),
        (lambda: make_dicom(48, 64, claim_jpeg(60000, 60000), "1.2.840.10008.1.2.4.50"), "claims"),
        (lambda: make_dicom(8, 8, bytes(64)).replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.1.99"), "deflated"),
    ],
    ids=["rows", "runs", "jpeg", "deflated"],
)
def test_dicom_bombs_are_refused(file, message):
    with pytest.raises(UserError, match=message):
        decode_dicom(file(), "bomb.dcm")
