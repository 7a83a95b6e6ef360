"""Predictions against the truth: the one set of figures that training prints each epoch and evaluate prints at the end.

The headline is over points that experts placed; points that readers placed have their own line. A mean is over
points, not over films. Millimetres are None where no film has a pixel size.
"""

from dataclasses import dataclass, fields

import numpy as np

from calibration import coverage, quarter_ratio, reliability, within
from config import SYMBOLS, Config
from films import Film, distance_px
from geometry import pixels_to_mm
from inference import Prediction
from metrics import bootstrap_interval, majority_figures, mean_and_deviation, radial_error, stage_figures, success_rates

SN_LENGTH_MM = 71.0  # from sella to nasion in the mean adult; CephTrace's evaluator (arXiv 2605.03358) scales by it too


@dataclass(frozen=True, eq=False)
class LandmarkErrors:
    """Radial errors of N films, (N, 29) each, NaN where the truth or the prediction is missing."""

    px: np.ndarray  # original film pixels
    mm: np.ndarray  # NaN for films without a pixel size
    sn_mm: np.ndarray  # mm if S-N were `SN_LENGTH_MM` on each film; about half of Aariz's pixel sizes cannot be true
    px256: np.ndarray  # pixels of the film stretched to 256x256, the development log's unit
    by_reader: np.ndarray  # bool
    unsure: np.ndarray  # bool, whoever placed the point doubted it

    def of_films(self, rows: np.ndarray) -> "LandmarkErrors":
        """The errors of some films, (N,) bool."""
        return LandmarkErrors(*(getattr(self, field.name)[rows] for field in fields(self)))

    def of_experts(self, errors: np.ndarray) -> np.ndarray:
        """(N, 29) errors without those against readers' points."""
        return np.where(self.by_reader, np.nan, errors)

    def of_readers(self, errors: np.ndarray) -> np.ndarray:
        """(N, 29) errors against readers' points alone."""
        return np.where(self.by_reader, errors, np.nan)

    def of_sure_readers(self, errors: np.ndarray) -> np.ndarray:
        """(N, 29) errors against those readers' points that they did not mark as unsure."""
        return np.where(self.by_reader & ~self.unsure, errors, np.nan)


def measure_errors(films: list[Film], predictions: list[Prediction], truth: str = "mean") -> LandmarkErrors:
    """The errors of predictions against a kind of truth (see `Film.truth_px`)."""
    truths_px = np.array([film.truth_px(truth) for film in films])  # (N, 29, 2)
    predicted_px = np.array([prediction.landmarks_px for prediction in predictions])
    stretch = 256.0 / np.array([prediction.film_size for prediction in predictions])[:, None, :]  # (N, 1, 2)
    px, px256 = radial_error(predicted_px, truths_px), radial_error(predicted_px * stretch, truths_px * stretch)
    sella_nasion_px = np.array([distance_px(film.truth_px(truth), "S", "N") for film in films])[:, None]
    by_reader, unsure = (np.array([getattr(film, name) for film in films]) for name in ("by_reader", "unsure"))
    return LandmarkErrors(px, to_mm(px, films), px * SN_LENGTH_MM / sella_nasion_px, px256, by_reader, unsure)


def to_mm(lengths_px: np.ndarray, films: list[Film]) -> np.ndarray:
    """Lengths (N, ...) in each film's pixels to millimetres."""
    return np.array([pixels_to_mm(row, film.pixel_size_mm) for row, film in zip(lengths_px, films, strict=True)])


def score_films(films: list[Film], predictions: list[Prediction], config: Config, truth: str = "mean") -> dict:
    """All figures of a split as `evaluate.py --json` writes them, but for the names of model, weights and data."""
    return {
        "films": len(films),
        "landmarks": score_landmarks(films, predictions, config, truth) if config.finds_landmarks else None,
        "cvm": score_stages(films, predictions, config) if config.names_stage else None,
    }


def score_landmarks(films: list[Film], predictions: list[Prediction], config: Config, truth: str) -> dict | None:
    """The `landmarks` part; None when these films have no landmarks."""
    errors = measure_errors(films, predictions, truth)
    if np.isnan(errors.px).all():
        return None
    headline = summarise(errors, errors.of_experts)
    readers = None
    if errors.by_reader.any():
        readers = summarise(errors, errors.of_readers) | {"sure": summarise(errors, errors.of_sure_readers)}
    return headline | {
        "truth": truth,
        "refused": float(np.mean([not prediction.is_head for prediction in predictions])),
        "missing": int(
            np.isnan(errors.px).sum() - sum(np.isnan(film.truth_px(truth)).any(axis=1).sum() for film in films)
        ),
        "mre_mm_interval95": interval(errors),
        "per_landmark": per_landmark(errors, config),
        "per_machine": per_machine(films, errors),
        "readers": readers,
        "coverage95": score_radii(films, errors, predictions),
    }


