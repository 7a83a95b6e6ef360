"""What interruptions and a full disk do: `python -m benchmarks.faults [--only kills files] [--kills 30] [--seed 0]`.

A small training on phantoms is killed (SIGKILL) at random moments, half the time while it writes a checkpoint, after
an epoch or after Ctrl-C; it is resumed by the same command and compared with a run that was never touched, bit for bit.
Then the disk is full at the wrong moment, and files are cut short as a power cut leaves them. Times do not matter here,
only equality.
"""

import argparse
import contextlib
import csv
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch

from benchmarks.measuring import ROOT, add_only, call, command_environment, hardware, make_phantoms
from checkpoint import INTERRUPTED_NAME, epoch_path, list_epochs, load_checkpoint
from files import read_json, write_json
from films import SPLIT_MANIFEST

EPOCHS = 5
SMALL = (
    "--model landmarks --image-size 64x64 --view-size 96x96 --widths 16,32,64 --blocks 1 --batch-size 4 "
    f"--warmup-epochs 1 --epochs {EPOCHS} --precision float32 --threads 1 --workers 0 --device cpu"
).split()
GIVE_UP_S = 600.0


# --- one run of train.py ----------------------------------------------------------------------------------------------


class Run:
    """A training in a folder of its own; its cache too, so that a kill may hit its making."""

    def __init__(self, folder: Path, dataset: Path, flags: tuple[str, ...] = ()):
        self.folder, self.run = folder, folder / "runs" / "landmarks"
        places = {"--output": folder / "runs", "--logs": folder / "logs", "--cache": folder / "cache"}
        where = [str(part) for pair in places.items() for part in pair]
        self.command = [sys.executable, "train.py", "--dataset", str(dataset), *where, *SMALL, *flags]

    def start(self, **options) -> subprocess.Popen:
        """Starts or resumes it."""
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        return subprocess.Popen(self.command, cwd=ROOT, env=command_environment(), **pipes, **options)

    def finish(self, **options) -> tuple[int, str]:
        """Starts or resumes it and waits; exit status and what it said on stderr without progress bars."""
        process = self.start(**options)
        _, errors = process.communicate(timeout=GIVE_UP_S)
        said = [line.split("\r")[-1] for line in errors.splitlines() if "train.py:" in line or "Traceback" in line]
        return process.returncode, "\n".join(said)

    def outcome(self) -> list:
        """Last checkpoint, best weights and log, without times and places."""
        last = load_checkpoint(epoch_path(self.run, list_epochs(self.run)[-1]))
        logs = []
        for path in sorted((self.folder / "logs").glob("*.csv")):  # one of them, or it will not be equal
            with path.open() as file:
                logs.append(list(csv.DictReader(file)))
        return [last, load_checkpoint(self.run / "best_model.pth"), logs]

    def leftovers(self) -> int:
        """Temporary files that lie about."""
        return sum(1 for _ in self.folder.rglob(".*.tmp"))


def same(first: object, second: object) -> bool:
    """Bitwise equality of nested dicts, lists and tensors, times and places aside."""
    if type(first) is not type(second):
        return False
    if isinstance(first, dict):
        keys = first.keys() - {"seconds", "log_path"}
        return first.keys() == second.keys() and all(same(first[key], second[key]) for key in keys)
    if isinstance(first, list):
        return len(first) == len(second) and all(map(same, first, second))
    return torch.equal(first, second) if isinstance(first, torch.Tensor) else first == second


# --- kills ------------------------------------------------------------------------------------------------------------


def kill_at_random(run: Run, seconds: float, generator: np.random.Generator) -> bool:
    """Kills a run at any moment of its work; False when it had ended before."""
    process = run.start()
    wait_for(process, lambda: (run.folder / "cache").exists())
    time.sleep(generator.uniform(0, seconds))
    return kill(process)


def kill_while_writing(run: Run, seconds: float, generator: np.random.Generator) -> bool:
    """Kills a run while it writes one of its checkpoints; False when it had ended before."""
    process = run.start()
    skipped, seen = int(generator.integers(2 * EPOCHS - 2)), set()

    def is_writing() -> bool:
        seen.update(run.run.glob(".*.pth.*.tmp"))
        return len(seen) > skipped

    wait_for(process, is_writing)
    return kill(process)


def kill_while_stopping(run: Run, seconds: float, generator: np.random.Generator) -> bool:
    """Asks a run to stop, at any moment, and kills it while it saves for that; False when it had ended before."""
    process = run.start()
    wait_for(process, lambda: (run.folder / "cache").exists())
    time.sleep(generator.uniform(0, seconds))
    process.send_signal(signal.SIGINT)
    wait_for(process, lambda: any(run.run.glob(f".{INTERRUPTED_NAME}.*.tmp")))
    return kill(process)


