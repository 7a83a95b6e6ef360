"""The one film reader: any picture file to an 8-bit grey image, upright, nothing saturated."""

import io
from pathlib import Path

import cv2
import numpy as np

from config import UserError
from files import read_bytes, write_bytes

# What OpenCV would print about a damaged film is said by the UserError, in one sentence and with its name.
set_log_level = cv2.setLogLevel if hasattr(cv2, "setLogLevel") else cv2.utils.logging.setLogLevel  # OpenCV 4, 5
set_log_level(0)

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".dcm")

# The darkest and brightest per mille of a deep film are collimator and markers; they may clip.
DEEP_FILM_PERCENTILES = (0.1, 99.9)


def read_film(path: Path) -> np.ndarray:
    """Reads a film as (height, width) uint8.

    8-bit films keep their values; deeper ones are stretched between two percentiles. Colour becomes luminance,
    transparency lies over black, and an EXIF orientation is applied.

    Raises:
        UserError: the file is missing or is no readable picture.
    """
    data = read_bytes(path)
    return decode_dicom(data, path) if Path(path).suffix.lower() == ".dcm" else decode_picture(data, path)


def decode_picture(data: bytes, name: Path | str) -> np.ndarray:
    """The bytes of a picture file to (height, width) uint8; `name` is for the error message."""
    # These flags keep 16 bits, apply the EXIF orientation and resolve palettes, but drop transparency.
    flags = cv2.IMREAD_UNCHANGED if is_transparent_png(data) else cv2.IMREAD_ANYDEPTH | cv2.IMREAD_ANYCOLOR
    try:
        whole = bool(data) and not is_cut_jpeg(data)
        image = cv2.imdecode(np.frombuffer(data, dtype=np.uint8), flags) if whole else None
    except cv2.error:
        image = None
    if image is None:
        raise UserError(f"{name} is not a picture that can be read; use PNG, JPEG, BMP, TIFF or DICOM, undamaged.")
    return to_grey8(flatten_alpha(image) if image.ndim == 3 and image.shape[2] == 4 else image)


def is_cut_jpeg(data: bytes) -> bool:
    """Whether the bytes are a JPEG file whose end is missing, which OpenCV 4 fills up with grey.

    Within a picture's scan no marker but restarts can stand, so the end marker must follow the last start of scan.
    """
    return data[:3] == b"\xff\xd8\xff" and data.rfind(b"\xff\xd9") < data.rfind(b"\xff\xda")


def is_transparent_png(data: bytes) -> bool:
    """Whether the bytes start a PNG file of grey or colour with an alpha channel (colour type 4 or 6)."""
    return data[:8] == b"\x89PNG\r\n\x1a\n" and len(data) > 25 and data[25] in (4, 6)


def flatten_alpha(image: np.ndarray) -> np.ndarray:
    """(h, w, 4) with transparency to (h, w, 3) lying on black, in the same depth."""
    opacity = image[..., 3:].astype(np.float64) / np.iinfo(image.dtype).max
    return np.rint(image[..., :3] * opacity).astype(image.dtype)


def to_grey8(image: np.ndarray) -> np.ndarray:
    """(h, w) or (h, w, 3 as BGR), 8 or 16 bits or float, to (h, w) uint8."""
    if image.ndim == 3:
        image = image[..., 0] if image.shape[2] == 1 else luminance(image)
    if image.dtype == np.uint8:
        return np.ascontiguousarray(image)
    low, high = np.percentile(image, DEEP_FILM_PERCENTILES)
    stretched = (image.astype(np.float64) - low) / max(high - low, 1e-9)
    return np.rint(np.clip(stretched, 0.0, 1.0) * 255.0).astype(np.uint8)


def luminance(image: np.ndarray) -> np.ndarray:
    """BGR to grey. A grey film stored as colour keeps its exact values."""
    if np.array_equal(image[..., 0], image[..., 1]) and np.array_equal(image[..., 0], image[..., 2]):
        return image[..., 0]
    return cv2.cvtColor(image[..., :3], cv2.COLOR_BGR2GRAY)


def decode_dicom(data: bytes, name: Path | str) -> np.ndarray:
    """The bytes of a DICOM file to (height, width) uint8, MONOCHROME1 turned to bone-is-bright."""
    dataset = read_dicom(data, name)
    try:
        pixels = dataset.pixel_array
    except (AttributeError, ValueError, TypeError, KeyError, NotImplementedError, RuntimeError) as error:
        raise UserError(f"{name} holds no readable picture ({error}); export it as PNG.") from None
    if pixels.ndim == 3 and pixels.shape[-1] == 3:
        pixels = pixels[..., ::-1]
    elif pixels.ndim == 3:
        pixels = pixels[0]
    grey = to_grey8(pixels)
    return 255 - grey if dataset.get("PhotometricInterpretation") == "MONOCHROME1" else grey


def dicom_pixel_size_mm(data: bytes, name: Path | str) -> float | None:
    """Pixel size at the detector of a DICOM file, mm, or None where it states none or differs between rows and
    columns.
    """
    dataset = read_dicom(data, name)
    spacing = dataset.get("PixelSpacing") or dataset.get("ImagerPixelSpacing")
    if not spacing or abs(float(spacing[0]) - float(spacing[1])) > 1e-3 * float(spacing[0]):
        return None
    return float(spacing[0])


def read_dicom(data: bytes, name: Path | str):
    """Parses DICOM bytes; pydicom is optional and only asked for here."""
    try:
        import pydicom
    except ImportError:
        raise UserError(f"{name} is DICOM, which needs pydicom: pip install pydicom, or export it as PNG.") from None
    try:
        return pydicom.dcmread(io.BytesIO(data))
    except pydicom.errors.InvalidDicomError:
        raise UserError(f"{name} is not a DICOM file, whatever its name says; export it as PNG.") from None


def write_png(path: Path, image: np.ndarray) -> None:
    """Writes an 8-bit grey (h, w) or BGR (h, w, 3) image as a PNG file, whole or not at all."""
    done, buffer = cv2.imencode(".png", image)
    assert done, f"OpenCV could not encode an image of shape {image.shape}"
    write_bytes(path, buffer.tobytes())
