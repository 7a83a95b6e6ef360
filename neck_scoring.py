"""Vertebral points against the truth: the `vertebrae` part of evaluate.py's figures.

A slip is a neck whose points lie on the neighbouring vertebrae: nothing worse can happen to the stage, and a mean
hides it.
"""

import numpy as np
from tqdm import tqdm

from calibration import within
from cervical import Cervical, CervicalReader
from config import STAGE_COUNT, VERTEBRAL_POINTS
from films import Film
from images import read_film
from metrics import (
    bootstrap_interval,
    majority_figures,
    mean_and_deviation,
    radial_error,
    stage_figures,
    stage_intervals,
    success_rate,
)
from neck import POINT_INDEX, body_spacing
from scoring import plain
from vertebra_finder import Neck, VertebraFinder

LIMITS_MM = (1.0, 1.5, 2.0, 2.5)
SLIP = 0.5  # of the distance from C3 to C4


def read_necks(
    reader: CervicalReader, films: list[Film], landmarks_px: list[np.ndarray] | None = None
) -> list[Cervical | None]:
    """The necks of films as read; `landmarks_px` are (29, 2) of each whole film, where they are known."""
    hints = landmarks_px or [None] * len(films)
    rows = tqdm(list(zip(films, hints, strict=True)), desc="Reading necks", unit="film", disable=None, leave=False)
    return [reader.read(read_film(film.image_path), hint)[0] for film, hint in rows]


def score_cervical(
    films: list[Film], readings: list[Cervical | None], stage_counts: tuple[int, ...], seed: int = 0
) -> dict:
    """The `vertebrae` and `cvm` parts of evaluate.py's figures, each None where the films have no such labels; the
    intervals are drawn with `seed`.
    """
    necks = [None if reading is None else reading.neck for reading in readings]
    return {
        "vertebrae": score_necks(films, necks, seed),
        "cvm": score_named_stages(films, readings, stage_counts, seed),
    }


def score_named_stages(
    films: list[Film], readings: list[Cervical | None], stage_counts: tuple[int, ...], seed: int = 0
) -> dict | None:
    """Figures of the learnt stage and of the rules' beside it, over the films where the neck was found; None where
    no stage is named or known.
    """
    labelled = [index for index, film in enumerate(films) if film.stage is not None]
    rows = [index for index in labelled if readings[index] is not None and readings[index].stage is not None]
    if not rows:
        return None
    truth = np.array([films[index].stage for index in rows])
    probabilities = np.array([readings[index].probabilities for index in rows])
    named = probabilities.argmax(axis=1) + 1
    rules = np.array([readings[index].geometry.rule or 0 for index in rows])
    in_pair = [films[index].stage in readings[index].stages for index in rows]
    ruled = stage_figures(rules[rules > 0], truth[rules > 0], one_hot(rules[rules > 0])) if rules.any() else None
    return (
        {"films": len(rows), "unread": len(labelled) - len(rows)}
        | stage_figures(named, truth, probabilities)
        | {
            "interval95": stage_intervals(named, truth, seed),
            "pair_holds": float(np.mean(in_pair)),
            "single": float(np.mean([len(readings[index].stages) == 1 for index in rows])),
            "rule": ruled,
            "majority": majority_figures(truth, stage_counts),
        }
    )


def one_hot(stages: np.ndarray) -> np.ndarray:
    """(N,) stages 1-6 to (N, 6) certain probabilities."""
    return np.eye(STAGE_COUNT)[stages - 1]


def find_necks(finder: VertebraFinder, films: list[Film]) -> list[Neck | None]:
    """The necks on films, without any help by landmarks. One in doubt, which a reader refuses, is there all the same:
    an epoch must not be the better for refusing what it would place badly.
    """
    return [finder.find(read_film(film.image_path)) for film in films]


