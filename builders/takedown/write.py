"""A release without some of its samples is written: every file that changes, and the list of all of them.

How it works
- What is written is what a build of the samples that stay would write, after the same release before: tables,
  text, tars, loose files and previews alike. Only the pages say that something was taken down.
- Files are written one by one into a folder; each is whole or not there, and tars of an earlier attempt that
  are as they should be are used again. The manifest comes last.
- Where the files go then is the caller's: beside links to the rest of the release, or to a Hub.

The Parquet tables of a theme without some samples, as a build would write them of those that stay.

- Row groups, encodings and files are those of `catalog`: a release that is edited and one that is built of
  the same samples have the same tables.
- Previews that were there are taken over; those of samples that move up are made (`preview`).

Tars without some members: what stays is copied in one run after another, then read through.

How it works
- Names, sizes and hashes of the members that stay decide every byte of the new tar, as those of any tar of a
  release (`tar`). Headers and padding come over with the data, so that a run of members is one range.
- The result is read again and is there only when it is, byte for byte, the tar that a build would write.
- Members are read from the old tar by range: what leaves is not read, nor is a tar that loses nothing.

A theme's text without some samples: rows of the csv and JSON lines leave, all others stay byte for byte.

- A csv is read by Python's csv module, so that a row of several lines is one row, whoever quoted it; what is
  written are the bytes that it was read from.
- A JSON line belongs to the sample that its `id` names. A line that cannot be read leaves when it names one
  of the samples anywhere.
"""

from __future__ import annotations

import codecs
import csv
import hashlib
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from sparkle._files import atomic_path, write_atomic
from sparkle._progress import Progress, silent
from sparkle.builders.building.pictures import make_strip, side_by_side
from sparkle.builders.building.plan import next_numbers
from sparkle.builders.cards.card import render_card
from sparkle.builders.cards.croissant import dump_croissant
from sparkle.builders.cards.plots import PLOTS, draw_plots
from sparkle.builders.cards.stats import read_stats
from sparkle.builders.reading.place import Place, fetch_listed
from sparkle.builders.release.assign import END_BYTES
from sparkle.builders.release.formats import CSV_COLUMNS, jsonl_files
from sparkle.builders.release.manifest import FileEntry, describe_file, dump_manifest
from sparkle.builders.release.removed import add_section
from sparkle.builders.release.tables import (
    ENCODING,
    PREVIEW_GROUP,
    RECORDS_GROUP,
    RECORDS_SCHEMA,
    ROW_GROUP,
    TableFile,
    open_table,
    pairs_schema_for_datasets,
    table_errors,
    table_writer,
)
from sparkle.builders.release.tar import Shard, check_tar
from sparkle.builders.takedown.plan import (
    Cut,
    Removal,
    ThemeCut,
    cut_foreign,
    cut_paired,
    cut_report,
    names_sample,
    themes_of,
)
from sparkle.media.probe import read_shape
from sparkle.schemas import layout
from sparkle.schemas.artifact import Artifact
from sparkle.schemas.canonical import dump_document
from sparkle.schemas.errors import ReleaseError
from sparkle.schemas.layout import KINDS
from sparkle.schemas.validate import check

_TARS_AT_A_TIME = 4  # of a Hub: one connection seldom fills the line; each has some buffers in memory


@dataclass(frozen=True)
class Edited:
    """What a removal wrote.

    Attributes:
        entries: Every file of the release to be by path, the manifest aside.
        changed: Paths of the files that were written, the manifest among them, sorted.
        deleted: Paths that the release no longer has, sorted.
    """

    entries: dict[str, FileEntry]
    changed: tuple[str, ...]
    deleted: tuple[str, ...]


def write_removal(removal: Removal, place: Place, target: Path, progress: Progress = silent) -> Edited:
    """Write the files that a removal changes below a folder.

    Args:
        removal: What leaves.
        place: The release as it is.
        target: The folder.
        progress: Told how the work goes on.

    Raises:
        ReleaseError: a file of the release is not as it should be, or cannot be read.
    """
    return _Writer(removal, place, target, progress).write()


