"""A Hub in a thread that serves folders as repositories the way the public one does, and fails as it is told.

- `ROOT/owner/name` is a repository with one commit. Files over `LARGE` bytes are answered with a redirect to
  a signed address on another host name, which knows no token and can expire; smaller ones at once.
- Every request is kept in `asked`, and answered bytes are counted. `faults` are functions that are asked
  before an answer; the first that returns something has answered.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import constants, file_download

COMMIT = "c0ffee" * 6 + "beef"  # forty hexadecimal digits, as a commit has
LARGE = 2000  # bytes; more is in large-file storage
_API = re.compile(r"/api/datasets/([^/]+/[^/]+)(?:/revision/([^/]+))?")
_TREE = re.compile(r"/api/datasets/([^/]+/[^/]+)/tree/([^/]+).*")
_FILE = re.compile(r"/datasets/([^/]+/[^/]+)/resolve/([^/]+)/(.+)")
_SIGNED = re.compile(r"/signed/(\d+)/([^/]+/[^/]+)/(.+)")
_RANGE = re.compile(r"bytes=(\d+)-(\d*)")


@dataclass(frozen=True)
class Asked:
    """A request: method, path, its range, whether it had a token."""

    method: str
    path: str
    range: str | None
    token: bool


Fault = Callable[["_Handler", Asked], bool]


class Hub(ThreadingHTTPServer):
    """The server."""

    daemon_threads = True
    request_queue_size = 128  # else clients that come while it is busy try again seconds later

    def __init__(self, root: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.root = root
        self.asked: list[Asked] = []
        self.bytes_sent = 0
        self.faults: list[Fault] = []
        self.generation = 0  # of signed addresses; those of an earlier one have expired

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is none."""

    def gets(self) -> list[Asked]:
        """Requests for content, redirects included."""
        return [asked for asked in self.asked if asked.method == "GET" and not asked.path.startswith("/api")]


class _Handler(BaseHTTPRequestHandler):
    server: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        path = self.path.partition("?")[0]
        token = self.headers.get("Authorization") is not None
        asked = Asked(self.command, path, self.headers.get("Range"), token)
        self.server.asked.append(asked)
        if any(fault(self, asked) for fault in self.server.faults):
            return
        if match := _SIGNED.fullmatch(path):
            if int(match[1]) != self.server.generation or token:
                return self.send(403, b"expired", {})
            return self._content(self.server.root / match[2] / match[3], {})
        if match := _TREE.fullmatch(path):
            return self._tree(match[1])
        if match := _API.fullmatch(path):
            if not (self.server.root / match[1]).is_dir():
                return self.send(404, b"", {"X-Error-Code": "RepoNotFound"})
            if (match[2] or "main") not in ("main", "v1.0", COMMIT):
                return self.send(404, b"", {"X-Error-Code": "RevisionNotFound"})
            return self.send(200, json.dumps({"id": match[1], "sha": COMMIT, "siblings": []}).encode(), {})
        if match := _FILE.fullmatch(path):
            return self._resolve(match[1], match[3])
        return self.send(404, b"", {})

    def _tree(self, repo: str) -> None:
        folder = self.server.root / repo
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        listed = []
        for file in files:
            row: dict[str, Any] = {
                "type": "file",
                "path": file.relative_to(folder).as_posix(),
                "oid": "0" * 40,
            }
            row["size"] = file.stat().st_size
            if row["size"] > LARGE:
                row["lfs"] = {"oid": _sha256(file), "size": row["size"], "pointerSize": 100}
            listed.append(row)
        self.send(200, json.dumps(listed).encode(), {"Content-Type": "application/json"})

    def _resolve(self, repo: str, path: str) -> None:
        file = self.server.root / repo / path
        headers = {"X-Repo-Commit": COMMIT}
        if not (self.server.root / repo).is_dir():
            return self.send(404, b"", {"X-Error-Code": "RepoNotFound"})
        if not file.is_file():
            return self.send(404, b"", {"X-Error-Code": "EntryNotFound", **headers})
        size = file.stat().st_size
        if size <= LARGE:
            return self._content(file, {"ETag": f'"{_sha256(file)}"', **headers})
        location = f"http://localhost:{self.server.server_port}/signed/{self.server.generation}/{repo}/{path}"
        large = {"X-Linked-ETag": f'"{_sha256(file)}"', "X-Linked-Size": str(size), "Location": location}
        return self.send(302, b"", {**headers, **large})

    def _content(self, file: Path, headers: dict[str, str]) -> None:
        data = file.read_bytes()
        match = _RANGE.fullmatch(self.headers.get("Range", ""))
        if match is None:
            return self.send(200, data, {"Accept-Ranges": "bytes", **headers})
        start, end = int(match[1]), min(int(match[2] or len(data) - 1), len(data) - 1) + 1
        if start >= len(data):
            return self.send(416, b"", {"Content-Range": f"bytes */{len(data)}", **headers})
        headers = {"Content-Range": f"bytes {start}-{end - 1}/{len(data)}", **headers}
        return self.send(206, data[start:end], headers)

    def send(self, status: int, body: bytes, headers: dict[str, str], *, cut: int | None = None) -> None:
        """Answer; `cut` breaks off after so many bytes of the body."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "HEAD":
            return
        sent = body if cut is None else body[:cut]
        self.server.bytes_sent += len(sent)  # before: who reads the last byte may ask for the sum at once
        self.wfile.write(sent)
        if cut is not None:
            self.wfile.flush()
            self.close_connection = True


_HASHES: dict[tuple[str, int, int], str] = {}


def _sha256(file: Path) -> str:
    stat = file.stat()
    key = (str(file), stat.st_size, stat.st_mtime_ns)
    if key not in _HASHES:
        _HASHES[key] = hashlib.sha256(file.read_bytes()).hexdigest()
    return _HASHES[key]


@contextmanager
def serve(root: Path) -> Iterator[Hub]:
    """Serve the repositories below a folder on a free port."""
    with Hub(root) as hub:
        thread = threading.Thread(target=hub.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield hub
        finally:
            hub.shutdown()
            thread.join()


@contextmanager
def only_hub(folder: Path, patch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """Serve `folder/hub`, empty at first, and let the client of this process take it for the only Hub."""
    (folder / "hub" / "me").mkdir(parents=True)
    with serve(folder / "hub") as server:
        patch.setattr(constants, "ENDPOINT", server.url)
        template = f"{server.url}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        for module in (constants, file_download):  # before version 1, the client has it in both
            patch.setattr(module, "HUGGINGFACE_CO_URL_TEMPLATE", template, raising=False)
        patch.setattr(constants, "HF_HUB_CACHE", str(folder / "hf"))
        patch.setattr(constants, "HF_HUB_DISABLE_TELEMETRY", True)
        patch.setenv("HF_TOKEN", "hf_secret")
        yield server
