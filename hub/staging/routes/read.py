"""Routes that read a repository: what it is, its files, its commits, its references.

A page of a tree ends with a cursor that is the path of its last entry: what comes behind it is found without
what came before being walked again.
"""

from __future__ import annotations

import base64
import binascii
import sqlite3
from collections.abc import Iterable
from itertools import islice
from typing import Any
from urllib.parse import parse_qs

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sparkle.hub.staging.routes.web import (
    commit_of,
    flag,
    hub_of,
    limit_of,
    offset_page,
    page,
    path_of,
    read_body,
    repository_of,
)
from sparkle.hub.staging.store.cards import card_metadata
from sparkle.hub.staging.store.refusal import Refusal, bad_request, no_entry
from sparkle.hub.staging.store.repos import (
    Commit,
    Repo,
    history,
    large_files,
    last_touched,
    load_text,
    refs_of,
)
from sparkle.hub.staging.store.tokens import USER
from sparkle.hub.staging.store.trees import Entry, files, find, lfs_pointer, walk

# Page sizes of the Hub.
_TREE_PAGE, _EXPANDED_PAGE, _COMMITS_PAGE, _LARGE_FILES_PAGE = 1000, 50, 50, 1000
_MAX_PATHS = 1000
# Fields of a card that become tags, by which repositories are listed, and what such a tag begins with.
_OF_DATASETS = (
    "annotations_creators",
    "language_creators",
    "language",
    "license",
    "multilinguality",
    "size_categories",
    "source_datasets",
    "task_categories",
    "task_ids",
)
_TAGGED = {
    "model": {"tags": "", "language": "", "license": "license:", "datasets": "dataset:"},
    "dataset": {"tags": ""} | {field: f"{field}:" for field in _OF_DATASETS},
}


def info(request: Request) -> Response:
    """GET R and R/revision/{rev}."""
    connection, repository, commit = commit_of(request)
    expand, blobs = request.query_params.getlist("expand"), flag(request, "blobs")
    return JSONResponse(
        repository_json(connection, repository, commit, siblings=not expand, blobs=blobs, expand=expand)
    )


def tree(request: Request) -> Response:
    """GET R/tree/{rev}/{path}: a page of a folder, or of all that is below it."""
    connection, repository, commit = commit_of(request)
    path = path_of(request)
    folder = find(connection, commit.tree, path)
    if folder is None:
        raise no_entry(path, commit.id)
    if folder.tree is None:
        return JSONResponse([entry_json(path, folder)])
    expand = flag(request, "expand")
    limit = limit_of(request, _EXPANDED_PAGE if expand else _TREE_PAGE)
    after = _read_cursor(request.query_params.get("cursor"))
    entries = walk(connection, folder.tree, path, recursive=flag(request, "recursive"), after=after)
    found = list(islice(entries, limit + 1))
    shown, more = found[:limit], len(found) > limit
    cursor = _write_cursor(shown[-1][0].removeprefix(f"{path}/")) if more else None
    return page(request, _entries(connection, repository, commit, shown, expand=expand), cursor)


async def paths_info(request: Request) -> Response:
    """POST R/paths-info/{rev}: a form."""
    data = await read_body(request)
    return await run_in_threadpool(_paths_info, request, data)


def _paths_info(request: Request, data: bytes) -> Response:
    connection, repository, commit = commit_of(request)
    form = parse_qs(data.decode("utf-8", "replace"), keep_blank_values=True)
    paths, expand = form.get("paths", []), form.get("expand", [""])[0].lower() == "true"
    if len(paths) > _MAX_PATHS:
        raise Refusal(413, "PayloadTooLarge", f"paths: got {len(paths)}, at most {_MAX_PATHS} are looked up")
    entries = [(path.strip("/"), find(connection, commit.tree, path.strip("/"))) for path in paths]
    found = [(path, entry) for path, entry in entries if path and entry is not None]
    return JSONResponse(_entries(connection, repository, commit, found, expand=expand))


def commits(request: Request) -> Response:
    """GET R/commits/{rev}."""
    connection, repository, commit = commit_of(request)
    formatted = "formatted" in request.query_params.getlist("expand[]")
    line = history(connection, repository, commit.id)
    found = [commit_json(commit, formatted=formatted) for commit in line]
    return offset_page(request, found, _COMMITS_PAGE)


