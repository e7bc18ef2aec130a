"""An answer that says no: raised anywhere below a route, sent as the Hub sends its own.

The client goes by `X-Error-Code` and shows `X-Error-Message`, so both are on every refusal. On an `http://`
endpoint its own guesses by URL do not work: without a code it cannot tell what is missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


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
