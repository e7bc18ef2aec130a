"""What was sent to a place and is not yet visible there: one JSON line a file, in a file of our own.

A line is appended, durably, after the place has acknowledged the content; it names the content by sha256 and
size, and has a `mark` where the place has something to recognise it by. There are no addresses and no tokens
in it. A torn line is cut off: what it spoke of is sent again.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from pathlib import Path

from sparkle._files import append_lines, read_jsonl, recover_jsonl
from sparkle.builders.release.manifest import FileEntry
from sparkle.schemas.canonical import plain
from sparkle.schemas.errors import RecordError, ReleaseError

Mark = list[int] | list[str] | None


class SentJournal:
    """Contents that a place has.

    Args:
        path: The journal; made by `begin`, or when there is something to note.

    Attributes:
        unfinished: Whether an earlier publish began it and did not end.

    Raises:
        ReleaseError: the file there is no such journal.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lines: dict[tuple[str, int, str], Mark] = {}
        self._turn = threading.Lock()
        recover_jsonl(path)
        self.unfinished = path.exists()
        if not self.unfinished:
            return
        try:
            for _, line in read_jsonl(path):
                self._lines[line["path"], line["size"], line["sha256"]] = line["mark"]
        except (RecordError, KeyError, TypeError) as error:
            raise ReleaseError(
                "the list of what was sent cannot be read",
                got=error,
                where=path,
                fix="delete it: what the place has already is found out there",
            ) from None

    def begin(self) -> None:
        """Leave a sign, until all is finished, that something is being sent."""
        append_lines(self.path, [])

    def has(self, entry: FileEntry) -> bool:
        """Whether a content was sent for a path."""
        return (entry.path, entry.size, entry.sha256) in self._lines

    def mark(self, entry: FileEntry) -> Mark:
        """What was noted with it."""
        return self._lines.get((entry.path, entry.size, entry.sha256))

    def add(self, sent: Iterable[tuple[FileEntry, Mark]]) -> None:
        """Note contents that the place has acknowledged."""
        found = list(sent)
        if not found:
            return
        with self._turn:
            append_lines(self.path, [{**plain(entry), "mark": mark} for entry, mark in found])
            self._lines.update({(entry.path, entry.size, entry.sha256): mark for entry, mark in found})

    def forget(self) -> None:
        """Everything is visible, or nothing of it is there any more."""
        self.path.unlink(missing_ok=True)
        self._lines.clear()
