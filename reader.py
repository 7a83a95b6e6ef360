"""The models behind the page: loaded in the background, so that the page is there at once, and asked by one film after
another, on one thread.
"""

import logging
import re
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from config import UserError
from intake import Film
from worker import Worker

if TYPE_CHECKING:  # it brings PyTorch, for which the page does not wait
    from reading import Reading

log = logging.getLogger(__name__)
# An absolute path's folders, but none of an address such as https://host/name.
FOLDERS = re.compile(r"(?<![\w:/\\])(?:[A-Za-z]:)?[\\/](?:[^\\/\s]+[\\/])*(?=[^\\/\s])")
MOST_WAITING = 12  # films; on two slow cores the last of them waits about half a minute
LOADING, READY, FAILED = "loading", "ready", "failed"


class Reader:
    """Reads films with the models of some weights files."""

    def __init__(self, find_weights: Callable[[], list[Path]], device: str = "auto"):
        """find_weights gives the files; it may take long or raise a UserError, which then is what readers see."""
        self.find_weights, self.device = find_weights, device
        self.state, self.problem = LOADING, ""
        self.predictors = []
        self.worker = Worker("reader")
        self.waiting = 0
        self.counter = threading.Lock()

    def start(self) -> None:
        """Loads the models without making anyone wait; films are read after that."""
        self.worker.start(self.load)

    def load(self) -> None:
        """Loads the models; what goes wrong is kept for those who ask, without the folders of this machine."""
        paths = []
        try:
            # PyTorch takes seconds to import; the page is served in the meantime.
            from inference import load_predictor, pick_device

            device, paths = pick_device(self.device), self.find_weights()
            self.predictors = [load_predictor(path, device) for path in paths]
            self.state = READY
        except UserError as error:
            log.error("The models could not be loaded: %s", error)
            folders = [Path(path).parent for path in paths]
            self.state, self.problem = FAILED, f"The models could not be loaded. {without_folders(str(error), folders)}"
        except Exception:
            log.exception("The models could not be loaded.")
            self.state, self.problem = FAILED, "The models could not be loaded; the log of the demo says why."

    def check_room(self) -> None:
        """Asked before a film is taken in, so that those who would be refused later cost next to nothing.

        Raises:
            UserError: too many films wait already.
        """
        if self.waiting >= MOST_WAITING:
            raise UserError("Many films are waiting to be read; try again in a minute.")

    def read(self, film: Film) -> "Reading":
        """What the models say of a film, once they are loaded and its turn has come.

        Raises:
            UserError: there are no models, or too many films wait already.
        """
        with self.counter:
            self.check_room()
            self.waiting += 1
        try:
            return self.worker.do(partial(self.read_now, film))
        finally:
            with self.counter:
                self.waiting -= 1

    def read_now(self, film: Film) -> "Reading":
        """What the models say of a film; on the reader's own thread."""
        if self.state == FAILED:
            raise UserError(self.problem)
        from reading import read

        return read(self.predictors, film.pixels, film.name, film.pixel_size_mm)


def without_folders(sentence: str, folders: list[Path]) -> str:
    """A sentence that still names its files, but says of none where on this machine it lies.

    Args:
        folders: those that are known; what else looks like an absolute path is cut as well.
    """
    for folder in sorted(map(str, folders), key=len, reverse=True):
        if folder != ".":
            sentence = sentence.replace(f"{folder}/", "").replace(f"{folder}\\", "")
    return FOLDERS.sub("", sentence)
