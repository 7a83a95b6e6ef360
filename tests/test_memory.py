"""Freed memory is kept where the system can be asked, and nothing breaks where it cannot."""

import ctypes
import platform
import subprocess
import sys
from pathlib import Path

import pytest

import memory
from memory import M_MMAP_THRESHOLD, give_back_freed_memory, keep_freed_memory

ROOT = Path(__file__).parents[1]
# What a process holds, in MB, after it freed a block of 200.
FREED = """
import sys
from pathlib import Path
import numpy as np
from memory import keep_freed_memory

if "keep" in sys.argv and not keep_freed_memory():
    sys.exit("refused")
before, block = Path("/proc/self/statm").read_text(), np.ones(25_000_000)
del block
held = [int(text.split()[1]) * 4096 / 1e6 for text in (before, Path("/proc/self/statm").read_text())]
print(held[1] - held[0])
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another allocator, which cannot be asked")
@pytest.mark.parametrize("asked, kept", [("keep", True), ("give back", False)])
def test_a_freed_block_is_kept_when_asked_for(asked, kept):
    command = [sys.executable, "-c", FREED, asked]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    if done.stderr.strip() == "refused":
        pytest.skip("an older glibc, which keeps no such blocks")
    assert done.returncode == 0, done.stderr
    assert (float(done.stdout) > 150) == kept


def test_an_older_system_that_refuses_is_asked_nothing_more(monkeypatch):
    """Its thresholds grow by themselves, until any of them is set."""
    asked = []

    def refuse(parameter: int, value: int) -> int:
        asked.append(parameter)
        return 0

    monkeypatch.setattr(memory, "of_glibc", lambda name: refuse)
    assert not keep_freed_memory() and asked == [M_MMAP_THRESHOLD]


@pytest.mark.parametrize("error", [OSError, TypeError, AttributeError])
def test_a_system_that_cannot_be_asked_is_left_alone(monkeypatch, error):
    def refuse(name: None) -> None:
        raise error

    monkeypatch.setattr(ctypes, "CDLL", refuse)
    assert not keep_freed_memory() and not give_back_freed_memory()
