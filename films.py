"""A data set's films: where Aariz's layout keeps them, what is known of each, and which labels cannot be true."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from annotations import LandmarkLabels, MachineRecord, read_landmarks, read_machines, read_stage
from config import ANNOTATORS, LANDMARK_COUNT, LANDMARK_INDEX, UserError
from files import read_json
from images import IMAGE_SUFFIXES
from labelme import NO_LABELS, VertebralLabels

SPLIT_MANIFEST = "split_manifest.json"  # what split_dataset.py moves, noted before it is moved
TRANSFORMS = "transforms.json"  # of a set of crops: where each lies on its film, and that film's digest

# Aariz holds two points whose annotators are 137 and 145 mm apart; honest readings of one point are never this far
# apart.
IMPOSSIBLE_DISAGREEMENT_MM = 30.0
# For films without a pixel size: the same as a share of the distance from sella to nasion (about 70 mm).
IMPOSSIBLE_DISAGREEMENT_SN = IMPOSSIBLE_DISAGREEMENT_MM / 70.0


@dataclass(frozen=True, eq=False)
class Film:
    """One film and its labels. Points are in original film pixels; what is not annotated is NaN or None."""

    film_id: str
    split: str
    image_path: Path
    annotators_px: np.ndarray  # (2, 29, 2) senior and junior orthodontist
    by_reader: np.ndarray  # (29,) bool: placed by a reader who is no clinician
    unsure: np.ndarray  # (29,) bool
    stage: int | None  # 1-6
    pixel_size_mm: float | None
    machine: str | None
    vertebrae: VertebralLabels = NO_LABELS
    opinion_px: np.ndarray | None = None  # (29, 2) a network's that had not seen the film; for training alone
    source_digest: str | None = None  # SHA-256 of the film that a crop was cut from

    def truth_px(self, kind: str = "mean") -> np.ndarray:
        """(29, 2) the true points: "mean" of both annotators, "official" (ceil of it, as Aariz scores), "senior" or
        "junior".

        A point that only one of them gave counts for the mean as it is.
        """
        if kind in ("senior", "junior"):
            return self.annotators_px[("senior", "junior").index(kind)]
        known = ~np.isnan(self.annotators_px)
        total = np.where(known, self.annotators_px, 0.0).sum(axis=0)
        count = known.sum(axis=0)
        mean_px = np.where(count > 0, total / np.maximum(count, 1), np.nan)
        return np.ceil(mean_px) if kind == "official" else mean_px

    def disagreement_px(self) -> np.ndarray:
        """(29,) distance between the annotators."""
        return np.hypot(*(self.annotators_px[0] - self.annotators_px[1]).T)


@dataclass(frozen=True)
class Problem:
    """Something wrong with a data set; `level` is "error" or "warning"."""

    level: str
    film: str
    text: str


def find_folder(parent: Path, *names: str) -> Path | None:
    """A folder below `parent`, whatever its capitalisation; None where there is none.

    Raises:
        UserError: there are two that differ in capitalisation alone, and both hold something.
    """
    folder = Path(parent)
    for name in names:
        if not folder.is_dir():
            return None
        matches = sorted(child for child in folder.iterdir() if child.is_dir() and child.name.lower() == name.lower())
        if not matches:
            return None
        filled = [match for match in matches if any(match.iterdir())] or matches[:1]
        if len(filled) > 1:
            names = " and ".join(match.name for match in filled)
            raise UserError(f"{folder} holds both {names}; put their files into one folder.")
        folder = filled[0]
    return folder


def films_folder(root: Path, split: str) -> Path | None:
    """The folder with a split's pictures."""
    return find_folder(root, split, "Cephalograms")


def landmarks_folder(root: Path, split: str, annotator: str) -> Path | None:
    """The folder with an annotator's landmark files of a split."""
    return find_folder(root, split, "Annotations", "Cephalometric Landmarks", annotator)


def stages_folder(root: Path, split: str) -> Path | None:
    """The folder with a split's stage files."""
    return find_folder(root, split, "Annotations", "CVM Stages")


def has_split(root: Path, split: str) -> bool:
    """Whether the data set has films in this split."""
    folder = films_folder(root, split)
    return folder is not None and any(is_picture(path) for path in folder.iterdir())


def is_picture(path: Path) -> bool:
    """Whether a file's name is that of a film; hidden files are the file manager's."""
    return path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")


def scan_split(root: Path, split: str) -> list[Film]:
    """The films of a split in order of their ids.

    Raises:
        UserError: the split is not there, is empty, or one of its labels is unreadable, missing or contradictory.
    """
    films = []
    for film, problems in inspect_split(root, split):
        for problem in problems:
            raise UserError(f"{problem.text} {next_step(root)}")
        films.append(film)
    return films


def next_step(root: Path) -> str:
    """What to do about a data set with a fault, in a sentence."""
    if (Path(root) / SPLIT_MANIFEST).exists():
        return f"If its split was interrupted, `python split_dataset.py --dataset {root}` finishes it."
    return f"`python dataset.py --check {root}` lists all such faults."


