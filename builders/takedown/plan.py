"""What leaves a release, in the terms of its tables and tars.

What a takedown changes in a release, before anything is written.

How it works
- The tables say which rows a source or an id has, and where their artifacts lie. All of it is read from
  there: tars are not opened.
- Of each tar that holds such an artifact a `Cut` says which byte ranges stay. Ranges that stay are the only
  ones that are read: what is taken down is not transferred again.
- The first samples of a theme stand loose; when one of them goes, the next ones move up.
- What a takedown asks for and is not there stops it. What was taken down before is left alone.

What a removal reads and writes, counted before anything is.

What is different where a release was imported: its tars are as somebody else wrote them.

- Such a tar is cut by the names of its members, whatever its headers look like: what belongs to a sample that
  leaves goes with the headers before it, everything else stays byte for byte. So a second member of the same
  name, of which no table speaks, goes too. The tar is fetched whole for that.
- The report of the import names tars that hold more of a sample than the tables say; lines of it that name
  the sample leave.

Paired shards without some samples.

- Paired shards (`webdataset`) are another copy of some artifacts; no table says which shard has which sample.
  Shards are in the order of ids: the first header of some of them tells where to look.
- A shard that loses samples is read once, front to back, and compared with the manifest on the way. It keeps
  its number, and no other shard is refilled: a build would fill them afresh.
"""

from __future__ import annotations

