"""What leaves with the user: a film's points and measurements as CSV and JSON, Aariz annotation, overlay and report,
and one archive for many films.
"""

import csv
import io
import re
import tempfile
import unicodedata
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np

from annotations import write_landmarks
from config import SYMBOLS, UserError
from files import harmless_cell, write_json, write_text, writing
from images import write_png
from norms import DEFAULT_CHOICE
from reading import CSV_COLUMNS, Reading, describe_reading, point_notes, point_rows
from report_page import report_page
from visualize import draw_film
from words import say

MEASUREMENT_COLUMNS = [
    "film", "measurement", "value", "unit", "low95", "high95", "norm", "sd", "norm_low", "norm_high", "deviation",
    "level", "reading", "certain", "norm_set", "source", "holds_for", "points", "edited", "reader_taught",
]  # fmt: skip
PLACES = {  # of a film's files, by what they are
    "points": "{}_points.csv",
    "measurements": "{}_measurements.csv",
    "json": "{}.json",
    "annotation": "annotations/{}.json",  # Aariz names an annotation file after its film
    "overlay": "{}_overlay.png",
    "report": "{}_report.html",
}
ERROR_COLUMNS = ["film", "error"]
LONGEST_NAME = 80  # characters; with an ending it stays below every file system's limit even in Korean
RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)  # Windows' devices
BYTE_ORDER_MARK = "\ufeff"  # without it Excel takes UTF-8 for something else


def file_name(name: str) -> str:
    """A name from outside as a file may carry it anywhere: no folder, no control or invisible sign, no device."""
    last = unicodedata.normalize("NFC", name).replace("\\", "/").rstrip("/").rsplit("/", 1)[-1]
    visible = "".join(sign for sign in last if unicodedata.category(sign)[0] != "C")
    plain = re.sub(r"[\s<>:\"/|?*%&;$`'!#]+", "_", visible).strip("._-=+@ ")[:LONGEST_NAME].rstrip("._- ")
    return f"_{plain}" if RESERVED.fullmatch(plain) else plain or "film"


def export_film(
    reading: Reading,
    film: np.ndarray,
    folder: Path,
    language: str = "en",
    norm_set: str = DEFAULT_CHOICE,
    kinds: tuple[str, ...] | None = None,
) -> dict[str, Path]:
    """Writes everything about one film into a folder, or of `kinds` alone.

    Args:
        film: (height, width) uint8, as it was read.
        language: a key of `words.LANGUAGES`, for the report and for readings in words.
        norm_set: a key of `norms.NORM_CHOICES`.
        kinds: keys of `PLACES`.
    Returns:
        the files by what they are.
    Raises:
        UserError: the folder cannot be written to.
    """
    name = file_name(reading.name)
    wanted = PLACES if kinds is None else {kind: PLACES[kind] for kind in kinds}
    paths = {kind: Path(folder) / place.format(name) for kind, place in wanted.items()}
    for kind, path in paths.items():
        if kind == "points":
            write_text(path, csv_text(point_rows(reading), CSV_COLUMNS))
        elif kind == "measurements":
            write_text(path, csv_text(measurement_rows(reading, language, norm_set), MEASUREMENT_COLUMNS))
        elif kind == "json":
            write_json(path, [describe_reading(reading, name, norm_set)])
        elif kind == "annotation":
            write_landmarks(path, name, reading.points_px, notes=point_notes(reading))
        elif kind == "overlay":
            write_png(path, draw_film(film, reading.points_px, title=name, labels=list(SYMBOLS), tracing=True))
        elif kind == "report":
            write_text(path, report_page(reading, film, language, norm_set))
    return paths


def measurement_rows(reading: Reading, language: str = "en", norm_set: str = DEFAULT_CHOICE) -> list[dict]:
    """A film's rows of measurements.csv; keys and names stay English, readings are in words of the language."""
    rows = []
    for name, row in reading.measurements(norm_set).items():
        cells = {"film": harmless_cell(reading.name), "measurement": name}
        cells |= {column: plain_cell(row[column]) for column in MEASUREMENT_COLUMNS[2:]}
        rows.append(cells | {"reading": say(row["reading"], language), "holds_for": say(row["holds_for"], language)})
    return rows


