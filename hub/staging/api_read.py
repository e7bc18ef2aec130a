"""Routes that read a repository: what it is, its files, its commits, its references."""

from __future__ import annotations

import base64
import binascii
import sqlite3
from itertools import islice
from typing import Any
from urllib.parse import parse_qs

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sparkle.hub.staging.history import large_files, last_touched
from sparkle.hub.staging.refusal import Refusal, bad_request, no_entry
from sparkle.hub.staging.repo_json import commit_json, entry_json, repository_json
from sparkle.hub.staging.repos import Commit, Repository, history, refs_of, resolve
from sparkle.hub.staging.trees import Entry, find, walk
from sparkle.hub.staging.web import (
    flag,
    hub_of,
    limit_of,
    offset_page,
    page,
    parse_object,
    path_of,
    read_body,
    repository_of,
    revision_of,
)

# Page sizes of the Hub.
_TREE_PAGE, _EXPANDED_PAGE, _COMMITS_PAGE, _LARGE_FILES_PAGE = 1000, 50, 50, 1000
_MAX_PATHS = 1000
_REFS = {"refs/heads/": "branches", "refs/tags/": "tags", "refs/convert/": "converts"}


def info(request: Request) -> Response:
    """GET R and R/revision/{rev}."""
    repository = repository_of(request)
    connection = hub_of(request).database.read()
    commit = resolve(connection, repository, revision_of(request))
    answer = repository_json(
        connection,
        repository,
        commit,
        siblings=True,
        blobs=flag(request, "blobs"),
        expand=request.query_params.getlist("expand"),
    )
    return JSONResponse(answer)


def tree(request: Request) -> Response:
    """GET R/tree/{rev}/{path}: a page of a folder, or of all that is below it."""
    repository = repository_of(request)
    connection = hub_of(request).database.read()
    commit = resolve(connection, repository, revision_of(request))
    path = path_of(request)
    folder = find(connection, commit.tree, path)
    if folder is None:
        raise no_entry(path, commit.id)
    if folder.tree is None:
        return JSONResponse([entry_json(path, folder)])
    expand = flag(request, "expand")
    limit = limit_of(request, _EXPANDED_PAGE if expand else _TREE_PAGE)
    after = _read_cursor(request.query_params.get("cursor"))
    found = list(
        islice(
            walk(connection, folder.tree, path, recursive=flag(request, "recursive"), after=after), limit + 1
        )
    )
    shown, more = found[:limit], len(found) > limit
    cursor = _write_cursor(shown[-1][0].removeprefix(f"{path}/")) if more else None
    return page(request, _entries(connection, repository, commit, shown, expand=expand), cursor)


async def paths_info(request: Request) -> Response:
    """POST R/paths-info/{rev}, as a form or as JSON."""
    data = await read_body(request)
    return await run_in_threadpool(_paths_info, request, data)


def _paths_info(request: Request, data: bytes) -> Response:
    repository = repository_of(request)
    connection = hub_of(request).database.read()
    commit = resolve(connection, repository, revision_of(request))
    if "json" in request.headers.get("content-type", ""):
        body = parse_object(data)
        paths, expand = body.get("paths"), bool(body.get("expand"))
    else:
        form = parse_qs(data.decode("utf-8", "replace"), keep_blank_values=True)
        paths, expand = form.get("paths", []), form.get("expand", [""])[0].lower() == "true"
    if not isinstance(paths, list) or not all(isinstance(path, str) for path in paths):
        raise bad_request("paths is no list of paths")
    if len(paths) > _MAX_PATHS:
        raise Refusal(413, "PayloadTooLarge", f"paths: got {len(paths)}, at most {_MAX_PATHS} are looked up")
    entries = [(path.strip("/"), find(connection, commit.tree, path.strip("/"))) for path in paths]
    found = [(path, entry) for path, entry in entries if path and entry is not None]
    return JSONResponse(_entries(connection, repository, commit, found, expand=expand))


def commits(request: Request) -> Response:
    """GET R/commits/{rev}."""
    repository = repository_of(request)
    connection = hub_of(request).database.read()
    commit = resolve(connection, repository, revision_of(request))
    formatted = "formatted" in request.query_params.getlist("expand[]")
    found = [commit_json(commit, formatted=formatted) for commit in history(connection, repository, commit)]
    answer = offset_page(request, found, _COMMITS_PAGE)
    answer.headers["X-Total-Count"] = str(len(found))
    return answer


def refs(request: Request) -> Response:
    """GET R/refs."""
    repository = repository_of(request)
    answer: dict[str, list[dict[str, str]]] = {name: [] for name in _REFS.values()}
    if flag(request, "include_prs"):
        answer["pullRequests"] = []  # this hub has none
    for ref, commit_id in refs_of(hub_of(request).database.read(), repository).items():
        for prefix, group in _REFS.items():
            if ref.startswith(prefix):
                answer[group].append(
                    {"name": ref.removeprefix(prefix), "ref": ref, "targetCommit": commit_id}
                )
    return JSONResponse(answer)


def lfs_files(request: Request) -> Response:
    """GET R/lfs-files: every large file that the history holds."""
    repository = repository_of(request, write=True)
    found = [
        {
            "fileOid": file.sha256.hex(),
            "oid": file.sha256.hex(),
            "filename": file.path,
            "pushedAt": file.pushed,
            "ref": file.ref,
            "size": file.size,
        }
        for file in large_files(hub_of(request).database.read(), repository)
    ]
    return offset_page(request, found, _LARGE_FILES_PAGE)


def _entries(
    connection: sqlite3.Connection,
    repository: Repository,
    commit: Commit,
    found: list[tuple[str, Entry]],
    *,
    expand: bool,
) -> list[dict[str, Any]]:
    paths = [path for path, _ in found] if expand else []
    last = last_touched(connection, repository, commit, paths) if paths else {}
    return [entry_json(path, entry, last.get(path)) for path, entry in found]


def _write_cursor(path: str) -> str:
    return base64.urlsafe_b64encode(path.encode()).decode()


def _read_cursor(text: str | None) -> tuple[str, ...]:
    if text is None:
        return ()
    try:
        return tuple(base64.urlsafe_b64decode(text.encode()).decode().split("/"))
    except (binascii.Error, UnicodeDecodeError):
        raise bad_request(f"not a cursor of this list: {text!r}") from None
