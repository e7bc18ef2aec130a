"""Any artifact of any sample, from where it is: a loose file, a tar, or a Hub.

How it works
- A folder's tars are read by `pread`; where a tar is not there, the file that it was unpacked to is. Of many
  artifacts, some threads hash what was read while the next ones are read: sha256 takes several times as long.
- Artifacts of a repository are read a window at a time (`windows`).
- Every artifact is checked against its table: size, and sha256 where the table knows it. A tar or repository
  that is not the one that the tables speak of is an error that says so, and what to do.
- A `Source` opens files and connections in the process that reads, so it can be pickled and forked.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol

from sparkle._processes import cpus
from sparkle.builders.reading.catalog import Catalog, open_catalog
from sparkle.builders.reading.place import Place, find
from sparkle.builders.reading.windows import GAP_BYTES, Check, HubReader
from sparkle.schemas.artifact import Artifact
from sparkle.schemas.errors import ArtifactError, MissingFileError, SparkleError

CACHE_BYTES = 10 * 10**9  # of artifacts of a Hub: some 10,000 pairs of upstream's mean size
_ALONE = 2  # artifacts that are hashed where they are read: a pair is not worth the start of threads
_HASHING = 3  # threads that hash a folder's artifacts, at most: as many keep up with one that reads
_AHEAD_BYTES = 1 << 23  # of a folder's artifacts that are read ahead: 16 clips of upstream's mean size


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
            self._reader = _FolderReader(self._place, hashed=verify)
        else:
            self._reader = HubReader(self._place, cache, cache_bytes)

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

        Memory holds two windows of 32 MB of them, however many there are. Raises what `read` does, when the
        turn of the artifact comes.

        Args:
            artifacts: What to read, in any order; best in that of their tars.
            gap: Bytes between two of them that are read with them rather than making another request.
        """
        return self._reader.read_many(artifacts, gap, self._checked)

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

    def read_many(self, artifacts: Iterable[Artifact], gap: int, checked: Check) -> Iterator[bytes]:
        """Yield the same of many, in order, checked."""
        ...

    def forget(self, artifact: Artifact) -> bool:
        """Drop what was kept of an artifact because it is wrong; returns whether there was anything."""
        ...


class _FolderReader:
    """Reads artifacts of a folder: from their tars, or from the files that these were unpacked to.

    Args:
        place: The folder.
        hashed: Whether checking them takes time.
    """

    def __init__(self, place: Place, *, hashed: bool) -> None:
        self._place = place
        self._hashed = hashed

    def read(self, artifact: Artifact) -> bytes:
        try:
            return self._bytes(artifact.file, artifact.offset, artifact.size)
        except MissingFileError:
            return self._read_loose(artifact)

    def read_many(self, artifacts: Iterable[Artifact], gap: int, checked: Check) -> Iterator[bytes]:
        """Yield the same of many, in order, while threads hash what was read and this one reads on."""
        if not self._hashed:  # nothing is gained by reading ahead of a page cache
            yield from (checked(artifact, self.read(artifact)) for artifact in artifacts)
            return
        with ThreadPoolExecutor(min(_HASHING, cpus()), thread_name_prefix="hashing") as pool:
            reading: deque[tuple[int, Future[bytes]]] = deque()
            ahead = 0
            for number, artifact in enumerate(artifacts):
                if number < _ALONE:
                    yield checked(artifact, self.read(artifact))
                    continue
                reading.append((artifact.size, self._begin(artifact, checked, pool)))
                ahead += artifact.size
                while reading and (ahead > _AHEAD_BYTES or reading[0][1].done()):
                    size, future = reading.popleft()
                    ahead -= size
                    yield future.result()
            for _, future in reading:
                yield future.result()

    def _begin(self, artifact: Artifact, checked: Check, pool: ThreadPoolExecutor) -> Future[bytes]:
        try:
            return pool.submit(checked, artifact, self.read(artifact))
        except SparkleError as error:  # whose turn comes after what was read before
            failed: Future[bytes] = Future()
            failed.set_exception(error)
            return failed

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
