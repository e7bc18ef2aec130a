"""The application: which path leads to which route.

Names of routes are what the counters count by. The operator's routes, for the write token, show the counters
and set the faults of a hub that was started with them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, unquote
from uuid import uuid4

from starlette.applications import Starlette
from starlette.convertors import StringConvertor, register_url_convertor
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sparkle.hub.staging.faults import OPERATOR, Counters, Faults
from sparkle.hub.staging.routes import files, lfs, pulls, read, repos, write, xet
from sparkle.hub.staging.routes.web import (
    SLASH,
    Hub,
    answer_failure,
    check_writer,
    named_repository,
    read_json,
)
from sparkle.hub.staging.store.refusal import Refusal, bad_request


class _Kind(StringConvertor):
    """The kind of a repository in a path, which has it in the plural."""

    regex = "models|datasets"

    def convert(self, value: str) -> str:
        return value.removesuffix("s")


register_url_convertor("kind", _Kind())

_SLASH = quote(SLASH)
_PULL_REQUEST = re.compile("/refs/pr/(?=[0-9]+(/|$))")  # a revision that people write as it is
_LONGEST_NAME = 200  # bytes of a request's name that come back
_IN_API = re.compile("/api/(?P<kind>models|datasets)/(?P<name>[^/]+(/[^/]+)?)")
_OUTSIDE = re.compile("/((?P<kind>models|datasets)/)?(?P<name>[^/]+(/[^/]+)?)/resolve/")
Endpoint = Callable[..., Any]


def _route(method: str, path: str, endpoint: Endpoint, name: str) -> Route:
    return Route(path, endpoint, methods=[method], name=name)


def _of_repository(method: str, path: str, endpoint: Endpoint, name: str) -> Route:
    return _route(method, "/api/{kind:kind}/{owner}/{name}" + path, endpoint, name)


def _outside(method: str, path: str, endpoint: Endpoint, name: str) -> list[Route]:
    """Return the routes of a repository's address outside the API, where models have no prefix."""
    return [
        _route(method, prefix + "/{owner}/{name}" + path, endpoint, name) for prefix in ("/{kind:kind}", "")
    ]


_ROUTES = [
    _route("GET", "/api/whoami-v2", repos.whoami, "whoami"),
    _route("POST", "/api/repos/create", repos.create, "create_repo"),
    _route("POST", "/api/repos/move", repos.move, "move_repo"),
    _route("DELETE", "/api/repos/delete", repos.delete, "delete_repo"),
    _route("POST", "/api/validate-yaml", repos.validate_yaml, "validate_yaml"),
    _route("GET", "/api/{kind:kind}", repos.listing, "list_repos"),
    _of_repository("GET", "", read.info, "info"),
    _of_repository("GET", "/revision/{revision}", read.info, "info"),
    _of_repository("GET", "/tree/{revision}", read.tree, "tree"),
    _of_repository("GET", "/tree/{revision}/{path:path}", read.tree, "tree"),
    _of_repository("POST", "/paths-info/{revision}", read.paths_info, "paths_info"),
    _of_repository("GET", "/commits/{revision}", read.commits, "commits"),
    _of_repository("GET", "/refs", read.refs, "refs"),
    _of_repository("GET", "/lfs-files", read.lfs_files, "lfs_files"),
    _of_repository("POST", "/lfs-files/batch", write.purge_lfs_files, "purge_lfs_files"),
    _of_repository("POST", "/preupload/{revision}", write.preupload, "preupload"),
    _of_repository("POST", "/commit/{revision}", write.commit, "commit"),
    _of_repository("POST", "/branch/{revision}", write.create_branch, "create_branch"),
    _of_repository("DELETE", "/branch/{revision}", write.delete_branch, "delete_branch"),
    _of_repository("POST", "/tag/{revision}", write.create_tag, "create_tag"),
    _of_repository("DELETE", "/tag/{revision}", write.delete_tag, "delete_tag"),
    _of_repository("POST", "/super-squash/{revision}", write.super_squash, "super_squash"),
    _of_repository("GET", "/discussions", pulls.listing, "discussions"),
    _of_repository("POST", "/discussions", pulls.create, "create_discussion"),
    _of_repository("GET", "/discussions/{number:int}", pulls.details, "discussion"),
    _of_repository("POST", "/discussions/{number:int}/status", pulls.change_status, "discussion_status"),
    _of_repository("POST", "/discussions/{number:int}/merge", pulls.merge_pull, "merge"),
    _of_repository("PUT", "/settings", repos.settings, "settings"),
    _of_repository("GET", "/auth-check", repos.auth_check, "auth_check"),
    _of_repository("GET", "/auth-check/write", repos.auth_check, "auth_check"),
    _of_repository("GET", "/xet-write-token/{revision}", xet.xet_token, "xet_token"),
    *_outside("GET", "/resolve/{revision}/{path:path}", files.resolve_file, "resolve"),
    *_outside("POST", ".git/info/lfs/objects/batch", lfs.batch, "lfs_batch"),
    *_outside("POST", ".git/info/lfs/objects/verify", lfs.verify, "lfs_verify"),
    _route("GET", "/_blobs/{sha256}", files.send_blob, "blob"),
    _route("PUT", "/_uploads/{sha256}/{size:int}", lfs.put_whole, "lfs_put"),
    _route("PUT", "/_uploads/{sha256}/{size:int}/{number:int}", lfs.put_part, "lfs_part"),
    _route("POST", "/_uploads/{sha256}/{size:int}/complete", lfs.complete, "lfs_complete"),
    _route("POST", "/v1/xorbs/default/{hash}", xet.put_xorb, "xorb"),
    _route("POST", "/v1/shards", xet.put_shard, "shard"),
    _route("POST", "/v2/shards", xet.stream_shard, "shard"),
]


