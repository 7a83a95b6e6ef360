"""Where the head lies on a film: the similarity that shows it upright, at one size and facing one way.

A network that always sees the head alike need not learn that films differ in size, turn and facing, and its pixels
are spent on the head. The mean shape and the fits are Procrustes' (Gower, Psychometrika 40, 1975).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import cv2
import numpy as np

from geometry import Letterbox

MARGIN = 0.2  # around the mean shape, share of the frame's sides: what lies around the landmarks tells where they are
ROUNDS = 6
TOLERANCE = 0.05  # a point this share of the shape's size away from where it should be counts half
PLAUSIBLE_ENLARGEMENT = (0.3, 12.0)  # of the view to fill the head's frame; 1 shows the whole view
SMALL_PART = 0.5  # of an image: of one that shows more, cutting would save nothing
LARGEST_SHRINK = 1.5  # beyond it, pixels would be skipped rather than averaged


@dataclass(frozen=True, eq=False)
class HeadFrame:
    """Film to network by way of the view: the letterboxed film from which the head is cut.

    Reads like a `Letterbox`: the same methods, the same spaces.
    """

    letterbox: Letterbox  # film to view
    matrix: np.ndarray  # (2, 3) view to net
    target_size: tuple[int, int]  # width and height, net pixels
    negative: bool = False  # the film shows bone dark
    doubt: float = 0.0  # how unlike a lateral head it looks; above 1 it is taken for none
    beyond: int = cv2.BORDER_CONSTANT  # OpenCV's border, by which the film goes on where the frame leaves it: black

    @property
    def source_size(self) -> tuple[int, int]:
        """Width and height of the film, px."""
        return self.letterbox.source_size

    @property
    def mirrored(self) -> bool:
        """Whether the film faces the other way than the films that taught the network."""
        return bool(np.linalg.det(self.matrix[:, :2]) < 0)

    @property
    def scale_net(self) -> float:
        """Net pixels per view pixel."""
        return float(np.sqrt(abs(np.linalg.det(self.matrix[:, :2]))))

    @property
    def turn_degrees(self) -> float:
        """How far the head is turned on the film against the average head, clockwise positive."""
        across = self.matrix[:, 0] * (-1.0 if self.mirrored else 1.0)  # where the film's x axis goes
        return float(-np.degrees(np.arctan2(across[1], across[0])))

    @property
    def film_share(self) -> float:
        """How much of the frame lies on the film, 0-1."""
        film = corners(self.source_size, self.to_net)
        frame = corners(self.target_size, lambda points_net: points_net)
        area, _ = cv2.intersectConvexConvex(film, frame)
        return float(area) / (self.target_size[0] * self.target_size[1])

    def doubted(self, doubt: float) -> "HeadFrame":
        """The frame, at least as doubtful as `doubt`."""
        return replace(self, doubt=max(self.doubt, doubt))

    def from_view(self, points_view: np.ndarray) -> np.ndarray:
        """View pixels (..., 2) to net pixels (..., 2); NaN stays NaN."""
        return move_points(points_view, self.matrix)

    def to_net(self, points_px: np.ndarray) -> np.ndarray:
        """Film pixels (..., 2) to net pixels (..., 2); NaN stays NaN."""
        return self.from_view(self.letterbox.to_net(points_px))

    def to_px(self, points_net: np.ndarray) -> np.ndarray:
        """Net pixels (..., 2) to film pixels (..., 2); the inverse of `to_net`."""
        return self.letterbox.to_px(move_points(points_net, cv2.invertAffineTransform(self.matrix)))

    def length_to_px(self, length_net: np.ndarray) -> np.ndarray:
        """A length without direction, in film pixels."""
        return self.letterbox.length_to_px(np.asarray(length_net, dtype=np.float64) / self.scale_net)

    def length_to_net(self, length_px: np.ndarray) -> np.ndarray:
        """The inverse of `length_to_px`."""
        return self.letterbox.length_to_net(length_px) * self.scale_net

    def drift(self, matrix: np.ndarray, shape: np.ndarray) -> float:
        """How far another matrix would move the mean shape (K, 2) here: root mean square, share of its size."""
        moved = move_points(move_points(shape, cv2.invertAffineTransform(self.matrix)), matrix)
        return float(np.sqrt(((moved - shape) ** 2).sum(axis=1).mean())) / shape_size(shape)

    def apply(self, view: np.ndarray) -> np.ndarray:
        """The head: a view (height, width) uint8 to (target height, target width) uint8, as a positive."""
        assert view.shape == self.letterbox.target_size[::-1], (view.shape, self.letterbox)
        if self.beyond != cv2.BORDER_CONSTANT:
            return self.apply_extended(view)
        if self.negative:
            view = invert_inside(view, self.letterbox)
        return warp_image(view, self.matrix, self.target_size)

    def apply_extended(self, view: np.ndarray) -> np.ndarray:
        """As `apply`, with the film itself going on beyond its borders, where a letterbox is black."""
        (left, top), (width, height) = self.letterbox.offset, self.letterbox.inner_size
        film = view[top : top + height, left : left + width]
        to_view = np.array([[1.0, 0.0, left], [0.0, 1.0, top]])
        matrix = join_matrices(to_view, self.matrix)
        return warp_image(255 - film if self.negative else film, matrix, self.target_size, mode=self.beyond)


def corners(size: tuple[int, int], move: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """The outer corners (4, 2) float32 of a picture of `size` (width, height), moved."""
    width, height = size
    outer = np.array([[0.0, 0.0], [width, 0.0], [width, height], [0.0, height]]) - 0.5
    return move(outer).astype(np.float32)


def move_points(points: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """(..., 2) points through a (2, 3) matrix."""
    return np.asarray(points, dtype=np.float64) @ matrix[:, :2].T + matrix[:, 2]


def join_matrices(first: np.ndarray, then: np.ndarray) -> np.ndarray:
    """The (2, 3) matrix that does `first` and `then` in turn."""
    return np.hstack([then[:, :2] @ first[:, :2], (then[:, :2] @ first[:, 2] + then[:, 2])[:, None]])


def whole_view(view_size: tuple[int, int], target_size: tuple[int, int]) -> np.ndarray:
    """The (2, 3) matrix that shows all of a view; sizes are (width, height). It stands in where no head is found."""
    whole = Letterbox(view_size, target_size)
    return np.column_stack([np.diag(whole.scale), whole.to_net(np.zeros(2))])


def is_plausible(matrix: np.ndarray, view_size: tuple[int, int], target_size: tuple[int, int]) -> bool:
    """Whether a fitted frame could be a head's: not vanishingly small or larger than its film many times over."""
    ratio = np.sqrt(abs(np.linalg.det(matrix[:, :2]))) / whole_view(view_size, target_size)[0, 0]
    return bool(np.isfinite(matrix).all() and PLAUSIBLE_ENLARGEMENT[0] < ratio < PLAUSIBLE_ENLARGEMENT[1])


