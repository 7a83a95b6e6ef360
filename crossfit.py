"""What the runs of a cross-validation say of the films that each was not trained on."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cache import FilmCache
from checkpoint import epoch_path, list_epochs, load_checkpoint
from config import Config, UserError, config_from_json
from dataset import FilmDataset
from films import Film, films_fingerprint
from inference import Prediction, Predictor, load_predictor, pick_device
from partition import split_folds
from schedule import Progress
from scoring import measure_errors
from twins import training_films

# Settings that decide what a network sees and how its answer is read: lengths in net pixels mean the same with these.
RECIPE = (
    "model", "image_size", "head_frame", "view_size", "widths", "blocks", "decoder_blocks", "heatmap_sigma",
    "decode_radius", "landmarks",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class CrossPredictions:
    """N films, each as read by the run that had not seen it."""

    films: list[Film]
    predictions: list[Prediction]
    folds: np.ndarray  # (N,) which run read it
    config: Config  # of one run; all share its recipe

    def errors_net(self) -> np.ndarray:
        """(N, 29) radial errors in network pixels, NaN where unknown."""
        errors_px = measure_errors(self.films, self.predictions).px
        rows = zip(self.predictions, errors_px, strict=True)
        return np.array([prediction.frame.length_to_net(row) for prediction, row in rows])

    def spreads_net(self) -> np.ndarray:
        """(N, 29) spreads of the heatmaps in network pixels."""
        return np.array([each.frame.length_to_net(each.spread_px) for each in self.predictions])

    def by_reader(self) -> np.ndarray:
        """(N, 29) bool, points that readers placed."""
        return np.array([film.by_reader for film in self.films])


def load_folds(dataset: Path, runs: list[Path], device: str) -> list[tuple[Predictor, list[Film]]]:
    """Each run of `train.py --folds K --fold i` with the films of train that it left out.

    Raises:
        UserError: the runs are not those of all folds of this data set, in order and by one recipe.
    """
    films, _ = training_films(dataset)
    if not 2 <= len(runs) <= len(films):
        raise UserError(f"--runs names {len(runs)} runs; name those of all folds, at least 2.")
    parts = split_folds(films, len(runs), seed=0)
    folds = [(load_fold(run, films, held_out, device), held_out) for run, held_out in zip(runs, parts, strict=True)]
    for run, (predictor, _) in zip(runs, folds, strict=True):
        check_recipe(folds[0][0].config, predictor.config, f"{runs[0]} and {run}")
    return folds


def cross_predict(folds: list[tuple[Predictor, list[Film]]], dataset: Path, cache: Path) -> CrossPredictions:
    """Reads the films of train, each by the run that left it out."""
    predictions = []
    for predictor, held_out in folds:
        prepared = FilmCache(cache, dataset, predictor.config.cached_size)
        predictions += predictor.predict_films(FilmDataset(held_out, predictor.config, prepared))[0]
    films = [film for _, held_out in folds for film in held_out]
    numbers = np.repeat(np.arange(len(folds)), [len(held_out) for _, held_out in folds])
    return CrossPredictions(films, predictions, numbers, folds[0][0].config)


def check_recipe(first: Config, second: Config, names: str) -> None:
    """Refuses two configs whose errors cannot be taken for each other's."""
    differing = [name for name in RECIPE if getattr(first, name) != getattr(second, name)]
    if differing:
        raise UserError(f"{names} differ in {', '.join(differing)}; train both by one recipe.")


def load_fold(run: Path, films: list[Film], held_out: list[Film], device: str) -> Predictor:
    """The last weights of a fold's run: its best ones were chosen by the films that are to judge it.

    Raises:
        UserError: the run is not finished, of a model without heatmaps, or not trained on just the other films.
    """
    epochs = list_epochs(run)
    if not epochs:
        raise UserError(f"{run} holds no checkpoint; train it with --folds and --fold.")
    state = load_checkpoint(epoch_path(run, epochs[-1]))
    config = config_from_json(state["config"])
    if "heatmaps" not in config.outputs:
        raise UserError(
            f"{run} is a run of {config.model}, which has no heatmaps of landmarks to learn radii from; name runs of "
            "landmarks, heatmap or unet (vertebrae have calibrate_vertebrae.py)."
        )
    if epochs[-1] < config.epochs and not Progress(**state["progress"]).should_stop(config):
        raise UserError(f"{run} has come to epoch {epochs[-1]} of {config.epochs}; let train.py finish it first.")
    predictor = load_predictor(epoch_path(run, epochs[-1]), pick_device(device))
    learnt = [film for film in films if film not in held_out]
    if predictor.facts.get("films") != films_fingerprint(learnt):
        raise UserError(
            f"{run} was not trained on the films outside its fold; name the runs of fold 0, 1, 2 ... in order."
        )
    return predictor