import hashlib
import json
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sparkle._files import BLOCK_BYTES, atomic_path
from sparkle.builders.reading.place import Place, fetch_listed, read_entries
from sparkle.builders.release.any_tar import TarEntry, TarStream
from sparkle.builders.release.assign import BLOCK, END_BYTES, data_offsets, member_bytes
from sparkle.builders.release.manifest import FileEntry
from sparkle.builders.release.removed import (
    Provenance,
    Removed,
    id_mark,
    read_provenance,
    source_mark,
)
from sparkle.builders.release.tables import pairs_schema, read_columns
from sparkle.builders.release.tar import parse_header
from sparkle.schemas import layout
from sparkle.schemas.artifact import Artifact
from sparkle.schemas.errors import ReleaseError
from sparkle.schemas.ids import THEMES, parse_id, theme_of
from sparkle.schemas.layout import KINDS, Kind


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
    gone: tuple[Artifact, ...]
    left: tuple[Artifact, ...]
    runs: tuple[tuple[int, int], ...]

    @property
    def size(self) -> int:
        """Bytes of the tar to be, 0 when it disappears."""
        return sum(end - start for start, end in self.runs) + END_BYTES if self.left else 0

    def offsets(self) -> dict[str, int]:
        """Where the data of each sample that stays begins in the tar to be."""
        sizes = [held.size for held in self.left]
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
    moving: tuple[Artifact, ...]
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
        provenance: Its provenance.
        rows: The table of every theme, without previews.
        themes: What the themes lose that lose anything.
        sources: Sources whose every sample leaves because the source was asked for.
        done: What was asked for and was taken down before: ids and sources.
        shared: Ids that stay though they have the source of one that leaves.
    """

    entries: Mapping[str, FileEntry]
    provenance: Provenance
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
        return self.provenance.removed.with_more(self.ids, self.sources)


# --- what a takedown changes in a release ----------------------------------------------------------


_SHOWN = 3  # ids in a message


def plan_removal(place: Place, ids: Sequence[str], sources: Sequence[str]) -> Removal:
    """Find out what leaves a release.

    Args:
        place: The release.
        ids: Ids to take down.
        sources: Sources of which every sample is taken down, as the tables have them: a sha256 each.

    Raises:
        ReleaseError: it is no release, a table cannot be read, it has no such id or source and never had, or
            nothing would be left of it.
    """
    entries = read_entries(place)
    provenance = read_provenance(place.fetch(layout.PROVENANCE))
    rows = {theme: found for theme in THEMES if (found := _read_rows(place, theme, entries)) is not None}
    wanted_ids, wanted_sources = sorted(set(ids)), sorted({source.lower() for source in sources})
    done = _refuse_unknown(rows, provenance.removed, wanted_ids, wanted_sources)
    leaving = {
        theme: pc.or_(_is_in(table["task"], wanted_ids), _is_in(table["source_sha256"], wanted_sources))
        for theme, table in rows.items()
    }
    themes = tuple(
        _cut_theme(place, theme, rows[theme], gone, provenance, entries)
        for theme, gone in leaving.items()
        if pc.any(gone).as_py()
    )
    if themes and sum(found.left for found in themes) == 0 and len(themes) == len(rows):
        raise ReleaseError(
            "nothing would be left of the release",
            got=f"{sum(len(found.ids) for found in themes):,} pairs, which are all that it has",
            fix="delete the release as a whole",
        )
    return Removal(entries, provenance, rows, themes, tuple(wanted_sources), done, _shared(rows, leaving))


def _read_rows(place: Place, theme: str, entries: Mapping[str, FileEntry]) -> pa.Table | None:
    paths = layout.tables_of(theme, entries)
    if not paths:
        return None
    schema = pairs_schema()
    columns = [name for name in schema.names if name != "preview"]
    tables = [read_columns(fetch_listed(place, entries[path]), columns, path) for path in paths]
    table = pa.concat_tables(tables).replace_schema_metadata(None).combine_chunks()
    found = table["task"].to_pylist()
    if table.schema != pa.schema([schema.field(name) for name in columns]) or found != sorted(set(found)):
        raise ReleaseError(
            "a table of the release is not as it should be",
            wanted="the columns of this version, each id once, sorted",
            where=layout.data_folder(theme),
            fix="`sparkle validate` says what is wrong with the release",
        )
    return table


def _is_in(column: pa.ChunkedArray, values: Sequence[str]) -> pa.ChunkedArray:
    return pc.is_in(column, pa.array(values, pa.string()), skip_nulls=True)


def _refuse_unknown(
    rows: Mapping[str, pa.Table], removed: Removed, ids: Sequence[str], sources: Sequence[str]
) -> tuple[str, ...]:
    """What was taken down before; raises ReleaseError for what the release does not have and never had."""
    done = []
    for column, wanted, name, mark, marks in (
        ("task", ids, "id", id_mark, removed.ids),
        ("source_sha256", sources, "source", source_mark, removed.sources),
    ):
        known = {value for table in rows.values() for value in pc.unique(table[column]).to_pylist()}
        missing = [value for value in wanted if value not in known]
        strange = [value for value in missing if mark(value) not in marks]
        if strange:
            more = f" ... ({len(strange)} in all)" if len(strange) > _SHOWN else ""
            raise ReleaseError(
                f"the release has no such {name}, and nothing of it was taken down before",
                got=", ".join(strange[:_SHOWN]) + more,
                wanted=_wanted(name, known),
                fix="nothing was changed; check what was asked for",
            )
        done += missing
    return tuple(done)


def _wanted(name: str, known: set[str | None]) -> str:
    if name == "source" and known <= {None}:
        return "an id: this release does not record its sources"
    return f"an {name} of its tables" if name == "id" else f"a {name} of its tables, as sha256 of 64 digits"


def _shared(rows: Mapping[str, pa.Table], leaving: Mapping[str, pa.ChunkedArray]) -> tuple[str, ...]:
    sources = {
        source
        for theme, gone in leaving.items()
        for source in rows[theme]["source_sha256"].filter(gone).to_pylist()
        if source is not None
    }
    found = []
    for theme, gone in leaving.items():
        same = pc.and_(_is_in(rows[theme]["source_sha256"], sorted(sources)), pc.invert(gone))
        found += rows[theme]["task"].filter(same).to_pylist()
    return tuple(found)


def _cut_theme(
    place: Place,
    theme: str,
    table: pa.Table,
    gone: pa.ChunkedArray,
    provenance: Provenance,
    entries: Mapping[str, FileEntry],
) -> ThemeCut:
    stays = pc.invert(gone).combine_chunks()
    ids = tuple(table["task"].filter(gone).to_pylist())
    if provenance.imported:
        named = reported_tars(place, entries, set(ids)) | {
            shard for kind in KINDS for shard in table[f"{kind.name}_shard"].filter(gone).to_pylist() if shard
        }
        foreign = tuple(
            sorted(path for path in named if path.endswith(".tar") and layout.parse(path).theme == theme)
        )
        return ThemeCut(theme, table, stays, ids, (), (), foreign, ())
    preview = provenance.preview
    before = table["task"].slice(0, preview).to_pylist()
    after = table["task"].filter(stays).slice(0, preview).to_pylist()
    moving = sorted(set(after) - set(before))
    cuts: list[Cut] = []
    moved: list[Artifact] = []
    for kind in KINDS:
        shards = table[f"{kind.name}_shard"]
        for shard in sorted(set(shards.filter(gone).to_pylist())):
            cuts.append(_cut(shard, _held(table, kind, pc.equal(shards, shard)), set(ids), entries))
        moved += _held(table, kind, _is_in(table["task"], moving))
    paired = tuple(shards_with(place, theme, entries, ids))
    return ThemeCut(theme, table, stays, ids, tuple(moved), tuple(cuts), (), paired)


def _held(table: pa.Table, kind: Kind, rows: pa.ChunkedArray) -> list[Artifact]:
    """The artifacts of a kind that some rows name."""
    columns = ("task", *(f"{kind.name}_{name}" for name in ("shard", "offset", "size", "sha256")))
    values = table.select(columns).filter(rows).to_pydict()
    return [Artifact(sample_id, kind, *where) for sample_id, *where in zip(*values.values(), strict=True)]


def _cut(shard: str, members: Sequence[Artifact], gone: set[str], entries: Mapping[str, FileEntry]) -> Cut:
    members = sorted(members, key=lambda held: held.offset)
    offsets = list(data_offsets([held.size for held in members]))
    end = sum(member_bytes(held.size) for held in members) + END_BYTES
    if [held.offset for held in members] != offsets or shard not in entries or entries[shard].size != end:
        raise ReleaseError(
            "a tar is not as its table says, so it cannot be cut",
            got=f"{entries[shard].size if shard in entries else 'no'} bytes in the manifest",
            wanted=f"{end} bytes: {len(members)} members one behind the other",
            where=shard,
            fix="`sparkle validate` says what is wrong with the release",
        )
    kept = np.array([held.id not in gone for held in members], bool)
    runs: list[tuple[int, int]] = []
    for held in (members[index] for index in np.flatnonzero(kept)):
        start = held.offset - BLOCK
        stop = start + member_bytes(held.size)
        if runs and runs[-1][1] == start:
            runs[-1] = (runs[-1][0], stop)
        else:
            runs.append((start, stop))
    left = tuple(held for held in members if held.id not in gone)
    return Cut(shard, tuple(held for held in members if held.id in gone), left, tuple(runs))


def check_asked(ids: Sequence[str], sources: Sequence[str]) -> None:
    """Raise RecordError or ReleaseError for what can be no id or no sha256."""
    for sample_id in ids:
        parse_id(sample_id)
    for source in sources:
        if len(source) != 64 or not all(digit in "0123456789abcdefABCDEF" for digit in source):
            raise ReleaseError("not the sha256 of a source", got=repr(source), wanted="64 hexadecimal digits")
    if not ids and not sources:
        raise ReleaseError("nothing to take down was named", wanted="an id or a source")


def themes_of(ids: Sequence[str]) -> dict[str, int]:
    """How many of some ids each theme has, in the order of `THEMES`."""
    themes = [theme_of(sample_id) for sample_id in ids]
    return {theme: themes.count(theme) for theme in THEMES if theme in themes}


# --- what a removal reads and writes ---------------------------------------------------------------


@dataclass(frozen=True)
class RemovalCost:
    """What a removal takes.

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
        """What it comes to, for people."""
        pairs = ", ".join(f"{count:,} of {theme}" for theme, count in self.samples.items())
        return [
            f"to take down: {sum(self.samples.values()):,} pairs ({pairs})",
            f"tars: {self.rewritten:,} to write again, {self.deleted:,} to delete; the others stay",
            f"tables and text: {self.text:,} files to write again",
            f"loose files: {self.loose:,} to delete, {self.moving:,} to add of samples that move up",
        ]