class _Writer:
    """Writes what changes, and keeps the list of what the release has."""

    def __init__(self, removal: Removal, place: Place, target: Path, progress: Progress) -> None:
        self.removal = removal
        self.place = place
        self.target = target
        self.progress = progress
        self.entries = dict(removal.entries)
        self.written: set[str] = set()
        self.offsets: dict[str, dict[str, int]] = {}  # of tars that were cut: where each sample's data is

    def write(self) -> Edited:
        """Write everything, the manifest last."""
        self._tars()
        for cut in self.removal.themes:
            if cut.left:
                self._foreign(cut)
                self._loose(cut)
                self._text(cut)
                self._rows(cut)
                self._paired(cut)
            else:
                self._drop(path for path in self.entries if layout.parse(path).theme == cut.theme)
        self._pages()
        self._put(layout.MANIFEST, dump_manifest(self.entries.values()))
        del self.entries[layout.MANIFEST]
        before = self.removal.entries
        changed = {path for path in self.written if self.entries.get(path) != before.get(path)}
        for path in self.written - changed - {layout.MANIFEST}:  # written again as it was
            (self.target / path).unlink()
        return Edited(
            entries=self.entries,
            changed=tuple(sorted({*changed, layout.MANIFEST})),
            deleted=tuple(sorted(before.keys() - self.entries.keys())),
        )

    def _tars(self) -> None:
        cuts = [cut for found in self.removal.themes for cut in found.cuts]
        with (
            self.progress("cutting tars", len(cuts)) as advance,
            ThreadPoolExecutor(_TARS_AT_A_TIME) as pool,
        ):
            left = [cut for cut in cuts if cut.left]
            shards = pool.map(lambda cut: cut_tar(self.place, cut, self.target / cut.path), left)
            for cut, shard in zip(left, shards, strict=True):
                self.entries[cut.path] = FileEntry(cut.path, shard.size, shard.sha256)
                self.written.add(cut.path)
                advance()
            for cut in cuts:
                if cut.left:
                    self.offsets[cut.path] = cut.offsets()
                else:
                    del self.entries[cut.path]
                    advance()

    def _foreign(self, cut: ThemeCut) -> None:
        """Tars of an import: what the manifest lists, cut by names."""
        with self.progress(f"cutting tars of {cut.theme}", len(cut.foreign)) as advance:
            for path in cut.foreign:
                entry = self.entries[path]
                self.offsets[path] = cut_foreign(self.place, entry, frozenset(cut.ids), self.target / path)
                if self.offsets[path]:
                    self._list(path)
                else:
                    self._drop([path])
                advance()

    def _loose(self, cut: ThemeCut) -> None:
        """Loose files of samples that leave go; those of samples that move up come out of their tars."""
        gone = frozenset(cut.ids)
        self._drop([path for path in self.entries if names_sample(path, gone)])
        with self.progress(f"first samples of {cut.theme} as files", len(cut.moving)) as advance:
            for held in cut.moving:
                take_out(self.place, held, self.target / held.path)
                self.entries[held.path] = FileEntry(held.path, held.size, held.hex)
                self.written.add(held.path)
                advance()

    def _text(self, cut: ThemeCut) -> None:
        gone, theme = frozenset(cut.ids), cut.theme
        for path, write in (
            (layout.prompts_csv(theme), cut_csv),
            *((file.path, cut_lines) for file in jsonl_files(theme)),
            (layout.records_parquet(theme), cut_records),
        ):
            if path in self.removal.entries:  # an import may lack it
                write(fetch_listed(self.place, self.removal.entries[path]), self.target / path, gone)
                self._list(path)

    def _rows(self, cut: ThemeCut) -> None:
        rows, old = rows_left(cut, self.offsets), layout.tables_of(cut.theme, self.entries)
        shown = rows["task"].slice(0, self.removal.provenance.preview).to_pylist()
        known = read_previews(map(self.place.fetch, old))
        previews = {}
        with self.progress(f"previews of {cut.theme}", len(shown)) as advance:
            for sample_id in shown:
                previews[sample_id] = known.get(sample_id) or self._preview(sample_id)
                advance()
        parts = 2 if 0 < len(previews) < rows.num_rows else 1
        paths = [layout.data_parquet(cut.theme, part, parts) for part in range(parts)]
        self._drop(path for path in old if path not in paths)
        packed = not self.removal.provenance.imported
        write_rows([self.target / path for path in paths], rows, previews, packed=packed)
        for path in paths:
            self._list(path)

    def _preview(self, sample_id: str) -> bytes:
        """The preview of a sample that moves up, whose loose files were written before."""
        source, edited = (
            self.target / kind.path(sample_id) for kind in (layout.SOURCE_VIDEO, layout.EDITED_VIDEO)
        )
        shape = read_shape(source.read_bytes(), layout.SOURCE_VIDEO.suffix)
        return side_by_side(source, edited, width=shape.width, height=shape.height, fps=shape.fps)

    def _paired(self, cut: ThemeCut) -> None:
        for path in cut.paired:
            if cut_paired(self.place, self.entries[path], frozenset(cut.ids), self.target / path):
                self._list(path)
            else:
                self._drop([path])

    def _pages(self) -> None:
        """Provenance, changelog, plots and card: functions of the tables as they are now."""
        removal = self.removal
        recorded = removal.provenance.document
        numbers = next_numbers(list(removal.entries), recorded.get("next_parts", {}))
        document = removal.removed.record({**recorded, "next_parts": numbers})
        if removal.provenance.imported:
            report, problems = cut_report(self.place, removal.entries, frozenset(removal.ids))
            self._put(layout.IMPORT_REPORT, report)
            document["imported"] = {**document["imported"], "findings": problems}
        check("provenance", document, where=layout.PROVENANCE)
        self._put(layout.PROVENANCE, dump_document(document))
        old = removal.entries.get(layout.CHANGELOG)
        before = None if old is None else fetch_listed(self.place, old).read_bytes()
        changelog = add_section(before, themes_of(removal.ids))
        self._put(layout.CHANGELOG, changelog)
        pictured = document["options"].get("plots")
        for cut in removal.themes if pictured else ():
            self._strip(cut)
        with self._view() as view:
            if pictured:
                self._drop(map(layout.plot, PLOTS))
                for name, data in draw_plots(read_stats(view)).items():
                    self._put(layout.plot(name), data)
            card = render_card(view)
            croissant = dump_croissant(view, self.entries.values(), card)
        self._put(layout.CARD, card.encode())
        if layout.CROISSANT in self.entries:  # releases of before Croissant have none
            self._put(layout.CROISSANT, croissant)

    def _strip(self, cut: ThemeCut) -> None:
        """The strip of a theme's best loose pair, of equals the first, as a build makes it."""
        path = layout.strip(cut.theme)
        self._drop([path])
        columns = cut.rows.select(["task", "edited_video_score"]).filter(cut.stays)
        loose = columns.slice(0, self.removal.provenance.preview).to_pylist()
        if loose:
            best = max(loose, key=lambda row: row["edited_video_score"])["task"]
            names = [kind.path(best) for kind in (layout.SOURCE_VIDEO, layout.EDITED_VIDEO)]
            strip = make_strip(*(self._now(name) for name in names))
            self._put(path, strip)

    def _now(self, path: str) -> Path:
        """A file of the release as it is now."""
        return self.target / path if path in self.written else self.place.fetch(path)

    @contextmanager
    def _view(self) -> Iterator[Path]:
        """A folder of links to what pages are made of, as it is now."""
        shown = (layout.What.PAIRS, layout.What.ASSET)
        needed = [path for path in self.entries if layout.parse(path).what in shown]
        needed += [layout.PROVENANCE, *(path for path in (layout.UPSTREAM_CARD,) if path in self.entries)]
        with tempfile.TemporaryDirectory() as name:
            view = Path(name)
            (view / layout.MANIFEST).touch()
            for path in needed:
                link = view / path
                link.parent.mkdir(parents=True, exist_ok=True)
                link.symlink_to(self._now(path))
            yield view

    def _put(self, path: str, data: bytes) -> None:
        write_atomic(self.target / path, data)
        self._list(path)

    def _list(self, path: str) -> None:
        self.entries[path] = describe_file(self.target, path)
        self.written.add(path)

    def _drop(self, paths: Iterable[str]) -> None:
        for path in list(paths):
            self.entries.pop(path, None)