def score_radii(films: list[Film], errors: LandmarkErrors, predictions: list[Prediction]) -> dict:
    """How often the true point lies within its 95 % radius, and how well radii rank errors; None without radii."""
    radii_px = np.array([prediction.radius95_px for prediction in predictions])
    covered = coverage(within(errors.px, radii_px))
    experts_px = errors.of_experts(errors.px)
    ranks = not np.isnan(experts_px + radii_px).all()
    return covered | {
        "quarter_ratio": quarter_ratio(experts_px, radii_px) if ranks else None,
        "reliability_mm": reliability(errors.of_experts(errors.mm), to_mm(radii_px, films)),
    }


def summarise(errors: LandmarkErrors, select) -> dict:
    """Mean errors and success rates of the points that `select` leaves."""
    mre_mm, mre_sd_mm = mean_and_deviation(select(errors.mm))
    rates = success_rates(select(errors.mm))
    return {
        "count": int((~np.isnan(select(errors.px))).sum()),
        "mre_mm": plain(mre_mm),
        "mre_sd_mm": plain(mre_sd_mm),
        "mre_px": plain(mean_and_deviation(select(errors.px))[0]),
        "mre_px256": plain(mean_and_deviation(select(errors.px256))[0]),
        "sdr": {limit: plain(rate) for limit, rate in rates.items()},
        "sn_scaled": {
            "mre_mm": plain(mean_and_deviation(select(errors.sn_mm))[0]),
            "sdr": {limit: plain(rate) for limit, rate in success_rates(select(errors.sn_mm)).items()},
        },
    }


def interval(errors: LandmarkErrors, seed: int = 0) -> list[float] | None:
    """Bootstrap interval of the headline in mm; None without millimetres."""
    experts_mm = errors.of_experts(errors.mm)
    if np.isnan(experts_mm).all():
        return None
    return list(bootstrap_interval(experts_mm, lambda films: mean_and_deviation(films)[0], seed=seed))


def per_landmark(errors: LandmarkErrors, config: Config) -> dict:
    """Figures of each landmark, experts' and readers' points together: a landmark has one kind of teacher."""
    table = {}
    for column, symbol in enumerate(SYMBOLS):
        px, mm = errors.px[:, column], errors.mm[:, column]
        if np.isnan(px).all():
            continue
        mre_mm, sd_mm = mean_and_deviation(mm)
        rates = success_rates(mm)
        table[symbol] = {
            "mre_mm": plain(mre_mm),
            "mre_px": plain(mean_and_deviation(px)[0]),
            "sd_mm": plain(sd_mm),
            "sdr": {limit: plain(rate) for limit, rate in rates.items()},
            "n": int((~np.isnan(px)).sum()),
            "taught_by": config.taught_by[config.landmarks.index(symbol)],
        }
    return table


def per_machine(films: list[Film], errors: LandmarkErrors) -> dict:
    """Headline figures of each machine."""
    machines = [film.machine or "unknown" for film in films]
    table = {}
    for machine in sorted(set(machines)):
        rows = np.array([each == machine for each in machines])
        part = errors.of_films(rows)
        if not np.isnan(part.of_experts(part.px)).all():
            table[machine] = {"films": int(rows.sum())} | summarise(part, part.of_experts)
    return table


def score_stages(films: list[Film], predictions: list[Prediction], config: Config) -> dict | None:
    """The `cvm` part, with the majority baseline of the training films; None without stages to compare."""
    pairs = [(film.stage, prediction.stage) for film, prediction in zip(films, predictions, strict=True)]
    rows = [index for index, pair in enumerate(pairs) if None not in pair]
    if not rows:
        return None
    truth = np.array([films[index].stage for index in rows])
    predicted = np.array([predictions[index].stage for index in rows])
    probabilities = np.array([predictions[index].stage_probabilities for index in rows])
    majority = majority_figures(truth, config.stage_counts)
    return {"films": len(rows)} | stage_figures(predicted, truth, probabilities) | {"majority": majority}


def selection_score(figures: dict) -> float:
    """What the best epoch is chosen by, higher is better: the headline error, kappa for a model of stages
    alone, the relative error of vertebral points.

    Raises:
        ValueError: the films have nothing to judge the model by.
    """
    landmarks, stages = figures["landmarks"], figures["cvm"]
    if figures.get("vertebrae") is not None:
        return -figures["vertebrae"]["relative"]
    if landmarks is not None:
        error = landmarks["mre_mm"] if landmarks["mre_mm"] is not None else landmarks["mre_px"]
        if error is not None:
            return -error
    if stages is not None:
        return stages["qwk"]
    raise ValueError("neither expert points nor stages to choose the best epoch by")


def plain(value: float) -> float | None:
    """A float that JSON can hold: None for NaN."""
    return None if np.isnan(value) else float(value)
