"""The bytes of an artifact, from its own file or from a tar that holds it, compared with what was recorded.

What is read is hashed on the way: whoever reads to the end without an error has read the recorded bytes.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from sparkle.schemas.artifact import Artifact
from sparkle.schemas.canonical import sha256_file
from sparkle.schemas.errors import ReleaseError


def read_blocks(artifact: Artifact, space: Callable[[], memoryview]) -> Iterator[memoryview]:
    """Yield an artifact's data in blocks.

    Args:
        artifact: What to read; its `file` is one of this machine.
        space: Gives room for the next block, never empty; asked again after each block.

    Raises:
        ReleaseError: it cannot be read or is not what was recorded; that may come after the last block.
    """
    digest, left, position = hashlib.sha256(), artifact.size, artifact.offset
    try:
        descriptor = os.open(artifact.file, os.O_RDONLY)
    except OSError as error:
        raise _unreadable(artifact, error) from None
    try:
        if not artifact.offset and os.fstat(descriptor).st_size != left:
            raise _unlike(artifact)
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
        raise _unreadable(artifact, error) from None
    finally:
        os.close(descriptor)
    if left or digest.digest() != artifact.sha256:
        raise _unlike(artifact)


def _unreadable(artifact: Artifact, error: OSError) -> ReleaseError:
    return ReleaseError("an artifact cannot be read", got=error, where=artifact.file)


def _unlike(artifact: Artifact) -> ReleaseError:
    wanted = f"sha256 {artifact.hex}, {artifact.size} bytes"
    if artifact.offset:
        return ReleaseError(
            "a tar does not hold what the run recorded",
            got="other bytes",
            wanted=wanted,
            where=f"{artifact.file}, {artifact.size} bytes at {artifact.offset} ({artifact.member})",
        )
    path = Path(artifact.file)
    return ReleaseError(
        "an artifact is not what the run recorded",
        got=f"sha256 {sha256_file(path)}, {path.stat().st_size} bytes",
        wanted=wanted,
        where=path,
        fix="`sparkle generate` on this run makes it again",
    )
