"""A content is sent: whole, or the range of it that was asked for.

One range a request (206, or 416 when it begins behind the end); several at once, which no client here asks
for, are answered with the whole, as HTTP allows. `If-Range` with another ETag gives the whole as well.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from sparkle.hub.staging.refusal import Refusal

_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")
_BLOCK = 1024 * 1024  # bytes read and sent at once


def send_bytes(request: Request, data: bytes, headers: Mapping[str, str]) -> Response:
    """Answer with a small content; `headers` have its ETag."""
    start, stop, headers = _answer(request, len(data), headers)
    return Response(
        data[start:stop], 206 if "Content-Range" in headers else 200, headers, "application/octet-stream"
    )


def send_file(request: Request, path: Path, size: int, headers: Mapping[str, str]) -> Response:
    """Answer with a large content; `headers` have its ETag."""
    start, stop, headers = _answer(request, size, headers)
    headers = {**headers, "Content-Length": str(stop - start)}
    status = 206 if "Content-Range" in headers else 200
    if request.method == "HEAD":
        return Response(None, status, headers, "application/octet-stream")
    return StreamingResponse(_blocks(path, start, stop), status, headers, "application/octet-stream")


async def _blocks(path: Path, start: int, stop: int) -> AsyncIterator[bytes]:
    with path.open("rb") as file:
        file.seek(start)
        while start < stop:
            data = await run_in_threadpool(file.read, min(_BLOCK, stop - start))
            if not data:
                raise OSError(f"{path} is shorter than it was")
            start += len(data)
            yield data


def _answer(request: Request, size: int, headers: Mapping[str, str]) -> tuple[int, int, dict[str, str]]:
    """Where the answer begins and ends, and its headers."""
    found = dict(headers) | {"Accept-Ranges": "bytes"}
    wanted = _RANGE.fullmatch(request.headers.get("range", ""))
    condition = request.headers.get("if-range")
    if wanted is None or wanted[0] == "bytes=-" or condition not in (None, found.get("ETag")):
        return 0, size, found
    if wanted[1]:
        start, stop = int(wanted[1]), min(int(wanted[2]) + 1 if wanted[2] else size, size)
        inverted = bool(wanted[2]) and int(wanted[2]) < start
    else:
        start, stop, inverted = max(size - int(wanted[2]), 0), size, False
    if inverted:
        return 0, size, found  # no range at all, by HTTP
    if start >= size:
        raise Refusal(
            416,
            "RangeNotSatisfiable",
            f"the content has {size} bytes",
            headers={**headers, "Content-Range": f"bytes */{size}"},
        )
    found["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
    return start, stop, found
