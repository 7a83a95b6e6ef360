"""Pictures as the page shows them: the film itself, the neck with its points, and small ones of the examples."""

import base64
import math

import cv2
import numpy as np

from config import VERTEBRAL_POINTS
from visualize import VERTEBRAL_OUTLINES

LARGEST_SHOWN_PIXELS = 40_000_000  # a larger film is sent smaller; its points stay in its own pixels
NECK_HEIGHT, NECK_MARGIN = 360, 0.35  # px of the picture; share of the region added on each side
POINT_COLOUR, LINE_COLOUR = (214, 195, 53), (235, 235, 235)  # BGR
THUMBNAIL = (236, 260)  # width and height, px


def film_png(pixels: np.ndarray) -> str:
    """A film, (height, width) uint8, as PNG in base64; a very large one is reduced for showing."""
    shrink = math.sqrt(pixels.size / LARGEST_SHOWN_PIXELS)
    if shrink > 1.0:
        size = round(pixels.shape[1] / shrink), round(pixels.shape[0] / shrink)
        pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    return to_base64(pixels, ".png", [cv2.IMWRITE_PNG_COMPRESSION, 1])


def neck_picture(pixels: np.ndarray, points_px: np.ndarray) -> str:
    """The neck of a film with its 13 points, (13, 2) film pixels, as a data URI."""
    low, high = np.nanmin(points_px, axis=0), np.nanmax(points_px, axis=0)
    margin = NECK_MARGIN * (high - low).max()
    left, top = np.clip(np.floor(low - margin), 0, None).astype(int)
    right, bottom = np.ceil(high + margin).astype(int)
    crop = pixels[top : bottom + 1, left : right + 1]
    if not crop.size:
        return ""
    scale = NECK_HEIGHT / crop.shape[0]
    canvas = cv2.resize(crop, (max(round(crop.shape[1] * scale), 1), NECK_HEIGHT), interpolation=cv2.INTER_AREA)
    canvas = cv2.cvtColor(canvas, cv2.COLOR_GRAY2BGR)
    places = (points_px - [left, top] + 0.5) * scale - 0.5
    for outline in VERTEBRAL_OUTLINES:
        corners = places[[VERTEBRAL_POINTS.index(name) for name in outline]]
        if not np.isnan(corners).any():
            is_body = len(outline) > 3  # C2 has a lower border alone
            cv2.polylines(canvas, [np.rint(corners).astype(np.int32)], is_body, LINE_COLOUR, 1, cv2.LINE_AA)
    for place in places[~np.isnan(places).any(axis=1)]:
        cv2.circle(canvas, tuple(np.rint(place).astype(int).tolist()), 4, POINT_COLOUR, -1, cv2.LINE_AA)
    return f"data:image/png;base64,{to_base64(canvas, '.png')}"


def thumbnail(pixels: np.ndarray) -> str:
    """A film as a small JPEG, a data URI; cut to the page's shape around its middle."""
    width, height = THUMBNAIL
    scale = max(width / pixels.shape[1], height / pixels.shape[0])
    size = max(round(pixels.shape[1] * scale), width), max(round(pixels.shape[0] * scale), height)
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    left, top = (size[0] - width) // 2, (size[1] - height) // 2
    cut = small[top : top + height, left : left + width]
    return f"data:image/jpeg;base64,{to_base64(cut, '.jpg', [cv2.IMWRITE_JPEG_QUALITY, 82])}"


def to_base64(image: np.ndarray, suffix: str, options: list[int] | None = None) -> str:
    """An image as a file's bytes in base64."""
    done, buffer = cv2.imencode(suffix, image, options or [])
    assert done, f"OpenCV could not encode an image of shape {image.shape}"
    return base64.b64encode(buffer).decode("ascii")
