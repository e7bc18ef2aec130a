"""The files of a dataset repository at a commit, read whole or by range.

- Small files (manifest, index) are downloaded into the client's own cache. Of Parquet only the columns that
  are asked for are transferred: its footer, then the bytes of their chunks.
- Which Hub it is and who asks is the client's own business: `HF_ENDPOINT`, `HF_TOKEN`, `hf auth login`.
"""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from huggingface_hub import HfApi, hf_hub_download
from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

from sparkle.builders.manifest import FileEntry
from sparkle.builders.source.hub_errors import client_errors
from sparkle.builders.source.ranges import Ranges
from sparkle.schemas.errors import ReleaseError

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
