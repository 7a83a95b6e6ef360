"""The page under load: `python -m benchmarks.demo_load [--users 50] [--seconds 120] [--weights FILE]`.

Many users open films of their own at once, have their points found, move one and close the film. Each must get its own
film and its own points back, or be told politely that the page is busy. Meanwhile path tricks, oversized forms and
forged events are tried; afterwards memory and disk are looked at.
"""

import argparse
import base64
import http.client
import json
import secrets
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import torch

from benchmarks.measuring import (
    ROOT,
    command_environment,
    forget_peak,
    hardware,
    memory_mb,
    print_verdicts,
    running_demo,
)
from config import SYMBOLS, UserError
from flags import DEFAULT_OUTPUT
from images import decode_picture
from inference import default_weights, load_predictor
from reading import read
from synthetic import make_phantom

BUSY = ("waiting to be read", "put away")  # what the page says when it has too much to do
SERVER = "/gradio_api/component_server"
JSON = "application/json"
GIVE_UP_S = 120.0  # of patience
PROMPT_S = 60.0  # an answer that takes longer counts as a failure
MOST_GROWTH_MB = 300.0  # that may stay of two minutes of load
SETTLE_S = 15.0  # before memory is looked at, so that what a film left behind is not taken for what the page needs


class Page:
    """A running demo as one user's browser sees it."""

    def __init__(self, port: int):
        self.port, self.session = port, secrets.token_hex(6)
        self.component = find_editor(port)

    def request(self, method: str, path: str, body: bytes | None = None, kind: str = JSON) -> tuple[int, bytes]:
        """Status and body of an answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PROMPT_S)
        try:
            connection.request(method, path, body, {"Content-Type": kind} if body is not None else {})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def ask(self, name: str, question: object, component: object = None) -> tuple[int, object]:
        """Calls one of the page's server functions."""
        component = self.component if component is None else component
        event = {"data": question, "component_id": component, "session_hash": self.session, "fn_name": name}
        status, body = self.request("POST", SERVER, json.dumps(event).encode())
        return status, json.loads(body) if status == 200 else body.decode(errors="replace")

    def upload(self, name: str, data: bytes) -> tuple[int, object]:
        """Opens a film."""
        edge = secrets.token_hex(12)
        fields = {"component_id": self.component, "session_hash": self.session, "fn_name": "open_film"}
        head = f"--{edge}\r\nContent-Disposition: form-data; name="
        parts = [f'{head}"{key}"\r\n\r\n{value}\r\n' for key, value in fields.items()]
        start = "".join([*parts, f'{head}"file"; filename="{name}"\r\n\r\n'])
        body = start.encode() + data + f"\r\n--{edge}--\r\n".encode()
        status, answer = self.request("POST", SERVER, body, f"multipart/form-data; boundary={edge}")
        return status, json.loads(answer) if status == 200 else answer.decode(errors="replace")


