"""Ctrl-C while a step computes: heard at once, and a second one ends the process."""

import hashlib
import io
import multiprocessing
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from interruption import ASKED, EXIT_INTERRUPTED, STOPPED, STOPS, hearing_stops

ROOT = Path(__file__).parents[1]
# Two signals come while the main thread computes for hours and no handler of Python's can run.
STUCK = """
import hashlib, signal, threading, time
import interruption

interruption.SAME_S = 0.0

def interrupt():
    for _ in range(2):
        time.sleep(0.2)
        signal.raise_signal(signal.SIGINT)

with interruption.hearing_stops(lambda: None):
    threading.Thread(target=interrupt).start()
    hashlib.pbkdf2_hmac("sha256", b"", b"", 2_000_000_000)
"""

# A worker that was forked within the block lives on, as those of a loader do, and a signal is sent to it alone.
FORKED = """
import multiprocessing, os, signal, time
from dataset import start_worker
from interruption import hearing_stops

def work(ready):
    start_worker(0)
    os.kill(os.getpid(), signal.SIGTERM)
    ready.set()
    time.sleep(60)

context = multiprocessing.get_context("fork")
with hearing_stops(lambda: None):
    ready = context.Event()
    worker = context.Process(target=work, args=(ready,))
    worker.start()
    ready.wait()
print("ended", flush=True)
worker.kill()
"""


def compute(rounds: int = 1_000_000) -> None:
    """As a step of training: it lets other threads run, but no handler before it has ended."""
    hashlib.pbkdf2_hmac("sha256", b"", b"", rounds)


def test_the_first_is_answered_before_the_step_ends(monkeypatch):
    asked, first = [], []
    said = io.StringIO()
    monkeypatch.setattr(sys, "stderr", said)

    def interrupt():
        time.sleep(0.05)
        signal.raise_signal(signal.SIGINT)
        while not asked and not said.getvalue():
            time.sleep(0.001)
        first.append("asked" if asked else "said")

    with hearing_stops(lambda: asked.append(True)):
        helper = threading.Thread(target=interrupt)
        helper.start()
        compute()
        helper.join()
    assert first == ["said"] and asked == [True] and said.getvalue() == ASKED + "\n"


def test_one_that_is_sent_twice_is_one(capsys):
    asked = []
    with hearing_stops(lambda: asked.append(True)):
        for number in STOPS:
            signal.raise_signal(number)
    assert asked == [True] and capsys.readouterr().err == ASKED + "\n"


def test_a_second_ends_in_order_where_python_comes_to_it(capsys, monkeypatch):
    asked = []
    monkeypatch.setattr("interruption.SAME_S", 0.0)
    with pytest.raises(KeyboardInterrupt), hearing_stops(lambda: asked.append(True), speaks=False):
        for number in STOPS:
            signal.raise_signal(number)
    assert asked == [True] and capsys.readouterr().err == ""


def test_a_second_ends_a_step_that_does_not_return():
    command = [sys.executable, "-c", STUCK]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert run.returncode == EXIT_INTERRUPTED and run.stderr == f"{ASKED}\n{STOPPED}\n"


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="nothing is inherited there")
def test_workers_that_were_forked_neither_hold_the_end_up_nor_are_heard():
    command = [sys.executable, "-c", FORKED]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=45, check=False)
    assert (run.returncode, run.stdout, run.stderr) == (0, "ended\n", "")


def test_afterwards_signals_are_as_before():
    former = [signal.getsignal(number) for number in STOPS]
    with hearing_stops(lambda: None):
        assert [signal.getsignal(number) for number in STOPS] != former
    assert [signal.getsignal(number) for number in STOPS] == former
    assert signal.set_wakeup_fd(-1) == -1
