"""The release that is verified: where it is, what its manifest lists, and how its bytes are read.

How it works
- A folder is read where it is. Of a Hub, `Place.folder` is a copy that holds what was asked for (`need`):
  text and tables come whole through the client's cache, everything else stands there as an empty file of the
  right size (`outline`), without taking room on the disk, so that a check of names and sizes works on it.
- Artifacts come by their place in a tar, by range; whole tars are streamed and never stored.
- Every byte that is asked of a Hub is counted.

What the tables say of artifacts: which member of which tar, where in it, how long, with which sha256.

Which samples are looked at closely: as many as asked for, chosen by a seed.

The choice is a function of the seed and the ids alone, and moves little when a release grows: a sample that
is chosen stays so until enough others come before it in the seed's order.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Union

import pyarrow as pa
import pyarrow.parquet as pq

from sparkle._files import safe_join
from sparkle._progress import Progress, silent
from sparkle.builders.checks.files import check_document
from sparkle.builders.reading.folder import FolderRemote
from sparkle.builders.reading.hub import ListedFile, list_remote, open_stream, read_range
from sparkle.builders.release.manifest import FileEntry
from sparkle.schemas import layout
from sparkle.schemas.errors import ReleaseError
from sparkle.schemas.ids import THEMES
from sparkle.schemas.layout import KINDS, Kind
from sparkle.schemas.load import load
from sparkle.schemas.validate import Finding

if TYPE_CHECKING:
    from sparkle.builders.reading.hub import HubRemote


Readable = Union[FolderRemote, "HubRemote"]  # the places that can be listed and read in parts

# What a Hub's client leaves in a folder that it downloaded to (`hf download --local-dir`).
CLIENTS_OWN = (".gitattributes", ".cache/huggingface/")
_MOST_BYTES = 1 << 30  # of an artifact; the largest masks, 4K and not compressed, have 84 MB
_TEXT_OR_TABLE = (".csv", ".jsonl", ".json", ".md", ".parquet")


@dataclass(frozen=True)
class MemberRow:
    """An artifact as a row has it: sample, kind, tar, byte offset of its data, bytes, hexadecimal sha256."""

    id: str
    kind: Kind
    shard: str
    offset: int
    size: int
    sha256: str

    @property
    def name(self) -> str:
        """Its name in the tar."""
        return self.kind.member(self.id)


@dataclass(frozen=True)
class Opener:
    """A file of a release that a worker process can open for itself."""

    remote: Readable
    path: str

    def __call__(self) -> AbstractContextManager[BinaryIO]:
        """Open it for reading once, from front to back."""
        return open_stream(self.remote, self.path)


class Place:
    """A release, opened.

    Args:
        remote: Where it is.
        scratch: An empty folder for what is fetched of a Hub.

    Raises:
        ReleaseError: there is no manifest, or the place cannot be read.
    """

    def __init__(self, remote: Readable, scratch: Path) -> None:
        self.remote = remote
        self.local = isinstance(remote, FolderRemote)
        self.folder = remote.folder if isinstance(remote, FolderRemote) else scratch / "release"
        self.downloaded = 0
        self._fetched: set[str] = set()
        self.files: Mapping[str, ListedFile] = {
            path: file for path, file in list_remote(remote).items() if not path.startswith(CLIENTS_OWN)
        }
        if layout.MANIFEST not in self.files:
            raise ReleaseError(
                "not a release",
                got=remote.name,
                wanted=f"a place with {layout.MANIFEST}",
                fix="`sparkle build RUN --out RELEASE` makes one",
            )
        self.need([layout.MANIFEST])
        manifest, wrong = check_document(self.folder, layout.MANIFEST, "manifest")
        self.manifest_findings: tuple[Finding, ...] = tuple(wrong)
        listed = load(list[FileEntry], manifest["files"]) if manifest else []
        self.entries: Mapping[str, FileEntry] = {entry.path: entry for entry in listed}
        self.listed = listed

    @property
    def name(self) -> str:
        """How the release is called in messages."""
        return self.remote.name

    @property
    def commit(self) -> str | None:
        """The commit that is read; None for a folder."""
        return None if isinstance(self.remote, FolderRemote) else self.remote.commit

    def sizes(self, paths: Iterable[str]) -> int:
        """Bytes of files, as the place says."""
        return sum(self.files[path].size for path in paths)

    def text_and_tables(self) -> list[str]:
        """The files that are read whole at every level but integrity, sorted."""
        return [path for path in self.files if path.endswith(_TEXT_OR_TABLE)]

    def need(self, paths: Iterable[str], progress: Progress = silent, title: str = "fetching") -> None:
        """Have files in `folder`; those of a Hub that are not there yet are fetched.

        Raises:
            ReleaseError: the place has no such file, or cannot be reached.
        """
        if self.local:
            return
        missing = [path for path in paths if path not in self._fetched]
        with progress(title, len(missing)) as advance:
            for path in missing:
                target = self._target(path)
                target.parent.mkdir(parents=True, exist_ok=True)
                found = self.remote.fetch(path)
                self.downloaded += found.stat().st_size
                shutil.copyfile(found, target)
                self._fetched.add(path)
                advance()

    def outline(self) -> None:
        """Let every file of a Hub that was not fetched stand in `folder` by its name and size alone."""
        for path, file in self.files.items():
            target = self._target(path)
            if not self.local and path not in self._fetched:
                target.parent.mkdir(parents=True, exist_ok=True)
                with target.open("wb") as empty:
                    empty.truncate(file.size)

    def read(self, path: str, start: int, size: int) -> bytes:
        """Some bytes of a file, as many as asked for; raises ReleaseError."""
        if not self.local:
            self.downloaded += size
        return read_range(self.remote, path, start, size)

    def member(self, row: MemberRow) -> bytes | None:
        """An artifact's bytes; None where its tar is missing or ends before, or it is impossibly large.

        Raises:
            ReleaseError: the place cannot be reached.
        """
        file = self.files.get(row.shard)
        if file is None or not 0 <= row.size <= _MOST_BYTES or not 0 <= row.offset <= file.size - row.size:
            return None
        return self.read(row.shard, row.offset, row.size)

    def opener(self, path: str) -> Opener:
        """What opens a file to be read once; its size is counted as downloaded by whoever uses it."""
        return Opener(self.remote, path)

    def document(self, name: str, schema: str) -> Any:
        """A JSON document of the release that follows its schema.

        Raises:
            ReleaseError: it does not, or is not there.
        """
        self.need([name])
        value, wrong = check_document(self.folder, name, schema)
        if value is None:
            problem = wrong[0].problem if wrong else "nothing in it"
            raise ReleaseError(
                "a file of the release cannot be used", got=problem, where=f"{self.name} {name}"
            )
        return value

    def _target(self, path: str) -> Path:
        return safe_join(self.folder, path)


# --- what the tables say of artifacts --------------------------------------------------------------


def table_paths(place: Place, theme: str) -> list[str]:
    """The files of a theme's rows, in order."""
    return sorted(path for path in place.files if path.startswith(f"data/{theme}/"))


