"""The pages that follow from the rest of a release, against it: croissant.json, and the numbers of the card.

- croissant.json names every table and tar with the size and sha256 that the manifest has, and no other file.
- The card is rendered again from tables and provenance. Versions word it differently, so not all of it is
  compared: of a line that both have, the numbers must be the same, and so must the table of models.
- A page that is not the one in the manifest is found as such (`files`), and not looked into here.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

from sparkle.builders.cards.card import render_card
from sparkle.builders.cards.room import words_of
from sparkle.builders.release.manifest import FileEntry
from sparkle.schemas import layout
from sparkle.schemas.canonical import sha256_bytes
from sparkle.schemas.errors import RecordError, ReleaseError
from sparkle.schemas.layout import What
from sparkle.schemas.load import LONGEST, cut
from sparkle.schemas.validate import MAX_LINE_BYTES, Finding, parse_strict

_DESCRIBED = (What.PAIRS, What.TAR)  # what croissant.json has files of
_NUMBER = re.compile(r"[0-9]+(?:[,.][0-9]+)*")
_MODELS = "| for | backend | model |"


def check_pages(folder: Path, listed: Mapping[str, FileEntry], *, rendered: bool) -> Iterator[Finding]:
    """Yield what the pages say otherwise than the release.

    Args:
        folder: The release.
        listed: The manifest's entries by path.
        rendered: Whether the card can be rendered: tables and provenance can be read.
    """
    croissant, card = (_read(folder, listed.get(path)) for path in (layout.CROISSANT, layout.CARD))
    if croissant is not None:
        yield from check_croissant(croissant, listed)
    if card is not None and rendered:
        yield from check_card(folder, card, listed[layout.CARD])


def _read(folder: Path, entry: FileEntry | None) -> bytes | None:
    """A page as the manifest has it; None where it is another one, or has the size of none."""
    file = folder / entry.path if entry is not None else None
    if entry is None or file is None or not file.is_file() or file.stat().st_size > MAX_LINE_BYTES:
        return None
    data = file.read_bytes()
    return data if sha256_bytes(data) == entry.sha256 else None


def check_croissant(data: bytes, listed: Mapping[str, FileEntry]) -> Iterator[Finding]:
    """Yield files of croissant.json that are not those of the manifest."""
    try:
        document = parse_strict(data)
    except RecordError as error:
        yield Finding(layout.CROISSANT, 0, "", error.problem, error.got, error.wanted)
        return
    parts = document.get("distribution") if isinstance(document, dict) else None
    described: set[Any] = set()
    for number, part in enumerate(parts if isinstance(parts, list) else ()):
        if not isinstance(part, dict) or part.get("@type") != "cr:FileObject":
            continue
        path, pointer = str(part.get("contentUrl")), f"/distribution/{number}"
        entry = listed.get(path)
        described.add(path)
        wanted = {} if entry is None else {"contentSize": f"{entry.size} B", "sha256": entry.sha256}
        if entry is None:
            yield Finding(layout.CROISSANT, 0, pointer, "no file of the manifest", got=cut(path, LONGEST))
        for name, value in wanted.items():
            if part.get(name) != value:
                problem, got = "not what the manifest lists", cut(str(part.get(name)), LONGEST)
                yield Finding(layout.CROISSANT, 0, f"{pointer}/{name}", problem, got, value)
    for path in sorted(listed):
        if path not in described and layout.parse(path).what in _DESCRIBED and layout.belongs(path):
            problem = "a table or tar of the manifest is not described"
            yield Finding(layout.CROISSANT, 0, "/distribution", problem, wanted=path)


def check_card(folder: Path, data: bytes, entry: FileEntry) -> Iterator[Finding]:
    """Yield lines of a card in which tables and provenance give other numbers or models."""
    try:
        rendered = render_card(folder, words_of(data, entry, layout.CARD))
    except ReleaseError:  # what it is made of cannot be read, and is found there
        return
    ours, theirs = data.decode("utf-8").splitlines(), rendered.splitlines()
    wrong = {**dict(_unlike_numbers(ours, theirs)), **dict(_unlike_models(ours, theirs))}
    for number, wanted in sorted(wrong.items()):
        got = ours[number - 1] if number <= len(ours) else ""
        problem = "the card says something else than tables and provenance"
        yield Finding(layout.CARD, number, "", problem, cut(got, LONGEST), cut(wanted, LONGEST))


def _unlike_numbers(ours: Sequence[str], theirs: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Yield the numbers of lines, and what they should be, that stand on both sides but for their numbers."""
    wanted: defaultdict[str, list[str]] = defaultdict(list)
    for line in theirs:
        wanted[_NUMBER.sub("#", line)].append(line)
    found: defaultdict[str, list[int]] = defaultdict(list)
    for number, line in enumerate(ours, 1):
        found[_NUMBER.sub("#", line)].append(number)
    for text, numbers in found.items():
        lines = wanted.get(text, [])
        if len(lines) == len(numbers):
            yield from (
                (number, line)
                for number, line in zip(numbers, lines, strict=True)
                if ours[number - 1] != line
            )


def _unlike_models(ours: Sequence[str], theirs: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Yield the rows of the table of models that differ, where both sides have one."""
    first, rows = _rows(ours)
    _, wanted = _rows(theirs)
    for number, (row, other) in enumerate(zip_longest(rows, wanted, fillvalue=""), first):
        if rows and wanted and row != other:
            yield number, other or "no further model"


def _rows(lines: Sequence[str]) -> tuple[int, list[str]]:
    """The number of the first row of the table of models, and its rows; none where there is no such table."""
    start = next((index for index, line in enumerate(lines) if line.startswith(_MODELS)), len(lines))
    rows = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        rows.append(line)
    return start + 3, rows
