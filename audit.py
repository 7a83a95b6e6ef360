"""What is wrong with a data set: faults that must be mended (errors) and oddities to know of (warnings), each
with its film.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from tqdm import tqdm

from config import SPLITS, SYMBOLS, UserError
from films import Film, Problem, distance_px, films_folder, group_twins, impossible_points, inspect_split, lips_swapped
from images import read_film

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
    splits = [split for split in SPLITS if films_folder(root, split) is not None]
    if not splits:
        raise UserError(
            f"{root} has no folder train, valid or test with Cephalograms; see README.md for how it must look."
        )
    audit = Audit()
    for split in splits:
        audit.films[split] = []
        try:
            for film, problems in inspect_split(root, split):
                audit.problems += problems
                audit.films[split] += [film] if film is not None else []
        except UserError as error:
            audit.problems.append(Problem("error", split, str(error)))
    films = [film for split in splits for film in audit.films[split]]
    audit.problems += repeated_ids(films) + check_pictures(films) + find_twins(films)
    for film in films:
        audit.problems += check_labels(film)
    return audit


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
        for symbol in np.array(SYMBOLS)[outside]:
            text = (
                f"Landmark {symbol} of the {who} annotator lies outside film {film.image_path} "
                f"({width}x{height} px); correct it."
            )
            problems.append(Problem("error", film.film_id, text))
    return problems


def check_labels(film: Film) -> list[Problem]:
    """Annotators far apart, lips taken for each other, and a pixel size that cannot be right."""
    texts = []
    scale_mm = film.pixel_size_mm
    impossible = impossible_points(film)
    for symbol, apart_px, masked in zip(SYMBOLS, film.disagreement_px(), impossible, strict=True):
        far = apart_px * scale_mm > FAR_APART_MM if scale_mm else False
        if (far or masked) and apart_px > 0 and not (masked and symbol in ("Ls", "Li") and lips_swapped(film)):
            apart = f"{apart_px * scale_mm:.1f} mm" if scale_mm else f"{apart_px:.0f} px"
            texts.append(f"annotators {apart} apart at {symbol}" + (" (kept out of training)" if masked else ""))
    if lips_swapped(film):
        texts.append("Ls and Li are swapped (kept out of training)")
    sella_nasion_mm = distance_px(film.truth_px(), "S", "N") * scale_mm if scale_mm else np.nan
    if sella_nasion_mm < PLAUSIBLE_SN_MM[0] or sella_nasion_mm > PLAUSIBLE_SN_MM[1]:
        texts.append(f"implausible pixel size {scale_mm:g} mm: sella to nasion would be {sella_nasion_mm:.0f} mm")
    return [Problem("warning", film.film_id, f"Film {film.film_id} ({film.split}): {text}.") for text in texts]


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