def invert_inside(view: np.ndarray, letterbox: Letterbox) -> np.ndarray:
    """A view's negative; the bars around the film stay black."""
    (left, top), (width, height) = letterbox.offset, letterbox.inner_size
    inverted = view.copy()
    film = inverted[top : top + height, left : left + width]
    np.subtract(255, film, out=film)
    return inverted


def warp_image(
    image: np.ndarray, matrix: np.ndarray, size: tuple[int, int], border: int = 0, mode: int = cv2.BORDER_CONSTANT
) -> np.ndarray:
    """An image through a (2, 3) matrix onto `size` (width, height), smoothed where it shrinks; around it OpenCV's
    border `mode`, of a constant one the grey `border`.
    """
    shrink = 1.0 / np.sqrt(abs(np.linalg.det(matrix[:, :2])))
    if shrink > LARGEST_SHRINK:
        image, matrix = cut_to_need(image, matrix, size, margin_px=3 * shrink)
        whole = Letterbox(image.shape[::-1], tuple(max(1, round(side / shrink)) for side in image.shape[::-1]))
        image = cv2.resize(image, whole.target_size, interpolation=cv2.INTER_AREA)
        steps = np.array(whole.target_size) / np.array(whole.source_size)
        back = np.array([[1 / steps[0], 0, 0.5 / steps[0] - 0.5], [0, 1 / steps[1], 0.5 / steps[1] - 0.5]])
        matrix = join_matrices(back, matrix)
    return cv2.warpAffine(image, matrix, size, flags=cv2.INTER_LINEAR, borderMode=mode, borderValue=border)


def cut_to_need(
    image: np.ndarray, matrix: np.ndarray, size: tuple[int, int], margin_px: float
) -> tuple[np.ndarray, np.ndarray]:
    """The part of an image that a (2, 3) matrix brings onto `size` (width, height), and its matrix, where that is a
    small part; else both as they are.
    """
    ends = np.array([[0, 0], [size[0], 0], [0, size[1]], [size[0], size[1]]])
    seen = move_points(ends, cv2.invertAffineTransform(matrix))
    low = np.floor(np.maximum(seen.min(axis=0) - margin_px, 0)).astype(int)
    high = np.ceil(np.minimum(seen.max(axis=0) + margin_px, image.shape[::-1])).astype(int)
    if (high <= low).any() or np.prod(high - low) > SMALL_PART * image.size:
        return image, matrix
    back = np.array([[1.0, 0.0, low[0]], [0.0, 1.0, low[1]]])
    return np.ascontiguousarray(image[low[1] : high[1], low[0] : high[0]]), join_matrices(back, matrix)


