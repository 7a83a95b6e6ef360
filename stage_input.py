"""What `cvm` knows of a neck: the vertebrae's measures, its stretch undone, and what `vertebrae` saw at its points.

Both are the same wherever and however the neck lies on the picture, and at whatever size.
"""

from dataclasses import dataclass

import numpy as np

from vertebrae_geometry import MEASURES, all_measures

MEASURE_COUNT = len(MEASURES)
# Extreme numbers come from a misplaced point; they count no more than this many deviations.
LARGEST_DEVIATION = 4.0


@dataclass(frozen=True, eq=False)
class NeckSample:
    """A neck as a stage is learnt from it."""

    measures: np.ndarray  # (M,) in the order of `MEASURES`, NaN where a point is unknown
    features: np.ndarray  # (F,) what the finder saw at the points, NaN at those unknown
    stage: int  # 1-6, 0 where unknown


def measures_of(points: np.ndarray, stretch: float) -> np.ndarray:
    """(13, 2) points of a picture to (M,) measures."""
    return all_measures(points * [1.0, stretch])