def wait_for(process: subprocess.Popen, happened: Callable[[], bool]) -> None:
    """Returns when something has happened or the process has ended."""
    while process.poll() is None and not happened():
        time.sleep(0.0002)


def kill(process: subprocess.Popen) -> bool:
    """SIGKILL; whether the process still ran."""
    process.kill()
    process.communicate()
    return process.returncode == -signal.SIGKILL


def judge_kills(folder: Path, dataset: Path, whole: Run, seconds: float, options: argparse.Namespace) -> bool:
    """Prints how many killed runs went on and ended as the whole one; whether all did."""
    generator = np.random.default_rng(options.seed)
    expected, all_well = whole.outcome(), True
    print("| killed | kills | half a checkpoint left | resumed to the end | bitwise equal | leftovers after |")
    print("|---|---|---|---|---|---|", flush=True)
    half, quarter = -(-options.kills // 2), options.kills // 4
    for name, kill_somewhere, count in (
        ("at any moment", kill_at_random, half),
        ("writing an epoch's checkpoint", kill_while_writing, options.kills - half - quarter),
        ("saving after Ctrl-C", kill_while_stopping, quarter),
    ):
        landed, halves, resumed, equal, left = 0, 0, 0, 0, 0
        while landed < count:
            shutil.rmtree(folder / "killed", ignore_errors=True)
            run = Run(folder / "killed", dataset)
            if not kill_somewhere(run, seconds, generator):
                continue
            landed += 1
            halves += any(run.run.glob(".*.pth.*.tmp")) if run.run.exists() else 0
            status, _ = run.finish()
            resumed += status == 0
            equal += status == 0 and same(expected, run.outcome())
            left += sum(1 for _ in run.run.glob(".*.tmp"))
        print(f"| {name} | {landed} | {halves} | {resumed} | {equal} | {left} |", flush=True)
        all_well = all_well and resumed == equal == landed and left == 0
    return all_well


# --- full disks and half files ----------------------------------------------------------------------------------------


@contextlib.contextmanager
def small_disk(folder: Path, size: int) -> Iterator[dict | None]:
    """A disk of `size` bytes at `folder`, or, where none may be mounted, a limit on the size of files; gives the
    options with which a process must be started.
    """
    folder.mkdir(parents=True, exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if shutil.which("mount") and subprocess.run(mount, capture_output=True, check=False).returncode == 0:
        try:
            yield {}
        finally:
            subprocess.run(["umount", "-l", str(folder)], check=False)
        return
    import resource

    yield {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size // 8, size // 8))}


def judge_full_disk(folder: Path, dataset: Path, whole: Run) -> tuple[bool, str]:
    """A disk that fills up while the best weights, the first or a later checkpoint is written; then there is room."""
    size, well, refused = epoch_path(whole.run, EPOCHS).stat().st_size, True, []
    for number, share in enumerate((0.1, 1.0, 2.6)):
        run = Run(folder / f"full{number}", dataset, ("--cache", str(folder / "full_cache")))
        with small_disk(run.folder, int(share * size)) as limits:
            status, said = run.finish(**limits)
            kept = list_epochs(run.run)
            intact = all(load_checkpoint(epoch_path(run.run, epoch))["epoch"] == epoch for epoch in kept)
            shutil.copytree(run.folder, folder / "rescued")
        shutil.rmtree(run.folder)
        (folder / "rescued").rename(run.folder)
        well = well and is_refusal(status, said) and intact and run.leftovers() == 0
        well = well and run.finish()[0] == 0 and same(whole.outcome(), run.outcome())
        refused.append(f"{said.replace(str(run.run), '...')} ({len(kept)} before it intact)")
    return well, "; ".join(refused)


def is_refusal(status: int, said: str) -> bool:
    """Whether a run ended with one sentence that something cannot be written."""
    return status == 2 and said.count("\n") == 0 and "cannot be written" in said


def judge_full_cache(folder: Path, dataset: Path, whole: Run) -> tuple[bool, str]:
    """A disk that fills up while films are prepared; then there is room again."""
    run = Run(folder / "no_room", dataset)
    size = sum(path.stat().st_size for path in (whole.folder / "cache").rglob("*.npz"))
    with small_disk(run.folder / "cache", size // 2) as limits:
        status, said = run.finish(**limits)
    well = is_refusal(status, said) and run.finish()[0] == 0 and same(whole.outcome(), run.outcome())
    return well, said.replace(str(run.folder), "...")


def judge_half_cache(folder: Path, dataset: Path, whole: Run) -> tuple[bool, str]:
    """Entries of prepared films cut short, emptied and flipped."""
    run = Run(folder / "half_cache", dataset)
    shutil.copytree(whole.folder / "cache", run.folder / "cache")
    entries = sorted((run.folder / "cache").rglob("*.npz"))
    for number, entry in enumerate(entries):
        data = bytearray(entry.read_bytes())
        data[len(data) // 3] ^= 0xFF
        entry.write_bytes([data[: len(data) // 2], b"", data][number % 3])
    status, _ = run.finish()
    return status == 0 and same(whole.outcome(), run.outcome()), f"{len(entries)} entries made again"


def judge_cut_log(folder: Path, dataset: Path, whole: Run) -> tuple[bool, str]:
    """A run killed after some epochs whose log is cut in the middle of a row."""
    run = Run(folder / "cut_log", dataset)
    process = run.start()
    wait_for(process, lambda: bool(run.run.exists() and list_epochs(run.run)[1:]))
    kill(process)
    log = next((run.folder / "logs").glob("*.csv"))
    log.write_bytes(log.read_bytes()[:-40])
    status, _ = run.finish()
    return status == 0 and same(whole.outcome(), run.outcome()), "the log is whole again"


def judge_cut_checkpoint(folder: Path, dataset: Path, whole: Run) -> tuple[bool, str]:
    """The last checkpoint cut short, as a power cut may leave it on some disks."""
    expected, last = whole.outcome(), epoch_path(whole.run, EPOCHS)
    last.write_bytes(last.read_bytes()[: last.stat().st_size // 2])
    status, said = whole.finish()
    refused = status == 2 and str(last) in said and said.count("\n") == 0
    last.unlink()  # as the sentence asks
    return refused and whole.finish()[0] == 0 and same(expected, whole.outcome()), said.replace(str(folder), "...")


def judge_half_split(folder: Path, dataset: Path, whole: Run, generator: np.random.Generator) -> tuple[bool, str]:
    """A split killed between two of its moves: training refuses, the same command finishes it, --undo takes it back."""
    split = ["split_dataset.py", "--dataset"]
    before, done = folder / "unsplit", folder / "split"
    shutil.copytree(dataset, before)
    for path in sorted((before / "valid").rglob("*.*")):
        target = before / "train" / path.relative_to(before / "valid")
        path.rename(target)
    shutil.rmtree(before / "valid")
    shutil.copytree(before, done)
    call(*split, done)
    manifest, well, places = read_json(done / SPLIT_MANIFEST), True, []
    for place in generator.integers(1, len(manifest["moves"]), 5).tolist():
        half = folder / "half"
        shutil.copytree(before, half)
        write_json(half / SPLIT_MANIFEST, manifest)
        for move in manifest["moves"][:place]:
            (half / move["to"]).parent.mkdir(parents=True, exist_ok=True)
            (half / move["from"]).rename(half / move["to"])
        status, said = Run(folder / "half_run", half).finish()
        well = well and status == 2 and said.count("\n") == 0
        well = well and call(*split, half).returncode == 0 and contents(half) == contents(done)
        well = well and call(*split, half, "--undo").returncode == 0 and contents(half) == contents(before)
        shutil.rmtree(half)
        places.append(str(place))
    return well, f"after {', '.join(places)} of {len(manifest['moves'])} moves: {said.replace(str(folder), '...')}"


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def judge_files(folder: Path, dataset: Path, whole: Run, generator: np.random.Generator) -> bool:
    """Prints what becomes of full disks and of half files; whether all is as it should be."""
    print("\n| fault | as it should | what was said |\n|---|---|---|", flush=True)
    all_well = True
    for fault, judge in (
        ("disk full while weights and checkpoints are written", judge_full_disk),
        ("disk full while films are prepared", judge_full_cache),
        ("prepared films half written", judge_half_cache),
        ("log cut in a row", judge_cut_log),
        ("last checkpoint cut", judge_cut_checkpoint),
        ("data set half split", partial(judge_half_split, generator=generator)),
    ):
        is_well, said = judge(folder, dataset, whole)
        all_well = all_well and is_well
        print(f"| {fault} | {'yes' if is_well else 'NO'} | {said} |", flush=True)
    return all_well


def main(arguments: list[str] | None = None) -> int:
    """Prints the tables; 0 when nothing was lost."""
    parser = argparse.ArgumentParser(description="What kills, full disks and half files do to a training.")
    add_only(parser, "kills", "files")
    parser.add_argument("--kills", type=int, default=30, help="how many (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the moments (default: %(default)s)")
    options = parser.parse_args(arguments)
    print(hardware() + "\n")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        dataset = make_phantoms(folder / "phantoms", 11, valid=3)
        whole = Run(folder / "whole", dataset)
        started = whole.start()
        wait_for(started, lambda: (whole.folder / "cache").exists())
        begun = time.perf_counter()
        started.communicate(timeout=GIVE_UP_S)
        assert started.returncode == 0, "the untouched run failed"
        seconds, well = time.perf_counter() - begun, True
        if "kills" in options.only:
            well = judge_kills(folder, dataset, whole, seconds, options)
        if "files" in options.only:
            well = judge_files(folder, dataset, whole, np.random.default_rng([options.seed, 1])) and well
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
