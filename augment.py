"""Varies training films and moves their points with them, exactly.

Of albumentations only the transforms are used that move points to where the picture shows them; its own random state
is set before every film from (seed, epoch, film), since otherwise all workers would draw the same and every epoch
repeat the first.
"""

import hashlib
import os
from dataclasses import dataclass

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # or importing it asks PyPI for news

import albumentations as A
import cv2
import numpy as np

from artefacts import add_artefacts
from config import UserError
from warp import SmoothWarp


@dataclass(frozen=True)
class Augmentation:
    """How far and how often films are varied; probabilities are per film."""

    rotation_degrees: float = 10.0
    scale: tuple[float, float] = (0.85, 1.15)  # of the film's size
    shift: float = 0.04  # share of the film's width and height
    shear_degrees: float = 3.0
    stretch: float = 0.0  # of the width against the height, as a logarithm; only where the head or neck is framed
    shift_down: float | None = None  # as `shift` along the film's height, where it differs
    flip: float = 0.0  # no landmark has a left and right twin, so a flip only turns the face around
    brightness: float = 0.15  # share of full brightness
    contrast: float = 0.25
    gamma_log: float = 0.7  # exponent between e^-this and e^this
    intensity: float = 0.8  # probability of each of the three above
    blur_sigma_px: tuple[float, float] = (0.4, 1.5)
    blur: float = 0.15
    noise: tuple[float, float] = (0.01, 0.04)  # deviation as a share of full brightness
    noisy: float = 0.2
    cutout_size: tuple[float, float] = (0.04, 0.2)  # share of the film's sides
    cutout: float = 0.3
    polarity: float = 0.1
    artefacts: float = 0.5
    elastic_shift: float = 0.006  # deviation of the displacement, share of the film's height
    elastic_spacing: float = 0.12  # of the grid it is drawn on, the same
    elastic: float = 0.0


LEVELS = {
    "none": None,
    "light": Augmentation(
        rotation_degrees=5, scale=(0.93, 1.07), shift=0.03, shear_degrees=1, brightness=0.1, contrast=0.15,
        gamma_log=0.3,
        blur=0.1, noisy=0.1, cutout=0.1, polarity=0.0, artefacts=0.0,
    ),
    "standard": Augmentation(),
    "strong": Augmentation(
        rotation_degrees=20, scale=(0.5, 1.4), shift=0.1, shear_degrees=5, flip=0.5, brightness=0.25, contrast=0.4,
        gamma_log=1.0, blur=0.25, noise=(0.01, 0.08), noisy=0.3, cutout=0.5, polarity=0.3, artefacts=0.8, elastic=0.3,
    ),
    # Necks: crops of unknown stretch, and frames that are a vertebra too high or too low.
    "neck": Augmentation(
        rotation_degrees=15, scale=(0.75, 1.3), shift=0.13, shear_degrees=6, stretch=0.3, shift_down=0.2,
        brightness=0.2, contrast=0.35, gamma_log=0.8, blur=0.25, noise=(0.01, 0.06), noisy=0.3, artefacts=0.2,
        elastic=0.4, elastic_shift=0.008, elastic_spacing=0.15,
    ),
}  # fmt: skip


