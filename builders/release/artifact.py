"""The data of an artifact, wherever it is: a file of its own, or a member of a tar that holds it.

What is read is hashed on the way and compared with what was recorded: whoever reads to the end without an
error has read the recorded bytes.

One artifact of one sample: which, and where its bytes lie.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from sparkle.schemas.canonical import sha256_file
from sparkle.schemas.errors import ReleaseError
from sparkle.schemas.layout import Kind
from sparkle.schemas.records import ArtifactRef


@dataclass(frozen=True, slots=True)
class Content:
    """A file that goes into a tar, or comes out of one.

    Attributes:
        name: Its name in the tar.
        path: The file that holds its data.
        ref: What it must be.
        offset: Where its data begins in that file, which is a tar; None when the file is the data.
    """

    name: str
    path: Path
    ref: ArtifactRef
    offset: int | None = None


def read_blocks(content: Content, space: Callable[[], memoryview]) -> Iterator[memoryview]:
    """Yield a content's data in blocks.

    Args:
        content: What to read.
        space: Gives room for the next block, never empty; asked again after each block.

    Raises:
        ReleaseError: it cannot be read or is not what was recorded; that may come after the last block.
    """
    digest, left, position = hashlib.sha256(), content.ref.size, content.offset or 0
    try:
        descriptor = os.open(content.path, os.O_RDONLY)
    except OSError as error:
        raise _unreadable(content, error) from None
    try:
        if content.offset is None and os.fstat(descriptor).st_size != left:
            raise _unlike(content)
        while left:
            room = space()[:left]
            count = os.preadv(descriptor, [room], position)
            if count == 0:
                break
            digest.update(room[:count])
            yield room[:count]
            left -= count
            position += count
    except OSError as error:
        raise _unreadable(content, error) from None
    finally:
        os.close(descriptor)
    if left or digest.hexdigest() != content.ref.sha256:
        raise _unlike(content)


def _unreadable(content: Content, error: OSError) -> ReleaseError:
    return ReleaseError("an artifact cannot be read", got=error, where=content.path)


def _unlike(content: Content) -> ReleaseError:
    wanted = f"sha256 {content.ref.sha256}, {content.ref.size} bytes"
    if content.offset is not None:
        return ReleaseError(
            "a tar does not hold what the run recorded",
            got="other bytes",
            wanted=wanted,
            where=f"{content.path}, {content.ref.size} bytes at {content.offset} ({content.name})",
        )
    return ReleaseError(
        "an artifact is not what the run recorded",
        got=f"sha256 {sha256_file(content.path)}, {content.path.stat().st_size} bytes",
        wanted=wanted,
        where=content.path,
        fix="`sparkle generate` on this run makes it again",
    )


# --- one artifact of one sample --------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Artifact:
    """An artifact, as the tables of a release place it.

    Attributes:
        id: Its sample.
        kind: What it is.
        shard: The tar that holds it, as a path in the release; its own path where it stands loose.
        offset: Byte offset of its data in the shard.
        size: Bytes of its data.
        sha256: 32 bytes; None where the tables do not know it.
    """

    id: str
    kind: Kind
    shard: str
    offset: int
    size: int
    sha256: bytes | None

    @property
    def path(self) -> str:
        """Its loose path, such as `location/source_video/ID.mp4`."""
        return self.kind.path(self.id)

    @property
    def end(self) -> int:
        """The offset behind its last byte."""
        return self.offset + self.size
