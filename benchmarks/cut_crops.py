"""Whether a neck is found where little of C2 is left: `python -m benchmarks.cut_crops --dataset ROI --weights FOLDS`.

Labelled training crops are cut at the top, as a detector's box may cut them, and read by a model of a fold that their
labels did not teach: with black beyond the picture, and with the picture going on beyond its borders where it is cut.
A crop is left out where the cut takes a point of C2. Error and slips are of necks that were found, as in evaluate.py.
"""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from config import UserError
from films import Film
from flags import DEFAULT_ROI_DATASET
from images import read_film
from inference import pick_device
from neck import POINT_INDEX, label_necks
from neck_crossfit import load_finders, unbiased_finder
from neck_scoring import score_necks
from twins import training_films
from vertebra_finder import VertebraFinder

SHARES = (0.0, 0.2, 0.25, 0.3, 0.35)
WAYS = {"black": False, "the surer of both": True}
LEAST_LEFT = 0.02  # of a crop's height, above C2's lower border


def main(arguments: list[str] | None = None) -> int:
    """Prints the table; returns the exit status."""
    parser = argparse.ArgumentParser(description="Crops of the neck cut at the top, read by models of folds.")
    parser.add_argument(
        "--dataset", type=Path, default=Path(DEFAULT_ROI_DATASET), help="cervical crops (default: %(default)s)"
    )
    parser.add_argument("--weights", type=Path, nargs="+", required=True, help="the models of a cross-validation")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    options = parser.parse_args(arguments)
    try:
        unseen = unseen_crops(options.dataset, load_finders(options.weights, pick_device(options.device)))
    except UserError as error:
        print(f"cut_crops: {error}", file=sys.stderr)
        return 2
    print("| cut off | beyond the crop | crops | error, of C3 to C4 | slipped | refused |\n|---|---|---|---|---|---|")
    for share in SHARES:
        crops = [(film, picture, finder) for film, finder in unseen for film, picture in cut_top(film, share)]
        for way, goes_on in WAYS.items():
            print(f"| {100 * share:.0f} % | {way} | {describe(crops, goes_on)} |", flush=True)
    return 0


def unseen_crops(root: Path, finders: list[VertebraFinder]) -> list[tuple[Film, VertebraFinder]]:
    """The training crops with points, each with a model that these did not teach.

    Raises:
        UserError: there are none, or a file cannot be used.
    """
    films, _ = label_necks(training_films(root)[0], None, [root], [], True)
    pairs = [(film, unbiased_finder(finders, film)) for film in films if film.vertebrae.known.any()]
    unseen = [(film, finder) for film, finder in pairs if finder is not None]
    if not unseen:
        raise UserError(f"{root} has no crops with points that did not teach these weights; name models of folds.")
    return unseen


def cut_top(film: Film, share: float) -> Iterator[tuple[Film, np.ndarray]]:
    """A crop without its upper `share` and its labels there; nothing where C2's lower border would go with it."""
    picture = read_film(film.image_path)
    height = round(share * picture.shape[0])
    points_px = film.vertebrae.points_px - [0.0, height]
    border = points_px[[POINT_INDEX[name] for name in ("C2p", "C2m", "C2a")], 1]
    if np.nanmin(border) >= LEAST_LEFT * picture.shape[0]:
        yield replace(film, vertebrae=replace(film.vertebrae, points_px=points_px)), picture[height:].copy()


def describe(crops: list[tuple], goes_on: bool) -> str:
    """Crops, and of what was found on them the error, the slips and the refusals, as cells of a table."""
    if not crops:
        return "0 | - | - | -"
    necks = []
    for _, picture, finder in crops:
        finder.goes_on = goes_on
        neck = finder.find(picture)
        necks.append(neck if neck.is_seen else None)
    figures = score_necks([film for film, _, _ in crops], necks)
    error = "-" if figures["relative"] is None else f"{figures['relative']:.3f}"
    return f"{figures['films']} | {error} | {figures['slipped']} | {figures['missed']}"


if __name__ == "__main__":
    sys.exit(main())
