"""Writing and reading small files: whole or not at all, and one clear sentence when a file cannot be read."""

import contextlib
import csv
import hashlib
import io
import json
import os
import re
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from config import UserError, quoted

# No file of a data set is larger; one that is would only fill the memory.
LARGEST_FILM_FILE = 512_000_000  # bytes
LARGEST_JSON = 256_000_000  # LabelMe puts the film itself into its file
MOST_JSON_VALUES = 2_000_000  # each takes a hundred bytes once it is read
LARGEST_CSV = 128_000_000  # a million films
LARGEST_WEIGHTS = 4_000_000_000  # with what an optimiser keeps
LEFTOVER = re.compile(r"\..+\.[0-9a-f]{12}\.tmp")  # a temporary name of `write_bytes`


def write_bytes(path: Path, data: bytes, lasting: bool = False) -> None:
    """Writes `data` under a temporary name, then replaces: neither a reader nor a crash ever sees half a file.

    With `lasting` the bytes are on the disk before the name is, so that a power cut cannot leave an empty file either.

    Raises:
        UserError: the place cannot be written to, or the disk is full.
    """
    with writing(path, lasting) as file:
        file.write(data)


@contextlib.contextmanager
def writing(path: Path, lasting: bool = False) -> Iterator[BinaryIO]:
    """An open file that becomes `path` when the block ends, and vanishes when it fails; for what is too large to hold.

    Raises:
        UserError: as `write_bytes`.
    """
    path = Path(path)
    # Not the process id: machines that share a disk may share that as well.
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(temporary, "wb") as file:
            yield file
            if lasting:
                file.flush()
                os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise UserError(f"{path} cannot be written ({error.strerror}); check the disk and its permissions.") from None
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def claim(path: Path, text: str) -> bool:
    """Writes a new file, or says that there is one already; of several processes only one gets it.

    Raises:
        UserError: the place cannot be written to.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        return False
    except OSError as error:
        raise UserError(f"{path} cannot be written ({error.strerror}); check the disk and its permissions.") from None
    return True


def remove_leftovers(folder: Path, idle_seconds: float = 0.0, of: str = "") -> None:
    """Removes the temporary files that killed processes left in a folder, if nothing wrote to them for a while; those
    of one file alone where `of` names it.
    """
    for path in Path(folder).glob(".*.tmp"):
        is_meant = LEFTOVER.fullmatch(path.name) and path.name.startswith(f".{of}")
        with contextlib.suppress(OSError):  # another process may have removed it
            if is_meant and time.time() - path.stat().st_mtime >= idle_seconds:
                path.unlink()


def write_text(path: Path, text: str) -> None:
    """`write_bytes` for UTF-8 text; what is none, such as a file's name in other bytes, becomes a question mark."""
    write_bytes(path, text.encode("utf-8", "replace"))


def write_json(path: Path, content: object) -> None:
    """Writes JSON that any parser reads: NaN is refused, not written."""
    write_text(path, json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def write_csv(path: Path, rows: list[dict], columns: list[str] | None = None, line_end: str = "\n") -> None:
    """Writes rows of equal keys; `columns` gives their order and is needed when there may be no row."""
    write_text(path, csv_text(rows, columns, line_end))


def csv_text(rows: list[dict], columns: list[str] | None = None, line_end: str = "\n") -> str:
    """What `write_csv` writes."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns or list(rows[0]), lineterminator=line_end)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


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


def file_hash(path: Path) -> str:
    """SHA-256 of a file's content, in hexadecimal digits.

    Raises:
        UserError: it is missing or may not be read.
    """
    return hashlib.sha256(read_bytes(path)).hexdigest()


def read_json(path: Path, most_values: int = MOST_JSON_VALUES) -> object:
    """Parses a JSON file of at most so many numbers, texts and lists.

    Raises:
        UserError: it is missing, unreadable, too large or no JSON.
    """
    data = read_bytes(path, LARGEST_JSON)
    if sum(data.count(sign) for sign in b",[{") > most_values:
        raise UserError(f"{path} holds more values than any annotation has; restore it from its source.")
    try:
        return json.loads(data.decode("utf-8-sig"), object_pairs_hook=object_of_pairs)
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
