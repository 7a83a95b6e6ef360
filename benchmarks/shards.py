"""Several machines, shown with local processes: `python -m benchmarks.shards [--only nodes shards] [--weights FILE]`.

Training: torchrun over two nodes that share nothing but a port, each in a folder of its own with its own copy of the
films, against one process with the same batches; then both nodes are killed and started again. Prediction: every shard
a process of its own, one of them killed and started again, against one process that reads all films.
"""

import argparse
import json
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.measuring import (
    ROOT,
    add_only,
    call,
    command_environment,
    end_of,
    finished,
    free_port,
    hardware,
    kill_trees,
    last_line,
    make_phantoms,
    print_verdicts,
    start,
    wait_for,
)
from benchmarks.outcomes import read_log, same
from checkpoint import epoch_path, list_epochs, load_checkpoint
from config import UserError
from films import films_folder
from flags import DEFAULT_OUTPUT
from inference import default_weights

# cephnet has no batch statistics, so its steps do not depend on how a batch is shared.
EPOCHS, NODES, KILLED_AFTER = 6, 2, 2
TRAINING = (
    f"--model cephnet --image-size 64x64 --batch-size 4 --epochs {EPOCHS} --precision float32 --threads 1 "
    "--workers 0 --schedule cosine --device cpu"
).split()
GIVE_UP_S = 900.0
PIPES = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}


# --- training over nodes ----------------------------------------------------------------------------------------------


class Node:
    """A machine of its own: a folder with a copy of the films, its cache and its outputs."""

    def __init__(self, folder: Path, dataset: Path):
        self.folder, self.run = folder, folder / "checkpoints" / "cephnet"
        shutil.copytree(dataset, folder / "films")

    def train(self, *launcher: str) -> subprocess.Popen:
        """Starts train.py there."""
        return start(*launcher, ROOT / "train.py", "--dataset", "films", *TRAINING, cwd=self.folder, **PIPES)

    def epochs(self) -> list[int]:
        """The epochs of which this machine has a checkpoint."""
        return list_epochs(self.run)

    def epochs_logged(self) -> int:
        """How many epochs the log on this machine has."""
        return sum(len(read_log(path)) for path in (self.folder / "logs").glob("*.csv"))


def make_nodes(folder: Path, dataset: Path) -> list[Node]:
    """Machines that see none of each other's files."""
    return [Node(folder / f"node{rank}", dataset) for rank in range(NODES)]


def start_nodes(nodes: list[Node]) -> list[subprocess.Popen]:
    """Starts a training on all nodes together, or goes on with it; their launchers."""
    place = f"--nnodes {NODES} --nproc-per-node 1 --master-addr 127.0.0.1 --master-port {free_port()} --node-rank"
    launcher = ["-m", "torch.distributed.run", *place.split()]
    return [node.train(*launcher, str(rank)) for rank, node in enumerate(nodes)]


def finish(processes: list[subprocess.Popen]) -> tuple[bool, str]:
    """Whether all ended well, and what they said.

    Raises:
        UserError: it took too long.
    """
    try:
        said = "".join(end_of(process, GIVE_UP_S)[0] for process in processes)
    finally:
        kill_trees(*processes)
    ended_well = not any(process.returncode for process in processes)
    if not ended_well:
        print(said[-3000:], file=sys.stderr)
    return ended_well, said


def kill_nodes(nodes: list[Node]) -> bool:
    """Starts a training and kills it, launchers and workers, after some epochs; whether that is what ended it.

    Raises:
        UserError: it took too long.
    """
    processes, until = start_nodes(nodes), time.monotonic() + GIVE_UP_S
    try:
        while max(nodes[0].epochs(), default=0) < KILLED_AFTER and all(each.poll() is None for each in processes):
            if time.monotonic() > until:
                raise UserError(f"No epoch {KILLED_AFTER} within {GIVE_UP_S:.0f} s; run this on an idle machine.")
            time.sleep(0.01)
    finally:
        killed = kill_trees(*processes)
    for process in processes:
        end_of(process, GIVE_UP_S)  # a worker that lived would hold its pipe open
    return min(killed) > 1 and all(process.returncode == -signal.SIGKILL for process in processes)


