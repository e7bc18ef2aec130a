"""Commits: one parent, one winner; what is refused leaves nothing behind."""

from __future__ import annotations

import base64
import http.client
import json
import socket
import time
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest


class Raw:
    """The hub without a client that would keep bad requests from it."""

    def __init__(self, hub: Any) -> None:
        self.hub = hub

    def ask(
        self, method: str, path: str, body: bytes = b"", **headers: str
    ) -> tuple[int, dict[str, Any], Any]:
        """A request with the write token; returns status, headers, body as JSON."""
        connection = http.client.HTTPConnection(urlsplit(self.hub.url).netloc, timeout=240)
        connection.request(method, path, body, {"Authorization": f"Bearer {self.hub.write_token}"} | headers)
        answer = connection.getresponse()
        data = answer.read()
        connection.close()
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, json.loads(data or b"null")

    def create(self, name: str) -> None:
        owner, _, name = name.partition("/")
        body = {"organization": owner, "name": name, "type": "dataset"}
        assert self.ask("POST", "/api/repos/create", json.dumps(body).encode())[0] == 200

    def commit(self, repo: str, *lines: object, **header: str) -> tuple[int, dict[str, Any], Any]:
        records = [{"key": "header", "value": {"summary": "raw"} | header}, *lines]
        body = b"\n".join(line if isinstance(line, bytes) else json.dumps(line).encode() for line in records)
        return self.ask("POST", f"/api/datasets/{repo}/commit/main", body)

    def paths(self, repo: str) -> list[str]:
        return [
            entry["path"] for entry in self.ask("GET", f"/api/datasets/{repo}/tree/main?recursive=true")[2]
        ]

    def head(self, repo: str) -> str:
        return self.ask("GET", f"/api/datasets/{repo}")[2]["sha"]


def small(path: str, content: bytes = b"x") -> dict[str, Any]:
    value = {"path": path, "encoding": "base64", "content": base64.b64encode(content).decode()}
    return {"key": "file", "value": value}


@pytest.fixture
def raw(hub):
    return Raw(hub)


def test_of_two_commits_with_one_parent_one_wins(client):
    answer = client(
        """
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
api.create_repo("race/a")
head = api.model_info("race/a").sha
together = Barrier(4)
def commit(n):
    together.wait()
    return refusal(api.create_commit, "race/a", [CommitOperationAdd(f"{n}.txt", b"x")],
                   commit_message=str(n), parent_commit=head)
with ThreadPoolExecutor(4) as pool:
    outcomes = list(pool.map(commit, range(4)))
files = [name for name in api.list_repo_files("race/a") if name.endswith(".txt")]
answer = [sorted(map(str, outcomes)), files == [f"{outcomes.index(None)}.txt"],
          len(api.list_repo_commits("race/a"))]
"""
    )
    assert answer == [["None", *["['HfHubHTTPError', 412]"] * 3], True, 2]


def test_commits_without_a_parent_all_count(client):
    answer = client(
        """
from concurrent.futures import ThreadPoolExecutor
api.create_repo("race/b")
def commit(n):
    api.create_commit("race/b", [CommitOperationAdd(f"{n % 3}/{n}.txt", b"x")], commit_message=str(n))
with ThreadPoolExecutor(8) as pool:
    list(pool.map(commit, range(16)))
answer = [len(api.list_repo_files("race/b")), len(api.list_repo_commits("race/b"))]
"""
    )
    assert answer == [17, 17]


BAD_PATHS = [
    "../x",
    "a/../x",
    "/x",
    "..\\x",
    "a\\b",
    "a//b",
    "./x",
    ".git/config",
    "a/.GIT/x",
    "",
    "a\x00b",
    "a\nb",
]


