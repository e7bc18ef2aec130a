"""What stands where something else should, by its first bytes: a pointer, a page, something packed.

Whoever cannot read a file asks here before saying that it is broken: the way out is another one.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from sparkle.schemas.errors import SparkleError

HEAD_BYTES = 512  # of a file are enough


class Misplaced(NamedTuple):
    """What a file is, and what to do about it."""

    problem: str
    fix: str


_POINTER = Misplaced(
    "a Git LFS pointer stands in place of the file",
    "`git lfs install && git lfs pull` in the clone, or download with `hf download`",
)
_PAGE = Misplaced(
    "a page of HTML stands in place of the file",
    "download it again: a login page, a proxy or an error answered instead of the server",
)
_ANSWER = Misplaced(
    "a server's error message stands in place of the file",
    "look at it, then download the file again",
)
# No zip: a mask is one itself.
_PACKED = (
    (b"\x1f\x8b", "gzip", "gunzip"),
    (b"BZh", "bzip2", "bunzip2"),
    (b"\xfd7zXZ\0", "xz", "unxz"),
    (b"\x28\xb5\x2f\xfd", "zstd", "unzstd"),
    (b"7z\xbc\xaf\x27\x1c", "7z", "7z x"),
    (b"Rar!\x1a\x07", "rar", "unrar x"),
)
PACKED_SUFFIXES = (".gz", ".tgz", ".bz2", ".tbz2", ".xz", ".txz", ".zst", ".tzst", ".zip", ".7z", ".rar")
_POINTERS = (b"version https://git-lfs.github.com/spec/", b"version https://hawser.github.com/spec/")
_PAGES = (b"<!doctype html", b"<html", b"<head", b"<body")
_ANSWERS = (b"<?xml", b"<error>", b'{"error"', b'{"message"')


def recognise(head: bytes) -> Misplaced | None:
    """Tell what a file is by its first bytes; None where it is nothing that is known here."""
    if head.startswith(_POINTERS):
        return _POINTER
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if text.startswith(_PAGES) or (text.startswith(b"<!--") and b"<html" in text):
        return _PAGE
    if text.startswith(_ANSWERS):
        return _PAGE if b"<html" in text else _ANSWER
    for magic, name, tool in _PACKED:
        if head.startswith(magic):
            return Misplaced(f"the file is packed with {name}", f"unpack it with `{tool}`")
    return None


def recognise_file(path: str | Path) -> Misplaced | None:
    """Tell what a file is, as `recognise`; None where it is no plain file."""
    if not os.path.isfile(path):
        return None
    with open(path, "rb") as file:
        return recognise(file.read(HEAD_BYTES))


def refuse_misplaced(source: str | Path | bytes, kind: type[SparkleError], where: object = None) -> None:
    """Raise an error where something that is known stands in place of a file.

    Args:
        source: The file, or its bytes.
        kind: The error.
        where: What it names.
    """
    found = recognise(source[:HEAD_BYTES]) if isinstance(source, bytes) else recognise_file(source)
    if found is not None:
        raise kind(found.problem, where=where, fix=found.fix)
