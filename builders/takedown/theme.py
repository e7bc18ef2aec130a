"""A theme of a release without some of its samples.

- The tables say where each artifact lies: tars are not opened for the plan.
- The first samples of a theme also have loose files: when one of them is removed, the next ones move up.
- Paired shards keep their numbers and are not refilled, where a build would fill them afresh.
- Tars of an import are as somebody else wrote them: each is fetched whole. The report of the import names
  further tars that hold more of a sample than the tables say.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from functools import cached_property
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from sparkle.builders.building.origin import Piece
from sparkle.builders.reading.place import Place, fetch_listed
from sparkle.builders.release.assign import data_offsets, tar_bytes
from sparkle.builders.release.formats import jsonl_files
from sparkle.builders.release.manifest import FileEntry
from sparkle.builders.release.removed import Provenance
from sparkle.builders.takedown.cuts import (
    Cut,
    cut_csv,
    cut_foreign,
    cut_lines,
    cut_paired,
    cut_records,
    paired_with,
    read_previews,
    read_ranges,
    read_report,
)
from sparkle.builders.takedown.leaving import is_in
from sparkle.schemas import layout
from sparkle.schemas.artifact import Artifact
from sparkle.schemas.errors import ReleaseError
from sparkle.schemas.layout import KINDS, Kind
from sparkle.schemas.records import ArtifactRef


class ReleaseTheme:
    """A theme that loses samples, as an `OriginTheme`.

    Args:
        place: The release.
        before: Its files by path.
        provenance: Its provenance.
        name: The theme.
        table: Its rows, without previews, sorted by id.
        leaving: bool (rows,), which of them leave.

    Attributes:
        gone: The ids that leave, sorted.
        count: How many samples stay.
        tables: Its tables of pairs as they were.
        cuts: Its tars that lose members; those that disappear have no ids.
        foreign: Its tars of an import that lose members.
        paired: Its paired shards that lose samples.
    """

    def __init__(
        self,
        place: Place,
        before: Mapping[str, FileEntry],
        provenance: Provenance,
        name: str,
        table: pa.Table,
        leaving: pa.ChunkedArray,
    ) -> None:
        self.name = name
        self.packed = not provenance.imported
        self.gone: tuple[str, ...] = tuple(table["task"].filter(leaving).to_pylist())
        self._place, self._before, self._ids = place, before, frozenset(self.gone)
        self._stay = table.filter(pc.invert(leaving))
        self.count: int = self._stay.num_rows
        self.tables = layout.tables_of(name, before)
        self.cuts: list[Cut] = []
        self.foreign: list[str] = []
        self.paired: Sequence[str] = []
        # Path of a tar that is cut -> where the data of each of its samples begins now.
        self._offsets: dict[str, dict[str, int]] = {}
        holding = {
            kind: set(table[f"{kind.name}_shard"].filter(leaving).drop_null().to_pylist()) for kind in KINDS
        }
        if provenance.imported:
            reported = (
                json.loads(line)["file"] for line, named in read_report(place, before, self._ids) if named
            )
            paths = {path for path in reported if path in before}.union(*holding.values())
            self.foreign = sorted(
                path for path in paths if path.endswith(".tar") and layout.parse(path).theme == name
            )
        else:
            self.cuts = [self._cut(table, kind, path) for kind in KINDS for path in sorted(holding[kind])]
            self._offsets = {
                cut.path: {artifact.id: artifact.offset for artifact in cut.members(cut.path)}
                for cut in self.cuts
            }
            self.paired = paired_with(place, name, before, self.gone)
        first = slice(0, provenance.preview)
        moving = set(self._stay["task"].to_pylist()[first]) - set(table["task"].to_pylist()[first])
        self._moving = is_in(self._stay["task"], sorted(moving))

    @property
    def changed(self) -> list[str]:
        """The files that do not stay as they are, besides loose ones and the strip."""
        text = [path for path, _ in self.files()]
        return [*text, *self.tables, *(cut.path for cut in self.cuts), *self.foreign, *self.paired]

    def loose(self) -> list[Artifact]:
        """Return the artifacts of the samples that move up."""
        return [held for kind in KINDS for held in _artifacts(self._stay.filter(self._moving), kind)]

    def files(self) -> Iterator[tuple[str, Callable[[Path, Set[str]], Iterator[bytes | pa.Table]]]]:
        """Yield each file of text, and what takes samples out of it; an import may lack some."""
        for path, cut in (
            (layout.prompts_csv(self.name), cut_csv),
            *((file.path, cut_lines) for file in jsonl_files(self.name)),
            (layout.records_parquet(self.name), cut_records),
        ):
            if path in self._before:
                yield path, cut

    def text(self) -> Iterator[Piece]:
        """Yield what stays of csv, JSON lines and records, of tars of an import, and of paired shards."""
        for path in self.foreign:
            source = fetch_listed(self._place, self._before[path])
            ranges, self._offsets[path] = cut_foreign(source, self._ids)
            for block in read_ranges(source, ranges) if self._offsets[path] else ():
                yield path, block
        for path, cut in self.files():
            for piece in cut(fetch_listed(self._place, self._before[path]), self._ids):
                yield path, piece
        for path in self.paired:
            for block in cut_paired(self._place, self._before[path], self._ids):
                yield path, block

    def rows(self, start: int, end: int) -> pa.Table:
        """Return rows, with the places that their artifacts have once the tars are cut."""
        return self._rows.slice(start, end - start)

    @cached_property
    def _rows(self) -> pa.Table:
        table = self._stay
        ids = table["task"].to_pylist()
        for kind in KINDS:
            shards, name = table[f"{kind.name}_shard"].to_pylist(), f"{kind.name}_offset"
            offsets = [
                self._offsets[shard][sample_id] if shard in self._offsets else offset
                for sample_id, shard, offset in zip(ids, shards, table[name].to_pylist(), strict=True)
            ]
            field = table.schema.field(name)
            table = table.set_column(table.schema.get_field_index(name), field, pa.array(offsets, field.type))
        return table.combine_chunks()

    def previews(self) -> dict[str, bytes]:
        """Return the previews of the tables as they were."""
        return read_previews(map(self._place.fetch, self.tables))

    def _cut(self, table: pa.Table, kind: Kind, path: str) -> Cut:
        held = _artifacts(table.filter(pc.equal(table[f"{kind.name}_shard"], path)), kind)
        held.sort(key=lambda artifact: artifact.offset)
        sizes = [artifact.size for artifact in held]
        found = self._before.get(path)
        if (
            found is None
            or found.size != tar_bytes(sizes)
            or [artifact.offset for artifact in held] != list(data_offsets(sizes))
        ):
            raise ReleaseError(
                "a tar is not as its table says, so it cannot be cut",
                got=f"{'no' if found is None else found.size} bytes in the manifest",
                wanted=f"{tar_bytes(sizes)} bytes: {len(held)} members one behind the other",
                where=path,
                fix="`sparkle validate` says what is wrong with the release",
            )
        left = {artifact.id: artifact for artifact in held if artifact.id not in self._ids}
        return Cut(
            path=path,
            kind=kind,
            ids=tuple(left),
            refs=tuple(ArtifactRef(artifact.hex, artifact.size) for artifact in left.values()),
            source=left.__getitem__,
            place=self._place,
        )


def _artifacts(rows: pa.Table, kind: Kind) -> list[Artifact]:
    """Return the artifacts of a kind that rows name."""
    columns = ("task", *(f"{kind.name}_{name}" for name in ("shard", "offset", "size", "sha256")))
    values = rows.select(columns).to_pydict()
    return [Artifact(sample_id, kind, *where) for sample_id, *where in zip(*values.values(), strict=True)]
