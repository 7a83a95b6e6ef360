"""Ctrl-C in training: heard at once, although Python's own handlers wait until the step that computes has returned.

The first one asks the loop to save and end after its step, a second one ends the process.
"""

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

EXIT_INTERRUPTED = 130
STOPS = (signal.SIGINT, signal.SIGTERM)
# What comes this soon after the first is still the same one: on Windows the terminal sends it to every process, and
# torchrun sends it to its own once more.
SAME_S = 1.0
GRACE_S = 1.0  # in which a second Ctrl-C may end the process in order
ASKED = (
    "\nFinishing this step, or the validation under way, and saving. Ctrl-C again stops at once and loses the steps "
    "since the last save."
)
STOPPED = "train.py: stopped at once; the same command goes on from what was saved last."


@contextmanager
def hearing_stops(ask: Callable[[], None], speaks: bool = True) -> Iterator[None]:
    """Within the block the first Ctrl-C or SIGTERM calls `ask`, and the second raises KeyboardInterrupt.

    Both do so in the main thread, once it is back from what it computes. The interpreter writes each signal into a
    socket without waiting for that; a thread reads it, says at once what happens (if it `speaks`), and after a second
    one ends the process if the main thread has not done so within `GRACE_S`.
    """
    asked_s, has_ended = [], threading.Event()

    def handle(*_) -> None:
        if not asked_s:
            asked_s.append(time.monotonic())
            ask()
        elif time.monotonic() - asked_s[0] > SAME_S:
            raise KeyboardInterrupt

    ear, mouth = socket.socketpair()
    mouth.setblocking(False)
    listener = threading.Thread(target=listen, args=(ear, has_ended, speaks), daemon=True)
    listener.start()
    former_mouth = signal.set_wakeup_fd(mouth.fileno(), warn_on_full_buffer=False)
    former = {number: signal.signal(number, handle) for number in STOPS}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(former_mouth)
        has_ended.set()
        # This ends the listener; closing alone would not, as long as a worker that was forked in the block lives.
        mouth.shutdown(socket.SHUT_WR)
        mouth.close()
        listener.join()
        ear.close()


def listen(ear: socket.socket, has_ended: threading.Event, speaks: bool) -> None:
    """Reads the numbers of signals, a byte each, until the other end is shut."""
    say = (lambda text: print(text, file=sys.stderr, flush=True)) if speaks else (lambda text: None)
    first_s = None
    while number := ear.recv(1):
        if number[0] not in STOPS:
            continue
        if first_s is None:
            first_s = time.monotonic()
            say(ASKED)
        elif time.monotonic() - first_s > SAME_S and not has_ended.wait(GRACE_S):
            say(STOPPED)
            os._exit(EXIT_INTERRUPTED)  # every file is written whole or not at all, so none is left half
