"""What `cvm` sees of a neck: a crop upright and at one size, with its stretch undone, and the vertebrae's measures.

The crop is laid by the points, so that a vertebra always lies in the same place; what the network learns of it is
shape and bone, not where the film happened to be cut.
"""

from dataclasses import dataclass

import numpy as np

from head import fit_head, join_matrices, warp_image
from vertebrae_geometry import MEASURES, all_measures

CROP_HEIGHT_SHARE = 0.62  # of the mean neck in the crop's height: C2's body above, the start of C5 below
MEASURE_COUNT = len(MEASURES)
# Extreme ratios come from a misplaced point; they count no more than this many deviations.
LARGEST_DEVIATION = 4.0


@dataclass(frozen=True, eq=False)
class NeckSample:
    """A neck on its picture, as a stage is learnt from it."""

    picture: np.ndarray  # (h, w) uint8, around the neck
    points: np.ndarray  # (13, 2) on it
    deviation: np.ndarray  # (13,) of the points, on it
    stretch: float
    stage: int  # 1-6, 0 where unknown


def crop_shape(shape: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The mean neck (13, 2) laid into a crop of `size` (width, height)."""
    low, high = shape.min(axis=0), shape.max(axis=0)
    scale = CROP_HEIGHT_SHARE * size[1] / (high - low)[1]
    return (shape - (low + high) / 2) * scale + (np.array(size) - 1) / 2


def crop_matrix(points: np.ndarray, stretch: float, shape: np.ndarray) -> np.ndarray:
    """The (2, 3) matrix from a picture to the crop: the stretch undone, then the similarity that brings the points
    (13, 2) to `shape`.
    """
    undo = np.array([[1.0, 0.0, 0.0], [0.0, stretch, 0.0]])
    matrix, _ = fit_head(points * [1.0, stretch], shape, np.ones(len(shape)))
    return join_matrices(undo, matrix)


def cut_crop(picture: np.ndarray, matrix: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The crop, (height, width) uint8, its greys spread over the whole range: films differ in exposure."""
    crop = warp_image(picture, matrix, size).astype(np.float32)
    low, high = np.percentile(crop, [1.0, 99.0])
    return np.rint(np.clip((crop - low) / max(high - low, 1.0), 0.0, 1.0) * 255.0).astype(np.uint8)


def measures_of(points: np.ndarray, stretch: float) -> np.ndarray:
    """(13, 2) points of a picture to (M,) measures."""
    return all_measures(points * [1.0, stretch])
