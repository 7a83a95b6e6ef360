"""Example films that show no patient: the mean of many films, warped onto anatomies of the three skeletal classes.

`python -m benchmarks.mean_films --dataset DIR [--vertebrae DIR] --output examples`. Every film is warped onto the mean
shape (thin plates through its landmarks and vertebral points, then optical flow for what has no landmark) and all are
averaged. The anatomies are where the films' own shapes lie, on average, at a given ANB and SN-GoGn.
"""

import argparse
import sys
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from analysis import measure
from config import LANDMARK_COUNT, LANDMARK_INDEX, UserError
from files import write_bytes, write_json
from films import Film, scan_split
from head import fit_similarity, join_matrices, move_points, shape_size
from images import read_film
from neck import with_vertebrae

LEAST_FILMS = 100  # fewer would be too near to single patients to be shown
# ISBI 2015's films have 58.5 mm between them at the size that the challenge states, less than skulls do.
SELLA_NASION_MM = 67.0
SELLA, NASION = LANDMARK_INDEX["S"], LANDMARK_INDEX["N"]
HEIGHT = 1200  # px of the example films
GRID = 8  # px between the places where a warp is worked out
STIFFNESS = 1e-3  # of the thin plates: they need not pass through every reader's error
ANCHORS = (-0.1, 0.0, 0.33, 0.67, 1.0, 1.1)  # shares of the frame's sides; on and beyond its edge nothing bends
NOISE = 6.0  # px by which landmarks are taken to be misread, where unknown points are foretold from them
FLOW_ROUNDS = 2
FLOW_BLUR, LARGEST_FLOW = 14.0, 24.0  # px
EDGE = 0.08  # share of a side over which the flow fades towards the frame
FEW = 0.5  # share of the films that must reach a place for it to be at full brightness
GAMMA, GRAIN = 1.1, 2.0  # darkens the middle greys; grey levels of noise, as films have
# (file, title, ANB, SN-GoGn): class I by Steiner's limits and by ISBI 2015's alike.
EXAMPLES = (
    ("class1", "Skeletal class I", 3.5, 33.0),
    ("class2", "Skeletal class II", 8.0, 37.0),
    ("class3", "Skeletal class III", -3.5, 34.0),
)


def main(arguments: list[str] | None = None) -> int:
    """Writes the films; returns the exit status."""
    parser = argparse.ArgumentParser(description="Example films from the mean of a data set's training films.")
    parser.add_argument("--dataset", type=Path, required=True, help="data set with train")
    parser.add_argument("--vertebrae", type=Path, help="LabelMe files of its films' vertebrae, as far as there are any")
    parser.add_argument("--output", type=Path, default=Path("examples"), help="folder (default: %(default)s)")
    options = parser.parse_args(arguments)
    try:
        write_examples(options.dataset, options.vertebrae, options.output)
    except UserError as error:
        print(f"mean_films: {error}", file=sys.stderr)
        return 2
    return 0


def write_examples(dataset: Path, vertebrae: Path | None, output: Path) -> None:
    """The whole way from the films to the example films."""
    films = [film for film in scan_split(dataset, "train") if film.pixel_size_mm]
    if len(films) < LEAST_FILMS:
        raise UserError(f"{dataset} has {len(films)} films with a pixel size; a mean to show needs {LEAST_FILMS}.")
    films = with_vertebrae(films, vertebrae)
    if vertebrae is not None and not any(film.vertebrae.known.any() for film in films):
        raise UserError(f"{vertebrae} has no vertebral points of {dataset}'s training films; name another folder.")
    pictures, shapes, pixel_size_mm = load(films)
    aligned, moves = align(shapes)
    complete = fill(aligned)
    mean, size = complete.mean(axis=0), pictures[0].shape[::-1]
    on_films = [
        move_points(shape, cv2.invertAffineTransform(move)) for shape, move in zip(complete, moves, strict=True)
    ]
    average = average_films(pictures, [warp_field(mean, points, size) for points in on_films], size)
    entries = []
    for name, title, anb, steepness in EXAMPLES:
        shape = shape_at(complete, pixel_size_mm, anb, steepness)
        picture = look_like_film(remap(average, warp_field(shape, mean, size)))
        entries.append(write_example(output / f"{name}.jpg", title, picture, shape))
    write_json(output / "examples.json", entries)


