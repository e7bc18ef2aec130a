"""A Hub in a thread that answers what a reading client asks: one revision, and files with ETag and range.

Repositories are folders: `ROOT/owner/name`. Every request is kept, so that tests can count them.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

COMMIT = "c0ffee" * 6 + "beef"  # forty hexadecimal digits, as a commit has
_API = re.compile(r"/api/datasets/([^/]+/[^/]+)(?:/revision/([^/]+))?")
_FILE = re.compile(r"/datasets/([^/]+/[^/]+)/resolve/([^/]+)/(.+)")


class Hub(ThreadingHTTPServer):
    """The server; `asked` holds (method, path) of every request."""

    daemon_threads = True

    def __init__(self, root: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.root = root
        self.asked: list[tuple[str, str]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


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
        self.server.asked.append((self.command, path))
        if match := _API.fullmatch(path):
            repo, revision = match[1], match[2] or "main"
            body, headers = json.dumps({"id": repo, "sha": COMMIT, "siblings": []}).encode(), {}
        elif match := _FILE.fullmatch(path):
            repo, revision = match[1], match[2]
            file = self.server.root / repo / match[3]
            body = file.read_bytes() if file.is_file() else None
            headers = {"X-Repo-Commit": COMMIT}
        else:
            return self._send(404, b"", {})
        if not (self.server.root / repo).is_dir():
            return self._send(404, b"", {"X-Error-Code": "RepoNotFound"})
        if revision not in ("main", "v1.0", COMMIT):
            return self._send(404, b"", {"X-Error-Code": "RevisionNotFound"})
        if body is None:
            return self._send(404, b"", {"X-Error-Code": "EntryNotFound", **headers})
        digest = hashlib.sha256(body).hexdigest()
        return self._send(200, body, {"ETag": f'"{digest}"', **headers})

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


@contextmanager
def serve(root: Path) -> Iterator[Hub]:
    """Serve the repositories below a folder on a free port."""
    with Hub(root) as hub:
        thread = threading.Thread(target=hub.serve_forever, daemon=True)
        thread.start()
        try:
            yield hub
        finally:
            hub.shutdown()
            thread.join()
