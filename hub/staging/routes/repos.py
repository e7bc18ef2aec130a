"""Routes for repositories as wholes: create, move, delete, settings, who am I, may I."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from sparkle.hub.staging.routes.read import repository_json
from sparkle.hub.staging.routes.web import (
    check_writer,
    flag,
    hub_of,
    named_repository,
    offset_page,
    repository_of,
    repository_url,
    role_of,
    takes_json,
)
from sparkle.hub.staging.store import repos
from sparkle.hub.staging.store.cards import check_card_yaml
from sparkle.hub.staging.store.refusal import Refusal, bad_request, check_kind, check_repository
from sparkle.hub.staging.store.tokens import USER

_PAGE = 1000
_SORTS = ("lastModified", "createdAt")
_CHOSEN_BY = ("author", "search", "filter", "gated", "sort", "direction")
_LISTED_BY = {*_CHOSEN_BY, "limit", "cursor", "expand", "full", "cardData", "config"}


def whoami(request: Request) -> Response:
    """GET /api/whoami-v2."""
    role = role_of(request)
    if role is None:
        raise Refusal(401, "Unauthorized", "Invalid username or password.")
    token = {"displayName": f"{role} token of this staging hub", "role": role}
    auth = {"type": "access_token", "accessToken": token}
    return JSONResponse({"type": "user", "name": USER, "fullname": USER, "orgs": [], "auth": auth})


@takes_json
def create(request: Request, body: dict[str, Any]) -> Response:
    """POST /api/repos/create."""
    check_writer(request)
    kind = check_kind(body.get("type"))
    name = check_repository(f"{body.get('organization') or USER}/{body.get('name')}")
    with hub_of(request).database.write() as connection:
        there = repos.find_repository(connection, kind, name)
        if there is not None:
            url = repository_url(request, there)
            message = f"You already created this {kind} repo: {there.name}"
            raise Refusal(409, "Conflict", message, extra={"url": url})
        private = _is_private(body, default=False)
        made = repos.create_repository(connection, kind, name, private=private)
    return JSONResponse({"url": repository_url(request, made), "name": made.name})


@takes_json
def delete(request: Request, body: dict[str, Any]) -> Response:
    """DELETE /api/repos/delete."""
    check_writer(request)
    kind, owner = check_kind(body.get("type")), body.get("organization") or USER
    repository = named_repository(request, kind, f"{owner}/{body.get('name')}", write=True)
    with hub_of(request).database.write() as connection:
        repos.delete_repository(connection, repository)
    return JSONResponse({})


@takes_json
def move(request: Request, body: dict[str, Any]) -> Response:
    """POST /api/repos/move: the old name leads to the new one, until somebody uses it again."""
    check_writer(request)
    kind, target = check_kind(body.get("type")), check_repository(body.get("toRepo"))
    repository = named_repository(request, kind, str(body.get("fromRepo")), write=True)
    with hub_of(request).database.write() as connection:
        there = repos.find_repository(connection, kind, target)
        if there is not None and there.id != repository.id:
            raise Refusal(409, "Conflict", f"A {kind} repository called {there.name} already exists")
        repos.move_repository(connection, repository, target)
    return JSONResponse({})


@takes_json
def settings(request: Request, body: dict[str, Any]) -> Response:
    """PUT R/settings."""
    repository = repository_of(request, write=True)
    gated = body.get("gated", repository.gated or False)
    if gated not in ("auto", "manual", False):
        raise bad_request(f"gated: got {gated!r}, wanted auto, manual or false")
    private = _is_private(body, default=repository.private)
    with hub_of(request).database.write() as connection:
        repos.change_settings(connection, repository, private=private, gated=gated or None)
    return JSONResponse({"private": private, "gated": gated})


def auth_check(request: Request) -> Response:
    """GET R/auth-check and R/auth-check/write."""
    repository_of(request, content=True, write=request.url.path.endswith("/write"))
    return JSONResponse({})


def listing(request: Request) -> Response:
    """GET /api/models and /api/datasets: the repositories that who asks may see.

    What a list cannot be chosen or sorted by here is refused: to ignore it would be a wrong answer.
    """
    role, asked = role_of(request), request.query_params
    connection = hub_of(request).database.read()
    sort = asked.get("sort")
    if (unknown := sorted(asked.keys() - _LISTED_BY)) or sort not in (None, *_SORTS):
        given = ", ".join(unknown) or f"sort={sort}"
        wanted = f"{', '.join(sorted(_LISTED_BY))}; sorted by {', '.join(_SORTS)}"
        raise bad_request(f"This staging hub does not list by {given}; by {wanted}")
    author = asked.get("author", "").lower()
    words, tags = [word.lower() for word in asked.getlist("search")], set(asked.getlist("filter"))
    found = []
    for repository in repos.list_repositories(connection):
        if (
            repository.kind == request.path_params["kind"]
            and (role is not None or not repository.private)
            and all(word in repository.name.lower() for word in words)
            and author in ("", repository.name.partition("/")[0].lower())
            and ("gated" not in asked or bool(repository.gated) == flag(request, "gated"))
        ):
            commit = repos.resolve(connection, repository, "main")
            answer = repository_json(connection, repository, commit)
            if tags <= {*answer["tags"], answer.get("pipeline_tag")}:
                found.append((answer, repository, commit))
    if sort:
        found.sort(key=lambda one: str(one[0][sort]), reverse=asked.get("direction", "-1") == "-1")
    if expand := asked.getlist("expand"):
        return offset_page(
            request, [repository_json(connection, *one[1:], expand=expand) for one in found], _PAGE
        )
    return offset_page(request, [answer for answer, *_ in found], _PAGE)


@takes_json
def validate_yaml(request: Request, body: dict[str, Any]) -> Response:
    """POST /api/validate-yaml: as the Hub, without asking for a token."""
    content = body.get("content")
    if not isinstance(content, str):
        raise bad_request("content is no text")
    errors, warnings = check_card_yaml(content, check_kind(body.get("repoType")))
    if request.headers.get("accept", "").startswith("text/plain"):
        lines = [*(f"- Error: {text}" for text in errors), *(f"- Warning: {text}" for text in warnings)]
        return PlainTextResponse("\n".join(lines), 400 if errors else 200)
    found = {"errors": errors, "warnings": warnings}
    answer = {name: [{"message": text} for text in texts] for name, texts in found.items()}
    return JSONResponse(answer, 400 if errors else 200)


def _is_private(body: dict[str, Any], *, default: bool) -> bool:
    """Return the visibility that a body asks for; `private` is how older clients say it."""
    visibility = body.get("visibility")
    if visibility is None:
        return bool(body.get("private", default))
    if visibility not in ("public", "private"):
        raise bad_request(f"visibility: got {visibility!r}, wanted public or private")
    return bool(visibility == "private")
