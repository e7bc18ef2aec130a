"""A release without some of its samples, as what a release is made of.

How it works
- `leaving` finds the rows that leave in the tables, which also say where their artifacts lie: tars are not
  opened for the plan.
- What is written is what a build of the samples that stay would write, with the same previous release:
  tables, text, tars, loose files and previews alike. Only the pages say that something was removed.
- Of each tar that holds a removed sample the members that stay are read by range, neighbours in one, and the
  result is read through: it is there only when it is, byte for byte, the tar that a build would write. What
  is removed is not transferred again, nor is a tar that loses nothing.
- The first samples of a theme also have loose files: when one of them is removed, the next ones move up.
- Paired shards keep their numbers and are not refilled, where a build would fill them afresh.
- Tars of an import are as somebody else wrote them: each is fetched whole and cut by the names of its members
  (`cuts`). The report of the import names further tars that hold more of a sample than the tables say; lines
  of it that name the sample leave.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from sparkle._files import atomic_path
from sparkle._progress import Advance
from sparkle.builders.building.origin import Piece
from sparkle.builders.building.pack import ShardPlan
from sparkle.builders.building.previous import next_numbers
from sparkle.builders.building.provenance import ReleaseOptions
from sparkle.builders.cards.plots import PLOTS
from sparkle.builders.reading.place import Place, fetch_listed, read_entries
from sparkle.builders.release.assign import BLOCK, END_BYTES, data_offsets, member_bytes, tar_bytes
from sparkle.builders.release.formats import jsonl_files
from sparkle.builders.release.manifest import FileEntry
from sparkle.builders.release.removed import add_section, read_provenance
from sparkle.builders.release.tar import Shard, check_tar
from sparkle.builders.takedown.cuts import (
    cut_csv,
    cut_foreign,
    cut_lines,
    cut_paired,
    cut_records,
    names_sample,
    paired_with,
    read_previews,
    read_ranges,
)
from sparkle.builders.takedown.leaving import find_leaving, is_in
from sparkle.schemas import layout
from sparkle.schemas.artifact import Artifact
from sparkle.schemas.canonical import dump_document
from sparkle.schemas.errors import ReleaseError
from sparkle.schemas.layout import KINDS, Kind
from sparkle.schemas.records import ArtifactRef
from sparkle.schemas.validate import check


@dataclass(frozen=True)
class TakedownCost:
    """What a takedown reads and writes, counted before it does.

    Attributes:
        samples: Pairs that leave, by theme.
        rewritten: Tars that are written again.
        deleted: Tars that disappear.
        text: Text files and tables that are written again.
        moving: Loose files of samples that move up.
        loose: Loose files that leave.
        read: Bytes that are read of the release besides what was read for the plan.
        write: Bytes that are written, from above.
    """

    samples: dict[str, int]
    rewritten: int
    deleted: int
    text: int
    moving: int
    loose: int
    read: int
    write: int

    def lines(self) -> list[str]:
        """Return it for people."""
        pairs = ", ".join(f"{count:,} of {theme}" for theme, count in self.samples.items())
        return [
            f"to take down: {sum(self.samples.values()):,} pairs ({pairs})",
            f"tars: {self.rewritten:,} to write again, {self.deleted:,} to delete; the others stay",
            f"tables and text: {self.text:,} files to write again",
            f"loose files: {self.loose:,} to delete, {self.moving:,} to add of samples that move up",
        ]


class ReleaseOrigin:
    """A release without some of its samples, as an `Origin`.

    Args:
        place: The release.
        ids: Ids to remove.
        sources: Sources of which every sample is removed, as the release's tables have them.

    Attributes:
        ids: Every id that leaves; none where everything was removed before.
        sources: The sources that were asked for, sorted.
        done: Ids and sources that were asked for and were removed before.
        shared: Ids that stay though they have the source of one that leaves.

    Raises:
        RecordError: an id cannot be one.
        ReleaseError: it is no release, has no such id or source and never had, nothing would be left of it,
            or a table or tar is not as it should be.
    """

    def __init__(self, place: Place, ids: Sequence[str], sources: Sequence[str]) -> None:
        self.place = place
        self.before = read_entries(place)
        self.provenance = read_provenance(place.fetch(layout.PROVENANCE))
        found = find_leaving(place, self.before, self.provenance.removed, ids, sources)
        self.sources, self.done, self.shared = found.sources, found.done, found.shared
        self.options = ReleaseOptions(
            preview=self.provenance.preview, plots=self.provenance.document["options"].get("plots")
        )
        self._losing = [
            ReleaseTheme(self, theme, found.rows[theme], gone)
            for theme, gone in found.gone.items()
            if pc.any(gone).as_py()
        ]
        self.ids = tuple(sample_id for theme in self._losing for sample_id in theme.gone)
        self._gone = frozenset(self.ids)

    @cached_property
    def kept(self) -> dict[str, FileEntry]:
        """The files that stay as they are."""
        pages = {layout.CARD, layout.CROISSANT, layout.PROVENANCE, layout.CHANGELOG, layout.IMPORT_REPORT}
        if self.options.plots:
            pages.update(map(layout.plot, PLOTS), (layout.strip(theme.name) for theme in self.themes()))
        changed = pages.union(*(theme.changed for theme in self._losing))
        empty = {theme.name for theme in self._losing if not theme.count}
        return {
            path: entry
            for path, entry in self.before.items()
            if path not in changed
            and not names_sample(path, self._gone)
            and layout.parse(path).theme not in empty
        }

    def fetch(self, path: str) -> Path:
        """Return a file of the release on this machine."""
        return self.place.fetch(path)

    def shards(self) -> list[ShardPlan]:
        """Return the tars that lose some of their members."""
        return [cut for theme in self._losing for cut in theme.cuts if cut.ids]

    def paired(self) -> list[ShardPlan]:
        """Return none: what stays of a paired shard is among a theme's text."""
        return []

    def themes(self) -> Iterator[ReleaseTheme]:
        """Yield the themes that lose samples and have some left."""
        return (theme for theme in self._losing if theme.count)

    def read(self, artifact: Artifact) -> Iterator[bytes]:
        """Yield an artifact's data out of its tar."""
        digest = hashlib.sha256()
        for block in self.place.read(artifact.file, artifact.offset, artifact.size):
            digest.update(block)
            yield block
        if digest.digest() != artifact.sha256:
            raise ReleaseError(
                "a tar does not hold what the tables say",
                got=f"sha256 {digest.hexdigest()}",
                wanted=f"sha256 {artifact.hex}, {artifact.size} bytes",
                where=f"{artifact.file} {artifact.member}",
            )

    def pages(self) -> Iterator[tuple[str, bytes]]:
        """Yield the provenance, the report of an import, and the changelog."""
        recorded = self.provenance.document
        document = dict(recorded) | {"next_parts": next_numbers(self.before, recorded.get("next_parts", {}))}
        if self.provenance.imported:
            lines = [line for line, named in self.report(self._gone) if not named]
            yield layout.IMPORT_REPORT, b"".join(lines)
            counts = Counter(json.loads(line)["problem"] for line in lines)
            problems = dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
            document["imported"] = {**document["imported"], "findings": problems}
        document = self.provenance.removed.with_more(self.ids, self.sources).record(document)
        check("provenance", document, where=layout.PROVENANCE)
        yield layout.PROVENANCE, dump_document(document)
        changelog = self.before.get(layout.CHANGELOG)
        before = None if changelog is None else fetch_listed(self.place, changelog).read_bytes()
        yield layout.CHANGELOG, add_section(before, self.counts)

    @property
    def counts(self) -> dict[str, int]:
        """How many samples leave, by theme."""
        return {theme.name: len(theme.gone) for theme in self._losing}

    def report(self, ids: frozenset[str]) -> Iterator[tuple[bytes, bool]]:
        """Yield each line of the report of an import, and whether it names one of some samples."""
        names = [sample_id.encode() for sample_id in ids]
        with fetch_listed(self.place, self.before[layout.IMPORT_REPORT]).open("rb") as lines:
            for line in lines:
                yield line, any(name in line for name in names)

    def cost(self) -> TakedownCost:
        """Count what it takes."""
        cuts = [cut for theme in self._losing for cut in theme.cuts]
        tars = [path for theme in self.themes() for path in (*theme.foreign, *theme.paired)]
        text = [path for theme in self.themes() for path, _ in theme.files()]
        tables = [path for theme in self.themes() for path in theme.tables]
        moving = [artifact.size for theme in self._losing for artifact in theme.loose()]
        read = sum(cut.size for cut in cuts if cut.ids) + sum(moving)
        read += sum(self.before[path].size for path in (*tars, *text))
        return TakedownCost(
            samples=self.counts,
            rewritten=sum(bool(cut.ids) for cut in cuts) + len(tars),
            deleted=sum(not cut.ids for cut in cuts),
            text=len(text) + len(tables),
            moving=len(moving),
            loose=sum(names_sample(path, self._gone) for path in self.before),
            read=read,
            write=read + sum(self.before[path].size for path in tables),
        )


