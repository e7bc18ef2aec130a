"""Artifacts of a repository, a window of them at a time.

- Neighbours in a file are read in one request. The ranges of a window are read over some connections at once
  while the caller works on the window before, so memory holds two windows.
- What was read is kept in a bounded cache on disk (`cache`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from sparkle._cache import cache_folder
from sparkle.builders.reading.cache import ArtifactCache
from sparkle.builders.reading.place import Place
from sparkle.schemas.artifact import Artifact

# Bytes between two artifacts that are read with them rather than making another request. Neighbours in a tar
# are 512 to 1,023 bytes apart (padding and a header), or some 3 KB with pax headers; more than that is
# another artifact, which is not worth its bytes unless the caller says so.
GAP_BYTES = 1 << 14
MAX_SPAN_BYTES = 1 << 25  # of one request: 64 clips of upstream's mean size; more is not faster
WINDOW_BYTES = 1 << 25  # of artifacts that are read ahead: two spans of the largest size are in flight
_WINDOW_COUNT = 512
_CONNECTIONS = 8  # at once: as many as the Hub's own client uses for downloads

Check = Callable[[Artifact, bytes], bytes]
"""Returns an artifact's bytes, or what is right in their place, or raises what is wrong with them."""


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


class HubReader:
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

    def read_many(self, artifacts: Iterable[Artifact], gap: int, checked: Check) -> Iterator[bytes]:
        """Yield the bytes of many artifacts, in order; see `plan_spans` for `gap`."""
        with ThreadPoolExecutor(_CONNECTIONS) as pool:
            ahead: _Window | None = None
            try:
                for window in _windows(artifacts):
                    current, ahead = ahead, self._start(window, gap, pool)
                    if current is not None:
                        yield from _finish(current, checked)
                if ahead is not None:
                    yield from _finish(ahead, checked)
            finally:
                pool.shutdown(wait=False, cancel_futures=True)

    def forget(self, artifact: Artifact) -> bool:
        """Drop what was kept of an artifact because it is wrong; returns whether there was anything."""
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


def _finish(window: _Window, checked: Check) -> Iterator[bytes]:
    artifacts, found = window
    for at, artifact in enumerate(artifacts):
        part = found.pop(at)
        yield checked(artifact, part if isinstance(part, bytes) else part.result()[at])


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
