"""Asking the Hub: its client, how long an answer may take, and one sentence for everything that can go wrong."""

import os
import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from huggingface_hub import HfApi, get_token
from huggingface_hub import errors as hub_errors
from huggingface_hub.utils import httpx, validate_repo_id

from config import UserError

PATIENCE_S = 4.0  # for the Hub's first answer: with a margin, a sentence within five seconds
UNREACHABLE = (
    httpx.ConnectError, httpx.TimeoutException, httpx.ProxyError, httpx.UnsupportedProtocol, httpx.InvalidURL,
    TimeoutError, hub_errors.LocalEntryNotFoundError,
)  # fmt: skip
TROUBLES = (hub_errors.EntryNotFoundError, httpx.HTTPError, httpx.InvalidURL, OSError, ValueError)


class HubUnreachable(UserError):
    """The Hub does not answer, or not now; what is on this machine may serve."""


class NoSuchFile(UserError):
    """The repository is there, the file is not."""


def client() -> HfApi:
    """The Hub's client; the environment is read at each call, as it is for the token."""
    return HfApi(endpoint=os.environ.get("HF_ENDPOINT", "").rstrip("/") or None)


def check_repo_id(repo_id: str) -> None:
    """Refuses what cannot be a repository."""
    try:
        validate_repo_id(repo_id)
        owner, _, model = repo_id.partition("/")
    except ValueError:
        owner = model = ""
    if not owner or not model:
        raise UserError(f"{repo_id!r} is no repository of the Hub; it must look like NAME/MODEL.")


def ask(question: Callable[[], object]) -> object:
    """The answer to a short request, or TimeoutError after `PATIENCE_S`: looking up a host's name may take longer than
    any limit the client has.
    """
    answers = queue.SimpleQueue()

    def run() -> None:
        try:
            answers.put((question(), None))
        except Exception as error:  # noqa: BLE001 (raised below, in the thread that asked)
            answers.put((None, error))

    threading.Thread(target=run, daemon=True).start()
    try:
        answer, error = answers.get(timeout=PATIENCE_S)
    except queue.Empty:
        raise TimeoutError("no answer") from None
    if error is not None:
        raise error
    return answer


@contextmanager
def one_sentence(repo_id: str, name: str = "", revision: str = "") -> Iterator[None]:
    """Turns whatever the client raises into one sentence without traceback, and without the token."""
    try:
        yield
    except (*TROUBLES, RuntimeError) as error:
        # The client wraps what breaks an upload into a RuntimeError; any other is a fault of the program.
        trouble = error if isinstance(error, TROUBLES) else error.__cause__
        if not isinstance(trouble, TROUBLES):
            raise
        refined = explain(trouble, repo_id, name, revision)
        token = get_token()
        raise type(refined)(str(refined).replace(token, "[token]") if token else str(refined)) from None


def explain(error: Exception, repo_id: str, name: str, revision: str) -> UserError:
    """What went wrong between this machine and the Hub, and what to do."""
    hub = client().endpoint
    if isinstance(error, hub_errors.OfflineModeIsEnabled):
        return HubUnreachable("The Hub is not asked, because HF_HUB_OFFLINE is set; unset it.")
    if isinstance(error, hub_errors.RevisionNotFoundError):
        return UserError(f"{repo_id} has no revision {revision}; name a commit, tag or branch of it.")
    if isinstance(error, hub_errors.RemoteEntryNotFoundError):
        return NoSuchFile(f"{repo_id} holds no {name} at revision {revision}; name another.")
    if isinstance(error, hub_errors.HfHubHTTPError):
        return explain_status(error, repo_id, hub)
    if isinstance(error, UNREACHABLE):
        return HubUnreachable(f"{hub} cannot be reached; check the network, or HF_ENDPOINT.")
    if isinstance(error, httpx.TransportError):
        return HubUnreachable(f"The connection to {hub} broke; run the same command again.")
    reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return UserError(f"The exchange with {hub} failed ({reason[:200]}); try again.")


def explain_status(error: hub_errors.HfHubHTTPError, repo_id: str, hub: str) -> UserError:
    """What the Hub's answer means."""
    status = error.response.status_code
    if status == 401 and get_token() is not None:
        return UserError(f"{hub} does not accept your token; run `hf auth login`, or mend HF_TOKEN.")
    if isinstance(error, hub_errors.GatedRepoError):
        return UserError(f"{repo_id} is open only to those whom its owner admits; ask on {hub}/{repo_id}.")
    if status in (401, 404):
        return UserError(f"{hub} shows you no {repo_id}; check its name, and `hf auth login` if it is private.")
    if status == 403:
        return UserError(f"Your token may not do this to {repo_id}; take one that may write there.")
    if status >= 500 or status == 429:
        return HubUnreachable(f"{hub} is out of order or overloaded ({status}); try again later.")
    reason = (error.server_message or "no reason given").splitlines()[0][:200]
    return UserError(f"{hub} refused this ({status}: {reason}); try again, or update huggingface_hub.")
