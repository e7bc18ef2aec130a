"""Routes of Git LFS: the batch that hands out signed URLs for uploads, and what is behind them.

A content up to `PART` bytes is one PUT; a larger one is PUT in parts, which a last POST puts together. Each
is verified by its sha256 before it gets its name. Parts stay as long as their URLs are good, also over a
restart, and are removed afterwards. Downloads are not by LFS: clients resolve files.
"""

from __future__ import annotations

import re
import shutil
from itertools import chain
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sparkle.hub.staging.routes.web import (
    Hub,
    base_url,
    check_signature,
    hub_of,
    received,
    repository_of,
    repository_url,
    takes_json,
)
from sparkle.hub.staging.store.blobs import read_blocks
from sparkle.hub.staging.store.refusal import Refusal, bad_request, check_hash, unprocessable
from sparkle.hub.staging.store.repos import Repo

PART = 8 * 1024 * 1024  # bytes of a part, where that makes no more than `MAX_PARTS`
MAX_PARTS = 1000
MAX_FILE = 200 * 10**9  # the Hub's limit of one file
UPLOAD_SECONDS = 24 * 3600  # how long upload URLs are good for; parts are kept as long
_ETAG = re.compile(r"[0-9a-f]{32}")


@takes_json
def batch(request: Request, body: dict[str, Any]) -> Response:
    """POST R.git/info/lfs/objects/batch."""
    repository = repository_of(request, write=True)
    if body.get("operation") != "upload":
        raise bad_request(f"operation: got {body.get('operation')!r}, wanted upload")
    hub = hub_of(request)
    hub.blobs.forget_old_parts(UPLOAD_SECONDS)
    objects, transfers = body.get("objects"), body.get("transfers") or ["basic"]
    if not isinstance(objects, list) or not isinstance(transfers, list):
        raise bad_request("objects and transfers must be lists")
    answers, multipart = [], False
    for sha256, size in map(_object, objects):
        answer: dict[str, Any] = {"oid": sha256.hex(), "size": size, "authenticated": True}
        there = hub.blobs.size(sha256)
        if there not in (None, size):
            answer["error"] = {"code": 422, "message": f"{sha256.hex()} has {there} bytes, not {size}"}
        elif size > MAX_FILE:
            answer["error"] = {"code": 422, "message": f"a file may have {MAX_FILE:,} bytes"}
        elif there is None:
            in_parts = size > PART and "multipart" in transfers
            multipart |= in_parts
            answer["actions"] = _upload(request, repository, sha256, size, in_parts=in_parts)
        answers.append(answer)
    return JSONResponse(
        {"transfer": "multipart" if multipart else "basic", "objects": answers},
        media_type="application/vnd.git-lfs+json",
    )


def _upload(
    request: Request, repository: Repo, sha256: bytes, size: int, *, in_parts: bool
) -> dict[str, Any]:
    """Say where to send a content, and how."""
    signer, name = hub_of(request).signer, sha256.hex()
    here = f"{base_url(request)}/_uploads/{name}/{size}"
    verify = f"{repository_url(request, repository)}.git/info/lfs/objects/verify"
    if not in_parts:
        signature = signer.sign(UPLOAD_SECONDS, "put", name, size)
        return {"upload": {"href": f"{here}?signature={signature}"}, "verify": {"href": verify}}
    # The protocol of the Hub's multipart transfer: part URLs are among the headers.
    header = {"chunk_size": str(_part_bytes(size))}
    for number in range(1, _part_count(size) + 1):
        signature = signer.sign(UPLOAD_SECONDS, "part", name, size, number)
        header[str(number)] = f"{here}/{number}?signature={signature}"
    signature = signer.sign(UPLOAD_SECONDS, "complete", name, size)
    href = f"{here}/complete?signature={signature}"
    return {"upload": {"href": href, "header": header}, "verify": {"href": verify}}


@takes_json
def verify(request: Request, body: dict[str, Any]) -> Response:
    """POST R.git/info/lfs/objects/verify."""
    repository_of(request)
    sha256, size = _object(body)
    if hub_of(request).blobs.size(sha256) != size:
        raise Refusal(404, "EntryNotFound", "Object does not exist")
    return JSONResponse({})


