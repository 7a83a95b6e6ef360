"""What is wrong with a data set: faults that must be mended (errors) and oddities to know of (warnings), each
with its film.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from tqdm import tqdm

from annotations import MACHINE_FILE, MachineRecord, read_machines
from config import ANNOTATORS, SPLITS, SYMBOLS, UserError
from films import (
    Film,
    Problem,
    distance_px,
    films_folder,
    impossible_points,
    inspect_split,
    landmarks_folder,
    lips_swapped,
)
from images import read_film
from twins import group_twins

# Sella to nasion: adults 65-75 mm, children from 55, a film's magnification adds a tenth.
PLAUSIBLE_SN_MM = (45.0, 95.0)
# Annotators this far apart disagree by more than any reading error (95 % of Aariz's points: under 2.3 mm).
FAR_APART_MM = 10.0


@dataclass
class Audit:
    """What was found."""

    films: dict[str, list[Film]] = field(default_factory=dict)  # per split
    problems: list[Problem] = field(default_factory=list)


def audit_dataset(root: Path) -> Audit:
    """Reads every label and every film of a data set.

    Raises:
        UserError: there is no data set at `root`.
    """
    audit, machines = Audit(), {}
    try:
        machines = read_machines(root)
    except UserError as error:
        audit.problems.append(Problem("error", MACHINE_FILE, str(error)))
    for split in SPLITS:
        try:
            if films_folder(root, split) is not None:
                audit.films[split] = []
                inspect_films(root, split, machines, audit)
        except UserError as error:
            audit.problems.append(Problem("error", split, str(error)))
    if not audit.films and not audit.problems:
        raise UserError(
            f"{root} has no folder train, valid or test with Cephalograms; see README.md for how it must look."
        )
    films = [film for found in audit.films.values() for film in found]
    audit.problems += repeated_ids(films) + check_pictures(films) + find_twins(films)
    audit.problems += check_machines(root, films, machines) + check_annotators(root, audit.films)
    for film in films:
        audit.problems += check_labels(film)
    return audit


def inspect_films(root: Path, split: str, machines: dict[str, MachineRecord], audit: Audit) -> None:
    """Adds a split's films, and what is wrong with their labels, to what was found."""
    for film, problems in inspect_split(root, split, machines):
        audit.problems += problems
        audit.films[split] += [film] if film is not None else []


def repeated_ids(films: list[Film]) -> list[Problem]:
    """Films whose id stands in two splits."""
    seen, problems = {}, []
    for film in films:
        if film.film_id in seen:
            text = f"Film {film.film_id} is both in {seen[film.film_id]} and in {film.split}; keep one."
            problems.append(Problem("error", film.film_id, text))
        seen[film.film_id] = film.split
    return problems


def check_pictures(films: list[Film]) -> list[Problem]:
    """Unreadable films, and points that lie outside theirs."""
    with ThreadPoolExecutor(2) as pool:
        checks = pool.map(check_picture, films)
        return [
            problem for found in tqdm(checks, total=len(films), desc="Reading films", unit="film") for problem in found
        ]


def check_picture(film: Film) -> list[Problem]:
    """Decodes one film."""
    try:
        height, width = read_film(film.image_path).shape
    except UserError as error:
        return [Problem("error", film.film_id, str(error))]
    problems = []
    for who, points_px in zip(("senior", "junior"), film.annotators_px, strict=True):
        outside = ((points_px < -0.5) | (points_px > np.array([width, height]) - 0.5)).any(axis=1)
        if outside.any():
            symbols = ", ".join(np.array(SYMBOLS)[outside])
            what = f"Landmark {symbols}" if outside.sum() == 1 else f"{outside.sum()} landmarks ({symbols})"
            text = (
                f"{what} of the {who} annotator {'lies' if outside.sum() == 1 else 'lie'} outside film "
                f"{film.image_path} ({width}x{height} px); correct the labels or restore the film."
            )
            problems.append(Problem("error", film.film_id, text))
    return problems