def score_necks(films: list[Film], necks: list[Neck | None], seed: int = 0) -> dict | None:
    """Figures of the films that have vertebral points; None where there are none.

    Millimetres are those of films with a pixel size whose picture is no crop (LabelMe labels of crops carry none that
    could be trusted); pixels are the picture's own. `relative` is in distances from C3 to C4, and needs no scale.
    """
    rows = [index for index, film in enumerate(films) if film.vertebrae.known.any()]
    if not rows:
        return None
    nowhere = np.full((len(VERTEBRAL_POINTS), 2), np.nan)
    truth = np.array([films[index].vertebrae.points_px for index in rows])
    found = np.array([nowhere if necks[index] is None else necks[index].points_px for index in rows])
    px = radial_error(found, truth)  # (N, 13)
    seen = ~np.isnan(px).all(axis=1)
    sizes_mm = np.array([films[index].pixel_size_mm or np.nan for index in rows])[:, None]
    spacing = body_spacing(truth)
    radii = np.array([nowhere[:, 0] if necks[index] is None else necks[index].radius95_px for index in rows])
    mm = px * sizes_mm
    mean_mm, sd_mm = mean_and_deviation(mm)
    return {
        "films": len(rows),
        "count": int((~np.isnan(px)).sum()),
        "unfound": int((np.isnan(found) & ~np.isnan(truth)).any(axis=2).sum()),
        "missed": int(sum(necks[index] is None or not necks[index].is_seen for index in rows)),
        "slipped": int((np.nanmedian(px[seen], axis=1) > SLIP * spacing[seen]).sum()),
        "mean_px": plain(mean_and_deviation(px)[0]),
        "mean_px_interval95": list(bootstrap_interval(px, lambda drawn: mean_and_deviation(drawn)[0], seed=seed)),
        "median_px": float(np.nanmedian(px)) if seen.any() else None,
        "mean_mm": plain(mean_mm),
        "sd_mm": plain(sd_mm),
        "within_mm": {str(limit): plain(success_rate(mm, limit)) for limit in LIMITS_MM},
        "relative": plain(mean_and_deviation(px / spacing[:, None])[0]),
        "per_point": {name: plain(mean_and_deviation(px[:, k])[0]) for name, k in POINT_INDEX.items()},
        "coverage95": plain(mean_and_deviation(within(px, radii))[0]),
    }


def describe_neck_figures(figures: dict) -> str:
    """Both parts in a few lines."""
    points, stages = figures["vertebrae"], figures["cvm"]
    lines = [] if points is None else describe_neck_points(points)
    return "\n".join(lines + ([] if stages is None else describe_neck_stages(stages)))


def describe_neck_points(points: dict) -> list[str]:
    """How far the points are off."""
    if points["mean_px"] is None:
        return [f"vertebrae: {points['films']} films, and no neck was found on any of them"]
    mm = "" if points["mean_mm"] is None else f", {points['mean_mm']:.2f} mm"
    headline = (
        f"vertebrae: {points['films']} films, {points['count']} points, mean {points['mean_px']:.2f} px{mm}, "
        f"median {points['median_px']:.2f} px; {points['slipped']} slipped, {points['missed']} missed, "
        f"{points['unfound']} points not found"
    )
    lines = [headline]
    if points["mean_mm"] is not None:
        shares = "/".join(f"{share:.1f}" for share in points["within_mm"].values())
        lines.append(f"  within {'/'.join(points['within_mm'])} mm: {shares} %")
    if points["coverage95"] is not None:
        lines.append(f"  {100 * points['coverage95']:.1f} % of the points within their 95 % radius")
    return lines


def describe_neck_stages(stages: dict) -> list[str]:
    """How often the stage is right, learnt, by the rules and as the most frequent one."""
    lines = [f"cvm: {stages['films']} films, {stages['unread']} without a neck"]
    for title, row in (("learnt", stages), ("rule", stages["rule"]), ("most frequent", stages["majority"])):
        if row is not None:
            lines.append(
                f"  {title}: accuracy {row['accuracy']:.3f}, kappa {row['qwk']:.3f}, macro-F1 "
                f"{row['macro_f1']:.3f}, within one {row['within_one']:.3f}, MAE {row['mae']:.3f}"
            )
    spans = ", ".join(f"{name} {low:.2f}-{high:.2f}" for name, (low, high) in stages["interval95"].items())
    lines.append(f"  95 % intervals of the learnt: {spans}; calibration error {stages['ece']:.3f}")
    lines.append(
        f"  one stage is named for {100 * stages['single']:.0f} %, else two; these hold the truth in "
        f"{100 * stages['pair_holds']:.0f} %"
    )
    lines.append("  truth in rows, named in columns: " + str(stages["confusion"]))
    return lines
