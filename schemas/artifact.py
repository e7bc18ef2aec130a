"""Where the bytes of one file of one sample lie.

It stands with the contract because runs and releases both speak of it, and know nothing of each other.
"""

from __future__ import annotations

from dataclasses import dataclass

from sparkle.schemas.layout import Kind


@dataclass(frozen=True, slots=True)
class Artifact:
    """Where the bytes of one file of one sample lie.

    Attributes:
        id: The sample.
        kind: Which of its files.
        file: A path within a place: a tar, or the file itself. Of one that is about to be packed, a file of
            this machine.
        offset: Byte offset of the data in `file`; 0 for a file of its own, never in a tar.
        size: Bytes.
        sha256: 32 bytes; None where it is not known.
    """

    id: str
    kind: Kind
    file: str
    offset: int
    size: int
    sha256: bytes | None

    @property
    def path(self) -> str:
        """Its loose path, such as `location/source_video/ID.mp4`."""
        return self.kind.path(self.id)

    @property
    def member(self) -> str:
        """Its name in a tar."""
        return self.kind.member(self.id)

    @property
    def end(self) -> int:
        """The offset behind its last byte."""
        return self.offset + self.size

    @property
    def hex(self) -> str:
        """Its sha256 as hexadecimal digits; empty where it is not known."""
        return "" if self.sha256 is None else self.sha256.hex()
