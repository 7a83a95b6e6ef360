"""Weights to and from the Hugging Face Hub: `python hub.py push REPO [--weights FILE ...]`, `python hub.py pull REPO`.

A repository holds up to three files of weights (landmarks, vertebrae, cvm), config.json, metrics.json and a model
card. HF_ENDPOINT names another Hub than huggingface.co; HF_TOKEN or `hf auth login` says who asks.
"""

import argparse
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from huggingface_hub import CommitOperationAdd, get_token, hf_hub_url, try_to_load_from_cache
from huggingface_hub import errors as hub_errors

from card import files_to_commit
from config import UserError
from files import read_bytes
from hub_client import PATIENCE_S, HubUnreachable, NoSuchFile, ask, check_repo_id, client, one_sentence
from sharing import (
    BUNDLED,
    PARTS,
    Repository,
    Share,
    bundled_weights,
    check_company,
    choose,
    describe_push,
    file_name,
    nothing_to_send,
    prepare,
    read_description,
)

TRIES = 4  # of a push: one may go into making the repository, others may be overtaken
FALLBACK = "What was fetched before serves."
COMMIT = re.compile(r"[0-9a-f]{40}")
OVERTAKEN = (409, 412)  # another commit came first


@dataclass(frozen=True)
class Pulled:
    """A file of weights that was asked for by repository."""

    path: Path
    commit: str | None  # full hash; None for a file that never came from the Hub
    note: str = ""  # why an older or the bundled file serves


@dataclass(frozen=True)
class Pushed:
    """What a push did."""

    repo_id: str
    commit: str | None  # full hash of what is there now
    sent: tuple[str, ...]  # names of PARTS
    kept: dict[str, str]  # the others, with the reason why what is there stays


# --- the command ------------------------------------------------------------------------------------------------------


def make_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        description="Sends weights to the Hugging Face Hub, or fetches them. Who asks is told by HF_TOKEN or by "
        "`hf auth login`; HF_ENDPOINT names another Hub."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="push|pull")
    add = commands.add_parser("push", help="send weights that are better than those there").add_argument
    add("repo_id", metavar="REPO", help="NAME/MODEL; made, and private, if it does not exist")
    add("--weights", type=Path, nargs="+", metavar="FILE", help="checkpoints or .safetensors (default: weights/)")
    add(
        "--metrics", type=Path, nargs="+", default=[], metavar="FILE",
        help="what `evaluate.py --json` wrote for them (default: FILE.json beside each, else the figures of training)",
    )  # fmt: skip
    add("--force", action="store_true", help="send them even where they are no better")
    add("--public", action="store_true", help="if the repository is made now, let everyone see it")
    add("--licence", default="other", metavar="ID", help="of the weights, as the Hub names it (default: %(default)s)")
    add = commands.add_parser("pull", help="fetch weights and say where they lie").add_argument
    add("repo_id", metavar="REPO", help="NAME/MODEL")
    add("--revision", help="a commit, tag or branch (default: the newest commit)")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Runs the command; returns its exit status."""
    options = make_parser().parse_args(arguments)
    try:
        if options.command == "push":
            flags = options.force, options.public, options.licence
            push(options.repo_id, options.weights, options.metrics, *flags)
        else:
            show_pulled(pull_all(options.repo_id, options.revision))
    except UserError as error:
        print(f"hub.py: {error}", file=sys.stderr)
        return 2
    return 0


def show_pulled(pulled: dict[str, Pulled], command: str = "hub.py") -> None:
    """Says where files lie and of which commit they are, and on stderr, by the command's name, what is to be noted."""
    for name, each in pulled.items():
        print(f"{name}: {each.path}" + (f" (commit {each.commit})" if each.commit else ""))
    for note in sorted({each.note for each in pulled.values()} - {""}):
        print(f"{command}: {note}", file=sys.stderr)


# --- pull -------------------------------------------------------------------------------------------------------------


def pull(repo_id: str, revision: str | None = None, name: str = "landmarks.safetensors") -> Pulled:
    """One file of a repository: from a folder of that name, from the cache, or from the Hub.

    A commit's hash that is in the cache is not asked for again. A branch or tag may move on, so the Hub is asked, in
    one short request; where it does not answer, the file that was fetched last serves, with a note.

    Raises:
        HubUnreachable: the Hub does not answer within five seconds, and the file was never fetched.
        UserError: there is no such repository, revision or file, or the transfer broke.
    """
    local = Path(repo_id) / name
    if local.is_file():
        return Pulled(local, None)
    revision = revision or "main"
    try:
        return fetch(repo_id, revision, name)
    except HubUnreachable as error:
        cached = find_cached(repo_id, revision, name)
        if cached is None:
            raise
        return replace(cached, note=f"{error} {FALLBACK}")


def pull_all(repo_id: str, revision: str | None = None) -> dict[str, Pulled]:
    """Every file of weights that a repository holds, all of one commit, by name; in other respects as `pull`.

    Raises:
        HubUnreachable, UserError: as `pull`; or the repository holds no weights of this project.
    """
    names, found = [file_name(part) for part in PARTS], {}
    local = {name: Pulled(Path(repo_id) / name, None) for name in names if (Path(repo_id) / name).is_file()}
    if local:
        return local
    revision = revision or "main"
    for name in names:
        try:
            found[name] = fetch(repo_id, revision, name)
            revision = found[name].commit  # a branch may move on meanwhile
        except NoSuchFile:
            continue
        except HubUnreachable as error:
            cached = {name: each for name in names if (each := find_cached(repo_id, revision, name))}
            if not cached:
                raise
            return {name: replace(each, note=f"{error} {FALLBACK}") for name, each in cached.items()}
    if not found:
        raise UserError(f"{repo_id} holds no weights of this project ({', '.join(names)}).")
    return found


