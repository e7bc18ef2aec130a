"""index.json: tables that stand apart from the tars that they speak of.

It takes the place of a manifest: it says where the artifacts are, and lists the tables beside it and the
files that hold the artifacts, so that an index that is older than its tars is noticed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sparkle._files import read_document
from sparkle.builders.release.manifest import FileEntry
from sparkle.schemas import layout
from sparkle.schemas.canonical import dump_document, plain
from sparkle.schemas.errors import RecordError, ReleaseError
from sparkle.schemas.load import load
from sparkle.schemas.validate import check, parse_strict

FORMAT, VERSION = "sparkle-index", 1
HERE = "."  # the folder of an index of the folder that it stands in: what `sparkle pull` writes


@dataclass(frozen=True)
class IndexDocument:
    """What index.json says.

    Attributes:
        tables: The files beside it, sorted by path.
        shards: The files that hold the artifacts, as paths in their repository or folder.
        repo: The dataset repository that has them; None when a folder does.
        commit: Its commit, forty hexadecimal digits.
        folder: The folder that has them, as a path from the index; None when a repository does.
    """

    tables: tuple[FileEntry, ...]
    shards: tuple[FileEntry, ...]
    repo: str | None = None
    commit: str | None = None
    folder: str | None = None

    @property
    def target(self) -> str:
        """The repository or folder, for messages and commands."""
        return self.repo or self.folder or "."


def dump_index(index: IndexDocument) -> bytes:
    """The bytes of index.json; raises RecordError when it does not follow its schema."""
    target = {"folder": index.folder} if index.repo is None else {"repo": index.repo, "commit": index.commit}
    document = {
        "format": FORMAT,
        "version": VERSION,
        "target": target,
        "tables": _dump_files(index.tables),
        "shards": _dump_files(index.shards),
    }
    check("index", document, where=layout.INDEX)
    return dump_document(document)


def read_index(path: Path) -> IndexDocument:
    """Read an index.json.

    Raises:
        ReleaseError: it is not there, or cannot be read.
    """
    try:
        document = parse_strict(read_document(path))
        check("index", document, where=str(path))
    except FileNotFoundError:
        raise ReleaseError("not an index", got=path.parent, wanted=f"a folder with {path.name}") from None
    except OSError as error:
        raise ReleaseError("an index cannot be read", got=error.strerror, where=path) from None
    except RecordError as error:
        raise ReleaseError(error.problem, got=error.got, wanted=error.wanted, where=path) from None
    target = document["target"]
    return IndexDocument(
        tables=_load_files(document["tables"]),
        shards=_load_files(document["shards"]),
        repo=target.get("repo"),
        commit=target.get("commit"),
        folder=target.get("folder"),
    )


def _dump_files(entries: Iterable[FileEntry]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = plain(sorted(entries, key=lambda entry: entry.path))
    return found


def _load_files(values: list[dict[str, Any]]) -> tuple[FileEntry, ...]:
    return load(tuple[FileEntry, ...], values)
