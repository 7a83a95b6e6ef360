"""One film as read: its points with their radii, its measurements and its stage, for predict's files and the demo's
page alike.
"""

from dataclasses import dataclass, field, replace

import numpy as np

from analysis import factor_key, measure
from cervical import Cervical, likely_stages
from config import LANDMARK_COUNT, LANDMARK_INDEX, SYMBOLS, VERTEBRAL_POINTS
from files import harmless_cell
from inference import Predictor
from measurements import MEASUREMENTS, Points, length
from norms import DEFAULT_CHOICE

CSV_COLUMNS = ["film", "landmark", "x", "y", "confidence", "spread_px", "radius95_px", "taught_by"]
PLAUSIBLE_SN_MM = (60, 85)  # from sella to nasion, magnification included; else the pixel size is wrong, or a point
TOO_SHORT = (
    "S-N measures {} mm, less than the {} mm of nearly all heads: check S, N and the pixel size. "
    "If the pixel size is too small, lengths come out too short; angles and ratios hold."
)
TOO_LONG = (
    "S-N measures {} mm, more than the {} mm of nearly all heads: check S, N and the pixel size. "
    "If the pixel size is too large, or the film much magnified, lengths come out too long; angles and ratios hold."
)
OUTSIDE = "{} would lie outside the film and is left out."
ALL_OUTSIDE = "{} would lie outside the film and are left out."
READER, USER = "reader", "user"  # who taught a point, besides experts; who placed a corrected one


@dataclass(frozen=True, eq=False)
class Reading:
    """What is known of one film. Points are in film pixels; what is not known is NaN, None or an empty text."""

    name: str
    film_size: tuple[int, int]  # width and height, px
    pixel_size_mm: float | None
    points_px: np.ndarray  # (29, 2)
    confidence: np.ndarray  # (29,) 0-1
    spread_px: np.ndarray  # (29,)
    radius95_px: np.ndarray  # (29,); NaN for a point that the user placed
    taught_by: tuple[str, ...]  # (29,) "expert", "reader", "user" or ""
    stage: int | None = None  # 1-6
    stage_probabilities: np.ndarray | None = None  # (6,)
    warnings: list[str] = field(default_factory=list)
    scale_source: str = ""  # whence the pixel size comes, such as "from the DICOM file"
    weights: tuple[str, ...] = ()  # name and hash of each file of weights that took part
    cervical: Cervical | None = None  # the neck
    interval_factors: dict[str, float] = field(default_factory=dict)  # see intervals.py
    outside: tuple[str, ...] = ()  # symbols of the points left out, since they would lie outside the film

    @property
    def known(self) -> np.ndarray:
        """(29,) bool: which points there are."""
        return ~np.isnan(self.points_px).any(axis=1)

    @property
    def edited(self) -> np.ndarray:
        """(29,) bool: which points the user placed."""
        return np.array([teacher == USER for teacher in self.taught_by])

    def measurements(self, norm_set: str = DEFAULT_CHOICE) -> dict[str, dict]:
        """`analysis.measure` of these points, with the symbols among each one's points that the user `edited` or that
        are `reader_taught`. A point of the user's counts as certain; no intervals where no other point has a radius.

        Args:
            norm_set: a key of `norms.NORM_CHOICES`.
        """
        radius95_px = np.where(self.edited, 0.0, self.radius95_px)
        has_radius = self.known & (radius95_px > 0)
        radii_px = radius95_px if has_radius.any() else None
        table = measure(self.points_px, self.pixel_size_mm, radii_px, norm_set, self.interval_factors)
        for row in table.values():
            taught = {symbol: self.taught_by[LANDMARK_INDEX[symbol]] for symbol in row["points"]}
            row["edited"] = [symbol for symbol, teacher in taught.items() if teacher == USER]
            row["reader_taught"] = [symbol for symbol, teacher in taught.items() if teacher == READER]
            if len(row["edited"]) == len(taught):
                row["low95"] = row["high95"] = row["certain"] = None  # what the user placed has no interval
        return table

    @property
    def scale_caution(self) -> str:
        """What is odd about lengths, by that of S-N; empty where nothing is, or nothing is known."""
        sella_nasion_px = length(Points(self.points_px), "S", "N")
        if self.pixel_size_mm is None or np.isnan(sella_nasion_px):
            return ""
        low, high = PLAUSIBLE_SN_MM
        sella_nasion_mm = float(sella_nasion_px) * self.pixel_size_mm
        if low <= sella_nasion_mm <= high:
            return ""
        return (TOO_SHORT if sella_nasion_mm < low else TOO_LONG).format(f"{sella_nasion_mm:.1f}", f"{low}-{high}")

    @property
    def told(self) -> list[str]:
        """The warnings, and in one sentence the points that lie outside the film: one cut close has many."""
        sentence = OUTSIDE if len(self.outside) == 1 else ALL_OUTSIDE
        return self.warnings + ([sentence.format(", ".join(self.outside))] if self.outside else [])

    def cautions(self) -> list[str]:
        """What is to be told of the film, and of its scale."""
        return [*self.told, *filter(None, [self.scale_caution])]

    def corrected(self, points_px: dict[str, tuple[float, float]]) -> "Reading":
        """The reading with some points, by symbol, as the user placed them: marked as the user's, without radius."""
        points, radius, taught = self.points_px.copy(), self.radius95_px.copy(), list(self.taught_by)
        confidence, spread = self.confidence.copy(), self.spread_px.copy()
        for symbol, point_px in points_px.items():
            index = LANDMARK_INDEX[symbol]
            points[index], radius[index], taught[index] = point_px, np.nan, USER
            confidence[index], spread[index] = np.nan, np.nan
        return replace(
            self, points_px=points, radius95_px=radius, taught_by=tuple(taught), confidence=confidence,
            spread_px=spread, outside=tuple(symbol for symbol in self.outside if symbol not in points_px),
        )  # fmt: skip


