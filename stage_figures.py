"""The figures of a cvm run's cross-validation inside train, and the temperature that calibrates its probabilities.

The temperature of the weights is fitted to all held-out answers. Its own figures must not be: calibration error and log
loss of a crop are those of a probability whose temperature was fitted to the crops of the other parts, so that no
crop's stage has a say in its own. (The members behind those other answers may have learnt from the crop; one number
fitted to hundreds of answers carries nothing of it.) Accuracy and kappa do not depend on a temperature.
"""

import numpy as np

from config import Config
from metrics import majority_figures, stage_figures, stage_intervals

LOWEST, HIGHEST = 1e-3, 1e3  # temperatures; the bounds are reached only if all answers are right, or say nothing
HALVINGS = 60  # of that range: the temperature is then exact to the last digit
SMALLEST_SHARE = 1e-6  # as in `StageNet.forward`


def fit_temperature(shares: np.ndarray, stages: np.ndarray) -> float:
    """The temperature under which answers (N, 6) are likeliest for stages (N,) 0-5 (Guo et al., ICML 2017).

    The loss is convex in 1 / temperature, with the slope `slope_at`: its one zero is found by halving the range of
    the logarithm.
    """
    logs = np.log(np.maximum(shares, SMALLEST_SHARE))
    low, high = np.log(LOWEST), np.log(HIGHEST)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        if slope_at(logs, stages, np.exp(-middle)) > 0:  # sharper than it should be
            low = middle
        else:
            high = middle
    return float(np.exp((low + high) / 2))


def slope_at(logs: np.ndarray, stages: np.ndarray, sharpness: float) -> float:
    """The slope of the mean log loss by the sharpness, 1 / temperature, for log shares (N, 6): what the answers expect
    of their log share, less what the true stages have.
    """
    expected = (powered(logs, sharpness) * logs).sum(axis=1)
    return float((expected - logs[np.arange(len(stages)), stages]).mean())


def powered(logs: np.ndarray, sharpness: float) -> np.ndarray:
    """(N, 6) log shares to probabilities."""
    scaled = logs * sharpness
    scaled = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    return scaled / scaled.sum(axis=1, keepdims=True)


def calibrated(shares: np.ndarray, temperature: float) -> np.ndarray:
    """(N, 6) probabilities sharpened or softened."""
    return powered(np.log(np.maximum(shares, SMALLEST_SHARE)), 1.0 / temperature)


def cross_calibrated(shares: np.ndarray, stages: np.ndarray, parts: np.ndarray) -> np.ndarray:
    """(N, 6) probabilities, each by the temperature fitted to the crops of the other parts (N,)."""
    probabilities = np.empty_like(shares)
    for part in np.unique(parts):
        inside = parts == part
        probabilities[inside] = calibrated(shares[inside], fit_temperature(shares[~inside], stages[~inside]))
    return probabilities


def cross_figures(
    answers: dict[str, np.ndarray], parts: np.ndarray, stages: np.ndarray, taught: np.ndarray, config: Config
) -> dict:
    """All figures of a cross-validation, of calibrated probabilities.

    Args:
        answers: (rounds, N, 6) what members that had not seen a crop say of it, by judgement; `both` together.
        parts: (rounds, N) in which part each repetition held a crop out. The mean of the repetitions is calibrated by
            the parts of the first.
        stages: (N,) 0-5.
        taught: (N,) bool, crops whose points taught the model of the vertebrae that describes all of them.
    """
    rounds = zip(answers["both"], parts, strict=True)
    each = [headline(cross_calibrated(shares, stages, held_out), stages) for shares, held_out in rounds]
    means = {name: cross_calibrated(shares.mean(axis=0), stages, parts[0]) for name, shares in answers.items()}
    together, truth = means["both"], stages + 1
    named = together.argmax(axis=1) + 1
    whole = stage_figures(named, truth, together) | {"log_loss": log_loss(together, stages)}
    untaught = {"films": int((~taught).sum())}
    if not taught.all():
        untaught |= headline(together[~taught], stages[~taught])
    return {
        "films": len(truth),
        "repetitions": each,
        "mean": {name: float(np.mean([figures[name] for figures in each])) for name in each[0]},
        "together": whole | {"interval95": stage_intervals(named, truth)},
        "temperature": fit_temperature(answers["both"].mean(axis=0), stages),
        "majority": majority_figures(truth, config.stage_counts),
        "judgements": {name: headline(shares, stages) for name, shares in means.items()},
        "untaught": untaught,
    }


def headline(shares: np.ndarray, stages: np.ndarray) -> dict:
    """The figures of probabilities (N, 6) against stages (N,) 0-5 that are plain numbers."""
    figures = stage_figures(shares.argmax(axis=1) + 1, stages + 1, shares)
    numbers = {name: figures[name] for name in ("accuracy", "macro_f1", "qwk", "mae", "within_one", "ece")}
    return numbers | {"log_loss": log_loss(shares, stages)}


def log_loss(shares: np.ndarray, stages: np.ndarray) -> float:
    """The mean of minus the logarithm of the true stage's probability, natural."""
    return float(-np.log(np.maximum(shares[np.arange(len(stages)), stages], SMALLEST_SHARE)).mean())


def describe_cross(figures: dict) -> str:
    """The cross-validation in a few lines."""
    names = ("accuracy", "qwk", "macro_f1", "within_one", "ece", "log_loss")
    shown = "accuracy / kappa / macro-F1 / within one stage / calibration error / log loss"
    lines = [f"Cross-validated on {figures['films']} films, {shown}:"]
    rows = [("mean of the repetitions", figures["mean"]), ("their members together", figures["together"])]
    rows += [(f"  of these by {name} alone", row) for name, row in figures["judgements"].items() if name != "both"]
    untaught = figures["untaught"]
    if 0 < untaught["films"] < figures["films"]:
        title = f"  of these the {untaught['films']} films whose points did not teach the vertebrae weights"
        rows.append((title, untaught))
    for title, row in rows:
        lines.append(f"  {title}: {' / '.join(f'{row[name]:.3f}' for name in names)}")
    majority = " / ".join(f"{figures['majority'][name]:.3f}" for name in names[:4])
    lines.append(f"  always the most frequent stage: {majority}")
    spans = ", ".join(f"{name} {low:.3f}-{high:.3f}" for name, (low, high) in figures["together"]["interval95"].items())
    lines.append(f"  95 % intervals of the members together: {spans}")
    lines.append(f"  calibrated by the other parts; the temperature of the weights is {figures['temperature']:.3f}")
    return "\n".join(lines)
