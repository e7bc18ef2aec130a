"""What every route needs: the hub, who asks, which repository, bodies in, pages and refusals out.

How it works
- A route is a plain function of the request (run in a thread) or, made by `takes_json`, of the request and
  its body. It returns a response or raises `Refusal`.
- A large body is received into a file in `tmp`, hashed on the way, and gone unless it is placed. A client
  that goes away, a body that is too long and a full disk all leave the block by an exception, and the file is
  removed. Memory is one buffer per request.
- A full disk is 507 wherever it shows: in a file or in the database. What nobody foresaw is 500, and its
  traceback goes to standard error.
"""

from __future__ import annotations

import errno
import hashlib
import json
import re
import sqlite3
import sys
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from sparkle.hub.staging.store.blobs import BlobStore
from sparkle.hub.staging.store.database import Database
from sparkle.hub.staging.store.refusal import Refusal, bad_request, no_repository, number, too_large
from sparkle.hub.staging.store.repos import Commit, Repo, find_moved, find_repository, resolve
from sparkle.hub.staging.store.tokens import Role, Signer, find_role

_MAX_JSON = 16 * 1024 * 1024  # bytes of a JSON or form body
_BUFFER = 4 * 1024 * 1024  # bytes handed to a thread at once: a thread per network packet would be slow
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_NO_HEADER = re.compile("[^ -~]")  # what a header's value cannot have; names of files may
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_CLIENT_GONE = 499  # what servers write down for a client that hung up; nobody reads the answer
# The client's library encodes a slash inside a revision or a folder; see `app.keep_slashes`.
SLASH = "\x1f"


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
    """Return the hub that a request came to."""
    hub: Hub = request.app.state.hub
    return hub


def base_url(request: Request) -> str:
    """Return the address under which the client reaches this hub."""
    return f"{request.url.scheme}://{request.url.netloc}"


def repository_url(request: Request, repository: Repo) -> str:
    """Return a repository's address outside the API, where models have no prefix."""
    prefix = "" if repository.kind == "model" else f"{repository.kind}s/"
    return f"{base_url(request)}/{prefix}{repository.name}"


def role_of(request: Request) -> Role | None:
    """Return what whoever asks may do, None without a token; raises Refusal where everybody needs one."""
    hub = hub_of(request)
    role = find_role(hub.database, request.headers.get("authorization"))
    # A page in a browser can give its own name this machine's address, and then ask: by that name.
    local = hub.anonymous and request.url.hostname in _LOOPBACK
    if role is None and not local:
        raise Refusal(401, "Unauthorized", "This staging hub wants a token for everything")
    return role


def check_writer(request: Request) -> None:
    """Refuse who may not write."""
    role = role_of(request)
    if role is None:
        raise Refusal(401, "Unauthorized", "Invalid username or password.")
    if role != "write":
        raise Refusal(
            403, "Forbidden", "This token may only read: writing needs the write token of this staging hub"
        )


def check_signature(request: Request, *what: object) -> None:
    """Refuse a URL that is not signed for what it is used for."""
    if not hub_of(request).signer.check(request.query_params.get("signature", ""), *what):
        raise Refusal(403, "Forbidden", "This URL is not signed for this, or has run out: ask for another")


def repository_of(request: Request, *, write: bool = False, content: bool = False) -> Repo:
    """Return the repository in a request's path, which the asking person may read.

    Args:
        request: Its path parameters are `kind` (default model), `owner` and `name`.
        write: Whether it is going to be changed.
        content: Whether its files are read, which a gated one keeps from those that may not write to it.

    Raises:
        Refusal: there is none, it has moved (307), or it is not for who asks.
    """
    params, connection = request.path_params, hub_of(request).database.read()
    kind, name = params.get("kind", "model"), f"{params['owner']}/{params['name']}"
    moved = None if find_repository(connection, kind, name) else find_moved(connection, kind, name)
    found = named_repository(request, kind, moved.name if moved else name, write=write, content=content)
    if moved:
        location = request.scope["raw_path"].decode().replace(f"/{name}", f"/{found.name}", 1)
        query = f"?{request.url.query}" if request.url.query else ""
        words = f"{name} is now {found.name}"
        raise Refusal(307, "RepoMoved", words, headers={"Location": location + query})
    return found


def named_repository(
    request: Request, kind: str, name: str, *, write: bool = False, content: bool = False
) -> Repo:
    """Find a repository as `repository_of` does, by kind and the name that it has now."""
    role = role_of(request)
    repository = find_repository(hub_of(request).database.read(), kind, name)
    if repository is None or (repository.private and role is None):
        raise no_repository(anonymous=role is None)
    if write:
        check_writer(request)
    if content and repository.gated and role != "write":
        raise Refusal(
            401 if role is None else 403,
            "GatedRepo",
            f"Access to {kind} {repository.name} is restricted: its terms have not been accepted",
        )
    return repository


def commit_of(
    request: Request, *, write: bool = False, content: bool = False
) -> tuple[sqlite3.Connection, Repo, Commit]:
    """Return where to read, the repository of a request's path, and the commit that the path names."""
    repository = repository_of(request, write=write, content=content)
    connection = hub_of(request).database.read()
    return connection, repository, resolve(connection, repository, revision_of(request))


def revision_of(request: Request) -> str:
    """Return the revision in a request's path."""
    return unslash(request.path_params.get("revision", "main"))


