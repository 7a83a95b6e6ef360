"""Where the neck lies: the frame in which `vertebrae` reads it, upright, facing one way, C2 to C4 at one size.

Around the points there is room for a vertebra more on each side: a network that sees where the odontoid is and
where C5 begins does not take one vertebra for the next.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from config import VERTEBRAL_POINTS
from films import Film, find_folder
from geometry import Letterbox
from head import HeadFrame, fit_head, is_plausible, mean_shape, shape_size
from labelme import BOX_MARGINS, VertebralLabels, read_labelme

NECK_HEIGHT = 0.46  # of the mean shape, share of the frame's height
NECK_MIDDLE = (0.56, 0.60)  # where it lies: the spines are behind it, the odontoid above
LABELS_FOLDER = "Vertebrae"
POINT_INDEX = {name: index for index, name in enumerate(VERTEBRAL_POINTS)}
FEWEST_POINTS = 5  # that make a neck
LARGEST_TRUE_MISFIT = 0.12  # of labelled necks to the mean one


def mean_neck(shapes_px: np.ndarray, target_size: tuple[int, int]) -> np.ndarray:
    """The mean of many films' points (films, 13, 2), laid into a frame of `target_size` (width, height); (13, 2) net
    pixels.
    """
    shape = mean_shape(shapes_px, (1000, 1000))
    low, high = shape.min(axis=0), shape.max(axis=0)
    scale = NECK_HEIGHT * target_size[1] / (high - low)[1]
    return (shape - (low + high) / 2) * scale + np.array(NECK_MIDDLE) * target_size


def frame_neck(
    film_size: tuple[int, int],
    points_px: np.ndarray,
    confidence: np.ndarray,
    shape: np.ndarray,
    target_size: tuple[int, int],
) -> HeadFrame | None:
    """The frame of a neck with these rough points (13, 2), NaN where unknown; None where they are none of a neck.

    Args:
        film_size: width and height, px.
        confidence: (13,) 0-1, how far each point counts.
        shape: (13, 2) the mean shape in the frame.
        target_size: width and height of the frame.
    """
    if (~np.isnan(points_px).any(axis=1)).sum() < FEWEST_POINTS:
        return None
    matrix, misfit = fit_head(points_px, shape, confidence)
    if not is_plausible(matrix, film_size, target_size):
        return None
    return HeadFrame(Letterbox(film_size, film_size), matrix, target_size, doubt=misfit)


def neck_misfit(points: np.ndarray, shape: np.ndarray) -> float:
    """How badly points (13, 2) fit the mean neck (13, 2), however they lie, turn and are stretched: the mean distance
    that the best affine map leaves, as a share of the shape's size.
    """
    known = ~np.isnan(points).any(axis=1)
    fitted = fit_affine(points[known], shape[known])(points[known])
    return float(np.hypot(*(fitted - shape[known]).T).mean()) / shape_size(shape)


def fit_affine(source: np.ndarray, target: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """The affine map that brings `source` (N, 2) nearest to `target` (N, 2), as a function of points (..., 2)."""
    matrix = np.linalg.lstsq(np.column_stack([source, np.ones(len(source))]), target, rcond=None)[0]  # (3, 2)
    return lambda points: points @ matrix[:2] + matrix[2]


def lacks_c4(points_px: np.ndarray, shape: np.ndarray, film_size: tuple[int, int]) -> bool:
    """Whether C4 leaves the film, so that the points given for it are none: one of them lies beyond the border, or
    the place where C2 and C3 say that it should be does, and with it the points make no neck.

    Args:
        points_px: (13, 2) film pixels; a network must put each point somewhere in what it was shown.
        shape: (13, 2) the mean neck.
        film_size: width and height, px.
    """
    upper = np.arange(len(points_px)) < POINT_INDEX["C4up"]
    expected_px = fit_affine(shape[upper], points_px[upper])(shape[~upper])
    squeezed = lies_beyond(expected_px, film_size) and neck_misfit(points_px, shape) > LARGEST_TRUE_MISFIT
    return squeezed or lies_beyond(points_px[~upper], film_size)


def lies_beyond(points_px: np.ndarray, film_size: tuple[int, int]) -> bool:
    """Whether one of the points (N, 2) is on none of a film's pixels; NaN is nowhere."""
    return bool(((points_px < -0.5) | (points_px > np.array(film_size) - 0.5)).any())