def judge_training(folder: Path, dataset: Path) -> bool:
    """Prints how two nodes compare with one process, and a killed pair with an untouched one; whether all is well."""
    alone = Node(folder / "alone", dataset)
    pair, again = (make_nodes(folder / name, dataset) for name in ("pair", "again"))
    ended = finish([alone.train()])[0] and finish(start_nodes(pair))[0]
    was_killed, logged = kill_nodes(again), again[0].epochs_logged()
    went_on, said = finish(start_nodes(again))
    going_on = re.search(r"Going on after epoch (\d+)", said)
    one, two, three = (load_checkpoint(epoch_path(each.run, EPOCHS)) for each in (alone, pair[0], again[0]))
    apart = max(float((one["model"][name] - two["model"][name]).abs().max()) for name in one["model"])
    written = sum(1 for _ in pair[1].folder.rglob("*.pth"))
    return print_verdicts(
        "training over two nodes without a common disk",
        [
            ("one process and the pair ended well", "", ended),
            ("largest difference of a weight between them", f"{apart:.1e}", apart < 1e-4),
            ("checkpoints on the second node", written, written == 0),
            ("another pair killed, launchers and workers; epochs in its log", logged, was_killed and logged < EPOCHS),
            ("started again, it went on after epoch", going_on and going_on[1], went_on and going_on is not None),
            ("and is bitwise the untouched pair", "", same(two, three)),
        ],
    )


# --- prediction in shards ---------------------------------------------------------------------------------------------


def judge_prediction(folder: Path, dataset: Path, weights: Path, parts: int) -> bool:
    """Prints whether shards are all films once, with the results of one process; whether they are."""
    common = ["predict.py", films_folder(dataset, "train"), "--json", "--weights", weights, "--device", "cpu", "-o"]
    whole = call(*common, folder / "whole")
    if whole.returncode != 0:
        raise UserError(f"Reading all films failed: {last_line(whole.stderr)}")
    commands = [[*common, folder / "shards", "--shard", f"{part}/{parts}"] for part in range(1, parts + 1)]
    killed_after = kill_shard(commands[0], folder / "shards")
    ended_well, said = finish([start_shard(command) for command in commands])
    if not ended_well:
        raise UserError(f"Reading a shard failed: {last_line(said)}")
    shards = [folder / "shards" / f"predictions_{part}of{parts}.json" for part in range(1, parts + 1)]
    entries = [entry for shard in shards for entry in json.loads(shard.read_text())]
    expected = json.loads((folder / "whole" / "predictions.json").read_text())
    found = {entry["film"]: entry for entry in entries}
    once = len(found) == len(entries) == len(expected) > 0 and found.keys() == {entry["film"] for entry in expected}
    has_points = any(entry["landmarks"] for entry in expected)
    agree = once and has_points and all(close(found[entry["film"]], entry) for entry in expected)
    went_on = f"Going on: {killed_after} of" in said
    rows = [
        ("all films once", len(entries), once),
        ("with the points of one process to 0.01 px", "", agree),
        ("the first of them killed after a film and started again: went on after", killed_after, went_on),
    ]
    return print_verdicts(f"{parts} shards of {len(expected)} films", rows)


def start_shard(command: list) -> subprocess.Popen:
    """Starts to read one part of the films, with one thread."""
    return start(*command, env=command_environment() | {"OMP_NUM_THREADS": "1"}, **PIPES)


def kill_shard(command: list, out: Path) -> int:
    """Starts a shard and kills it after its first film; how many films it had finished.

    Raises:
        UserError: it ended before.
    """
    process = start_shard(command)
    wait_for(process, lambda: finished(out) >= 1, every_s=0.02)
    kill_trees(process)
    said, _ = process.communicate()
    if process.returncode != -signal.SIGKILL:
        raise UserError(f"A shard ended before it could be killed; take fewer --shards. It said: {last_line(said)}")
    return finished(out)


def close(first: dict, second: dict) -> bool:
    """Whether two entries have the same points; the number of threads may change the last digits."""
    return first["landmarks"].keys() == second["landmarks"].keys() and all(
        abs(point[axis] - second["landmarks"][symbol][axis]) < 0.01
        for symbol, point in first["landmarks"].items()
        for axis in "xy"
    )


def main(arguments: list[str] | None = None) -> int:
    """Prints the tables; 0 when all was as it should be."""
    parser = argparse.ArgumentParser(description="Training over nodes and prediction over shards, locally.")
    add_only(parser, "nodes", "shards")
    parser.add_argument("--weights", type=Path, help="model to read with (default: as predict.py)")
    parser.add_argument("--shards", type=int, default=3, help="parts of the films (default: %(default)s)")
    options = parser.parse_args(arguments)
    print(hardware())
    try:
        with tempfile.TemporaryDirectory() as name:
            folder, well = Path(name), True
            dataset = make_phantoms(folder / "phantoms", 8, valid=3)
            if "nodes" in options.only:
                well = judge_training(folder, dataset)
            if "shards" in options.only:
                weights = (options.weights or default_weights(Path(DEFAULT_OUTPUT))).resolve()
                well = judge_prediction(folder, dataset, weights, options.shards) and well
            return 0 if well else 1
    except UserError as error:
        print(f"shards: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