def read(predictors: list[Predictor], film: np.ndarray, name: str, pixel_size_mm: float | None) -> Reading:
    """Reads a film, (height, width) uint8, with one or more models: each point and the stage is that of the first
    model that gives it. Points outside the film are left out, which the reading tells.
    """
    points_px, taught_by = np.full((LANDMARK_COUNT, 2), np.nan), [""] * LANDMARK_COUNT
    confidence, spread_px, radius95_px = (np.full(LANDMARK_COUNT, np.nan) for _ in range(3))
    stage, probabilities, cervical, warnings, factors = None, None, None, [], {}
    read_by = [(predictor, predictor.predict(film)) for predictor in predictors]
    # Where one model sees no head, what another places on it is worth nothing; a neck may still have been read.
    refused = [(predictor, prediction) for predictor, prediction in read_by if not prediction.is_head]
    for predictor, prediction in refused or read_by:
        new = np.isnan(points_px).any(axis=1) & ~np.isnan(prediction.landmarks_px).any(axis=1)
        points_px[new], confidence[new] = prediction.landmarks_px[new], prediction.confidence[new]
        spread_px[new], radius95_px[new] = prediction.spread_px[new], prediction.radius95_px[new]
        for index in np.flatnonzero(new):
            taught_by[index] = predictor.config.taught_by[predictor.config.landmarks.index(SYMBOLS[index])]
        factors |= own_factors(prediction.interval_factors, new)
        if stage is None and prediction.stage is not None:
            stage, probabilities = prediction.stage, prediction.stage_probabilities
        cervical = cervical or prediction.cervical
        warnings += [text for text in prediction.warnings if text not in warnings]
    outside = ((points_px < -0.5) | (points_px > np.array(film.shape[::-1]) - 0.5)).any(axis=1)
    points_px[outside], confidence[outside], spread_px[outside], radius95_px[outside] = np.nan, np.nan, np.nan, np.nan
    taught_by = tuple("" if gone else teacher for gone, teacher in zip(outside, taught_by, strict=True))
    return Reading(
        name, film.shape[::-1], pixel_size_mm, points_px, confidence, spread_px, radius95_px, taught_by, stage,
        probabilities, warnings, weights=tuple(predictor.weights for predictor in predictors), cervical=cervical,
        interval_factors=factors, outside=tuple(SYMBOLS[index] for index in np.flatnonzero(outside)),
    )  # fmt: skip


def own_factors(factors: dict[str, float], placed: np.ndarray) -> dict[str, float]:
    """A model's `interval_factors` for the measurements whose points it placed all, (29,) bool: they say how its own
    errors go together, and nothing of those beside another model's points.
    """
    own = {symbol for symbol, is_own in zip(SYMBOLS, placed, strict=True) if is_own}
    keys = {factor_key(each.name) for each in MEASUREMENTS if own.issuperset(each.needs)}
    return {key: factor for key, factor in factors.items() if key in keys}