def find_editor(port: int) -> int:
    """The number of the component that opens films."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PROMPT_S)
    connection.request("GET", "/config")
    components = json.loads(connection.getresponse().read())["components"]
    connection.close()
    served = {each["id"]: each.get("props", {}).get("server_fns") or [] for each in components}
    return next(number for number, functions in served.items() if "open_film" in functions)


class User(threading.Thread):
    """Opens its own film again and again and checks that what comes back is its own."""

    def __init__(self, port: int, data: bytes, name: str, expected_px: dict, seconds: float):
        super().__init__(daemon=True)
        self.page, self.data, self.name_of_film, self.active_s = Page(port), data, name, seconds
        self.picture = decode_picture(data, name)
        self.expected_px, self.counts = expected_px, Counter()
        self.seconds = []  # from opening to closing, of the films read right

    def run(self) -> None:
        until = time.monotonic() + self.active_s
        while time.monotonic() < until:
            started = time.monotonic()
            try:
                outcome = self.read_film()
            except Exception as error:  # noqa: BLE001 (whatever it is, a thread that ends here would count nothing)
                outcome = f"failed: {type(error).__name__}"
            self.counts[outcome] += 1
            if outcome == "right":
                self.seconds.append(time.monotonic() - started)
            time.sleep(1.0 if outcome == "busy" else 0.1)

    def read_film(self) -> str:
        """One film from opening to closing."""
        status, opened = self.page.upload(self.name_of_film, self.data)
        if status != 200 or "error" in opened:
            return judge_refusal(status, opened)
        shown = cv2.imdecode(np.frombuffer(base64.b64decode(opened["png"]), np.uint8), cv2.IMREAD_GRAYSCALE)
        if not np.array_equal(shown, self.picture):
            return "another's film"
        question = {"key": opened["key"]}
        try:
            status, found = self.page.ask("find_points", question)
            if status != 200 or "error" in found:
                return judge_refusal(status, found)
            points = {each["symbol"]: (each["x"], each["y"]) for each in found["points"]}
            apart = [np.hypot(*np.subtract(points[symbol], place)) for symbol, place in self.expected_px.items()]
            if points.keys() != self.expected_px.keys() or max(apart, default=0.0) > 0.1:
                return "another's points"
            symbol = next(iter(points), None)
            edits = {symbol: [5.0, 5.0]} if symbol else {}
            status, measured = self.page.ask("measure", question | {"edits": edits, "pixel_size_mm": 0.1})
            return "right" if status == 200 and "error" not in measured else judge_refusal(status, measured)
        finally:
            self.page.ask("close_film", question)


def judge_refusal(status: int, answer: object) -> str:
    """Whether a refusal is the polite kind."""
    said = answer.get("error", "") if isinstance(answer, dict) else str(answer)
    return "busy" if status == 200 and any(sign in said for sign in BUSY) else f"failed: {status} {said[:80]}"


# --- attacks ----------------------------------------------------------------------------------------------------------


def attack_page(port: int, film: bytes) -> dict[str, bool]:
    """`attack` by a stranger with a film of his own; a page that gives him no answer is what is reported."""
    try:
        page = Page(port)
        return attack(page, open_patiently(page, "mine.png", film)["key"])
    except (OSError, http.client.HTTPException, ValueError, UserError) as error:
        return {f"anything: {error or type(error).__name__}": False}


def attack(page: Page, key: str) -> dict[str, bool]:
    """What is tried, and whether it was refused."""
    film = {"key": key}
    files = ["/etc/passwd", "../../../../etc/passwd", str(ROOT / "config.py"), "weights/../config.py"]
    roads = ["/gradio_api/file={}", "/file={}", "/static/{}", "/gradio_api/static/{}", "/assets/{}", "/theme.css/{}"]
    fetched = [page.request("GET", road.format(file)) for road in roads for file in files]
    read_any = any(status == 200 and (b"root:" in body or b"SYMBOLS" in body) for status, body in fetched)
    names = ["launch", "__init__", "_desk", "get_block_name", "load", "", "open_film.__globals__", None, 7, {}]
    events = [page.ask(name, film)[0] for name in names]
    components = [page.ask("find_points", film, number)[0] for number in (-1, 10**9, "x", [], {})]
    keys = ["x", "", None, 7, [], {}, "../x", "a" * 10**5]
    places = [[1e9, 5], [float("nan"), 5], ["5", 5], [5], None, {"x": 1}, [True, 5], "x" * 10**6]
    edits = [{"S": place} for place in places] + [{name: [5, 5]} for name in ("__class__", "", "S" * 10**5)]
    sizes = [-1, 0, 1e9, "x", [], float("inf")]
    return {
        "files by path": not read_any,
        "functions that are not offered": all(status >= 400 for status in events),
        "components that are not there": all(status >= 400 for status in components),
        "keys of no film": all(refused(page.ask("find_points", {"key": each})) for each in keys),
        "questions that are none": all(refused(page.ask("find_points", each)) for each in (None, 7, "x", [], [film])),
        "points that are none": all(refused(page.ask("measure", film | {"edits": each})) for each in edits),
        "pixel sizes that are none": all(refused(page.ask("measure", film | {"pixel_size_mm": x})) for x in sizes),
        "a form of 60 MB": refused(page.upload("big.png", b"\0" * 60_000_000)),
        "names with folders in them": not shows_folders(page),
    }


def refused(answer: tuple[int, object]) -> bool:
    """Whether a question was answered by an error, either way."""
    status, content = answer
    return status >= 400 or (isinstance(content, dict) and "error" in content)


def shows_folders(page: Page) -> bool:
    """Whether a folder in a film's name leaves a trace in the name shown."""
    done, data = cv2.imencode(".png", np.zeros((40, 40), np.uint8))
    opened = open_patiently(page, "../../evil/..\\film.png", data.tobytes())
    return not done or any(sign in opened["name"] for sign in ("/", "\\", ".."))


def open_patiently(page: Page, name: str, data: bytes) -> dict:
    """What the page says of a film, once it is not too busy to take it."""
    until = time.monotonic() + GIVE_UP_S
    while time.monotonic() < until:
        _, opened = page.upload(name, data)
        if "key" in opened:
            return opened
        time.sleep(0.2)
    raise UserError("The page took no film of a patient user.")


# --- the whole --------------------------------------------------------------------------------------------------------


def warm_up(demo: subprocess.Popen, user: User) -> None:
    """Returns when the demo has its models, has read a film of a single user, and rests again.

    Raises:
        UserError: it does not come to that.
    """
    until = time.monotonic() + GIVE_UP_S
    while "loading" in str(user.page.ask("model_status", {})[1]) and demo.poll() is None and time.monotonic() < until:
        time.sleep(0.2)
    if user.read_film() != "right":
        raise UserError("The demo does not read a single user's film; start `python demo.py` by hand to see why.")
    time.sleep(SETTLE_S)


