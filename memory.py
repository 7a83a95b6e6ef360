"""Memory that a command which computes for long keeps to itself: `keep_freed_memory()` at its start."""

import ctypes

# Of glibc's malloc.h; other systems' allocators keep what is freed anyway, or cannot be asked.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
LARGEST_KEPT = 2**30  # bytes; the features of a batch at the network's finest level are a tenth of it


def keep_freed_memory() -> bool:
    """Keeps large blocks for the next step instead of giving them back to the system; whether it could be asked.

    Every step on a processor frees and fetches the same gigabytes, and what is fetched anew comes page by page,
    cleared: a step of `landmarks` takes a tenth longer so, a batch of films read together a quarter.
    The process stays as large as its largest step, so this is for commands that end, not for the page.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, TypeError, AttributeError):  # Windows has no such library, others no such function
        return False
    return all([mallopt(M_MMAP_THRESHOLD, LARGEST_KEPT), mallopt(M_TRIM_THRESHOLD, -1)])
