"""How two releases differ: in their samples and in their files.

How it works
- Manifests and Parquet tables are all that is read; a table must be the one that its manifest lists. Tars,
  csv and JSON lines are never opened.
- Records are read only where their bytes differ. Themes are compared one after another, so memory is that
  of a few columns of one.
- Files are compared by the manifests alone. A shard is untouched (same path, same bytes), rewritten (same
  path, other bytes), new or deleted. To upload are the bytes of files whose content the older release does
  not have under any path: a Hub keeps contents by their sha256. It is the most that is sent; what a Hub knows
  in parts it takes in parts.
- Nothing is written, and a rerun reads again; files of a Hub stay in its client's cache.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sparkle._progress import Progress, silent
from sparkle.builders.reading.place import Place, fetch_listed, read_entries
from sparkle.builders.release.manifest import FileEntry
from sparkle.hub.diff.theme import Side, Table, ThemeDiff, compare_theme
from sparkle.schemas import layout
from sparkle.schemas.canonical import sha256_file
from sparkle.schemas.ids import THEMES


@dataclass(frozen=True)
class ReleaseDiff:
    """How two releases differ.

    Attributes:
        before: Name of the older release.
        after: Name of the newer release.
        themes: Every theme that one of them has, in the order of `THEMES`.
        files: How their files differ.
        same: Whether every file has the same path and bytes in both.
    """

    before: str
    after: str
    same: bool
    themes: tuple[ThemeDiff, ...]
    files: FilesDiff


def compare_releases(before: Place, after: Place, progress: Progress = silent) -> ReleaseDiff:
    """Compare two releases.

    Raises:
        ReleaseError: one of them is no release, a table is not the one that the manifest lists, or it
            cannot be read.
    """
    old, new = _Release(before), _Release(after)
    themes = [theme for theme in THEMES if old.tables(theme) or new.tables(theme)]
    found = []
    with progress("comparing themes", len(themes)) as advance:
        for theme in themes:
            path = layout.records_parquet(theme)
            unlike = old.entries.get(path) != new.entries.get(path)
            before_side, after_side = (release.side(theme, records=unlike) for release in (old, new))
            found.append(compare_theme(theme, before_side, after_side))
            advance()
    return ReleaseDiff(
        before=before.name,
        after=after.name,
        same=old.entries == new.entries,
        themes=tuple(found),
        files=compare_files(list(old.entries.values()), list(new.entries.values())),
    )


class _Release:
    """A release by its manifest, whose tables are fetched when they are asked for."""

    def __init__(self, place: Place) -> None:
        self.place = place
        entries, manifest = read_entries(place), place.fetch(layout.MANIFEST)
        own = FileEntry(layout.MANIFEST, manifest.stat().st_size, sha256_file(manifest))
        self.entries: Mapping[str, FileEntry] = entries | {layout.MANIFEST: own}

    def tables(self, theme: str) -> list[str]:
        """The files of a theme's pairs, in order."""
        return layout.tables_of(theme, self.entries)

    def side(self, theme: str, *, records: bool) -> Side:
        """A theme's tables; raises ReleaseError."""
        path = layout.records_parquet(theme)
        return Side(
            self._table(self.tables(theme), layout.data_folder(theme)),
            self._table([path], path) if records and path in self.entries else None,
        )

    def _table(self, paths: Sequence[str], name: str) -> Table:
        return Table(
            [fetch_listed(self.place, self.entries[path]) for path in paths], f"{self.place.name} {name}"
        )


# --- how the files of two releases differ ----------------------------------------------------------


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
