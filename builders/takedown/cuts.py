"""Files without some samples, in pieces: what stays is byte for byte as it was.

- A csv is read by Python's csv module, so that a row of several lines is one row, whoever quoted it; what is
  yielded are the bytes that it was read from.
- A JSON line belongs to the sample that its `id` names. A line that cannot be read leaves when it names one
  of the samples anywhere.
- A table of records is grouped anew, as a build would group it.
- Of a tar that a build wrote the members that stay are read by range, neighbours in one, and the result is
  read through: it is there only when it is, byte for byte, the tar that a build would write.
- A tar of an import is cut by the names of its members, whatever its headers look like: what belongs to a
  sample leaves with the headers before it. So a second member of the same name, of which no table speaks,
  leaves too.
- Paired shards are in the order of ids, and no table says which shard has which sample: the first header of
  some of them tells where to look. A shard is read once, from front to back.
"""

from __future__ import annotations

import codecs
import csv
import hashlib
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from sparkle._files import BLOCK_BYTES, atomic_path
from sparkle._progress import Advance
from sparkle.builders.building.pack import ShardPlan
from sparkle.builders.reading.place import Place, fetch_listed
from sparkle.builders.release.any_tar import TarStream, follow, plain_name
from sparkle.builders.release.assign import BLOCK, END_BYTES, member_bytes
from sparkle.builders.release.formats import CSV_COLUMNS
from sparkle.builders.release.manifest import FileEntry
from sparkle.builders.release.read_tables import TableFile
from sparkle.builders.release.tables import PREVIEW_GROUP, RECORDS_GROUP, RECORDS_SCHEMA
from sparkle.builders.release.tar import Shard, check_tar, parse_header
from sparkle.schemas import layout
from sparkle.schemas.errors import ReleaseError
from sparkle.schemas.layout import What

_ID_COLUMN = CSV_COLUMNS[-1]


def names_sample(path: str, ids: Set[str]) -> bool:
    """Tell whether a file or member is called after one of some samples."""
    return _sample(path) in ids


def _sample(path: str) -> str:
    return PurePosixPath(path).name.partition(".")[0]


# --- text ------------------------------------------------------------------------------------------


class _Line(msgspec.Struct):
    """What is read of a JSON line."""

    id: str


def cut_csv(source: Path, ids: Set[str]) -> Iterator[bytes]:
    """Yield the rows of a table of pairs that stay.

    Raises:
        ReleaseError: it is no csv with a column of ids.
    """
    raw: list[bytes] = []

    def lines() -> Iterator[str]:
        for line in file:
            raw.append(line)
            yield line.removeprefix(codecs.BOM_UTF8).decode()

    with source.open("rb") as file:
        column = None
        try:
            for fields in csv.reader(lines()):
                if column is None:
                    column = fields.index(_ID_COLUMN)
                if column >= len(fields) or fields[column] not in ids:
                    yield b"".join(raw)
                raw.clear()
        except (csv.Error, ValueError) as error:
            raise ReleaseError(
                "a table of pairs cannot be read, so nothing can be taken out of it",
                got=error,
                where=source,
                fix="`sparkle validate` says what is wrong with the release",
            ) from None


def cut_lines(source: Path, ids: Set[str]) -> Iterator[bytes]:
    """Yield the JSON lines of a file that stay, at least nothing."""
    names = tuple(sample_id.encode() for sample_id in sorted(ids))
    read = msgspec.json.Decoder(_Line).decode

    def stays(line: bytes) -> bool:
        try:
            return read(line.removeprefix(codecs.BOM_UTF8)).id not in ids
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return not any(name in line for name in names)

    yield b""  # a file of which no line stays is there, and empty
    with source.open("rb") as lines:
        yield from filter(stays, lines)


def cut_records(source: Path, ids: Set[str]) -> Iterator[pa.Table]:
    """Yield the rows of a table of records that stay, in full groups.

    Raises:
        ReleaseError: it is no such table.
    """
    file = TableFile(source)
    if file.schema.remove_metadata() != RECORDS_SCHEMA:
        raise ReleaseError("not the columns of a table of records", where=source)
    gone = pa.array(sorted(ids), pa.string())
    held = RECORDS_SCHEMA.empty_table()
    for batch in file.batches(RECORDS_GROUP):
        rows = pa.Table.from_batches([batch])
        held = pa.concat_tables([held, rows.filter(pc.invert(pc.is_in(rows["task"], gone)))])
        while held.num_rows >= RECORDS_GROUP:
            yield held.slice(0, RECORDS_GROUP).combine_chunks()
            held = held.slice(RECORDS_GROUP)
    if held.num_rows:
        yield held.combine_chunks()