def plain_cell(value: object) -> object:
    """A value as a cell shows it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return " ".join(value)
    return round(value, 3) if isinstance(value, float) else value


def csv_text(rows: list[dict], columns: list[str], header: bool = True) -> str:
    """Rows as CSV for spreadsheets, with or without the line of column names."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\r\n")
    if header:
        text.write(BYTE_ORDER_MARK)
        writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


# --- many films -------------------------------------------------------------------------------------------------------


def write_archive(
    path: Path,
    films: Iterable[tuple[str, Callable[[], tuple[Reading, np.ndarray]]]],
    language: str = "en",
    norm_set: str = DEFAULT_CHOICE,
) -> list[dict]:
    """Writes one zip with a folder for each film, tables over all of them, and `errors.csv`; one film at a time, so
    that memory does not grow with their number.

    Args:
        films: each film's name, and what reads it: to its reading and its (height, width) uint8 picture. A `UserError`
            from it fails that film alone.
    Returns:
        a row of `errors.csv` for each film that failed.
    Raises:
        UserError: the archive cannot be written.
    """
    if not Path(path).parent.is_dir():
        raise UserError(f"{path} cannot be written, because its folder does not exist; make it first.")
    errors, taken = [], set()
    with (
        tempfile.TemporaryDirectory() as scratch,
        writing(path) as file,
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        tables = start_tables(Path(scratch))
        for name, read_one in films:
            own_name = free_name(file_name(name), taken)
            try:
                reading, film = read_one()
                add_film(archive, own_name, reading, film, language, norm_set)
                add_rows(tables, own_name, reading, language, norm_set)
            except UserError as error:
                errors.append({"film": harmless_cell(name), "error": harmless_cell(str(error))})
        for table in tables.values():
            archive.write(table, table.name)
        archive.writestr("errors.csv", csv_text(errors, ERROR_COLUMNS))
    return errors


def free_name(name: str, taken: set[str]) -> str:
    """A name that no earlier film has, whatever the capitals; it is then taken."""
    free, number = name, 1
    while free.casefold() in taken:
        number += 1
        free = f"{name}_{number}"
    taken.add(free.casefold())
    return free


def add_film(
    archive: zipfile.ZipFile, name: str, reading: Reading, film: np.ndarray, language: str, norm_set: str
) -> None:
    """Puts all files of one film into its folder of the archive."""
    with tempfile.TemporaryDirectory() as scratch:
        for path in export_film(replace(reading, name=name), film, Path(scratch), language, norm_set).values():
            packing = zipfile.ZIP_STORED if path.suffix == ".png" else zipfile.ZIP_DEFLATED
            archive.write(path, f"{name}/{path.relative_to(scratch).as_posix()}", packing)


def start_tables(folder: Path) -> dict[str, Path]:
    """The tables over all films, with their column names."""
    tables = {"points": CSV_COLUMNS, "measurements": MEASUREMENT_COLUMNS}
    for kind, columns in tables.items():
        write_text(folder / f"{kind}.csv", csv_text([], columns))
    return {kind: folder / f"{kind}.csv" for kind in tables}


def add_rows(tables: dict[str, Path], name: str, reading: Reading, language: str, norm_set: str) -> None:
    """Appends one film to the tables over all films."""
    reading = replace(reading, name=name)
    rows = {
        "points": (point_rows(reading), CSV_COLUMNS),
        "measurements": (measurement_rows(reading, language, norm_set), MEASUREMENT_COLUMNS),
    }
    for kind, (new, columns) in rows.items():
        with tables[kind].open("a", encoding="utf-8", newline="") as table:
            table.write(csv_text(new, columns, header=False))
