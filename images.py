"""The one film reader: any picture file to an 8-bit grey image, upright, nothing saturated."""

import io
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from config import UserError
from files import LARGEST_FILM_FILE, read_bytes, write_bytes
from headers import Damaged, Header, read_header

# What OpenCV would print about a damaged film is said by the UserError, in one sentence and with its name.
set_log_level = cv2.setLogLevel if hasattr(cv2, "setLogLevel") else cv2.utils.logging.setLogLevel  # OpenCV 4, 5
set_log_level(0)

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".dcm")

# The darkest and brightest per mille of a deep film are collimator and markers; they may clip.
DEEP_FILM_PERCENTILES = (0.1, 99.9)


# Temporary copies are made of so many pixels at a time: a film of 95 megapixels in double precision is 760 MB.
STRIP_PIXELS = 4_000_000
DEFLATED_DICOM = b"1.2.840.10008.1.2.1.99"  # a transfer syntax that pydicom inflates without a limit


def read_film(path: Path) -> np.ndarray:
    """Reads a film as (height, width) uint8.

    8-bit films keep their values; deeper ones are stretched between two percentiles. Colour becomes luminance,
    transparency lies over black, and an EXIF orientation is applied.

    Raises:
        UserError: the file is missing, is no readable picture, or claims to be larger than any film.
    """
    data = read_bytes(path, LARGEST_FILM_FILE)
    return decode_dicom(data, path) if Path(path).suffix.lower() == ".dcm" else decode_picture(data, path)


def decode_picture(data: bytes, name: Path | str) -> np.ndarray:
    """The bytes of a picture file to (height, width) uint8; `name` is for the error message."""
    try:
        header = read_header(data)
        check_size(header, name)
        if is_cut_jpeg(data):
            raise Damaged("its end is missing")
        # These flags keep 16 bits, apply the EXIF orientation and resolve palettes, but drop transparency.
        flags = cv2.IMREAD_UNCHANGED if is_transparent_png(data) else cv2.IMREAD_ANYDEPTH | cv2.IMREAD_ANYCOLOR
        image = cv2.imdecode(np.frombuffer(data, dtype=np.uint8), flags)
        if image is None or sorted(image.shape[:2]) != sorted((header.height, header.width)):
            raise Damaged("its picture is broken")
    except (Damaged, cv2.error) as error:
        reason = error if isinstance(error, Damaged) else "its picture is broken"
        raise UserError(
            f"{name} is not a picture that can be read, since {reason}; use PNG, JPEG, BMP, TIFF or DICOM, undamaged."
        ) from None
    return to_grey8(flatten_alpha(image) if image.ndim == 3 and image.shape[2] == 4 else image)


def check_size(header: Header, name: Path | str) -> None:
    """Refuses what would not fit in memory, before it is decoded."""
    refusal = header.refusal()
    if refusal is not None:
        raise UserError(f"{name} is not decoded, since {refusal}; export the film anew.")


def is_cut_jpeg(data: bytes) -> bool:
    """Whether the bytes are a JPEG file whose end is missing, which OpenCV 4 fills up with grey.

    Within a picture's scan no marker but restarts can stand, so the end marker must follow the last start of scan.
    """
    return data[:3] == b"\xff\xd8\xff" and data.rfind(b"\xff\xd9") < data.rfind(b"\xff\xda")


def is_transparent_png(data: bytes) -> bool:
    """Whether the bytes start a PNG file of grey or colour with an alpha channel (colour type 4 or 6)."""
    return data[:8] == b"\x89PNG\r\n\x1a\n" and len(data) > 25 and data[25] in (4, 6)