def read_previews(paths: Iterable[Path]) -> dict[str, bytes]:
    """Return every preview of a theme's tables, by the id of its row."""
    found: dict[str, bytes] = {}
    for path in paths:
        for batch in TableFile(path).batches(PREVIEW_GROUP, ["task", "preview.bytes"]):
            values = batch.column("preview").field("bytes").to_pylist()
            ids = batch.column("task").to_pylist()
            found.update(
                (sample_id, data) for sample_id, data in zip(ids, values, strict=True) if data is not None
            )
    return found


# --- tars -------------------------------------------------------------------------------------------


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


# --- tars of an import -----------------------------------------------------------------------------


def cut_foreign(source: Path, ids: Set[str]) -> tuple[list[tuple[int, int]], dict[str, int]]:
    """Plan a tar without the members of some samples.

    Returns:
        The byte ranges (start, end) that stay, and where the data of each sample that stays begins in what
        is put together of them, of its first member. No sample stays where that is empty.

    Raises:
        TarError: the tar goes wrong on the way.
        ReleaseError: what stays is a link to what leaves.
    """
    runs: list[tuple[int, int]] = []
    offsets: dict[str, int] = {}
    places: dict[str, int | None] = {}  # where the data of plain files begins; None: it leaves
    links: dict[str, str] = {}
    position = gone = 0
    with source.open("rb") as file:
        for member in TarStream(file, seek=True):
            end = member.offset + member_bytes(member.size) - BLOCK
            stays = not names_sample(member.name, ids)
            if stays:
                runs.append((position, end))
            else:
                gone += end - position
            if member.odd is None:
                places.setdefault(plain_name(member.name), member.offset - gone if stays else None)
                if stays:
                    offsets.setdefault(_sample(member.name), member.offset - gone)
            elif member.target is not None:
                links.setdefault(plain_name(member.name), plain_name(member.target))
            position = end
    for name in links:
        target = follow(name, links, places)
        if target is None or names_sample(name, ids):
            continue
        if (place := places[target]) is None:
            raise ReleaseError(
                "a member that stays is a link to one that leaves, which has its data",
                got=f"{name} leads to {target}",
                where=source,
                fix="unpack the tar, pack it with `tar --hard-dereference --dereference`, and import again",
            )
        offsets.setdefault(_sample(name), place)
    return [*runs, (position, source.stat().st_size)], offsets


def read_ranges(source: Path, ranges: Iterable[tuple[int, int]]) -> Iterator[bytes]:
    """Yield the bytes of some ranges (start, end) of a file, in blocks."""
    with source.open("rb") as file:
        for start, end in ranges:
            file.seek(start)
            while start < end and (block := file.read(min(BLOCK_BYTES, end - start))):
                yield block
                start += len(block)


def read_report(
    place: Place, entries: Mapping[str, FileEntry], ids: Set[str]
) -> Iterator[tuple[bytes, bool]]:
    """Yield each line of the report of an import, and whether it names one of some samples."""
    names = [sample_id.encode() for sample_id in ids]
    with fetch_listed(place, entries[layout.IMPORT_REPORT]).open("rb") as lines:
        for line in lines:
            yield line, any(name in line for name in names)


# --- paired shards ---------------------------------------------------------------------------------


def paired_with(
    place: Place, theme: str, entries: Mapping[str, FileEntry], ids: Iterable[str]
) -> Sequence[str]:
    """Return the paired shards of a theme that hold some samples, sorted; none where there are none.

    Raises:
        ReleaseError: a shard does not start with a header as this version writes it.
    """
    located = ((path, layout.parse(path)) for path in entries)
    paths = sorted(path for path, at in located if (at.what, at.theme) == (What.PAIRED, theme))

    @cache
    def first(path: str) -> str:
        return _sample(parse_header(b"".join(place.read(path, 0, BLOCK)), 0, path).name)

    found = {bisect_right(paths, sample_id, key=first) - 1 for sample_id in ids} if paths else set()
    return [paths[index] for index in sorted(found) if index >= 0]


def cut_paired(place: Place, entry: FileEntry, ids: Set[str]) -> Iterator[bytes]:
    """Yield what is left of a paired shard; nothing where no sample is.

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

    with place.open(entry.path) as stream:
        while (head := b"".join(take(BLOCK))).strip(b"\0"):
            member = parse_header(head, position, entry.path)
            stays = _sample(member.name) not in ids
            if stays:
                yield head
            for block in take(member_bytes(member.size) - BLOCK):
                if stays:
                    yield block
            position += member_bytes(member.size)
            left |= stays
        for _ in take(entry.size - position):  # to the end, and a byte more where there is one
            pass
    if digest.hexdigest() != entry.sha256:
        raise ReleaseError(
            "a paired shard is not the one that the manifest lists",
            wanted=f"sha256 {entry.sha256}",
            where=entry.path,
            fix="`sparkle validate` says what is wrong with the release",
        )
    if left:
        yield bytes(END_BYTES)
