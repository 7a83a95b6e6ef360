"""How far a picture was stretched: a crop that someone squeezed to a square has lost its aspect, but not its grain.

Noise and the film's own sharpness are the same along both axes before a stretch. Afterwards the spectrum along the
axis that was enlarged more ends sooner, by just the ratio of the two scales; the shift between both spectra over the
logarithm of frequency is the logarithm of the stretch.
"""

import cv2
import numpy as np

LOWEST, HIGHEST = 24, 250  # cycles over a picture of SIDE px: below is anatomy, above nothing is left of the film
SIDE = 512
BINS = 160
LARGEST = 1.0  # logarithm of the largest stretch looked for
SMOOTHING = 5  # frequencies averaged
DETREND_PX = 8.0


def estimate_stretch(picture: np.ndarray) -> float:
    """By what factor heights must be multiplied to have the scale of widths again; 1 for a picture as it was taken.

    Args:
        picture: (height, width) uint8, of any size; what has been lost by shrinking it much cannot be told.
    """
    square = cv2.resize(picture, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR)
    across, down = axis_spectra(square)
    step = np.log(HIGHEST / LOWEST) / (BINS - 1)
    reach = int(LARGEST / step)
    costs = [mismatch(across, down, shift) for shift in range(-reach, reach + 1)]
    shift = int(np.argmin(costs)) - reach
    aspect = picture.shape[0] / picture.shape[1]
    return float(np.exp(shift * step) / aspect)


def axis_spectra(picture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Logarithms of the mean power along rows and along columns, at `BINS` frequencies evenly spaced in logarithm."""
    grain = picture.astype(np.float32)
    grain = grain - cv2.GaussianBlur(grain, (0, 0), DETREND_PX)
    window = np.hanning(SIDE).astype(np.float32)
    across = (np.abs(np.fft.rfft(grain * window, axis=1)) ** 2).mean(axis=0)
    down = (np.abs(np.fft.rfft(grain * window[:, None], axis=0)) ** 2).mean(axis=1)
    frequencies = np.exp(np.linspace(np.log(LOWEST), np.log(HIGHEST), BINS))
    kernel = np.ones(SMOOTHING) / SMOOTHING
    smooth = (np.log(np.convolve(power, kernel, "same") + 1e-2) for power in (across, down))
    return tuple(np.interp(frequencies, np.arange(len(power)), power) for power in smooth)


def mismatch(across: np.ndarray, down: np.ndarray, shift: int) -> float:
    """How unlike the slopes of both spectra are when one is moved by `shift` bins; slopes, since levels may differ."""
    first = np.gradient(across[max(0, -shift) : len(across) - max(0, shift)])
    second = np.gradient(down[max(0, shift) : len(down) - max(0, -shift)])
    scale = 0.5 * ((first**2).mean() + (second**2).mean())
    return float(((first - second) ** 2).mean() / max(scale, 1e-9))
