"""What `cvm` sees of a neck: three patches, one laid by each lower border, with its stretch undone; the vertebrae's
measures; and what `vertebrae` itself saw at its points.

On a patch the border's corners always lie in the same places, so that how hollow it is and how high the body above
stands can be seen at full resolution; what a network learns is shape and bone, not where the film happened to be cut.
"""

from dataclasses import dataclass

import numpy as np

from head import join_matrices, warp_image
from neck import POINT_INDEX
from vertebrae_geometry import BORDERS, MEASURES, all_measures

BORDER_LENGTH = 0.56  # of a lower border on its patch, share of the patch's side
BORDER_DOWN = 0.72  # where it lies: the body above, the disc and the next body's edge below
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
    features: np.ndarray  # (F,) what the finder saw at the points, NaN at those unknown


def border_matrix(points: np.ndarray, body: str, stretch: float, side: int) -> np.ndarray | None:
    """The (2, 3) matrix from a picture to the patch of `body`: the stretch undone, the lower border level, the face
    to the right; None where a corner of the border is unknown.

    Args:
        points: (13, 2) on the picture.
        side: of the patch, px.
    """
    names = BORDERS[body]
    back, front = (points[POINT_INDEX[name]] * [1.0, stretch] for name in (names[0], names[-1]))
    if np.isnan(back).any() or np.isnan(front).any():
        return None
    along = front - back
    mirror = np.diag([1.0 if along[0] >= 0 else -1.0, 1.0])
    cosine, sine = mirror @ along / max(float(np.hypot(*along)), 1e-6)
    scale = BORDER_LENGTH * side / max(float(np.hypot(*along)), 1e-6)
    linear = scale * np.array([[cosine, sine], [-sine, cosine]]) @ mirror
    place = np.array([(side - 1) / 2, BORDER_DOWN * side])
    undo = np.array([[1.0, 0.0, 0.0], [0.0, stretch, 0.0]])
    return join_matrices(undo, np.column_stack([linear, place - linear @ (back + front) / 2]))


def cut_patches(
    picture: np.ndarray, points: np.ndarray, stretch: float, side: int, jitter: list[np.ndarray] | None = None
) -> np.ndarray:
    """The patches of C2, C3 and C4 side by side, (side, 3 side) uint8; black where a border is unknown.

    Args:
        jitter: a (2, 3) matrix for each, applied on the patch.
    """
    patches = []
    for index, body in enumerate(BORDERS):
        matrix = border_matrix(points, body, stretch, side)
        if matrix is None:
            patches.append(np.zeros((side, side), dtype=np.uint8))
        else:
            moved = matrix if jitter is None else join_matrices(matrix, jitter[index])
            patches.append(spread_greys(warp_image(picture, moved, (side, side))))
    return np.hstack(patches)


def spread_greys(patch: np.ndarray) -> np.ndarray:
    """A patch with its greys over the whole range: films differ in exposure."""
    low, high = np.percentile(patch, [1.0, 99.0])
    spread = (patch.astype(np.float32) - low) / max(high - low, 1.0)
    return np.rint(np.clip(spread, 0.0, 1.0) * 255.0).astype(np.uint8)


def measures_of(points: np.ndarray, stretch: float) -> np.ndarray:
    """(13, 2) points of a picture to (M,) measures."""
    return all_measures(points * [1.0, stretch])
