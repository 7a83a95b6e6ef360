"""Writing and reading small files: whole or not at all, and one clear sentence when a file cannot be read."""

import contextlib
import csv
import io
import json
import os
import re
import secrets
import time
from pathlib import Path

from config import UserError

# No file of a data set is larger; one that is would only fill the memory.
LARGEST_FILM_FILE = 512_000_000  # bytes
LARGEST_JSON = 16_000_000  # a hundred landmarks take 20 kB
LARGEST_CSV = 128_000_000  # a million films
LEFTOVER = re.compile(r"\..+\.[0-9a-f]{12}\.tmp")  # a temporary name of `write_bytes`


def write_bytes(path: Path, data: bytes, lasting: bool = False) -> None:
    """Writes `data` under a temporary name, then replaces: neither a reader nor a crash ever sees half a file.

    With `lasting` the bytes are on the disk before the name is, so that a power cut cannot leave an empty file either.

    Raises:
        UserError: the place cannot be written to, or the disk is full.
    """
    path = Path(path)
    # Not the process id: machines that share a disk may share that as well.
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(temporary, "wb") as file:
            file.write(data)
            if lasting:
                file.flush()
                os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise UserError(f"{path} cannot be written ({error.strerror}); check the disk and its permissions.") from None
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def remove_leftovers(folder: Path, idle_seconds: float = 0.0) -> None:
    """Removes the temporary files that killed processes left in a folder, if nothing wrote to them for a while."""
    for path in filter(lambda path: LEFTOVER.fullmatch(path.name), Path(folder).glob(".*.tmp")):
        with contextlib.suppress(OSError):  # another process may have removed it
            if time.time() - path.stat().st_mtime >= idle_seconds:
                path.unlink()


def write_text(path: Path, text: str) -> None:
    """`write_bytes` for UTF-8 text."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: Path, content: object) -> None:
    """Writes JSON that any parser reads: NaN is refused, not written."""
    write_text(path, json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def write_csv(path: Path, rows: list[dict], columns: list[str] | None = None, line_end: str = "\n") -> None:
    """Writes rows of equal keys; `columns` gives their order and is needed when there may be no row."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns or list(rows[0]), lineterminator=line_end)
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())


def read_bytes(path: Path, largest: int | None = None) -> bytes:
    """The content of a file of at most `largest` bytes.

    Raises:
        UserError: it is missing, may not be read, or is larger.
    """
    path = Path(path)
    try:
        size = path.stat().st_size
        if largest is not None and (size > largest or not path.is_file()):
            raise UserError(f"{path} is no file of at most {largest // 1_000_000} MB; name another one.")
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}); check the path and its permissions.") from None


def quoted(value: object) -> str:
    """What a foreign file says, for an error message: on one line, printable and short."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def read_json(path: Path, largest: int = LARGEST_JSON) -> object:
    """Parses a JSON file.

    Raises:
        UserError: it is missing, unreadable, too large or no JSON.
    """
    try:
        return json.loads(read_bytes(path, largest).decode("utf-8-sig"), object_pairs_hook=object_of_pairs)
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else error
        raise UserError(f"{path} is not valid JSON ({reason}); restore it from its source.") from None


def object_of_pairs(pairs: list[tuple[str, object]]) -> dict:
    """A JSON object; a name given twice is an error, where Python would drop the first in silence."""
    content = dict(pairs)
    if len(content) < len(pairs):
        twice = next(name for index, (name, _) in enumerate(pairs) if name in dict(pairs[:index]))
        raise ValueError(f"{quoted(twice)} is given twice")
    return content


def read_csv(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file with a header line; empty lines are skipped.

    Raises:
        UserError: it is missing, unreadable, not text, empty, or has a row without all its columns.
    """
    try:
        text = read_bytes(path, LARGEST_CSV).decode("utf-8-sig")
        reader = csv.reader(io.StringIO(text, newline=""), strict=True)
        columns = without_empty_end(next(reader, []), 0)
        rows = [row for row in reader if row]
    except (ValueError, csv.Error) as error:
        raise UserError(f"{path} is not a readable CSV file ({error}); restore it from its source.") from None
    if not columns or len(set(columns)) < len(columns):
        raise UserError(f"{path} does not begin with a line of column names, each once; restore it from its source.")
    for row in rows:
        row[:] = without_empty_end(row, len(columns))
        if len(row) != len(columns):
            raise UserError(
                f"{path} has a row of {len(row)} instead of {len(columns)} cells, {quoted(row[0])}; correct it."
            )
    return [dict(zip(columns, row, strict=True)) for row in rows]


def without_empty_end(cells: list[str], count: int) -> list[str]:
    """Cells without the empty ones behind the first `count`, which spreadsheets add."""
    while len(cells) > count and not cells[-1]:
        cells = cells[:-1]
    return cells


# How a cell must not begin: spreadsheets take it for a formula. The last four are the full-width forms.
FORMULA_SIGNS = tuple("=+-@\uff1d\uff0b\uff0d\uff20")


def harmless_cell(text: str) -> str:
    """A text from outside as a spreadsheet may show it: one that it would take for a formula gets a quote in front."""
    return f"'{text}" if text.lstrip().startswith(FORMULA_SIGNS) else text