def write_example(path: Path, title: str, picture: np.ndarray, shape: np.ndarray) -> dict:
    """Writes a film (H, W) uint8 whose points are `shape` (K, 2); what the page is to know of it."""
    done, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 90])
    assert done, "OpenCV could not encode a film"
    write_bytes(path, data.tobytes())
    own_size_mm = round(SELLA_NASION_MM / np.linalg.norm(np.subtract(*shape[[SELLA, NASION]])), 4)
    table = measure(shape[:LANDMARK_COUNT], own_size_mm)
    built = {measured: round(table[measured]["value"], 1) for measured in ("SNA", "SNB", "ANB", "SN-GoGn", "Wits")}
    print(f"{path.stem}: {built}, {len(data) / 1000:.0f} kB")
    return {
        "file": path.name, "title": title, "class": title.split()[-1], "pixel_size_mm": own_size_mm,
        "measurements": built,
    }  # fmt: skip


def load(films: list[Film]) -> tuple[list[np.ndarray], np.ndarray, float]:
    """The films at one size (H, W) uint8, their points (F, K, 2) on them with NaN where unknown, and the pixel size. K
    is 42, or 29 where no film has vertebral points.

    Raises:
        UserError: the films differ in size or pixel size.
    """
    pictures, shapes, scales = [], [], set()
    for film in tqdm(films, desc="Reading", unit="film"):
        whole = read_film(film.image_path)
        shrink = whole.shape[0] / HEIGHT
        scales.add(round(film.pixel_size_mm * shrink, 6))
        size = (round(whole.shape[1] / shrink), HEIGHT)
        pictures.append(cv2.resize(whole, size, interpolation=cv2.INTER_AREA))
        points_px = np.vstack([film.truth_px(), film.vertebrae.points_px])
        shapes.append((points_px + 0.5) / shrink - 0.5)
    if len(scales) > 1 or len({picture.shape for picture in pictures}) > 1:
        raise UserError("The films differ in size or scale; mean_films takes those of one machine, as ISBI 2015's are.")
    points = np.array(shapes)
    if np.isnan(points[:, LANDMARK_COUNT:]).all():
        points = points[:, :LANDMARK_COUNT]  # what is known nowhere cannot be foretold
    return pictures, points, scales.pop()


# --- shapes -----------------------------------------------------------------------------------------------------------