# --- the Parquet tables of a theme without some samples --------------------------------------------


def rows_left(cut: ThemeCut, offsets: Mapping[str, Mapping[str, int]]) -> pa.Table:
    """The rows that stay, with the places that their artifacts have once the tars are cut; no previews.

    Args:
        cut: What the theme loses.
        offsets: Path of a tar that was cut -> where each sample's data begins in it.
    """
    table = cut.rows.filter(cut.stays)
    ids = table["task"].to_pylist()
    for kind in KINDS:
        name = f"{kind.name}_offset"
        shards, known = table[f"{kind.name}_shard"].to_pylist(), table[name].to_pylist()
        values = [
            offsets[shard][sample_id] if shard in offsets else offset
            for sample_id, shard, offset in zip(ids, shards, known, strict=True)
        ]
        if values != known:
            field = table.schema.field(name)
            table = table.set_column(table.schema.get_field_index(name), field, pa.array(values, field.type))
    return table.combine_chunks()


def read_previews(paths: Iterable[Path]) -> dict[str, bytes]:
    """Every preview of a theme's files by the id of its row."""
    found: dict[str, bytes] = {}
    for path in paths:
        with table_errors(path):
            for batch in open_table(path).iter_batches(PREVIEW_GROUP, columns=["task", "preview.bytes"]):
                values = batch.column("preview").field("bytes").to_pylist()
                ids = batch.column("task").to_pylist()
                found.update(
                    (sample_id, data) for sample_id, data in zip(ids, values, strict=True) if data is not None
                )
    return found


