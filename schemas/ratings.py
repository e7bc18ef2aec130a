"""Ratings by people: what the page of `sparkle bench review` saves and the judge `human` reads.

A rating names its edit by a token, so that nobody who rates can see whose edit it is: a hash of the bench's
revision, the sample's id and the edit's bytes, which whoever has the edits can make again.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from sparkle.schemas.canonical import fingerprint
from sparkle.schemas.records import Record, Sha256, Text

FORMAT: Literal["sparkle-rating"] = "sparkle-rating"
_TOKEN = 20  # hexadecimal digits

Token = Annotated[str, Meta(pattern="^[0-9a-f]{20}$")]


class Rating(Record, frozen=True, kw_only=True):
    """One line: what a person says of an edit.

    Attributes:
        bench: The bench's revision.
        rubric: Its name.
        rater: Who rates.
        edit: The token of the edit.
        raw: One score per dimension.
        note: Words of the rater.
    """

    format: Literal["sparkle-rating"]
    version: Literal[1]
    bench: Sha256
    rubric: Text
    rater: Text
    edit: Token
    raw: tuple[int, ...]
    note: str | None = None


def edit_token(revision: str, sample_id: str, edited_sha256: str) -> str:
    """Return the token of an edit."""
    return fingerprint(["rating", revision, sample_id, edited_sha256])[:_TOKEN]