def strips(image: np.ndarray) -> Iterator[slice]:
    """Slices of an image's rows, each of a few million pixels."""
    rows = max(1, STRIP_PIXELS // image.shape[1])
    return (slice(first, first + rows) for first in range(0, image.shape[0], rows))


def flatten_alpha(image: np.ndarray) -> np.ndarray:
    """(h, w, 4) with transparency to (h, w, 3) lying on black, in the same depth."""
    flat = np.empty((*image.shape[:2], 3), dtype=image.dtype)
    for rows in strips(image):
        opacity = image[rows, :, 3:].astype(np.float64) / np.iinfo(image.dtype).max
        flat[rows] = np.rint(image[rows, :, :3] * opacity)
    return flat


def to_grey8(image: np.ndarray) -> np.ndarray:
    """(h, w) or (h, w, 3 as BGR), 8 or 16 bits or float, to (h, w) uint8."""
    if image.ndim == 3:
        image = image[..., 0] if image.shape[2] == 1 else luminance(image)
    if image.dtype == np.uint8:
        return np.ascontiguousarray(image)
    low, high = deep_range(image)
    grey = np.empty(image.shape, dtype=np.uint8)
    for rows in strips(image):
        stretched = (image[rows].astype(np.float64) - low) / max(high - low, 1e-9)
        grey[rows] = np.rint(np.nan_to_num(np.clip(stretched, 0.0, 1.0)) * 255.0)
    return grey


def deep_range(image: np.ndarray) -> tuple[float, float]:
    """The two percentiles of a deep film's values; of 16 bits by counting, since sorting needs copies."""
    if image.dtype not in (np.uint16, np.int16):
        sample = image.reshape(-1)[:: max(1, image.size // STRIP_PIXELS)].astype(np.float64)
        finite = sample[np.isfinite(sample)]
        return tuple(np.percentile(finite, DEEP_FILM_PERCENTILES)) if finite.size else (0.0, 1.0)
    lowest = int(np.iinfo(image.dtype).min)
    counts = np.zeros(1 << 16, dtype=np.int64)
    for rows in strips(image):
        counts += np.bincount(image[rows].astype(np.int64).reshape(-1) - lowest, minlength=1 << 16)
    places = np.array(DEEP_FILM_PERCENTILES) / 100 * (image.size - 1)  # as np.percentile has them
    below, above = (np.searchsorted(counts.cumsum(), side, "right") for side in (np.floor(places), np.ceil(places)))
    low, high = below + (above - below) * (places - np.floor(places)) + lowest
    return float(low), float(high)


def luminance(image: np.ndarray) -> np.ndarray:
    """BGR to grey. A grey film stored as colour keeps its exact values."""
    grey = np.empty(image.shape[:2], image.dtype)
    for rows in strips(image):
        blue, green, red = cv2.split(image[rows])[:3]
        if not (np.array_equal(blue, green) and np.array_equal(blue, red)):
            return cv2.cvtColor(image[..., :3], cv2.COLOR_BGR2GRAY)
        grey[rows] = blue
    return grey


# --- DICOM ------------------------------------------------------------------------------------------------------------


def decode_dicom(data: bytes, name: Path | str) -> np.ndarray:
    """The bytes of a DICOM file to its first picture, (height, width) uint8, MONOCHROME1 turned to bone-is-bright."""
    dataset = read_dicom(data, name)
    import pydicom

    try:
        check_size(dicom_header(dataset), name)
        if dataset.file_meta.TransferSyntaxUID.is_encapsulated:
            frames = int(dataset.get("NumberOfFrames") or 1)
            check_frame(pydicom.encaps.get_frame(dataset.PixelData, 0, number_of_frames=frames), dataset, name)
        grey = to_grey8(bgr_of(pydicom.pixels.pixel_array(dataset, index=0)))
        negative = dataset.get("PhotometricInterpretation") == "MONOCHROME1"
    except UserError:
        raise
    except Exception as error:  # noqa: BLE001 (on damaged bytes pydicom raises whatever its decoders stumble over)
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"{name} holds no readable picture ({reason}); export it as PNG.") from None
    return 255 - grey if negative else grey


def bgr_of(pixels: np.ndarray) -> np.ndarray:
    """A DICOM picture as OpenCV orders its colours."""
    return pixels[..., ::-1] if pixels.ndim == 3 else pixels


def dicom_header(dataset) -> Header:
    """What a DICOM file says of its picture."""
    samples = int(dataset.get("SamplesPerPixel") or 1)
    return Header(int(dataset.Columns), int(dataset.Rows), samples, int(dataset.BitsAllocated))


def check_frame(frame: bytes, dataset, name: Path | str) -> None:
    """Refuses a compressed picture that would become larger than its DICOM file says."""
    said = dicom_header(dataset)
    if dataset.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.5":  # run lengths, at most 128 bytes from two
        if rle_bytes(frame[64:], 2 * said.decoded_bytes) > 2 * said.decoded_bytes:
            raise UserError(f"{name} is not decoded, since its picture is larger than it says; export the film anew.")
        return
    try:
        check_size(read_header(frame), name)
    except Damaged as error:
        raise UserError(f"{name} holds no readable picture, since {error}; export it as PNG.") from None


def rle_bytes(packed: bytes, enough: int) -> int:
    """How many bytes DICOM's run lengths would become; stops counting at `enough`."""
    place, total = 0, 0
    while place < len(packed) and total <= enough:
        length = packed[place] + 1  # up to 128 bytes as they are, or one byte 258 - length times
        place += 2 if length > 129 else length + 1 if length < 129 else 1
        total += 258 - length if length > 129 else length if length < 129 else 0
    return total


def dicom_pixel_size_mm(data: bytes, name: Path | str) -> float | None:
    """Pixel size at the detector of a DICOM file, mm, or None where it states none or differs between rows and
    columns.

    Raises:
        UserError: it is no DICOM file, or what it states is no length.
    """
    dataset = read_dicom(data, name)
    try:
        spacing = dataset.get("PixelSpacing") or dataset.get("ImagerPixelSpacing")
        rows_mm, columns_mm = (float(each) for each in spacing) if spacing else (None, None)
    except Exception:  # noqa: BLE001 (values are parsed when asked for)
        rows_mm = columns_mm = -1.0
    if rows_mm is None or abs(rows_mm - columns_mm) > 1e-3 * rows_mm > 0:
        return None
    if not 0 < rows_mm < float("inf"):
        raise UserError(f"{name} states a pixel size that is no length; correct it or export the film as PNG.")
    return rows_mm


def read_dicom(data: bytes, name: Path | str):
    """Parses DICOM bytes; pydicom is optional and only asked for here."""
    try:
        import pydicom
    except ImportError:
        raise UserError(f"{name} is DICOM, which needs pydicom: pip install pydicom, or export it as PNG.") from None
    warnings.filterwarnings("ignore", module="pydicom")  # what is wrong is said in one sentence
    logging.getLogger("pydicom").setLevel(logging.CRITICAL)
    if DEFLATED_DICOM in data:
        raise UserError(f"{name} is deflated DICOM, which may grow without limit and is not read; export it as PNG.")
    try:
        return pydicom.dcmread(io.BytesIO(data))
    except Exception:  # noqa: BLE001 (on damaged bytes pydicom raises whatever it stumbles over)
        raise UserError(f"{name} is not a readable DICOM file, whatever its name says; export it as PNG.") from None


def write_png(path: Path, image: np.ndarray) -> None:
    """Writes an 8-bit grey (h, w) or BGR (h, w, 3) image as a PNG file, whole or not at all."""
    done, buffer = cv2.imencode(".png", image)
    assert done, f"OpenCV could not encode an image of shape {image.shape}"
    write_bytes(path, buffer.tobytes())