def write_rows(
    paths: Sequence[Path], table: pa.Table, previews: Mapping[str, bytes], *, packed: bool
) -> None:
    """Write a theme's rows; one path, or two where there are rows both with and without a preview.

    Args:
        paths: The files.
        table: All rows, without previews, sorted by id.
        previews: Previews of the first rows, by id.
        packed: Whether columns are encoded as a build encodes them; an import leaves that to Parquet.
    """
    schema = pairs_schema_for_datasets()
    shown = len(previews)
    files = [(table.slice(0, shown), PREVIEW_GROUP)] if shown else []
    files += [(table.slice(shown), ROW_GROUP)] if shown < table.num_rows else []
    for path, (rows, size) in zip(paths, files, strict=True):
        with table_writer(path, schema, **(ENCODING if packed else {})) as writer:
            for start in range(0, rows.num_rows, size):
                group = rows.slice(start, size)
                videos = [_video(sample_id, previews) for sample_id in group["task"].to_pylist()]
                columns = {name: group[name] for name in group.schema.names}
                columns["preview"] = pa.array(videos, schema.field("preview").type)
                writer.write_table(
                    pa.Table.from_arrays([columns[name] for name in schema.names], schema=schema)
                )


def _video(sample_id: str, previews: Mapping[str, bytes]) -> dict[str, object] | None:
    data = previews.get(sample_id)
    return None if data is None else {"bytes": data, "path": f"{sample_id}.mp4"}


def cut_records(source: Path, target: Path, ids: Set[str]) -> None:
    """Write a table of records without some samples.

    Raises:
        ReleaseError: it is no such table.
    """
    file = open_table(source)
    if file.schema_arrow.remove_metadata() != RECORDS_SCHEMA:
        raise ReleaseError("not the columns of a table of records", where=source)
    with table_errors(source), table_writer(target, RECORDS_SCHEMA) as writer:
        for table in _regrouped(file, ids):
            writer.write_table(table)


def _regrouped(file: TableFile, ids: Set[str]) -> Iterator[pa.Table]:
    """The rows that stay, in full groups."""
    gone = pa.array(sorted(ids), pa.string())
    held = RECORDS_SCHEMA.empty_table()
    for batch in file.iter_batches(RECORDS_GROUP):
        rows = pa.Table.from_batches([batch]).replace_schema_metadata(None)
        held = pa.concat_tables([held, rows.filter(pc.invert(pc.is_in(rows["task"], gone)))])
        while held.num_rows >= RECORDS_GROUP:
            yield held.slice(0, RECORDS_GROUP).combine_chunks()
            held = held.slice(RECORDS_GROUP)
    if held.num_rows:
        yield held.combine_chunks()