def cost_of(removal: Removal) -> RemovalCost:
    """Count what a removal takes."""
    cuts = [cut for theme in removal.themes for cut in theme.cuts]
    moving = sum(held.size for theme in removal.themes for held in theme.moving)
    kept = [theme for theme in removal.themes if theme.left]
    text = [path for theme in kept for path in _text(theme, removal)]
    tables = [path for theme in kept for path in layout.tables_of(theme.theme, removal.entries)]
    paired = [path for theme in kept for path in theme.paired]
    sizes = {path: removal.entries[path].size for path in (*text, *tables, *paired)}
    foreign = [path for theme in kept for path in theme.foreign]
    tars = sum(cut.size for cut in cuts) + sum(removal.entries[path].size for path in foreign)
    whole = sum(sizes[path] for path in (*text, *paired))
    gone = frozenset(removal.ids)
    return RemovalCost(
        samples={theme.theme: len(theme.ids) for theme in removal.themes},
        rewritten=sum(bool(cut.left) for cut in cuts) + len(foreign) + len(paired),
        deleted=sum(not cut.left for cut in cuts),
        text=len(text) + len(tables),
        moving=sum(len(theme.moving) for theme in removal.themes),
        loose=sum(names_sample(path, gone) for path in removal.entries),
        read=tars + whole + moving,
        write=tars + whole + moving + sum(sizes[path] for path in tables),
    )


