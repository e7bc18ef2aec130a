"""What a name means: a release's folder, an index of one, or a repository on a Hub that holds either.

How it works
- A release lists its files in `manifest.json`, an index those of its target in `index.json`. Both say which
  tables there are, and size and sha256 of every tar: enough to notice when they are not the ones that the
  tables speak of.
- A folder that is there comes before a repository of the same name; `hf://datasets/` says that it is none.
- A repository is pinned to the commit that its revision has now: what is read later belongs together.
- A `Place` pickles, so that workers need not ask again.

Which place a name means: a folder that is there, or else `owner/name[@revision]` on a Hub.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sparkle.builders.reading.folder import FolderFiles, FolderRemote, Remote
from sparkle.builders.reading.index import HERE, read_index
from sparkle.builders.release.manifest import FileEntry, read_manifest
from sparkle.schemas import layout
from sparkle.schemas.errors import ReleaseError
from sparkle.schemas.ids import THEMES

if TYPE_CHECKING:
    from sparkle.builders.reading.hub import HubFiles


HUB_SCHEME = "hf://datasets/"  # how `datasets` and fsspec write a repository
_REPOSITORY = re.compile(r"(?P<repo>[\w.-]+/[\w.-]+)(@(?P<revision>[^@\s]+))?")
_DATA = re.compile(r"data/(?P<theme>[^/]+)/[^/]+[.]parquet")


@dataclass(frozen=True)
class Place:
    """Where tables and artifacts are.

    Attributes:
        name: What to call it in messages.
        where: What to open to get to the same bytes again: a folder, or a repository at a commit.
        tables: The files of the release or index.
        artifacts: The files that hold artifacts: the same, or an index's target.
        table_entries: The Parquet files of pairs with size and sha256, by path.
        shards: What is known of the files that hold artifacts, by path.
        remedy: What to do when those are not what is known of them.
    """

    name: str
    where: str
    tables: FolderFiles | HubFiles
    artifacts: FolderFiles | HubFiles
    table_entries: Mapping[str, FileEntry]
    shards: Mapping[str, FileEntry]
    remedy: str

    def tables_of(self, theme: str) -> list[FileEntry]:
        """The Parquet files of a theme's pairs, in order."""
        found = (_DATA.fullmatch(path) for path in sorted(self.table_entries))
        return [self.table_entries[match[0]] for match in found if match and match["theme"] == theme]

    @property
    def themes(self) -> tuple[str, ...]:
        """The themes that it has, in the order of `THEMES`."""
        return tuple(theme for theme in THEMES if self.tables_of(theme))


def open_place(where: str | Path) -> Place:
    """Find out what a name means.

    Args:
        where: A folder, `owner/name[@revision]`, or either after `hf://datasets/`.

    Raises:
        ReleaseError: it means nothing, holds neither a release nor an index, or the Hub does not have it.
    """
    text = str(where)
    repository = split_repository(text)
    if repository is None:
        return _open(FolderFiles(Path(text).absolute()), text, str(Path(text).absolute()))
    from sparkle.builders.reading.hub import open_repository

    files = open_repository(*repository)
    return _open(files, text.removeprefix(HUB_SCHEME), f"{HUB_SCHEME}{files.repo}@{files.commit}")


def split_repository(where: str) -> tuple[str, str | None] | None:
    """The repository and revision that a name means; None for a folder that is there.

    Raises:
        ReleaseError: it is neither.
    """
    if not where.startswith(HUB_SCHEME) and Path(where).is_dir():
        return None
    match = _REPOSITORY.fullmatch(where.removeprefix(HUB_SCHEME))
    if match is None:
        raise ReleaseError(
            "neither a folder nor a repository",
            got=where,
            wanted="a folder, or owner/name[@revision] of a dataset on the Hub",
        )
    return match["repo"], match["revision"]


def _open(files: FolderFiles | HubFiles, name: str, where: str) -> Place:
    if files.has(layout.MANIFEST):
        entries = {entry.path: entry for entry in read_manifest(files.fetch(layout.MANIFEST).parent)}
        return Place(
            name=name,
            where=where,
            tables=files,
            artifacts=files,
            table_entries={path: entry for path, entry in entries.items() if _DATA.fullmatch(path)},
            shards={path: entry for path, entry in entries.items() if not _DATA.fullmatch(path)},
            remedy=f"`sparkle validate {name}` says what is wrong with it",
        )
    if files.has(layout.INDEX):
        return _open_index(files, name, where)
    raise ReleaseError(
        "neither a release nor an index of one",
        got=f"no {layout.MANIFEST} and no {layout.INDEX}",
        where=name,
        fix=f"`sparkle index {name} --out INDEX` reads what is in upstream's layout once; then open INDEX",
    )


def _open_index(files: FolderFiles | HubFiles, name: str, where: str) -> Place:
    index = read_index(files.fetch(layout.INDEX))
    artifacts: FolderFiles | HubFiles
    if index.repo is not None:
        from sparkle.builders.reading.hub import HubFiles

        artifacts, target = HubFiles(index.repo, index.commit or ""), index.repo
    elif isinstance(files, FolderFiles):
        folder = (files.folder / (index.folder or ".")).resolve()
        artifacts, target = FolderFiles(folder), str(folder)
        if not folder.is_dir():
            raise ReleaseError(
                "what the index speaks of is not there",
                wanted=folder,
                where=name,
                fix="move it back, or index it again where it is",
            )
    else:
        raise ReleaseError("an index of a folder cannot be read from a repository", where=name)
    if index.folder == HERE:
        remedy = "`sparkle-hub pull` into this folder again brings what is missing or wrong"
    else:
        again = f"--out {name}" if isinstance(files, FolderFiles) else f"--out INDEX --push {files.repo}"
        remedy = f"`sparkle index {target} {again}` reads it again"
    return Place(
        name=name,
        where=where,
        tables=files,
        artifacts=artifacts,
        table_entries={entry.path: entry for entry in index.tables},
        shards={entry.path: entry for entry in index.shards},
        remedy=remedy,
    )


# --- which place a name means ----------------------------------------------------------------------


_HUB_SCHEME = "hf://datasets/"  # how `datasets` and fsspec write a repository
_REMOTE = re.compile(r"(?P<repo>[\w.-]+/[\w.-]+)(@(?P<revision>[^@\s]+))?")


def open_remote(name: str) -> Remote:
    """The release that a name means; `hf://datasets/` before it says that it is no folder.

    Raises:
        ReleaseError: it is neither a folder nor the name of a repository, or the Hub does not have it.
    """
    if name and not name.startswith(_HUB_SCHEME) and Path(name).is_dir():
        return FolderRemote(Path(name))
    match = _REMOTE.fullmatch(name.removeprefix(_HUB_SCHEME))
    if match is None:
        raise ReleaseError(
            "neither a folder nor a repository",
            got=name,
            wanted="a release's folder, or owner/name[@revision] of a dataset on the Hub",
        )
    from sparkle.builders.reading.hub import HubRemote

    return HubRemote(match["repo"], match["revision"])
