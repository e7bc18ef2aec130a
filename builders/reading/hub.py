"""The files of a dataset repository at a commit, read whole or by range.

- Small files (manifest, index) are downloaded into the client's own cache. Of Parquet only the columns that
  are asked for are transferred: its footer, then the bytes of their chunks.
- Which Hub it is and who asks is the client's own business: `HF_ENDPOINT`, `HF_TOKEN`, `hf auth login`.

A release in a dataset repository of a Hub.

- The revision is resolved once, to a commit: everything that is read belongs together, even when somebody
  publishes meanwhile.
- Files are downloaded whole into the cache of `huggingface_hub`, so a rerun transfers nothing. Which Hub it
  is and who asks is the client's own business: `HF_ENDPOINT`, `HF_TOKEN`, `hf auth login`.
- What the client raises becomes a `ReleaseError` with the next thing to do.

What is in a place, without reading it: every file with its size, and its sha256 where the place knows it.

- A Hub knows the sha256 of what it keeps as large files (LFS or Xet): of tars, media, tables and every file
  over some 10 MB. Of the small text files it knows the hash that git gives them.
- A folder knows sizes only.

Parts of files where they are: some bytes of one, or all of it as a stream that is never stored.

- Of a Hub a part is one range request (`sparkle.builders.reading.ranges`); a stream goes on where it was when
  its connection breaks, which is `huggingface_hub`'s own doing.
- An answer of another length than asked for is an error, never short data.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, cast

import pyarrow as pa
import pyarrow.parquet as pq
from huggingface_hub import HfApi, hf_hub_download
from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

from sparkle.builders.reading.client import client_errors, patiently
from sparkle.builders.reading.folder import FolderRemote
from sparkle.builders.reading.ranges import Ranges
from sparkle.builders.release.manifest import FileEntry, list_files
from sparkle.schemas.errors import ReleaseError, UnreachableError

CONNECTIONS = 8  # at once: as many as the Hub's own client uses for downloads
_COMMIT = re.compile(r"[0-9a-f]{40}")
_FOOTER_BYTES = 1 << 18  # a table of sixty columns and a few row groups has some 50 KB of it
_TAIL_BYTES = 8  # length of the footer and "PAR1"
_GAP_BYTES = 1 << 16  # bytes between two chunks that are read rather than making another request
_STALE = "the tables and the manifest of this commit do not fit: `sparkle-hub verify` says more"


def open_repository(repo: str, revision: str | None) -> HubFiles:
    """A repository at the commit that a revision has now.

    Raises:
        ReleaseError: there is no such repository or revision.
        UnreachableError: the Hub cannot be reached.
    """
    name = repo if revision is None else f"{repo}@{revision}"
    if revision is not None and _COMMIT.fullmatch(revision):
        return HubFiles(repo, revision)
    with client_errors(name):
        commit = HfApi().dataset_info(repo, revision=revision).sha
    if commit is None:
        raise ReleaseError("the Hub names no commit of this repository", where=name)
    return HubFiles(repo, commit)


class HubFiles:
    """The files of a dataset repository.

    Args:
        repo: `owner/name`.
        commit: The commit.

    Attributes:
        ranges: Reads ranges of its files, and counts.
    """

    def __init__(self, repo: str, commit: str) -> None:
        self.repo = repo
        self.commit = commit
        self.ranges = Ranges(repo, commit)

    def __reduce__(self) -> tuple[Any, ...]:
        return (HubFiles, (self.repo, self.commit))

    @property
    def name(self) -> str:
        """`owner/name@commit`."""
        return f"{self.repo}@{self.commit[:12]}"

    def has(self, path: str) -> bool:
        """Whether it has a small file, which is downloaded if so; raises ReleaseError."""
        with client_errors(f"{self.name} {path}"):
            try:
                self._download(path)
            except LocalEntryNotFoundError:  # the Hub cannot be reached, so nothing is known
                raise
            except EntryNotFoundError:
                return False
            return True

    def fetch(self, path: str) -> Path:
        """A whole file in the client's cache, downloaded if need be; raises ReleaseError."""
        with client_errors(f"{self.name} {path}"):
            return self._download(path)

    def read_columns(self, entry: FileEntry, columns: Sequence[str]) -> pa.Table:
        """Columns of a Parquet file, and nothing else of it.

        Raises:
            ReleaseError: the file is not the one that is listed.
            KeyError: it has no such column.
        """
        file = _Sparse(entry.size)
        start = max(0, entry.size - _FOOTER_BYTES)
        file.put(start, self._range(entry, start, entry.size))
        footer = int.from_bytes(file.last(_TAIL_BYTES)[:4], "little") + _TAIL_BYTES
        if _FOOTER_BYTES < footer <= entry.size:
            file.put(entry.size - footer, self._range(entry, entry.size - footer, start))
        metadata = pq.read_metadata(file)
        ranges = [(first, min(last, start)) for first, last in _chunks(metadata, columns) if first < start]
        with ThreadPoolExecutor(CONNECTIONS) as pool:
            found = pool.map(lambda span: self._range(entry, *span), ranges)
            for (first, _), data in zip(ranges, found, strict=True):
                file.put(first, data)
        dictionaries = [name for name in columns if name.endswith("_shard")]
        return pq.ParquetFile(file, metadata=metadata, read_dictionary=dictionaries).read(columns)

    def _range(self, entry: FileEntry, start: int, end: int) -> bytes:
        return bytes(self.ranges.read(entry.path, start, end, entry, _STALE))

    def _download(self, path: str) -> Path:
        return Path(hf_hub_download(self.repo, path, repo_type="dataset", revision=self.commit))


