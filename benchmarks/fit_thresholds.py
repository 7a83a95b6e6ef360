"""Fits the rules' thresholds to training crops: `python -m benchmarks.fit_thresholds --dataset DIR --weights FILE...`.

Reads the vertebrae of each training crop with a stage, by a model that its labels did not teach where there is one
among the weights, undoes the stretch as a reader does, and prints the `vertebrae_geometry.Thresholds` under which the
published rules agree best with the stages, with what a cross-validation says of them.
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from sklearn.metrics import balanced_accuracy_score, cohen_kappa_score
from sklearn.model_selection import StratifiedKFold

from cervical import crop_stretch
from config import STAGE_COUNT, UserError
from inference import pick_device
from metrics import stage_figures
from neck import labels_folder, with_vertebrae
from neck_crossfit import find_unseen, load_finders
from stage_input import measures_of
from twins import training_films
from vertebrae_geometry import BODIES, BORDERS, MEASURES, Thresholds, shape_index

CONCAVE = np.arange(0.02, 0.161, 0.005)
HEIGHTS = np.arange(0.60, 1.101, 0.01)
TAPERS = np.arange(0.60, 1.001, 0.01)
# Where every search begins: the middle of what is tried, or thirds of it. The reader's own thresholds were fitted to
# all training crops, so a fold that began at them would know something of the crops that it is judged by.
START = Thresholds((0.09, 0.09, 0.09), trapezoid=0.80, square=0.77, vertical=0.93)
ROUNDS = 3  # through all thresholds, one after the other
FOLDS = 5
COLUMN = {name: index for index, name in enumerate(MEASURES)}


def main(arguments: list[str] | None = None) -> int:
    """Prints the thresholds; returns the exit status."""
    parser = argparse.ArgumentParser(description="Fits the rules' thresholds to training crops with stages.")
    parser.add_argument("--dataset", type=Path, required=True, help="cervical crops with stages, in Aariz's layout")
    parser.add_argument("--weights", type=Path, nargs="+", required=True, help="models of the vertebrae, also of folds")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="(default: %(default)s)")
    options = parser.parse_args(arguments)
    try:
        measures, stages = read_measures(options.dataset, options.weights, pick_device(options.device))
    except UserError as error:
        print(f"fit_thresholds: {error}", file=sys.stderr)
        return 2
    fitted = fit_thresholds(measures, stages)
    print(f"{len(stages)} crops of train with C2 to C4 seen: {fitted}")
    show("as they are now", rule_stages(measures, Thresholds()), stages)
    show("fitted, on the same crops", rule_stages(measures, fitted), stages)
    show(f"fitted, {FOLDS}-fold cross-validated", cross_validated(measures, stages), stages)
    return 0


def read_measures(root: Path, weights: list[Path], device) -> tuple[np.ndarray, np.ndarray]:
    """Measures (N, M) and stages 1-6 (N,) of the training crops on which all 13 points are seen."""
    films = with_vertebrae(training_films(root)[0], labels_folder(root, "train"))
    found = find_unseen(load_finders(weights, device), [film for film in films if film.stage is not None])
    rows, stages = [], []
    for film, picture, neck in found:
        if neck.is_seen and not np.isnan(neck.points_px).any():
            rows.append(measures_of(neck.points_px, crop_stretch(picture, neck)))
            stages.append(film.stage)
    if len(set(stages)) < STAGE_COUNT:
        raise UserError(f"{root} has no training crops of all stages to fit to; name another data set.")
    return np.array(rows), np.array(stages)


def rule_stages(measures: np.ndarray, limits: Thresholds) -> np.ndarray:
    """(N, M) to the rules' stages (N,), as `vertebrae_geometry.stage_by_rule` names them."""
    hollow = [measures[:, COLUMN[f"concavity_{body}"]] >= limits.concave[k] for k, body in enumerate(BORDERS)]
    count = np.sum(hollow, axis=0)
    shapes = [
        shape_index(measures[:, COLUMN[f"height_{body}"]], measures[:, COLUMN[f"front_to_back_{body}"]], limits)
        for body in BODIES
    ]
    return np.where(count < len(BORDERS), 1 + count, np.maximum(3 + np.max(shapes, axis=0), 4))


def fit_thresholds(measures: np.ndarray, stages: np.ndarray) -> Thresholds:
    """The thresholds of the best quadratic kappa, each looked for in turn; that of the trapezoid, on which no stage of
    the rules depends, is where it best parts stages 1 and 2, whose bodies are trapezoids, from 4, whose are not.
    """
    limits = START
    for _ in range(ROUNDS):
        for k in range(len(BORDERS)):
            tried = [limits.concave[:k] + (float(value),) + limits.concave[k + 1 :] for value in CONCAVE]
            limits = best_of([replace(limits, concave=values) for values in tried], measures, stages)
        limits = best_of(
            [replace(limits, square=float(value)) for value in HEIGHTS if value < limits.vertical], measures, stages
        )
        limits = best_of(
            [replace(limits, vertical=float(value)) for value in HEIGHTS if value > limits.square], measures, stages
        )
    return rounded(replace(limits, trapezoid=fit_trapezoid(measures, stages)))


def best_of(candidates: list[Thresholds], measures: np.ndarray, stages: np.ndarray) -> Thresholds:
    """The middle one of those with the best kappa: it lies furthest from where it would be worse."""
    kappas = [
        cohen_kappa_score(stages, rule_stages(measures, limits), weights="quadratic", labels=range(1, 7))
        for limits in candidates
    ]
    best = np.flatnonzero(np.array(kappas) >= max(kappas) - 1e-9)
    return candidates[int(best[len(best) // 2])]


def fit_trapezoid(measures: np.ndarray, stages: np.ndarray) -> float:
    """The front over back height, meant over C3 and C4, that parts stages 1 and 2 from stage 4 best."""
    taper = measures[:, [COLUMN[f"front_to_back_{body}"] for body in BODIES]].mean(axis=1)
    chosen = np.isin(stages, (1, 2, 4))
    scores = [balanced_accuracy_score(stages[chosen] == 4, taper[chosen] >= value) for value in TAPERS]
    return float(TAPERS[int(np.argmax(scores))])


def rounded(limits: Thresholds) -> Thresholds:
    """To three decimals."""
    numbers = {name: round(getattr(limits, name), 3) for name in ("trapezoid", "square", "vertical")}
    return Thresholds(tuple(round(value, 3) for value in limits.concave), **numbers)


def cross_validated(measures: np.ndarray, stages: np.ndarray) -> np.ndarray:
    """The rules' stages (N,) with thresholds fitted to the other folds."""
    named = np.zeros(len(stages), dtype=int)
    for learnt, held_out in StratifiedKFold(FOLDS, shuffle=True, random_state=0).split(measures, stages):
        named[held_out] = rule_stages(measures[held_out], fit_thresholds(measures[learnt], stages[learnt]))
    return named


def show(title: str, named: np.ndarray, stages: np.ndarray) -> None:
    """A line of figures."""
    figures = stage_figures(named, stages, np.eye(STAGE_COUNT)[named - 1])
    numbers = ", ".join(f"{name} {figures[name]:.3f}" for name in ("accuracy", "qwk", "macro_f1", "within_one"))
    print(f"  {title}: {numbers}")


if __name__ == "__main__":
    sys.exit(main())
