"""A table of anatomies without films: landmarks in a stretch to 256 x 256 px, and CVM stages where there are any.

`cvm_ladder` and `mean_shape` read it for `--shapes FILE`: columns `SYMBOL_x` and `SYMBOL_y` for each landmark, and
`cvm_stage`.
"""

from pathlib import Path

import numpy as np

from config import STAGE_COUNT, UserError
from files import read_csv


def read_shapes(path: Path) -> tuple[np.ndarray, np.ndarray | None]:
    """Landmarks (N, K, 2) in px of the stretch, and stages 1-6 (N,), None where the table has no such column.

    Raises:
        UserError: the file cannot be read, has no rows or landmarks, or one of its cells is no usable number.
    """
    rows = read_csv(path)
    symbols = [column.removesuffix("_x") for column in rows[0] if column.endswith("_x")] if rows else []
    if not symbols:
        raise UserError(f"{path} has no rows with columns SYMBOL_x and SYMBOL_y; name a table of landmarks.")
    try:
        points = np.array([[[float(row[f"{symbol}_{axis}"]) for axis in "xy"] for symbol in symbols] for row in rows])
        stages = np.array([int(row["cvm_stage"]) for row in rows]) if "cvm_stage" in rows[0] else None
    except (KeyError, ValueError) as error:
        raise UserError(f"{path} lacks a column or a number ({error}); restore it from its source.") from None
    if not np.isfinite(points).all() or (stages is not None and not np.isin(stages, range(1, STAGE_COUNT + 1)).all()):
        raise UserError(f"{path} has a point that is nowhere or a stage that is not 1-{STAGE_COUNT}; correct it.")
    return points, stages