def _chunks(metadata: pq.FileMetaData, columns: Sequence[str]) -> list[tuple[int, int]]:
    """The ranges that hold some columns, those near each other joined, in order."""
    found = []
    for index in range(metadata.num_row_groups):
        group = metadata.row_group(index)
        chunks = {}
        for number in range(group.num_columns):
            chunk = group.column(number)
            chunks[chunk.path_in_schema.partition(".")[0]] = chunk
        for name in columns:
            chunk = chunks[name]
            first = chunk.data_page_offset
            if chunk.has_dictionary_page:
                first = min(first, chunk.dictionary_page_offset)
            found.append((first, first + chunk.total_compressed_size))
    joined: list[tuple[int, int]] = []
    for first, last in sorted(found):
        if joined and first <= joined[-1][1] + _GAP_BYTES:
            joined[-1] = (joined[-1][0], max(last, joined[-1][1]))
        else:
            joined.append((first, last))
    return joined


class _Sparse(io.RawIOBase):
    """A file of which some ranges are in memory; reading anything else is an error."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._at = 0
        self._ranges: list[tuple[int, bytes]] = []

    def put(self, start: int, data: bytes) -> None:
        """Have a range; one that begins where another ends is joined with it."""
        for index, (first, known) in enumerate(self._ranges):
            if start + len(data) == first:
                self._ranges[index] = (start, data + known)
                return
        self._ranges.append((start, data))

    def last(self, count: int) -> bytes:
        """The last bytes of the file."""
        self.seek(-count, io.SEEK_END)
        return self.read(count)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + (0, self._at, self._size)[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def read(self, size: int = -1, /) -> bytes:
        size = min(self._size - self._at, self._size if size < 0 else size)
        for start, data in self._ranges:
            if start <= self._at and self._at + size <= start + len(data):
                self._at += size
                return data[self._at - size - start : self._at - start]
        raise OSError(f"bytes {self._at} to {self._at + size} were not asked for")


# --- a release in a dataset repository of a Hub ----------------------------------------------------


class HubRemote:
    """A release in a dataset repository.

    Args:
        repo: `owner/name`.
        revision: A branch, tag or commit; None is the main branch.

    Raises:
        ReleaseError: there is no such repository or revision, or the Hub cannot be reached.
    """

    def __init__(self, repo: str, revision: str | None = None) -> None:
        self.repo = repo
        self.revision = revision
        try:
            with client_errors(self.name):
                commit = patiently(lambda: HfApi().dataset_info(repo, revision=revision)).sha
        except UnreachableError as error:  # a folder may have been meant
            raise UnreachableError(
                "no such folder, and the Hub does not answer", got=error.got, where=self.name, fix=error.fix
            ) from None
        if commit is None:
            raise ReleaseError("the Hub names no commit of this repository", where=self.name)
        self.commit: str = commit

    def __getstate__(self) -> dict[str, str | None]:
        """Where it is; requests stay in their process."""
        return {"repo": self.repo, "revision": self.revision, "commit": self.commit}

    @property
    def name(self) -> str:
        """`owner/name` or `owner/name@revision`."""
        return self.repo if self.revision is None else f"{self.repo}@{self.revision}"

    @cached_property
    def ranges(self) -> Ranges:
        """Its files by ranges, where only a part of one is wanted."""
        return Ranges(self.repo, self.commit)

    def fetch(self, path: str) -> Path:
        """The file in the client's cache, downloaded if need be; raises ReleaseError."""
        with client_errors(f"{self.name} {path}"):
            return Path(
                patiently(lambda: hf_hub_download(self.repo, path, repo_type="dataset", revision=self.commit))
            )


