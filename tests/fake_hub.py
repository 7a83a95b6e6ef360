"""A Hub on this machine: enough of the Hugging Face Hub's protocol for the real client, in memory.

It keeps every byte it is sent, counts requests, and can be told to fail: to cut transfers, or to be out of order.
"""

import base64
import contextlib
import hashlib
import json
import re
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

WRITER, READER, OWNER = "hf_writerwriterwriter", "hf_readerreaderreader", "owner"
REPO = f"{OWNER}/model"
LARGE_NAMES, LARGE = (".safetensors",), 10_000_000  # endings and bytes of files that are stored as large ones
CUT_AFTER = 1000  # bytes of a transfer that is cut
API = re.compile(r"/api/models/([^/]+/[^/]+)(?:/(revision|preupload|commit)/([^/]+))?")
RESOLVE = re.compile(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)")


def is_large(name: str, size: int) -> bool:
    """Whether a file is stored apart: by .gitattributes, or for its size."""
    return name.endswith(LARGE_NAMES) or size >= LARGE


@dataclass
class FakeRepository:
    """Commits, oldest first, each with all files by name."""

    private: bool
    commits: list[tuple[str, dict[str, bytes]]] = field(default_factory=list)

    def commit(self, files: dict[str, bytes]) -> str:
        """Adds a commit that changes these files; its hash."""
        content = dict(self.commits[-1][1]) if self.commits else {}
        content |= files
        parts = [str(len(self.commits)).encode()] + [name.encode() + data for name, data in sorted(content.items())]
        sha = hashlib.sha1(b"".join(parts)).hexdigest()
        self.commits.append((sha, content))
        return sha

    def find(self, revision: str) -> tuple[str, dict[str, bytes]] | None:
        """The commit that a branch or hash names."""
        if revision == "main":
            return self.commits[-1]
        return next((each for each in self.commits if each[0] == revision), None)


