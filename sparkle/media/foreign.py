"""What stands in place of a video, an image or a mask, as the error that says so."""

from __future__ import annotations

from pathlib import Path

from sparkle.schemas.errors import MediaError
from sparkle.schemas.foreign import HEAD_BYTES, recognise


def refuse_foreign(source: str | Path | bytes, where: Path | str | None = None) -> None:
    """Raise MediaError where something that is known stands in place of an artifact: a pointer, a page.

    Args:
        source: The file, which is there, or its bytes.
        where: What the error names.
    """
    if not isinstance(source, bytes):
        with open(source, "rb") as file:
            source = file.read(HEAD_BYTES)
    foreign = recognise(source[:HEAD_BYTES])
    if foreign is not None and not source.startswith(b"PK"):  # a mask is a zip file itself
        raise MediaError(foreign.problem, where=where, fix=foreign.fix)