async def put_whole(request: Request) -> Response:
    """PUT /_uploads/{sha256}/{size}."""
    hub, sha256, size = _upload_of(request)
    check_signature(request, "put", sha256.hex(), size)
    async with received(request, hub.blobs, size, "the content") as body:
        if (body.size, body.sha256) != (size, sha256):
            raise unprocessable(
                f"got {body.size} bytes with sha256 {body.sha256.hex()}, wanted {size} with {sha256.hex()}"
            )
        await run_in_threadpool(hub.blobs.place, body.path, hub.blobs.blob(sha256))
    return Response(headers={"ETag": f'"{sha256.hex()}"'})


async def put_part(request: Request) -> Response:
    """PUT /_uploads/{sha256}/{size}/{number}."""
    hub, sha256, size = _upload_of(request)
    number = int(request.path_params["number"])
    check_signature(request, "part", sha256.hex(), size, number)
    wanted = min(_part_bytes(size), size - (number - 1) * _part_bytes(size))
    async with received(request, hub.blobs, wanted, f"part {number}") as body:
        if body.size != wanted:
            raise unprocessable(f"part {number}: got {body.size} bytes, wanted {wanted}")
        etag = body.sha256.hex()[:32]
        folder = await run_in_threadpool(hub.blobs.make_parts, sha256, size)
        part = folder / f"{number}-{etag}"
        await run_in_threadpool(hub.blobs.place, body.path, part)
        for older in folder.glob(f"{number}-*"):  # one per number, however often it is sent
            if older != part:
                older.unlink(missing_ok=True)
    return Response(headers={"ETag": f'"{etag}"'})


@takes_json
def complete(request: Request, body: dict[str, Any]) -> Response:
    """POST /_uploads/{sha256}/{size}/complete."""
    hub, sha256, size = _upload_of(request)
    check_signature(request, "complete", sha256.hex(), size)
    folder = hub.blobs.parts(sha256, size)
    if hub.blobs.size(sha256) is None:
        try:
            parts = [read_blocks(part, 0, part.stat().st_size) for part in _parts(folder, body, size)]
            hub.blobs.put_together(sha256, chain.from_iterable(parts))
        except FileNotFoundError:  # the same request, sent twice, was quicker and took the parts away
            if hub.blobs.size(sha256) is None:
                raise
    shutil.rmtree(folder, ignore_errors=True)
    return JSONResponse({"success": True})


def _parts(folder: Path, body: dict[str, Any], size: int) -> list[Path]:
    """Return the files of the parts that the client names; raises Refusal unless they are all of them."""
    found: dict[int, Path] = {}
    listed = body.get("parts")
    for part in listed if isinstance(listed, list) else []:
        number = part.get("partNumber") if isinstance(part, dict) else None
        if not isinstance(number, int) or not _ETAG.fullmatch(str(part.get("etag")).strip('"')):
            raise bad_request(f"not a part: {part!r}")
        etag = str(part["etag"]).strip('"')
        found[number] = folder / f"{number}-{etag}"
    wanted = range(1, _part_count(size) + 1)
    missing = [number for number in wanted if number not in found or not found[number].exists()]
    if missing:
        raise bad_request(f"parts are missing: {missing[:10]}")
    return [found[number] for number in wanted]


def _part_bytes(size: int) -> int:
    return max(PART, -(-size // MAX_PARTS))


def _part_count(size: int) -> int:
    return -(-size // _part_bytes(size))


def _object(wanted: object) -> tuple[bytes, int]:
    oid, size = (wanted.get("oid"), wanted.get("size")) if isinstance(wanted, dict) else (None, None)
    if not isinstance(size, int) or size < 0:
        raise bad_request(f"not an LFS object: {wanted!r}")
    return check_hash(oid, "oid"), size


def _upload_of(request: Request) -> tuple[Hub, bytes, int]:
    params = request.path_params
    return hub_of(request), check_hash(params["sha256"], "the content's address"), int(params["size"])
