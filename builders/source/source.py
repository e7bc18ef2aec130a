"""Any artifact of any sample, from where it is: a loose file, a tar, or a Hub.

How it works
- A folder's tars are read by `pread`; where a tar is not there, the file that it was unpacked to is. A Hub's
  files are read by HTTP range (`hub`), with what was read kept in a bounded cache on disk (`cache`).
- Every artifact is checked against its table: size, and sha256 where the table knows it. A tar or repository
  that is not the one that the tables speak of is an error that says so, and what to do.
- A `Source` opens files and connections in the process that reads, so it can be pickled and forked.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Protocol

from sparkle.builders.source.artifact import Artifact
from sparkle.builders.source.folder import FolderFiles
from sparkle.builders.source.place import Place, open_place
from sparkle.builders.source.spans import GAP_BYTES
from sparkle.schemas.errors import ArtifactError, ReleaseError

CACHE_BYTES = 10 * 10**9  # of artifacts of a Hub: some 10,000 pairs of upstream's mean size


class Reader(Protocol):
    """Reads artifacts of a place, in whatever way suits it."""

    @property
    def requests(self) -> int:
        """How many requests were made."""
        ...

    @property
    def bytes_read(self) -> int:
        """How many bytes were read."""
        ...

    def read(self, artifact: Artifact) -> bytes:
        """The artifact's bytes, as many as it has."""
        ...

    def read_many(self, artifacts: Iterable[Artifact], gap: int) -> Iterator[bytes]:
        """The same for many, in order."""
        ...

    def forget(self, artifact: Artifact) -> bool:
        """Drop what was kept of an artifact because it is wrong; whether there was anything."""
        ...


def open_source(
    where: str | Path | Place,
    *,
    cache: Path | None = None,
    cache_bytes: int = CACHE_BYTES,
    verify: bool = True,
) -> Source:
    """Open the artifacts of a release or an index.

    Args:
        where: A release's folder, an index's folder, or `owner/name[@revision]` of either on a Hub; the
            `where` or `place` of `Pairs`.
        cache: A folder for artifacts of a Hub, made if need be; None is one in the user's cache.
        cache_bytes: How much is kept there at most; 0 keeps nothing.
        verify: Whether to compare with the sha256 of the tables; sizes always are.

    Raises:
        ReleaseError: `where` cannot be read.
    """
    place = where if isinstance(where, Place) else open_place(where)
    return Source(place, cache=cache, cache_bytes=cache_bytes, verify=verify)


class Source:
    """Reads artifacts; see `open_source`.

    Attributes:
        place: Where they are.
    """

    def __init__(self, place: Place, *, cache: Path | None, cache_bytes: int, verify: bool) -> None:
        self.place = place
        self._options = {"cache": cache, "cache_bytes": cache_bytes, "verify": verify}
        self._verify = verify
        self._reader = _open_reader(place, cache, cache_bytes)

    def __reduce__(self) -> tuple[Any, ...]:
        return (_reopen, (self.place, self._options))

    @property
    def requests(self) -> int:
        """How many requests this process has made of the Hub, redirects and repetitions included."""
        return self._reader.requests

    @property
    def bytes_read(self) -> int:
        """How many bytes of artifacts, and of gaps between them, this process has read."""
        return self._reader.bytes_read

    def read(self, artifact: Artifact) -> bytes:
        """An artifact's bytes.

        Raises:
            ArtifactError: it is not there, or is not what the tables say.
            ReleaseError: its tar is not the one that the tables speak of, or cannot be read.
            UnreachableError: the Hub does not answer.
        """
        return self._checked(artifact, self._reader.read(artifact))

    def read_many(self, artifacts: Iterable[Artifact], *, gap: int = GAP_BYTES) -> Iterator[bytes]:
        """The bytes of artifacts, in order; neighbours in a tar on a Hub are read in one request.

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
        got = f"sha256 {hashlib.sha256(data).hexdigest()}"
        raise ArtifactError(
            "an artifact is not the one that the tables speak of",
            got=got if len(data) == artifact.size else f"{len(data)} bytes",
            wanted=f"{artifact.size} bytes, sha256 {(artifact.sha256 or b'').hex() or 'unknown'}",
            where=f"{self.place.artifacts.name} {artifact.shard} {artifact.id} {artifact.kind.name}",
            fix=self.place.remedy,
        )

    def _is_right(self, artifact: Artifact, data: bytes) -> bool:
        if len(data) != artifact.size:
            return False
        known = artifact.sha256 if self._verify else None
        return known is None or hashlib.sha256(data).digest() == known


def _reopen(place: Place, options: dict[str, Any]) -> Source:
    return Source(place, **options)


def _open_reader(place: Place, cache: Path | None, cache_bytes: int) -> Reader:
    if isinstance(place.artifacts, FolderFiles):
        return FolderReader(place, place.artifacts)
    from sparkle.builders.source.hub_reader import HubReader

    return HubReader(place, place.artifacts, cache, cache_bytes)


class FolderReader:
    """Reads artifacts of a folder: from their tars, or from the files that these were unpacked to."""

    def __init__(self, place: Place, files: FolderFiles) -> None:
        self.requests = 0
        self.bytes_read = 0
        self._place = place
        self._files = files
        self._checked: set[str] = set()  # shards whose size is the one that the tables speak of

    def read(self, artifact: Artifact) -> bytes:
        """The artifact's bytes."""
        try:
            if artifact.shard not in self._checked:
                self._check(artifact.shard)
            data = self._files.read(artifact.shard, artifact.offset, artifact.size)
        except FileNotFoundError:
            data = self._read_loose(artifact)
        self.bytes_read += len(data)
        return data

    def read_many(self, artifacts: Iterable[Artifact], gap: int) -> Iterator[bytes]:
        """The same for many; nothing is gained by reading ahead of a page cache."""
        return map(self.read, artifacts)

    def forget(self, artifact: Artifact) -> bool:
        """Nothing is kept."""
        return False

    def _check(self, shard: str) -> None:
        size, entry = self._files.size(shard), self._place.shards.get(shard)
        if size is None:
            raise FileNotFoundError(shard)
        if entry is not None and size != entry.size:
            raise ReleaseError(
                "a tar is not the one that the tables speak of: it is cut short, or was changed since",
                got=f"{size} bytes",
                wanted=f"{entry.size} bytes",
                where=f"{self._files.name} {shard}",
                fix=self._place.remedy,
            )
        self._checked.add(shard)

    def _read_loose(self, artifact: Artifact) -> bytes:
        # Tars unpacked at the root leave intermediates there, not below their own folder.
        for path in (artifact.path, artifact.kind.member(artifact.id)):
            try:
                return self._files.read(path, 0, artifact.size + 1)  # one more: a longer file is noticed
            except FileNotFoundError:
                continue
        raise ArtifactError(
            "an artifact is not there: neither its tar nor a file of its own",
            wanted=f"{artifact.shard} or {artifact.path}",
            where=self._files.name,
            fix="unpack or download the tar, or open the repository instead of the folder",
        )
