"""What interruptions and a full disk do: `python -m benchmarks.faults [--only kills files] [--kills 30] [--seed 0]`.

A small training on phantoms is killed (SIGKILL) at random moments, half the time while it writes a checkpoint, after
an epoch or after Ctrl-C; it is resumed by the same command and compared with a run that was never touched, bit for bit.
Then the disk is full at the wrong moment, which takes the right to mount one, and files are cut short as a power cut
leaves them. Times do not matter here, only equality.
"""

import argparse
import contextlib
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

from benchmarks.measuring import add_only, call, end_of, hardware, kill, last_line, make_phantoms, wait_for
from benchmarks.outcomes import same
from benchmarks.small_run import EPOCHS, GIVE_UP_S, Run
from checkpoint import INTERRUPTED_NAME, epoch_path, list_epochs, load_checkpoint
from config import UserError
from files import read_json, write_json
from films import SPLIT_MANIFEST

FEWEST_KILLS = 4  # so that there is one of each kind
TRIES = 10  # for each kill that must land


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


def judge_kills(folder: Path, dataset: Path, whole: Run, seconds: float, options: argparse.Namespace) -> bool:
    """Prints how many killed runs went on and ended as the whole one; whether all did."""
    generator, expected, all_well = np.random.default_rng(options.seed), whole.outcome(), True
    columns = ("kills", "half a checkpoint left", "resumed to the end", "bitwise equal", "leftovers, cache aside")
    print(f"| killed | {' | '.join(columns)} | as it should |\n|---|---|---|---|---|---|---|", flush=True)
    half, quarter = -(-options.kills // 2), options.kills // 4
    for name, kill_somewhere, count, cuts_files in (
        ("at any moment", kill_at_random, half, False),
        ("writing an epoch's checkpoint", kill_while_writing, options.kills - half - quarter, True),
        ("saving after Ctrl-C", kill_while_stopping, quarter, True),
    ):
        kill_one = partial(kill_somewhere, seconds=seconds, generator=generator)
        kills, halves, resumed, equal, left = judge_kind(folder / "killed", dataset, expected, kill_one, count)
        is_well = 0 < kills == resumed == equal and left == 0 and (halves > 0 or not cuts_files)
        all_well = all_well and is_well
        verdict = "yes" if is_well else "NO"
        print(f"| {name} | {kills} | {halves} | {resumed} | {equal} | {left} | {verdict} |", flush=True)
    return all_well


def judge_kind(
    folder: Path, dataset: Path, expected: tuple, kill_one: Callable[[Run], bool], count: int
) -> tuple[int, int, int, int, int]:
    """Kills `count` runs and resumes each: how many were killed, left half a checkpoint, went on to their end and
    ended as expected; and how many files then lay about.

    Raises:
        UserError: the runs end before they can be killed.
    """
    kills, halves, resumed, equal, left = 0, 0, 0, 0, 0
    for _ in range(TRIES * count):
        shutil.rmtree(folder, ignore_errors=True)
        run = Run(folder, dataset)
        if kill_one(run):
            halves += any(run.run.glob(".*.pth.*.tmp"))
            ended_well = run.finish()[0] == 0
            resumed += ended_well
            equal += ended_well and same(expected, run.outcome())
            left += run.leftovers()
            kills += 1
            if kills == count:
                return kills, halves, resumed, equal, left
    raise UserError(f"Of {TRIES * count} kills {kills} came in time; raise EPOCHS in small_run.py for a longer run.")


# --- full disks and half files ----------------------------------------------------------------------------------------


@contextlib.contextmanager
def small_disk(folder: Path, size: int) -> Iterator[None]:
    """A disk of `size` bytes at `folder`.

    Raises:
        UserError: none may be mounted here.
    """
    folder.mkdir(parents=True, exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        raise UserError("A small disk cannot be mounted; do this as root on Linux.")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=False)


def can_mount(folder: Path) -> bool:
    """Whether there can be small disks."""
    try:
        with small_disk(folder / "mountable", 1_000_000):
            return True
    except UserError:
        return False


def judge_full_disk(folder: Path, dataset: Path, whole: Run) -> tuple[bool, str]:
    """A disk that fills up while the best weights, the first or a later checkpoint is written; then there is room."""
    size, well, refused = epoch_path(whole.run, EPOCHS).stat().st_size, True, []
    for number, share in enumerate((0.1, 1.0, 2.6)):
        run = Run(folder / f"full{number}", dataset, ("--cache", str(folder / "full_cache")))
        with small_disk(run.folder, int(share * size)):
            status, said = run.finish()
            kept = list_epochs(run.run)
            intact = all(load_checkpoint(epoch_path(run.run, epoch))["epoch"] == epoch for epoch in kept)
            shutil.copytree(run.folder, folder / "rescued")
        shutil.rmtree(run.folder)
        (folder / "rescued").rename(run.folder)
        well = well and is_refusal(status, said) and intact and run.leftovers() == 0
        well = well and run.finish()[0] == 0 and same(whole.outcome(), run.outcome())
        refused.append(f"{said.replace(str(run.run), '...')} ({len(kept)} before it intact)")
    return well and bool(kept), "; ".join(refused)  # the last of them has checkpoints to lose


def judge_limited_files(folder: Path, dataset: Path, whole: Run) -> tuple[bool, str]:
    """No file may be larger than half a checkpoint; then it may. The nearest to a full disk where none can be made."""
    import resource  # Windows has none

    size = epoch_path(whole.run, EPOCHS).stat().st_size // 2
    run = Run(folder / "limited", dataset)
    status, said = run.finish(preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size)))
    well = is_refusal(status, said) and run.leftovers() == 0
    return well and run.finish()[0] == 0 and same(whole.outcome(), run.outcome()), said.replace(str(run.run), "...")


