"""An answer that says no: raised anywhere below a route, sent as the Hub sends its own.

The client goes by `X-Error-Code` and shows `X-Error-Message`, so both are on every refusal. On an `http://`
endpoint its own guesses by URL do not work: without a code it cannot tell what is missing.

What goes wrong below a route becomes an answer that says so.

A full disk is 507 wherever it shows: in a file or in the database. What nobody foresaw is 500, and its
traceback goes to standard error.

What repositories, references and files may be called, and how they are compared.

Everything that comes from a client passes here before it is used. Names of repositories differ by more than
their letters' case; files are paths below the root of a repository and never leave it.

The time as the Hub writes it.
"""

from __future__ import annotations

import errno
import re
import sqlite3
import sys
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response


class Refusal(Exception):
    """A request that is refused.

    Args:
        status: HTTP status.
        code: `X-Error-Code`; the Hub's own codes where it has one.
        message: What a person reads.
        headers: Further headers.
        extra: Further fields of the JSON body.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        headers: Mapping[str, str] | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = dict(headers or {})
        self.extra = dict(extra or {})


def bad_request(message: str) -> Refusal:
    """The request makes no sense as it stands."""
    return Refusal(400, "BadRequest", message)


def unprocessable(message: str) -> Refusal:
    """The request is well formed and asks for what is not allowed."""
    return Refusal(422, "UnprocessableEntity", message)


def too_large(what: str, limit: int) -> Refusal:
    """More bytes than this server takes; nothing of it was kept."""
    return Refusal(413, "PayloadTooLarge", f"{what} is over the limit of {limit:,} bytes")


def no_repository(*, anonymous: bool) -> Refusal:
    """No such repository, or none that the asking person may know of."""
    return Refusal(401 if anonymous else 404, "RepoNotFound", "Repository not found")


def no_revision(revision: str) -> Refusal:
    """No such branch, tag or commit."""
    return Refusal(404, "RevisionNotFound", f"Invalid rev id: {revision}")


def no_entry(path: str, commit: str) -> Refusal:
    """No such file or folder in a commit; the commit is named, as readers cache that."""
    return Refusal(404, "EntryNotFound", f"{path} does not exist", headers={"X-Repo-Commit": commit})


def disk_full() -> Refusal:
    """No room: what was being written is gone, and what was there is as it was."""
    return Refusal(
        507, "InsufficientStorage", "the disk of the staging hub is full: nothing of this request was kept"
    )


# --- what goes wrong below a route becomes an answer -----------------------------------------------


_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_CLIENT_GONE = 499  # what servers write down for a client that hung up; nobody reads the answer


def refusal_of(error: BaseException) -> Refusal:
    """The refusal that an error means."""
    if isinstance(error, Refusal):
        return error
    if isinstance(error, OSError) and error.errno in _FULL:
        return disk_full()
    if isinstance(error, sqlite3.OperationalError) and error.sqlite_errorcode == sqlite3.SQLITE_FULL:
        return disk_full()
    if isinstance(error, ClientDisconnect):
        return Refusal(_CLIENT_GONE, "ClientClosedRequest", "the client went away")
    if isinstance(error, HTTPException):
        return Refusal(error.status_code, str(error.detail).replace(" ", ""), str(error.detail))
    traceback.print_exception(error, file=sys.stderr)
    return Refusal(500, "InternalError", f"the staging hub failed: {type(error).__name__}")


def answer_failure(request: Request, error: Exception) -> Response:
    """The answer to a request that failed."""
    refusal = refusal_of(error)
    headers = {
        **refusal.headers,
        "X-Error-Code": refusal.code,
        "X-Error-Message": refusal.message.encode("ascii", "replace").decode().replace("\n", " "),
    }
    return JSONResponse({"error": refusal.message, **refusal.extra}, refusal.status, headers)


# --- what repositories -----------------------------------------------------------------------------


# Kind of repository as it stands in API paths -> as it stands in JSON.
KINDS = {"models": "model", "datasets": "dataset", "spaces": "space"}
# Kind of repository -> what its paths outside the API begin with.
PREFIXES = {"model": "", "dataset": "datasets/", "space": "spaces/"}
MAIN = "refs/heads/main"

# https://huggingface.co/docs/hub/repositories-naming: letters, digits, `-`, `_` and `.`, 96 characters.
_PART = re.compile(r"[A-Za-z0-9_.-]{1,96}")
# `git help check-ref-format`, and no commit id: a branch of that name would hide the commit.
_BAD_REFERENCE = re.compile(
    r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|^[/.-]|/\.|[/.]$|\.lock(/|$)|^@$|^[0-9a-f]{40}$"
)
_DIGITS = re.compile(r"[0-9]{1,18}")
_MAX_PATH, _MAX_PART = 1024, 255  # bytes: what file systems take, so that every repository can be downloaded


def number(text: str) -> int | None:
    """A whole number of at most 18 digits; None for anything else."""
    return int(text) if _DIGITS.fullmatch(text) else None


def kind_of(plural: str) -> str:
    """`datasets` -> `dataset`; raises Refusal for what is no kind of repository."""
    if plural not in KINDS:
        raise Refusal(404, "NotFound", f"no such kind of repository: {plural}")
    return KINDS[plural]


def check_kind(kind: object) -> str:
    """The kind in a JSON body; the Hub's default is a model."""
    if kind is None:
        return "model"
    if not isinstance(kind, str) or kind not in PREFIXES:
        raise bad_request(f"type: got {kind!r}, wanted one of {', '.join(PREFIXES)}")
    return kind


