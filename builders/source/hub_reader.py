"""Artifacts of a repository: ranges of its files, neighbours together, kept in a bounded cache.

- Artifacts that are asked for together are taken a window at a time. A window's ranges are read over some
  connections at once while the caller works on the window before, so memory holds two windows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from sparkle.builders.source.artifact import Artifact
from sparkle.builders.source.cache import ArtifactCache
from sparkle.builders.source.hub import CONNECTIONS, HubFiles
from sparkle.builders.source.place import Place
from sparkle.builders.source.spans import Span, plan_spans
from sparkle.schemas.cache_folder import cache_folder

WINDOW_BYTES = 1 << 25  # of artifacts that are read ahead: two spans of the largest size are in flight
_WINDOW_COUNT = 512

_Window = tuple[Sequence[Artifact], dict[int, bytes | Future[dict[int, bytes]]]]


class HubReader:
    """Reads artifacts of a repository.

    Args:
        place: What the tables say of it.
        files: The repository.
        cache: The folder of artifacts that were read; None is one in the user's cache.
        cache_bytes: Its bytes at most.
    """

    def __init__(self, place: Place, files: HubFiles, cache: Path | None, cache_bytes: int) -> None:
        self._place = place
        self._files = files
        self._cache: ArtifactCache | None = None
        if cache_bytes > 0:
            folder = cache if cache is not None else cache_folder() / "artifacts"
            self._cache = ArtifactCache(folder, cache_bytes, files.name)

    @property
    def requests(self) -> int:
        """Requests for artifacts, redirects and repetitions included."""
        return self._files.ranges.requests

    @property
    def bytes_read(self) -> int:
        """Bytes of their answers."""
        return self._files.ranges.bytes_received

    def read(self, artifact: Artifact) -> bytes:
        """The artifact's bytes, from the cache or the Hub."""
        kept = None if self._cache is None else self._cache.get(artifact)
        if kept is not None:
            return kept
        return self._fetch(Span(artifact.shard, artifact.offset, artifact.end, [0]), [artifact])[0]

    def read_many(self, artifacts: Iterable[Artifact], gap: int) -> Iterator[bytes]:
        """The bytes of many artifacts, in order; see `spans` for `gap`."""
        with ThreadPoolExecutor(CONNECTIONS) as pool:
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
        """Drop an artifact from the cache; whether it was there."""
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

    def _fetch(self, span: Span, window: Sequence[Artifact]) -> dict[int, bytes]:
        """Read a span: the bytes of its artifacts by their positions in the window."""
        known = self._place.shards.get(span.shard)
        data = self._files.ranges.read(span.shard, span.start, span.end, known, self._place.remedy)
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
