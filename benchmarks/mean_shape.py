"""The floor of the landmark ladder: every film is given the mean place of each landmark in the training films.

`python -m benchmarks.mean_shape --dataset DIR [--split test]`. A model that does not beat it has learnt nothing of the film.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

from config import SPLITS, UserError
from films import scan_split
from images import read_film
from metrics import mean_and_deviation, radial_error, success_rates


def main(arguments: list[str] | None = None) -> int:
    """Prints the figures; returns the exit status."""
    parser = argparse.ArgumentParser(description="Error of the training films' mean shape.")
    parser.add_argument("--dataset", type=Path, required=True, help="data set with train")
    parser.add_argument("--split", choices=SPLITS, default="test", help="films to judge on (default: %(default)s)")
    options = parser.parse_args(arguments)
    try:
        shares, judged = ([(film, film_size(film)) for film in scan_split(options.dataset, split)] for split in ("train", options.split))
    except UserError as error:
        print(f"mean_shape: {error}", file=sys.stderr)
        return 2
    mean_share = np.nanmean([film.truth_px() / size for film, size in shares], axis=0)  # (29, 2) of width and height
    errors_mm = np.array([
        np.where(film.by_reader, np.nan, radial_error(mean_share * size, film.truth_px())) * (film.pixel_size_mm or np.nan)
        for film, size in judged
    ])  # fmt: skip
    mean_mm, deviation_mm = mean_and_deviation(errors_mm)
    rates = "/".join(f"{rate:.2f}" for rate in success_rates(errors_mm).values())
    print(f"mean shape on {options.split}: MRE {mean_mm:.3f} +- {deviation_mm:.3f} mm, SDR {rates} %")
    return 0


def film_size(film) -> np.ndarray:
    """(2,) width and height, px."""
    return np.array(read_film(film.image_path).shape[::-1], dtype=np.float64)


if __name__ == "__main__":
    sys.exit(main())
