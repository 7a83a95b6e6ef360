"""Vertebral outlines to points: the log's third plan was to draw the bodies of C2, C3 and C4 as masks.

A body's four corners are the points of its outline that reach furthest into the corners of its own frame; the middle
point of the lower border is where that border is furthest from the line between its corners.
"""

import numpy as np

OUTLINE_POINTS = {  # what each outline gives
    "C2": ("C2p", "C2m", "C2a"),
    "C3": ("C3up", "C3ua", "C3lp", "C3m", "C3la"),
    "C4": ("C4up", "C4ua", "C4lp", "C4m", "C4la"),
}
STEPS = 40  # points put on each side of a drawn outline
FLATTEST = 1e-6


def points_of_outline(label: str, outline_px: np.ndarray, faces_left: bool = False) -> dict[str, np.ndarray]:
    """The points of C2, C3 or C4 by name, from its outline (N, 2).

    Raises:
        ValueError: it is no closed area.
    """
    if faces_left:
        mirrored = points_of_outline(label, outline_px * [-1.0, 1.0])
        return {name: point * [-1.0, 1.0] for name, point in mirrored.items()}
    dense = densify(outline_px)
    low, high = outline_px.min(axis=0), outline_px.max(axis=0)
    if np.prod(high - low) < FLATTEST or polygon_area(outline_px) < 0.05 * np.prod(high - low):
        raise ValueError("it encloses no area")
    corners = find_corners(dense)
    if label == "C2":  # the odontoid has no upper corners to speak of
        return {"C2p": corners["lp"], "C2m": deepest_point(dense, corners), "C2a": corners["la"]}
    return {f"{label}{name}": point for name, point in corners.items()} | {f"{label}m": deepest_point(dense, corners)}


def densify(outline_px: np.ndarray) -> np.ndarray:
    """(N, 2) corners of a closed outline to (N * STEPS, 2) points along it."""
    following = np.roll(outline_px, -1, axis=0)
    share = np.arange(STEPS)[None, :, None] / STEPS
    return (outline_px[:, None] * (1 - share) + following[:, None] * share).reshape(-1, 2)


def polygon_area(outline_px: np.ndarray) -> float:
    """Area of a closed outline (N, 2), px squared."""
    x, y = outline_px.T
    return float(abs((x * np.roll(y, -1) - np.roll(x, -1) * y).sum()) / 2)


def find_corners(dense_px: np.ndarray) -> dict[str, np.ndarray]:
    """The outline's points furthest towards each corner, both axes measured in the outline's own extent."""
    low, high = dense_px.min(axis=0), dense_px.max(axis=0)
    across, down = ((dense_px - low) / (high - low)).T
    reach = {"up": -across - down, "ua": across - down, "lp": down - across, "la": across + down}
    return {name: dense_px[np.argmax(value)] for name, value in reach.items()}


def deepest_point(dense_px: np.ndarray, corners: dict[str, np.ndarray]) -> np.ndarray:
    """The lower border's point furthest inside the body from the line between the lower corners."""
    back, front = corners["lp"], corners["la"]
    along = front - back
    length = np.hypot(*along)
    inward = np.array([along[1], -along[0]]) / length  # up, for a front to the right of the back
    place = (dense_px - back) @ along / length**2
    height = (dense_px - back) @ inward
    # Of each column between the corners the lowest point of the outline is the lower border.
    columns = np.clip((place * STEPS).astype(int), 0, STEPS - 1)
    inside = (place > 0.1) & (place < 0.9)
    border = {}
    for index in np.flatnonzero(inside):
        best = border.get(columns[index])
        if best is None or height[index] < height[best]:
            border[columns[index]] = index
    if not border:
        raise ValueError("its lower border cannot be told")
    return dense_px[max(border.values(), key=lambda index: height[index])]