def make_films(count: int) -> list[bytes]:
    """Phantoms as PNG files, each with another size, so that no two can be taken for each other."""
    films = []
    for number in range(count):
        picture = make_phantom(77, number, stage=number % 6 + 1).image
        grey = decode_picture(cv2.imencode(".png", picture)[1].tobytes(), "phantom")
        films.append(cv2.imencode(".png", grey[: grey.shape[0] - number % 17, : grey.shape[1] - number])[1].tobytes())
    return films


def expected_points(weights: Path, films: list[bytes]) -> list[dict[str, tuple[float, float]]]:
    """What a predictor of our own says of each film: its points in film pixels.

    Raises:
        UserError: it finds none on any, so that there is nothing to compare.
    """
    predictor, found = load_predictor(weights, torch.device("cpu")), []
    for data in films:
        points_px = read([predictor], decode_picture(data, "film"), "film", None).points_px
        pairs = zip(SYMBOLS, points_px, strict=True)
        found.append({name: tuple(point) for name, point in pairs if not np.isnan(point).any()})
    if not any(found):
        raise UserError(f"{weights} finds no points on phantoms; name weights that do with --weights.")
    return found


def traces(folder: Path, films: list[bytes]) -> int:
    """Files below a folder that hold a piece of one of these films."""
    pieces = [data[len(data) // 2 : len(data) // 2 + 64] for data in films]
    contents = [path.read_bytes() for path in folder.rglob("*") if path.is_file()]
    return sum(any(piece in content for piece in pieces) for content in contents)


def judge(options: argparse.Namespace, weights: Path, folder: Path) -> bool:
    """Prints the tables; whether all was as it should be."""
    films = make_films(options.users)
    expected = expected_points(weights, films)
    environment = command_environment() | {"TMPDIR": str(folder), "GRADIO_TEMP_DIR": str(folder / "gradio")}
    with running_demo("--weights", weights, "--device", "cpu", env=environment) as (demo, port):
        users = [User(port, films[n], f"user{n}.png", expected[n], options.seconds) for n in range(options.users)]
        warm_up(demo, users[0])
        before_mb, most_mb, after_mb, tried = run_load(demo, users, options.seconds)
        lives, left = demo.poll() is None, traces(folder, films)
    rows = [
        ("users whose film has points to compare", sum(map(bool, expected)), None),
        *judge_users(users),
        ("memory before and at most", f"{before_mb:.0f}, {most_mb:.0f} MB", None),
        ("memory after", f"{after_mb:.0f} MB", after_mb < before_mb + MOST_GROWTH_MB),
        ("files on the disk that hold a piece of a film", left, left == 0),
        ("the page still runs", "", lives),
    ]
    is_fair = print_verdicts(f"{options.users} users for {options.seconds:g} s", rows)
    return print_verdicts("tried by a stranger", [(name, "", refused) for name, refused in tried.items()]) and is_fair


def run_load(demo: subprocess.Popen, users: list[User], seconds: float) -> tuple[float, float, float, dict[str, bool]]:
    """Lets all users loose, a stranger in the middle of it: memory before, most and after, MB, and what was refused."""
    before_mb = memory_mb(demo.pid)
    forget_peak(demo.pid)  # of loading the models
    for user in users:
        user.start()
    time.sleep(seconds / 2)
    tried = attack_page(users[0].page.port, users[0].data)
    for user in users:
        user.join()
    most_mb = memory_mb(demo.pid, "VmHWM")
    time.sleep(SETTLE_S)
    return before_mb, most_mb, memory_mb(demo.pid), tried


def judge_users(users: list[User]) -> list[tuple[str, object, bool | None]]:
    """Rows on what the users met: films read right or turned away politely, and nothing else."""
    counts = sum((user.counts for user in users), Counter())
    seconds = np.array([each for user in users for each in user.seconds])
    rows = [
        ("films right", counts["right"], counts["right"] > 0),
        ("films told that the page is busy", counts["busy"], None),
    ]
    rows += [(f"films {name}", count, False) for name, count in sorted(counts.items()) if name not in ("right", "busy")]
    if seconds.size:
        found = f"{np.median(seconds):.1f}, {seconds.max():.1f}"
        rows.append(("seconds of a film read right: median, longest", found, None))
    return rows


def main(arguments: list[str] | None = None) -> int:
    """Prints the tables; 0 when all was as it should be."""
    parser = argparse.ArgumentParser(description="Many users of the demo at once.")
    parser.add_argument("--users", type=int, default=50, help="at once (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=120.0, help="how long (default: %(default)s)")
    parser.add_argument("--weights", type=Path, help="model to read with (default: as predict.py)")
    options = parser.parse_args(arguments)
    print(hardware())
    folder = Path(tempfile.mkdtemp())
    try:
        weights = (options.weights or default_weights(Path(DEFAULT_OUTPUT))).resolve()
        return 0 if judge(options, weights, folder) else 1
    except UserError as error:
        print(f"demo_load: {error}", file=sys.stderr)
        return 2
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
