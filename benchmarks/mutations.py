"""What becomes of damaged and hostile files: `python -m benchmarks.mutations [--count 10000] [--keep DIR]`.

Every mutated file must give a right result or one sentence that names it, within 2 s of processor time and 1 GB, and
code planted in one must not run. A worker process reads them one after another; if it dies, that file has failed and a
new worker goes on.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

import numpy as np
import torch

from annotations import read_landmarks, read_machines, read_stage
from benchmarks.measuring import forget_peak, hardware, memory_mb, start
from benchmarks.mutating import PAYLOAD_MARK, PLANTED, mutate, where_planted
from benchmarks.seed_files import FILM_ID, Seed, make_seeds
from checkpoint import load_model
from config import SYMBOLS, VERTEBRAL_POINTS, UserError
from headers import read_header
from images import decode_picture, dicom_pixel_size_mm, read_film
from inference import load_predictor
from labelme import read_labelme

LONGEST_S, LARGEST_MB, LONGEST_SENTENCE = 2.0, 1000, 600
GIVE_UP_S = 300.0  # of wall time, on a machine that may be busy
PAYLOAD_RAN = "a payload was run"
OUTCOMES = ("right", "refused", "wrong", "crash", "slow", "large", "unclear")


# --- in the worker ----------------------------------------------------------------------------------------------------


def serve(seed_folder: Path) -> None:
    """Reads one request a line, {"seed", "path", "how"}, and answers each with a line."""
    seeds = make_seeds(seed_folder)
    for line in sys.stdin:
        request = json.loads(line)
        forget_peak()
        setattr(sys, PAYLOAD_MARK, False)  # what an earlier file did is not this one's fault
        started = time.process_time()
        try:
            outcome, said = judge(seeds[request["seed"]], Path(request["path"]), request["how"])
        except Exception as error:  # noqa: BLE001 (that there is none is what is to be shown)
            outcome, said = "crash", repr(error)
        if getattr(sys, PAYLOAD_MARK):
            outcome, said = "wrong", PAYLOAD_RAN
        answer = {"outcome": outcome, "said": said, "s": time.process_time() - started, "mb": memory_mb(field="VmHWM")}
        print("\n" + json.dumps(answer), flush=True)


def judge(seed: Seed, path: Path, how: str) -> tuple[str, str]:
    """What reading a file comes to: "right", "refused", "wrong" or "unclear", and what was said."""
    try:
        problem = {
            "film": judge_film, "landmarks": judge_landmarks, "stage": judge_stage, "machines": judge_machines,
            "labelme": judge_labelme, "weights": judge_weights,
        }[seed.kind](seed, path, how)  # fmt: skip
    except UserError as error:
        said = str(error)
        is_clear = "\n" not in said and len(said) < LONGEST_SENTENCE and str(path) in said and said.isprintable()
        return ("refused" if is_clear else "unclear"), said
    return ("wrong", problem) if problem else ("right", "")


def judge_film(seed: Seed, path: Path, how: str) -> str:
    """A picture of the size that its file states; of a PNG file, whose every byte is summed, that very picture."""
    film, data = read_film(path), path.read_bytes()
    if film.ndim != 2 or film.dtype != np.uint8:
        return f"{film.shape} {film.dtype}"
    if path.suffix == ".dcm":
        dicom_pixel_size_mm(data, path)
        return ""
    header = read_header(data)
    if sorted(film.shape) != sorted((header.height, header.width)):
        return f"{film.shape} instead of {header}"
    if path.suffix == ".png" and how == "vary_bytes" and not np.array_equal(film, decode_picture(seed.data, "seed")):
        return "another picture, although its checksums fit"
    return ""


def judge_landmarks(seed: Seed, path: Path, how: str) -> str:
    """Exactly the points that the JSON text has."""
    labels = read_landmarks(path, FILM_ID)
    entries = json.loads(path.read_bytes().decode("utf-8-sig"))["landmarks"]
    said = {entry["symbol"]: [float(entry["value"][axis]) for axis in "xy"] for entry in entries}
    points = zip(SYMBOLS, labels.points_px.tolist(), strict=True)
    read = {symbol: point for symbol, point in points if not np.isnan(point).any()}
    return "" if said == read and len(said) == len(entries) else "other points than the file has"


def judge_stage(seed: Seed, path: Path, how: str) -> str:
    """The stage that the JSON text has."""
    stage = read_stage(path, FILM_ID)
    said = json.loads(path.read_bytes().decode("utf-8-sig"))["cvm_stage"]["value"]
    return "" if type(stage) is int and stage == said and 1 <= stage <= 6 else f"stage {stage}"


def judge_machines(seed: Seed, path: Path, how: str) -> str:
    """The pixel sizes of a table without quotes are those between its commas."""
    records = read_machines(path.parent)
    text = path.read_bytes().decode("utf-8-sig")
    if any(not 0 < record.pixel_size_mm < 10 for record in records.values() if record.pixel_size_mm is not None):
        return "an impossible pixel size"
    if '"' in text:
        return ""
    rows = [line.split(",") for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n") if line]
    columns = [rows[0].index(name) for name in ("cephalogram_id", "pixel_size")]
    said = {row[columns[0]]: float(row[columns[1]]) if row[columns[1]].strip() else None for row in rows[1:]}
    return "" if said == {film: record.pixel_size_mm for film, record in records.items()} else "other pixel sizes"


def judge_labelme(seed: Seed, path: Path, how: str) -> str:
    """The points that the JSON text has."""
    points = read_labelme(path).points_px
    shapes = json.loads(path.read_bytes().decode("utf-8-sig"))["shapes"]
    said = {str(shape.get("label")): shape["points"] for shape in shapes if shape.get("shape_type") == "point"}
    for name, point in zip(VERTEBRAL_POINTS, points, strict=True):
        if np.isnan(point).any() != (name not in said) or (name in said and list(point) != said[name][0]):
            return f"another place of {name}"
    return ""


def judge_weights(seed: Seed, path: Path, how: str) -> str:
    """The seed's own weights; a forged but sound file may differ, and must then read a film."""
    if how == "vary_bytes":
        known_path = path.with_name(f"whole{path.suffix}")
        known_path.write_bytes(seed.data)
        (model, config, facts), (known, *rest) = load_model(path), load_model(known_path)
        state, expected = model.state_dict(), known.state_dict()
        same = [config, facts] == rest and all(torch.equal(state[name], expected[name]) for name in expected)
        return "" if same else "other weights, although their digest fits"
    prediction = load_predictor(path, torch.device("cpu")).predict(np.full((60, 40), 90, np.uint8))
    return "" if prediction.landmarks_px.shape == (29, 2) else "no landmarks"


