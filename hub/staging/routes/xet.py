"""Routes of Xet: the token of an upload, xorbs and shards.

Uploads go by Xet unless the client was told otherwise, and it has no way back from a hub without. Downloads
do not: no file here is announced as one of Xet, so clients fetch it by plain HTTP. Grants and chunks of other
repositories, which clients ask for as well, are not here: a 404 is an answer that they go on from.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from sparkle.hub.staging.routes.web import Hub, base_url, hub_of, received, refusal_of, repository_of
from sparkle.hub.staging.store.refusal import Refusal, check_hash
from sparkle.hub.staging.store.xet import add_xorb, make_files
from sparkle.hub.staging.store.xet_format import MAX_SHARD, MAX_XORB, ShardFile, read_shard

_TOKEN_SECONDS = 3600
_HEARTBEAT = 2.0  # seconds: clients take a silent stream for a dead one


def xet_token(request: Request) -> Response:
    """GET R/xet-write-token/{rev}."""
    repository_of(request, write=True)
    token = hub_of(request).signer.sign(_TOKEN_SECONDS, "xet")
    expires = token.partition(".")[0]
    return JSONResponse(
        {"accessToken": token, "exp": int(expires), "casUrl": base_url(request)},
        headers={
            "X-Xet-Cas-Url": base_url(request),
            "X-Xet-Access-Token": token,
            "X-Xet-Token-Expiration": expires,
        },
    )


async def put_xorb(request: Request) -> Response:
    """POST /v1/xorbs/default/{hash}."""
    hub = _authorised(request)
    name = check_hash(request.path_params["hash"], "the xorb's address").hex()
    async with received(request, hub.blobs, MAX_XORB, "the xorb") as body:
        inserted = await run_in_threadpool(add_xorb, hub.database, hub.blobs, name, body.path)
    return JSONResponse({"was_inserted": inserted})


async def put_shard(request: Request) -> Response:
    """POST /v1/shards: answered when every file of the shard is durable."""
    hub, files = await _shard(request)
    await run_in_threadpool(make_files, hub.database, hub.blobs, files)
    return JSONResponse({"result": 1})


async def stream_shard(request: Request) -> Response:
    """POST /v2/shards: the same, with signs of life as JSON lines."""
    return StreamingResponse(
        _work(*await _shard(request)),
        headers={"Cache-Control": "no-cache"},
        media_type="application/x-ndjson",
    )


async def _shard(request: Request) -> tuple[Hub, list[ShardFile]]:
    """Return the hub and the files of the shard that is sent to it."""
    hub = _authorised(request)
    async with received(request, hub.blobs, MAX_SHARD, "the shard") as body:
        data = await run_in_threadpool(body.path.read_bytes)
    return hub, await run_in_threadpool(read_shard, data)


async def _work(hub: Hub, files: list[ShardFile]) -> AsyncIterator[bytes]:
    """Make the files of a shard and tell that it goes on; the last line says how it ended."""
    task = asyncio.create_task(run_in_threadpool(make_files, hub.database, hub.blobs, files))
    while not task.done():
        await asyncio.wait([task], timeout=_HEARTBEAT)
        yield _line(type="validating", verified=0, total=len(files))
    error = task.exception()
    if error is None:
        yield _line(type="committing", stage="syncing")
        yield _line(type="result", result=1)
    else:
        yield _line(type="error", message=refusal_of(error).message)


def _authorised(request: Request) -> Hub:
    """Return the hub, for a holder of an upload's token; raises Refusal."""
    hub = hub_of(request)
    if not hub.signer.check(request.headers.get("authorization", "").removeprefix("Bearer "), "xet"):
        raise Refusal(401, "Unauthorized", "The token of this upload is wrong or has run out")
    return hub


def _line(**event: object) -> bytes:
    return json.dumps(event).encode() + b"\n"
