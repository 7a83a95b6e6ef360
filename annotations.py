"""Aariz's annotation files: landmarks and stages as JSON, machines as CSV; read strictly, written so that they
read back.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from config import LANDMARK_COUNT, LANDMARK_INDEX, LANDMARKS, STAGE_COUNT, STAGES, UserError, quoted
from files import read_csv, read_json, write_csv, write_json

MACHINE_FILE = "cephalogram_machine_mappings.csv"
LARGEST_PIXEL_SIZE_MM = 10.0
MACHINE_COLUMNS = ["cephalogram_id", "machine", "pixel_size", "image_format", "mode"]


@dataclass(frozen=True, eq=False)
class LandmarkLabels:
    """One annotator's points on one film."""

    points_px: np.ndarray  # (29, 2) float64, NaN where not annotated
    by_reader: np.ndarray  # (29,) bool: placed by a reader who is no clinician
    unsure: np.ndarray  # (29,) bool: the annotator doubted it


@dataclass(frozen=True)
class MachineRecord:
    """A film's row in the machine file."""

    machine: str | None
    pixel_size_mm: float | None
    image_format: str
    mode: str


def read_landmarks(path: Path, film_id: str) -> LandmarkLabels:
    """Reads one annotator's file for one film.

    Raises:
        UserError: it is unreadable, belongs to another film, or names a landmark twice, unknown or without numbers.
    """
    content = read_json(path)
    check_film_id(content, path, film_id)
    points_px = np.full((LANDMARK_COUNT, 2), np.nan)
    by_reader = np.zeros(LANDMARK_COUNT, dtype=bool)
    unsure = np.zeros(LANDMARK_COUNT, dtype=bool)
    entries = content.get("landmarks")
    if not isinstance(entries, list):
        raise UserError(f"{path} has no list of landmarks; restore it from its source.")
    for entry in entries:
        index, point_px = parse_landmark(entry, path)
        if not np.isnan(points_px[index]).any():
            raise UserError(f"{path} gives landmark {LANDMARKS[index][0]} twice; keep one of them.")
        points_px[index] = point_px
        by_reader[index] = entry.get("annotator") == "reader"
        unsure[index] = bool(entry.get("unsure", False))
    return LandmarkLabels(points_px, by_reader, unsure)


def parse_landmark(entry: object, path: Path) -> tuple[int, tuple[float, float]]:
    """An entry of the landmark list to the landmark's index and its (x, y) in film pixels."""
    symbol = entry.get("symbol") if isinstance(entry, dict) else None
    if not isinstance(symbol, str) or symbol not in LANDMARK_INDEX:
        raise UserError(f"{path} names an unknown landmark {quoted(symbol)}; Aariz's symbols are listed in config.py.")
    index = LANDMARK_INDEX[symbol]
    if entry.get("landmark_id") not in (None, LANDMARKS[index][2]):
        raise UserError(f"{path} gives landmark {symbol} the id of another landmark; correct its symbol or its id.")
    try:
        x, y = (read_number(entry["value"][axis]) for axis in "xy")
    except (KeyError, TypeError, ValueError, OverflowError):
        raise UserError(f"{path} gives landmark {symbol} without numbers x and y; correct or remove it.") from None
    if not np.isfinite([x, y]).all():
        raise UserError(f"{path} gives landmark {symbol} without finite numbers; correct or remove it.")
    return index, (x, y)


def read_number(value: object) -> float:
    """A number, or one written as text; true, false and Python's 1_000 are none."""
    if isinstance(value, bool) or "_" in str(value):
        raise ValueError("no number")
    return float(value)


def write_landmarks(
    path: Path, film_id: str, points_px: np.ndarray, dataset_name: str = "Aariz", notes: dict | None = None
) -> None:
    """Writes points (29, 2) as `read_landmarks` reads them; NaN points are left out.

    `notes` maps a symbol to further keys of its entry, such as `{"R": {"annotator": "reader", "unsure": True}}`.
    """
    assert points_px.shape == (LANDMARK_COUNT, 2), points_px.shape
    entries = []
    for (symbol, title, landmark_id), point_px in zip(LANDMARKS, points_px, strict=True):
        if np.isnan(point_px).any():
            continue
        value = {
            axis: int(v) if float(v).is_integer() else round(float(v), 3)
            for axis, v in zip("xy", point_px, strict=True)
        }
        entry = {"landmark_id": landmark_id, "title": title, "symbol": symbol, "value": value}
        entries.append(entry | (notes or {}).get(symbol, {}))
    write_json(path, {"ceph_id": film_id, "landmarks": entries, "dataset_name": dataset_name})


