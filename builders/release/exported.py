"""The mark of an export, `export.json`: which trainer a folder is for, and whether it is whole."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sparkle._files import read_document, write_atomic
from sparkle.schemas.canonical import dump_document
from sparkle.schemas.errors import RecordError, ReleaseError
from sparkle.schemas.validate import parse_strict

EXPORT = "export.json"

_FORMAT, _VERSION = "sparkle-export", 1


def read_mark(folder: Path) -> dict[str, Any]:
    """Return what the mark of a folder says; nothing where the folder is no export."""
    try:
        document = parse_strict(read_document(folder / EXPORT))
    except (OSError, RecordError):
        return {}
    return document if isinstance(document, dict) and document.get("format") == _FORMAT else {}


def write_mark(folder: Path, says: Mapping[str, Any]) -> None:
    """Mark a folder as an export.

    Args:
        folder: The folder.
        says: What else the mark says: `trainer`, `finished`, and until it is finished `next`, a command.
    """
    write_atomic(folder / EXPORT, dump_document({"format": _FORMAT, "version": _VERSION, **says}))


def refuse_export(folder: Path) -> None:
    """Raise ReleaseError where a folder is an export, which is read by trainers and not by us."""
    mark = read_mark(folder)
    if mark.get("finished") is False:
        raise ReleaseError(
            "an export for a trainer that did not end, not a release",
            got=f"{EXPORT}: for {mark.get('trainer')}, not finished",
            where=folder,
            fix=f"`{mark.get('next')}`, with the options that it was begun with, goes on",
        )
    if mark:
        raise ReleaseError(
            "an export for a trainer, not a release",
            got=f"{EXPORT}: for {mark.get('trainer')}",
            where=folder,
            fix="give the release that it was exported from",
        )
