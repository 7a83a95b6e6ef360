"""How fast films are read: `python -m benchmarks.prediction [--only speed start folder] [--weights FILE] [--tiny]`.

From the bytes of a film to the finished result, ours against the development log's ResNet-50 heatmap model at 256 px,
one by one and in batches; the start of demo.py to its first page; and a folder of 2,000 films, three of them broken,
read in constant memory, killed twice and read on; with --tiny by a network that takes next to no time, where only that
is asked. The weights are copied away from those of the neck beside them, but for the row that says so.
"""

import argparse
import json
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch

from benchmarks.measuring import (
    LOG_CELLS,
    LOG_SIDE,
    add_only,
    call,
    finished,
    hardware,
    kill,
    last_line,
    make_phantoms,
    print_verdicts,
    running_demo,
    side_by_side,
    start,
    wait_for,
    watch,
)
from checkpoint import save_weights
from config import UserError, make_config
from films import scan_split
from flags import DEFAULT_OUTPUT
from geometry import Letterbox
from images import decode_picture
from inference import Predictor, default_weights, load_predictor, pick_device
from memory import keep_freed_memory
from model import build_model, to_network_input
from reading import describe_reading, read

FILMS = 8  # whose reading is timed
MOST_GROWTH_MB = 50.0  # while the last nine tenths of a folder are read
RESULTS = ("predictions.json", "predictions.csv")


# --- one film after the other, and all at once ------------------------------------------------------------------------


