"""Every kind of picture comes out upright, in 8 bits, unsaturated."""

import cv2
import numpy as np
import pytest

from config import UserError
from images import decode_picture, read_film

GREY = np.arange(48 * 64, dtype=np.uint32).reshape(48, 64)


def write(path, image):
    path.write_bytes(cv2.imencode(path.suffix, image)[1].tobytes())
    return path


@pytest.mark.parametrize("name", ["film.png", "film.bmp", "film.tif", "FILM.PNG", "한글 이름.png"])
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
    assert dicom_pixel_size_mm((tmp_path / "film.dcm").read_bytes(), "film.dcm") == pytest.approx(0.1)
