"""Makes a `valid` split from a fifth of `train`: `python split_dataset.py [--dataset Aariz] [--dry-run | --undo]`.

Films are drawn alike in machine and stage, twins together. What is to be moved is written down before anything is,
so that an interruption at any point is mended by the same command, and --undo brings everything back.
"""

import argparse
import os
import sys
from collections import Counter
from pathlib import Path

from annotations import MACHINE_FILE
from config import DEFAULT_DATASET, UserError
from files import read_csv, read_json, write_csv, write_json
from films import Film, films_folder, find_folder, group_twins, has_split, scan_split
from partition import split_folds

MANIFEST = "split_manifest.json"


def make_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(description="Moves a share of the training films into a valid split.")
    parser.add_argument(
        "--dataset", type=Path, default=Path(DEFAULT_DATASET), help="data set in Aariz's layout (default: %(default)s)"
    )
    parser.add_argument(
        "--share", type=float, default=0.2, help="share of train to move, up to 0.5 (default: %(default)s)"
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
        return undo_split(options.dataset) if options.undo else split(options)
    except UserError as error:
        print(f"split_dataset.py: {error}", file=sys.stderr)
        return 2


def split(options: argparse.Namespace) -> int:
    """Chooses the films and moves them, or finishes a split that was interrupted.

    Raises:
        UserError: there is a valid split already, or the films cannot be read or moved.
    """
    root = options.dataset
    manifest_path = root / MANIFEST
    if manifest_path.exists():
        manifest = read_json(manifest_path)
        left = sum((root / move["from"]).exists() for move in manifest["moves"])
        print(
            f"This data set was split before; {left} files are left to move."
            if left
            else "This data set is split already."
        )
        return 0 if options.dry_run else apply_manifest(root, manifest)
    if has_split(root, "valid"):
        raise UserError(f"{root} has a valid split that this command did not make; move its films to train or keep it.")
    train = scan_split(root, "train")
    chosen = choose_films(train, options.share, options.seed)
    show_split(train, chosen)
    warn_of_test_twins(root, train)
    if options.dry_run:
        print("Nothing was moved (--dry-run).")
        return 0
    manifest = {"share": options.share, "seed": options.seed, "films": [film.film_id for film in chosen]}
    manifest["moves"] = plan_moves(root, chosen)
    write_json(manifest_path, manifest)
    return apply_manifest(root, manifest)


def choose_films(train: list[Film], share: float, seed: int) -> list[Film]:
    """The films to move: one of round(1 / share) parts that are alike."""
    folds = round(1 / share)
    if len(train) < folds:
        raise UserError(f"{len(train)} films are too few to move a share of {share}; raise --share.")
    return split_folds(train, folds, seed)[0]


def show_split(train: list[Film], chosen: list[Film]) -> None:
    """A table of how many films of each machine and stage stay and go."""
    kinds = [Counter(describe_kind(film) for film in films) for films in (train, chosen)]
    width = max(len(kind) for kind in kinds[0]) + 2
    print(f"{'machine, stage':{width}}{'train':>7}{'valid':>7}")
    for kind in sorted(kinds[0]):
        print(f"{kind:{width}}{kinds[0][kind] - kinds[1][kind]:>7}{kinds[1][kind]:>7}")
    print(f"{'all':{width}}{len(train) - len(chosen):>7}{len(chosen):>7}")


def describe_kind(film: Film) -> str:
    """A film's machine and stage in words."""
    return f"{film.machine or 'unknown machine'}, {'no stage' if film.stage is None else f'S{film.stage}'}"


def warn_of_test_twins(root: Path, train: list[Film]) -> None:
    """Training films that are also in test can be seen, not mended, here."""
    if not has_split(root, "test"):
        return
    for twins in group_twins(train + scan_split(root, "test")):
        if len({film.split for film in twins}) > 1:
            names = ", ".join(f"{film.film_id} ({film.split})" for film in twins)
            print(f"Warning: the same picture is in train and test: {names}.")


def plan_moves(root: Path, chosen: list[Film]) -> list[dict[str, str]]:
    """Every file of the chosen films, from where to where, relative to the data set."""
    train_folder = find_folder(root, "train")
    # The new folder's name is spelt as the others are: valid, Valid or VALID.
    valid_name = {"Train": "Valid", "TRAIN": "VALID"}.get(train_folder.name, "valid")
    wanted = {film.film_id for film in chosen}
    folders = [films_folder(root, "train")]
    folders += [path for path in find_folder(train_folder, "Annotations").rglob("*") if path.is_dir()]
    moves = []
    for folder in sorted(folders):
        for path in sorted(folder.iterdir()):
            if path.is_file() and path.stem in wanted:
                target = root / valid_name / path.relative_to(train_folder)
                moves.append({"from": path.relative_to(root).as_posix(), "to": target.relative_to(root).as_posix()})
    return moves


def apply_manifest(root: Path, manifest: dict) -> int:
    """Moves what is still to be moved and marks the films in the machine file."""
    for move in manifest["moves"]:
        move_file(root / move["from"], root / move["to"])
    mark_films(root, manifest["films"], "Valid")
    print(
        f"valid holds {len(manifest['films'])} films now; `python split_dataset.py --dataset {root} --undo` "
        "brings them back."
    )
    return 0


def undo_split(root: Path) -> int:
    """Moves everything back that the manifest lists, finished or not, then removes the manifest.

    Raises:
        UserError: there is no manifest, or a file is in neither place or in both.
    """
    manifest_path = root / MANIFEST
    if not manifest_path.exists():
        raise UserError(f"{manifest_path} does not exist, so there is no split of this command to undo.")
    manifest = read_json(manifest_path)
    for move in manifest["moves"]:
        move_file(root / move["to"], root / move["from"])
    mark_films(root, manifest["films"], "Train")
    remove_empty_folders(root, manifest["moves"])
    manifest_path.unlink()
    print(f"{len(manifest['films'])} films are back in train.")
    return 0


def move_file(source: Path, target: Path) -> None:
    """Moves a file unless it has been moved already."""
    if source.exists() and target.exists():
        raise UserError(
            f"{source} and {target} both exist; remove the one that does not belong there, then run this again."
        )
    if target.exists():
        return
    if not source.exists():
        raise UserError(f"{source} is neither there nor at {target}; restore it, then run this again.")
    target.parent.mkdir(parents=True, exist_ok=True)
    os.replace(source, target)


def mark_films(root: Path, film_ids: list[str], mode: str) -> None:
    """Writes the films' new split into the machine file, where there is one, and leaves all else in it."""
    path = root / MACHINE_FILE
    if not path.exists():
        return
    rows = read_csv(path)
    moved = set(film_ids)
    for row in rows:
        if row.get("cephalogram_id") in moved and "mode" in row:
            row["mode"] = mode
    if rows:
        write_csv(path, rows, line_end="\r\n" if b"\r\n" in path.read_bytes() else "\n")


def remove_empty_folders(root: Path, moves: list[dict[str, str]]) -> None:
    """Removes the folders that the split made, once nothing is in them."""
    folders = {parent for move in moves for parent in (root / move["to"]).parents if root in parent.parents}
    for folder in sorted(folders, key=lambda path: -len(path.parts)):
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


if __name__ == "__main__":
    sys.exit(main())
