"""Any artifact of any sample, from where it is: a loose file, a tar, or a Hub.

How it works
- A folder's tars are read by `pread`; where a tar is not there, the file that it was unpacked to is.
- Of a repository, artifacts that are asked for together are taken a window at a time; neighbours in a file
  are read in one request. A window's ranges are read over some connections at once while the caller works on
  the window before, so memory holds two windows. What was read is kept in a bounded cache on disk (`cache`).
- Every artifact is checked against its table: size, and sha256 where the table knows it. A tar or repository
  that is not the one that the tables speak of is an error that says so, and what to do.
- A `Source` opens files and connections in the process that reads, so it can be pickled and forked.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from sparkle._cache import cache_folder
from sparkle.builders.reading.cache import ArtifactCache
from sparkle.builders.reading.catalog import Catalog, open_catalog
from sparkle.builders.reading.place import Place, find
from sparkle.schemas.artifact import Artifact
from sparkle.schemas.errors import ArtifactError, MissingFileError

CACHE_BYTES = 10 * 10**9  # of artifacts of a Hub: some 10,000 pairs of upstream's mean size
# Bytes between two artifacts that are read with them rather than making another request. Neighbours in a tar
# are 512 to 1,023 bytes apart (padding and a header), or some 3 KB with pax headers; more than that is
# another artifact, which is not worth its bytes unless the caller says so.
GAP_BYTES = 1 << 14
MAX_SPAN_BYTES = 1 << 25  # of one request: 64 clips of upstream's mean size; more is not faster
WINDOW_BYTES = 1 << 25  # of artifacts that are read ahead: two spans of the largest size are in flight
_WINDOW_COUNT = 512
_CONNECTIONS = 8  # at once: as many as the Hub's own client uses for downloads


def open_source(
    where: str | Path | Catalog,
    *,
    cache: Path | None = None,
    cache_bytes: int = CACHE_BYTES,
    verify: bool = True,
) -> Source:
    """Open the artifacts of a release or an index.

    Example:
        >>> pairs = sparkle.open_pairs("releases/demo", limit=1)
        >>> source = sparkle.open_source(pairs.where)
        >>> mp4 = source.read(pairs.artifact(0, sparkle.SOURCE_VIDEO))

    Args:
        where: A release's folder, an index's folder, or `owner/name[@revision]` of either on a Hub; the
            `where` or `catalog` of `Pairs`.
        cache: A folder for artifacts of a Hub, made if need be; None is one in the user's cache.
        cache_bytes: How much is kept there at most; 0 keeps nothing.
        verify: Whether to compare with the sha256 of the tables; sizes always are.

    Raises:
        ReleaseError: `where` cannot be read.
    """
    catalog = where if isinstance(where, Catalog) else open_catalog(where)
    return Source(catalog, cache=cache, cache_bytes=cache_bytes, verify=verify)


class Source:
    """Reads artifacts; see `open_source`.

    Attributes:
        catalog: What they are of.
    """

    def __init__(self, catalog: Catalog, *, cache: Path | None, cache_bytes: int, verify: bool) -> None:
        self.catalog = catalog
        self._options = {"cache": cache, "cache_bytes": cache_bytes, "verify": verify}
        self._verify = verify
        self._place = catalog.artifacts
        self._reader: _Reader
        if self._place.folder is not None:
            self._reader = _FolderReader(self._place)
        else:
            self._reader = _HubReader(self._place, cache, cache_bytes)

    def __reduce__(self) -> tuple[Any, ...]:
        return (_reopen, (self.catalog, self._options))

    @property
    def requests(self) -> int:
        """How many requests this process has made of the Hub, redirects and repetitions included."""
        return self._place.requests

    @property
    def bytes_read(self) -> int:
        """How many bytes of artifacts, and of gaps between them, this process has read."""
        return self._place.bytes_read

    def read(self, artifact: Artifact) -> bytes:
        """Return an artifact's bytes.

        Raises:
            ArtifactError: it is not there, or is not what the tables say.
            ReleaseError: its tar is not the one that the tables speak of, or cannot be read.
            UnreachableError: the Hub does not answer.
        """
        return self._checked(artifact, self._reader.read(artifact))

    def read_many(self, artifacts: Iterable[Artifact], *, gap: int = GAP_BYTES) -> Iterator[bytes]:
        """Yield the bytes of artifacts, in order; neighbours in a tar on a Hub are read in one request.

        Memory holds two windows of 32 MB of them, however many there are. Raises what `read` does.

        Args:
            artifacts: What to read, in any order; best in that of their tars.
            gap: Bytes between two of them that are read with them rather than making another request.
        """
        asked: deque[Artifact] = deque()

        def noted() -> Iterator[Artifact]:
            for artifact in artifacts:
                asked.append(artifact)
                yield artifact

        for data in self._reader.read_many(noted(), gap):
            yield self._checked(asked.popleft(), data)

    def _checked(self, artifact: Artifact, data: bytes) -> bytes:
        if self._is_right(artifact, data):
            return data
        if self._reader.forget(artifact):  # it came from the cache, which may be mended
            data = self._reader.read(artifact)
            if self._is_right(artifact, data):
                return data
        self._place.refuse_changed()
        got = f"sha256 {hashlib.sha256(data).hexdigest()}"
        raise ArtifactError(
            "an artifact is not the one that the tables speak of",
            got=got if len(data) == artifact.size else f"{len(data)} bytes",
            wanted=f"{artifact.size} bytes, sha256 {artifact.hex or 'unknown'}",
            where=f"{self._place.name} {artifact.file} {artifact.id} {artifact.kind.name}",
            fix=self.catalog.remedy,
        )

    def _is_right(self, artifact: Artifact, data: bytes) -> bool:
        if len(data) != artifact.size:
            return False
        known = artifact.sha256 if self._verify else None
        return known is None or hashlib.sha256(data).digest() == known


def _reopen(catalog: Catalog, options: dict[str, Any]) -> Source:
    return Source(catalog, **options)


class _Reader(Protocol):
    """Reads artifacts in the way that suits a kind of place."""

    def read(self, artifact: Artifact) -> bytes:
        """Return the artifact's bytes, as many as it has."""
        ...

    def read_many(self, artifacts: Iterable[Artifact], gap: int) -> Iterator[bytes]:
        """Yield the same of many, in order."""
        ...

    def forget(self, artifact: Artifact) -> bool:
        """Drop what was kept of an artifact because it is wrong; returns whether there was anything."""
        ...


