"""All that a release or an index says of a pair: its row, and where each of its files lies."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sparkle.builders.reading.columns import BASE, GROUPS, REST, kind_group, numbers
from sparkle.builders.reading.pairs import open_pairs
from sparkle.schemas.artifact import Artifact
from sparkle.schemas.errors import ReleaseError
from sparkle.schemas.ids import is_id, theme_of
from sparkle.schemas.layout import KINDS

_FEWEST_DIGITS = 8  # of a sha256 that names a source


@dataclass(frozen=True)
class SampleRow:
    """A pair of a release.

    Attributes:
        id: Its id.
        place: Where the release is.
        values: What its row has, by column; the place of its files is in `files`.
        files: Its artifacts, in the order of `KINDS`.
    """

    id: str
    place: str
    values: dict[str, Any]
    files: tuple[Artifact, ...]

    def to_json(self) -> dict[str, Any]:
        """All of it, as JSON values."""
        files = {
            file.kind.name: {
                "file": file.file,
                "offset": file.offset,
                "size": file.size,
                "sha256": file.sha256.hex() if file.sha256 else None,
            }
            for file in self.files
        }
        return {"id": self.id, "place": self.place, "values": self.values, "files": files}


def read_samples(where: str | Path, name: str) -> list[SampleRow]:
    """Return the pairs of a release that a name means, by theme and id.

    Args:
        where: A release, an index, or `owner/name[@revision]` of either on a Hub.
        name: An id, or the first 8 or more digits of a source's sha256.

    Raises:
        ReleaseError: `where` cannot be read, or has no such pair.
    """
    if is_id(name):
        chosen = open_pairs(where, theme_of(name), kinds=(), ids=[name])
    else:
        pairs = open_pairs(where, kinds=())
        sources = pairs.column("source_sha256").cast(pa.string())
        found = pc.fill_null(pc.starts_with(sources, name.lower()), False)
        chosen = pairs.take(np.flatnonzero(numbers(found)) if len(name) >= _FEWEST_DIGITS else [])
    if not len(chosen):
        raise ReleaseError(
            "no pair of the release has this name",
            got=name,
            wanted=f"an id, or at least {_FEWEST_DIGITS} digits of a source's sha256",
            where=where,
        )
    chosen.load([BASE, REST, *map(kind_group, KINDS)])
    there = {kind: numbers(chosen.column(f"{kind.name}_shard").is_valid()) for kind in KINDS}
    columns = {column: chosen.column(column).to_pylist() for column in (*GROUPS[BASE], *GROUPS[REST])}
    return [
        SampleRow(
            chosen.ids[row],
            chosen.where,
            {column: values[row] for column, values in columns.items()},
            tuple(chosen.artifact(row, kind) for kind in KINDS if there[kind][row]),
        )
        for row in range(len(chosen))
    ]
