"""What a cross-validation teaches beyond its figures: 95 % radii and intervals for weights, and second opinions for
training.

`python calibrate.py --dataset DIR --runs RUN0 RUN1 RUN2 --weights FILE -o OUT.safetensors`, where RUN0 to RUN2 are
runs of `train.py --folds 3 --fold 0` to `--fold 2`: what each says of the films it was not trained on tells how large
errors are. FILE is the model to share, as a rule trained on all films by the same recipe. `--opinions OUT.json` writes
what the runs say of those films, for `train.py --opinions`.
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from calibration import Calibration, coverage, cross_coverage, fit_calibration, quarter_ratio
from checkpoint import load_model, save_weights
from config import UserError
from crossfit import CrossPredictions, check_recipe, cross_predict, load_folds
from flags import DEFAULT_CACHE, DEFAULT_DATASET
from intervals import describe_intervals, fit_factors, interval_scores
from memory import keep_freed_memory
from opinions import write_opinions
from report import describe_figures
from scoring import score_films


def make_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        description="Learns 95 % radii, and second opinions, from the runs of a cross-validation."
    )
    parser.add_argument(
        "--dataset", type=Path, default=Path(DEFAULT_DATASET), help="the data set of the runs (default: %(default)s)"
    )
    parser.add_argument(
        "--runs", type=Path, nargs="+", required=True, metavar="RUN", help="folders of fold 0, 1, 2 ... in order"
    )
    parser.add_argument("--weights", type=Path, metavar="FILE", help="the model that gets the radii")
    parser.add_argument("-o", "--out", type=Path, metavar="FILE", help="weights to write, .safetensors")
    parser.add_argument(
        "--opinions", type=Path, metavar="FILE", help="second opinions to write, .json, for `train.py --opinions`"
    )
    parser.add_argument("--full", action="store_true", help="keep 32 bits (default: 16, half the size)")
    parser.add_argument(
        "--cache", type=Path, default=Path(DEFAULT_CACHE), help="folder of prepared films (default: %(default)s)"
    )
    parser.add_argument(
        "--device", choices=("auto", "cpu", "cuda"), default="auto", help="where to compute (default: %(default)s)"
    )
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Runs the command; returns its exit status."""
    options = make_parser().parse_args(arguments)
    try:
        check_options(options)
        calibrate(options)
    except UserError as error:
        print(f"calibrate.py: {error}", file=sys.stderr)
        return 2
    return 0


def check_options(options: argparse.Namespace) -> None:
    """Refuses a command that would write nothing, or something else than asked."""
    if (options.weights is None) != (options.out is None) or (options.out is None and options.opinions is None):
        raise UserError("Give --weights with -o, or --opinions, or all three.")
    if options.out is not None and options.out.suffix != ".safetensors":
        raise UserError(f"{options.out} must end in .safetensors.")


def calibrate(options: argparse.Namespace) -> None:
    """Learns from the runs and writes what was asked for.

    Raises:
        UserError: the runs are not the folds of this data set, or the weights find other landmarks.
    """
    folds = load_folds(options.dataset, options.runs, options.device)
    if options.weights is not None:
        model, config, facts = load_model(options.weights)
        check_recipe(folds[0][0].config, config, f"{options.runs[0]} and {options.weights}")
    crossed = cross_predict(folds, options.dataset, options.cache)
    errors_net, spreads_net = crossed.errors_net(), crossed.spreads_net()
    figures = score_films(crossed.films, crossed.predictions, crossed.config)
    print("Cross-validated, each film by the run that had not seen it:\n" + describe_figures(figures) + "\n")
    calibration = fit_calibration(errors_net, spreads_net)
    show_coverage(crossed, errors_net, spreads_net, calibration)
    points_px, radius95_px = opinions_of(crossed, calibration)
    scores = interval_scores(points_px, radius95_px, np.array([film.truth_px() for film in crossed.films]))
    sizes_mm = [film.pixel_size_mm for film in crossed.films]
    if not np.isnan(scores).all():
        print(describe_intervals(points_px, radius95_px, sizes_mm, scores, crossed.folds))
    calibration = replace(calibration, intervals=fit_factors(scores))
    if options.opinions is not None:
        write_opinions(options.opinions, crossed.films, points_px, radius95_px)
        print(f"{options.opinions}: second opinions on {len(crossed.films)} films")
    if options.weights is not None:
        facts = facts | {"calibration": calibration.to_json()}
        save_weights(options.out, model, config, facts, half=not options.full)
        print(f"{options.out}: {options.out.stat().st_size / 1e6:.1f} MB")


def opinions_of(crossed: CrossPredictions, calibration: Calibration) -> tuple[np.ndarray, np.ndarray]:
    """What the runs say: points (N, 29, 2) and 95 % radii (N, 29), film px."""
    rows = zip(crossed.predictions, calibration.radii_net(crossed.spreads_net()), strict=True)
    radius95_px = np.array([prediction.frame.length_to_px(radii_net) for prediction, radii_net in rows])
    return np.array([prediction.landmarks_px for prediction in crossed.predictions]), radius95_px


def show_coverage(
    crossed: CrossPredictions, errors_net: np.ndarray, spreads_net: np.ndarray, calibration: Calibration
) -> None:
    """Prints how radii learnt from the other folds fare on each fold, and, where readers placed points, too, on those
    of the experts alone: readers' points are harder and make radii look better at ranking.
    """
    covered = cross_coverage(errors_net, spreads_net, crossed.folds)
    radii_net = calibration.radii_net(spreads_net)
    shares = coverage(covered)
    print(
        f"{len(errors_net)} films, cross-validated: {100 * shares['pooled']:.1f} % of the points lie within "
        "their radius."
    )
    for symbol, share in sorted(shares["per_landmark"].items(), key=lambda item: item[1])[:5]:
        print(f"  {symbol:5} {100 * share:.1f} %")
    print(
        f"The quarter with the largest radii has {quarter_ratio(errors_net, radii_net):.2f} times the error of "
        "the one with the smallest."
    )
    known, by_reader = ~np.isnan(covered), crossed.by_reader()
    of_experts = known & ~by_reader
    if of_experts.any() and (known & by_reader).any():
        ratio = quarter_ratio(errors_net[of_experts], radii_net[of_experts])
        print(f"Of experts' points alone {100 * covered[of_experts].mean():.1f} % lie within it; {ratio:.2f} times.")


if __name__ == "__main__":
    keep_freed_memory()
    sys.exit(main())
