"""The page's memory: a thread for each kind of heavy work, no film held longer than needed, freed memory given back."""

import gc
import threading
import time
import weakref
from pathlib import Path

import numpy as np
import pytest
from known_reading import KnowingReader

import demo
import reading
from config import UserError
from desk import Desk, list_examples
from intake import Film
from memory import give_back_freed_memory, of_glibc, start_giving_back
from reader import READY, Reader
from worker import Worker


def ask_at_once(task, count: int) -> list:
    """What a task gives to so many threads that ask at once."""
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(task())) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=20)
    return answers


def resident_mb() -> float:
    """Memory of this process."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1000


# --- one thread a kind of work --------------------------------------------------------------------------------------


def test_tasks_are_done_in_the_order_in_which_they_came():
    worker, gate, done = Worker("test"), threading.Event(), []
    worker.start(gate.wait)
    promises = [worker.start(lambda number=number: done.append(number)) for number in range(20)]
    assert not done
    gate.set()
    for promise in promises:
        promise.result(timeout=5)
    assert done == list(range(20))


def test_what_goes_wrong_is_told_to_who_asked_and_the_next_is_served():
    worker = Worker("test")

    def fail():
        raise UserError("no film")

    with pytest.raises(UserError, match="no film"):
        worker.do(fail)
    assert worker.do(lambda: 7) == 7


def test_a_worker_at_rest_holds_no_film():
    worker, film = Worker("test"), Film("film", np.zeros((9, 9), np.uint8), None)
    gone = weakref.ref(film)
    worker.do(lambda film=film: film)
    del film
    until = time.monotonic() + 5
    while gone() is not None and time.monotonic() < until:
        time.sleep(0.01)
        gc.collect()
    assert gone() is None


def test_films_are_read_on_one_thread_whoever_asks(monkeypatch):
    threads = set()
    monkeypatch.setattr(reading, "read", lambda *film: threads.add(threading.current_thread().name) or film)
    reader = Reader(list)
    reader.state = READY
    film = Film("film", np.zeros((9, 9), np.uint8), None)
    assert len(ask_at_once(lambda: reader.read(film), 8)) == 8 and threads == {"reader"} and reader.waiting == 0


def test_films_are_taken_in_on_one_thread_whoever_asks(monkeypatch):
    threads = set()
    monkeypatch.setattr("desk.film_png", lambda pixels: threads.add(threading.current_thread().name) or "")
    desk, name = Desk(KnowingReader(), 30), list_examples()[0]["name"]
    opened = ask_at_once(lambda: desk.open_example(name), 8)
    assert len({each["key"] for each in opened}) == 8 and threads == {"intake"}


# --- memory ---------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(of_glibc("malloc_trim") is None, reason="the system has no malloc_trim")
def test_freed_memory_is_given_back():
    kept = [bytearray(60_000) for _ in range(5000)]  # 300 MB, each too small to be mapped by itself
    kept = kept[::500]  # what stays keeps what lies below it from being given back by itself
    before = resident_mb()
    assert give_back_freed_memory()
    assert resident_mb() < before - 150 and len(kept) == 10


def test_memory_is_given_back_again_and_again(monkeypatch):
    times = []

    def count():
        times.append(time.monotonic())
        if len(times) == 3:
            raise SystemExit  # ends the thread

    monkeypatch.setattr("memory.give_back_freed_memory", count)
    start_giving_back(0.01)
    until = time.monotonic() + 5
    while len(times) < 3 and time.monotonic() < until:
        time.sleep(0.01)
    assert len(times) == 3


def test_ended_sessions_do_not_pile_up(monkeypatch):
    """Gradio keeps 35 kB for every visitor, by default of the last 10,000."""
    monkeypatch.setattr(demo, "MOST_SESSIONS", 3)
    blocks = demo.build_page(Desk(KnowingReader(), 2))
    options = demo.make_parser().parse_args([])
    try:
        demo.launch(blocks, options, prevent_thread_lock=True, quiet=True)
        for number in range(6):
            assert blocks.state_holder[f"visitor {number}"]
        assert len(blocks.state_holder.session_data) == 3
    finally:
        blocks.close()