# --- what is in a place ----------------------------------------------------------------------------


_HUBS_OWN = ".gitattributes"  # written by the Hub itself when a repository is created


@dataclass(frozen=True)
class ListedFile:
    """A file of a place.

    Attributes:
        path: From its root.
        size: In bytes.
        sha256: Hexadecimal, where the place knows it.
        git_sha1: Else the hash that git gives its content, where the place knows that.
    """

    path: str
    size: int
    sha256: str | None = None
    git_sha1: str | None = None


def list_remote(remote: FolderRemote | HubRemote) -> dict[str, ListedFile]:
    """Every file of a place by its path, without what the Hub puts there itself.

    Raises:
        ReleaseError: the Hub does not answer.
    """
    if isinstance(remote, FolderRemote):
        folder = remote.folder
        return {path: ListedFile(path, (folder / path).lstat().st_size) for path in list_files(folder)}
    from huggingface_hub import HfApi
    from huggingface_hub.hf_api import RepoFile, RepoFolder

    from sparkle.builders.reading.client import client_errors, patiently

    def ask() -> list[RepoFile | RepoFolder]:
        api = HfApi()
        return list(
            api.list_repo_tree(remote.repo, recursive=True, revision=remote.commit, repo_type="dataset")
        )

    found = {}
    with client_errors(remote.name):
        for item in patiently(ask):
            if isinstance(item, RepoFile) and item.path != _HUBS_OWN:
                hashes = (None, item.blob_id) if item.lfs is None else (item.lfs.sha256, None)
                found[item.path] = ListedFile(item.path, item.size, *hashes)
    return dict(sorted(found.items()))


# --- parts of files where they are -----------------------------------------------------------------


_REMEDY = "see what was published there, then run the same command again"


def read_range(remote: FolderRemote | HubRemote, path: str, start: int, size: int) -> bytes:
    """`size` bytes of a file from `start` on.

    Raises:
        ReleaseError: there is no such file, it ends before, or its place cannot be reached.
    """
    if isinstance(remote, FolderRemote):
        with remote.fetch(path).open("rb") as file:
            file.seek(start)
            data = file.read(size)
    else:
        data = bytes(remote.ranges.read(path, start, start + size, None, _REMEDY))
    if len(data) != size:
        raise ReleaseError(
            "another number of bytes than asked for",
            got=len(data),
            wanted=f"{size} from byte {start}",
            where=f"{remote.name} {path}",
        )
    return data


@contextmanager
def open_stream(remote: FolderRemote | HubRemote, path: str) -> Iterator[BinaryIO]:
    """A file open for reading once, from front to back.

    Raises:
        ReleaseError: there is no such file, or its place cannot be reached; while it is read, too.
    """
    if isinstance(remote, FolderRemote):
        with remote.fetch(path).open("rb") as file:
            yield file
        return
    from huggingface_hub import HfFileSystem

    from sparkle.builders.reading.client import client_errors

    with client_errors(f"{remote.name} {path}"):
        name = f"datasets/{remote.repo}@{remote.commit}/{path}"
        with HfFileSystem().open(name, "rb", block_size=0) as stream:
            yield cast(BinaryIO, stream)
