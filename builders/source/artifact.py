"""One artifact of one sample: which, and where its bytes lie."""

from __future__ import annotations

from dataclasses import dataclass

from sparkle.schemas.layout import Kind


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
