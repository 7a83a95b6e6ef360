"""What a model makes of films unlike those it was taught: `python -m benchmarks.stress --dataset DIR [--weights FILE]`.

Every film of a split is disturbed in turn, read as `predict.py` reads it, and judged where its points now are. Points
that no longer lie on the film count neither for nor against; those of a refused film lie on it and have no error.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from config import SPLITS, UserError
from films import Film, scan_split
from flags import DEFAULT_DATASET, DEFAULT_OUTPUT
from head import join_matrices, move_points, warp_image
from images import read_film
from inference import Predictor, default_weights, load_landmark_predictor, pick_device
from metrics import mean_and_deviation, radial_error, success_rates

KEEP = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])


def moved(matrix: np.ndarray, size: tuple[int, int]) -> Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """A disturbance that puts the film through a (2, 3) matrix onto `size` (width, height)."""
    return lambda film: (warp_image(film, matrix, size), matrix)


def about_middle(film: np.ndarray, scale: float, degrees: float) -> np.ndarray:
    """The (2, 3) matrix that turns and sizes a film about its middle."""
    return cv2.getRotationMatrix2D(((film.shape[1] - 1) / 2, (film.shape[0] - 1) / 2), degrees, scale)


def resize_about_middle(scale: float, degrees: float = 0.0) -> Callable:
    """Turns and sizes the head in a film of unchanged size."""
    return lambda film: moved(about_middle(film, scale, degrees), film.shape[::-1])(film)


def mirror(film: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Left for right."""
    return np.ascontiguousarray(film[:, ::-1]), np.array([[-1.0, 0.0, film.shape[1] - 1.0], [0.0, 1.0, 0.0]])


