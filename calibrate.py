"""Gives weights their 95 % radii: `python calibrate.py --dataset DIR --runs RUN0 RUN1 RUN2 --weights FILE -o
OUT.safetensors`.

RUN0 to RUN2 are runs of `train.py --folds 3 --fold 0` to `--fold 2`: what each says of the films it was not trained
on teaches how large errors are. FILE is the model to share, as a rule trained on all films by the same recipe.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

from cache import FilmCache
from calibration import coverage, cross_coverage, fit_calibration, quarter_ratio
from checkpoint import epoch_path, list_epochs, load_model, save_weights
from config import DEFAULT_CACHE, DEFAULT_DATASET, UserError
from dataset import FilmDataset
from films import Film, films_fingerprint, training_films
from inference import Predictor, load_predictor, pick_device
from partition import split_folds
from scoring import measure_errors


def make_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        description="Learns 95 % radii from the runs of a cross-validation and puts them into weights."
    )
    parser.add_argument(
        "--dataset", type=Path, default=Path(DEFAULT_DATASET), help="the data set of the runs (default: %(default)s)"
    )
    parser.add_argument(
        "--runs", type=Path, nargs="+", required=True, metavar="RUN", help="folders of fold 0, 1, 2 ... in order"
    )
    parser.add_argument("--weights", type=Path, required=True, metavar="FILE", help="the model that gets the radii")
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="FILE", help="weights to write, .safetensors")
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
        if options.out.suffix != ".safetensors":
            raise UserError(f"{options.out} must end in .safetensors.")
        calibrate(options)
    except UserError as error:
        print(f"calibrate.py: {error}", file=sys.stderr)
        return 2
    return 0


def calibrate(options: argparse.Namespace) -> None:
    """Learns from the runs and writes the weights.

    Raises:
        UserError: the runs are not the folds of this data set, or the weights find other landmarks.
    """
    films, _ = training_films(options.dataset)
    count = len(options.runs)
    if not 2 <= count <= len(films):
        raise UserError(f"--runs names {count} runs; name those of all folds, at least 2.")
    model, config, facts = load_model(options.weights)
    errors_net, spreads_net, folds = [], [], []
    for number, (run, held_out) in enumerate(zip(options.runs, split_folds(films, count, seed=0), strict=True)):
        predictor = load_fold(run, films, held_out, options.device)
        if predictor.config.landmarks != config.landmarks:
            raise UserError(f"{run} finds other landmarks than {options.weights}; train both by one recipe.")
        errors, spreads = held_out_errors(
            predictor, held_out, FilmCache(options.cache, options.dataset, config.cached_size)
        )
        errors_net.append(errors)
        spreads_net.append(spreads)
        folds += [number] * len(held_out)
    errors_net, spreads_net = np.concatenate(errors_net), np.concatenate(spreads_net)
    show_coverage(errors_net, spreads_net, np.array(folds))
    facts = facts | {"calibration": fit_calibration(errors_net, spreads_net).to_json()}
    save_weights(options.out, model, config, facts, half=not options.full)
    print(f"{options.out}: {options.out.stat().st_size / 1e6:.1f} MB")


def load_fold(run: Path, films: list[Film], held_out: list[Film], device: str) -> Predictor:
    """The last weights of a fold's run: its best ones were chosen by the films that are to judge it.

    Raises:
        UserError: the run is not finished, or was not trained on just the other films.
    """
    epochs = list_epochs(run)
    if not epochs:
        raise UserError(f"{run} holds no checkpoint; train it with --folds and --fold.")
    predictor = load_predictor(epoch_path(run, epochs[-1]), pick_device(device))
    learnt = [film for film in films if film not in held_out]
    if predictor.facts.get("films") != films_fingerprint(learnt):
        raise UserError(
            f"{run} was not trained on the films outside its fold; name the runs of fold 0, 1, 2 ... in order."
        )
    return predictor


def held_out_errors(predictor: Predictor, films: list[Film], cache: FilmCache) -> tuple[np.ndarray, np.ndarray]:
    """Errors and spreads (N, 29) of films in network pixels."""
    predictions, _ = predictor.predict_films(FilmDataset(films, predictor.config, cache))
    errors_px = measure_errors(films, predictions).px
    errors_net = [each.frame.length_to_net(row) for each, row in zip(predictions, errors_px, strict=True)]
    spreads_net = [each.frame.length_to_net(each.spread_px) for each in predictions]
    return np.array(errors_net), np.array(spreads_net)


def show_coverage(errors_net: np.ndarray, spreads_net: np.ndarray, folds: np.ndarray) -> None:
    """Prints how radii learnt from the other folds fare on each fold."""
    shares = coverage(cross_coverage(errors_net, spreads_net, folds))
    radii_net = fit_calibration(errors_net, spreads_net).radii_net(spreads_net)
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


if __name__ == "__main__":
    sys.exit(main())
