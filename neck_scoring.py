"""Vertebral points against the truth: the `vertebrae` part of evaluate.py's figures.

A slip is a neck whose points lie on the neighbouring vertebrae: nothing worse can happen to the stage, and a mean
hides it.
"""

import numpy as np

from calibration import within
from config import VERTEBRAL_POINTS
from films import Film
from images import read_film
from metrics import bootstrap_interval, mean_and_deviation, radial_error, success_rate
from neck import POINT_INDEX
from vertebra_finder import Neck, VertebraFinder

LIMITS_MM = (1.0, 1.5, 2.0, 2.5)
SLIP = 0.5  # of the distance from C3 to C4


def find_necks(finder: VertebraFinder, films: list[Film]) -> list[Neck | None]:
    """The necks on films, without any help by landmarks."""
    return [finder.find(read_film(film.image_path)) for film in films]


def score_necks(films: list[Film], necks: list[Neck | None]) -> dict | None:
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
        "missed": int(sum(necks[index] is None or not necks[index].is_seen for index in rows)),
        "slipped": int((np.nanmedian(px[seen], axis=1) > SLIP * spacing[seen]).sum()),
        "mean_px": plain(mean_and_deviation(px)[0]),
        "mean_px_interval95": list(bootstrap_interval(px, lambda drawn: mean_and_deviation(drawn)[0])),
        "median_px": float(np.nanmedian(px)) if seen.any() else None,
        "mean_mm": plain(mean_mm),
        "sd_mm": plain(sd_mm),
        "within_mm": {str(limit): plain(success_rate(mm, limit)) for limit in LIMITS_MM},
        "relative": plain(mean_and_deviation(px / spacing[:, None])[0]),
        "per_point": {name: plain(mean_and_deviation(px[:, k])[0]) for name, k in POINT_INDEX.items()},
        "coverage95": plain(mean_and_deviation(within(px, radii))[0]),
    }


def body_spacing(points: np.ndarray) -> np.ndarray:
    """(N, 13, 2) to (N,): the distance between the middles of C3 and C4; of C2's and C3's lower borders where C4 is
    not known.
    """
    names = {"C3": ("C3up", "C3ua", "C3lp", "C3la"), "C4": ("C4up", "C4ua", "C4lp", "C4la")}
    middles = {body: points[:, [POINT_INDEX[name] for name in four]].mean(axis=1) for body, four in names.items()}
    bodies = np.hypot(*(middles["C3"] - middles["C4"]).T)
    borders = [points[:, [POINT_INDEX[name + "p"], POINT_INDEX[name + "a"]]].mean(axis=1) for name in ("C2", "C3l")]
    return np.where(np.isnan(bodies), np.hypot(*(borders[0] - borders[1]).T), bodies)


def plain(value: float) -> float | None:
    """A float that JSON can hold: None for NaN."""
    return None if np.isnan(value) else float(value)