def check_machines(root: Path, films: list[Film], machines: dict[str, MachineRecord]) -> list[Problem]:
    """Films with landmarks but no pixel size, and films that the machine file counts to another split."""
    unmeasured = [film for film in films if film.pixel_size_mm is None and (~np.isnan(film.annotators_px)).any()]
    if unmeasured and not (Path(root) / MACHINE_FILE).exists():
        text = f"{root} has no {MACHINE_FILE}, so all results stay in pixels; add it to have millimetres."
        return [Problem("warning", MACHINE_FILE, text)]
    if not machines:
        return []  # unreadable, or nothing is to be measured
    problems = [
        warn(film, f"no pixel size in {MACHINE_FILE}, so its results stay in pixels; add it") for film in unmeasured
    ]
    for film in films:
        mode = machines[film.film_id].mode.lower() if film.film_id in machines else film.split
        if mode in SPLITS and mode != film.split:
            problems.append(warn(film, f"{MACHINE_FILE} says {mode}, its folder {film.split}; the folder counts"))
    return problems


def check_annotators(root: Path, films: dict[str, list[Film]]) -> list[Problem]:
    """Points, or whole folders, of one annotator without the other: the truth is then that of one alone."""
    problems = []
    for split, found in films.items():
        missing = [name for name in ANNOTATORS if landmarks_folder(root, split, name) is None]
        if len(missing) == 1:
            text = f"{split} has no folder {missing[0]}; the other annotator's points alone are its truth."
            problems.append(Problem("warning", split, text))
        for film in found if not missing else []:
            known = ~np.isnan(film.annotators_px).any(axis=2)  # (2, 29)
            for who, alone in (("senior", known[0] & ~known[1]), ("junior", known[1] & ~known[0])):
                if alone.any():
                    symbols = ", ".join(np.array(SYMBOLS)[alone])
                    problems.append(warn(film, f"only the {who} annotator gives {symbols}"))
    return problems


def check_labels(film: Film) -> list[Problem]:
    """Annotators far apart, lips taken for each other, and a pixel size that cannot be right."""
    texts = []
    scale_mm = film.pixel_size_mm
    masked_note = " (kept out of training)" if film.split == "train" else ""
    swapped = lips_swapped(film)
    apart = []
    for symbol, apart_px, masked in zip(SYMBOLS, film.disagreement_px(), impossible_points(film), strict=True):
        far = apart_px * scale_mm > FAR_APART_MM if scale_mm else False
        if (far or masked) and apart_px > 0 and not (swapped and symbol in ("Ls", "Li")):
            length = f"{apart_px * scale_mm:.1f} mm" if scale_mm else f"{apart_px:.0f} px"
            apart.append(f"{symbol} {length}{masked_note if masked else ''}")
    if apart:
        texts.append(f"annotators far apart at {', '.join(apart)}")
    if swapped:
        texts.append(f"Ls and Li are swapped{masked_note}")
    sella_nasion_mm = distance_px(film.truth_px(), "S", "N") * scale_mm if scale_mm else np.nan
    if sella_nasion_mm < PLAUSIBLE_SN_MM[0] or sella_nasion_mm > PLAUSIBLE_SN_MM[1]:
        texts.append(f"implausible pixel size {scale_mm:g} mm: sella to nasion would be {sella_nasion_mm:.0f} mm")
    return [warn(film, text) for text in texts]


def warn(film: Film, text: str) -> Problem:
    """A warning that names its film."""
    return Problem("warning", film.film_id, f"Film {film.film_id} ({film.split}): {text}.")


def find_twins(films: list[Film]) -> list[Problem]:
    """Byte-identical films, and whether they cross splits or contradict each other in stage."""
    problems = []
    for twins in group_twins(films):
        names = " = ".join(f"{film.film_id} ({film.split})" for film in twins)
        text = f"Twins, the same picture: {names}"
        if len({film.split for film in twins}) > 1:
            text += "; they are in different splits"
        stages = sorted({film.stage for film in twins if film.stage is not None})
        if len(stages) > 1:
            text += f"; their stages differ ({', '.join(map(str, stages))})"
        problems.append(Problem("warning", twins[0].film_id, text + "."))
    return problems


def print_audit(audit: Audit) -> int:
    """Prints what was found; 1 when there are errors, else 0."""
    for split, films in audit.films.items():
        points = sum(bool((~np.isnan(film.truth_px())).any()) for film in films)
        stages = sum(film.stage is not None for film in films)
        print(f"{split}: {len(films)} films, {points} with landmarks, {stages} with a CVM stage")
    for level in ("error", "warning"):
        found = [problem for problem in audit.problems if problem.level == level]
        print(f"{len(found)} {level}{'' if len(found) == 1 else 's'}")
        for problem in found:
            print(f"  {level}: {problem.text}")
    return int(any(problem.level == "error" for problem in audit.problems))
