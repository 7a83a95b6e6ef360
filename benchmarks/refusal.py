"""Whether a model refuses what is no lateral cephalogram: `python -m benchmarks.refusal [--dataset DIR]`.

Pictures of kinds that it was never shown are drawn, two photographs come with scikit-learn, more can be named; with a
data set it is counted how many of its films are refused by mistake.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from sklearn.datasets import load_sample_images

from config import SPLITS, UserError
from films import scan_split
from flags import DEFAULT_OUTPUT
from images import read_film, to_grey8
from inference import Predictor, default_weights, load_landmark_predictor, pick_device
from strangers import KINDS, TAUGHT, draw_stranger

SIDE_PX = 900
SEED = 7_000_000  # far from what training draws


def main(arguments: list[str] | None = None) -> int:
    """Prints the table; returns the exit status."""
    parser = argparse.ArgumentParser(description="How many strangers, and how many films, a model refuses.")
    parser.add_argument("--weights", type=Path, help="model to judge (default: as evaluate.py)")
    parser.add_argument("--each", type=int, default=50, help="pictures of each kind (default: %(default)s)")
    parser.add_argument("--pictures", type=Path, nargs="*", default=[], help="more pictures that are no cephalograms")
    parser.add_argument("--dataset", type=Path, help="films that should not be refused")
    parser.add_argument("--split", choices=SPLITS, default="test", help="which of them (default: %(default)s)")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    options = parser.parse_args(arguments)
    try:
        weights = options.weights or default_weights(Path(DEFAULT_OUTPUT))
        predictor = load_landmark_predictor(weights, pick_device(options.device))
        print(f"{weights}\n\n| pictures | shown in training | refused |\n|---|---|---|")
        for kind in KINDS:
            pictures = (draw_stranger(kind, SIDE_PX, np.random.default_rng(SEED + n)) for n in range(options.each))
            show(kind, "this kind" if kind in TAUGHT else "no", [is_refused(predictor, each) for each in pictures])
        photographs = [to_grey8(picture[..., ::-1]) for picture in load_sample_images().images]
        show("photographs of scikit-learn", "no", [is_refused(predictor, each) for each in photographs])
        if options.pictures:
            show("pictures given", "no", [is_refused(predictor, read_film(path)) for path in options.pictures])
        if options.dataset:
            films = (read_film(film.image_path) for film in scan_split(options.dataset, options.split))
            show(
                f"films of {options.dataset.name}/{options.split}", "-", [is_refused(predictor, film) for film in films]
            )
    except UserError as error:
        print(f"refusal: {error}", file=sys.stderr)
        return 2
    return 0


def is_refused(predictor: Predictor, picture: np.ndarray) -> bool:
    """Whether no point is placed on a picture."""
    return not predictor.predict_known(picture).is_head  # `predict` would look for a neck on it, too


def show(name: str, taught: str, refused: list[bool]) -> None:
    """A row of the table."""
    print(f"| {name} | {taught} | {sum(refused)} of {len(refused)} |", flush=True)


if __name__ == "__main__":
    sys.exit(main())
