"""Makes a `valid` split from a fifth of `train`: `python split_dataset.py [--dataset Aariz] [--dry-run | --undo]`.

Films are drawn alike in machine and stage, twins together. What is to be moved is written down before anything is,
so that an interruption at any point is mended by the same command, and --undo brings everything back.
"""

import argparse
import csv
import io
import os
import sys
from collections import Counter
from pathlib import Path, PurePosixPath

from annotations import MACHINE_FILE, read_machines
from config import ANNOTATORS, UserError
from files import read_bytes, read_json, write_bytes, write_json
from films import (
    SPLIT_MANIFEST,
    Film,
    films_folder,
    find_folder,
    has_split,
    inspect_split,
    landmarks_folder,
    scan_split,
    stages_folder,
)
from flags import DEFAULT_DATASET
from interruption import EXIT_INTERRUPTED
from partition import split_folds
from twins import group_twins

VALID_SPELLINGS = {"Train": "Valid", "TRAIN": "VALID"}  # any other spelling of train goes with "valid"


def make_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        description="Moves a share of the training films, with all their labels, into a valid split. Films are drawn "
        f"alike in machine and stage, twins together. The moves are noted in DATASET/{SPLIT_MANIFEST} first: after an "
        "interruption the same command finishes them, and --undo takes them back."
    )
    parser.add_argument(
        "--dataset", type=Path, default=Path(DEFAULT_DATASET), help="data set in Aariz's layout (default: %(default)s)"
    )
    parser.add_argument(
        "--share",
        type=float,
        default=0.2,
        help="share of train to move, up to 0.5; rounded to a half, a third, a quarter, ... (default: %(default)s)",
    )
    parser.add_argument("--seed", type=int, default=0, help="which films are drawn (default: %(default)s)")
    parser.add_argument("--dry-run", action="store_true", help="only say what would be moved")
    parser.add_argument("--undo", action="store_true", help="bring the moved films back to train")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Runs the command; returns its exit status."""
    options = make_parser().parse_args(arguments)
    try:
        if not 0 < options.share <= 0.5:
            raise UserError(f"--share is {options.share}; it must be above 0 and at most 0.5.")
        if not 0 <= options.seed < 2**32:
            raise UserError(f"--seed is {options.seed}; it must be at least 0 and below 2^32.")
        return undo_split(options) if options.undo else split(options)
    except UserError as error:
        print(f"split_dataset.py: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("split_dataset.py: stopped; the same command goes on, --undo takes it back.", file=sys.stderr)
        return EXIT_INTERRUPTED


def split(options: argparse.Namespace) -> int:
    """Chooses the films and moves them, or finishes a split that was interrupted.

    Raises:
        UserError: there is a valid split already, or the films cannot be read or moved.
    """
    root = options.dataset
    if (root / SPLIT_MANIFEST).exists():
        manifest = read_manifest(root)
        left = sum((root / move["from"]).exists() for move in manifest["moves"])
        state = f"{count(left, 'file')} left to move" if left else "nothing is left to move"
        print(f"This data set is split already (--share {manifest['share']} --seed {manifest['seed']}); {state}.")
        return 0 if options.dry_run else apply_manifest(root, manifest)
    refuse_foreign_valid(root)
    train = scan_split(root, "train")
    chosen = choose_films(train, options.share, options.seed)
    show_split(train, chosen)
    warn_of_test_twins(root, train)
    if options.dry_run:
        print("Nothing was moved (--dry-run).")
        return 0
    manifest = make_manifest(root, chosen, options)
    write_json(root / SPLIT_MANIFEST, manifest)
    return apply_manifest(root, manifest)


def refuse_foreign_valid(root: Path) -> None:
    """Raises a UserError when valid holds any file, film or leftover label: no manifest says where it came from."""
    folder = find_folder(root, "valid")
    files = [path for path in folder.rglob("*") if path.is_file() and path.name[0] != "."] if folder else []
    if files:
        raise UserError(
            f"{folder} holds {count(len(files), 'file')} that this command did not put there, such as {files[0]}; "
            "use that split as it is, or move its files elsewhere."
        )


def choose_films(train: list[Film], share: float, seed: int) -> list[Film]:
    """The films to move: one of round(1 / share) parts that are alike."""
    folds = round(1 / share)
    if len(train) < folds:
        raise UserError(f"{count(len(train), 'film')} are too few to move a share of {share}; raise --share.")
    return split_folds(train, folds, seed)[0]


def show_split(train: list[Film], chosen: list[Film]) -> None:
    """A table of how many films of each machine and stage there were, and how many stay and go."""
    before, going = [Counter(describe_kind(film) for film in films) for films in (train, chosen)]
    width = max(len(kind) for kind in before) + 2
    print(f"{'machine, stage':{width}}{'before':>8}{'train':>8}{'valid':>8}")
    for kind in sorted(before):
        print(f"{kind:{width}}{before[kind]:>8}{before[kind] - going[kind]:>8}{going[kind]:>8}")
    print(f"{'all':{width}}{len(train):>8}{len(train) - len(chosen):>8}{len(chosen):>8}")


def describe_kind(film: Film) -> str:
    """A film's machine and stage in words."""
    return f"{film.machine or 'unknown machine'}, {'no stage' if film.stage is None else f'S{film.stage}'}"