def inspect_split(
    root: Path, split: str, machines: dict[str, MachineRecord] | None = None
) -> Iterator[tuple[Film | None, list[Problem]]]:
    """Each film of a split, or None for one whose labels are broken, with what is wrong with it.

    `machines` is the machine file where it has been read already.

    Raises:
        UserError: there is nothing to inspect, or the machine file is unreadable.
    """
    root = Path(root)
    folder = films_folder(root, split)
    if folder is None:
        raise UserError(f"{root} has no folder {split}/Cephalograms; see README.md for how a data set must look.")
    pictures = group_by_id(path for path in folder.iterdir() if is_picture(path))
    if not pictures:
        raise UserError(f"{folder} holds no film (png, jpg, jpeg, bmp, tif or dcm); put the films there.")
    machines = read_machines(root) if machines is None else machines
    label_folders = {annotator: landmarks_folder(root, split, annotator) for annotator in ANNOTATORS}
    labels = {name: group_by_id(label.glob("*.json")) for name, label in label_folders.items() if label is not None}
    stage_folder = stages_folder(root, split)
    if stage_folder is not None:
        labels["CVM Stages"] = group_by_id(stage_folder.glob("*.json"))
    if not labels:
        raise UserError(f"{folder.parent} has no Annotations; see README.md for how a data set must look.")
    sources = read_sources(root)
    for film_id, paths in pictures.items():
        film, problems = inspect_film(film_id, split, paths, labels, machines.get(film_id))
        yield (film and replace(film, source_digest=sources.get(film_id))), problems
    for name, files in labels.items():
        for film_id in sorted(set(files) - set(pictures)):
            yield None, [Problem("error", film_id, f"{files[film_id][0]} ({name}) has no film; restore or remove it.")]


def read_sources(root: Path) -> dict[str, str]:
    """Of a set of crops the digest of each one's film; empty for other sets, and for those that older versions cut.

    Raises:
        UserError: the file that says so is unreadable.
    """
    path = Path(root) / TRANSFORMS
    content = read_json(path) if path.exists() else {}
    entries = content.items() if isinstance(content, dict) else []
    found = {film_id: entry.get("sha256") for film_id, entry in entries if isinstance(entry, dict)}
    return {film_id: digest for film_id, digest in found.items() if isinstance(digest, str)}


def group_by_id(paths: Iterator[Path]) -> dict[str, list[Path]]:
    """Files by their name without ending, sorted: the order in which a folder lists its files differs between
    machines.
    """
    groups = {}
    for path in sorted(paths, key=lambda path: (path.stem, path.suffix)):
        if not path.name.startswith("."):
            groups.setdefault(path.stem, []).append(path)
    return groups


def inspect_film(
    film_id: str,
    split: str,
    pictures: list[Path],
    labels: dict[str, dict[str, list[Path]]],
    machine: MachineRecord | None,
) -> tuple[Film | None, list[Problem]]:
    """Reads one film's labels; the pictures themselves are not opened."""
    problems = []
    if len(pictures) > 1:
        names = " and ".join(path.name for path in pictures)
        problems.append(Problem("error", film_id, f"{pictures[0].parent} holds one film twice, {names}; keep one."))
    read = {}
    for name, files in labels.items():
        try:
            if film_id not in files:
                raise UserError(
                    f"{pictures[0]} has no label in {name}; restore the file {film_id}.json or remove the film."
                )
            read[name] = (read_stage if name == "CVM Stages" else read_landmarks)(files[film_id][0], film_id)
        except UserError as error:
            problems.append(Problem("error", film_id, str(error)))
    if problems:
        return None, problems
    return make_film(film_id, split, pictures[0], read, machine), []


def make_film(film_id: str, split: str, picture: Path, labels: dict, machine: MachineRecord | None) -> Film:
    """Puts what was read of one film together."""
    nothing = LandmarkLabels(
        np.full((LANDMARK_COUNT, 2), np.nan), np.zeros(LANDMARK_COUNT, dtype=bool), np.zeros(LANDMARK_COUNT, dtype=bool)
    )
    senior, junior = (labels.get(annotator, nothing) for annotator in ANNOTATORS)
    return Film(
        film_id=film_id,
        split=split,
        image_path=picture,
        annotators_px=np.stack([senior.points_px, junior.points_px]),
        by_reader=senior.by_reader | junior.by_reader,
        unsure=senior.unsure | junior.unsure,
        stage=labels.get("CVM Stages"),
        pixel_size_mm=machine.pixel_size_mm if machine else None,
        machine=machine.machine if machine else None,
    )


def distance_px(points_px: np.ndarray, first: str, second: str) -> float:
    """Distance between two landmarks of (29, 2) points; NaN where one is missing."""
    return float(np.hypot(*(points_px[LANDMARK_INDEX[first]] - points_px[LANDMARK_INDEX[second]])))


def impossible_points(film: Film) -> np.ndarray:
    """(29,) bool: points whose labels cannot be true, to be kept out of training.

    Annotators impossibly far apart (their mean lies nowhere), and lips that an annotator took for each other.
    """
    if film.pixel_size_mm is not None:
        limit_px = IMPOSSIBLE_DISAGREEMENT_MM / film.pixel_size_mm
    else:
        limit_px = IMPOSSIBLE_DISAGREEMENT_SN * distance_px(film.truth_px(), "S", "N")
    impossible = film.disagreement_px() > limit_px  # a comparison with NaN is False
    if lips_swapped(film):
        impossible[[LANDMARK_INDEX["Ls"], LANDMARK_INDEX["Li"]]] = True
    return impossible


def lips_swapped(film: Film) -> bool:
    """Whether an annotator has the upper lip below the lower, seen along the line from nasion to menton."""
    for points_px in film.annotators_px:
        down = points_px[LANDMARK_INDEX["Me"]] - points_px[LANDMARK_INDEX["N"]]
        between = points_px[LANDMARK_INDEX["Li"]] - points_px[LANDMARK_INDEX["Ls"]]
        if float(down @ between) < 0:  # False when one of the four is NaN
            return True
    return False


def films_fingerprint(films: list[Film]) -> str:
    """Changes when a film is added or removed, not with their order."""
    names = " ".join(sorted(film.film_id for film in films))
    return hashlib.blake2b(names.encode(), digest_size=8).hexdigest()
