"""Reads films without truth: `python predict.py FILM_OR_FOLDER... -o OUT [--json] [--csv] [--overlay] [--annotations]`.

Landmarks in film pixels, measurements, the CVM stage where weights name one. A broken film does not stop the others.
One film at a time is held in memory, and after any end the same command goes on behind the last finished film. With
`--shard 2/5` a machine reads the second of five parts.
"""

import argparse
import csv
import io
import json
import sys
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
from tqdm import tqdm

from annotations import write_landmarks
from config import UserError
from files import LARGEST_FILM_FILE, read_bytes, writing
from flags import DEFAULT_OUTPUT
from images import IMAGE_SUFFIXES, dicom_pixel_size_mm, read_film, write_png
from inference import Predictor, default_weights, load_predictor, pick_device
from interruption import EXIT_INTERRUPTED
from journal import Journal, film_key
from memory import keep_freed_memory
from reading import CSV_COLUMNS, describe_reading, point_notes, point_rows, read
from visualize import draw_film


def make_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(description="Finds landmarks, and with such weights the CVM stage, without truth.")
    add = parser.add_argument
    add("films", type=Path, nargs="+", metavar="FILM_OR_FOLDER", help="pictures, or folders of them")
    add("-o", "--out", type=Path, required=True, help="folder for the results")
    add("--json", action="store_true", help="write predictions.json (also when nothing else is asked for)")
    add("--csv", action="store_true", help="write predictions.csv, a row for each point")
    add("--overlay", action="store_true", help="write a picture of each film with its points numbered")
    add("--annotations", action="store_true", help="write each film's points as an Aariz annotation file")
    add(
        "--weights", type=Path, action="append", metavar="FILE",
        help="a checkpoint or .safetensors file; give it twice for landmarks and stage (default: the newest best)",
    )  # fmt: skip
    add("--output", type=Path, default=Path(DEFAULT_OUTPUT), help="where runs lie (default: %(default)s)")
    add("--pixel-size", type=float, metavar="MM", help="pixel size of the films that do not state their own")
    add("--shard", type=parse_shard, metavar="I/N", help="read only the I-th of N parts of the films, from 1")
    add("--workers", type=int, default=1, help="threads that read films ahead (default: %(default)s)")
    add("--device", choices=("auto", "cpu", "cuda"), default="auto", help="where to compute (default: %(default)s)")
    return parser


def parse_shard(text: str) -> tuple[int, int]:
    """ "2/5" to (2, 5)."""
    part, _, parts = text.partition("/")
    if not (part.isdigit() and parts.isdigit() and 1 <= int(part) <= int(parts)):
        raise argparse.ArgumentTypeError(f"{text!r} is not I/N with I from 1 to N, for example 2/5")
    return int(part), int(parts)