class ReleaseTheme:
    """A theme that loses samples, as an `OriginTheme`.

    Args:
        origin: The release.
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

    def __init__(self, origin: ReleaseOrigin, name: str, table: pa.Table, leaving: pa.ChunkedArray) -> None:
        self.name = name
        self.packed = not origin.provenance.imported
        self.gone: tuple[str, ...] = tuple(table["task"].filter(leaving).to_pylist())
        self._place, self._before, self._ids = origin.place, origin.before, frozenset(self.gone)
        self._stay = table.filter(pc.invert(leaving))
        self.count: int = self._stay.num_rows
        self.tables = layout.tables_of(name, self._before)
        self.cuts: list[Cut] = []
        self.foreign: list[str] = []
        self.paired: Sequence[str] = []
        # Path of a tar that is cut -> where the data of each of its samples begins now.
        self._offsets: dict[str, dict[str, int]] = {}
        named = {
            kind: set(table[f"{kind.name}_shard"].filter(leaving).drop_null().to_pylist()) for kind in KINDS
        }
        if origin.provenance.imported:
            reported = (json.loads(line)["file"] for line, named in origin.report(self._ids) if named)
            paths = {path for path in reported if path in self._before}.union(*named.values())
            self.foreign = sorted(
                path for path in paths if path.endswith(".tar") and layout.parse(path).theme == name
            )
        else:
            self.cuts = [self._cut(table, kind, path) for kind in KINDS for path in sorted(named[kind])]
            self._offsets = {
                cut.path: {artifact.id: artifact.offset for artifact in cut.members(cut.path)}
                for cut in self.cuts
            }
            self.paired = paired_with(self._place, name, self._before, self.gone)
        first = slice(0, origin.options.preview)
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


@dataclass(frozen=True, kw_only=True)
class Cut(ShardPlan):
    """A tar that loses members; its sources are where those that stay lie in it now.

    Attributes:
        place: The release.
    """

    place: Place

    def make(self, target: Path, advance: Advance, *, threads: int) -> Shard:
        """Copy what stays, one range after the other, then read the result through."""
        with atomic_path(target) as temporary:
            with temporary.open("wb") as file:
                for start, end in self._ranges():
                    file.writelines(self.place.read(self.path, start, end - start))
                file.write(bytes(END_BYTES))
            shard = check_tar(temporary, self.sources(), advance)
            if shard is None:
                raise ReleaseError(
                    "a tar does not hold what the tables say, so it cannot be cut",
                    wanted=f"{len(self.ids)} members with the names, sizes and hashes of their rows",
                    where=self.path,
                    fix="`sparkle validate` says what is wrong with the release",
                )
        return shard

    def _ranges(self) -> list[tuple[int, int]]:
        """Return the byte ranges (start, end) that stay, with headers and padding, in order."""
        ranges: list[tuple[int, int]] = []
        for _, artifact in self.sources():
            start = artifact.offset - BLOCK
            end = start + member_bytes(artifact.size)
            if ranges and ranges[-1][1] == start:
                ranges[-1] = (ranges[-1][0], end)
            else:
                ranges.append((start, end))
        return ranges