def make_app(hub: Hub, extra: list[Route]) -> ASGIApp:
    """Make the application of a hub; `extra` are routes of its operator."""
    failures = (Refusal, OSError, ClientDisconnect, Exception)
    handlers: dict[Any, Any] = dict.fromkeys(failures, answer_failure)
    handlers[404] = handlers[405] = _no_route
    app = Starlette(routes=[*extra, *_ROUTES], exception_handlers=handlers)
    app.state.hub = hub
    return keep_slashes(name_requests(app))


def keep_slashes(app: ASGIApp) -> ASGIApp:
    """Let a slash that was encoded inside a part of the path pass for a letter, until the route asks.

    Revisions (`refs/convert/parquet`) and folders come with theirs encoded; decoded before routing, nobody
    could tell where the revision ends.
    """

    async def keeping(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            raw = scope["raw_path"].decode("ascii", "replace")
            raw = _PULL_REQUEST.sub("/refs%2Fpr%2F", raw)
            scope["path"] = unquote(raw.replace("%2F", _SLASH).replace("%2f", _SLASH))
        await app(scope, receive, send)

    return keeping


def name_requests(app: ASGIApp) -> ASGIApp:
    """Answer with `X-Request-Id`, as the client named its request, which its errors then tell."""

    async def naming(scope: Scope, receive: Receive, send: Send) -> None:
        given = dict(scope.get("headers", ()))
        name = given.get(b"x-request-id") or given.get(b"x-amzn-trace-id") or uuid4().hex.encode()

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"x-request-id", name[:_LONGEST_NAME])]
            await send(message)

        await app(scope, receive, sending)

    return naming


def _no_route(request: Request, error: Exception) -> Response:
    """Say in the Hub's words that a repository is missing where the address is one of it, else what is."""
    try:
        if (named := _IN_API.match(request.url.path)) or (named := _OUTSIDE.match(request.url.path)):
            # Without an owner it cannot be there.
            named_repository(request, (named["kind"] or "models").removesuffix("s"), named["name"])
    except Refusal as refusal:
        return answer_failure(request, refusal)
    message = f"This staging hub has no {request.method} {request.url.path}"
    return answer_failure(request, Refusal(404, "NotFound", message))


def operator_routes(counters: Counters, faults: Faults | None) -> list[Route]:
    """Make GET counters, DELETE counters (begin at zero) and PUT faults."""

    def show(request: Request) -> Response:
        check_writer(request)
        return JSONResponse(counters.report() | {"faults": dict(faults.acted) if faults else {}})

    def reset(request: Request) -> Response:
        check_writer(request)
        counters.reset()
        if faults is not None:
            faults.acted.clear()
        return JSONResponse({})

    async def set_rules(request: Request) -> Response:
        check_writer(request)
        if faults is None:
            raise bad_request("this hub was started without --allow-faults")
        faults.set_rules(await read_json(request))
        return JSONResponse({})

    return [
        Route(f"{OPERATOR}counters", show, methods=["GET"], name="counters"),
        Route(f"{OPERATOR}counters", reset, methods=["DELETE"], name="counters"),
        Route(f"{OPERATOR}faults", set_rules, methods=["PUT"], name="faults"),
    ]