def themes_of(place: Place) -> list[str]:
    """The themes that have rows."""
    return [theme for theme in THEMES if table_paths(place, theme)]


def read_rows(place: Place, theme: str, columns: Sequence[str], progress: Progress = silent) -> pa.Table:
    """Columns of a theme's rows.

    Raises:
        ReleaseError: a table cannot be read, or lacks a column.
    """
    paths = table_paths(place, theme)
    place.need(paths, progress, f"fetching the table of {theme}")
    tables = []
    for path in paths:
        try:
            tables.append(pq.ParquetFile(place.folder / path).read(list(columns)))
        except (pa.ArrowException, OSError, KeyError) as error:
            raise ReleaseError("a table cannot be read", got=error, where=f"{place.name} {path}") from None
        if missing := [name for name in columns if name not in tables[-1].column_names]:
            where = f"{place.name} {path}"
            raise ReleaseError("a table lacks a column", wanted=", ".join(missing), where=where)
    return pa.concat_tables(tables)


def member_rows(place: Place, theme: str, kinds: Sequence[Kind] = KINDS) -> list[MemberRow]:
    """Every artifact of a theme that stands in a tar, in the order of kinds and ids.

    Raises:
        ReleaseError: a table cannot be read, or a row says where an artifact is only in part.
    """
    parts = ("shard", "offset", "size", "sha256")
    columns = ["task", *(f"{kind.name}_{part}" for kind in kinds for part in parts)]
    table = read_rows(place, theme, columns)
    ids = table["task"].to_pylist()
    found = []
    for kind in kinds:
        values = [table[f"{kind.name}_{part}"].to_pylist() for part in parts]
        for sample_id, shard, offset, size, sha256 in zip(ids, *values, strict=True):
            if shard is None or not shard.endswith(
                ".tar"
            ):  # an imported release may lack it, or have it loose
                continue
            if None in (sample_id, offset, size, sha256):
                raise ReleaseError(
                    "a row does not say where an artifact is", where=f"{place.name} {sample_id} {kind.name}"
                )
            found.append(MemberRow(sample_id, kind, shard, offset, size, sha256.hex()))
    return sorted(found, key=lambda row: (KINDS.index(row.kind), row.id))


# --- which samples are looked at closely -----------------------------------------------------------


def choose_samples(place: Place, count: int, seed: int) -> list[str]:
    """At most `count` ids, sorted; raises ReleaseError when a table cannot be read."""
    ids = [
        sample_id
        for theme in themes_of(place)
        for sample_id in read_rows(place, theme, ["task"])["task"].to_pylist()
    ]
    return sorted(sorted(ids, key=lambda sample_id: _rank(seed, sample_id))[:count])


def _rank(seed: int, sample_id: str) -> bytes:
    return hashlib.sha256(f"{seed} {sample_id}".encode()).digest()
