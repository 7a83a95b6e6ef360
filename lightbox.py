"""The films that people have open on the page: in memory alone, a few at a time, and not for long.

A film is known by a key that only its own page holds, so no one reaches another's.
"""

import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from config import UserError
from intake import Film

if TYPE_CHECKING:  # it brings PyTorch, for which the page does not wait
    from reading import Reading

MOST_FILMS = 24
MOST_BYTES = 1_000_000_000
LONGEST_SECONDS = 3600.0


@dataclass(eq=False)
class OpenFilm:
    """A film on the lightbox, and what a model read in it once it has."""

    film: Film
    touched: float  # seconds of the lightbox's clock
    reading: "Reading | None" = None


class Lightbox:
    """Holds films up to a count, an amount of memory and an age since their last use; the longest unused go first."""

    def __init__(
        self,
        most_films: int = MOST_FILMS,
        most_bytes: int = MOST_BYTES,
        longest_seconds: float = LONGEST_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ):
        self.most_films, self.most_bytes, self.longest_seconds = most_films, most_bytes, longest_seconds
        self.clock = clock
        self.films: OrderedDict[str, OpenFilm] = OrderedDict()  # by key, the longest unused first
        self.lock = threading.Lock()

    def put(self, film: Film) -> str:
        """Lays a film on, and returns its key."""
        key = secrets.token_urlsafe(18)
        with self.lock:
            self.films[key] = OpenFilm(film, self.clock())
            self.clear()
        return key

    def get(self, key: object) -> OpenFilm:
        """The film of a key.

        Raises:
            UserError: there is none, or no longer.
        """
        with self.lock:
            self.clear()
            if not isinstance(key, str) or key not in self.films:
                raise UserError("This film was put away after a while without use; open it again.")
            self.films.move_to_end(key)
            self.films[key].touched = self.clock()
            return self.films[key]

    def remove(self, key: object) -> None:
        """Takes a film away, if it is there."""
        with self.lock:
            if isinstance(key, str):
                self.films.pop(key, None)

    def start_sweeping(self, every_seconds: float = 60.0) -> None:
        """Takes away what is too old from now on, even where no one opens or touches a film any more."""

        def sweep_for_ever() -> None:
            while True:
                time.sleep(every_seconds)
                with self.lock:
                    self.clear()

        threading.Thread(target=sweep_for_ever, name="lightbox", daemon=True).start()

    def clear(self) -> None:
        """Takes away what is too old, and the longest unused while there is too much; the newest always stays."""
        oldest = self.clock() - self.longest_seconds
        for key in [key for key, each in self.films.items() if each.touched < oldest]:
            del self.films[key]
        total = sum(each.film.pixels.nbytes for each in self.films.values())
        while len(self.films) > 1 and (len(self.films) > self.most_films or total > self.most_bytes):
            _, gone = self.films.popitem(last=False)
            total -= gone.film.pixels.nbytes
