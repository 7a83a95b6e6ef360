"""A small training in a folder of its own, to be killed and damaged."""

import subprocess
from pathlib import Path

from benchmarks.measuring import end_of, start
from benchmarks.outcomes import outcome

EPOCHS = 5
SMALL = (
    "--model landmarks --image-size 64x64 --view-size 96x96 --widths 16,32,64 --blocks 1 --batch-size 4 "
    f"--warmup-epochs 1 --epochs {EPOCHS} --precision float32 --threads 1 --workers 0 --device cpu"
).split()
GIVE_UP_S = 600.0


class Run:
    """A training in a folder of its own; its cache too, so that a kill may hit its making."""

    def __init__(self, folder: Path, dataset: Path, flags: tuple[str, ...] = ()):
        self.folder, self.run = folder, folder / "runs" / "landmarks"
        places = {"--output": folder / "runs", "--logs": folder / "logs", "--cache": folder / "cache"}
        where = [str(part) for pair in places.items() for part in pair]
        self.command = ["train.py", "--dataset", str(dataset), *where, *SMALL, *flags]

    def start(self, **options) -> subprocess.Popen:
        """Starts or resumes it."""
        return start(*self.command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)

    def finish(self, **options) -> tuple[int, str]:
        """Starts or resumes it and waits; exit status and what it said on stderr without progress bars.

        Raises:
            UserError: it took too long.
        """
        process = self.start(**options)
        _, errors = end_of(process, GIVE_UP_S)
        said = [line.split("\r")[-1] for line in errors.splitlines() if "train.py:" in line or "Traceback" in line]
        return process.returncode, "\n".join(said)

    def outcome(self) -> tuple[dict, dict, list[list[dict]]]:
        """Last checkpoint, best weights and logs."""
        return outcome(self.run, self.folder / "logs")

    def leftovers(self) -> int:
        """Temporary files that lie about; in the cache they stay for an hour, as another machine may write them."""
        cached = set((self.folder / "cache").rglob(".*.tmp"))
        return sum(path not in cached for path in self.folder.rglob(".*.tmp"))
