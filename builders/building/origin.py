"""What a release is made of: the one question that `writer` asks, whoever answers.

Three answer: finished runs (`from_runs`), a folder in upstream's layout (`upstream.origin`), and a release of
which samples are removed (`takedown.origin`). Each says which files stay as they are, which tars there are to
write, and theme by theme what text and rows it has. A theme of which everything stays is not among its
themes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol, TypeAlias

import pyarrow as pa

from sparkle.builders.building.pack import ShardPlan
from sparkle.builders.building.provenance import ReleaseOptions
from sparkle.builders.release.manifest import FileEntry
from sparkle.schemas.artifact import Artifact

# A path of a release, and what comes next in that file: bytes, or rows of a table of records.
Piece: TypeAlias = tuple[str, bytes | pa.Table]


class OriginTheme(Protocol):
    """What is written of a theme."""

    @property
    def name(self) -> str:
        """The theme."""
        ...

    @property
    def count(self) -> int:
        """How many samples it has."""
        ...

    @property
    def packed(self) -> bool:
        """Whether the columns of its tables are encoded as a build encodes them."""
        ...

    def loose(self) -> Sequence[Artifact]:
        """Return what is to be written as files of their own."""
        ...

    def text(self) -> Iterator[Piece]:
        """Yield csv, JSON lines and records, as far as they do not stay; files may alternate."""
        ...

    def rows(self, start: int, end: int) -> pa.Table:
        """Return rows without previews, sorted by id; asked for once the text is written."""
        ...

    def previews(self) -> Mapping[str, bytes]:
        """Return the previews that exist, by id."""
        ...


class Origin(Protocol):
    """What a release is made of."""

    @property
    def options(self) -> ReleaseOptions:
        """How many first samples are shown, and whether the card has pictures."""
        ...

    @property
    def before(self) -> Mapping[str, FileEntry]:
        """The files of the release that is replaced, by path."""
        ...

    @property
    def kept(self) -> Mapping[str, FileEntry]:
        """The files that stay as they are, by path."""
        ...

    @property
    def words(self) -> str:
        """What goes into the publisher's room of the card."""
        ...

    def fetch(self, path: str) -> Path:
        """Return where a file that stays is on this machine."""
        ...

    def shards(self) -> Sequence[ShardPlan]:
        """Return the tars of a kind to write."""
        ...

    def paired(self) -> Sequence[ShardPlan]:
        """Return the paired shards to write, once the other tars are finished."""
        ...

    def themes(self) -> Iterator[OriginTheme]:
        """Yield what there is to write of each theme, in the order of `THEMES`."""
        ...

    def read(self, artifact: Artifact) -> Iterable[bytes | memoryview]:
        """Yield an artifact's data, compared with its hash; a block is valid until the next one."""
        ...

    def pages(self) -> Iterator[tuple[str, bytes]]:
        """Yield path and content of provenance, report and changelog; asked for after the themes."""
        ...
