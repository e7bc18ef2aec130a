"""Routes that change a repository: preupload, commit, branches, tags, squashing and purging.

A commit with `create_pr` opens a pull request for the branch in the path and is its first: see `pulls`.
"""

from __future__ import annotations

import sqlite3
from functools import partial
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sparkle.hub.staging.routes.web import (
    commit_of,
    flag,
    hub_of,
    received,
    repository_of,
    repository_url,
    revision_of,
    takes_json,
)
from sparkle.hub.staging.store import repos
from sparkle.hub.staging.store.commits import MAX_COMMIT, make_commit
from sparkle.hub.staging.store.purging import purge
from sparkle.hub.staging.store.refusal import (
    MAIN,
    Refusal,
    bad_request,
    check_hash,
    check_path,
    check_reference,
    no_revision,
)
from sparkle.hub.staging.store.trees import find
from sparkle.hub.staging.store.uploads import GITATTRIBUTES_PATH, UploadRules


@takes_json
def preupload(request: Request, body: dict[str, Any]) -> Response:
    """POST R/preupload/{rev}: how each file is to be uploaded, and what is there already."""
    connection, _, commit = commit_of(request, write=True)
    ignore = body.get("gitIgnore")
    rules = UploadRules(
        repos.load_text(connection, commit, GITATTRIBUTES_PATH),
        ignore if isinstance(ignore, str) else repos.load_text(connection, commit, ".gitignore"),
    )
    answer = []
    files = body.get("files")
    if not isinstance(files, list) or not all(isinstance(file, dict) for file in files):
        raise bad_request("files is no list of objects")
    for file in files:
        path, size, sample = check_path(file.get("path")), file.get("size"), file.get("sample", "")
        if not isinstance(size, int) or size < 0 or not isinstance(sample, str):
            raise bad_request(f"{path}: size and sample must be a number and text")
        entry = find(connection, commit.tree, path)
        # By this the client skips what has not changed.
        oid = None if entry is None or entry.tree else (entry.sha256 or entry.oid).hex()
        mode = "lfs" if rules.is_large(path, size, sample) else "regular"
        answer.append({"path": path, "uploadMode": mode, "shouldIgnore": rules.is_ignored(path), "oid": oid})
    return JSONResponse({"files": answer, "commitOid": commit.id})


async def commit(request: Request) -> Response:
    """POST R/commit/{rev}: JSON lines, as `commits` reads them."""
    hub, opens = hub_of(request), flag(request, "create_pr")
    repository = await run_in_threadpool(lambda: repository_of(request, write=True))
    async with received(request, hub.blobs, MAX_COMMIT, "the commit") as body:
        branch, make = revision_of(request), partial(make_commit, opens_pull=opens)
        made, pull = await run_in_threadpool(make, hub.database, hub.blobs, repository, branch, body.path)
    url = repository_url(request, repository)
    answer = {"success": True, "commitOid": made.id, "commitUrl": f"{url}/commit/{made.id}", "hookOutput": ""}
    return JSONResponse(answer | ({"pullRequestUrl": f"{url}/discussions/{pull.number}"} if pull else {}))


@takes_json
def create_branch(request: Request, body: dict[str, Any]) -> Response:
    """POST R/branch/{rev}."""
    repository = repository_of(request, write=True)
    ref = check_reference(revision_of(request), "refs/heads/")
    start = body.get("startingPoint", "main")
    with hub_of(request).database.write() as connection:
        _new_ref(connection, repository, ref, str(start))
    return JSONResponse({})


def delete_branch(request: Request) -> Response:
    """DELETE R/branch/{rev}."""
    repository = repository_of(request, write=True)
    ref = check_reference(revision_of(request), "refs/heads/")
    if ref == MAIN:
        raise Refusal(403, "Forbidden", f"Cannot delete {MAIN}")
    return _delete_ref(request, repository, ref)


@takes_json
def create_tag(request: Request, body: dict[str, Any]) -> Response:
    """POST R/tag/{rev}: the path names what is tagged, the body the tag."""
    repository, start = repository_of(request, write=True), revision_of(request)
    with hub_of(request).database.write() as connection:
        repos.resolve(connection, repository, start)  # as on the Hub, which looks for it first
        _new_ref(connection, repository, check_reference(body.get("tag"), "refs/tags/"), start)
    return JSONResponse({})


def delete_tag(request: Request) -> Response:
    """DELETE R/tag/{rev}."""
    repository = repository_of(request, write=True)
    return _delete_ref(request, repository, check_reference(revision_of(request), "refs/tags/"))


@takes_json
def super_squash(request: Request, body: dict[str, Any]) -> Response:
    """POST R/super-squash/{rev}."""
    repository = repository_of(request, write=True)
    branch = revision_of(request)
    message = body.get("message") or f"Super-squash branch '{branch}'"
    with hub_of(request).database.write() as connection:
        repos.squash(connection, repository, branch, str(message))
    return JSONResponse({})


@takes_json
def purge_lfs_files(request: Request, body: dict[str, Any]) -> Response:
    """POST R/lfs-files/batch: delete large files for good."""
    repository = repository_of(request, write=True)
    deletions = body.get("deletions")
    shas = deletions.get("sha") if isinstance(deletions, dict) else None
    if not isinstance(deletions, dict) or not isinstance(shas, list):
        raise bad_request("deletions.sha is no list of sha256")
    gone = [check_hash(sha, "deletions.sha") for sha in shas]
    rewrite = bool(deletions.get("rewriteHistory", True))
    hub = hub_of(request)
    purge(hub.database, hub.blobs, repository, gone, rewrite=rewrite)
    return JSONResponse({})


def _new_ref(connection: sqlite3.Connection, repository: repos.Repo, ref: str, start: str) -> None:
    commit_id = repos.resolve(connection, repository, start).id
    if ref in repos.refs_of(connection, repository):
        raise Refusal(409, "Conflict", f"Reference {ref} already exists")
    repos.set_ref(connection, repository.id, ref, commit_id)


def _delete_ref(request: Request, repository: repos.Repo, ref: str) -> Response:
    with hub_of(request).database.write() as connection:
        if ref not in repos.refs_of(connection, repository):
            raise no_revision(ref)
        repos.delete_ref(connection, repository, ref)
    return JSONResponse({})