def body_spacing(points: np.ndarray) -> np.ndarray:
    """(N, 13, 2) to (N,): the distance between the middles of C3 and C4; of C2's and C3's lower borders where C4 is
    not known.
    """
    names = {"C3": ("C3up", "C3ua", "C3lp", "C3la"), "C4": ("C4up", "C4ua", "C4lp", "C4la")}
    middles = {body: points[:, [POINT_INDEX[name] for name in four]].mean(axis=1) for body, four in names.items()}
    bodies = np.hypot(*(middles["C3"] - middles["C4"]).T)
    borders = [points[:, [POINT_INDEX[name + "p"], POINT_INDEX[name + "a"]]].mean(axis=1) for name in ("C2", "C3l")]
    return np.where(np.isnan(bodies), np.hypot(*(borders[0] - borders[1]).T), bodies)


# --- labels of a data set ---------------------------------------------------------------------------------------------


def labels_folder(root: Path, split: str) -> Path | None:
    """Where a data set's LabelMe files of a split lie: within its annotations, or in a folder `<name>_vertebrae` beside
    it; None where there are none.
    """
    root = Path(root)
    within = find_folder(root, split, "Annotations", LABELS_FOLDER)
    return within or find_folder(root.with_name(f"{root.resolve().name}_vertebrae"), split)


def with_vertebrae(films: list[Film], folder: Path | None, root: Path | None = None) -> list[Film]:
    """The films with the vertebral labels that the folder has for them; the others keep what they have.

    Args:
        root: of the only data set that the folder is for: two data sets may have films of one name.
    Raises:
        UserError: a file cannot be used.
    """
    labelled = []
    for film in films:
        path = None if folder is None else Path(folder) / f"{film.film_id}.json"
        meant = root is None or Path(root) in film.image_path.parents
        found = path is not None and meant and path.exists()
        labelled.append(replace(film, vertebrae=read_labelme(path)) if found else film)
    return labelled


def label_necks(
    films: list[Film], held_out: list[Film] | None, roots: list[Path], pseudo: list[Path], from_train: bool
) -> tuple[list[Film], list[Film] | None]:
    """The films to train on that a person or a model has labelled, and those to judge by that a person has.

    Args:
        roots: the data sets, each with its LabelMe files.
        pseudo: folders of files that a model wrote, for films without others.
        from_train: whether the films to judge by are a fold of train.
    Raises:
        UserError: a file cannot be used.
    """
    for root in roots:
        films = with_vertebrae(films, labels_folder(root, "train"), root)
        if held_out is not None:
            held_out = with_vertebrae(held_out, labels_folder(root, "train" if from_train else "valid"), root)
    for folder in pseudo:
        guessed = with_vertebrae(films, folder)
        films = [own if has_vertebrae(own.vertebrae) else other for own, other in zip(films, guessed, strict=True)]
    if held_out is not None:
        held_out = [film for film in held_out if film.vertebrae.known.any()]
    return [film for film in films if has_vertebrae(film.vertebrae)], held_out


def has_vertebrae(labels: VertebralLabels) -> bool:
    """Whether labels say where the neck is: by enough points, or by a box."""
    return bool(labels.known.sum() >= FEWEST_POINTS or labels.box_px is not None)


def region_of_box(box_px: np.ndarray, mirrored: bool) -> np.ndarray:
    """(2, 2) the lowest and highest corner of the points' extent, from a labelled box around them."""
    behind, above, before, below = BOX_MARGINS
    left, right = (before, behind) if mirrored else (behind, before)
    width = (box_px[2] - box_px[0]) / (1 + left + right)
    height = (box_px[3] - box_px[1]) / (1 + above + below)
    low = box_px[:2] + np.array([left * width, above * height])
    return np.array([low, low + [width, height]])
