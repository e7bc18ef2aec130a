"""Routes that hand out files: `resolve`, and the signed URLs that large files are sent from.

How it works
- As on the Hub, a large file is answered with a redirect to a URL that needs no token and runs out; a small
  one is sent at once. `X-Repo-Commit` says which commit was meant, also when the file is not there: readers
  cache that too.
- A content is sent whole, or the range of it that was asked for: one per request (206, or 416 when it begins
  behind the end). Several at once, which no client here asks for, are answered with the whole, as HTTP
  allows; so is `If-Range` with another ETag.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from sparkle.hub.staging.routes.web import (
    base_url,
    check_signature,
    commit_of,
    hub_of,
    path_of,
)
from sparkle.hub.staging.store.blobs import read_blocks
from sparkle.hub.staging.store.refusal import Refusal, no_entry
from sparkle.hub.staging.store.repos import load_content
from sparkle.hub.staging.store.trees import find

_DOWNLOAD_SECONDS = 3600  # how long the Hub's own redirects are good for
_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")


def resolve_file(request: Request) -> Response:
    """HEAD and GET R/resolve/{rev}/{path}."""
    connection, repository, commit = commit_of(request, content=True)
    hub, path = hub_of(request), path_of(request)
    entry = find(connection, commit.tree, path)
    if entry is None or entry.tree:
        raise no_entry(path, commit.id)
    headers = {"X-Repo-Commit": commit.id}
    if entry.sha256 is None:
        headers["ETag"] = f'"{entry.oid.hex()}"'
        return _send_bytes(request, load_content(connection, entry.oid), headers)
    purged = connection.execute(
        "SELECT 1 FROM purged WHERE repo=? AND sha256=?", (repository.id, entry.sha256)
    ).fetchone()
    if purged is not None or hub.blobs.size(entry.sha256) is None:
        raise no_entry(f"{path}: its content was permanently deleted and", commit.id)
    sha256 = entry.sha256.hex()
    signature = hub.signer.sign(_DOWNLOAD_SECONDS, "get", sha256, commit.id)
    headers |= {
        "ETag": f'"{entry.oid.hex()}"',
        "X-Linked-ETag": f'"{sha256}"',
        "X-Linked-Size": str(entry.size),
        "Accept-Ranges": "bytes",
        "Location": f"{base_url(request)}/_blobs/{sha256}?commit={commit.id}&signature={signature}",
    }
    return Response(None, 302, headers)


def send_blob(request: Request) -> Response:
    """HEAD and GET /_blobs/{sha256}.

    Clients follow a redirect to the same host before they look for the commit and the size, so these are
    here again.
    """
    hub = hub_of(request)
    sha256, commit_id = request.path_params["sha256"], request.query_params.get("commit", "")
    check_signature(request, "get", sha256, commit_id)
    blob = bytes.fromhex(sha256)
    size = hub.blobs.size(blob)
    if size is None:
        raise Refusal(404, "EntryNotFound", f"no content {sha256}")
    etag = f'"{sha256}"'
    headers = {"X-Repo-Commit": commit_id, "ETag": etag, "X-Linked-ETag": etag, "X-Linked-Size": str(size)}
    return _send_file(request, hub.blobs.blob(blob), size, headers)


def _send_bytes(request: Request, data: bytes, headers: Mapping[str, str]) -> Response:
    """Answer with a small content; `headers` have its ETag."""
    status, start, stop, headers = _answer(request, len(data), headers)
    return Response(data[start:stop], status, headers, "application/octet-stream")


def _send_file(request: Request, path: Path, size: int, headers: Mapping[str, str]) -> Response:
    """Answer with a large content; `headers` have its ETag."""
    status, start, stop, headers = _answer(request, size, headers)
    headers = {**headers, "Content-Length": str(stop - start)}
    if request.method == "HEAD":
        return Response(None, status, headers, "application/octet-stream")
    return StreamingResponse(
        read_blocks(path, start, stop - start), status, headers, "application/octet-stream"
    )


def _answer(request: Request, size: int, headers: Mapping[str, str]) -> tuple[int, int, int, dict[str, str]]:
    """Return the status of an answer, where it begins and ends, and its headers."""
    found = dict(headers) | {"Accept-Ranges": "bytes"}
    wanted = _RANGE.fullmatch(request.headers.get("range", ""))
    condition = request.headers.get("if-range")
    if wanted is None or wanted[0] == "bytes=-" or condition not in (None, found.get("ETag")):
        return 200, 0, size, found
    if wanted[1]:
        start, stop = int(wanted[1]), min(int(wanted[2]) + 1 if wanted[2] else size, size)
        inverted = bool(wanted[2]) and int(wanted[2]) < start
    else:
        start, stop, inverted = max(size - int(wanted[2]), 0), size, False
    if inverted:
        return 200, 0, size, found  # no range at all, by HTTP
    if start >= size:
        raise Refusal(
            416,
            "RangeNotSatisfiable",
            f"the content has {size} bytes",
            headers={**headers, "Content-Range": f"bytes */{size}"},
        )
    found["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
    return 206, start, stop, found