def describe_reading(reading: Reading, film_path: str, norm_set: str = DEFAULT_CHOICE) -> dict:
    """A film's entry of predictions.json. Radii are null where the weights carry no calibration, and for a point that
    the user placed.
    """
    landmarks = {}
    for index in np.flatnonzero(reading.known):
        x, y = reading.points_px[index]
        landmarks[SYMBOLS[index]] = {
            "x": round(float(x), 3),
            "y": round(float(y), 3),
            "confidence": plain(reading.confidence[index], 4),
            "spread_px": plain(reading.spread_px[index], 3),
            "taught_by": reading.taught_by[index],
        } | describe_radius(reading.radius95_px[index], reading.pixel_size_mm)
    return {
        "film": film_path,
        "width": reading.film_size[0],
        "height": reading.film_size[1],
        "pixel_size_mm": reading.pixel_size_mm,
        "landmarks": landmarks,
        "measurements": rounded(reading.measurements(norm_set)),
        "cvm": describe_stage(reading),
        "warnings": reading.cautions(),
    }


def describe_radius(radius95_px: float, pixel_size_mm: float | None) -> dict[str, float | None]:
    """A radius in mm where the film has a pixel size, else in film pixels."""
    if pixel_size_mm is None:
        return {"radius95_px": plain(radius95_px, 2)}
    return {"radius95_mm": plain(radius95_px * pixel_size_mm, 3)}


def rounded(measurements: dict[str, dict]) -> dict[str, dict]:
    """Measurements with numbers short enough to read."""
    return {
        name: {key: round(value, 3) if isinstance(value, float) else value for key, value in row.items()}
        for name, row in measurements.items()
    }


def describe_stage(reading: Reading) -> dict | None:
    """The stage with its probabilities, and what the neck shows; None where no model names a stage or sees a neck."""
    if reading.stage is None and reading.cervical is None:
        return None
    known = reading.stage_probabilities is not None
    probabilities = [round(float(value), 4) for value in reading.stage_probabilities] if known else None
    stages = list(likely_stages(reading.stage_probabilities)) if known else []
    entry = {"stage": reading.stage, "stages": stages, "probabilities": probabilities, "roi": None}
    return entry if reading.cervical is None else entry | describe_neck(reading.cervical)


def describe_neck(cervical: Cervical) -> dict:
    """The neck's region, points, geometry and what the rules make of it."""
    neck = cervical.neck
    points = {
        name: {
            "x": round(float(x), 2), "y": round(float(y), 2), "confidence": plain(sureness, 4),
            "radius95_px": plain(radius, 2),
        }
        for name, (x, y), sureness, radius in zip(
            VERTEBRAL_POINTS, neck.points_px, neck.confidence, neck.radius95_px, strict=True
        )
        if not np.isnan(x)
    }  # fmt: skip
    left, top, width, height = (round(value, 1) for value in cervical.roi)
    return {
        "roi": {"left": left, "top": top, "width": width, "height": height},
        "points": points,
        "geometry": cervical.geometry.to_json() | {"stretch": round(cervical.stretch, 3)},
        "rule": cervical.geometry.rule,
        "reason": cervical.geometry.reason,
    }


def point_rows(reading: Reading) -> list[dict]:
    """A film's rows of predictions.csv, a row for each point there is."""
    rows = []
    for index in np.flatnonzero(reading.known):
        values = (*reading.points_px[index], reading.confidence[index], reading.spread_px[index])
        numbers = ["" if np.isnan(value) else round(float(value), 4) for value in (*values, reading.radius95_px[index])]
        cells = [harmless_cell(reading.name), SYMBOLS[index], *numbers, reading.taught_by[index]]
        rows.append(dict(zip(CSV_COLUMNS, cells, strict=True)))
    return rows


def point_notes(reading: Reading) -> dict[str, dict]:
    """For `annotations.write_landmarks`: which points are the user's own, and which rest on readers' teaching."""
    return {
        symbol: {"annotator": teacher}
        for symbol, teacher in zip(SYMBOLS, reading.taught_by, strict=True)
        if teacher in (READER, USER)
    }


def plain(value: float, digits: int) -> float | None:
    """A rounded float for JSON; None for NaN."""
    return None if np.isnan(value) else round(float(value), digits)