def check_repository(name: object) -> str:
    """A repository's `owner/name`; raises Refusal."""
    parts = name.split("/") if isinstance(name, str) else []
    good = len(parts) == 2 and all(_PART.fullmatch(part) for part in parts)
    if not good or any(
        ".." in part or "--" in part or part[0] in "-." or part[-1] in "-." or part.endswith(".git")
        for part in parts
    ):
        raise bad_request(f"not a name for a repository: {name!r}; wanted owner/name")
    return "/".join(parts)


def check_reference(name: object, folder: str) -> str:
    """The full reference of a branch (`refs/heads/`) or tag (`refs/tags/`) to be; raises Refusal."""
    if not isinstance(name, str) or not name or _BAD_REFERENCE.search(name) or len(name) > _MAX_PART:
        raise bad_request(f"Invalid reference name: {name!r}")
    if name.startswith("refs/"):
        if not name.startswith(folder):
            raise bad_request(f"Invalid reference name: {name!r}")
        return name
    return folder + name


def check_path(path: object) -> str:
    """A file's path in a repository, without a trailing slash; raises Refusal.

    `..`, `.git`, empty parts, backslashes (which a client on Windows would follow) and control characters are
    refused with 422.
    """
    if not isinstance(path, str):
        raise unprocessable(f"Invalid path: {path!r}")
    parts = path.removesuffix("/").split("/")
    try:
        sizes = [len(part.encode()) for part in parts]
    except UnicodeEncodeError:
        raise unprocessable(f"Invalid path: {path!r}") from None
    bad = any(part in ("", ".", "..") or part.lower() == ".git" for part in parts)
    if bad or "\\" in path or re.search(r"[\x00-\x1f\x7f]", path):
        raise unprocessable(f"Invalid path: {path!r}")
    if max(sizes) > _MAX_PART or sum(sizes) + len(parts) - 1 > _MAX_PATH:
        raise unprocessable(f"Invalid path: longer than {_MAX_PART} bytes a part or {_MAX_PATH} in all")
    return "/".join(parts)


# --- the time as the Hub writes it -----------------------------------------------------------------


def now() -> str:
    """The current time, UTC, in milliseconds: `2026-01-31T12:00:00.000Z`."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
