"""Hashes of sources in a file of their own, as `sha256sum` writes it.

- Whoever has the hashes of a million sources need not read them, and shards that are given the same file hash
  the list once: the first holds a lock on it until its hashes are there, the others wait for them.
- A relative path is one beside the file. A line that speaks of no source counts for nothing; a bad one is an
  error with its number.
- What a line says is believed. A source that is another one by now fails when it is worked on.
- A file that cannot be written to (a published list beside its clips) is read only.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from sparkle._files import atomic_path, exclusive
from sparkle.schemas.errors import SourceListError

_LINE = re.compile(rb"(\\?)([0-9a-fA-F]{64}) [ *](.+)", re.DOTALL)  # a backslash: the name is escaped
_ESCAPED = {b"n": b"\n", b"r": b"\r", b"\\": b"\\"}
_LETTERS = {sign: letter for letter, sign in _ESCAPED.items()}
_LONGEST = 1 << 16  # bytes of a line


class KnownHashes:
    """A file of hashes, open; make one with `open_hashes`."""

    def __init__(self, path: Path, *, writable: bool) -> None:
        self._path = path
        self._writable = writable

    def find(self, places: Collection[str]) -> dict[str, str]:
        """Return the sha256 of those places that the file names and that can be read.

        Raises:
            SourceListError: a line is not one of sha256sum, or two say other things of a file.
        """
        wanted = {os.path.abspath(place): place for place in places}
        found: dict[str, str] = {}
        for number, sha256, name in self._lines():
            place = wanted.get(os.path.normpath(self._path.absolute().parent / name))
            if place is None:
                continue
            if found.setdefault(place, sha256) != sha256:
                raise SourceListError(
                    "two hashes of the same file",
                    got=sha256,
                    wanted=found[place],
                    where=f"{self._path}:{number}",
                    fix="delete the wrong line",
                )
        return {place: sha256 for place, sha256 in found.items() if os.access(place, os.R_OK)}

    def add(self, hashes: Mapping[str, str]) -> None:
        """Write the file anew with what it does not say yet; a kill leaves it as it was."""
        if not (self._writable and hashes):
            return
        with atomic_path(self._path) as temporary, temporary.open("wb") as file:
            with self._path.open("rb") as before:
                ended = True
                for line in iter(lambda: before.readline(_LONGEST), b""):
                    file.write(line)
                    ended = line.endswith(b"\n")
            if not ended:
                file.write(b"\n")
            file.writelines(_format(place, sha256) for place, sha256 in hashes.items())

    def _lines(self) -> Iterator[tuple[int, str, str]]:
        """Yield number, sha256 and path of each line."""
        with self._path.open("rb") as file:
            number = 0
            while line := file.readline(_LONGEST):
                number += 1
                match = _LINE.fullmatch(line.removesuffix(b"\n").removesuffix(b"\r"))
                if match is None or b"\0" in line:
                    raise SourceListError(
                        "not a line of sha256sum",
                        got=repr(line[:80]),
                        wanted="64 hexadecimal digits, two spaces, a path",
                        where=f"{self._path}:{number}",
                        fix="make the file with: sha256sum CLIPS/* > FILE; nothing was started",
                    )
                escaped, sha256, name = match.groups()
                if escaped:
                    name = re.sub(rb"\\(.)", lambda found: _ESCAPED.get(found[1], found[0]), name)
                yield number, sha256.decode().lower(), os.fsdecode(name)


@contextmanager
def open_hashes(path: Path) -> Iterator[KnownHashes]:
    """Open a file of hashes, made if it is not there; whoever else may write it waits until the block ends.

    Raises:
        OSError: it cannot be opened.
    """
    if path.exists() and not os.access(path, os.W_OK):
        yield KnownHashes(path, writable=False)
        return
    with exclusive(path, None):
        yield KnownHashes(path.resolve(), writable=True)


def _format(place: str, sha256: str) -> bytes:
    name = os.fsencode(os.path.abspath(place))
    written = re.sub(rb"[\\\n\r]", lambda found: b"\\" + _LETTERS[found[0]], name)
    return (b"" if written == name else b"\\") + f"{sha256}  ".encode() + written + b"\n"