class Augmenter:
    """Varies films as a level says; equal draws give equal results in any process and order."""

    def __init__(self, level: str | Augmentation):
        if isinstance(level, str) and level not in LEVELS:
            raise UserError(f"--augmentation is {level!r}; choose one of {', '.join(LEVELS)}.")
        self.settings = LEVELS[level] if isinstance(level, str) else level
        if self.settings is not None:
            self.geometry, self.intensity = make_geometry(self.settings), make_intensity(self.settings)

    def __call__(self, image: np.ndarray, points_net: np.ndarray, draw: tuple) -> tuple[np.ndarray, np.ndarray]:
        """One film varied as `draw`, (seed, epoch, film id), says.

        Args:
            image: (H, W) uint8 letterboxed film.
            points_net: (N, 2) float; NaN rows stay NaN.
            draw: what seeds all random choices.
        Returns:
            Image and points of the same shapes. Points may lie outside the image; the caller masks those.
        """
        if self.settings is None:
            return image, points_net
        generator = np.random.default_rng(draw_seed(draw))
        image, points_net = self.vary(image, points_net, generator)
        image, points_net = self.move(image, points_net, int(generator.integers(2**31)))
        return self.vary_greys(image, generator), points_net

    def vary_in_place(self, image: np.ndarray, points_net: np.ndarray, draw: tuple) -> tuple[np.ndarray, np.ndarray]:
        """As a call, but for a head that `draw_jitter` has moved already."""
        if self.settings is None:
            return image, points_net
        generator = np.random.default_rng(draw_seed(draw))
        image, points_net = self.vary(image, points_net, generator)
        return self.vary_greys(image, generator), points_net

    def vary_greys(self, image: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        """Gamma, brightness, contrast, blur, noise and cutout."""
        if self.settings is None:
            return image
        self.intensity.set_random_seed(int(generator.integers(2**31)))
        return self.intensity(image=image)["image"]

    def draw_jitter(self, size: tuple[int, int], draw: tuple) -> np.ndarray:
        """A (2, 3) matrix that turns, sizes, shears and shifts a picture of `size` (width, height) about its middle.

        Applied together with what cuts the head from the film, it needs no second resampling, and what comes in at
        the borders is film.
        """
        if self.settings is None:
            return np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
        settings, generator = self.settings, np.random.default_rng(draw_seed(("jitter", *draw)))
        turn = np.deg2rad(generator.uniform(-settings.rotation_degrees, settings.rotation_degrees))
        shear = np.tan(np.deg2rad(generator.uniform(-settings.shear_degrees, settings.shear_degrees, 2)))
        turned = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        linear = generator.uniform(*settings.scale) * turned @ np.array([[1.0, shear[0]], [shear[1], 1.0]])
        middle = (np.array(size) - 1) / 2
        shift = generator.uniform(-settings.shift, settings.shift, 2) * size
        if settings.shift_down is not None:
            shift[1] *= settings.shift_down / settings.shift
        if settings.stretch:
            stretch = np.exp(0.5 * generator.uniform(-settings.stretch, settings.stretch))
            linear = np.diag([stretch, 1.0 / stretch]) @ linear
        return np.hstack([linear, (middle + shift - linear @ middle)[:, None]])

    def vary(
        self, image: np.ndarray, points_net: np.ndarray, generator: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Polarity, artefacts and the elastic warp."""
        if generator.random() < self.settings.polarity:
            image = invert_film(image)
        if generator.random() < self.settings.artefacts:
            image = add_artefacts(image, generator)
        if generator.random() < self.settings.elastic:
            spacing_px, deviation_px = (
                np.array([self.settings.elastic_spacing, self.settings.elastic_shift]) * image.shape[0]
            )
            warp = SmoothWarp.draw(image.shape, spacing_px, deviation_px, generator)
            image, points_net = warp.apply(image), warp.move(points_net)
        return image, points_net

    def move(self, image: np.ndarray, points_net: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Rotation, scale, shift, shear and flip in one resampling."""
        self.geometry.set_random_seed(seed)
        known = ~np.isnan(points_net).any(axis=1)
        moved = self.geometry(image=image, keypoints=np.where(known[:, None], points_net, 0.0))
        return moved["image"], np.where(known[:, None], np.asarray(moved["keypoints"], dtype=np.float64), np.nan)


def make_geometry(settings: Augmentation) -> A.Compose:
    """What moves the film; points outside the frame are kept."""
    shear = (-settings.shear_degrees, settings.shear_degrees)
    shift = (-settings.shift, settings.shift)
    affine = A.Affine(
        scale=settings.scale,
        translate_percent={"x": shift, "y": shift},
        rotate=(-settings.rotation_degrees, settings.rotation_degrees),
        shear={"x": shear, "y": shear},
        interpolation=cv2.INTER_LINEAR,
        border_mode=cv2.BORDER_CONSTANT,
        fill=0,
        keep_ratio=True,
        p=1.0,
    )
    points = A.KeypointParams("xy", remove_invisible=False)
    return A.Compose([affine, A.HorizontalFlip(p=settings.flip)], keypoint_params=points)


def make_intensity(settings: Augmentation) -> A.Compose:
    """What changes grey values alone."""
    gamma = (100 * np.exp(-settings.gamma_log), 100 * np.exp(settings.gamma_log))
    return A.Compose(
        [
            A.RandomGamma(gamma_limit=gamma, p=settings.intensity),
            A.RandomBrightnessContrast(settings.brightness, settings.contrast, p=settings.intensity),
            A.GaussianBlur(blur_limit=0, sigma_limit=settings.blur_sigma_px, p=settings.blur),
            A.GaussNoise(std_range=settings.noise, p=settings.noisy),
            A.CoarseDropout(
                num_holes_range=(1, 3),
                hole_height_range=settings.cutout_size,
                hole_width_range=settings.cutout_size,
                fill=0,
                p=settings.cutout,
            ),
        ]
    )


def invert_film(image: np.ndarray) -> np.ndarray:
    """A film's negative. The letterbox's black bars are no film and stay black."""
    rows, columns = np.flatnonzero(image.any(axis=1)), np.flatnonzero(image.any(axis=0))
    if rows.size == 0:
        return image
    film = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    negative = image.copy()
    negative[film] = 255 - negative[film]
    return negative


def draw_seed(draw: tuple) -> int:
    """A 64-bit seed, equal in every process (Python's own hash is salted)."""
    return int.from_bytes(hashlib.blake2b(repr(draw).encode(), digest_size=8).digest(), "little")