@pytest.mark.parametrize("path", [*BAD_PATHS, "a/" * 600 + "x", "n" * 256])
def test_paths_that_leave_or_confuse_are_refused(raw, path):
    repo = f"paths/{uuid4().hex}"
    raw.create(repo)
    status, headers, body = raw.commit(repo, small("good.txt"), small(path))
    assert (status, headers["x-error-code"]) == (422, "UnprocessableEntity"), body
    assert raw.paths(repo) == [".gitattributes"]
    asked = json.dumps({"files": [{"path": path, "size": 1, "sample": ""}]}).encode()
    assert raw.ask("POST", f"/api/datasets/{repo}/preupload/main", asked)[0] == 422


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        ([b"{not json"], 400),
        ([b"[]"], 400),
        ([{"key": "unknown", "value": {"path": "a"}}], 400),
        ([{"key": "file", "value": {"path": "a", "encoding": "base64", "content": "%%%"}}], 400),
        ([{"key": "file", "value": {"path": "a", "encoding": "latin-1", "content": "x"}}], 400),
        ([{"key": "lfsFile", "value": {"path": "a", "algo": "sha256", "oid": "0" * 64, "size": 1}}], 400),
        ([{"key": "lfsFile", "value": {"path": "a", "algo": "sha256", "oid": "../../etc/passwd"}}], 400),
        ([small("a", bytes(10 * 1024 * 1024 + 1))], 413),
        ([b'{"key": "file", "value": {"path": "' + b"a" * (15 * 1024 * 1024)], 413),
        ([b'{"key": "file", "value": {"path": ' + b"[" * 100_000], 400),
        ([{"key": "deletedFile", "value": {"path": "nowhere"}}], 404),
        ([{"key": "deletedFolder", "value": {"path": "good.txt"}}], 404),
        ([small("good.txt/below")], 400),
        ([small("d/x"), small("d")], 400),
        ([small("README.md", b"---\nlicense: My Own\n---\n")], 400),
    ],
)
def test_a_bad_line_refuses_the_whole_commit(raw, lines, status):
    repo = f"lines/{uuid4().hex}"
    raw.create(repo)
    before = raw.head(repo)
    answer = raw.commit(repo, small("good.txt"), *lines)
    assert answer[0] == status, answer
    assert answer[2]["error"] == answer[2]["error"].strip() != ""
    assert raw.head(repo) == before
    assert raw.paths(repo) == [".gitattributes"]
    assert not list((raw.hub.root / "tmp").iterdir())


def test_commits_need_a_header_a_branch_and_the_head(raw):
    raw.create("head/a")
    head = raw.head("head/a")
    path = "/api/datasets/head/a/commit/"
    line = json.dumps(small("a")).encode()
    assert raw.ask("POST", f"{path}main", line)[0] == 400
    assert raw.ask("POST", f"{path}main")[0] == 400
    assert raw.commit("head/a", summary=" ")[0] == 400
    assert raw.commit("head/a", parentCommit="not a commit")[0] == 400
    header = json.dumps({"key": "header", "value": {"summary": "x"}}).encode()
    assert raw.ask("POST", f"{path}nowhere", header)[0] == 404
    assert raw.ask("POST", f"{path}{head}", header)[0] == 404  # a commit is no branch
    assert raw.ask("POST", f"{path}{head}?create_pr=1", header)[0] == 404
    assert raw.head("head/a") == head


def test_what_is_no_json_is_told_so(raw):
    for body in (b"{", b"[]", b"\xff", b"[" * 100_000):
        status, headers, _ = raw.ask("POST", "/api/repos/create", body)
        assert (status, headers["x-error-code"]) == (400, "BadRequest")


def test_a_client_that_goes_away_leaves_nothing(raw):
    raw.create("gone/a")
    host, port = urlsplit(raw.hub.url).netloc.split(":")
    with socket.create_connection((host, int(port))) as half:
        request = f"POST /api/datasets/gone/a/commit/main HTTP/1.1\r\nHost: {host}\r\n"
        request += f"Authorization: Bearer {raw.hub.write_token}\r\nContent-Length: 90000000\r\n\r\n"
        header = json.dumps({"key": "header", "value": {"summary": "x"}})
        half.sendall(request.encode() + header.encode() + b"\n" + bytes(6_000_000))
        deadline = time.monotonic() + 120
        while not list((raw.hub.root / "tmp").iterdir()):
            assert time.monotonic() < deadline
            time.sleep(0.02)
    while list((raw.hub.root / "tmp").iterdir()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert raw.paths("gone/a") == [".gitattributes"]
