"""From the bytes that someone hands to the page to a film: what is too large or no picture is refused in one sentence,
before it is unpacked.
"""

import re
from dataclasses import dataclass
from pathlib import PurePath

import numpy as np

from config import UserError
from headers import Damaged, read_header
from images import decode_dicom, decode_picture, dicom_header, dicom_pixel_size_mm, read_dicom

LARGEST_PIXELS = 100_000_000
PIXEL_SIZES_MM = (0.01, 2.0)  # of any film that is worth reading
LONGEST_NAME = 80


@dataclass(frozen=True, eq=False)
class Film:
    """A film as handed in."""

    name: str  # of its file, without folders and ending
    pixels: np.ndarray  # (height, width) uint8
    pixel_size_mm: float | None  # as its file states it

    @property
    def size(self) -> tuple[int, int]:
        """Width and height, px."""
        return self.pixels.shape[1], self.pixels.shape[0]


def take_in(data: bytes, file_name: str, largest_mb: float) -> Film:
    """The film in the bytes of an uploaded file.

    Raises:
        UserError: it is empty, too large, or no picture that can be read; its sentence names predict.py where that
            would read it.
    """
    shown = clean_name(file_name)
    if not data:
        raise UserError(f"{shown} is empty; choose another file.")
    megabytes = len(data) / 1e6
    if megabytes > largest_mb:
        raise UserError(
            f"{shown} has {megabytes:.0f} MB, and this page takes {largest_mb:g} MB; read it with predict.py instead."
        )
    is_dicom = data[128:132] == b"DICM" or shown.lower().endswith(".dcm")
    pixels = claimed_pixels(data, shown, is_dicom)
    if pixels > LARGEST_PIXELS:
        raise UserError(
            f"{shown} has {pixels / 1e6:.0f} megapixels, and this page takes {LARGEST_PIXELS / 1e6:.0f}; "
            "read it with predict.py instead."
        )
    if is_dicom:
        return Film(stem(shown), decode_dicom(data, shown), dicom_pixel_size_mm(data, shown))
    return Film(stem(shown), decode_picture(data, shown), None)


def checked_pixel_size_mm(value: object) -> float:
    """A pixel size as someone gave it, mm.

    Raises:
        UserError: it is no number, or none that a film can have.
    """
    low, high = PIXEL_SIZES_MM
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise UserError(f"A pixel size lies between {low:g} and {high:g} mm; enter such a number.")
    return float(value)


def claimed_pixels(data: bytes, name: str, is_dicom: bool) -> int:
    """How many pixels a file says that it has; 0 where it says nothing that makes sense, which decoding explains."""
    try:
        header = dicom_header(read_dicom(data, name)) if is_dicom else read_header(data)
    except (Damaged, AttributeError, TypeError, ValueError):
        return 0
    return header.width * header.height


def clean_name(file_name: str) -> str:
    """A file's name without folders and control characters, short enough to show."""
    name = re.sub(r"[\x00-\x1f\x7f<>:\"|?*\\/]", "_", PurePath(file_name.replace("\\", "/")).name).strip(" .")
    if not name:
        return "film"
    ending = PurePath(name).suffix[:8]
    return name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - len(ending)] + ending


def stem(name: str) -> str:
    """A file's name without its ending."""
    return PurePath(name).stem or "film"