def align(shapes: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
    """Shapes (F, K, 2) laid over each other by their landmarks, at their mean size and place, and each one's (2, 3)
    matrix that does so.
    """
    landmarks = shapes[:, :LANDMARK_COUNT]
    whole = landmarks[~np.isnan(landmarks).any(axis=(1, 2))]
    size, middle = np.mean([shape_size(shape) for shape in whole]), whole.mean(axis=(0, 1))
    mean = whole[0]
    for _ in range(6):
        mean = (mean - mean.mean(axis=0)) * size / shape_size(mean) + middle
        moves = [fit(shape, mean) for shape in landmarks]
        turn = np.mean([np.arctan2(move[1, 0], move[0, 0]) for move in moves])  # none on average: upright as the films
        moves = [rotated(move, -turn, middle) for move in moves]
        mean = np.nanmean([move_points(*each) for each in zip(landmarks, moves, strict=True)], axis=0)
    return np.array([move_points(*each) for each in zip(shapes, moves, strict=True)]), moves


def rotated(move: np.ndarray, turn: float, middle: np.ndarray) -> np.ndarray:
    """A (2, 3) matrix followed by a turn about a point, radians."""
    matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    return join_matrices(move, np.column_stack([matrix, middle - matrix @ middle]))


def fit(shape: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """The (2, 3) similarity that brings a shape's known points nearest to the mean's."""
    known = ~np.isnan(shape).any(axis=1)
    return fit_similarity(shape[known], mean[known], np.ones(known.sum()), mirrored=False)[0]


def fill(aligned: np.ndarray) -> np.ndarray:
    """Shapes with the points that are unknown foretold from the shape's own landmarks: a ridge regression over the
    shapes that have these points.
    """
    flat = aligned.reshape(len(aligned), -1)
    unknown = np.isnan(flat)
    mean = np.nanmean(flat, axis=0)
    apart = np.where(unknown, 0.0, flat - mean)
    filled = flat.copy()
    for row in np.flatnonzero(unknown.any(axis=1)):
        causes = np.flatnonzero(~unknown[row, : 2 * LANDMARK_COUNT])
        for column in np.flatnonzero(unknown[row]):
            others = apart[~unknown[:, column]]
            spread = others[:, causes].T @ others[:, causes] + len(others) * NOISE**2 * np.eye(len(causes))
            weights = np.linalg.solve(spread, others[:, causes].T @ others[:, column])
            filled[row, column] = mean[column] + apart[row, causes] @ weights
    return filled.reshape(aligned.shape)


def shape_at(shapes: np.ndarray, pixel_size_mm: float, anb: float, steepness: float) -> np.ndarray:
    """The shape (K, 2) that the films have on average at an ANB and an SN-GoGn, degrees: a linear regression."""
    tables = [measure(shape[:LANDMARK_COUNT], pixel_size_mm) for shape in shapes]
    causes = np.array([[1.0, table["ANB"]["value"], table["SN-GoGn"]["value"]] for table in tables])
    effects = np.linalg.lstsq(causes, shapes.reshape(len(shapes), -1), rcond=None)[0]
    return (np.array([1.0, anb, steepness]) @ effects).reshape(shapes.shape[1:])


# --- pictures ---------------------------------------------------------------------------------------------------------


def grid_of(size: tuple[int, int]) -> np.ndarray:
    """(h, w, 2) the places on a picture of `size` (width, height) where a warp is worked out."""
    columns, rows = (max(2, round(side / GRID)) for side in size)
    across = (np.arange(columns) + 0.5) * size[0] / columns - 0.5
    down = (np.arange(rows) + 0.5) * size[1] / rows - 0.5
    return np.stack(np.meshgrid(across, down), axis=-1)


def warp_field(seen: np.ndarray, source: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Where each place of `grid_of(size)` comes from, (h, w, 2), so that points (K, 2) of the source picture are seen
    at `seen`: a similarity, and a thin plate (Bookstein 1989) for what it leaves, which fades towards the frame.
    """
    base = fit_similarity(seen, source, np.ones(len(seen)), mirrored=False)[0]
    share = np.array([(x, y) for x in ANCHORS for y in ANCHORS if not (0 < x < 1 and 0 < y < 1)])
    knots = np.vstack([seen, share * (np.array(size) - 1)])
    bends = np.vstack([source - move_points(seen, base), np.zeros((len(share), 2))])
    grid = grid_of(size)
    plate = np.block([
        [kernel(knots, knots) + STIFFNESS * np.eye(len(knots)), np.column_stack([np.ones(len(knots)), knots / HEIGHT])],
        [np.column_stack([np.ones(len(knots)), knots / HEIGHT]).T, np.zeros((3, 3))],
    ])  # fmt: skip
    weights = np.linalg.solve(plate, np.vstack([bends, np.zeros((3, 2))]))
    places = grid.reshape(-1, 2)
    basis = np.column_stack([kernel(places, knots), np.ones(len(places)), places / HEIGHT])
    return (move_points(places, base) + basis @ weights).reshape(grid.shape).astype(np.float32)


def kernel(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """(M, N) how much a thin plate bends at one place for a knot at another."""
    square = ((first[:, None] - second[None]) / HEIGHT) ** 2
    distance2 = square.sum(axis=-1)
    return distance2 * np.log(np.maximum(distance2, 1e-12))


def remap(picture: np.ndarray, field: np.ndarray, border: int = cv2.BORDER_REPLICATE) -> np.ndarray:
    """A picture through a warp."""
    width, height = size = picture.shape[::-1]
    # What differs from place to place is made finer, since cubic curves follow a steep slope in waves.
    shift = cv2.resize((field - grid_of(size)).astype(np.float32), size, interpolation=cv2.INTER_CUBIC)
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    return cv2.remap(picture, x + shift[..., 0], y + shift[..., 1], cv2.INTER_CUBIC, borderMode=border)


def average_films(pictures: list[np.ndarray], fields: list[np.ndarray], size: tuple[int, int]) -> np.ndarray:
    """The mean (H, W) float32 of films through their warps, each round bent a little further towards the last mean."""
    pictures = equalise(pictures)
    average = mean_picture(pictures, fields)
    for _ in range(FLOW_ROUNDS):
        flows = [
            flow_to(average, remap(picture, field))
            for picture, field in tqdm(zip(pictures, fields, strict=True), desc="Bending", total=len(pictures))
        ]
        drift = np.mean(flows, axis=0)  # all bent one way would move the mean itself
        fields = [follow(field, flow - drift, size) for field, flow in zip(fields, flows, strict=True)]
        average = mean_picture(pictures, fields)
    return average


def mean_picture(pictures: list[np.ndarray], fields: list[np.ndarray]) -> np.ndarray:
    """The mean (H, W) float32 of films through their warps; black where few of them reach."""
    total = np.zeros(pictures[0].shape)
    films = np.zeros(pictures[0].shape)
    inside = np.ones(pictures[0].shape, np.float32)
    for picture, field in tqdm(zip(pictures, fields, strict=True), desc="Mean", total=len(pictures)):
        shown = np.clip(remap(inside, field, cv2.BORDER_CONSTANT), 0, 1)
        total += remap(picture, field) * shown
        films += shown
    share = np.clip(films / len(pictures) / FEW, 0, 1)
    return (total / np.maximum(films, 1.0) * share).astype(np.float32)


def equalise(pictures: list[np.ndarray]) -> list[np.ndarray]:
    """Films (H, W) uint8, each as bright and as rich in contrast as all on average."""
    shares = np.cumsum([np.bincount(picture.ravel(), minlength=256) for picture in pictures], axis=1)
    shares = shares / shares[:, -1:]
    wanted = (np.arange(64) + 0.5) / 64
    # The grey below which each share of a film lies, and the mean of these over the films.
    own = np.array([np.interp(wanted, share + np.arange(256) * 1e-9, np.arange(256)) for share in shares])
    levels = own.mean(axis=0)
    rows = zip(shares, pictures, strict=True)
    return [np.interp(share, wanted, levels).astype(np.uint8)[picture] for share, picture in rows]


def flow_to(average: np.ndarray, film: np.ndarray) -> np.ndarray:
    """How far (h, w, 2) what the mean shows at each place of the grid lies from there on a film, smooth and short."""
    height, width = average.shape
    half = (width // 2, height // 2)
    first, second = (
        local_contrast(cv2.resize(picture.astype(np.float32), half, interpolation=cv2.INTER_AREA))
        for picture in (average, film)
    )
    flow = 2 * cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM).calc(first, second, None)
    flow = cv2.GaussianBlur(flow, (0, 0), FLOW_BLUR / 2)
    flow *= np.minimum(1.0, LARGEST_FLOW / np.maximum(np.linalg.norm(flow, axis=-1, keepdims=True), 1e-6))
    flow *= near_middle(half)[..., None]
    return cv2.resize(flow, grid_of((width, height)).shape[1::-1], interpolation=cv2.INTER_AREA)


def near_middle(size: tuple[int, int]) -> np.ndarray:
    """(H, W) 1 within a picture of `size` (width, height), falling to 0 at its edge, whose own line must not draw."""
    across, down = (np.minimum(np.arange(side), np.arange(side)[::-1]) / (EDGE * side) for side in size)
    return np.clip(np.minimum(across[None], down[:, None]), 0.0, 1.0)


def local_contrast(picture: np.ndarray) -> np.ndarray:
    """A picture (H, W) float32 as uint8 in which only edges count, not how bright each film's regions are."""
    sharp = cv2.GaussianBlur(picture, (0, 0), 0.8)
    middle = cv2.GaussianBlur(sharp, (0, 0), 10)
    deviation = np.sqrt(cv2.GaussianBlur((sharp - middle) ** 2, (0, 0), 10)) + 4.0
    return np.clip(128 + 45 * (sharp - middle) / deviation, 0, 255).astype(np.uint8)


def follow(field: np.ndarray, flow: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A warp after which each place is looked up a little farther along a flow."""
    grid = grid_of(size)
    steps = np.array(size) / np.array(field.shape[1::-1])
    cells = ((grid + flow + 0.5) / steps - 0.5).astype(np.float32)
    shift = (field - grid).astype(np.float32)
    bent = cv2.remap(shift, cells[..., 0], cells[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return (grid + flow + bent).astype(np.float32)


def look_like_film(average: np.ndarray) -> np.ndarray:
    """A mean, which is soft and pale, with the contrast, the edges and the grain of a film, uint8."""
    fine, coarse = (average - cv2.GaussianBlur(average, (0, 0), blur) for blur in (1.5, 6.0))
    sharp = average + 1.2 * fine + 0.7 * coarse
    low, high = np.percentile(sharp, (0.5, 99.8))
    grey = np.clip((sharp - low) / (high - low), 0, 1) ** GAMMA * 242 + 4
    grain = cv2.GaussianBlur(np.random.default_rng(0).normal(0, 2.2 * GRAIN, grey.shape), (0, 0), 0.8)
    return np.clip(grey + grain, 0, 255).astype(np.uint8)


if __name__ == "__main__":
    sys.exit(main())
