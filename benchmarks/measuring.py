"""What the benchmarks share: on what they ran, films to run on, and measures taken side by side."""

import argparse
import contextlib
import os
import platform
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

ROOT = Path(__file__).parents[1]


def hardware() -> str:
    """The machine in a line, with what else it was doing: figures of a busy machine are not final."""
    model = platform.processor() or platform.machine()
    with contextlib.suppress(OSError, StopIteration):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    card = f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ""
    load = f", load before {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    return f"{os.cpu_count()} cores of {model}{card}; PyTorch {torch.__version__}{load}."


def command_environment() -> dict[str, str]:
    """The environment of a command of the project, without progress bars."""
    return os.environ | {"TQDM_DISABLE": "1", "PYTHONPATH": str(ROOT)}


def call(*arguments: str | Path, **options) -> subprocess.CompletedProcess:
    """Runs one of the project's commands and keeps what it says."""
    command = [sys.executable, *map(str, arguments)]
    settings = {"cwd": ROOT, "env": command_environment(), "capture_output": True, "text": True}
    return subprocess.run(command, check=False, **(settings | options))


def watch(*arguments: str | Path, seconds: float = 0.2) -> tuple[subprocess.CompletedProcess, list[float]]:
    """`call`, and the memory in MB of the command and all that it started, every few moments."""
    command = [sys.executable, *map(str, arguments)]
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as errors:  # a pipe that nobody reads fills
        process = subprocess.Popen(command, cwd=ROOT, env=command_environment(), stdout=out, stderr=errors)
        memory = []
        while process.poll() is None:
            memory.append(tree_memory_mb(process.pid))
            time.sleep(seconds)
        texts = [file.seek(0) or file.read() for file in (out, errors)]
    return subprocess.CompletedProcess(command, process.returncode, *texts), memory


def add_only(parser: argparse.ArgumentParser, *parts: str) -> None:
    """The flag that chooses some of a benchmark's parts, so that each can have a quiet machine."""
    parser.add_argument("--only", nargs="+", choices=parts, default=parts, help="which parts (default: all)")


def last_line(text: str) -> str:
    """Where a command names its mistake."""
    return (text.strip().splitlines() or ["it said nothing"])[-1]


def free_port() -> int:
    """A port of this machine that no one listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def installed_chromium() -> str | None:
    """The system's Chromium; None where playwright must bring its own."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return next((found for name in names if (found := shutil.which(name))), None)


def finished(out: Path) -> int:
    """How many films an unfinished prediction has done."""
    journals = list(out.glob("*.unfinished.jsonl"))
    return max(0, journals[0].read_bytes().count(b"\n") - 1) if journals else 0


def make_phantoms(folder: Path, films: int, valid: int = 0, seed: int = 11) -> Path:
    """A phantom data set of so many films to train on and to validate."""
    counts = ("--films", str(films + valid), "--valid", str(valid), "--test", "0", "--seed", str(seed))
    made = call("phantom.py", folder, *counts)
    assert made.returncode == 0, made.stderr
    return folder


def side_by_side(
    ways: dict[str, Callable[[], object]], rounds: int, device: torch.device | None = None
) -> dict[str, float]:
    """The median seconds of each way, taken in turns so that whatever else the machine does hits all alike."""
    for way in ways.values():
        way()  # what is only done once
    times = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            started = time.perf_counter()
            way()
            if device is not None and device.type == "cuda":
                torch.cuda.synchronize(device)
            times[name].append(time.perf_counter() - started)
    return {name: float(np.median(each)) for name, each in times.items()}


def memory_mb(pid: int | str = "self", field: str = "VmRSS") -> float:
    """Memory of a process, or with `VmHWM` the most it ever had; NaN where the system does not say."""
    with contextlib.suppress(OSError, StopIteration):
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(field)) / 1000
    return float("nan")


def tree_memory_mb(pid: int) -> float:
    """Memory of a process and of all that it started; what they share counts for each."""
    parents = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it may end meanwhile
            # Behind the name, in brackets, come the state and the parent.
            parents[int(folder.name)] = int((folder / "stat").read_text().rsplit(")", 1)[1].split()[1])
    tree = [pid]
    for each in tree:  # grows meanwhile
        tree += [child for child, parent in parents.items() if parent == each]
    return float(np.nansum([memory_mb(each) for each in tree]))