def _text(theme: ThemeCut, removal: Removal) -> list[str]:
    """Text and records of a theme."""
    names = (*layout.text_files(theme.theme), layout.records_parquet(theme.theme))
    return [path for path in names if path in removal.entries]


# --- what is different where a release was imported ------------------------------------------------


def names_sample(path: str, ids: Set[str]) -> bool:
    """Whether a file or member is called after one of some samples."""
    return PurePosixPath(path).name.partition(".")[0] in ids


def reported_tars(place: Place, entries: Mapping[str, FileEntry], ids: Set[str]) -> set[str]:
    """Tars that the report of an import names together with one of some samples."""
    found = (json.loads(line)["file"] for line, named in _report(place, entries, ids) if named)
    return {path for path in found if path.endswith(".tar") and path in entries}


def cut_report(place: Place, entries: Mapping[str, FileEntry], ids: Set[str]) -> tuple[bytes, dict[str, int]]:
    """The report of an import without some samples, and how often it has each problem, commonest first."""
    lines = [line for line, named in _report(place, entries, ids) if not named]
    counts = Counter(json.loads(line)["problem"] for line in lines)
    return b"".join(lines), dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _report(place: Place, entries: Mapping[str, FileEntry], ids: Set[str]) -> Iterator[tuple[bytes, bool]]:
    """Yield each line of the report, and whether it names one of some samples."""
    names = [sample_id.encode() for sample_id in ids]
    with fetch_listed(place, entries[layout.IMPORT_REPORT]).open("rb") as lines:
        for line in lines:
            yield line, any(name in line for name in names)


