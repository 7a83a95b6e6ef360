"""From a heatmap's spread to a radius that holds the true point for 95 % of unseen films, by split conformal
prediction.

The score of a known error is error / (offset + spread): a landmark's radius is its scores' conformal quantile times
(offset + spread), so that a blurred answer gets a large radius and a sharp one a small one. All lengths are in
network pixels, in which a network's errors are alike on films of any resolution. Vovk et al. 2005; Lei et al., JASA
113 (2018).
"""

from dataclasses import dataclass, field

import numpy as np

from config import SYMBOLS

LEVEL = 0.95
# Offsets tried, in units of the median spread; the one with the smallest mean radius is kept.
OFFSETS = (0.0, 0.1, 0.2, 0.4, 0.7, 1.0, 1.5, 2.5, 4.0)


@dataclass(frozen=True)
class Calibration:
    """How a network's spreads become radii."""

    offset_net: float
    factors: dict[str, float]  # by symbol; a landmark without errors to learn from has none
    films: int  # how many films it was learnt from
    symbols: tuple[str, ...] = SYMBOLS  # of the columns
    intervals: dict[str, float] = field(default_factory=dict)  # of measurements, see intervals.py; {} in older weights

    def __post_init__(self):
        numbers = (self.offset_net, self.films, *self.factors.values(), *self.intervals.values())
        if not all(isinstance(number, (int, float)) and np.isfinite(number) and number >= 0 for number in numbers):
            raise ValueError("a calibration of something else than lengths")

    def radii_net(self, spread_net: np.ndarray) -> np.ndarray:
        """(..., K) spreads to 95 % radii, NaN where there is no factor."""
        factors = np.array([self.factors.get(symbol, np.nan) for symbol in self.symbols])
        return factors * (self.offset_net + spread_net)

    def to_json(self) -> dict:
        """Plain types for a weights file; `Calibration(**content)` reads them."""
        names = {} if self.symbols == SYMBOLS else {"symbols": list(self.symbols)}
        intervals = {"intervals": self.intervals} if self.intervals else {}
        return {"offset_net": self.offset_net, "factors": self.factors, "films": self.films} | names | intervals


def conformal_quantile(scores: np.ndarray, level: float = LEVEL) -> float:
    """The smallest score that a new one stays under with probability `level`: rank ceil((n + 1) level) of the known
    ones.

    With fewer than 19 scores no finite one can promise 95 %; the largest is returned, and promises n / (n + 1).
    """
    known = np.sort(scores[~np.isnan(scores)])
    assert known.size, "no known score"
    rank = int(np.ceil((known.size + 1) * level))
    return float(known[min(rank, known.size) - 1])


def fit_calibration(errors_net: np.ndarray, spreads_net: np.ndarray, symbols: tuple[str, ...] = SYMBOLS) -> Calibration:
    """Learns radii from errors that the network made on films it was not trained on.

    Args:
        errors_net: (N, K) radial errors, NaN where unknown.
        spreads_net: (N, K) spreads of the same predictions.
        symbols: names of the K points.
    """
    usable = ~np.isnan(errors_net) & ~np.isnan(spreads_net)
    unit = float(np.median(spreads_net[usable]))
    candidates = [fit_offset(errors_net, spreads_net, usable, unit * share, symbols) for share in OFFSETS]
    return min(candidates, key=lambda each: float(np.nanmean(np.where(usable, each.radii_net(spreads_net), np.nan))))


def fit_offset(
    errors_net: np.ndarray, spreads_net: np.ndarray, usable: np.ndarray, offset_net: float, symbols: tuple[str, ...]
) -> Calibration:
    """The calibration for a given offset."""
    scores = np.where(usable, errors_net / (offset_net + np.maximum(spreads_net, 1e-6)), np.nan)
    known = usable.any(axis=0)
    factors = {symbol: conformal_quantile(scores[:, column]) for column, symbol in enumerate(symbols) if known[column]}
    return Calibration(offset_net, factors, len(errors_net), symbols)


def cross_coverage(
    errors_net: np.ndarray, spreads_net: np.ndarray, folds: np.ndarray, symbols: tuple[str, ...] = SYMBOLS
) -> np.ndarray:
    """(N, K) whether each error lies within the radius learnt from the other folds: 1, 0 or NaN. `folds` is (N,)."""
    covered = np.full(errors_net.shape, np.nan)
    for fold in np.unique(folds):
        held_out = folds == fold
        calibration = fit_calibration(errors_net[~held_out], spreads_net[~held_out], symbols)
        radii_net = calibration.radii_net(spreads_net[held_out])
        covered[held_out] = within(errors_net[held_out], radii_net)
    return covered


def within(errors: np.ndarray, radii: np.ndarray) -> np.ndarray:
    """1.0 where an error is at most its radius, 0.0 where not, NaN where either is unknown."""
    return np.where(np.isnan(errors) | np.isnan(radii), np.nan, (errors <= radii).astype(np.float64))


def coverage(covered: np.ndarray) -> dict:
    """Shares of `within`, 0-1, over all points and for each landmark; None where nothing is known."""
    known = ~np.isnan(covered)
    per_landmark = {
        symbol: float(covered[known[:, column], column].mean())
        for column, symbol in enumerate(SYMBOLS)
        if known[:, column].any()
    }
    return {"pooled": float(covered[known].mean()) if known.any() else None, "per_landmark": per_landmark or None}


def quarter_ratio(errors: np.ndarray, radii: np.ndarray) -> float:
    """How well radii rank errors: mean error of the quarter with the largest radii over that with the smallest."""
    known = ~np.isnan(errors) & ~np.isnan(radii)
    order = np.argsort(radii[known], kind="stable")
    quarter = max(len(order) // 4, 1)
    ranked = errors[known][order]
    return float(ranked[-quarter:].mean() / ranked[:quarter].mean())


def reliability(errors: np.ndarray, radii: np.ndarray, bins: int = 5) -> list[dict[str, float]]:
    """Points sorted by their radius into bins of equal count: `radius` and `error`, the means in the unit given, and
    `held`, the share 0-1 within their radius. Honest radii hold 0.95 in every bin and rise with the error.
    """
    known = ~np.isnan(errors) & ~np.isnan(radii)
    order = np.argsort(radii[known], kind="stable")
    parts = zip(np.array_split(errors[known][order], bins), np.array_split(radii[known][order], bins), strict=True)
    return [
        {"radius": float(radius.mean()), "error": float(error.mean()), "held": float((error <= radius).mean())}
        for error, radius in parts
        if len(error)
    ]
