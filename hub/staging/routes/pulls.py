"""Routes of pull requests, which the Hub has among its discussions; this hub has no others, nor comments."""

from __future__ import annotations

import hashlib
import sqlite3
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sparkle.hub.staging.routes.web import hub_of, repository_of, takes_json
from sparkle.hub.staging.store.pulls import (
    PullRequest,
    commits_of,
    conflicts_of,
    find_pull,
    list_pulls,
    merge,
    open_pull,
    set_status,
)
from sparkle.hub.staging.store.refusal import MAIN, Refusal, bad_request, number
from sparkle.hub.staging.store.repos import Repo, refs_of
from sparkle.hub.staging.store.tokens import USER

_PAGE = 50
_TITLE = range(3, 201)  # letters of a title on the Hub
_TYPES = ("all", "pull_request", "discussion")
_STATUSES = ("all", "open", "closed")


def listing(request: Request) -> Response:
    """GET R/discussions: the newest first; a draft is open, and what was merged is closed."""
    repository = repository_of(request)
    asked = request.query_params
    kind, status, place = asked.get("type", "all"), asked.get("status", "all"), number(asked.get("p", "0"))
    if kind not in _TYPES or status not in _STATUSES or place is None:
        wanted = f"type one of {', '.join(_TYPES)}, status one of {', '.join(_STATUSES)}, p a number"
        raise bad_request(f"not a list of discussions: wanted {wanted}")
    found = [
        pull
        for pull in list_pulls(hub_of(request).database.read(), repository)
        if kind != "discussion"
        and asked.get("author", USER) == USER
        and (status == "all" or pull.waiting == (status == "open"))
    ]
    shown = [_pull_json(repository, pull) for pull in found[place * _PAGE :][:_PAGE]]
    return JSONResponse({"discussions": shown, "count": len(found), "start": place * _PAGE})


@takes_json
def create(request: Request, body: dict[str, Any]) -> Response:
    """POST R/discussions: a pull request for main without a commit yet, which is a draft."""
    repository = repository_of(request, write=True)
    if body.get("pullRequest") is not True:
        raise Refusal(501, "NotImplemented", "This staging hub has no discussions but pull requests")
    title, description = body.get("title"), body.get("description") or ""
    if not isinstance(title, str) or len(title) not in _TITLE or not isinstance(description, str):
        raise bad_request(f"title: got {title!r}, wanted {_TITLE[0]} to {_TITLE[-1]} letters")
    with hub_of(request).database.write() as connection:
        start = refs_of(connection, repository)[MAIN]
        made = open_pull(connection, repository, MAIN, start, title, description, draft=True)
    return JSONResponse(_pull_json(repository, made))


def details(request: Request) -> Response:
    """GET R/discussions/{number}: with its commits, and what keeps it from being merged."""
    repository, connection = repository_of(request), hub_of(request).database.read()
    pull = find_pull(connection, repository, request.path_params["number"])
    branch_is_there = pull.base in refs_of(connection, repository)
    conflicts = conflicts_of(connection, repository, pull) if pull.waiting and branch_is_there else []
    answer = _pull_json(repository, pull) | {
        "events": _events(connection, repository, pull),
        "changes": {"base": pull.base} | ({"mergeCommitId": pull.merged} if pull.merged else {}),
        "filesWithConflicts": conflicts,
    }
    return JSONResponse(answer)


@takes_json
def change_status(request: Request, body: dict[str, Any]) -> Response:
    """POST R/discussions/{number}/status: open or close it."""
    repository = repository_of(request, write=True)
    _refuse_comment(body)
    if body.get("status") not in ("open", "closed"):
        raise bad_request(f"status: got {body.get('status')!r}, wanted open or closed")
    chosen = request.path_params["number"]
    with hub_of(request).database.write() as connection:
        set_status(connection, repository, find_pull(connection, repository, chosen), body["status"])
        made = find_pull(connection, repository, chosen)
    return JSONResponse({"newStatus": _status_json(repository, made)})


@takes_json
def merge_pull(request: Request, body: dict[str, Any]) -> Response:
    """POST R/discussions/{number}/merge."""
    repository = repository_of(request, write=True)
    _refuse_comment(body)
    with hub_of(request).database.write() as connection:
        made = merge(connection, repository, find_pull(connection, repository, request.path_params["number"]))
    return JSONResponse({"mergeCommitId": made.id})


def _refuse_comment(body: dict[str, Any]) -> None:
    """Refuse what would be lost."""
    if body.get("comment"):
        raise Refusal(501, "NotImplemented", "This staging hub keeps no comments: nothing was changed")


def _pull_json(repository: Repo, pull: PullRequest) -> dict[str, Any]:
    return {
        "num": pull.number,
        "title": pull.title,
        "author": {"name": USER},
        "createdAt": pull.created,
        "status": pull.status,
        "repo": {"name": repository.name, "type": repository.kind},
        "isPullRequest": True,
    }


def _events(connection: sqlite3.Connection, repository: Repo, pull: PullRequest) -> list[dict[str, Any]]:
    """Describe what happened: its author's words, its commits, how it was ended."""
    words = {
        "edited": False,
        "hidden": False,
        "latest": {"raw": pull.description, "updatedAt": pull.created, "author": {"name": USER}},
        "history": [],
    }
    found = [_event(repository, pull, "comment", pull.created, words)]
    for commit in reversed(commits_of(connection, repository, pull)):
        data = {"subject": commit.title, "oid": commit.id}
        found.append(_event(repository, pull, "commit", commit.date, data))
    return found if pull.changed == pull.created else [*found, _status_json(repository, pull)]


def _status_json(repository: Repo, pull: PullRequest) -> dict[str, Any]:
    return _event(repository, pull, "status-change", pull.changed, {"status": pull.status})


def _event(repository: Repo, pull: PullRequest, kind: str, date: str, data: dict[str, Any]) -> dict[str, Any]:
    named = f"{repository.id} {pull.number} {kind} {date} {data.get('oid', '')}"
    identity = hashlib.sha256(named.encode()).hexdigest()[:24]
    return {"id": identity, "type": kind, "createdAt": date, "author": {"name": USER}, "data": data}