class _FolderReader:
    """Reads artifacts of a folder: from their tars, or from the files that these were unpacked to."""

    def __init__(self, place: Place) -> None:
        self._place = place

    def read(self, artifact: Artifact) -> bytes:
        try:
            return self._bytes(artifact.file, artifact.offset, artifact.size)
        except MissingFileError:
            return self._read_loose(artifact)

    def read_many(self, artifacts: Iterable[Artifact], gap: int) -> Iterator[bytes]:
        """Yield the same of many; nothing is gained by reading ahead of a page cache."""
        return map(self.read, artifacts)

    def forget(self, artifact: Artifact) -> bool:
        return False  # nothing is kept

    def _bytes(self, path: str, start: int, size: int) -> bytes:
        blocks = list(self._place.read(path, start, size))
        return blocks[0] if len(blocks) == 1 else b"".join(blocks)

    def _read_loose(self, artifact: Artifact) -> bytes:
        # Tars unpacked at the root leave intermediates there, not below their own folder.
        for path in (artifact.path, artifact.member):
            if find(self._place, path) is not None:
                return self._bytes(path, 0, artifact.size + 1)  # one more: a longer file is noticed
        self._place.refuse_changed()
        raise ArtifactError(
            "an artifact is not there: neither its tar nor a file of its own",
            wanted=f"{artifact.file} or {artifact.path}",
            where=self._place.name,
            fix="unpack or download the tar, or open the repository instead of the folder",
        )


# --- of a repository -------------------------------------------------------------------------------


@dataclass
class FileRange:
    """A range of a file, and the artifacts in it by their positions in what was asked for."""

    file: str
    start: int
    end: int
    members: list[int] = field(default_factory=list)