def read_stage(path: Path, film_id: str) -> int:
    """Reads a CVM stage, 1 to 6.

    Raises:
        UserError: the file is unreadable, belongs to another film or contradicts itself.
    """
    content = read_json(path)
    check_film_id(content, path, film_id)
    stage = content.get("cvm_stage")
    value = stage.get("value") if isinstance(stage, dict) else None
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= STAGE_COUNT:
        raise UserError(f"{path} has no CVM stage from 1 to {STAGE_COUNT} (it says {quoted(value)}); correct it.")
    title, stage_id = STAGES[value - 1]
    if stage.get("title", title) != title or stage.get("id", stage_id) != stage_id:
        raise UserError(f"{path} contradicts itself: value {value} with the title or id of another stage; correct it.")
    return value


def write_stage(path: Path, film_id: str, stage: int, dataset_name: str = "Aariz") -> None:
    """Writes a CVM stage, 1 to 6, as `read_stage` reads it."""
    title, stage_id = STAGES[stage - 1]
    content = {"ceph_id": film_id, "cvm_stage": {"id": stage_id, "title": title, "value": stage}}
    write_json(path, content | {"dataset_name": dataset_name})


def check_film_id(content: object, path: Path, film_id: str) -> None:
    """Refuses a label file that says it belongs to another film."""
    if not isinstance(content, dict):
        raise UserError(f"{path} is not an annotation file; restore it from its source.")
    named = content.get("ceph_id", film_id)
    if str(named) != film_id:
        raise UserError(f"{path} says that it belongs to film {quoted(named)}; rename or correct it.")


def read_machines(root: Path) -> dict[str, MachineRecord]:
    """The machine file of a data set by film id; empty where there is none.

    Raises:
        UserError: it is unreadable, lacks its columns, lists no film or one twice, or a pixel size is no positive
            number.
    """
    path = Path(root) / MACHINE_FILE
    if not path.exists():
        return {}
    records, rows = {}, read_csv(path)
    if not rows:
        raise UserError(f"{path} lists no film; restore it from its source, or delete it.")
    for row in rows:
        for column in ("cephalogram_id", "pixel_size"):
            if column not in row:
                raise UserError(
                    f"{path} has no column {column}; its first line must be {','.join(MACHINE_COLUMNS)}, with commas."
                )
        film_id = row["cephalogram_id"]
        if not film_id:
            raise UserError(f"{path} has a row without a cephalogram_id; correct it.")
        if film_id in records:
            raise UserError(f"{path} lists film {quoted(film_id)} twice; keep one row.")
        records[film_id] = parse_machine(row, path)
    return records


def parse_machine(row: dict[str, str], path: Path) -> MachineRecord:
    """A row of the machine file."""
    text = row["pixel_size"].strip()
    try:
        pixel_size_mm = read_number(text) if text else None
    except ValueError:
        pixel_size_mm = -1.0
    if pixel_size_mm is not None and not 0 < pixel_size_mm < LARGEST_PIXEL_SIZE_MM:
        raise UserError(
            f"{path} gives film {quoted(row['cephalogram_id'])} the pixel size {quoted(text)}; write millimetres or "
            "nothing."
        )
    return MachineRecord(
        row.get("machine") or None, pixel_size_mm, row.get("image_format") or "", row.get("mode") or ""
    )


def write_machines(root: Path, records: dict[str, MachineRecord]) -> None:
    """Writes the machine file of a data set, films in order of their ids."""
    rows = []
    for film_id, record in sorted(records.items()):
        size = "" if record.pixel_size_mm is None else f"{record.pixel_size_mm:g}"
        rows.append(
            dict(
                zip(
                    MACHINE_COLUMNS,
                    [film_id, record.machine or "", size, record.image_format, record.mode],
                    strict=True,
                )
            )
        )
    write_csv(Path(root) / MACHINE_FILE, rows, MACHINE_COLUMNS)
