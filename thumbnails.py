"""What the locator sees: a thumbnail of the whole film, and in training one turned, mirrored, sized and inverted
wildly, so that any film a user brings has been seen.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from geometry import Letterbox
from head import invert_inside, move_points, warp_image
from strangers import TAUGHT, draw_stranger

SIDE = 192  # net pixels
KINDS = ("negative", "stranger")  # what the locator says of a picture beside its points: bone is dark; it is no film

MIRRORED, NEGATIVE, STRANGER = 0.5, 0.4, 0.2  # probabilities
SHUFFLED = 0.5  # of a stranger being made of the film's own pieces rather than drawn
TURNED = 0.15  # of lying in any direction
TURN_DEGREES = 25.0
EXTENT = (0.2, 1.1)  # of the head's landmarks, share of the thumbnail
TILES = 4


@dataclass(frozen=True, eq=False)
class Thumbnail:
    """One picture for the locator, with what it should say of it."""

    image: np.ndarray  # (SIDE, SIDE) uint8
    points: np.ndarray  # (K, 2) thumbnail pixels, NaN where unknown
    kinds: np.ndarray  # (2,) 1 or 0 for KINDS; NaN where it does not matter


def shrink_view(view: np.ndarray) -> np.ndarray:
    """The thumbnail (SIDE, SIDE) uint8 of a view."""
    return Letterbox(view.shape[::-1], (SIDE, SIDE)).apply(view)


def view_of_thumbnail(points: np.ndarray, view_size: tuple[int, int]) -> np.ndarray:
    """Thumbnail pixels (..., 2) to view pixels; `view_size` is (width, height)."""
    return Letterbox(view_size, (SIDE, SIDE)).to_px(points)


def draw_thumbnail(
    view: np.ndarray,
    letterbox: Letterbox,
    points_view: np.ndarray,
    generator: np.random.Generator,
    place: Callable | None = None,
) -> Thumbnail:
    """A wild thumbnail of a film, or now and then a stranger.

    Args:
        view: (H, W) uint8, the letterboxed film.
        letterbox: how the film lies in it.
        points_view: (K, 2) landmarks, NaN where unknown.
        place: draws where the film lies on the thumbnail; `draw_placement` unless given.
    """
    negative = generator.random() < NEGATIVE
    if negative:
        view = invert_inside(view, letterbox)
    matrix = (place or draw_placement)(points_view, view.shape, generator)
    border = int(generator.choice([0, 0, generator.integers(256), 255]))
    image = warp_image(view, matrix, (SIDE, SIDE), border)
    points = move_points(points_view, matrix)
    if generator.random() < STRANGER:
        if generator.random() < SHUFFLED:
            image = shuffle_tiles(image, generator)
        else:
            image = draw_stranger(str(generator.choice(TAUGHT)), SIDE, generator)
        return Thumbnail(image, np.full_like(points, np.nan), np.array([np.nan, 1.0]))
    return Thumbnail(image, points, np.array([float(negative), 0.0]))


def draw_placement(
    points_view: np.ndarray,
    view_shape: tuple[int, int],
    generator: np.random.Generator,
    extents: tuple[float, float] = EXTENT,
) -> np.ndarray:
    """A random (2, 3) similarity from the view to the thumbnail; the points are somewhere on it, perhaps cut, and fill
    a share of it between the `extents`.
    """
    known = points_view[~np.isnan(points_view).any(axis=1)]
    if len(known) < 2:
        known = np.array([[0.25, 0.25], [0.75, 0.75]]) * view_shape[::-1]
    low, high = known.min(axis=0), known.max(axis=0)
    extent = float(np.exp(generator.uniform(*np.log(extents))))
    scale = extent * SIDE / max(float((high - low).max()), 1.0)
    any_turn = generator.random() < TURNED
    turn = np.deg2rad(generator.uniform(-180, 180) if any_turn else generator.uniform(-TURN_DEGREES, TURN_DEGREES))
    mirror = -1.0 if generator.random() < MIRRORED else 1.0
    linear = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) @ np.diag([mirror, 1.0])
    reach = max(0.5 - 0.4 * extent, 0.08)
    middle = SIDE * (0.5 + generator.uniform(-reach, reach, 2))
    return np.hstack([linear, (middle - linear @ ((low + high) / 2))[:, None]])


def shuffle_tiles(image: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """A film's pieces in another order: all the greys and edges of a head, and no head."""
    side = SIDE // TILES
    tiles = [image[y : y + side, x : x + side] for y in range(0, SIDE, side) for x in range(0, SIDE, side)]
    turned = [np.rot90(tiles[place], int(generator.integers(4))) for place in generator.permutation(len(tiles))]
    rows = [np.hstack(turned[row * TILES : (row + 1) * TILES]) for row in range(TILES)]
    return np.ascontiguousarray(np.vstack(rows))