# --- in the main process ----------------------------------------------------------------------------------------------


class Worker:
    """A process that reads mutated files, and is replaced when it dies."""

    def __init__(self, folder: Path):
        self.folder, self.process = folder, None

    def ask(self, seed: str, path: Path, how: str) -> dict:
        """Outcome of one file."""
        if self.process is None or self.process.poll() is not None:
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
            self.process = start("-m", "benchmarks.mutations", "--serve", self.folder, **pipes)
        print(json.dumps({"seed": seed, "path": str(path), "how": how}), file=self.process.stdin, flush=True)
        watch = threading.Timer(GIVE_UP_S, self.process.kill)
        watch.start()
        answer = next((line for line in self.process.stdout if line.startswith('{"outcome"')), None)
        watch.cancel()
        if answer is not None:
            return json.loads(answer)
        return {"outcome": "crash", "said": f"the process ended with {self.process.wait()}", "s": 0.0, "mb": 0.0}


def verdict(answer: dict) -> str:
    """An answer's outcome with the limits of time and memory."""
    if answer["outcome"] in ("right", "refused"):
        return "slow" if answer["s"] > LONGEST_S else "large" if answer["mb"] > LARGEST_MB else answer["outcome"]
    return answer["outcome"]


def main(arguments: list[str] | None = None) -> int:
    """Prints the table; 0 when no file failed."""
    parser = argparse.ArgumentParser(description="Reads thousands of damaged and hostile files.")
    parser.add_argument("--count", type=int, default=10_000, help="mutated files in all (default: %(default)s)")
    parser.add_argument("--first", type=int, default=0, help="number of the first mutation (default: %(default)s)")
    parser.add_argument("--only", help="mutate one seed alone")
    parser.add_argument("--keep", type=Path, help="folder for files that failed")
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.serve:
        serve(options.serve)
        return 0
    try:
        total = judge_seeds(options)
    except UserError as error:
        print(f"mutations: {error}", file=sys.stderr)
        return 2
    failed = sum(total[outcome] for outcome in OUTCOMES[2:])
    print(f"\n{sum(total[outcome] for outcome in OUTCOMES)} files, {failed} failed.")
    planted = " and ".join(f"{total[place]} {place}" for place in PLANTED)
    print(f"Code was planted in {planted}, and ran from {total[PAYLOAD_RAN]} of them.")
    return 1 if failed else 0


def judge_seeds(options: argparse.Namespace) -> Counter:
    """Prints the table; how many files had which outcome, carried planted code and where, and ran it."""
    if options.count < 1:
        raise UserError(f"--count is {options.count}, so no file would be read; it must be at least 1.")
    print(hardware() + "\n\n| seed | files | " + " | ".join(OUTCOMES) + " | longest s | largest MB |", flush=True)
    print("|---" * (len(OUTCOMES) + 4) + "|")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in ("seeds", "served", "files"):
            (folder / part).mkdir()
        seeds = make_seeds(folder / "seeds")
        if options.only not in (None, *seeds):
            raise UserError(f"There is no seed {options.only}; choose one of {', '.join(seeds)}.")
        chosen = [options.only] if options.only else list(seeds)
        worker, total = Worker(folder / "served"), Counter()
        for each in chosen:
            numbers = range(options.first, options.first + -(-options.count // len(chosen)))
            total += judge_seed(each, seeds[each], numbers, worker, folder / "files", options.keep)
    return total


def judge_seed(name: str, seed: Seed, numbers: range, worker: Worker, folder: Path, keep: Path | None) -> Counter:
    """Prints the row of one seed; counts as `judge_seeds`."""
    counts, answers = Counter(), []
    for number in numbers:
        data, how = mutate(seed, number)
        path = folder / seed.name
        path.write_bytes(data)
        answer = worker.ask(name, path, how)
        outcome = verdict(answer)
        counts[outcome] += 1
        counts[where_planted(data)] += 1
        counts[PAYLOAD_RAN] += answer["said"] == PAYLOAD_RAN
        answers.append(answer)
        if outcome not in ("right", "refused"):
            print(f"{name} {number} {how}: {outcome}, {answer['said'][:300]!r}", file=sys.stderr, flush=True)
            if keep is not None:
                keep.mkdir(parents=True, exist_ok=True)
                (keep / f"{number}_{seed.name}").write_bytes(data)
    cells = " | ".join(str(counts[outcome]) for outcome in OUTCOMES)
    longest, largest = (max(answer[key] for answer in answers) for key in ("s", "mb"))
    print(f"| {name} | {len(numbers)} | {cells} | {longest:.2f} | {largest:.0f} |", flush=True)
    return counts


if __name__ == "__main__":
    sys.exit(main())