@dataclass
class Request:
    """What the client sent."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class FakeHub:
    """The server with its repositories, and what it is told to do wrong."""

    def __init__(self):
        self.repositories: dict[str, FakeRepository] = {}
        self.large_files: dict[str, bytes] = {}
        self.requests: list[Request] = []
        self.cut_uploads = 0  # so many of the next uploads break off
        self.cut_downloads = 0
        self.before_commit: Callable[[], None] = lambda: None  # where another push can come first
        self.down = False  # answers 503
        self.lock = threading.Lock()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.hub = self
        self.server.daemon_threads = True
        self.connections: set[socket.socket] = set()
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self.thread.start()

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.server.server_port}"

    def stop(self) -> None:
        """From now on nobody answers, not even on connections that the client has kept."""
        self.server.shutdown()
        self.server.server_close()
        for connection in list(self.connections):
            with contextlib.suppress(OSError):  # closed already
                connection.shutdown(socket.SHUT_RDWR)

    def count(self, method: str, part: str = "") -> int:
        """How many requests of this kind came whose path holds `part`."""
        return sum(each.method == method and part in each.path for each in self.requests)


class Handler(BaseHTTPRequestHandler):
    """One connection to the fake Hub."""

    protocol_version = "HTTP/1.1"

    @property
    def hub(self) -> FakeHub:
        """Whose connection this is."""
        return self.server.hub

    def setup(self):
        super().setup()
        self.hub.connections.add(self.connection)

    def finish(self):
        self.hub.connections.discard(self.connection)
        super().finish()

    def log_message(self, *_):
        """Nothing is printed."""

    def do_HEAD(self):
        self.serve()

    def do_GET(self):
        self.serve()

    def do_POST(self):
        self.serve()

    def do_PUT(self):
        self.serve()

    def serve(self) -> None:
        """Notes the request and answers it."""
        path = unquote(urlsplit(self.path).path)
        if self.command == "PUT" and self.hub.cut_uploads:
            self.hub.cut_uploads -= 1
            self.rfile.read(CUT_AFTER)
            self.close_connection = True
            return
        body = self.read_body()
        with self.hub.lock:
            self.hub.requests.append(Request(self.command, path, dict(self.headers), body))
        if self.hub.down:
            return self.answer(503, {"error": "down"})
        if path.startswith("/large/"):  # storage knows no token: addresses are signed
            return self.serve_large(path.removeprefix("/large/"), body)
        if self.token is not None and self.token not in (WRITER, READER):
            return self.refuse(401, message="Invalid credentials in Authorization header")
        if self.command in ("GET", "HEAD"):
            return self.serve_reading(path)
        if self.token != WRITER:
            return self.refuse(403, message="you must use a write token")
        return self.serve_writing(path, body)

    @property
    def token(self) -> str | None:
        """Who asks; None for a stranger."""
        given = self.headers.get("Authorization")
        return given.removeprefix("Bearer ") if given else None

    def read_body(self) -> bytes:
        """All that the request carries."""
        if self.headers.get("Transfer-Encoding") == "chunked":
            data = b""
            while size := int(self.rfile.readline(), 16):
                data += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return data
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    # --- reading ------------------------------------------------------------------------------------------------------

    def serve_reading(self, path: str) -> None:
        """Repository pages and files."""
        if match := API.fullmatch(path):
            repository = self.find_repository(match[1])
            if repository is None:
                return self.refuse_repository()
            sha, files = repository.commits[-1]
            siblings = [{"rfilename": name} for name in files]
            return self.answer(200, {"id": match[1], "sha": sha, "private": repository.private, "siblings": siblings})
        if match := RESOLVE.fullmatch(path):
            repository = self.find_repository(match[1])
            if repository is None:
                return self.refuse_repository()
            found = repository.find(match[2])
            if found is None:
                return self.refuse(404, "RevisionNotFound")
            if match[3] not in found[1]:
                return self.refuse(404, "EntryNotFound", commit=found[0])
            return self.serve_file(found[0], match[3], found[1][match[3]])
        return self.refuse(404)

    def find_repository(self, repo_id: str) -> FakeRepository | None:
        """The repository, if this token may see it."""
        repository = self.hub.repositories.get(repo_id)
        return repository if repository and (self.token or not repository.private) else None

    def serve_file(self, commit: str, name: str, data: bytes) -> None:
        """A small file itself; of a large one, where it lies."""
        digest = hashlib.sha256(data).hexdigest()
        headers = {"X-Repo-Commit": commit, "ETag": f'"{digest}"', "Accept-Ranges": "bytes"}
        if not is_large(name, len(data)):
            return self.send(200, data, headers)
        headers |= {"X-Linked-Etag": f'"{digest}"', "X-Linked-Size": str(len(data))}
        # Another host than the Hub's own: the token must not follow there.
        place = self.hub.url.replace("127.0.0.1", "localhost")
        return self.send(302, b"", headers | {"Location": f"{place}/large/{digest}"})

    def serve_large(self, digest: str, body: bytes) -> None:
        """Storage of large files."""
        if self.command == "PUT":
            if hashlib.sha256(body).hexdigest() != digest:
                return self.answer(400, {"error": "damaged"})
            self.hub.large_files[digest] = body
            return self.send(200, b"", {"ETag": f'"{digest}"'})
        data = self.hub.large_files[digest]
        start = int(re.match(r"bytes=(\d+)-", self.headers.get("Range", "bytes=0-"))[1])
        headers = {"ETag": f'"{digest}"', "Accept-Ranges": "bytes"}
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        if self.command == "GET" and self.hub.cut_downloads:
            self.hub.cut_downloads -= 1
            self.send(206 if start else 200, data[start:], headers, only=min(CUT_AFTER, len(data) - start - 1))
            self.close_connection = True
            return None
        return self.send(206 if start else 200, data[start:], headers)

    # --- writing ------------------------------------------------------------------------------------------------------

    def serve_writing(self, path: str, body: bytes) -> None:
        """New repositories, uploads and commits."""
        if path == "/api/validate-yaml":
            return self.answer(200, {"errors": [], "warnings": []})
        if path == "/api/repos/create":
            return self.create(json.loads(body))
        if path.endswith(".git/info/lfs/objects/batch"):
            return self.offer_storage(json.loads(body))
        match = API.fullmatch(path)
        repository = self.hub.repositories.get(match[1]) if match else None
        if repository is None:
            return self.refuse_repository()
        if match[2] == "preupload":
            modes = {True: "lfs", False: "regular"}
            files = [
                {"path": each["path"], "uploadMode": modes[is_large(each["path"], each["size"])], "shouldIgnore": False}
                for each in json.loads(body)["files"]
            ]
            return self.answer(200, {"files": files})
        return self.commit(match[1], repository, [json.loads(line) for line in body.splitlines()])

    def create(self, asked: dict) -> None:
        """A new repository with the first commit that the Hub itself makes."""
        if asked["organization"] != OWNER:
            return self.refuse(403, message="you may not create repositories there")
        repo_id = f"{asked['organization']}/{asked['name']}"
        if repo_id in self.hub.repositories:
            return self.answer(409, {"error": "exists", "url": f"{self.hub.url}/{repo_id}"})
        private = asked.get("visibility") == "private" or bool(asked.get("private"))
        repository = self.hub.repositories[repo_id] = FakeRepository(private)
        repository.commit({".gitattributes": b"*.safetensors filter=lfs\n"})
        return self.answer(200, {"url": f"{self.hub.url}/{repo_id}"})

    def offer_storage(self, asked: dict) -> None:
        """Where to put large files; nowhere for those that are there."""
        objects = []
        for each in asked["objects"]:
            action = {"upload": {"href": f"{self.hub.url}/large/{each['oid']}", "header": {}}}
            known = each["oid"] in self.hub.large_files
            objects.append({"oid": each["oid"], "size": each["size"]} | ({} if known else {"actions": action}))
        return self.answer(200, {"transfer": "basic", "objects": objects})

    def commit(self, repo_id: str, repository: FakeRepository, lines: list[dict]) -> None:
        """All files at once, or none: not if another commit came first, nor without their contents."""
        hook, self.hub.before_commit = self.hub.before_commit, lambda: None
        hook()
        header, files = lines[0]["value"], {}
        if header.get("parentCommit") not in (None, repository.commits[-1][0]):
            return self.refuse(412, message="A commit has happened since. Please refresh and try again.")
        for line in lines[1:]:
            value = line["value"]
            if line["key"] == "lfsFile":
                if value["oid"] not in self.hub.large_files:
                    return self.answer(400, {"error": "no such large file"})
                files[value["path"]] = self.hub.large_files[value["oid"]]
            else:
                files[value["path"]] = base64.b64decode(value["content"])
        sha = repository.commit(files)
        return self.answer(200, {"commitUrl": f"{self.hub.url}/{repo_id}/commit/{sha}", "commitOid": sha})

    # --- answers ------------------------------------------------------------------------------------------------------

    def refuse_repository(self) -> None:
        """Strangers are not told whether there is one."""
        self.refuse(404 if self.token else 401, "RepoNotFound")

    def refuse(self, status: int, code: str = "", message: str = "", commit: str = "") -> None:
        """An error as the Hub words it."""
        headers = {"X-Error-Code": code, "X-Error-Message": message, "X-Repo-Commit": commit}
        self.answer(status, {"error": message or code}, {name: text for name, text in headers.items() if text})

    def answer(self, status: int, content: dict, headers: dict[str, str] | None = None) -> None:
        """A JSON answer."""
        self.send(status, json.dumps(content).encode(), {"Content-Type": "application/json"} | (headers or {}))

    def send(self, status: int, data: bytes, headers: dict[str, str], only: int | None = None) -> None:
        """Any answer; `only` so many of its bytes before the connection breaks."""
        self.send_response(status)
        for name, text in (headers | {"Content-Length": str(len(data))}).items():
            self.send_header(name, text)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data[:only])
