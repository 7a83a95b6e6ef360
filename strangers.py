"""Pictures that are no lateral cephalogram, drawn: what a model must refuse instead of placing points on it.

`KINDS` names them all. The locator learns from `TAUGHT`; the others are kept for judging whether it refuses what it
has never seen (`benchmarks/refusal.py`).
"""

from collections.abc import Callable

import cv2
import numpy as np

TAUGHT = ("limb", "chest", "clouds", "page", "shapes")


def draw_stranger(kind: str, side: int, generator: np.random.Generator) -> np.ndarray:
    """A random picture of a kind of `KINDS`, (side, side) uint8."""
    canvas = KINDS[kind](side, generator)
    blurred = cv2.GaussianBlur(canvas, (0, 0), generator.uniform(0.003, 0.01) * side)
    grain = generator.normal(0, generator.uniform(0, 8), blurred.shape)
    return np.clip(blurred + grain, 0, 255).astype(np.uint8)


def clouds(side: int, generator: np.random.Generator, steepness: float | None = None) -> np.ndarray:
    """Noise with the spectrum of natural pictures, 0-255."""
    steepness = generator.uniform(0.8, 1.8) if steepness is None else steepness
    rows, columns = np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None]
    falloff = np.hypot(rows, columns)
    falloff[0, 0] = 1.0
    spectrum = np.fft.rfft2(generator.normal(size=(side, side))) / falloff**steepness
    field = np.fft.irfft2(spectrum, s=(side, side))
    low, high = np.percentile(field, [1, 99])
    return np.clip(255 * (field - low) / (high - low), 0, 255).astype(np.float32)


def on_background(side: int, generator: np.random.Generator) -> np.ndarray:
    """A dark, slightly clouded film without anything on it."""
    return generator.uniform(5, 40) + 0.08 * clouds(side, generator, 1.8)


