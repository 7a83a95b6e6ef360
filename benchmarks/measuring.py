"""What the benchmarks share: on what they ran, the project's commands started, watched and killed, films to run on,
measures taken side by side, and the table of what was found and whether it is as it should be.
"""

import argparse
import contextlib
import http.client
import os
import platform
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch

from config import UserError

ROOT = Path(__file__).parents[1]
LOG_SIDE, LOG_CELLS = 256, 64  # pixels and cells along a side of the log's image and heatmap
DEMO_STARTS_S = 120.0  # within which the demo must serve its page


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


def start(*arguments: str | Path, **options) -> subprocess.Popen:
    """Starts one of the project's commands; `options` as of Popen."""
    settings = {"cwd": ROOT, "env": command_environment(), "text": True}
    return subprocess.Popen([sys.executable, *map(str, arguments)], **(settings | options))


def call(*arguments: str | Path, **options) -> subprocess.CompletedProcess:
    """Runs one of the project's commands and keeps what it says."""
    with start(*arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options) as process:
        texts = process.communicate()
    return subprocess.CompletedProcess(process.args, process.returncode, *texts)


def watch(
    *arguments: str | Path, seconds: float = 0.2, since: Callable[[], bool] = lambda: True
) -> tuple[subprocess.CompletedProcess, list[float]]:
    """`call`, and the memory in MB of the command and all that it started, every few moments from when `since` is
    true on.
    """
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as errors:  # a pipe that nobody reads fills
        process = start(*arguments, stdout=out, stderr=errors)
        memory = []
        while process.poll() is None:
            if memory or since():
                memory.append(tree_memory_mb(process.pid))
            time.sleep(seconds)
        texts = [file.seek(0) or file.read() for file in (out, errors)]
    return subprocess.CompletedProcess(process.args, process.returncode, *texts), memory


def end_of(process: subprocess.Popen, within_s: float) -> tuple[str, str]:
    """What a started command says on its pipes until it ends.

    Raises:
        UserError: it took longer, and was killed.
    """
    try:
        return process.communicate(timeout=within_s)
    except subprocess.TimeoutExpired:
        kill_trees(process)
        process.wait()
        name = " ".join(map(str, process.args[1:4]))
        raise UserError(f"`{name} ...` did not end within {within_s:.0f} s; run this on an idle machine.") from None


def wait_for(process: subprocess.Popen, happened: Callable[[], bool], every_s: float = 0.0002) -> None:
    """Returns when something has happened or the process has ended."""
    while process.poll() is None and not happened():
        time.sleep(every_s)


def kill(process: subprocess.Popen) -> bool:
    """SIGKILL; whether the process still ran."""
    process.kill()
    process.communicate()
    return process.returncode == -signal.SIGKILL


def process_tree(pid: int) -> list[int]:
    """A process and all that it started, parents first, whatever session they lead; itself alone where there is no
    /proc.
    """
    parents = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it may end meanwhile
            # Behind the name, in brackets, come the state and the parent.
            parents[int(folder.name)] = int((folder / "stat").read_text().rsplit(")", 1)[1].split()[1])
    tree = [pid]
    for each in tree:  # grows meanwhile
        tree += [child for child, parent in parents.items() if parent == each]
    return tree


def kill_trees(*processes: subprocess.Popen) -> list[int]:
    """Kills (SIGKILL) processes and all that they started; how many each was with these, 0 where it had ended.

    Signalling its group is not enough: torchrun makes each of its workers the leader of a session.
    """
    trees = [process_tree(process.pid) if process.poll() is None else [] for process in processes]
    for pid in (pid for tree in trees for pid in tree):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return [len(tree) for tree in trees]


@contextlib.contextmanager
def running_demo(*flags: str | Path, **options) -> Iterator[tuple[subprocess.Popen, int]]:
    """The demo's process and port, from when its first page is there on; `options` as of Popen.

    Raises:
        UserError: it served no page.
    """
    port = free_port()
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = start(ROOT / "demo.py", "--port", str(port), *flags, **(quiet | options))
    try:
        until = time.monotonic() + DEMO_STARTS_S
        while not serves(port):
            if process.poll() is not None or time.monotonic() > until:
                raise UserError("The demo served no page; start `python demo.py` by hand to see why.")
            time.sleep(0.05)
        yield process, port
    finally:
        process.terminate()
        process.wait()


def serves(port: int) -> bool:
    """Whether a page comes from a port of this machine."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", "/")
        answer = connection.getresponse()
        return bool(answer.read()) and answer.status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def print_verdicts(title: str, rows: list[tuple[str, object, bool | None]]) -> bool:
    """Prints what was found, and for each row that decides whether it is as it should be; whether all of these are."""
    print(f"\n| {title} | | as it should |\n|---|---|---|")
    for name, found, is_well in rows:
        print(f"| {name} | {found} | {'' if is_well is None else 'yes' if is_well else 'NO'} |", flush=True)
    verdicts = [is_well for *_, is_well in rows if is_well is not None]
    return bool(verdicts) and all(verdicts)


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
    times = {name: [] for name in ways}
    for _ in range(1 + rounds):  # the first one also does what is only done once
        for name, way in ways.items():
            started = time.perf_counter()
            way()
            if device is not None and device.type == "cuda":
                torch.cuda.synchronize(device)
            times[name].append(time.perf_counter() - started)
    return {name: float(np.median(each[1:])) for name, each in times.items()}


def memory_mb(pid: int | str = "self", field: str = "VmRSS") -> float:
    """Memory of a process, or with `VmHWM` the most it ever had; NaN where the system does not say."""
    with contextlib.suppress(OSError, StopIteration):
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(field)) / 1000
    return float("nan")


def forget_peak(pid: int | str = "self") -> None:
    """Makes the most memory that a process ever had (`VmHWM`) start anew, where the system can."""
    with contextlib.suppress(OSError):
        Path(f"/proc/{pid}/clear_refs").write_text("5")


def tree_memory_mb(pid: int) -> float:
    """Memory of a process and of all that it started; what they share counts for each. 0 where the system does not
    say.
    """
    return float(np.nansum([memory_mb(each) for each in process_tree(pid)]))
