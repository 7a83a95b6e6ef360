"""Every kind of picture comes out upright, in 8 bits, unsaturated."""

import zlib

import cv2
import numpy as np
import pytest

from config import UserError
from images import decode_picture, is_cut_jpeg, read_film

GREY = np.arange(48 * 64, dtype=np.uint32).reshape(48, 64)


def write(path, image):
    path.write_bytes(cv2.imencode(path.suffix, image)[1].tobytes())
    return path


@pytest.mark.parametrize("name", ["film.png", "film.bmp", "film.tif", "FILM.PNG", "한글 이름.png", "schräg & quer.bmp"])
def test_eight_bits_keep_their_values(tmp_path, name):
    grey = (GREY % 256).astype(np.uint8)
    path = tmp_path / name
    path.write_bytes(cv2.imencode(path.suffix.lower(), grey)[1].tobytes())
    assert np.array_equal(read_film(path), grey)


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".jpg", ".jpeg"])
def test_grey_stored_as_colour_is_the_same(tmp_path, suffix):
    grey = cv2.GaussianBlur((GREY % 200).astype(np.uint8), (0, 0), 3)
    film = read_film(write(tmp_path / f"film{suffix}", cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR)))
    assert film.shape == grey.shape and np.abs(film.astype(int) - grey).max() <= (3 if "j" in suffix else 0)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("deepest", [4095, 65535])
def test_deep_films_are_not_saturated(tmp_path, suffix, deepest):
    deep = np.rint(GREY / GREY.max() * deepest).astype(np.uint16)
    film = read_film(write(tmp_path / f"film{suffix}", deep))
    assert film.dtype == np.uint8 and film.min() == 0 and film.max() == 255
    assert (np.diff(film.reshape(-1).astype(int)) >= 0).all()  # the order of greys survives
    assert (film == 255).mean() < 0.01 and len(np.unique(film)) > 200


def test_transparency_lies_over_black(tmp_path):
    image = np.full((8, 8, 4), 200, np.uint8)
    image[:4, :, 3], image[4:, :, 3] = 255, 0
    film = read_film(write(tmp_path / "film.png", image))
    assert (film[:4] == 200).all() and (film[4:] == 0).all()