def main(arguments: list[str] | None = None) -> int:
    """Runs the command; 1 when a film could not be read, 2 for a mistake in the call, 130 when it was stopped."""
    options = make_parser().parse_args(arguments)
    try:
        check_options(options)
        paths = find_films(options.films)
        weights = options.weights or [default_weights(options.output)]
        print("Weights: " + ", ".join(map(str, weights)))
        predictors = [load_predictor(path, pick_device(options.device)) for path in weights]
        if options.annotations and not any(predictor.config.finds_landmarks for predictor in predictors):
            raise UserError("--annotations needs weights that find landmarks; name such a file with --weights.")
        done, failed = predict_all(options, paths, predictors)
    except UserError as error:
        print(f"predict.py: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("predict.py: stopped; the same command goes on behind the last finished film.", file=sys.stderr)
        return EXIT_INTERRUPTED
    print(f"{done} of {done + failed} films read; results in {options.out}.")
    return 1 if failed else 0


def check_options(options: argparse.Namespace) -> None:
    """Refuses impossible numbers, and a place where no folder can be made."""
    if options.workers < 1:
        raise UserError(f"--workers is {options.workers}; it must be at least 1.")
    if options.pixel_size is not None and not 0 < options.pixel_size < 10:
        raise UserError(f"--pixel-size is {options.pixel_size}; give millimetres, for example 0.1.")
    nearest = next(path for path in (options.out, *options.out.parents) if path.exists())
    if not nearest.is_dir():
        raise UserError(f"-o {options.out} is impossible, because {nearest} is a file; name a folder.")


def find_films(given: list[Path]) -> list[Path]:
    """The pictures named, and those in the folders named, in order.

    Raises:
        UserError: a path does not exist, or a folder holds no picture.
    """
    paths = []
    for path in given:
        if path.is_dir():
            pictures = (each for each in path.iterdir() if each.suffix.lower() in IMAGE_SUFFIXES)
            inside = sorted(each for each in pictures if not each.name.startswith("."))
            if not inside:
                raise UserError(f"{path} holds no picture ({', '.join(IMAGE_SUFFIXES)}); name another folder.")
            paths += inside
        elif path.exists():
            paths.append(path)
        else:
            raise UserError(f"{path} does not exist; check the path.")
    return list(dict.fromkeys(paths))


def name_films(paths: list[Path]) -> list[str]:
    """A name for each film's results: its file's name without ending, numbered where two would be the same.

    A film's own name goes before a numbered one, and some disks do not tell capitals apart.
    """
    own = {path.stem.casefold() for path in paths}
    names, taken = [], set()
    for path in paths:
        name, number = path.stem, 1
        while name.casefold() in taken or (number > 1 and name.casefold() in own):
            number += 1
            name = f"{path.stem}_{number}"
        names.append(name)
        taken.add(name.casefold())
    return names


def predict_all(options: argparse.Namespace, paths: list[Path], predictors: list[Predictor]) -> tuple[int, int]:
    """Predicts and writes every film of this part; how many were read, before or now, and how many could not be."""
    names = dict(zip(paths, name_films(paths), strict=True))
    if options.shard is not None:
        part, parts = options.shard
        names = {path: names[path] for path in paths[part - 1 :: parts]}
    base = "predictions" if options.shard is None else f"predictions_{part}of{parts}"
    journal = Journal(options.out / f"{base}.unfinished.jsonl", describe_call(options, predictors))
    try:
        left = [path for path in names if film_key(path) not in journal]
        if len(left) < len(names):
            print(f"Going on: {len(names) - len(left)} of {len(names)} films were read before.")
        failed = 0
        bar = tqdm(read_ahead(left, options.workers), total=len(left), desc="Reading films", unit="film")
        for path, coming in bar:
            try:
                content = predict_film(options, path, names[path], coming, predictors)
                journal.add(film_key(path), content)
            except Unreadable as error:
                failed += 1
                bar.write(f"predict.py: {error}", file=sys.stderr)
        write_results(options, base, journal, list(names))
    except BaseException:
        journal.close()
        raise
    journal.remove()
    return len(names) - failed, failed


class Unreadable(Exception):
    """A film that cannot be read; the others can."""


def describe_call(options: argparse.Namespace, predictors: list[Predictor]) -> dict:
    """On what a film's results depend, besides the film."""
    return {
        "weights": [predictor.weights for predictor in predictors],
        "pixel_size": options.pixel_size,
        "overlay": options.overlay,
        "annotations": options.annotations,
    }


def read_ahead(paths: list[Path], workers: int) -> Iterator[tuple[Path, Future]]:
    """Each film on its way from the disk, in order, while at most `workers` behind it are read already."""
    pool, waiting = ThreadPoolExecutor(workers), deque()
    try:
        for path in paths:
            waiting.append((path, pool.submit(read_film, path)))
            if len(waiting) > workers:
                yield waiting.popleft()
        while waiting:
            yield waiting.popleft()
    finally:
        pool.shutdown(cancel_futures=True)


def predict_film(
    options: argparse.Namespace, path: Path, name: str, coming: Future, predictors: list[Predictor]
) -> dict:
    """Reads one film, writes its pictures and annotation, and returns its entry and its rows.

    Raises:
        Unreadable: the film cannot be read.
    """
    try:
        film: np.ndarray = coming.result()
        pixel_size_mm = film_pixel_size_mm(path, options.pixel_size)
    except UserError as error:
        raise Unreadable(error) from None
    reading = read(predictors, film, name, pixel_size_mm)
    is_blank = not reading.known.any() and reading.cervical is None
    if is_blank:
        tqdm.write(f"{path}: {' '.join(reading.told) or 'nothing was found on it.'}")
    if options.overlay:
        title = f"{name}: nothing placed" if is_blank else name
        overlay = draw_film(film, reading.points_px, numbers=True, title=title)
        write_png(options.out / f"{name}_overlay.png", overlay)
    if options.annotations:
        target = options.out / "annotations" / f"{name}.json"
        write_landmarks(target, name, reading.points_px, notes=point_notes(reading))
    shown_path = str(path).encode("utf-8", "replace").decode()  # a name need not be text on every system
    return {"entry": describe_reading(reading, shown_path), "rows": point_rows(reading)}


def write_results(options: argparse.Namespace, base: str, journal: Journal, paths: list[Path]) -> None:
    """Writes what the journal has of these films as JSON and as a table, film by film."""
    if options.json or not (options.csv or options.overlay or options.annotations):
        with writing(options.out / f"{base}.json") as file:
            before = b"[\n"
            for content in journal.contents(map(film_key, paths)):
                file.write(before + json.dumps(content["entry"], indent=1, ensure_ascii=False).encode())
                before = b",\n"
            file.write(b"\n]\n" if before == b",\n" else b"[]\n")
    if options.csv:
        with writing(options.out / f"{base}.csv") as file:
            table = io.TextIOWrapper(file, "utf-8", "replace", newline="", write_through=True)
            writer = csv.DictWriter(table, CSV_COLUMNS, lineterminator="\n")
            writer.writeheader()
            for content in journal.contents(map(film_key, paths)):
                writer.writerows(content["rows"])
            table.detach()


def film_pixel_size_mm(path: Path, given_mm: float | None) -> float | None:
    """A film's own pixel size where its file states one, else what the user gave."""
    if path.suffix.lower() == ".dcm":
        return dicom_pixel_size_mm(read_bytes(path, LARGEST_FILM_FILE), path) or given_mm
    return given_mm


if __name__ == "__main__":
    keep_freed_memory()
    sys.exit(main())