def fetch(repo_id: str, revision: str, name: str) -> Pulled:
    """A file of a repository by the Hub's word, or from the cache where a commit's hash needs none."""
    check_repo_id(repo_id)
    cached = find_cached(repo_id, revision, name)
    if cached is not None and COMMIT.fullmatch(revision):
        return cached
    with one_sentence(repo_id, name, revision):
        api = client()
        url = hf_hub_url(repo_id, name, revision=revision, endpoint=api.endpoint)
        newest = ask(lambda: api.get_hf_file_metadata(url=url, timeout=PATIENCE_S)).commit_hash
        known = find_cached(repo_id, newest or "", name)
        return known or pulled_from(api.hf_hub_download(repo_id, name, revision=revision))


def pull_or_bundled(repo_id: str, revision: str | None = None) -> dict[str, Pulled]:
    """`pull_all`, or the bundled files with a note while the Hub cannot be reached.

    Raises:
        UserError: as `pull_all`; of an unreachable Hub only if no weights are bundled.
    """
    try:
        return pull_all(repo_id, revision)
    except HubUnreachable as error:
        names = [file_name(part) for part in PARTS if (BUNDLED / file_name(part)).is_file()]
        if not names:
            raise
        return {name: Pulled(BUNDLED / name, None, f"{error} The bundled weights serve.") for name in names}


def find_cached(repo_id: str, revision: str, name: str) -> Pulled | None:
    """The file as it was fetched last for a revision."""
    path = try_to_load_from_cache(repo_id, name, revision=revision) if revision else None
    return pulled_from(path) if isinstance(path, str) else None


def pulled_from(path: str) -> Pulled:
    """A file of the cache, whose folder is named by its commit."""
    return Pulled(Path(path), Path(path).parent.name)


# --- push -------------------------------------------------------------------------------------------------------------


def push(
    repo_id: str,
    weights: list[Path] | None = None,
    metrics: list[Path] = (),
    force: bool = False,
    public: bool = False,
    licence: str = "other",
    say: Callable[[str], None] = print,
) -> Pushed:
    """Sends weights with their config, figures and card in one commit, each file only if it beats the one there.

    Args:
        weights: checkpoints or .safetensors files, one for each part; the bundled ones if None.
        metrics: files of `evaluate.py --json` for them; one that lies beside its weights is found by itself.
        force: send what is no better, too.
        public: whether everyone may see a repository that is made now.
        licence: of the weights, as the Hub names it.

    Raises:
        UserError: nothing to send is better, the login does not allow it, or the Hub cannot be reached.
    """
    shares = prepare(weights or bundled_weights(), list(metrics))
    for _ in range(TRIES):
        there = check_target(repo_id)
        chosen, kept = choose(shares, there, force)
        if not chosen:
            say(nothing_to_send(repo_id, kept, there))
            return Pushed(repo_id, there.commit, (), kept)
        check_company(repo_id, chosen, there)
        with one_sentence(repo_id):
            if there.commit is None:
                client().create_repo(repo_id, private=not public, exist_ok=True)
                continue  # another push may have made it, and filled it, at the same time
            try:
                commit = send(repo_id, chosen, there, licence)
            except hub_errors.HfHubHTTPError as error:
                if error.response.status_code in OVERTAKEN:
                    continue  # what is there now may be better than this: judge again
                raise
        say(describe_push(f"{client().endpoint}/{repo_id}", commit, chosen, kept))
        return Pushed(repo_id, commit, tuple(share.part for share in chosen), kept)
    raise UserError(f"Others keep pushing to {repo_id} at the same time; try again in a minute.")


def check_target(repo_id: str) -> Repository:
    """What lies in a repository that is to be pushed to.

    Raises:
        UserError: the name cannot be one, nobody is logged in, the login is refused, or the Hub does not answer.
    """
    check_repo_id(repo_id)
    if get_token() is None:
        raise UserError("Nobody is logged in to the Hub; run `hf auth login`, or set HF_TOKEN.")
    with one_sentence(repo_id):
        api = client()
        try:
            info = ask(lambda: api.model_info(repo_id, timeout=PATIENCE_S))
        except hub_errors.RepositoryNotFoundError as error:
            if error.response.status_code == 401:  # the Hub says so to strangers: this token is none
                raise
            return Repository()
        names = {each.rfilename for each in info.siblings or []}
        described = [
            read_bytes(api.hf_hub_download(repo_id, name, revision=info.sha)) if name in names else b""
            for name in ("config.json", "metrics.json")
        ]
        return Repository(info.sha, *read_description(names, *described))


def send(repo_id: str, chosen: list[Share], there: Repository, licence: str) -> str:
    """One commit with the chosen files and everything that describes the repository; its hash.

    The Hub refuses it if anything was committed since `there` was read.
    """
    files = files_to_commit(repo_id, chosen, there, licence)
    operations = [CommitOperationAdd(path_in_repo=name, path_or_fileobj=data) for name, data in files.items()]
    title = ", ".join(f"{share.part} {share.figure}" for share in chosen)
    return client().create_commit(repo_id, operations, commit_message=title, parent_commit=there.commit).oid


if __name__ == "__main__":
    sys.exit(main())
