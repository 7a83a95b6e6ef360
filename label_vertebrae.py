"""Lets models label vertebrae: `python label_vertebrae.py --dataset DIR --weights FILE... -o OUT [--suggest N]`.

Writes a LabelMe file for each training film that no person has labelled and on which all models agree (self-training:
`train.py --pseudo OUT`), names the films whose labelling by a person would help most, and draws a sheet to look at.
"""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from cervical import load_finder
from config import UserError
from films import Film
from flags import DEFAULT_DATASET
from images import read_film, write_png
from inference import pick_device
from labelme import write_labelme
from memory import keep_freed_memory
from neck import body_spacing, has_vertebrae, labels_folder, with_vertebrae
from twins import training_films
from vertebra_finder import Neck, VertebraFinder
from visualize import contact_sheet, draw_vertebrae

# Models agree when their points are on average no further from their mean than this share of the distance C3 to C4.
AGREEMENT = 0.06


@dataclass(frozen=True, eq=False)
class Opinion:
    """What the models say of one film."""

    film: Film
    film_size: tuple[int, int]  # width and height, px
    points_px: np.ndarray  # (13, 2), the models' mean; NaN where one took it for cut
    apart: float  # how far they are from it, in distances C3 to C4; over the points that all gave
    doubt: float  # the largest of theirs

    @property
    def is_sure(self) -> bool:
        """Whether the points can stand for a person's."""
        is_whole = not np.isnan(self.points_px).any()
        return is_whole and self.apart <= AGREEMENT and self.doubt <= 1.0


def make_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        description="Lets models label the vertebrae of training films, or says which ones a person should label next."
    )
    add = parser.add_argument
    add("--dataset", type=Path, default=Path(DEFAULT_DATASET), help="in Aariz's layout (default: %(default)s)")
    add(
        "--weights", type=Path, nargs="+", required=True, metavar="FILE",
        help="one or more `vertebrae` models; several, trained on different films, judge each other",
    )  # fmt: skip
    add("-o", "--out", type=Path, metavar="DIR", help="folder for LabelMe files of the films that are sure")
    add("--suggest", type=int, metavar="N", help="name the N films whose labelling by a person would help most")
    add("--sheet", type=Path, metavar="FILE", help="a PNG of films with the points on them, to look at")
    add("--sheet-films", type=int, default=60, metavar="N", help="how many, drawn at random (default: %(default)s)")
    add("--seed", type=int, default=0, help="which films the sheet shows (default: %(default)s)")
    add("--device", choices=("auto", "cpu", "cuda"), default="auto", help="where to compute (default: %(default)s)")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Runs the command; returns its exit status."""
    options = make_parser().parse_args(arguments)
    try:
        if options.out is None and options.suggest is None and options.sheet is None:
            raise UserError("Nothing was asked for; give -o, --suggest or --sheet.")
        if (options.suggest is not None and options.suggest < 1) or options.sheet_films < 1 or options.seed < 0:
            raise UserError("--suggest and --sheet-films must be at least 1, --seed at least 0.")
        label(options)
    except UserError as error:
        print(f"label_vertebrae.py: {error}", file=sys.stderr)
        return 2
    return 0


def label(options: argparse.Namespace) -> None:
    """Asks the models and writes what was asked for. Films of valid and test are never labelled, nor their twins.

    Raises:
        UserError: there is no film without labels, or weights are no `vertebrae` model.
    """
    films, _ = training_films(options.dataset)
    films = with_vertebrae(films, labels_folder(options.dataset, "train"))
    films = [film for film in films if not has_vertebrae(film.vertebrae)]
    if not films:
        raise UserError(f"Every training film of {options.dataset} has vertebral labels; there is nothing to do.")
    finders = [load_finder(path, pick_device(options.device)) for path in options.weights]
    opinions = [ask(finders, film) for film in tqdm(films, desc="Labelling", unit="film")]
    sure = [opinion for opinion in opinions if opinion.is_sure]
    print(f"{len(films)} films without labels; on {len(sure)} the models are sure.")
    if options.out is not None:
        for opinion in sure:
            write_opinion(options.out, opinion)
        print(f"{len(sure)} LabelMe files in {options.out}. Next: train.py --model vertebrae --pseudo {options.out}")
    if options.suggest is not None:
        for opinion in suggest_films(opinions, options.suggest):
            state = (
                "no neck found" if np.isinf(opinion.apart) else f"apart {opinion.apart:.3f}, doubt {opinion.doubt:.2f}"
            )
            print(f"label next: {opinion.film.film_id} ({opinion.film.machine or 'unknown machine'}; {state})")
    if options.sheet is not None:
        draw_sheet(options.sheet, opinions, options.sheet_films, options.seed)


def ask(finders: list[VertebraFinder], film: Film) -> Opinion:
    """What the models say of a film."""
    picture = read_film(film.image_path)
    return join_opinions(film, picture.shape[::-1], [finder.find(picture) for finder in finders])


def join_opinions(film: Film, film_size: tuple[int, int], necks: list[Neck]) -> Opinion:
    """Several models' necks to their mean and how far they are from it; one model's looks stand for several."""
    points = np.array([neck.points_px for neck in necks])
    mean = points.mean(axis=0)
    spacing = float(body_spacing(mean[None])[0])
    apart = float(np.nanmean(np.hypot(*np.moveaxis(points - mean, -1, 0)))) / spacing
    return Opinion(film, film_size, mean, apart, max(neck.doubt for neck in necks))


def write_opinion(folder: Path, opinion: Opinion) -> None:
    """A film's LabelMe file, marked as a model's."""
    path = folder / f"{opinion.film.film_id}.json"
    inside = ((opinion.points_px >= 0) & (opinion.points_px <= np.array(opinion.film_size) - 1)).all(axis=1)
    points_px = np.where(inside[:, None], opinion.points_px, np.nan)
    write_labelme(path, points_px, opinion.film_size, opinion.film.image_path.name, pseudo=True)


def suggest_films(opinions: list[Opinion], count: int) -> list[Opinion]:
    """The films of which the models know least, in turn from each machine, so that no machine is left out."""
    by_machine = {}
    for opinion in sorted(opinions, key=lambda each: (-(each.apart + AGREEMENT * each.doubt), each.film.film_id)):
        by_machine.setdefault(opinion.film.machine, []).append(opinion)
    queues = sorted(by_machine.values(), key=lambda queue: -len(queue))
    chosen = []
    while len(chosen) < count and any(queues):
        for queue in queues:
            if queue and len(chosen) < count:
                chosen.append(queue.pop(0))
    return chosen


def draw_sheet(path: Path, opinions: list[Opinion], count: int, seed: int) -> None:
    """A sheet of films drawn at random, in order of their names."""
    order = np.random.default_rng(seed).permutation(len(opinions))[:count]
    chosen = sorted((opinions[index] for index in order), key=lambda each: each.film.film_id)
    tiles = []
    for number, opinion in enumerate(chosen, 1):
        caption = f"{number} {opinion.film.film_id}{'' if opinion.is_sure else ' UNSURE'}"
        tiles.append((draw_vertebrae(read_film(opinion.film.image_path), opinion.points_px), caption))
    write_png(path, contact_sheet(tiles, columns=6, height_px=360))
    print(f"{len(tiles)} films drawn on {path}.")


if __name__ == "__main__":
    keep_freed_memory()
    sys.exit(main())