def path_of(request: Request) -> str:
    """Return the file or folder in a request's path; empty for the root."""
    return unslash(request.path_params.get("path", "")).strip("/")


def unslash(text: str) -> str:
    """Return a part of the path with the slashes that were encoded in it."""
    return text.replace(SLASH, "/")


JsonRoute = Callable[[Request, dict[str, Any]], Response]


def takes_json(route: JsonRoute) -> Callable[[Request], Awaitable[Response]]:
    """Give a route the request's JSON object, bounded in size; an empty body is an empty object."""

    @wraps(route)
    async def read(request: Request) -> Response:
        body = await read_json(request)
        if not isinstance(body, dict):
            raise bad_request("the body is no JSON object")
        return await run_in_threadpool(route, request, body)

    return read


async def read_json(request: Request) -> object:
    """Read any JSON value from a small body; raises Refusal."""
    data = await read_body(request)
    try:
        return json.loads(data) if data else {}
    except (ValueError, RecursionError) as error:
        raise bad_request(f"the body is no JSON: {error}") from None


async def read_body(request: Request) -> bytes:
    """Read a small body; raises Refusal when it is too large."""
    data = bytearray()
    async for piece in request.stream():
        data += piece
        if len(data) > _MAX_JSON:
            raise too_large("the body of this request", _MAX_JSON)
    return bytes(data)


@dataclass(frozen=True)
class Received:
    """A whole body: its file, its bytes, its hash."""

    path: Path
    size: int
    sha256: bytes


@asynccontextmanager
async def received(request: Request, blobs: BlobStore, limit: int, what: str) -> AsyncIterator[Received]:
    """Receive a request's body into a file, which is removed afterwards unless it was placed.

    Raises Refusal for one over the limit, by the name that it has in messages, and ClientDisconnect.
    """
    announced = number(request.headers.get("content-length", "0"))
    if announced is None:
        raise bad_request("Content-Length is no number")
    if announced > limit:
        raise too_large(what, limit)
    path = await run_in_threadpool(blobs.temporary)
    try:
        digest, size, buffer = hashlib.sha256(), 0, bytearray()
        with path.open("wb") as file:

            def keep(data: bytes) -> None:
                digest.update(data)
                file.write(data)

            async for data in request.stream():
                size += len(data)
                if size > limit:
                    raise too_large(what, limit)
                buffer += data
                if len(buffer) >= _BUFFER:
                    await run_in_threadpool(keep, bytes(buffer))
                    buffer.clear()
            await run_in_threadpool(keep, bytes(buffer))
        yield Received(path, size, digest.digest())
    finally:
        path.unlink(missing_ok=True)


def page(
    request: Request, items: Sequence[Mapping[str, Any]], next_cursor: str | None = None
) -> JSONResponse:
    """Answer with a list, and a `Link` to the next page where there is one."""
    headers = {}
    if next_cursor is not None:
        query = [pair for pair in parse_qsl(request.url.query) if pair[0] != "cursor"]
        path = request.scope["raw_path"].decode()
        url = f"{base_url(request)}{path}?{urlencode([*query, ('cursor', next_cursor)])}"
        headers["Link"] = f'<{url}>; rel="next"'
    return JSONResponse(list(items), headers=headers)


def limit_of(request: Request, default: int) -> int:
    """Return how many items a page has: the client may ask for fewer than the Hub's default."""
    wanted = number(request.query_params.get("limit", str(default)))
    if not wanted:
        raise bad_request(f"limit is no number of items: {request.query_params['limit']!r}")
    return min(wanted, default)


def offset_page(request: Request, items: Sequence[Mapping[str, Any]], default: int) -> JSONResponse:
    """Answer with a page of a list that is at hand whole; its cursor is a number."""
    start, limit = number(request.query_params.get("cursor", "0")), limit_of(request, default)
    if start is None:
        raise bad_request(f"not a cursor of this list: {request.query_params['cursor']!r}")
    more = start + limit < len(items)
    return page(request, items[start : start + limit], str(start + limit) if more else None)


def flag(request: Request, name: str) -> bool:
    """Return whether a query parameter is set, as the client writes booleans."""
    return request.query_params.get(name, "").lower() in ("true", "1")


def refusal_of(error: BaseException) -> Refusal:
    """Return the refusal that an error means."""
    if isinstance(error, Refusal):
        return error
    if (isinstance(error, OSError) and error.errno in _FULL) or (
        isinstance(error, sqlite3.OperationalError) and error.sqlite_errorcode == sqlite3.SQLITE_FULL
    ):
        message = "the disk of the staging hub is full: nothing of this request was kept"
        return Refusal(507, "InsufficientStorage", message)
    if isinstance(error, ClientDisconnect):
        return Refusal(_CLIENT_GONE, "ClientClosedRequest", "the client went away")
    if isinstance(error, HTTPException):
        return Refusal(error.status_code, str(error.detail).replace(" ", ""), str(error.detail))
    traceback.print_exception(error, file=sys.stderr)
    return Refusal(500, "InternalError", f"the staging hub failed: {type(error).__name__}")


def answer_failure(request: Request, error: Exception) -> Response:
    """Answer a request that failed."""
    refusal = refusal_of(error)
    headers = {
        **refusal.headers,
        "X-Error-Code": refusal.code,
        "X-Error-Message": _NO_HEADER.sub("?", refusal.message).strip(),
    }
    return JSONResponse({"error": refusal.message, **refusal.extra}, refusal.status, headers)
