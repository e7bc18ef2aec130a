"""A tar of an imported release, read in a worker in one pass as `check_members` reads those that we wrote.

An import keeps upstream's tars as they are, so headers of any kind are fine; what is in them is compared with
the tables in the same way.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sparkle.builders.census import keys_of
from sparkle.builders.check_members import Members
from sparkle.builders.check_shapes import Shape
from sparkle.builders.upstream_files import LocalFiles, UpstreamTar
from sparkle.builders.upstream_unit import Found, list_tar, read_unit
from sparkle.schemas.ids import parse_id
from sparkle.schemas.layout import KIND_BY_NAME


@dataclass(frozen=True)
class UpstreamTarJob:
    """Reads a tar of an imported release.

    Attributes:
        folder: The release.
        file: The tar's path from it.
        theme: The theme of its members.
        kind: The kind of its members.
        contents: Whether to read their data.
    """

    folder: Path
    file: str
    theme: str
    kind: str
    contents: bool

    def __call__(self) -> Members:
        """Read it."""
        tar = UpstreamTar(self.file, self.theme, KIND_BY_NAME[self.kind], part=0)
        if self.contents:
            indexed = read_unit(LocalFiles(self.folder), tar, lambda size: None)
        else:
            indexed = list_tar(self.folder, tar)
        found, count = indexed.found, len(indexed.found)
        indices = [parse_id(one.id)[1] for one in found]
        hashes = b"".join(bytes.fromhex(one.sha256) or bytes(32) for one in found)
        return Members(
            tars=(self.file,),
            tar=np.zeros(count, np.int64),
            keys=keys_of(np.array(indices, np.int64)),
            offsets=np.array([one.offset for one in found], np.int64),
            sizes=np.array([one.size for one in found], np.int64),
            hashes=np.frombuffer(hashes, np.uint8).reshape(count, 32),
            shapes=np.array([_shape(one) for one in found], np.float64).reshape(count, len(Shape._fields)),
            findings=indexed.findings,
        )


def _shape(found: Found) -> Shape:
    if found.shape is None:
        return Shape()
    frames, height, width = found.shape
    return Shape(frames, width, height)
