"""A stretch is read from the grain of a picture, and only the grain."""

import cv2
import numpy as np
import pytest

from stretch import estimate_stretch


def grainy(height: int, width: int, seed: int) -> np.ndarray:
    """A picture with structure and noise that a lens has blurred alike in all directions."""
    generator = np.random.default_rng(seed)
    coarse = cv2.GaussianBlur(generator.normal(0, 1, (height, width)).astype(np.float32), (0, 0), 9)
    grain = cv2.GaussianBlur(generator.normal(0, 1, (height, width)).astype(np.float32), (0, 0), 0.9)
    picture = 120 + 40 * coarse / coarse.std() + 12 * grain / grain.std()
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("height, width", [(330, 330), (360, 280), (420, 260), (280, 330)])
def test_a_square_made_of_a_crop_tells_its_aspect(height, width):
    square = cv2.resize(grainy(height, width, height), (512, 512))
    assert estimate_stretch(square) == pytest.approx(height / width, rel=0.08)


def test_a_picture_as_taken_is_not_stretched():
    assert estimate_stretch(grainy(400, 300, 1)) == pytest.approx(1.0, rel=0.15)
    assert np.isfinite(estimate_stretch(np.full((50, 60), 7, dtype=np.uint8)))
