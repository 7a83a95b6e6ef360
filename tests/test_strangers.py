"""Pictures that are no cephalogram: drawn alike by seed, each kind differently, and none of those kept for judging
taught.
"""

import numpy as np
import pytest

from strangers import KINDS, TAUGHT, draw_stranger


@pytest.mark.parametrize("kind", KINDS)
def test_a_stranger_is_drawn_by_its_seed(kind):
    first, again, other = (draw_stranger(kind, 96, np.random.default_rng(seed)) for seed in (0, 0, 1))
    assert first.shape == (96, 96) and first.dtype == np.uint8 and first.std() > 10
    assert np.array_equal(first, again) and not np.array_equal(first, other)


def test_some_kinds_are_kept_for_judging():
    assert set(TAUGHT) < set(KINDS) and len(KINDS) - len(TAUGHT) >= 3
