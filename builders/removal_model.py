"""What leaves a release, in the terms of its tables and tars."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from sparkle.builders.assign import END_BYTES, data_offsets
from sparkle.builders.manifest import FileEntry
from sparkle.builders.removal import Removed
from sparkle.schemas.layout import Kind
from sparkle.schemas.records import ArtifactRef


@dataclass(frozen=True)
class Held:
    """An artifact in a release: its sample and kind, what it is, the tar that holds it and where in it."""

    id: str
    kind: Kind
    ref: ArtifactRef
    shard: str
    offset: int


@dataclass(frozen=True)
class Cut:
    """A tar that loses members.

    Attributes:
        path: Its path in the release.
        gone: The members that leave.
        left: Those that stay, in their order; none when the tar disappears.
        runs: Byte ranges (start, end) of the tar that stay, in order; the two zero blocks behind are none.
    """

    path: str
    gone: tuple[Held, ...]
    left: tuple[Held, ...]
    runs: tuple[tuple[int, int], ...]

    @property
    def size(self) -> int:
        """Bytes of the tar to be, 0 when it disappears."""
        return sum(end - start for start, end in self.runs) + END_BYTES if self.left else 0

    def offsets(self) -> dict[str, int]:
        """Where the data of each sample that stays begins in the tar to be."""
        sizes = [held.ref.size for held in self.left]
        return {held.id: offset for held, offset in zip(self.left, data_offsets(sizes), strict=True)}


@dataclass(frozen=True)
class ThemeCut:
    """What a theme loses.

    Attributes:
        theme: The theme.
        rows: Its table as it was, without previews, sorted by id.
        stays: bool (rows,), which of them stay.
        ids: The ids that leave, sorted.
        moving: Artifacts of the samples that stand loose from now on.
        cuts: Its tars that lose members.
        foreign: Tars of an import that lose members; those are cut by names.
        paired: Its paired shards that lose samples.
    """

    theme: str
    rows: pa.Table
    stays: pa.Array
    ids: tuple[str, ...]
    moving: tuple[Held, ...]
    cuts: tuple[Cut, ...]
    foreign: tuple[str, ...]
    paired: tuple[str, ...]

    @property
    def left(self) -> int:
        """How many samples stay."""
        return int(self.rows.num_rows) - len(self.ids)


@dataclass(frozen=True)
class Removal:
    """What a takedown does.

    Attributes:
        entries: The release's files by path, the manifest aside.
        document: Its provenance.
        rows: The table of every theme, without previews.
        themes: What the themes lose that lose anything.
        sources: Sources whose every sample leaves because the source was asked for.
        done: What was asked for and was taken down before: ids and sources.
        shared: Ids that stay though they have the source of one that leaves.
    """

    entries: Mapping[str, FileEntry]
    document: Mapping[str, Any]
    rows: Mapping[str, pa.Table]
    themes: tuple[ThemeCut, ...]
    sources: tuple[str, ...]
    done: tuple[str, ...]
    shared: tuple[str, ...]

    @property
    def ids(self) -> tuple[str, ...]:
        """Every id that leaves."""
        return tuple(sample_id for found in self.themes for sample_id in found.ids)

    @property
    def removed(self) -> Removed:
        """Everything that was taken down once this is done."""
        return Removed.of(self.document).with_more(self.ids, self.sources)
