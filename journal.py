"""What a long prediction has finished, a line for each film: after any end the same command goes on behind the last
one, and never more than one film is held in memory.
"""

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

from config import UserError


class Journal:
    """A file of finished films. Its first line says on what the results depend; a journal of another call is begun
    anew. Of each film only a number and a place in the file are kept in memory.
    """

    def __init__(self, path: Path, call: dict):
        self.path = path
        self.places: dict[int, int] = {}  # by `film_key`
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self.file = open(path, "a+b")  # noqa: SIM115 (open as long as the journal is)
            end = self.read_places(call)
            self.file.truncate(end)
            if not end:
                self.write_line(call)
        except OSError as error:
            raise UserError(f"{path} cannot be written ({error.strerror}); check the disk.") from None

    def read_places(self, call: dict) -> int:
        """Finds the films of an earlier, unfinished run; returns the end of the last whole line."""
        self.file.seek(0)
        first = self.file.readline()
        if first != as_line(call):
            return 0
        end = len(first)
        for line in self.file:
            entry = parse_line(line)
            if entry is None:
                break  # cut by a kill; what follows it, if anything, is no longer known to be whole
            self.places[entry["key"]] = end
            end += len(line)
        return end

    def __len__(self) -> int:
        return len(self.places)

    def __contains__(self, key: int) -> bool:
        return key in self.places

    def add(self, key: int, content: dict) -> None:
        """Notes a finished film, at once: a kill after this does not undo it.

        Raises:
            UserError: the disk is full.
        """
        try:
            self.file.seek(0, os.SEEK_END)
            self.places[key] = self.file.tell()
            self.write_line({"key": key} | content)
        except OSError as error:
            raise UserError(f"{self.path} cannot be written ({error.strerror}); check the disk.") from None

    def write_line(self, content: dict) -> None:
        """Appends a line and hands it to the system."""
        self.file.write(as_line(content))
        self.file.flush()

    def contents(self, keys: Iterator[int]) -> Iterator[dict]:
        """What was noted of films, in the order of `keys`; those that were not finished are left out."""
        for key in keys:
            if key in self.places:
                self.file.seek(self.places[key])
                yield json.loads(self.file.readline())

    def close(self) -> None:
        """Leaves the file as it is, to go on from."""
        self.file.close()

    def remove(self) -> None:
        """Ends the journal of a finished run."""
        self.file.close()
        self.path.unlink(missing_ok=True)


def film_key(path: Path) -> int:
    """A number that changes with a film's place, size and time."""
    try:
        status = path.stat()
        stamp = status.st_size, status.st_mtime_ns
    except OSError:
        stamp = -1, -1  # reading it will say what is wrong
    digest = hashlib.blake2b(repr((str(path), *stamp)).encode("utf-8", "surrogateescape"), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def as_line(content: dict) -> bytes:
    """A dict as a line of JSON."""
    return json.dumps(content, allow_nan=False).encode() + b"\n"


def parse_line(line: bytes) -> dict | None:
    """The content of a whole line of a film."""
    try:
        content = json.loads(line) if line.endswith(b"\n") else None
    except ValueError:
        return None
    return content if isinstance(content, dict) and "key" in content else None
