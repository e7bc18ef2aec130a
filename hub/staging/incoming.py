"""A body that is being received: into a file in `tmp`, hashed on the way, gone unless it is placed.

A client that goes away, a body that is too long and a full disk all leave the block by an exception, and the
file is removed. Memory is one buffer a request.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from sparkle.hub.staging.blobs import BlobStore
from sparkle.hub.staging.names import number
from sparkle.hub.staging.refusal import bad_request, too_large

_BUFFER = 4 * 1024 * 1024  # bytes handed to a thread at once: a thread a network packet would be slow


@dataclass(frozen=True)
class Received:
    """A whole body: its file, its bytes, its hash."""

    path: Path
    size: int
    sha256: bytes


@asynccontextmanager
async def received(request: Request, blobs: BlobStore, limit: int, what: str) -> AsyncIterator[Received]:
    """Receive a request's body into a file, which is removed afterwards unless it was placed.

    Args:
        request: Its body is read to the end.
        blobs: Where the file is.
        limit: The most bytes that are taken.
        what: How the body is called in messages.

    Raises:
        Refusal: the body is longer than the limit.
        ClientDisconnect: the client went away.
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
