"""The log's ladder of stage classifiers at one budget, judged by a fold of train: `python -m benchmarks.cvm_ladder`.

`--dataset DIR` names cervical crops with stages. Each recipe learns from four fifths of train for the same number of
presentations and is judged once, by its last epoch, on the fifth that it has not seen: nothing is chosen by what is
reported. `--shapes FILE` adds the log's idea of #44-45, the stage from facial landmarks alone.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import train
from benchmarks.anatomies import read_shapes
from cache import FilmCache
from checkpoint import epoch_path, list_epochs
from config import UserError
from dataset import FilmDataset
from flags import DEFAULT_CACHE
from inference import load_predictor, pick_device
from metrics import majority_figures, stage_figures
from partition import split_folds
from scoring import score_stages
from twins import training_films

RECIPES = {
    "cvm_resnet18, cross-entropy": ["--model", "cvm_resnet18", "--loss", "ce"],
    "cvm_resnet18, weighted": ["--model", "cvm_resnet18", "--loss", "weighted"],
    "cvm_resnet18, focal": ["--model", "cvm_resnet18", "--loss", "focal"],
    "cvm_resnet50, cross-entropy": ["--model", "cvm_resnet50", "--loss", "ce"],
    "cvm_resnet50, weighted": ["--model", "cvm_resnet50", "--loss", "weighted"],
    "cvm_resnet50, focal": ["--model", "cvm_resnet50", "--loss", "focal"],
    "cvm_unet, cross-entropy": ["--model", "cvm_unet"],
    "cvm_mil, CORAL": ["--model", "cvm_mil"],
}
FOLDS = 5
PENALTIES = (0.01, 0.1, 1.0)  # of the shape classifier; its best is reported, which flatters it


def main(arguments: list[str] | None = None) -> int:
    """Prints the table; returns the exit status."""
    parser = argparse.ArgumentParser(description="The log's stage classifiers at one budget, on a fold of train.")
    add = parser.add_argument
    add("--dataset", type=Path, help="cervical crops with stages, in Aariz's layout")
    add("--shapes", type=Path, help="table of facial landmarks with stages (columns cvm_stage, SYMBOL_x, SYMBOL_y)")
    add("--epochs", type=int, default=8, help="passes over the training films (default: %(default)s)")
    add("--output", type=Path, default=Path("checkpoints"), help="where the runs go (default: %(default)s)")
    add("--cache", type=Path, default=Path(DEFAULT_CACHE), help="folder of prepared films (default: %(default)s)")
    add("--only", nargs="*", default=[], metavar="TEXT", help="recipes whose name holds one of these")
    add("--device", choices=("auto", "cpu", "cuda"), default="auto", help="where to compute (default: %(default)s)")
    options = parser.parse_args(arguments)
    try:
        if options.dataset is None and options.shapes is None:
            raise UserError("There is nothing to judge; add --dataset DIR, --shapes FILE or both.")
        recipes = choose_recipes(options.only)
        print("| recipe | accuracy | quadratic kappa | macro-F1 | within one stage |\n|---|---|---|---|---|")
        if options.dataset is not None:
            run_ladder(recipes, options)
        if options.shapes is not None:
            judge_shapes(options.shapes)
    except UserError as error:
        print(f"cvm_ladder: {error}", file=sys.stderr)
        return 2
    return 0


def choose_recipes(only: list[str]) -> list[str]:
    """The recipes whose name holds one of these texts; all where none is given.

    Raises:
        UserError: there is none.
    """
    chosen = [name for name in RECIPES if not only or any(text in name for text in only)]
    if not chosen:
        raise UserError(f"No recipe has a name with {' or '.join(only)}; name parts of {'; '.join(RECIPES)}.")
    return chosen


def run_ladder(recipes: list[str], options: argparse.Namespace) -> None:
    """Trains and judges each recipe."""
    judged = split_folds(training_films(options.dataset)[0], FOLDS, seed=0)[0]
    for name in recipes:
        folder = train_recipe(name, options)
        predictor = load_predictor(epoch_path(folder, list_epochs(folder)[-1]), pick_device(options.device))
        cache = FilmCache(options.cache, options.dataset, predictor.config.cached_size)
        predictions, _ = predictor.predict_films(FilmDataset(judged, predictor.config, cache))
        figures = score_stages(judged, predictions, predictor.config)
        show(name, figures)
    show("always the most frequent stage", figures["majority"])


def train_recipe(name: str, options: argparse.Namespace) -> Path:
    """Trains a recipe from the beginning, whatever run there was, and returns its folder."""
    run = "ladder_" + name.replace(", ", "_").replace("-", "")
    places = ["--dataset", options.dataset, "--output", options.output, "--cache", options.cache, "--run", run]
    budget = ["--folds", FOLDS, "--fold", 0, "--epochs", options.epochs, "--schedule", "cosine", "--patience", 0]
    # A finished run would be left alone, and what an older program trained be judged as if it were today's.
    rest = ["--no-pretrained", "--restart", "--device", options.device]
    if train.main([str(part) for part in (*RECIPES[name], *places, *budget, *rest)]) != 0:
        raise UserError(f"{name} could not be trained.")
    return options.output / run


def judge_shapes(path: Path) -> None:
    """The stage from facial landmarks alone, by a regularised logistic regression in five-fold cross-validation.

    Each film of the table is squeezed in its own way, so shapes are first brought to their mean by an affine map:
    only what no such map undoes is left to learn from.
    """
    shapes, stages = read_shapes(path)
    if stages is None:
        raise UserError(f"{path} has no column cvm_stage; name a table with stages.")
    features = affinely_aligned(shapes).reshape(len(shapes), -1)
    best = None
    for penalty in PENALTIES:
        shares = np.zeros((len(stages), 6))
        for learnt, held_out in StratifiedKFold(FOLDS, shuffle=True, random_state=0).split(features, stages):
            model = make_pipeline(StandardScaler(), LogisticRegression(C=penalty, max_iter=5000))
            model.fit(features[learnt], stages[learnt])
            shares[np.ix_(held_out, model.classes_ - 1)] = model.predict_proba(features[held_out])
        figures = stage_figures(shares.argmax(axis=1) + 1, stages, shares)
        if best is None or figures["qwk"] > best["qwk"]:
            best = figures
    show(f"facial landmarks alone, {len(stages)} anatomies", best)
    counts = tuple(int((stages == stage).sum()) for stage in range(1, 7))
    show("always their most frequent stage", majority_figures(stages, counts))


def affinely_aligned(shapes: np.ndarray) -> np.ndarray:
    """(N, K, 2) shapes, each brought to their mean by the best affine map; twice, since the mean moves."""
    mean = shapes.mean(axis=0)
    for _ in range(2):
        aligned = []
        for shape in shapes:
            ones = np.column_stack([shape, np.ones(len(shape))])
            aligned.append(ones @ np.linalg.lstsq(ones, mean, rcond=None)[0])
        mean = np.mean(aligned, axis=0)
    return np.array(aligned)


def show(name: str, figures: dict) -> None:
    """A row of the table."""
    numbers = " | ".join(f"{figures[key]:.3f}" for key in ("accuracy", "qwk", "macro_f1", "within_one"))
    print(f"| {name} | {numbers} |", flush=True)


if __name__ == "__main__":
    sys.exit(main())
