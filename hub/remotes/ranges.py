"""Parts of files where they are: some bytes of one, or all of it as a stream that is never stored.

- Of a Hub a part is one range request, which is tried again when the Hub is busy; a stream goes on where it
  was when its connection breaks, which is `huggingface_hub`'s own doing.
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

_PARTIAL = 206  # the status of an answer that is a range (RFC 9110)


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
        data = _ask(remote, path, start, size) if size else b""
    if len(data) != size:
        raise ReleaseError(
            "another number of bytes than asked for",
            got=len(data),
            wanted=f"{size} from byte {start}",
            where=f"{remote.name} {path}",
        )
    return data


def _ask(remote: HubRemote, path: str, start: int, size: int) -> bytes:
    """What a Hub answers, at most a block more than was asked for."""
    from sparkle.hub.remotes.hub import client_errors
    from sparkle.hub.remotes.reading import patiently

    where = f"{remote.name} {path}"
    with client_errors(where):
        return patiently(lambda: request_range(remote.repo, remote.commit, path, start, size))


def request_range(repo: str, commit: str, path: str, start: int, size: int) -> bytes:
    """What a Hub answers, at most a block more than was asked for; raises what the client raises."""
    from huggingface_hub import hf_hub_url, hf_raise_for_status
    from huggingface_hub.utils import build_hf_headers, http_stream_backoff  # type: ignore[attr-defined]

    url = hf_hub_url(repo, path, repo_type="dataset", revision=commit)
    headers = {**build_hf_headers(), "range": f"bytes={start}-{start + size - 1}"}
    found = bytearray()
    with http_stream_backoff("GET", url, headers=headers) as answer:
        hf_raise_for_status(answer)
        if answer.status_code != _PARTIAL:
            raise ReleaseError(
                "the Hub does not answer with a range",
                got=f"status {answer.status_code}",
                wanted=_PARTIAL,
                where=f"{repo} {path}",
            )
        for block in answer.iter_bytes():
            found += block
            if len(found) > size:
                break
    return bytes(found)


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

    from sparkle.hub.remotes.hub import client_errors

    with client_errors(f"{remote.name} {path}"):
        name = f"datasets/{remote.repo}@{remote.commit}/{path}"
        with HfFileSystem().open(name, "rb", block_size=0) as stream:
            yield cast(BinaryIO, stream)