def refs(request: Request) -> Response:
    """GET R/refs."""
    repository = repository_of(request)
    groups: dict[str, list[dict[str, str]]] = {"heads": [], "tags": [], "pr": []}
    for ref, commit_id in refs_of(hub_of(request).database.read(), repository).items():
        _, group, name = ref.split("/", 2)
        groups[group].append({"name": name, "ref": ref, "targetCommit": commit_id})
    answer = {"branches": groups["heads"], "tags": groups["tags"], "converts": []}
    if flag(request, "include_prs"):
        answer["pullRequests"] = groups["pr"]
    return JSONResponse(answer)


def lfs_files(request: Request) -> Response:
    """GET R/lfs-files: every large file that the history has."""
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
    repository: Repo,
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


def repository_json(
    connection: sqlite3.Connection,
    repository: Repo,
    commit: Commit,
    *,
    siblings: bool = False,
    blobs: bool = False,
    expand: Iterable[str] = (),
) -> dict[str, Any]:
    """Describe a repository at a commit.

    With `siblings` its files are listed, with `blobs` each has size and hash; `expand` names the only
    properties that are wanted, where not the usual ones.
    """
    card = card_metadata(load_text(connection, commit, "README.md"))
    answer: dict[str, Any] = {
        "id": repository.name,
        "author": repository.name.partition("/")[0],
        "sha": commit.id,
        "lastModified": commit.date,
        "createdAt": repository.created,
        "private": repository.private,
        "gated": repository.gated or False,
        "tags": _tags(card, repository.kind),
        "cardData": card or None,
    }
    wanted = set(expand)
    if siblings or "siblings" in wanted:
        answer["siblings"] = [_sibling(path, entry, blobs) for path, entry in files(connection, commit.tree)]
    if "usedStorage" in wanted or blobs:
        sizes = {entry.sha256 or entry.oid: entry.size for _, entry in files(connection, commit.tree)}
        answer["usedStorage"] = sum(sizes.values())
    if repository.kind == "model":
        answer["pipeline_tag"] = card.get("pipeline_tag")
    if wanted:
        answer = {name: value for name, value in answer.items() if name in wanted | {"id"}}
    return {name: value for name, value in answer.items() if value is not None}


def entry_json(path: str, entry: Entry, last: Commit | None = None) -> dict[str, Any]:
    """Describe a file or a folder; `last` is the commit that touched it, where that was asked for."""
    answer: dict[str, Any] = {
        "type": "directory" if entry.tree else "file",
        "oid": entry.oid.hex(),
        "size": entry.size,
        "path": path,
    }
    if entry.sha256:
        answer["lfs"] = {
            "oid": entry.sha256.hex(),
            "size": entry.size,
            "pointerSize": len(lfs_pointer(entry.sha256, entry.size)),
        }
    if last is not None:
        answer["lastCommit"] = {"id": last.id, "title": last.title, "date": last.date}
    return answer


def commit_json(commit: Commit, *, formatted: bool = False) -> dict[str, Any]:
    """Describe a commit in a list of commits."""
    answer: dict[str, Any] = {
        "id": commit.id,
        "title": commit.title,
        "message": commit.message,
        "authors": [{"user": USER}],
        "date": commit.date,
    }
    if formatted:
        answer["formatted"] = {"title": commit.title, "message": commit.message}
    return answer


def _sibling(path: str, entry: Entry, blobs: bool) -> dict[str, Any]:
    answer: dict[str, Any] = {"rfilename": path}
    if blobs:
        answer |= {"size": entry.size, "blobId": entry.oid.hex()}
        if entry.sha256:
            pointer = len(lfs_pointer(entry.sha256, entry.size))
            answer["lfs"] = {"sha256": entry.sha256.hex(), "size": entry.size, "pointerSize": pointer}
    return answer


def _tags(card: dict[str, Any], kind: str) -> list[str]:
    """Return the card's tags, and those that the Hub makes of its other fields."""
    found = []
    for field, prefix in _TAGGED[kind].items():
        value = card.get(field)
        values = value if isinstance(value, list) else [] if value is None else [value]
        found += [f"{prefix}{value}" for value in values]
    return found
