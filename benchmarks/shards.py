"""Several machines, shown with local processes: `python -m benchmarks.shards [--only nodes shards] [--weights FILE]`.

Training: torchrun over two nodes that share nothing but a port, each in a folder of its own with its own copy of the
films, against one process with the same batches; then both nodes are killed and started again. Prediction: every shard
a process of its own, one of them killed and started again, against one process that reads all films.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.faults import same
from benchmarks.measuring import (
    ROOT,
    add_only,
    call,
    command_environment,
    finished,
    free_port,
    hardware,
    last_line,
    make_phantoms,
)
from checkpoint import epoch_path, list_epochs, load_checkpoint
from config import UserError
from films import films_folder
from flags import DEFAULT_OUTPUT
from inference import default_weights

# cephnet has no batch statistics, so its steps do not depend on how a batch is shared.
EPOCHS, NODES = 6, 2
TRAINING = (
    f"--model cephnet --image-size 64x64 --batch-size 4 --epochs {EPOCHS} --precision float32 --threads 1 "
    "--workers 0 --schedule cosine --device cpu"
).split()
GIVE_UP_S = 900.0


class Node:
    """A machine of its own: a folder with a copy of the films, its cache and its outputs."""

    def __init__(self, folder: Path, dataset: Path):
        self.folder = folder
        shutil.copytree(dataset, folder / "films")

    def train(self, *launcher: str) -> subprocess.Popen:
        """Starts train.py there."""
        command = [sys.executable, *launcher, str(ROOT / "train.py"), "--dataset", "films", *TRAINING]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        return subprocess.Popen(command, cwd=self.folder, env=command_environment(), start_new_session=True, **pipes)

    @property
    def run(self) -> Path:
        return self.folder / "checkpoints" / "cephnet"

    def epochs(self) -> list[int]:
        """The epochs of which this machine has a checkpoint."""
        return list_epochs(self.run) if self.run.exists() else []


def train_nodes(nodes: list[Node], kill_after: int | None = None) -> list[int]:
    """Trains on all nodes, or until the first has a checkpoint of an epoch; their exit statuses."""
    port = free_port()
    place = f"--nnodes {NODES} --nproc-per-node 1 --master-addr 127.0.0.1 --master-port {port} --node-rank".split()
    processes = [node.train("-m", "torch.distributed.run", *place, str(rank)) for rank, node in enumerate(nodes)]
    started = time.monotonic()
    while kill_after is not None and kill_after not in nodes[0].epochs() and time.monotonic() - started < GIVE_UP_S:
        time.sleep(0.01)
    for process in processes if kill_after is not None else []:
        os.killpg(process.pid, signal.SIGKILL)
    said = [process.communicate(timeout=GIVE_UP_S)[0] for process in processes]
    statuses = [process.returncode for process in processes]
    if kill_after is None and any(statuses):
        print("\n".join(text[-1500:] for text in said), file=sys.stderr)
    return statuses


def judge_training(folder: Path, dataset: Path) -> bool:
    """Prints how two nodes compare with one process, and a killed pair with an untouched one."""
    alone = Node(folder / "alone", dataset)
    alone.train().communicate(timeout=GIVE_UP_S)
    pair = [Node(folder / f"node{rank}", dataset) for rank in range(NODES)]
    whole = train_nodes(pair)
    again = [Node(folder / f"again{rank}", dataset) for rank in range(NODES)]
    train_nodes(again, kill_after=2)
    resumed = train_nodes(again)
    one, two, three = (load_checkpoint(epoch_path(each.run, EPOCHS)) for each in (alone, pair[0], again[0]))
    apart = max(float((one["model"][name] - two["model"][name]).abs().max()) for name in one["model"])
    # "seconds" and "log_path" are left out by `same`.
    equal = same(two, three)
    written = sum(1 for _ in (pair[1].folder).rglob("*.pth"))
    print("| training over two nodes without a common disk | |\n|---|---|")
    print(f"| ended well | {whole == resumed == [0, 0]} |")
    print(f"| largest difference of a weight from one process with the same batches | {apart:.1e} |")
    print(f"| both killed in epoch 3 and started again: bitwise the untouched pair | {equal} |")
    print(f"| checkpoints on the second node | {written} |", flush=True)
    return whole == resumed == [0, 0] and apart < 1e-4 and equal and written == 0


def judge_prediction(folder: Path, dataset: Path, weights: Path, parts: int) -> bool:
    """Prints whether shards are all films once, with the results of one process."""
    films = films_folder(dataset, "train")
    common = ["predict.py", films, "--json", "--weights", weights, "--device", "cpu", "-o"]
    whole = call(*common, folder / "whole")
    if whole.returncode != 0:
        raise UserError(f"Reading all films failed: {last_line(whole.stderr)}")
    commands = [[*common, folder / "shards", "--shard", f"{part}/{parts}"] for part in range(1, parts + 1)]
    killed = start_shard(commands[0])
    while killed.poll() is None and finished(folder / "shards") < 1:
        time.sleep(0.02)
    killed.kill()
    was_killed = killed.wait() == -signal.SIGKILL
    processes = [start_shard(command) for command in commands]
    statuses = [process.wait() for process in processes]
    well = was_killed and not any(statuses)
    shards = [folder / "shards" / f"predictions_{part}of{parts}.json" for part in range(1, parts + 1)]
    entries = [entry for shard in shards for entry in json.loads(shard.read_text())]
    expected = json.loads((folder / "whole" / "predictions.json").read_text())
    found = {entry["film"]: entry for entry in entries}
    agree = len(found) == len(entries) == len(expected) and all(close(found[e["film"]], e) for e in expected)
    print(f"\n| {parts} shards of {len(expected)} films | |\n|---|---|")
    print(f"| all films once, with the points of one process to 0.01 px | {agree and well} |")
    print(f"| the first of them killed after a film and started again | {was_killed} |", flush=True)
    return agree and well


def start_shard(command: list) -> subprocess.Popen:
    """Starts to read one part of the films, with one thread, in silence."""
    environment = command_environment() | {"OMP_NUM_THREADS": "1"}
    arguments = [sys.executable, *map(str, command)]
    return subprocess.Popen(arguments, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)


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
    print(hardware() + "\n")
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
