"""What the benchmarks share: on what they ran, and how they start this project's commands."""

import os
import platform
from pathlib import Path

import torch

ROOT = Path(__file__).parents[1]


def hardware() -> str:
    """The machine in a line, with what else it was doing: figures of a busy machine are not final."""
    model = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    card = f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ""
    load = f", load before {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    return f"{os.cpu_count()} cores of {model}{card}; PyTorch {torch.__version__}{load}."


def command_environment() -> dict[str, str]:
    """The environment of a command of the project, without progress bars."""
    return os.environ | {"TQDM_DISABLE": "1", "PYTHONPATH": str(ROOT)}