@pytest.mark.parametrize("bits", [1, 8])
def test_palettes_become_their_colours(tmp_path, bits):
    """A PNG of colour type 3, written by hand since OpenCV writes none."""
    palette = [10, 200] if bits == 1 else list(range(255, -1, -1))
    indices = np.arange(64).reshape(8, 8) % len(palette)
    rows = np.packbits(indices.astype(np.uint8), axis=1) if bits == 1 else indices.astype(np.uint8)
    scanlines = b"".join(b"\0" + row.tobytes() for row in rows)

    def chunk(name: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + name + data + zlib.crc32(name + data).to_bytes(4, "big")

    header = (8).to_bytes(4, "big") * 2 + bytes([bits, 3, 0, 0, 0])
    colours = bytes(grey for grey in palette for _ in range(3))
    parts = [(b"IHDR", header), (b"PLTE", colours), (b"IDAT", zlib.compress(scanlines)), (b"IEND", b"")]
    (tmp_path / "film.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts))
    assert np.array_equal(read_film(tmp_path / "film.png"), np.array(palette)[indices])


def test_deep_colour_is_not_saturated(tmp_path):
    deep = np.rint(GREY / GREY.max() * 65535).astype(np.uint16)
    film = read_film(write(tmp_path / "film.png", np.dstack([deep] * 3)))
    assert np.array_equal(film, read_film(write(tmp_path / "grey.png", deep)))


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif", ".jpg"])
@pytest.mark.parametrize("kept", [0.2, 0.6, 0.99])
def test_a_film_cut_short_is_refused(tmp_path, suffix, kept):
    path = write(tmp_path / f"film{suffix}", cv2.GaussianBlur((GREY % 251).astype(np.uint8), (0, 0), 1))
    data = path.read_bytes()
    path.write_bytes(data[: int(kept * len(data))])
    with pytest.raises(UserError, match="film"):
        read_film(path)


def test_a_jpeg_may_hold_a_thumbnail_and_end_in_padding():
    whole = exif_jpeg(np.full((40, 60), 90, np.uint8), 1)
    thumbnail = cv2.imencode(".jpg", np.zeros((8, 8), np.uint8))[1].tobytes()
    segment = b"\xff\xe2" + (len(thumbnail) + 2).to_bytes(2, "big") + thumbnail
    with_thumbnail = whole[:2] + segment + whole[2:]
    assert decode_picture(with_thumbnail + b"\0" * 9, "film.jpg").shape == (40, 60)
    assert not is_cut_jpeg(with_thumbnail) and is_cut_jpeg(with_thumbnail[:-30])


def exif_jpeg(image: np.ndarray, orientation: int) -> bytes:
    """A JPEG with an EXIF orientation tag."""
    data = cv2.imencode(".jpg", image)[1].tobytes()
    tiff = b"II*\0\x08\0\0\0" + b"\x01\0" + b"\x12\x01\x03\0\x01\0\0\0" + bytes([orientation, 0, 0, 0]) + b"\0\0\0\0"
    body = b"Exif\0\0" + tiff
    return data[:2] + b"\xff\xe1" + (len(body) + 2).to_bytes(2, "big") + body + data[2:]


@pytest.mark.parametrize(("orientation", "turn"), [(1, 0), (3, 2), (6, 3), (8, 1)])
def test_an_exif_orientation_is_applied_once(orientation, turn):
    stored = np.zeros((40, 60), np.uint8)
    stored[:20, :30] = 255
    film = decode_picture(exif_jpeg(stored, orientation), "film.jpg")
    upright = np.rot90(stored, turn)
    assert film.shape == upright.shape and np.abs(film.astype(int) - upright).mean() < 3


@pytest.mark.parametrize("data", [b"", b"no picture", b"\x89PNG\r\n\x1a\n" + b"\0" * 40])
def test_what_is_no_picture_is_refused_by_name(tmp_path, data):
    path = tmp_path / "broken.png"
    path.write_bytes(data)
    with pytest.raises(UserError, match="broken.png"):
        read_film(path)
    with pytest.raises(UserError, match=r"missing\.png"):
        read_film(tmp_path / "missing.png")


@pytest.mark.parametrize("interpretation", ["MONOCHROME1", "MONOCHROME2"])
def test_dicom(tmp_path, interpretation):
    pydicom = pytest.importorskip("pydicom")
    from images import dicom_pixel_size_mm

    file = pydicom.dataset.FileDataset(str(tmp_path / "film.dcm"), {}, preamble=b"\0" * 128)
    file.file_meta = pydicom.dataset.FileMetaDataset()
    file.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    file.file_meta.MediaStorageSOPClassUID = pydicom.uid.SecondaryCaptureImageStorage
    file.file_meta.MediaStorageSOPInstanceUID = pydicom.uid.generate_uid()
    file.Rows, file.Columns, file.SamplesPerPixel, file.PhotometricInterpretation = 48, 64, 1, interpretation
    file.BitsAllocated, file.BitsStored, file.HighBit, file.PixelRepresentation = 16, 12, 11, 0
    file.PixelSpacing = [0.1, 0.1]
    file.PixelData = np.rint(GREY / GREY.max() * 4095).astype(np.uint16).tobytes()
    file.save_as(tmp_path / "film.dcm", enforce_file_format=True)
    film = read_film(tmp_path / "film.dcm").astype(int)
    assert (film[0, 0] < film[-1, -1]) == (interpretation == "MONOCHROME2")  # bone is bright either way
    (tmp_path / "broken.dcm").write_bytes(b"no DICOM")
    with pytest.raises(UserError, match=r"broken\.dcm"):
        read_film(tmp_path / "broken.dcm")
    assert dicom_pixel_size_mm((tmp_path / "film.dcm").read_bytes(), "film.dcm") == pytest.approx(0.1)