def plan_spans(artifacts: Sequence[Artifact], gap: int = GAP_BYTES) -> Iterator[FileRange]:
    """Yield the ranges that hold some artifacts, in the order of files and offsets.

    Args:
        artifacts: What is asked for, in any order, one or more times.
        gap: Bytes between two of them that are read with them.
    """
    order = sorted(range(len(artifacts)), key=lambda at: (artifacts[at].file, artifacts[at].offset))
    span: FileRange | None = None
    for at in order:
        artifact = artifacts[at]
        if (
            span is not None
            and span.file == artifact.file
            and artifact.offset <= span.end + gap
            and max(span.end, artifact.end) - span.start <= MAX_SPAN_BYTES
        ):
            span.end = max(span.end, artifact.end)
        else:
            if span is not None:
                yield span
            span = FileRange(artifact.file, artifact.offset, artifact.end)
        span.members.append(at)
    if span is not None:
        yield span


_Window = tuple[Sequence[Artifact], dict[int, bytes | Future[dict[int, bytes]]]]


class _HubReader:
    """Reads artifacts of a repository.

    Args:
        place: The repository.
        cache: The folder of artifacts that were read; None is one in the user's cache.
        cache_bytes: Its bytes at most.
    """

    def __init__(self, place: Place, cache: Path | None, cache_bytes: int) -> None:
        self._place = place
        self._cache: ArtifactCache | None = None
        if cache_bytes > 0:
            folder = cache if cache is not None else cache_folder() / "artifacts"
            self._cache = ArtifactCache(folder, cache_bytes, place.where)

    def read(self, artifact: Artifact) -> bytes:
        """Return the artifact's bytes, from the cache or the Hub."""
        kept = None if self._cache is None else self._cache.get(artifact)
        if kept is not None:
            return kept
        return self._fetch(FileRange(artifact.file, artifact.offset, artifact.end, [0]), [artifact])[0]

    def read_many(self, artifacts: Iterable[Artifact], gap: int) -> Iterator[bytes]:
        """Yield the bytes of many artifacts, in order; see `plan_spans` for `gap`."""
        with ThreadPoolExecutor(_CONNECTIONS) as pool:
            ahead: _Window | None = None
            try:
                for window in _windows(artifacts):
                    current, ahead = ahead, self._start(window, gap, pool)
                    if current is not None:
                        yield from _finish(current)
                if ahead is not None:
                    yield from _finish(ahead)
            finally:
                pool.shutdown(wait=False, cancel_futures=True)

    def forget(self, artifact: Artifact) -> bool:
        return self._cache is not None and self._cache.drop(artifact)

    def _start(self, window: Sequence[Artifact], gap: int, pool: ThreadPoolExecutor) -> _Window:
        """Begin to read a window."""
        found: dict[int, bytes | Future[dict[int, bytes]]] = {}
        for at, artifact in enumerate(window):
            if self._cache is not None and (kept := self._cache.get(artifact)) is not None:
                found[at] = kept
        missing = [at for at in range(len(window)) if at not in found]
        for span in plan_spans([window[at] for at in missing], gap):
            span.members = [missing[at] for at in span.members]
            future = pool.submit(self._fetch, span, window)
            found |= dict.fromkeys(span.members, future)
        return window, found

    def _fetch(self, span: FileRange, window: Sequence[Artifact]) -> dict[int, bytes]:
        """Read a span: the bytes of its artifacts by their positions in the window."""
        data = bytearray()
        for block in self._place.read(span.file, span.start, span.end - span.start):
            data += block
        found = {}
        with memoryview(data) as view:
            for at in span.members:
                artifact = window[at]
                found[at] = bytes(view[artifact.offset - span.start : artifact.end - span.start])
                if self._cache is not None:
                    self._cache.put(artifact, found[at])
        return found


def _finish(window: _Window) -> Iterator[bytes]:
    artifacts, found = window
    for at in range(len(artifacts)):
        part = found.pop(at)
        yield part if isinstance(part, bytes) else part.result()[at]


def _windows(artifacts: Iterable[Artifact]) -> Iterator[Sequence[Artifact]]:
    window: list[Artifact] = []
    size = 0
    for artifact in artifacts:
        if window and (size + artifact.size > WINDOW_BYTES or len(window) == _WINDOW_COUNT):
            yield window
            window, size = [], 0
        window.append(artifact)
        size += artifact.size
    if window:
        yield window
