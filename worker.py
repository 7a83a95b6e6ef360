"""One thread for one kind of work, which does one task after another in the order in which they came.

A lock would let films in one by one as well, but Gradio answers each question on any of up to 40 threads. What a thread
frees is kept for this thread, so the page would need the memory of one film times the threads that have met one.
"""

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

Result = TypeVar("Result")


class Worker:
    """A thread that does what others wait for."""

    def __init__(self, name: str):
        self.tasks: queue.SimpleQueue[tuple[Future, Callable]] = queue.SimpleQueue()
        # The end of the program waits for those who wait for a task, and for no other, such as loading.
        threading.Thread(target=self.work, name=name, daemon=True).start()

    def start(self, task: Callable[[], Result]) -> "Future[Result]":
        """Has a task done in its turn, and waits for nothing."""
        promise = Future()
        self.tasks.put((promise, task))
        return promise

    def do(self, task: Callable[[], Result]) -> Result:
        """What a task gives, or raises, once its turn has come. A task must not give its own worker another to do."""
        return self.start(task).result()

    def work(self) -> None:
        """Does one task after another, for ever."""
        while True:
            promise, task = self.tasks.get()
            try:
                promise.set_result(task())
            except BaseException as error:  # noqa: BLE001 (it is raised again where it is waited for)
                promise.set_exception(error)
            del promise, task  # they hold a film, and the next task may be long in coming
