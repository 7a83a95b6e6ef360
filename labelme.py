"""LabelMe files of the cervical vertebrae: 13 points on C2 to C4, a box around them, or outlines from which the
points are read.

A file may hold any of the three. LabelMe puts pixel (0, 0)'s corner at (0, 0); here, as everywhere in the project, its
centre is there, and a reader's whole-pixel clicks differ by less than that, so coordinates are taken as they are.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from config import VERTEBRAL_POINTS, UserError
from files import read_json, write_json
from outlines import OUTLINE_POINTS, points_of_outline

POINT_COUNT = len(VERTEBRAL_POINTS)
BOX_LABEL = "vertebrae_roi"
# The box around points, in units of their extent: behind, above, before, below. The public ISBI boxes have these.
BOX_MARGINS = (0.60, 0.45, 0.25, 0.20)


@dataclass(frozen=True, eq=False)
class VertebralLabels:
    """What a LabelMe file says of one film."""

    points_px: np.ndarray  # (13, 2) in the order of VERTEBRAL_POINTS, NaN where unknown
    unsure: np.ndarray  # (13,) bool
    box_px: np.ndarray | None  # (4,) left, top, right, bottom
    pseudo: bool = False  # placed by a model, not by a person

    @property
    def known(self) -> np.ndarray:
        """(13,) bool: which points there are."""
        return ~np.isnan(self.points_px).any(axis=1)


NO_LABELS = VertebralLabels(np.full((POINT_COUNT, 2), np.nan), np.zeros(POINT_COUNT, dtype=bool), None)


def read_labelme(path: Path) -> VertebralLabels:
    """Reads one file. Shapes with other labels than ours are left alone; a point given by hand outdoes an outline's.

    A film that looks to the left and has outlines says so by the flag `faces_left`: an outline does not show its front.

    Raises:
        UserError: it is no LabelMe file, gives a point twice, or one of our shapes lacks usable coordinates.
    """
    content = read_json(path)
    shapes = content.get("shapes") if isinstance(content, dict) else None
    if not isinstance(shapes, list) or not all(isinstance(shape, dict) for shape in shapes):
        raise UserError(f"{path} is no LabelMe file (it has no list of shapes); restore it or label the film again.")
    points, unsure, outlines, box_px = {}, {}, {}, None
    for shape in shapes:
        label, kind = str(shape.get("label")), shape.get("shape_type", "polygon")
        if label in VERTEBRAL_POINTS and kind == "point":
            if label in points:
                raise UserError(f"{path} gives point {label} twice; keep one of them.")
            points[label] = read_coordinates(shape, path, 1)[0]
            unsure[label] = read_flag(shape, "unsure")
        elif label in OUTLINE_POINTS and kind == "polygon":
            outlines[label] = read_coordinates(shape, path, 4)
        elif label == BOX_LABEL:
            corners = read_coordinates(shape, path, 2)
            box_px = np.concatenate([corners.min(axis=0), corners.max(axis=0)])
    nowhere, faces_left = (np.nan, np.nan), read_flag(content, "faces_left")
    for label, outline in outlines.items():
        try:
            points = points_of_outline(label, outline, faces_left) | points
        except ValueError as error:
            raise UserError(f"{path}: the outline {label} cannot be used ({error}); draw it again.") from None
    return VertebralLabels(
        np.array([points.get(name, nowhere) for name in VERTEBRAL_POINTS], dtype=np.float64),
        np.array([unsure.get(name, False) for name in VERTEBRAL_POINTS]),
        box_px,
        read_flag(content, "pseudo"),
    )


def read_flag(content: dict, name: str) -> bool:
    """Whether a file or a shape has a flag; flags that are no list of names have none."""
    flags = content.get("flags")
    return isinstance(flags, dict) and bool(flags.get(name, False))


def read_coordinates(shape: dict, path: Path, fewest: int) -> np.ndarray:
    """(N, 2) the points of a shape.

    Raises:
        UserError: there are fewer than `fewest`, or they are no finite numbers.
    """
    try:
        points = np.array(shape["points"])
        points = points.astype(np.float64) if points.dtype.kind in "if" else np.zeros((0, 2))  # no texts
    except (KeyError, TypeError, ValueError):
        points = np.zeros((0, 2))
    if points.ndim != 2 or points.shape[1] != 2 or len(points) < fewest or not np.isfinite(points).all():
        raise UserError(
            f"{path} gives {shape.get('label')} without {fewest} usable points (x, y); correct or remove it."
        )
    return points


def write_labelme(
    path: Path,
    points_px: np.ndarray,
    film_size: tuple[int, int],
    picture: str = "",
    unsure: np.ndarray | None = None,
    pseudo: bool = False,
) -> None:
    """Writes points (13, 2), NaN ones left out, and the box around them as `read_labelme` and LabelMe read them.

    Args:
        film_size: width and height, px.
        picture: the film's file, relative to this one, for LabelMe to open.
        unsure: (13,) bool.
        pseudo: whether a model placed them.
    """
    assert points_px.shape == (POINT_COUNT, 2), points_px.shape
    doubted = np.zeros(POINT_COUNT, dtype=bool) if unsure is None else unsure
    shapes = []
    for name, point_px, in_doubt in zip(VERTEBRAL_POINTS, points_px, doubted, strict=True):
        if not np.isnan(point_px).any():
            shapes.append(describe_shape(name, "point", [point_px], {"unsure": bool(in_doubt)}))
    if shapes:
        box_px = box_of_points(points_px, film_size)
        shapes.append(describe_shape(BOX_LABEL, "rectangle", [box_px[:2], box_px[2:]], {}))
    content = {
        "version": "5.5.0", "flags": {"pseudo": True} if pseudo else {}, "shapes": shapes, "imagePath": picture,
        "imageData": None, "imageHeight": film_size[1], "imageWidth": film_size[0],
    }  # fmt: skip
    write_json(path, content)


def describe_shape(label: str, kind: str, points: list, flags: dict) -> dict:
    """A shape as LabelMe writes it."""
    rounded = [[round(float(value), 2) for value in point] for point in points]
    return {"label": label, "points": rounded, "group_id": None, "shape_type": kind, "flags": flags}


def box_of_points(points_px: np.ndarray, film_size: tuple[int, int] | None = None) -> np.ndarray:
    """(4,) left, top, right, bottom of the region around known points of (13, 2), cut at the film's border.

    Behind is where the posterior corners lie, whichever way the face looks.
    """
    low, high = np.nanmin(points_px, axis=0), np.nanmax(points_px, axis=0)
    width, height = high - low
    behind, above, before, below = BOX_MARGINS
    left, right = (behind, before) if faces_right(points_px) else (before, behind)
    box = np.array([low[0] - left * width, low[1] - above * height, high[0] + right * width, high[1] + below * height])
    if film_size is None:
        return box
    return np.clip(box, 0, np.tile(np.array(film_size, dtype=np.float64), 2))


def faces_right(points_px: np.ndarray) -> bool:
    """Whether the anterior corners lie to the right of the posterior ones."""
    back = np.array([name.endswith("p") for name in VERTEBRAL_POINTS])
    front = np.array([name.endswith("a") for name in VERTEBRAL_POINTS])
    return not np.nanmean(points_px[front, 0]) < np.nanmean(points_px[back, 0])
