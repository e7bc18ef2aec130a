"""The first samples of a theme as files of their own, which the Hub shows and people open.

They are hard links to the run's files where the file system allows it, and copies elsewhere or where the run
holds an artifact in a tar; compared with the recorded hash in every case.
"""

from __future__ import annotations

import os
from pathlib import Path

from sparkle.builders.content import Content, read_blocks
from sparkle.builders.manifest import FileEntry
from sparkle.builders.sample import Sample
from sparkle.schemas.fsio import atomic_path
from sparkle.schemas.layout import KINDS

_BLOCK_BYTES = 1 << 20


def write_loose(folder: Path, sample: Sample) -> list[FileEntry]:
    """Put a sample's artifacts below a release's folder; returns the files.

    Raises:
        ReleaseError: an artifact cannot be read or is not what was recorded.
    """
    entries = []
    for kind in KINDS:
        content, path = sample.content(kind), kind.path(sample.id)
        _put(content, folder / path)
        entries.append(FileEntry(path, content.ref.size, content.ref.sha256))
    return entries


def _put(content: Content, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    buffer = memoryview(bytearray(_BLOCK_BYTES))
    if content.offset is None and _link(content.path.resolve(), target):
        for _ in read_blocks(content, lambda: buffer):
            pass
        return
    with atomic_path(target) as temporary, temporary.open("wb") as file:
        file.writelines(read_blocks(content, lambda: buffer))


def _link(source: Path, target: Path) -> bool:
    try:
        os.link(source, target)
    except OSError:  # another device, no links there, or too many of them
        return False
    return True
