"""What is indexed: a folder in upstream's layout, or a dataset repository, read where it is.

- Of a repository the tars are streamed, one request each, and go by: nothing of them is written. Only the
  text (tables of pairs and JSON lines, some GB less than a tar) is downloaded, into the client's cache.
- Loose files of a repository are copies of the first members of its tars: they are read only where no tar
  has their kind.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Protocol, cast

from huggingface_hub import HfApi
from huggingface_hub.hf_api import RepoFile

from sparkle.builders.manifest import FileEntry
from sparkle.builders.progress import Progress
from sparkle.builders.source.hub import HubFiles
from sparkle.builders.source.hub_errors import client_errors
from sparkle.builders.upstream_files import Files, LocalFiles, UpstreamFiles, list_upstream, sort_upstream
from sparkle.schemas import layout
from sparkle.schemas.errors import ReleaseError

_REMEDY = "run the same command again: what was read is kept"
_STREAMS = 4  # tars that are read at once: while one is hashed, others arrive


class Target(Protocol):
    """Something in upstream's layout that can be indexed."""

    @property
    def name(self) -> str:
        """What to call it."""
        ...

    @property
    def threads(self) -> int | None:
        """How many tars are read at once; None is as many as there are cores."""
        ...

    @property
    def place(self) -> Files:
        """Where its tars are read."""
        ...

    def listing(self, progress: Progress) -> UpstreamFiles:
        """What stands where; its text files are in a folder then."""
        ...

    def digest(self, path: str) -> str | None:
        """The sha256 that is known of a file before it is read."""
        ...


@dataclass(frozen=True)
class FolderTarget:
    """A folder."""

    folder: Path

    @property
    def name(self) -> str:
        """The folder."""
        return str(self.folder)

    @property
    def threads(self) -> int | None:
        """As many as there are cores: hashing is what takes time."""
        return None

    @property
    def place(self) -> Files:
        """The folder itself."""
        return LocalFiles(self.folder)

    def listing(self, progress: Progress) -> UpstreamFiles:
        """What stands where."""
        return list_upstream(self.folder)

    def digest(self, path: str) -> str | None:
        """Nothing is known of a file before it is read."""
        return None


@dataclass
class HubTarget:
    """A dataset repository at a commit."""

    files: HubFiles
    _listed: dict[str, RepoFile] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """`owner/name@commit`."""
        return self.files.name

    @property
    def threads(self) -> int | None:
        """Some streams at once."""
        return _STREAMS

    @property
    def place(self) -> Files:
        """The repository: what is opened is streamed."""
        return self

    def listing(self, progress: Progress) -> UpstreamFiles:
        """List the repository, and download its text; raises ReleaseError."""
        with client_errors(self.name):
            tree = HfApi().list_repo_tree(
                self.files.repo, recursive=True, revision=self.files.commit, repo_type="dataset"
            )
            self._listed = {item.path: item for item in tree if isinstance(item, RepoFile)}
        listed = sort_upstream(Path(), self._listed)
        packed = {(tar.theme, tar.kind) for tar in listed.tars}
        alone = {found.folder for found in listed.loose if (found.theme, found.kind) not in packed}
        skipped = {found.folder for found in listed.loose} - alone
        paths = [path for path in self._listed if path.rpartition("/")[0] not in skipped]
        return sort_upstream(self._text(listed.text, progress), paths)

    def _text(self, paths: tuple[str, ...], progress: Progress) -> Path:
        """Download the text files; returns the folder that has them by their paths."""
        folder = Path()
        with progress("downloading tables of pairs and JSON lines", len(paths)) as advance:
            for path in paths:
                file = self.files.fetch(path)
                folder = file.parents[path.count("/")]
                advance()
        return folder

    def open(self, path: str) -> BinaryIO:
        """A file as it arrives, from front to back."""
        size = self.size(path)
        digest = self.digest(path)
        known = None if digest is None else FileEntry(path, size, digest)
        return cast(BinaryIO, _Stream(self.files.ranges.blocks(path, 0, size, known, _REMEDY)))

    def size(self, path: str) -> int:
        """Its bytes, by the listing."""
        return self._listed[path].size

    def state(self, path: str) -> list[Any]:
        """Its path, size and object id."""
        return [path, self._listed[path].size, self._listed[path].blob_id]

    def digest(self, path: str) -> str | None:
        """The sha256 of a file in large-file storage; None of a small one."""
        stored = self._listed[path].lfs
        return None if stored is None else stored.sha256


def refuse_release(files: Any, name: str) -> None:
    """Raise ReleaseError when something has tables already."""
    for path in (layout.MANIFEST, layout.INDEX):
        if files.has(path):
            raise ReleaseError(
                "it has tables already: there is nothing to index",
                got=path,
                where=name,
                fix=f"open {name} as it is",
            )


class _Stream(io.RawIOBase):
    """Blocks as a file that is read from front to back."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        """Some of the next bytes; none at the end."""
        if not self._rest:
            self._rest = memoryview(next(self._blocks, b""))
        block, self._rest = self._rest[:size], self._rest[size:]
        return bytes(block)

    def close(self) -> None:
        """End the request."""
        if not self.closed:
            close = getattr(self._blocks, "close", None)
            if close is not None:
                close()
        super().close()
