"""Routes that read a repository: what it is, its files, its commits, its references.

Plain pages for the links that clients print: what repositories there are, and what is in one.

No script, no style sheet, nothing from elsewhere. A browser has no token, so private repositories are not
shown.

Repositories, files and commits as the Hub's JSON has them.
"""

from __future__ import annotations

import base64
import binascii
import sqlite3
from collections.abc import Iterable
from html import escape
from itertools import islice
from typing import Any
from urllib.parse import parse_qs, quote

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from sparkle.hub.staging.routes.web import (
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
    user_of,
)
from sparkle.hub.staging.store.cards import card_metadata
from sparkle.hub.staging.store.refusal import PREFIXES, Refusal, bad_request, no_entry
from sparkle.hub.staging.store.repos import (
    Commit,
    Repository,
    history,
    large_files,
    last_touched,
    list_repositories,
    load_content,
    object_id,
    refs_of,
    resolve,
)
from sparkle.hub.staging.store.trees import Entry, files, find, lfs_pointer, walk

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


# --- plain pages for the links ---------------------------------------------------------------------


_SHOWN = 1000  # entries of a folder on its page: the rest is in the API's lists
_STYLE = (
    ":root{color-scheme:light dark}"
    " body{font:16px/1.5 system-ui;max-width:60rem;margin:2rem auto;padding:0 1rem}"
    " td{padding:0 1.5rem 0 0} td:last-child{text-align:right;font-variant-numeric:tabular-nums}"
)


def home(request: Request) -> Response:
    """GET /: every repository that may be seen."""
    user = user_of(request)
    connection = hub_of(request).database.read()
    rows = [
        (f"{kind}s", repository.name, _page(repository))
        for kind in PREFIXES
        for repository in list_repositories(connection, kind)
        if user is not None or not repository.private
    ]
    cells = "".join(
        f"<tr><td>{kind}<td><a href='{escape(link)}'>{escape(name)}</a><td>" for kind, name, link in rows
    )
    return _html("A staging hub", f"<table>{cells or '<tr><td>No repository yet.'}</table>")


def repository(request: Request) -> Response:
    """GET the page of a repository, of a commit or of a folder."""
    found = repository_of(request, content=True)
    connection = hub_of(request).database.read()
    revision, path = revision_of(request), path_of(request)
    commit = resolve(connection, found, revision)
    folder = find(connection, commit.tree, path)
    if folder is None or folder.tree is None:
        raise no_entry(path, commit.id)
    rows = []
    for name, entry in islice(walk(connection, folder.tree, path, recursive=False), _SHOWN):
        where = "tree" if entry.tree else "resolve"
        link = f"{_page(found)}/{where}/{quote(revision, safe='')}/{quote(name)}"
        size = "" if entry.tree else f"{entry.size:,}"
        label = escape(entry.name) + ("/" if entry.tree else "")
        rows.append(f"<tr><td><a href='{escape(link)}'>{label}</a><td>{size}")
    title = f"{found.name}{f'/{path}' if path else ''} at {revision}"
    says = f"{escape(commit.title)} · {commit.id[:8]} · {commit.date}"
    return _html(title, f"<p>{says}<p><a href='/'>all repositories</a><table>{''.join(rows)}</table>")


def _page(repository: Repository) -> str:
    return f"/{PREFIXES[repository.kind]}{repository.name}"


def _html(title: str, body: str) -> Response:
    page = (
        f"<!doctype html><meta charset=utf-8><title>{escape(title)}</title><style>{_STYLE}</style>"
        f"<meta name=viewport content='width=device-width'><h1>{escape(title)}</h1>{body}"
    )
    policy = "default-src 'none'; style-src 'unsafe-inline'"  # should a name ever slip through unescaped
    return HTMLResponse(page, headers={"Content-Security-Policy": policy})


# --- repositories ----------------------------------------------------------------------------------


def repository_json(
    connection: sqlite3.Connection,
    repository: Repository,
    commit: Commit,
    *,
    siblings: bool = False,
    blobs: bool = False,
    expand: Iterable[str] = (),
) -> dict[str, Any]:
    """A repository at a commit.

    Args:
        connection: Where it is.
        repository: Which.
        commit: At which state.
        siblings: Whether its files are listed.
        blobs: Whether each file comes with its size and hash.
        expand: Names of the only properties that are wanted; empty for the usual ones.
    """
    card = card_of(connection, commit)
    answer: dict[str, Any] = {
        "_id": object_id(repository),
        "id": repository.name,
        "author": repository.name.partition("/")[0],
        "sha": commit.id,
        "lastModified": commit.date,
        "createdAt": repository.created,
        "private": repository.private,
        "gated": repository.gated or False,
        "disabled": False,
        "downloads": 0,
        "likes": 0,
        "tags": _tags(card),
        "cardData": card or None,
    }
    wanted = set(expand)
    if siblings or "siblings" in wanted:
        answer["siblings"] = [_sibling(path, entry, blobs) for path, entry in files(connection, commit.tree)]
    if "usedStorage" in wanted or blobs:
        sizes = {entry.sha256 or entry.oid: entry.size for _, entry in files(connection, commit.tree)}
        answer["usedStorage"] = sum(sizes.values())
    if repository.kind == "model":
        answer["modelId"] = repository.name
        answer["pipeline_tag"] = card.get("pipeline_tag")
    if repository.kind == "space":
        answer["sdk"] = repository.sdk
        hardware = {"current": None, "requested": None}
        answer["runtime"] = {"stage": "NO_APP_FILE", "hardware": hardware}
    if wanted:
        answer = {name: value for name, value in answer.items() if name in wanted | {"_id", "id"}}
    return {name: value for name, value in answer.items() if value is not None}


def card_of(connection: sqlite3.Connection, commit: Commit) -> dict[str, Any]:
    """The YAML of a commit's README.md; empty where there is none that can be read."""
    entry = find(connection, commit.tree, "README.md")
    if entry is None or entry.tree or entry.sha256:
        return {}
    return card_metadata(load_content(connection, entry.oid).decode("utf-8", "replace"))


def entry_json(path: str, entry: Entry, last: Commit | None = None) -> dict[str, Any]:
    """A file or a folder; `last` is the commit that touched it, where that was asked for."""
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
    """A commit in a list of commits."""
    answer: dict[str, Any] = {
        "id": commit.id,
        "title": commit.title,
        "message": commit.message,
        "authors": [{"user": commit.author}],
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


def _tags(card: dict[str, Any]) -> list[str]:
    """The card's tags, and those that the Hub makes of its other fields."""
    found = [str(tag) for tag in _as_list(card.get("tags"))]
    for field, name in (("license", "license"), ("task_categories", "task_categories")):
        found += [f"{name}:{value}" for value in _as_list(card.get(field))]
    found += [str(value) for value in _as_list(card.get("language"))]
    return found


def _as_list(value: object) -> list[object]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