class LogPredictor:
    """The log's first heatmap model (#37) as its demo used it: squash, forward, hottest cell."""

    def __init__(self, device: torch.device):
        torch.manual_seed(0)  # weights do not change how long it takes
        config = make_config("heatmap", pretrained=False)
        self.device, self.network = device, build_model(config).to(device, memory_format=torch.channels_last).eval()

    @torch.inference_mode()
    def predict(self, files: list[bytes]) -> list[np.ndarray]:
        """Bytes of films to their points (29, 2) in film pixels."""
        pictures = [cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE) for data in files]
        squares = np.stack([cv2.resize(picture, (LOG_SIDE, LOG_SIDE)) for picture in pictures])
        maps = self.network(to_network_input(torch.from_numpy(squares), self.device))["heatmap_logits"].cpu()
        hottest = maps.flatten(2).argmax(dim=2).numpy()
        scales = [np.array(picture.shape[::-1]) / LOG_CELLS for picture in pictures]
        cells = np.stack([hottest % LOG_CELLS, hottest // LOG_CELLS], axis=2)
        return [each * scale for each, scale in zip(cells, scales, strict=True)]


def find_points(predictor: Predictor, data: bytes) -> np.ndarray:
    """Bytes of a film to its landmarks (29, 2) in film pixels, with radii."""
    return predictor.predict(decode_picture(data, "film")).landmarks_px


def read_one(predictor: Predictor, data: bytes) -> dict:
    """Bytes of a film to its entry of predictions.json, measurements and all."""
    return describe_reading(read([predictor], decode_picture(data, "film"), "film", 0.1), "film")


def read_batch(predictor: Predictor, files: list[bytes]) -> list:
    """Bytes of films to their points, in one pass of the network."""
    pictures = [decode_picture(data, "film") for data in files]
    letterboxes = [Letterbox(picture.shape[::-1], predictor.config.cached_size[::-1]) for picture in pictures]
    views = np.stack([box.apply(picture) for box, picture in zip(letterboxes, pictures, strict=True)])
    return predictor.decode(*predictor.look(torch.from_numpy(views), letterboxes))


def judge_speed(weights: Path, alone: Path, dataset: Path, rounds: int, device: torch.device) -> None:
    """Prints seconds a film of ours, with the neck's models beside `weights` and `alone`, and of the log's."""
    keep_freed_memory()  # as predict.py does
    predictor, whole, log = load_predictor(alone, device), load_predictor(weights, device), LogPredictor(device)
    files = [film.image_path.read_bytes() for film in scan_split(dataset, "train")[:FILMS]]
    height, width = decode_picture(files[0], "film").shape
    print(f"Films of {width} x {height} px and alike; {torch.get_num_threads()} threads; {weights}.\n")
    print("| | s a film ours | s the log's | times as long |\n|---|---|---|---|", flush=True)

    def one_by_one(read_film: Callable) -> Callable:
        return lambda: [read_film(each) for each in files]

    log_one_by_one = one_by_one(lambda data: log.predict([data]))
    for name, ours, theirs in (
        ("one by one, landmarks with radii", one_by_one(partial(find_points, predictor)), log_one_by_one),
        ("the same with measurements", one_by_one(partial(read_one, predictor)), log_one_by_one),
        ("and with neck and stage", one_by_one(partial(read_one, whole)), log_one_by_one),
        (f"{FILMS} films at once, points", lambda: read_batch(predictor, files), lambda: log.predict(files)),
    ):
        seconds = side_by_side({"ours": ours, "log": theirs}, rounds, device)
        ours_s, theirs_s = (seconds[way] / len(files) for way in ("ours", "log"))
        print(f"| {name} | {ours_s:.3f} | {theirs_s:.3f} | {ours_s / theirs_s:.2f} |", flush=True)


# --- the demo's start -------------------------------------------------------------------------------------------------


def judge_start(rounds: int) -> None:
    """Prints how long `python demo.py` takes to its first page."""
    seconds = [start_seconds() for _ in range(rounds)]
    print(f"\n`python demo.py` to its first page: {np.median(seconds):.1f} s (median of {rounds}).", flush=True)


def start_seconds() -> float:
    """One start of the demo."""
    started = time.perf_counter()
    with running_demo():
        return time.perf_counter() - started


# --- a folder of thousands --------------------------------------------------------------------------------------------


def judge_folder(weights: Path, dataset: Path, folder: Path, count: int) -> bool:
    """Prints the memory and the resuming of a long prediction; whether all was as it should be."""
    many, whole, killed = folder / "many", folder / "whole", folder / "killed"
    bad = fill_folder(many, [film.image_path for film in scan_split(dataset, "train")], count)
    command = ["predict.py", many, "--json", "--csv", "--weights", weights, "-o"]
    started = time.perf_counter()
    run, memory = watch(*command, whole, since=lambda: 10 * finished(whole) >= count)
    seconds = time.perf_counter() - started
    if run.returncode not in (0, 1):
        raise UserError(f"Reading the folder failed: {last_line(run.stderr)}")
    kills = kill_twice([*command, killed], killed, count)
    resumed = call(*command, killed)
    read_films = len(json.loads((whole / RESULTS[0]).read_text()))
    named = all(sum(name in line for line in run.stderr.splitlines()) == 1 for name in bad)
    rows = [
        ("films, of them broken", f"{count}, {len(bad)}", None),
        ("read", read_films, read_films == count - len(bad)),
        ("each broken one named once and passed over", "", named and run.returncode == resumed.returncode == 1),
        ("seconds in all", f"{seconds:.0f}", None),
        judge_memory(memory),
        *judge_resuming(kills, resumed.stdout, count),
        *judge_results(whole, killed),
    ]
    return print_verdicts(f"folder, read by {weights.name}", rows)


def judge_memory(memory: list[float]) -> tuple[str, str, bool]:
    """A row on the memory, MB, from when a tenth of the films was done; it must not grow.

    Raises:
        UserError: there was no time to look.
    """
    if not memory:
        raise UserError("The films were read before their memory was looked at; raise --films.")
    tenth = max(1, len(memory) // 10)
    early, late = np.median(memory[:tenth]), np.median(memory[-tenth:])
    found = f"{early:.0f}, {late:.0f}, {max(memory):.0f} MB"
    return "memory after a tenth, at the end, at most", found, 0 < early and late <= early + MOST_GROWTH_MB


def judge_resuming(kills: list[int], said: str, count: int) -> list[tuple[str, object, bool]]:
    """Rows on the kills, each so many films along, and on how many of them the run that followed had not to read."""
    going_on = re.search(rf"Going on: (\d+) of {count} films", said)
    before = int(going_on[1]) if going_on else 0
    return [
        ("killed (SIGKILL) after films", ", ".join(map(str, kills)), sorted(set(kills)) == kills and kills[0] > 0),
        ("films that the last run found done", before, before == kills[-1]),
    ]


def judge_results(whole: Path, killed: Path) -> list[tuple[str, object, bool]]:
    """Rows on the results of a killed and resumed run beside those of an untouched one."""
    same = all(same_file(whole / name, killed / name) for name in RESULTS)
    left = sorted(path.name for path in killed.iterdir() if path.name not in RESULTS)
    return [
        ("results of the killed and resumed run the same, byte for byte", "", same),
        ("left behind by it", ", ".join(left) or "nothing", not left),
    ]


def fill_folder(many: Path, films: list[Path], count: int) -> list[str]:
    """Makes a folder of `count` films, each a further name of one of `films`, but for broken ones, whose names it
    returns: no picture, a film cut off, and one that claims to be larger than any film.
    """
    many.mkdir()
    claim = b"IHDR" + struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n\0\0\0\r" + claim + struct.pack(">I", zlib.crc32(claim)) + b"\0\0\0\0IEND\xaeB`\x82"
    whole = films[0].read_bytes()
    broken = {
        count // 4: ("png", b"no film"),
        count // 2: (films[0].suffix[1:], whole[: len(whole) // 2]),
        3 * count // 4: ("png", bomb),
    }
    for number in range(count):
        source = films[number % len(films)]
        if number in broken:
            (many / f"film{number:05d}.{broken[number][0]}").write_bytes(broken[number][1])
        else:
            name_again(source, many / f"film{number:05d}{source.suffix}")
    return [f"film{number:05d}.{suffix}" for number, (suffix, _) in broken.items()]


def name_again(source: Path, name: Path) -> None:
    """Gives a file a further name; from another disk, a link to it."""
    try:
        name.hardlink_to(source)
    except OSError:
        name.symlink_to(source.resolve())


def make_tiny(path: Path) -> Path:
    """Weights of a network that knows nothing and takes next to no time."""
    config = make_config("landmarks", head_frame=False, image_size=(64, 64), widths=(16, 16), blocks=1)
    torch.manual_seed(0)
    save_weights(path, build_model(config), config, {})
    return path


def same_file(first: Path, second: Path) -> bool:
    """Whether two files hold the same bytes."""
    return second.exists() and first.read_bytes() == second.read_bytes()


def kill_twice(command: list, out: Path, count: int) -> list[int]:
    """Starts a prediction and kills it when a third and when two thirds are done; how many films were done then.

    Raises:
        UserError: it ended before.
    """
    done = []
    for share in (1 / 3, 2 / 3):
        process = start(*command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(process, lambda wanted=share * count: finished(out) >= wanted, every_s=0.3)  # counting takes a moment
        if not kill(process):
            raise UserError("The films were read before the run could be killed; raise --films.")
        done.append(finished(out))
    return done


def main(arguments: list[str] | None = None) -> int:
    """Prints the tables; 0 when nothing was lost."""
    parser = argparse.ArgumentParser(description="Seconds and memory of reading films.")
    add_only(parser, "speed", "start", "folder")
    parser.add_argument("--weights", type=Path, help="model to read with (default: as predict.py)")
    parser.add_argument("--tiny", action="store_true", help="read the folder with a network that takes no time")
    parser.add_argument("--dataset", type=Path, help="films to read, its train split (default: 24 phantoms)")
    parser.add_argument("--rounds", type=int, default=5, help="how often each is measured (default: %(default)s)")
    parser.add_argument("--films", type=int, default=2000, help="in the folder; 0 for none (default: %(default)s)")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    options = parser.parse_args(arguments)
    print(hardware())
    folder = Path(tempfile.mkdtemp())
    try:
        weights = (options.weights or default_weights(Path(DEFAULT_OUTPUT))).resolve()
        dataset = options.dataset or make_phantoms(folder / "phantoms", 24)
        alone = Path(shutil.copy(weights, folder))
        if "speed" in options.only:
            judge_speed(weights, alone, dataset, options.rounds, pick_device(options.device))
        if "start" in options.only:
            judge_start(options.rounds)
        if "folder" not in options.only or not options.films:
            return 0
        reader = make_tiny(folder / "tiny.safetensors") if options.tiny else alone
        return 0 if judge_folder(reader, dataset, folder, options.films) else 1
    except UserError as error:
        print(f"prediction: {error}", file=sys.stderr)
        return 2
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    sys.exit(main())
