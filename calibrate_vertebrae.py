"""Gives a model of the vertebrae its 95 % radii: `python calibrate_vertebrae.py --runs RUN... --weights FILE -o OUT`.

RUNs are the runs of a cross-validation (`train.py --model vertebrae --folds 3 --fold 0` to `2`): their errors on
films that did not teach them say how large errors are. FILE was trained on all films by the same recipe.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

from calibration import cross_coverage, fit_calibration
from checkpoint import BEST_NAME, load_model, save_weights
from config import VERTEBRAL_POINTS, UserError
from flags import DEFAULT_DATASET
from inference import pick_device
from memory import keep_freed_memory
from neck import label_necks
from neck_crossfit import find_unseen, load_finders, neck_errors_net
from twins import training_films


def main(arguments: list[str] | None = None) -> int:
    """Runs the command; returns its exit status."""
    parser = argparse.ArgumentParser(description="Gives a model of the vertebrae its 95 % radii.")
    add = parser.add_argument
    add("--dataset", type=Path, default=Path(DEFAULT_DATASET), help="in Aariz's layout (default: %(default)s)")
    add("--also", type=Path, action="append", default=[], metavar="DIR", help="a further data set of the runs")
    add("--runs", type=Path, nargs="+", required=True, metavar="RUN", help="folders of the folds' runs")
    add("--weights", type=Path, required=True, metavar="FILE", help="the model that gets the radii")
    add("-o", "--out", type=Path, required=True, metavar="FILE", help="weights to write, .safetensors")
    add("--device", choices=("auto", "cpu", "cuda"), default="auto", help="where to compute (default: %(default)s)")
    options = parser.parse_args(arguments)
    try:
        calibrate(options)
    except UserError as error:
        print(f"calibrate_vertebrae.py: {error}", file=sys.stderr)
        return 2
    return 0


def calibrate(options: argparse.Namespace) -> None:
    """Learns the radii and writes the weights with them.

    Raises:
        UserError: files are missing or are none of vertebrae, or every film taught all runs.
    """
    if options.out.suffix != ".safetensors":
        raise UserError(f"{options.out} must end in .safetensors.")
    roots = [options.dataset, *options.also]
    films, _ = label_necks([film for root in roots for film in training_films(root)[0]], None, roots, [], True)
    finders = load_finders([run / BEST_NAME for run in options.runs], pick_device(options.device))
    labelled = [film for film in films if film.vertebrae.known.any()]
    found = [(film, neck) for film, _, neck in find_unseen(finders, labelled)]
    if not found:
        raise UserError("Every labelled film taught all of these runs; name the runs of different folds.")
    errors_net, spreads_net = neck_errors_net(found)
    folds = np.arange(len(found)) % 5
    covered = cross_coverage(errors_net, spreads_net, folds, VERTEBRAL_POINTS)
    print(f"{len(found)} films; cross-validated, {100 * np.nanmean(covered):.1f} % of the points lie in their radius.")
    calibration = fit_calibration(errors_net, spreads_net, VERTEBRAL_POINTS)
    model, config, facts = load_model(options.weights)
    if not config.finds_vertebrae:
        raise UserError(f"{options.weights} is a model of {config.model}, not of vertebrae; name other --weights.")
    facts = facts | {"calibration": calibration.to_json()}
    save_weights(options.out, model, config, facts, half=True)
    print(f"{options.out}: {options.out.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    keep_freed_memory()
    sys.exit(main())
