"""A request that is refused, and the checks that refuse what a client must not send.

- The client goes by `X-Error-Code` and shows `X-Error-Message`, so every refusal has both: on an `http://`
  endpoint its own guesses by URL do not work, and without a code it cannot tell what is missing.
- Whatever comes from a client passes a check here before it is used. Names of repositories differ by more
  than their letters' case; files are paths below the root of a repository and never leave it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from sparkle.builders.reading.repository import is_reference

KINDS = ("model", "dataset")
MAIN = "refs/heads/main"

# https://huggingface.co/docs/hub/repositories-naming: letters, digits, `-`, `_` and `.`, 96 characters.
_PART = re.compile(r"[A-Za-z0-9_.-]{1,96}")
_COMMIT = re.compile(r"[0-9a-f]{40}")  # a branch of that name would hide the commit
_DIGITS = re.compile(r"[0-9]{1,18}")
_HASH = re.compile(r"[0-9a-f]{64}")
_MAX_PATH, _MAX_PART = 1024, 255  # bytes: what file systems take, so that every repository can be downloaded


class Refusal(Exception):
    """A request that is refused: raised anywhere below a route, sent as the Hub sends its own.

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
    """Refuse a request that makes no sense as it is."""
    return Refusal(400, "BadRequest", message)


def unprocessable(message: str) -> Refusal:
    """Refuse a request that is well formed and asks for what is not allowed."""
    return Refusal(422, "UnprocessableEntity", message)


def too_large(what: str, limit: int) -> Refusal:
    """Refuse more bytes than this server takes; nothing of them was kept."""
    return Refusal(413, "PayloadTooLarge", f"{what} is over the limit of {limit:,} bytes")


def no_repository(*, anonymous: bool) -> Refusal:
    """Refuse, as there is no such repository, or none that the asking person may know of."""
    return Refusal(401 if anonymous else 404, "RepoNotFound", "Repository not found")


def no_revision(revision: str) -> Refusal:
    """Refuse, as there is no such branch, tag or commit."""
    return Refusal(404, "RevisionNotFound", f"Invalid rev id: {revision}")


def no_entry(path: str, commit: str) -> Refusal:
    """Refuse, as a commit has no such file or folder; it is named, as readers cache that."""
    return Refusal(404, "EntryNotFound", f"{path} does not exist", headers={"X-Repo-Commit": commit})


def number(text: str) -> int | None:
    """Read a whole number of at most 18 digits; None for anything else."""
    return int(text) if _DIGITS.fullmatch(text) else None


def check_hash(text: object, where: str) -> bytes:
    """Return the bytes of a hash in 64 hexadecimal digits; raises Refusal, which says where it was given."""
    if not isinstance(text, str) or not _HASH.fullmatch(text):
        raise bad_request(f"{where}: not a hash of 64 hexadecimal digits: {text!r}")
    return bytes.fromhex(text)


def check_kind(kind: object) -> str:
    """Return the kind in a JSON body; the Hub's default is a model."""
    if kind is None:
        return "model"
    if not isinstance(kind, str) or kind not in KINDS:
        raise bad_request(f"type: got {kind!r}, wanted one of {', '.join(KINDS)}")
    return kind


def check_repository(name: object) -> str:
    """Return a repository's `owner/name`; raises Refusal."""
    parts = name.split("/") if isinstance(name, str) else []
    good = len(parts) == 2 and all(_PART.fullmatch(part) for part in parts)
    if not good or any(
        ".." in part or "--" in part or part[0] in "-." or part[-1] in "-." or part.endswith(".git")
        for part in parts
    ):
        raise bad_request(f"not a name for a repository: {name!r}; wanted owner/name")
    return "/".join(parts)


def check_reference(name: object, folder: str) -> str:
    """Return the full reference of a branch (`refs/heads/`) or tag (`refs/tags/`) to be; raises Refusal."""
    if not isinstance(name, str) or not is_reference(name) or _COMMIT.fullmatch(name):
        raise bad_request(f"Invalid reference name: {name!r}")
    if name.startswith("refs/"):
        if not name.startswith(folder):
            raise bad_request(f"Invalid reference name: {name!r}")
        return name
    return folder + name


def check_path(path: object) -> str:
    """Return a file's path in a repository, without a trailing slash; raises Refusal.

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
        raise unprocessable(f"Invalid path: longer than {_MAX_PART} bytes per part or {_MAX_PATH} in all")
    return "/".join(parts)
