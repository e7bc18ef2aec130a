"""Parts of files where they are: some bytes of one, or all of it as a stream that is never stored.

- Of a Hub a part is one range request (`sparkle.builders.source.ranges`); a stream goes on where it was when
  its connection breaks, which is `huggingface_hub`'s own doing.
- An answer of another length than asked for is an error, never short data.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO, cast

from sparkle.hub.remotes.folder import FolderRemote
from sparkle.schemas.errors import ReleaseError

if TYPE_CHECKING:
    from sparkle.hub.remotes.hub import HubRemote

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

    from sparkle.builders.source.hub_errors import client_errors

    with client_errors(f"{remote.name} {path}"):
        name = f"datasets/{remote.repo}@{remote.commit}/{path}"
        with HfFileSystem().open(name, "rb", block_size=0) as stream:
            yield cast(BinaryIO, stream)
