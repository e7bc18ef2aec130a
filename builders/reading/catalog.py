"""What there is to read of a release or an index: its tables of pairs, and where its artifacts lie.

- A release lists its files in `manifest.json`, an index those of its target in `index.json`. Both say which
  tables there are, and size and sha256 of every tar: enough to notice when they are not the ones that the
  tables speak of.
- A `Catalog` pickles, so that workers need not ask again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from sparkle.builders.reading.folder import FolderPlace
from sparkle.builders.reading.index import HERE, read_index
from sparkle.builders.reading.place import Place, find, open_place
from sparkle.builders.release.exported import refuse_export
from sparkle.builders.release.manifest import FileEntry, read_manifest
from sparkle.schemas import layout
from sparkle.schemas.errors import ReleaseError, command
from sparkle.schemas.ids import THEMES
from sparkle.schemas.layout import What


@dataclass(frozen=True)
class Catalog:
    """The tables of a release or an index, and its artifacts.

    Attributes:
        name: What to call it in messages.
        tables: Where the tables are.
        artifacts: Where the files that hold artifacts are: the same place, or an index's target.
        entries: The Parquet files of pairs with size and sha256, by path.
        remedy: What to do when files are not the ones that the tables speak of.
    """

    name: str
    tables: Place
    artifacts: Place
    entries: Mapping[str, FileEntry]
    remedy: str

    @property
    def where(self) -> str:
        """What to open to get to the same bytes again: a folder, or a repository at a commit."""
        return self.tables.where

    def tables_of(self, theme: str) -> list[FileEntry]:
        """Return the Parquet files of a theme's pairs, in order."""
        return [self.entries[path] for path in layout.tables_of(theme, self.entries)]

    @property
    def themes(self) -> tuple[str, ...]:
        """The themes that it has, in the order of `THEMES`."""
        return tuple(theme for theme in THEMES if self.tables_of(theme))


def open_catalog(where: str | Path) -> Catalog:
    """Open a release or an index.

    Args:
        where: A folder, or `owner/name[@revision]` on a Hub, which `hf://datasets/` may precede.

    Raises:
        ReleaseError: it means nothing, holds neither a release nor an index, or the Hub does not have it.
        UnreachableError: the Hub does not answer.
    """
    place = open_place(where)
    if (manifest := find(place, layout.MANIFEST)) is not None:
        listed = read_manifest(manifest.parent)
        if any(entry.path == layout.BENCH for entry in listed):
            raise ReleaseError(
                "a bench, and no release: it has no pairs",
                where=place.name,
                fix=f"`datasets` reads it, `{command('sparkle', 'bench', 'check', place.name)}` checks it",
            )
        verb = "validate" if place.folder is not None else "verify"
        remedy = f"`{command('sparkle', verb, place.name)}` says what is wrong with it"
        whole = place.expecting(listed, remedy)
        return Catalog(place.name, whole, whole, _pairs(listed), remedy)
    if (index := find(place, layout.INDEX)) is not None:
        return _open_index(place, index)
    if place.folder is not None:
        refuse_export(place.folder)
    raise ReleaseError(
        "neither a release nor an index of one",
        got=f"no {layout.MANIFEST} and no {layout.INDEX}",
        where=place.name,
        fix=f"`{command('sparkle', 'index', place.name)} --out INDEX` reads what is in upstream's layout "
        "once; then open INDEX",
    )


def _open_index(place: Place, file: Path) -> Catalog:
    index = read_index(file)
    target: Place
    if index.repo is not None:
        from sparkle.builders.reading.hub import HubPlace

        target, name = HubPlace(index.repo, index.commit or ""), index.repo
    elif place.folder is None:
        raise ReleaseError("an index of a folder cannot be read from a repository", where=place.name)
    else:
        folder = (place.folder / (index.folder or ".")).resolve()
        target, name = FolderPlace(folder), str(folder)
        if not folder.is_dir():
            raise ReleaseError(
                "what the index speaks of is not there",
                wanted=folder,
                where=place.name,
                fix="move it back, or index it again where it is",
            )
    own = place.name.partition("@")[0]
    again = ("--out", place.name) if place.folder is not None else ("--out", "INDEX", "--push", own)
    remedy = f"`{command('sparkle', 'index', name, *again)}` reads it again"
    if index.folder == HERE:
        remedy = "`sparkle pull` into this folder again brings what is missing or wrong"
    return Catalog(
        name=place.name,
        tables=place.expecting(index.tables, remedy),
        artifacts=target.expecting(index.shards, remedy),
        entries=_pairs(index.tables),
        remedy=remedy,
    )


def _pairs(entries: Iterable[FileEntry]) -> dict[str, FileEntry]:
    return {entry.path: entry for entry in entries if layout.parse(entry.path).what is What.PAIRS}
