"""Freed memory: kept by a command that computes for long, `keep_freed_memory()` at its start, and given back by the
page, `start_giving_back()`.
"""

import ctypes
import threading
import time
from collections.abc import Callable

# Of glibc's malloc.h; other systems' allocators keep what is freed anyway, or cannot be asked.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
LARGEST_KEPT = 2**30  # bytes; the features of a batch at the network's finest level are a tenth of it


def of_glibc(name: str) -> Callable[..., int] | None:
    """A function of glibc's; None on other systems."""
    try:
        return getattr(ctypes.CDLL(None), name)
    except (OSError, TypeError, AttributeError):  # Windows has no such library, others no such function
        return None


def keep_freed_memory() -> bool:
    """Keeps large blocks for the next step instead of giving them back to the system; whether it could be asked.

    Every step on a processor frees and fetches the same gigabytes, and what is fetched anew comes page by page,
    cleared: a step of `landmarks` takes a tenth longer so, a batch of films read together a quarter.
    The process stays as large as its largest step, so this is for commands that end, not for the page.
    """
    mallopt = of_glibc("mallopt")
    # In this order: older versions refuse so large a threshold, and the other one alone would end glibc's own care,
    # which raises both as blocks are freed.
    return mallopt is not None and all(
        mallopt(*setting) for setting in ((M_MMAP_THRESHOLD, LARGEST_KEPT), (M_TRIM_THRESHOLD, -1))
    )


def give_back_freed_memory() -> bool:
    """Gives freed memory back to the system; whether it could be asked. Where nothing was freed, it takes 1 ms.

    By itself glibc gives back little but what lies at the end of a store, of which it has one for each thread: after a
    rush of twelve users 1.4 of the page's 2.2 GB were free memory in 16 stores.
    """
    malloc_trim = of_glibc("malloc_trim")
    if malloc_trim is None:
        return False
    malloc_trim(ctypes.c_size_t(0))
    return True


def start_giving_back(every_seconds: float) -> None:
    """Gives freed memory back so often from now on, in the background.

    By the clock and not after a reading, since pictures, uploads and answers are freed later than that, on other
    threads.
    """

    def give_back_for_ever() -> None:
        while True:
            time.sleep(every_seconds)
            give_back_freed_memory()

    threading.Thread(target=give_back_for_ever, name="memory", daemon=True).start()
