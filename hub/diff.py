"""How two releases differ: in their samples and in their files.

How it works
- Manifests and Parquet tables are all that is read; a table must be the one that its manifest lists. Tars,
  csv and JSON lines are never opened.
- Records are read only where their bytes differ. Themes are compared one after another, so memory is that
  of a few columns of one.
- Nothing is written, and a rerun reads again; files of a Hub stay in its client's cache.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sparkle.builders.manifest import FileEntry, read_manifest
from sparkle.builders.progress import Progress, silent
from sparkle.hub.diff_files import FilesDiff, compare_files
from sparkle.hub.diff_rows import Table
from sparkle.hub.diff_theme import Side, ThemeDiff, compare_theme
from sparkle.hub.remotes.remote import Remote
from sparkle.schemas import layout
from sparkle.schemas.canonical import sha256_file
from sparkle.schemas.errors import ReleaseError
from sparkle.schemas.ids import THEMES

_DATA = re.compile(r"data/(?P<theme>[^/]+)/[^/]+[.]parquet")


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


def compare_releases(before: Remote, after: Remote, progress: Progress = silent) -> ReleaseDiff:
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

    def __init__(self, remote: Remote) -> None:
        self.remote = remote
        manifest = remote.fetch(layout.MANIFEST)
        # A fetched file has its own name, so its folder can be read as that of a release.
        entries = {entry.path: entry for entry in read_manifest(manifest.parent)}
        own = FileEntry(layout.MANIFEST, manifest.stat().st_size, sha256_file(manifest))
        self.entries: Mapping[str, FileEntry] = entries | {layout.MANIFEST: own}

    def tables(self, theme: str) -> list[str]:
        """The files of a theme's pairs, in order."""
        return sorted(
            path for path in self.entries if (match := _DATA.fullmatch(path)) and match["theme"] == theme
        )

    def side(self, theme: str, *, records: bool) -> Side:
        """A theme's tables; raises ReleaseError."""
        path = layout.records_parquet(theme)
        return Side(
            self._table(self.tables(theme), f"data/{theme}"),
            self._table([path], path) if records and path in self.entries else None,
        )

    def _table(self, paths: Sequence[str], name: str) -> Table:
        return Table([self._fetch(self.entries[path]) for path in paths], f"{self.remote.name} {name}")

    def _fetch(self, entry: FileEntry) -> Path:
        file = self.remote.fetch(entry.path)
        if file.stat().st_size != entry.size or (found := sha256_file(file)) != entry.sha256:
            raise ReleaseError(
                "a table is not the one that the manifest lists",
                got=f"{file.stat().st_size} bytes" if file.stat().st_size != entry.size else found,
                wanted=f"{entry.size} bytes, sha256 {entry.sha256}",
                where=f"{self.remote.name} {entry.path}",
                fix="`sparkle validate` on this release says more",
            )
        return file
