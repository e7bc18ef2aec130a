"""How the files of two releases differ, from the lists in their manifests alone.

- A shard is untouched (same path, same bytes), rewritten (same path, other bytes), new or deleted.
- To upload are the bytes of files whose content the older release does not have under any path: a Hub
  keeps contents by their sha256. It is the most that is sent; what a Hub knows in parts it takes in parts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sparkle.builders.manifest import FileEntry

UNTOUCHED, REWRITTEN, NEW, DELETED = "untouched", "rewritten", "new", "deleted"

_SHARDS, _TABLES, _TEXT, _LOOSE = "shards", "tables", "text", "loose files"
GROUPS = (_SHARDS, _TABLES, _TEXT, _LOOSE)
_TEXT_SUFFIXES = (".md", ".json", ".jsonl", ".csv")


@dataclass(frozen=True)
class ShardDiff:
    """A shard of either release: its path, what became of it, and its bytes before and after."""

    path: str
    state: str
    before: int | None
    after: int | None


@dataclass(frozen=True)
class Upload:
    """Files of the newer release that the older does not have the content of."""

    files: int = 0
    bytes: int = 0


@dataclass(frozen=True)
class FilesDiff:
    """How the files differ.

    Attributes:
        shards: Every shard of either release, sorted by path.
        upload: Group of files -> what is to be uploaded of it.
        deleted: Paths that the newer release no longer has, shards among them.
    """

    shards: tuple[ShardDiff, ...]
    upload: Mapping[str, Upload]
    deleted: tuple[str, ...]

    @property
    def upload_bytes(self) -> int:
        """Bytes to upload in all."""
        return sum(found.bytes for found in self.upload.values())

    @property
    def upload_files(self) -> int:
        """Files to upload in all."""
        return sum(found.files for found in self.upload.values())

    def in_state(self, state: str) -> tuple[ShardDiff, ...]:
        """The shards that something became of."""
        return tuple(shard for shard in self.shards if shard.state == state)


def compare_files(before: Sequence[FileEntry], after: Sequence[FileEntry]) -> FilesDiff:
    """Compare two lists of files."""
    old = {entry.path: entry for entry in before}
    new = {entry.path: entry for entry in after}
    shards = sorted(path for path in old.keys() | new.keys() if _group(path) == _SHARDS)
    known = {entry.sha256 for entry in before}
    upload = dict.fromkeys(GROUPS, Upload())
    for entry in after:
        if entry.sha256 not in known:
            known.add(entry.sha256)  # a content that stands twice is sent once
            sent = upload[_group(entry.path)]
            upload[_group(entry.path)] = Upload(sent.files + 1, sent.bytes + entry.size)
    return FilesDiff(
        shards=tuple(_shard(path, old.get(path), new.get(path)) for path in shards),
        upload=upload,
        deleted=tuple(sorted(old.keys() - new.keys())),
    )


def _shard(path: str, old: FileEntry | None, new: FileEntry | None) -> ShardDiff:
    if old is None:
        state = NEW
    elif new is None:
        state = DELETED
    else:
        state = UNTOUCHED if old.sha256 == new.sha256 else REWRITTEN
    before, after = (None if entry is None else entry.size for entry in (old, new))
    return ShardDiff(path, state, before, after)


def _group(path: str) -> str:
    if path.endswith(".tar"):
        return _SHARDS
    if path.endswith(".parquet"):
        return _TABLES
    return _TEXT if path.endswith(_TEXT_SUFFIXES) else _LOOSE
