"""The floor of the landmark ladder: every film is given the mean place of each landmark in the training films.

`python -m benchmarks.mean_shape --dataset DIR [--split test]`, or `--shapes FILE` for a table of anatomies in a 256
x 256 stretch (columns `SYMBOL_x`, `SYMBOL_y`). A model that does not beat it has learnt nothing of the film.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

from benchmarks.anatomies import read_shapes
from config import SPLITS, UserError
from films import Film, scan_split
from images import read_film
from metrics import mean_and_deviation, radial_error, success_rates


def main(arguments: list[str] | None = None) -> int:
    """Prints the figures; returns the exit status."""
    parser = argparse.ArgumentParser(description="Error of the training films' mean shape.")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--dataset", type=Path, help="data set with train")
    source.add_argument("--shapes", type=Path, help="table of anatomies without films")
    parser.add_argument("--split", choices=SPLITS, default="test", help="films to judge on (default: %(default)s)")
    options = parser.parse_args(arguments)
    try:
        print(judge_films(options.dataset, options.split) if options.dataset else judge_shapes(options.shapes))
    except UserError as error:
        print(f"mean_shape: {error}", file=sys.stderr)
        return 2
    return 0


def judge_films(dataset: Path, split: str) -> str:
    """The training films' mean shape on the experts' points of a split, in a line."""
    train, judged = ([(film, film_size(film)) for film in scan_split(dataset, part)] for part in ("train", split))
    mean_share = np.nanmean([film.truth_px() / size for film, size in train], axis=0)  # (29, 2) of width and height
    errors_px = np.array([
        np.where(film.by_reader, np.nan, radial_error(mean_share * size, film.truth_px())) for film, size in judged
    ])  # fmt: skip
    stretched = np.array([
        np.where(film.by_reader, np.nan, radial_error(mean_share * 256, film.truth_px() * 256 / size)) for film,
        size in judged
    ])  # fmt: skip
    errors_mm = errors_px * np.array([film.pixel_size_mm or np.nan for film, _ in judged])[:, None]
    mean_mm, deviation_mm = mean_and_deviation(errors_mm)
    rates = "/".join(f"{rate:.2f}" for rate in success_rates(errors_mm).values())
    px256 = mean_and_deviation(stretched)[0]
    return (
        f"mean shape on {split}: MRE {mean_mm:.3f} +- {deviation_mm:.3f} mm, SDR {rates} %, {px256:.2f} px "
        "of a 256 stretch"
    )


def judge_shapes(path: Path) -> str:
    """Each anatomy against the mean of all others, in a line."""
    shapes, _ = read_shapes(path)
    others = (shapes.sum(axis=0) - shapes) / (len(shapes) - 1)
    px256 = mean_and_deviation(radial_error(others, shapes))[0]
    count, points = shapes.shape[:2]
    return f"mean of the other anatomies: {px256:.2f} px of a 256 stretch ({count} anatomies, {points} points)"


def film_size(film: Film) -> np.ndarray:
    """(2,) width and height, px."""
    return np.array(read_film(film.image_path).shape[::-1], dtype=np.float64)


if __name__ == "__main__":
    sys.exit(main())
