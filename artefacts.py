"""What lies on real films beside the patient: labels, markers, wedges, collimator edges, ear rods, metal, scan
lines.
"""

import cv2
import numpy as np

LABELS = ("L", "R", "ID 0417", "CEPH", "12.03.1998", "F 14Y", "73kV 15mA")


def add_artefacts(image: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """One to three random artefacts on a copy of an (H, W) uint8 film."""
    film = image.copy()
    kinds = (add_label, add_wedge, add_ruler, add_collimator, add_rod, add_metal, add_scan_lines, add_vignette)
    for index in generator.choice(len(kinds), size=generator.integers(1, 4), replace=False):
        film = kinds[index](film, generator)
    return film


def random_place(film: np.ndarray, generator: np.random.Generator) -> tuple[int, int]:
    """A random pixel (x, y)."""
    return int(generator.integers(0, film.shape[1])), int(generator.integers(0, film.shape[0]))


def add_label(film: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Writing or a side marker, near a border as a rule."""
    height, width = film.shape
    x = int(width * generator.choice([generator.uniform(0.0, 0.1), generator.uniform(0.65, 0.9)]))
    y = int(height * generator.choice([generator.uniform(0.03, 0.12), generator.uniform(0.9, 0.98)]))
    size = height / 640 * generator.uniform(0.4, 1.3)
    shade = int(generator.choice([generator.integers(200, 256), generator.integers(0, 40)]))
    thickness = max(1, round(2 * size))
    return cv2.putText(
        film, str(generator.choice(LABELS)), (x, y), cv2.FONT_HERSHEY_SIMPLEX, size, shade, thickness, cv2.LINE_AA
    )


def add_wedge(film: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """A step wedge along a side."""
    height, width = film.shape
    steps, side = int(generator.integers(4, 10)), int(width * generator.uniform(0.02, 0.05))
    left = int(generator.choice([0, width - side]))
    top, step = int(height * generator.uniform(0, 0.5)), int(height * generator.uniform(0.02, 0.04))
    for index in range(steps):
        film[top + index * step : top + (index + 1) * step, left : left + side] = int(255 * (index + 1) / steps)
    return film


def add_ruler(film: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """A ruler's ticks beside the forehead."""
    height, width = film.shape
    x, top = int(width * generator.uniform(0.75, 0.98)), int(height * generator.uniform(0.02, 0.3))
    tick, gap = int(width * generator.uniform(0.01, 0.03)), height * generator.uniform(0.008, 0.02)
    shade = int(generator.integers(150, 256))
    for index in range(int(generator.integers(5, 20))):
        y = int(top + index * gap)
        cv2.line(film, (x, y), (x + tick * (2 if index % 5 == 0 else 1), y), shade, 1, cv2.LINE_AA)
    return film


def add_collimator(film: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """An unexposed strip along one side, its edge slightly askew."""
    height, width = film.shape
    strip, tilt = width * generator.uniform(0.01, 0.08), width * generator.uniform(-0.02, 0.02)
    corners = np.array([[0, 0], [strip + tilt, 0], [strip - tilt, height], [0, height]])
    if generator.random() < 0.5:
        corners[:, 0] = width - corners[:, 0]
    return cv2.fillPoly(film, [corners.round().astype(np.int32)], int(generator.choice([0, 0, 255])), cv2.LINE_AA)


def add_rod(film: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """The ear rod's disc or ring."""
    radius = int(film.shape[0] * generator.uniform(0.008, 0.025))
    thickness = int(generator.choice([-1, max(1, radius // 4)]))
    return cv2.circle(
        film, random_place(film, generator), radius, int(generator.integers(200, 256)), thickness, cv2.LINE_AA
    )


def add_metal(film: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Brackets, crowns or an earring: a few burnt-out spots close together."""
    x, y = random_place(film, generator)
    for _ in range(int(generator.integers(1, 6))):
        axes = tuple(int(v) for v in film.shape[0] * generator.uniform(0.003, 0.015, 2) + 1)
        shift = generator.normal(0, film.shape[0] * 0.02, 2)
        centre = (int(x + shift[0]), int(y + shift[1]))
        film = cv2.ellipse(film, centre, axes, generator.uniform(0, 180), 0, 360, 255, -1, cv2.LINE_AA)
    return film


def add_scan_lines(film: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Rows or columns that are a little too bright or dark."""
    axis = int(generator.integers(0, 2))
    gain = np.ones(film.shape[axis], dtype=np.float32)
    gain[generator.integers(0, film.shape[axis], int(generator.integers(1, 8)))] = generator.uniform(0.7, 1.3)
    return np.clip(film * (gain[:, None] if axis == 0 else gain[None, :]), 0, 255).astype(np.uint8)


def add_vignette(film: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Uneven exposure from one side to the other."""
    height, width = film.shape
    angle, strength = generator.uniform(0, 2 * np.pi), generator.uniform(0.1, 0.4)
    across = np.linspace(-1, 1, width)[None, :] * np.cos(angle) + np.linspace(-1, 1, height)[:, None] * np.sin(angle)
    return np.clip(film * (1.0 + strength * across), 0, 255).astype(np.uint8)
