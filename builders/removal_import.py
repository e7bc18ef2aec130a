"""What is different where a release was imported: its tars are as somebody else wrote them.

- Such a tar is cut by the names of its members, whatever its headers look like: what belongs to a sample that
  leaves goes with the headers before it, everything else stays byte for byte. So a second member of the same
  name, of which no table speaks, goes too. The tar is fetched whole for that.
- The report of the import names tars that hold more of a sample than the tables say; lines of it that name
  the sample leave.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence, Set
from pathlib import Path, PurePosixPath
from typing import Any

from sparkle.builders.assign import member_bytes
from sparkle.builders.manifest import FileEntry
from sparkle.builders.removal_store import Store, listed_file
from sparkle.builders.upstream_tar import TarEntry, TarStream
from sparkle.schemas import layout
from sparkle.schemas.fsio import atomic_path

_BLOCK_BYTES = 1 << 20


def names_sample(path: str, ids: Set[str]) -> bool:
    """Whether a file or member is called after one of some samples."""
    return PurePosixPath(path).name.partition(".")[0] in ids


def reported_tars(store: Store, entries: Mapping[str, FileEntry], ids: Set[str]) -> set[str]:
    """Tars that the report of an import names together with one of some samples."""
    found = (json.loads(line)["file"] for line, named in _report(store, entries, ids) if named)
    return {path for path in found if path.endswith(".tar") and path in entries}


def cut_report(store: Store, entries: Mapping[str, FileEntry], ids: Set[str]) -> tuple[bytes, dict[str, int]]:
    """The report of an import without some samples, and how often it has each problem, commonest first."""
    lines = [line for line, named in _report(store, entries, ids) if not named]
    counts = Counter(json.loads(line)["problem"] for line in lines)
    return b"".join(lines), dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _report(store: Store, entries: Mapping[str, FileEntry], ids: Set[str]) -> Iterator[tuple[bytes, bool]]:
    """Yield each line of the report, and whether it names one of some samples."""
    names = [sample_id.encode() for sample_id in ids]
    with listed_file(store, entries[layout.IMPORT_REPORT]).open("rb") as lines:
        for line in lines:
            yield line, any(name in line for name in names)


def cut_foreign(store: Store, entry: FileEntry, ids: Set[str], target: Path) -> dict[str, int]:
    """Write a tar without the members of some samples.

    Returns:
        Where the data of each sample that stays begins now, of its first member; empty, and no file, when
        none is left.

    Raises:
        ReleaseError: the tar is not the one that the manifest lists, or goes wrong on the way.
    """
    source = listed_file(store, entry)
    with source.open("rb") as file:
        members = list(TarStream(file, seek=True))
    runs, offsets = _plan(members, ids, entry.size)
    if not offsets:
        return {}
    with source.open("rb") as file, atomic_path(target) as temporary, temporary.open("wb") as cut:
        for start, end in runs:
            file.seek(start)
            while start < end and (block := file.read(min(_BLOCK_BYTES, end - start))):
                cut.write(block)
                start += len(block)
    return offsets


def _plan(
    members: Sequence[TarEntry], ids: Set[str], size: int
) -> tuple[list[tuple[int, int]], dict[str, int]]:
    """Byte ranges that stay, and where data begins in what is put together of them."""
    runs: list[tuple[int, int]] = []
    offsets: dict[str, int] = {}
    position = gone = 0
    for member in members:
        end = member.offset + member_bytes(member.size) - member_bytes(0)
        if names_sample(member.name, ids):
            gone += end - position
        else:
            runs.append((position, end))
            if member.odd is None:
                offsets.setdefault(PurePosixPath(member.name).name.partition(".")[0], member.offset - gone)
        position = end
    return [*runs, (position, size)], offsets


def imported(document: Mapping[str, Any]) -> bool:
    """Whether a provenance document is that of an import."""
    return "imported" in document
