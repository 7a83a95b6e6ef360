"""Many films to one archive for the page: each as `exports` writes it, with progress and a sentence for each that
failed.
"""

import contextlib
import html
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from config import SYMBOLS, UserError
from files import read_bytes
from intake import checked_pixel_size_mm, clean_name, stem, take_in
from reader import Reader
from words import NO_SCALE, say

if TYPE_CHECKING:  # it brings PyTorch, for which the page does not wait
    from reading import Reading

MOST_FILMS = 200
DOUBTFUL_BELOW = 0.45  # confidence; as the page colours points (web/marks.js)


def read_batch(
    reader: Reader,
    paths: list[Path],
    archive: Path,
    largest_mb: float,
    pixel_size_mm: float | None = None,
    language: str = "en",
    tell: Callable[[int, str], None] = lambda number, name: None,
) -> list[dict]:
    """Reads uploaded films into an archive; each is deleted as soon as it is read.

    Args:
        pixel_size_mm: of the films that do not state their own.
        tell: is told each film's number, from 0, and name before it is read.
    Returns:
        for each film `name`, `error`, which is empty where it was read, and `cautions`, the sentences to know before
            its points are used.
    Raises:
        UserError: there is no film, there are too many, or the archive cannot be written.
    """
    if not paths:
        raise UserError("There is no film yet; choose some first.")
    if len(paths) > MOST_FILMS:
        raise UserError(f"{len(paths)} films are too many at once; take up to {MOST_FILMS}, or use predict.py.")
    from exports import write_archive

    results = [{"name": clean_name(path.name), "error": "", "cautions": []} for path in paths]

    def read_one(number: int) -> tuple["Reading", np.ndarray]:
        tell(number, results[number]["name"])
        return read_into(results[number], reader, paths[number], largest_mb, pixel_size_mm)

    films = ((stem(result["name"]), partial(read_one, number)) for number, result in enumerate(results))
    try:
        write_archive(archive, films, language)
    finally:
        for path in paths:
            delete(path)
    return results


def read_into(
    result: dict, reader: Reader, path: Path, largest_mb: float, pixel_size_mm: float | None
) -> tuple["Reading", np.ndarray]:
    """`read_upload`, with what became of the film in its `result`."""
    try:
        reading, pixels = read_upload(reader, path, largest_mb, pixel_size_mm)
    except UserError as error:
        result["error"] = str(error)
        raise
    result["cautions"] = film_cautions(reading)
    return reading, pixels


def read_upload(
    reader: Reader, path: Path, largest_mb: float, pixel_size_mm: float | None
) -> tuple["Reading", np.ndarray]:
    """The reading and the pixels of an uploaded file, which is then gone."""
    try:
        film = take_in(read_bytes(path), path.name, largest_mb)
    finally:
        delete(path)
    if film.pixel_size_mm is None and pixel_size_mm is not None:
        reading = reader.read(replace(film, pixel_size_mm=pixel_size_mm))
        return replace(reading, scale_source="given by the user"), film.pixels
    reading = reader.read(film)
    source = "from the DICOM file" if film.pixel_size_mm is not None else ""
    return replace(reading, scale_source=source), film.pixels


def read_pixel_size(text: str | None) -> float | None:
    """Millimetres per pixel as someone typed them; None where nothing was typed.

    Raises:
        UserError: it is no such number.
    """
    typed = (text or "").strip().replace(",", ".")
    if not typed:
        return None
    try:
        return checked_pixel_size_mm(float(typed))
    except ValueError:
        return checked_pixel_size_mm(typed)  # a text is none


def delete(path: Path) -> None:
    """Removes a file, if it is there."""
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)


def film_cautions(reading: "Reading") -> list[str]:
    """What the page of one film would show beside its points: its warnings, points that the model doubts, no scale."""
    doubtful = [
        symbol
        for symbol, sureness in zip(SYMBOLS, reading.confidence, strict=True)
        if sureness < DOUBTFUL_BELOW  # NaN, of no point or one without confidence, is not
    ]
    cautions = reading.cautions()
    if doubtful:
        cautions.append(f"Doubtful points: {', '.join(doubtful)}.")
    if reading.pixel_size_mm is None and reading.known.any():
        cautions.append(NO_SCALE)
    return cautions


def batch_table(results: list[dict], language: str = "en") -> str:
    """What became of each film, and what to know of it, as HTML."""
    read = sum(not each["error"] for each in results)
    cautioned = sum(bool(each["cautions"]) for each in results)
    head = say(f"{read} of {len(results)} films read.", language)
    head += " " + say(f"{cautioned} with cautions.", language) if cautioned else ""
    rows = "".join(batch_row(each, language) for each in results)
    return f'<div class="ceph-text"><p>{html.escape(head)}</p><table>{rows}</table></div>'


def batch_row(result: dict, language: str) -> str:
    """A film's row of the table."""
    kind = "failed" if result["error"] else "cautioned" if result["cautions"] else "read"
    cautions = "".join(f"<li>{html.escape(say(text, language))}</li>" for text in result["cautions"])
    told = html.escape(say(result["error"] or "read", language)) + (f"<ul>{cautions}</ul>" if cautions else "")
    return f'<tr class="{kind}"><td>{html.escape(result["name"])}</td><td>{told}</td></tr>'