def count(number: int, thing: str) -> str:
    """ "1 film", "2 films"."""
    return f"{number} {thing}{'' if number == 1 else 's'}"


def warn_of_test_twins(root: Path, train: list[Film]) -> None:
    """Training films that are also in test can be seen, not mended, here."""
    if not has_split(root, "test"):
        return
    test = [film for film, _ in inspect_split(root, "test") if film is not None]
    for twins in group_twins(train + test):
        if len({film.split for film in twins}) > 1:
            names = ", ".join(f"{film.film_id} ({film.split})" for film in twins)
            print(f"Warning: the same picture is in train and test: {names}.")


def make_manifest(root: Path, chosen: list[Film], options: argparse.Namespace) -> dict:
    """All that --undo needs: the moves, and what the machine file called each film's split."""
    machines = read_machines(root)
    modes = {film.film_id: machines[film.film_id].mode for film in chosen if film.film_id in machines}
    films = [film.film_id for film in chosen]
    return {
        "share": options.share,
        "seed": options.seed,
        "films": films,
        "modes": modes,
        "moves": plan_moves(root, films),
    }


def plan_moves(root: Path, film_ids: list[str]) -> list[dict[str, str]]:
    """Every file of the chosen films, from where to where, relative to the data set."""
    train_folder = find_folder(root, "train")
    valid_folder = find_folder(root, "valid") or root / VALID_SPELLINGS.get(train_folder.name, "valid")
    wanted = set(film_ids)
    folders = [films_folder(root, "train"), stages_folder(root, "train")]
    folders += [landmarks_folder(root, "train", annotator) for annotator in ANNOTATORS]
    # Other labels, such as points on vertebrae, go with their films; rglob alone would not enter linked folders.
    folders += [path for path in find_folder(train_folder, "Annotations").rglob("*") if path.is_dir()]
    moves = []
    for folder in sorted(set(folders) - {None}):
        for path in sorted(folder.iterdir()):
            if path.is_file() and path.stem in wanted:
                target = valid_folder / path.relative_to(train_folder)
                moves.append({"from": path.relative_to(root).as_posix(), "to": target.relative_to(root).as_posix()})
    return moves


