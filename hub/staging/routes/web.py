"""What every route needs: the hub, who asks, which repository, the JSON body, pages.

A route is a plain function of the request (run in a thread) or, made by `takes_json`, of the request and its
body. It returns a response or raises `Refusal`.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Any
from urllib.parse import parse_qsl, urlencode

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sparkle.hub.staging.store.blobs import BlobStore
from sparkle.hub.staging.store.database import Database
from sparkle.hub.staging.store.refusal import (
    PREFIXES,
    Refusal,
    bad_request,
    kind_of,
    no_repository,
    number,
    too_large,
)
from sparkle.hub.staging.store.repos import Repository, find_moved, find_repository
from sparkle.hub.staging.store.tokens import Signer, User, find_user

_MAX_JSON = 16 * 1024 * 1024  # bytes of a JSON or form body
# The client's library encodes a slash inside a revision or a folder; see `app.keep_slashes`.
SLASH = "\x1f"
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True)
class Hub:
    """What the routes work on.

    Attributes:
        database: Repositories, trees, small contents.
        blobs: Large contents.
        signer: Signs URLs.
        anonymous: Whether public repositories are read without a token.
    """

    database: Database
    blobs: BlobStore
    signer: Signer
    anonymous: bool


def hub_of(request: Request) -> Hub:
    """The hub that a request came to."""
    hub: Hub = request.app.state.hub
    return hub


def base_url(request: Request) -> str:
    """The address under which the client reaches this hub."""
    return f"{request.url.scheme}://{request.url.netloc}"


def repository_url(request: Request, repository: Repository) -> str:
    """A repository's page."""
    return f"{base_url(request)}/{PREFIXES[repository.kind]}{repository.name}"


def user_of(request: Request) -> User | None:
    """Who asks; None for nobody. Raises Refusal where everybody needs a token."""
    hub = hub_of(request)
    user = find_user(hub.database, request.headers.get("authorization"))
    # A page in a browser can give its own name this machine's address, and then ask: by that name.
    local = hub.anonymous and request.url.hostname in _LOOPBACK
    if user is None and not local:
        raise Refusal(401, "Unauthorized", "This staging hub wants a token for everything")
    return user


def writer_of(request: Request) -> User:
    """Who asks, with the right to write; raises Refusal."""
    user = user_of(request)
    if user is None:
        raise Refusal(401, "Unauthorized", "Invalid username or password.")
    if user.role != "write":
        raise Refusal(
            403, "Forbidden", "This token may only read: writing needs the write token of this staging hub"
        )
    return user


def repository_of(request: Request, *, write: bool = False, content: bool = False) -> Repository:
    """The repository in a request's path, which the asking person may read.

    Args:
        request: Its path parameters are `kinds` (default models), `owner` and `name`.
        write: Whether it is going to be changed.
        content: Whether its files are read, which a gated one keeps from those that may not write to it.

    Raises:
        Refusal: there is none, it has moved (307), or it is not for who asks.
    """
    params = request.path_params
    kind = kind_of(params.get("kinds", "models"))
    name = f"{params['owner']}/{params['name']}"
    return named_repository(request, kind, name, write=write, content=content)


def named_repository(
    request: Request, kind: str, name: str, *, write: bool = False, content: bool = False
) -> Repository:
    """As `repository_of`, by kind and name."""
    user = user_of(request)
    connection = hub_of(request).database.read()
    repository = find_repository(connection, kind, name)
    moved = find_moved(connection, kind, name) if repository is None else None
    found = repository or moved
    if found is None or (found.private and user is None):
        raise no_repository(anonymous=user is None)
    if write:
        writer_of(request)
    if repository is None:
        raise _moved(request, name, found)
    if content and repository.gated and (user is None or user.role != "write"):
        raise Refusal(
            401 if user is None else 403,
            "GatedRepo",
            f"Access to {kind} {repository.name} is restricted: its terms have not been accepted",
        )
    return repository


def _moved(request: Request, name: str, repository: Repository) -> Refusal:
    raw = request.scope["raw_path"].decode()
    location = raw.replace(f"/{name}", f"/{repository.name}", 1)
    if request.url.query:
        location += f"?{request.url.query}"
    return Refusal(307, "RepoMoved", f"{name} is now {repository.name}", headers={"Location": location})


def revision_of(request: Request) -> str:
    """The revision in a request's path."""
    return unslash(request.path_params.get("revision", "main"))


def path_of(request: Request) -> str:
    """The file or folder in a request's path; empty for the root."""
    return unslash(request.path_params.get("path", "")).strip("/")


def unslash(text: str) -> str:
    """A part of the path with the slashes that were encoded in it."""
    return text.replace(SLASH, "/")


JsonRoute = Callable[[Request, dict[str, Any]], Response]


def takes_json(route: JsonRoute) -> Callable[[Request], Awaitable[Response]]:
    """A route that is given the request's JSON object, bounded in size; an empty body is an empty object."""

    @wraps(route)
    async def read(request: Request) -> Response:
        data = await read_body(request)
        return await run_in_threadpool(lambda: route(request, parse_object(data)))

    return read


async def read_json(request: Request) -> object:
    """Any JSON value in a small body; raises Refusal."""
    return _parse(await read_body(request))


async def read_body(request: Request) -> bytes:
    """A small body; raises Refusal when it is too large."""
    data = bytearray()
    async for piece in request.stream():
        data += piece
        if len(data) > _MAX_JSON:
            raise too_large("the body of this request", _MAX_JSON)
    return bytes(data)


def parse_object(data: bytes) -> dict[str, Any]:
    """A JSON object; raises Refusal for anything else."""
    value = _parse(data)
    if not isinstance(value, dict):
        raise bad_request("the body is no JSON object")
    return value


def _parse(data: bytes) -> object:
    try:
        return json.loads(data) if data else {}
    except ValueError as error:
        raise bad_request(f"the body is no JSON: {error}") from None


def page(
    request: Request, items: Sequence[Mapping[str, Any]], next_cursor: str | None = None
) -> JSONResponse:
    """A list, with a `Link` to the next page where there is one."""
    headers = {}
    if next_cursor is not None:
        query = [pair for pair in parse_qsl(request.url.query) if pair[0] != "cursor"]
        path = request.scope["raw_path"].decode()
        url = f"{base_url(request)}{path}?{urlencode([*query, ('cursor', next_cursor)])}"
        headers["Link"] = f'<{url}>; rel="next"'
    return JSONResponse(list(items), headers=headers)


def limit_of(request: Request, default: int) -> int:
    """How many items a page has: the client may ask for fewer than the Hub's default."""
    wanted = number(request.query_params.get("limit", str(default)))
    if not wanted:
        raise bad_request(f"limit is no number of items: {request.query_params['limit']!r}")
    return min(wanted, default)


def offset_page(request: Request, items: Sequence[Mapping[str, Any]], default: int) -> JSONResponse:
    """A page of a list that is at hand whole; its cursor is a number."""
    start, limit = number(request.query_params.get("cursor", "0")), limit_of(request, default)
    if start is None:
        raise bad_request(f"not a cursor of this list: {request.query_params['cursor']!r}")
    more = start + limit < len(items)
    return page(request, items[start : start + limit], str(start + limit) if more else None)


def flag(request: Request, name: str) -> bool:
    """Whether a query parameter is set, as the client writes booleans."""
    return request.query_params.get(name, "").lower() in ("true", "1")