def bone(canvas: np.ndarray, start: np.ndarray, end: np.ndarray, width: float, grey: float) -> None:
    """A long bone: a shaft with a bright edge and two knobs, drawn onto the canvas."""
    ends = [tuple(round(float(value)) for value in point) for point in (start, end)]
    thick = max(int(width), 2)
    cv2.line(canvas, *ends, grey, thick, cv2.LINE_AA)
    for point in ends:
        cv2.circle(canvas, point, max(int(0.65 * width), 2), grey, -1, cv2.LINE_AA)
    if thick > 5:
        cv2.line(canvas, *ends, grey * 0.8, thick // 2, cv2.LINE_AA)


def limb(side: int, generator: np.random.Generator) -> np.ndarray:
    """An arm or a leg with one or two bones and perhaps a joint."""
    canvas = on_background(side, generator)
    turn = generator.uniform(0, np.pi)
    along, across = np.array([np.cos(turn), np.sin(turn)]), np.array([-np.sin(turn), np.cos(turn)])
    middle = side * generator.uniform(0.35, 0.65, 2)
    width = side * generator.uniform(0.07, 0.15)
    flesh = [tuple((middle + sign * side * along).astype(int)) for sign in (-1, 1)]
    cv2.line(canvas, *flesh, generator.uniform(60, 110), int(width * generator.uniform(2, 3.5)), cv2.LINE_AA)
    joint = middle + along * side * generator.uniform(-0.2, 0.2)
    for sign in (-1, 1):
        for offset in generator.choice([-0.7, 0.7], size=generator.integers(1, 3), replace=False):
            place = across * offset * width
            first = joint + sign * along * width * 0.9 + place
            bone(canvas, first, first + sign * along * side, width, generator.uniform(150, 235))
    return canvas


def chest(side: int, generator: np.random.Generator) -> np.ndarray:
    """Two dark lungs crossed by ribs, a bright middle."""
    canvas = np.full((side, side), generator.uniform(150, 210), np.float32) + 0.1 * clouds(side, generator, 1.8)
    size, tilt = generator.uniform(0.8, 1.1), generator.uniform(3, 12)
    for sign in (-1, 1):
        centre = (int(side * (0.5 + sign * 0.21 * size)), int(side * generator.uniform(0.45, 0.52)))
        axes = (int(side * 0.14 * size), int(side * 0.33 * size))
        cv2.ellipse(canvas, centre, axes, sign * tilt, 0, 360, generator.uniform(25, 70), -1, cv2.LINE_AA)
        for number in range(8):
            height = side * (0.15 + 0.085 * number)
            cv2.ellipse(
                canvas, (centre[0], int(height)), (int(side * 0.17 * size), int(side * 0.05)), sign * 14, 180, 360,
                generator.uniform(120, 170), max(side // 60, 1), cv2.LINE_AA,
            )  # fmt: skip
    cv2.ellipse(canvas, (int(side * 0.55), int(side * 0.62)), (int(side * 0.13), int(side * 0.16)), 30, 0, 360, 220, -1)
    for height in np.linspace(0.05, 0.95, 14) * side:
        cv2.rectangle(canvas, (int(0.475 * side), int(height)), (int(0.525 * side), int(height + 0.045 * side)), 235, 1)
    return canvas


def hand(side: int, generator: np.random.Generator) -> np.ndarray:
    """A hand with its bones, fingers spread."""
    canvas = on_background(side, generator)
    wrist = side * np.array([0.5, 0.85])
    flesh, grey = generator.uniform(60, 100), generator.uniform(170, 235)
    lean = generator.uniform(-0.15, 0.15)
    cv2.ellipse(canvas, (int(wrist[0]), int(side * 0.66)), (int(0.17 * side), int(0.2 * side)), 0, 0, 360, flesh, -1)
    cv2.line(canvas, (int(wrist[0]), int(wrist[1])), (int(wrist[0]), side), flesh, int(0.22 * side))
    root = wrist - np.array([0, 0.08 * side])
    fingers = []
    for angle, length in zip((-0.95, -0.3, -0.05, 0.2, 0.42), (0.3, 0.42, 0.46, 0.43, 0.36), strict=True):
        fingers.append(np.array([np.sin(angle + lean), -np.cos(angle + lean)]) * side * (length + 0.2))
    for finger in fingers:
        cv2.line(canvas, tuple(root.astype(int)), tuple((root + finger).astype(int)), flesh, int(0.08 * side))
    for finger in fingers:
        for start, end in ((0.01, 0.41), (0.43, 0.69), (0.71, 0.87), (0.89, 0.99)):
            bone(canvas, root + start * finger, root + end * finger, 0.035 * side, grey)
    for place in generator.uniform(-0.07, 0.07, (7, 2)) * side + wrist - [0, 0.06 * side]:
        cv2.circle(canvas, tuple(place.astype(int)), int(0.03 * side), grey * 0.9, -1, cv2.LINE_AA)
    return canvas


def panorama(side: int, generator: np.random.Generator) -> np.ndarray:
    """A panoramic film: a wide jaw in the shape of a bow with two rows of teeth."""
    canvas = on_background(side, generator)
    middle = np.array([0.5, 0.42]) * side
    wide, deep = 0.42 * side, generator.uniform(0.2, 0.26) * side
    jaw = int(0.11 * side)
    cv2.ellipse(canvas, tuple(middle.astype(int)), (int(wide), int(deep)), 0, 0, 180, 130, jaw, cv2.LINE_AA)
    for sign in (-1, 1):
        ramus = middle + [sign * wide, 0]
        cv2.line(canvas, tuple(ramus.astype(int)), tuple((ramus - [0, 0.2 * side]).astype(int)), 130, int(0.08 * side))
    for angle in np.linspace(0.2, np.pi - 0.2, 15):
        root = middle + [np.cos(angle) * wide * 0.92, np.sin(angle) * deep * 0.55]
        for sign in (-1, 1):
            tip = root + [0, sign * 0.09 * side]
            bone(canvas, root + [0, sign * 0.015 * side], tip, 0.035 * side, generator.uniform(190, 240))
    return canvas


def frontal_skull(side: int, generator: np.random.Generator) -> np.ndarray:
    """A skull from the front: two orbits, a nose, two rows of teeth, as alike left and right as skulls are."""
    canvas = on_background(side, generator)
    x, size = side * 0.5, side * generator.uniform(0.85, 1.05)
    cv2.ellipse(
        canvas, (int(x), int(0.4 * side)), (int(0.29 * size), int(0.34 * size)), 0, 0, 360, 140, -1, cv2.LINE_AA
    )
    cv2.ellipse(canvas, (int(x), int(0.4 * side)), (int(0.29 * size), int(0.34 * size)), 0, 0, 360, 225, 3, cv2.LINE_AA)
    cv2.ellipse(canvas, (int(x), int(0.72 * side)), (int(0.2 * size), int(0.2 * size)), 0, 0, 360, 160, -1, cv2.LINE_AA)
    for sign in (-1, 1):
        orbit = int(x + sign * 0.12 * size), int(0.45 * side)
        cv2.ellipse(canvas, orbit, (int(0.075 * size), int(0.065 * size)), 0, 0, 360, 85, -1, cv2.LINE_AA)
        cv2.ellipse(canvas, orbit, (int(0.075 * size), int(0.065 * size)), 0, 0, 360, 215, 2, cv2.LINE_AA)
    cv2.ellipse(
        canvas, (int(x), int(0.58 * side)), (int(0.04 * size), int(0.07 * size)), 0, 0, 360, 70, -1, cv2.LINE_AA
    )
    for row in (0.69, 0.75):
        for place in np.linspace(-0.12, 0.12, 9) * size:
            corner = (int(x + place - 0.012 * size), int(row * side))
            cv2.rectangle(canvas, corner, (corner[0] + int(0.022 * size), corner[1] + int(0.05 * size)), 235, -1)
    return canvas


def scene(side: int, generator: np.random.Generator) -> np.ndarray:
    """Something like a photograph: a lit ground and sky with things standing about."""
    horizon = int(side * generator.uniform(0.3, 0.7))
    canvas = 0.35 * clouds(side, generator, 1.5)
    canvas[:horizon] += np.linspace(generator.uniform(120, 200), generator.uniform(80, 160), horizon)[:, None]
    canvas[horizon:] += np.linspace(generator.uniform(40, 90), generator.uniform(60, 140), side - horizon)[:, None]
    for _ in range(generator.integers(3, 9)):
        x, y = generator.uniform(0.05, 0.95) * side, generator.uniform(0.4, 0.9) * side
        w, h = generator.uniform(0.03, 0.2, 2) * side
        grey = generator.uniform(10, 250)
        if generator.random() < 0.5:
            cv2.rectangle(canvas, (int(x - w), int(y - 2 * h)), (int(x + w), int(y)), grey, -1)
        else:
            cv2.ellipse(canvas, (int(x), int(y)), (int(w), int(h)), 0, 0, 360, grey, -1, cv2.LINE_AA)
    return canvas


def page(side: int, generator: np.random.Generator) -> np.ndarray:
    """A printed page or a form."""
    canvas = np.full((side, side), generator.uniform(200, 255), np.float32)
    step = int(side * generator.uniform(0.03, 0.07))
    for y in range(step, side - step, step):
        x = int(0.08 * side)
        while x < side * generator.uniform(0.6, 0.95):
            word = int(side * generator.uniform(0.01, 0.09))
            cv2.rectangle(canvas, (x, y), (x + word, y + max(step // 3, 1)), generator.uniform(0, 80), -1)
            x += word + step // 2
    return canvas if generator.random() < 0.7 else 255 - canvas


def shapes(side: int, generator: np.random.Generator) -> np.ndarray:
    """Bright and dark ellipses and lines of any size upon each other."""
    canvas = generator.uniform(0.2, 1.0) * clouds(side, generator)
    for _ in range(generator.integers(4, 25)):
        x, y = (generator.uniform(0, 1, 2) * side).astype(int).tolist()
        axes = (generator.uniform(0.02, 0.35, 2) * side).astype(int).tolist()
        thickness = int(generator.choice([-1, 1, 2, 5]))
        turn, grey = generator.uniform(0, 180), generator.uniform(0, 255)
        cv2.ellipse(canvas, (x, y), axes, turn, 0, generator.uniform(90, 360), grey, thickness, cv2.LINE_AA)
    return canvas


KINDS: dict[str, Callable[[int, np.random.Generator], np.ndarray]] = {
    "limb": limb, "chest": chest, "hand": hand, "panorama": panorama, "frontal skull": frontal_skull,
    "scene": scene, "page": page, "shapes": shapes, "clouds": clouds,
}  # fmt: skip