def is_refusal(status: int, said: str) -> bool:
    """Whether a run ended with one sentence that something cannot be written."""
    return status == 2 and said.count("\n") == 0 and "cannot be written" in said


def judge_full_cache(folder: Path, dataset: Path, whole: Run) -> tuple[bool, str]:
    """A disk that fills up while films are prepared; then there is room again."""
    run = Run(folder / "no_room", dataset)
    size = sum(path.stat().st_size for path in (whole.folder / "cache").rglob("*.npz"))
    with small_disk(run.folder / "cache", size // 2):
        status, said = run.finish()
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
    mended = len(entries) >= 3 and contents(run.folder / "cache") == contents(whole.folder / "cache")
    well = mended and status == 0 and same(whole.outcome(), run.outcome())
    return well, f"{len(entries)} entries, {'all' if mended else 'NOT all'} of them made again"


def judge_cut_log(folder: Path, dataset: Path, whole: Run) -> tuple[bool, str]:
    """A run killed after some epochs whose log is cut in the middle of a row."""
    run = Run(folder / "cut_log", dataset)
    process = run.start()
    wait_for(process, lambda: bool(list_epochs(run.run)[1:]))
    was_killed = kill(process)
    log = next((run.folder / "logs").glob("*.csv"))
    log.write_bytes(log.read_bytes()[:-40])
    status, _ = run.finish()
    return was_killed and status == 0 and same(whole.outcome(), run.outcome()), "the log is whole again"


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
    split, well, places = ["split_dataset.py", "--dataset"], True, []
    before, done, half = folder / "unsplit", folder / "split", folder / "half"
    shutil.copytree(dataset, before)
    for path in sorted((before / "valid").rglob("*.*")):
        path.rename(before / "train" / path.relative_to(before / "valid"))
    shutil.rmtree(before / "valid")
    shutil.copytree(before, done)
    call(*split, done)
    manifest = read_json(done / SPLIT_MANIFEST)
    for place in generator.integers(1, len(manifest["moves"]), 5).tolist():
        shutil.copytree(before, half)
        split_partly(half, manifest, place)
        status, said = Run(folder / "half_run", half).finish()
        well = well and status == 2 and said.count("\n") == 0 and "`python split_dataset.py " in said
        well = well and call(*split, half).returncode == 0 and contents(half) == contents(done)
        well = well and call(*split, half, "--undo").returncode == 0 and contents(half) == contents(before)
        shutil.rmtree(half)
        places.append(str(place))
    return well, f"after {', '.join(places)} of {len(manifest['moves'])} moves: {said.replace(str(folder), '...')}"


def split_partly(dataset: Path, manifest: dict, moves: int) -> None:
    """What a split leaves that was killed after so many of its moves."""
    write_json(dataset / SPLIT_MANIFEST, manifest)
    for move in manifest["moves"][:moves]:
        (dataset / move["to"]).parent.mkdir(parents=True, exist_ok=True)
        (dataset / move["from"]).rename(dataset / move["to"])


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def judge_files(folder: Path, dataset: Path, whole: Run, generator: np.random.Generator) -> bool:
    """Prints what becomes of full disks and of half files; whether all is as it should be."""
    print("\n| fault | as it should | what was said |\n|---|---|---|", flush=True)
    all_well = True
    full_disk = (
        ("disk full while weights and checkpoints are written", judge_full_disk),
        ("disk full while films are prepared", judge_full_cache),
    )
    no_disk = (("no small disk can be mounted here: files limited to half a checkpoint", judge_limited_files),)
    for fault, judge in (
        *(full_disk if can_mount(folder) else no_disk),
        ("prepared films half written", judge_half_cache),
        ("log cut in a row", judge_cut_log),
        ("last checkpoint cut", judge_cut_checkpoint),
        ("data set half split", partial(judge_half_split, generator=generator)),
    ):
        is_well, said = judge(folder, dataset, whole)
        all_well = all_well and is_well
        print(f"| {fault} | {'yes' if is_well else 'NO'} | {said} |", flush=True)
    return all_well


def judge(folder: Path, options: argparse.Namespace) -> bool:
    """Trains an untouched run and prints the tables of the others; whether all was as it should be."""
    dataset, well = make_phantoms(folder / "phantoms", 11, valid=3), True
    whole = Run(folder / "whole", dataset)
    process = whole.start()
    wait_for(process, lambda: (whole.folder / "cache").exists())
    begun = time.perf_counter()
    _, errors = end_of(process, GIVE_UP_S)
    if process.returncode != 0:
        raise UserError(f"The untouched run failed: {last_line(errors)}")
    seconds = time.perf_counter() - begun
    if "kills" in options.only:
        well = judge_kills(folder, dataset, whole, seconds, options)
    if "files" in options.only:
        well = judge_files(folder, dataset, whole, np.random.default_rng([options.seed, 1])) and well
    return well


def main(arguments: list[str] | None = None) -> int:
    """Prints the tables; 0 when nothing was lost."""
    parser = argparse.ArgumentParser(description="What kills, full disks and half files do to a training.")
    add_only(parser, "kills", "files")
    parser.add_argument("--kills", type=int, default=30, help="how many (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the moments (default: %(default)s)")
    options = parser.parse_args(arguments)
    if options.kills < FEWEST_KILLS:
        parser.error(f"--kills is {options.kills}; it must be at least {FEWEST_KILLS}, one of each kind")
    print(hardware() + "\n")
    try:
        with tempfile.TemporaryDirectory() as name:
            return 0 if judge(Path(name), options) else 1
    except UserError as error:
        print(f"faults: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