def crop(top: float, bottom: float) -> Callable:
    """Cuts shares of the film's height away at the top and at the bottom."""

    def cut(film: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        first, last = round(top * film.shape[0]), round((1 - bottom) * film.shape[0])
        return film[first:last].copy(), join_matrices(KEEP, np.array([[1.0, 0.0, 0.0], [0.0, 1.0, -float(first)]]))

    return cut


def enlarge_head(film: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The head twice as large in a film of the same size, about a point behind the teeth."""
    height, width = film.shape
    place = np.array([0.62 * width, 0.6 * height])
    matrix = np.column_stack([2.0 * np.eye(2), np.array([width, height]) * [0.55, 0.55] - 2.0 * place])
    return moved(matrix, (width, height))(film)


def grey(change: Callable[[np.ndarray], np.ndarray]) -> Callable:
    """A disturbance of grey values, given 0-1 floats, that leaves every point in its place."""
    return lambda film: ((np.clip(change(film / 255.0), 0, 1) * 255).astype(np.uint8), KEEP)


DISTURBANCES: dict[str, Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]] = {
    "as it is": lambda film: (film, KEEP),
    "mirrored": mirror,
    "negative": lambda film: (255 - film, KEEP),
    "turned by 10 degrees": resize_about_middle(1.0, 10),
    "turned by -10 degrees": resize_about_middle(1.0, -10),
    "head half as large": resize_about_middle(0.5),
    "head twice as large": enlarge_head,
    "cut above the vertex": crop(0.2, 0.0),
    "cut below the chin": crop(0.0, 0.1),
    "dark and flat": grey(lambda film: 0.15 + 0.4 * film),
    "bright, gamma 0.5": grey(lambda film: film**0.5),
    "gamma 2": grey(lambda film: film**2),
    "blurred by 4 px": lambda film: (cv2.GaussianBlur(film, (0, 0), 4.0), KEEP),
    "noise of 5 %": grey(lambda film: film + np.random.default_rng(0).normal(0, 0.05, film.shape)),
    "a third of its resolution": lambda film: shrink(film, 3.0),
}


def shrink(film: np.ndarray, factor: float) -> tuple[np.ndarray, np.ndarray]:
    """Fewer and larger pixels."""
    size = tuple(round(side / factor) for side in film.shape[::-1])
    steps = np.array(size) / np.array(film.shape[::-1])
    matrix = np.column_stack([np.diag(steps), 0.5 * steps - 0.5])
    return cv2.resize(film, size, interpolation=cv2.INTER_AREA), matrix


def main(arguments: list[str] | None = None) -> int:
    """Prints the table; returns the exit status."""
    parser = argparse.ArgumentParser(description="A model's errors on disturbed films.")
    parser.add_argument("--dataset", type=Path, default=Path(DEFAULT_DATASET), help="data set (default: %(default)s)")
    parser.add_argument("--split", choices=SPLITS, default="test", help="films to disturb (default: %(default)s)")
    parser.add_argument("--weights", type=Path, help="model to judge (default: as evaluate.py)")
    parser.add_argument("--films", type=int, help="only the first N films")
    parser.add_argument("--only", nargs="*", default=[], metavar="TEXT", help="rows whose name holds one of these")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    options = parser.parse_args(arguments)
    try:
        weights = options.weights or default_weights(Path(DEFAULT_OUTPUT))
        predictor = load_landmark_predictor(weights, pick_device(options.device))
        predictor.cervical = None  # the neck is not judged here
        films = scan_split(options.dataset, options.split)[: options.films]
        print(f"{weights}, {len(films)} films of {options.dataset.name}/{options.split}\n")
        print_table(films, predictor, options.only)
    except UserError as error:
        print(f"stress: {error}", file=sys.stderr)
        return 2
    return 0


def print_table(films: list[Film], predictor: Predictor, only: list[str]) -> None:
    """A row for each disturbance, or for those whose name holds one of `only`, the undisturbed films first."""
    chosen = [name for name in DISTURBANCES if not only or any(text in name for text in only)]
    if not chosen:
        raise UserError(f"No disturbance has a name with {' or '.join(only)}; name parts of {', '.join(DISTURBANCES)}.")
    print("| disturbance | MRE mm | times | SDR at 2 mm, % | points on the film | films refused |")
    print("|---|---|---|---|---|---|")
    plain_mm = None  # (N, 29)
    for name in dict.fromkeys(["as it is", *chosen]):
        errors_mm, on_film, refused = disturbed_errors(films, predictor, DISTURBANCES[name], name)
        plain_mm = errors_mm if plain_mm is None else plain_mm
        shared = ~np.isnan(errors_mm + plain_mm)  # the same points before and after
        times = mean_and_deviation(errors_mm[shared])[0] / mean_and_deviation(plain_mm[shared])[0]
        mean_mm = mean_and_deviation(errors_mm)[0]
        rate = success_rates(errors_mm)["2.0"]
        print(f"| {name} | {mean_mm:.3f} | {times:.2f} | {rate:.1f} | {on_film.sum()} | {refused} |", flush=True)


def disturbed_errors(
    films: list[Film], predictor: Predictor, disturb: Callable, title: str
) -> tuple[np.ndarray, np.ndarray, int]:
    """Errors (N, 29) in mm of the undisturbed film, NaN where a film was refused; which experts' points (N, 29) are
    still on their film; and how many films were refused.
    """
    errors_mm, on_film, refused = [], [], 0
    for film in tqdm(films, desc=title, unit="film", disable=None, leave=False):
        picture, matrix = disturb(read_film(film.image_path))
        prediction = predictor.predict(picture)
        refused += not prediction.is_head
        truth_px = move_points(np.where(film.by_reader[:, None], np.nan, film.truth_px()), matrix)
        inside = ((truth_px >= 0) & (truth_px <= np.array(picture.shape[::-1]) - 1)).all(axis=1)  # not where unknown
        truth_px[~inside] = np.nan
        on_film.append(inside)
        size_mm = (film.pixel_size_mm or np.nan) / np.sqrt(abs(np.linalg.det(matrix[:, :2])))
        errors_mm.append(radial_error(prediction.landmarks_px, truth_px) * size_mm)
    return np.array(errors_mm), np.array(on_film), refused


if __name__ == "__main__":
    sys.exit(main())