def read_manifest(root: Path) -> dict:
    """The manifest of a split.

    Raises:
        UserError: it is missing, or is not what this command writes.
    """
    path = root / SPLIT_MANIFEST
    if not path.exists():
        raise UserError(f"{path} does not exist, so there is no split of this command to undo.")
    manifest = read_json(path, most_values=100_000_000)  # it names every file of a large data set's films
    try:
        names = [PurePosixPath(move[end]) for move in manifest["moves"] for end in ("from", "to")]
        sound = not any(name.is_absolute() or ".." in name.parts for name in names)
        sound = sound and {"share", "seed", "films", "modes"} <= set(manifest)
    except (TypeError, KeyError):
        sound = False
    if not sound:
        raise UserError(f"{path} is not a manifest of this command; restore it, or remove it and mend valid by hand.")
    return manifest


def apply_manifest(root: Path, manifest: dict) -> int:
    """Moves what is still to be moved and marks the films in the machine file."""
    move_files([(root / move["from"], root / move["to"]) for move in manifest["moves"]])
    mark_films(root, {film_id: spell_valid(mode) for film_id, mode in manifest["modes"].items()})
    number = count(len(manifest["films"]), "film")
    print(f"valid holds {number}; `python split_dataset.py --dataset {root} --undo` brings them back.")
    return 0


def spell_valid(mode: str) -> str:
    """What a machine file that spells train like `mode` calls valid; an empty mode stays empty."""
    return VALID_SPELLINGS.get(mode, "valid") if mode else mode


def undo_split(options: argparse.Namespace) -> int:
    """Moves everything back that the manifest lists, finished or not, then removes the manifest.

    Raises:
        UserError: there is no manifest, or a file is in neither place or in both.
    """
    root = options.dataset
    manifest = read_manifest(root)
    number = count(len(manifest["films"]), "film")
    if options.dry_run:
        left = sum((root / move["to"]).exists() for move in manifest["moves"])
        print(f"{number} with {count(left, 'file')} would go back to train; nothing was moved (--dry-run).")
        return 0
    move_files([(root / move["to"], root / move["from"]) for move in manifest["moves"]])
    mark_films(root, manifest["modes"])
    remove_empty_folders(root, manifest["moves"])
    (root / SPLIT_MANIFEST).unlink()
    print(f"Back in train: {number}.")
    return 0


def move_files(moves: list[tuple[Path, Path]]) -> None:
    """Moves every file that has not been moved yet; if one cannot be, none is.

    Raises:
        UserError: a file is in both places or in neither, or the disk refuses.
    """
    for source, target in moves:
        if source.exists() and target.exists():
            raise UserError(
                f"{source} and {target} both exist; remove the one that does not belong there, then run this again."
            )
        if not source.exists() and not target.exists():
            raise UserError(f"{source} is neither there nor at {target}; restore it, then run this again.")
    for source, target in moves:
        if target.exists():
            continue
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(source, target)
        except OSError as error:
            raise UserError(
                f"{source} cannot be moved to {target} ({error.strerror}); mend that, then run this again."
            ) from None


def mark_films(root: Path, modes: dict[str, str]) -> None:
    """Writes films' splits, by id, into the machine file, where there is one, and leaves all else in it."""
    path = root / MACHINE_FILE
    if not path.exists():
        return
    data = read_bytes(path)
    rows = list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline="")))
    if not rows or "mode" not in rows[0]:
        return
    id_column, mode_column = rows[0].index("cephalogram_id"), rows[0].index("mode")
    for row in rows[1:]:
        if len(row) > max(id_column, mode_column) and row[id_column] in modes:
            row[mode_column] = modes[row[id_column]]
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n" if b"\r\n" in data else "\n").writerows(rows)
    byte_order_mark = b"\xef\xbb\xbf" if data.startswith(b"\xef\xbb\xbf") else b""
    write_bytes(path, byte_order_mark + text.getvalue().encode("utf-8"))


def remove_empty_folders(root: Path, moves: list[dict[str, str]]) -> None:
    """Removes the folders that the split made, once nothing is in them."""
    folders = {parent for move in moves for parent in (root / move["to"]).parents if root in parent.parents}
    for folder in sorted(folders, key=lambda path: -len(path.parts)):
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


if __name__ == "__main__":
    sys.exit(main())