# --- shapes -----------------------------------------------------------------------------------------------------------


def fit_similarity(
    source: np.ndarray, target: np.ndarray, weights: np.ndarray, mirrored: bool
) -> tuple[np.ndarray, np.ndarray]:
    """The (2, 3) similarity, with or without a reflection, that brings `source` nearest to `target`.

    Args:
        source, target: (K, 2), nowhere NaN.
        weights: (K,) at least 0, not all of them.
    Returns:
        The matrix, and each point's distance (K,) from its target.
    """
    sign = -1.0 if mirrored else 1.0
    z, w = source[:, 0] + sign * 1j * source[:, 1], target[:, 0] + 1j * target[:, 1]
    share = weights / weights.sum()
    z_middle, w_middle = share @ z, share @ w
    factor = (share * np.conj(z - z_middle)) @ (w - w_middle) / max(share @ np.abs(z - z_middle) ** 2, 1e-9)
    shift = w_middle - factor * z_middle
    matrix = np.array([[factor.real, -sign * factor.imag, shift.real], [factor.imag, sign * factor.real, shift.imag]])
    return matrix, np.abs(factor * z + shift - w)


def fit_head(points: np.ndarray, shape: np.ndarray, confidence: np.ndarray) -> tuple[np.ndarray, float]:
    """The similarity or reflected similarity that brings points to the mean shape, whichever fits better; single
    points far off count little.

    Args:
        points: (K, 2) in any space, NaN where unknown; at least two are known.
        shape: (K, 2) the mean shape.
        confidence: (K,) 0-1.
    Returns:
        The (2, 3) matrix, and the mean distance that remains, as a share of the shape's size.
    """
    known = ~np.isnan(points).any(axis=1)
    assert known.sum() >= 2, "two points at least make a similarity"
    size = shape_size(shape)
    best = None
    for mirrored in (False, True):
        weights = confidence[known] + 1e-3
        for _ in range(ROUNDS):
            matrix, distance = fit_similarity(points[known], shape[known], weights, mirrored)
            weights = (confidence[known] + 1e-3) / (1.0 + (distance / (TOLERANCE * size)) ** 2)
        cost = float(np.minimum(distance / size, 0.5).mean())
        if best is None or cost < best[1]:
            best = matrix, cost
    return best


def shape_size(shape: np.ndarray) -> float:
    """The root mean square distance of a shape's points from their middle."""
    return float(np.sqrt(((shape - np.nanmean(shape, axis=0)) ** 2).sum(axis=1).mean()))


def mean_shape(shapes: np.ndarray, target_size: tuple[int, int]) -> np.ndarray:
    """The mean of many shapes, laid into a frame of `target_size` (width, height) with a margin around it.

    Args:
        shapes: (films, K, 2) in any pixels, NaN where unknown; each point is known on some film.
    Returns:
        (K, 2) net pixels, upright as the films are on average.
    """
    known = (~np.isnan(shapes).any(axis=2)).sum(axis=1)
    mean = complete(shapes[known.argmax()], shapes)
    usable = shapes[known >= 2]
    for _ in range(ROUNDS):
        aligned = []
        for points in usable:
            matrix, _ = fit_head(points, mean, np.ones(len(mean)))
            aligned.append(move_points(points, matrix))
        middle = np.nanmedian(np.array(aligned), axis=0)  # a few impossible labels must not count
        mean = np.where(np.isnan(middle), mean, middle)
    mean = as_most_lie(mean, usable)
    low, high = mean.min(axis=0), mean.max(axis=0)
    room = np.array(target_size) * (1 - 2 * MARGIN)
    scale = (room / np.maximum(high - low, 1e-6)).min()
    return (mean - (low + high) / 2) * scale + (np.array(target_size) - 1) / 2


def as_most_lie(mean: np.ndarray, shapes: np.ndarray) -> np.ndarray:
    """The mean shape (K, 2) facing and turned as most of the films (N, K, 2) are, whichever it was made from."""
    matrices = np.array([fit_head(points, mean, np.ones(len(mean)))[0] for points in shapes])
    mirrored = np.linalg.det(matrices[:, :, :2]) < 0
    if mirrored.mean() > 0.5:
        return as_most_lie(mean * [-1.0, 1.0], shapes)
    usual = matrices[~mirrored]
    turns = np.angle(usual[:, 0, 0] + 1j * usual[:, 1, 0])
    cosine, sine = np.cos(np.median(turns)), np.sin(np.median(turns))
    return mean @ np.array([[cosine, -sine], [sine, cosine]])  # back by the usual turn


def complete(points: np.ndarray, shapes: np.ndarray) -> np.ndarray:
    """Points with those unknown filled from the plain median of all films."""
    return np.where(np.isnan(points), np.nanmedian(shapes, axis=0), points)