def cut_foreign(place: Place, entry: FileEntry, ids: Set[str], target: Path) -> dict[str, int]:
    """Write a tar without the members of some samples.

    Returns:
        Where the data of each sample that stays begins now, of its first member; empty, and no file, when
        none is left.

    Raises:
        ReleaseError: the tar is not the one that the manifest lists, or goes wrong on the way.
    """
    source = fetch_listed(place, entry)
    with source.open("rb") as file:
        members = list(TarStream(file, seek=True))
    runs, offsets = _plan(members, ids, entry.size)
    if not offsets:
        return {}
    with source.open("rb") as file, atomic_path(target) as temporary, temporary.open("wb") as cut:
        for start, end in runs:
            file.seek(start)
            while start < end and (block := file.read(min(BLOCK_BYTES, end - start))):
                cut.write(block)
                start += len(block)
    return offsets


def _plan(
    members: Sequence[TarEntry], ids: Set[str], size: int
) -> tuple[list[tuple[int, int]], dict[str, int]]:
    """Byte ranges that stay, and where data begins in what is put together of them."""
    runs: list[tuple[int, int]] = []
    offsets: dict[str, int] = {}
    position = gone = 0
    for member in members:
        end = member.offset + member_bytes(member.size) - member_bytes(0)
        if names_sample(member.name, ids):
            gone += end - position
        else:
            runs.append((position, end))
            if member.odd is None:
                offsets.setdefault(PurePosixPath(member.name).name.partition(".")[0], member.offset - gone)
        position = end
    return [*runs, (position, size)], offsets


# --- paired shards without some samples ------------------------------------------------------------


def shards_with(place: Place, theme: str, entries: Mapping[str, FileEntry], ids: Iterable[str]) -> list[str]:
    """The paired shards of a theme in which some samples stand, sorted; none where there are none.

    Raises:
        ReleaseError: a shard does not start with a header as this version writes it.
    """
    located = ((path, layout.parse(path)) for path in entries)
    paths = sorted(path for path, at in located if (at.what, at.theme) == (layout.What.PAIRED, theme))

    @cache
    def first(path: str) -> str:
        return _sample(parse_header(b"".join(place.read(path, 0, BLOCK)), 0, path).name)

    found = {bisect_right(paths, sample_id, key=first) - 1 for sample_id in ids} if paths else set()
    return [paths[index] for index in sorted(found) if index >= 0]


def cut_paired(place: Place, entry: FileEntry, ids: Set[str], target: Path) -> bool:
    """Write what is left of a paired shard, which is read once, front to back.

    Args:
        place: The release.
        entry: The shard.
        ids: The samples that leave.
        target: Where it goes.

    Returns:
        Whether anything is left; where nothing is, no file is written.

    Raises:
        ReleaseError: the shard is not the one that the manifest lists.
    """
    digest, position, left = hashlib.sha256(), 0, False

    def take(count: int) -> Iterator[bytes]:
        """Yield the next `count` bytes, or what is left."""
        while count and (block := stream.read(min(count, BLOCK_BYTES))):
            digest.update(block)
            count -= len(block)
            yield block

    with atomic_path(target) as temporary:
        with temporary.open("wb") as file, place.open(entry.path) as stream:
            while (head := b"".join(take(BLOCK))).strip(b"\0"):
                member = parse_header(head, position, entry.path)
                stays = _sample(member.name) not in ids
                if stays:
                    file.write(head)
                for block in take(member_bytes(member.size) - BLOCK):
                    if stays:
                        file.write(block)
                position += member_bytes(member.size)
                left |= stays
            file.write(bytes(END_BYTES))
            for _ in take(entry.size - position):  # to the end, and a byte more where there is one
                pass
        if digest.hexdigest() != entry.sha256:
            raise ReleaseError(
                "a paired shard is not the one that the manifest lists",
                wanted=f"sha256 {entry.sha256}",
                where=entry.path,
                fix="`sparkle validate` says what is wrong with the release",
            )
    if not left:
        target.unlink()
    return left


def _sample(name: str) -> str:
    return name.partition(".")[0]