# --- tars without some members ---------------------------------------------------------------------


def cut_tar(place: Place, cut: Cut, target: Path) -> Shard:
    """Write what is left of a tar.

    Raises:
        ReleaseError: the old tar does not hold what the tables say.
    """
    contents = [(held.member, held) for held in cut.left]
    if target.exists() and (shard := check_tar(target, contents, _unheard)):
        return shard  # of an earlier attempt
    with atomic_path(target) as temporary:
        with temporary.open("wb") as file:
            for start, end in cut.runs:
                file.writelines(place.read(cut.path, start, end - start))
            file.write(bytes(END_BYTES))
        shard = check_tar(temporary, contents, _unheard)
        if shard is None:
            raise ReleaseError(
                "a tar does not hold what the tables say, so it cannot be cut",
                wanted=f"{len(contents)} members with the names, sizes and hashes of their rows",
                where=cut.path,
                fix="`sparkle validate` says what is wrong with the release",
            )
    return shard


def _unheard(done: int = 1) -> None:
    """Nobody is told of single members."""


def take_out(place: Place, held: Artifact, target: Path) -> None:
    """Write an artifact as a file of its own.

    Raises:
        ReleaseError: its tar holds other bytes than its row says.
    """
    digest = hashlib.sha256()
    with atomic_path(target) as temporary:
        with temporary.open("wb") as file:
            for block in place.read(held.file, held.offset, held.size):
                digest.update(block)
                file.write(block)
        if digest.digest() != held.sha256:
            raise ReleaseError(
                "a tar does not hold what the tables say",
                got=f"sha256 {digest.hexdigest()}",
                wanted=f"sha256 {held.hex}, {held.size} bytes",
                where=f"{held.file} {held.member}",
            )


# --- a theme's text without some samples -----------------------------------------------------------


_ID_COLUMN = CSV_COLUMNS[-1]


class _Line(msgspec.Struct):
    """What is read of a JSON line."""

    id: str


def cut_csv(source: Path, target: Path, ids: Set[str]) -> None:
    """Write a table of pairs without some samples.

    Raises:
        ReleaseError: it is no csv with a column of ids.
    """
    _write(target, (raw for raw, sample_id in _rows(source) if sample_id not in ids))


def cut_lines(source: Path, target: Path, ids: Set[str]) -> None:
    """Write a file of JSON lines without some samples."""
    names = tuple(sample_id.encode() for sample_id in sorted(ids))
    read = msgspec.json.Decoder(_Line).decode

    def stays(line: bytes) -> bool:
        try:
            return read(line.removeprefix(codecs.BOM_UTF8)).id not in ids
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return not any(name in line for name in names)

    with source.open("rb") as lines:
        _write(target, (line for line in lines if stays(line)))


def _write(target: Path, parts: Iterable[bytes]) -> None:
    with atomic_path(target) as temporary, temporary.open("wb") as file:
        file.writelines(parts)


def _rows(path: Path) -> Iterator[tuple[bytes, str]]:
    """Yield (bytes, id) of each row; the first one is the header, which has the column's name for an id."""
    raw: list[bytes] = []

    def lines() -> Iterator[str]:
        for line in file:
            raw.append(line)
            yield line.removeprefix(codecs.BOM_UTF8).decode()

    with path.open("rb") as file:
        column = None
        try:
            for fields in csv.reader(lines()):
                if column is None:
                    column = fields.index(_ID_COLUMN)
                yield b"".join(raw), fields[column] if column < len(fields) else ""
                raw.clear()
        except (csv.Error, ValueError) as error:
            raise ReleaseError(
                "a table of pairs cannot be read, so nothing can be taken out of it",
                got=error,
                where=path,
                fix="`sparkle validate` says what is wrong with the release",
            ) from None
