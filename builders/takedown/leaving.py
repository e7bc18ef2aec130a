"""Which samples leave a release: those that were asked for, and those of the sources that were.

All of it is read from the release's tables. What is asked for and is not there is an error, unless it was
removed before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from sparkle._progress import count_text
from sparkle.builders.reading.place import Place, fetch_listed
from sparkle.builders.release.manifest import FileEntry
from sparkle.builders.release.read_tables import read_pair_columns
from sparkle.builders.release.removed import Removed, id_mark, source_mark
from sparkle.builders.release.tables import rows_schema
from sparkle.schemas import layout
from sparkle.schemas.errors import ReleaseError
from sparkle.schemas.ids import THEMES, parse_id

_SHOWN = 3  # ids in a message


@dataclass(frozen=True)
class Leaving:
    """What leaves a release.

    Attributes:
        rows: The table of each theme, without previews, sorted by id.
        gone: Of each theme, bool (rows,): which of them leave.
        sources: Sources of which every sample leaves because the source was asked for, sorted.
        done: Ids and sources that were asked for and were removed before.
        shared: Ids that stay though they have the source of one that leaves.
    """

    rows: Mapping[str, pa.Table]
    gone: Mapping[str, pa.ChunkedArray]
    sources: tuple[str, ...]
    done: tuple[str, ...]
    shared: tuple[str, ...]


def find_leaving(
    place: Place,
    entries: Mapping[str, FileEntry],
    removed: Removed,
    ids: Sequence[str],
    sources: Sequence[str],
) -> Leaving:
    """Find out what leaves a release.

    Args:
        place: The release.
        entries: Its files by path.
        removed: What was removed from it before.
        ids: Ids to remove.
        sources: Sources of which every sample is removed, as the tables have them: a sha256 each.

    Raises:
        RecordError: an id cannot be one.
        ReleaseError: a source cannot be one, a table cannot be read, the release has no such id or source and
            never had, or nothing would be left of it.
    """
    _check_asked(ids, sources)
    wanted_ids, wanted_sources = sorted(set(ids)), sorted({source.lower() for source in sources})
    rows = {theme: found for theme in THEMES if (found := _read_rows(place, theme, entries)) is not None}
    done = tuple(_removed_before(rows, removed, wanted_ids, wanted_sources))
    gone = {
        theme: pc.or_(is_in(table["task"], wanted_ids), is_in(table["source_sha256"], wanted_sources))
        for theme, table in rows.items()
    }
    if rows and all(pc.all(leaving).as_py() for leaving in gone.values()):
        raise ReleaseError(
            "nothing would be left of the release",
            got=f"{count_text(sum(map(len, gone.values())), 'pair')}: all that it has",
            fix="delete the release as a whole",
        )
    return Leaving(rows, gone, tuple(wanted_sources), done, tuple(_shared(rows, gone)))


def is_in(column: pa.ChunkedArray, values: Sequence[str]) -> pa.ChunkedArray:
    """Return which strings of a column are among some values."""
    return pc.is_in(column, pa.array(values, pa.string()), skip_nulls=True)


def _check_asked(ids: Sequence[str], sources: Sequence[str]) -> None:
    for sample_id in ids:
        parse_id(sample_id)
    for source in sources:
        if len(source) != 64 or not all(digit in "0123456789abcdefABCDEF" for digit in source):
            raise ReleaseError("not the sha256 of a source", got=repr(source), wanted="64 hexadecimal digits")
    if not ids and not sources:
        raise ReleaseError("nothing to take down was named", wanted="an id or a source")


def _read_rows(place: Place, theme: str, entries: Mapping[str, FileEntry]) -> pa.Table | None:
    paths = layout.tables_of(theme, entries)
    if not paths:
        return None
    schema = rows_schema()
    tables = [read_pair_columns(fetch_listed(place, entries[path]), schema.names, path) for path in paths]
    table = pa.concat_tables(tables).replace_schema_metadata(None).combine_chunks()
    found = table["task"].to_pylist()
    if table.schema != schema or found != sorted(set(found)):
        raise ReleaseError(
            "a table of the release is not as it should be",
            wanted="the columns of this version, each id once, sorted",
            where=layout.data_folder(theme),
            fix="`sparkle validate` says what is wrong with the release",
        )
    return table


def _removed_before(
    rows: Mapping[str, pa.Table], removed: Removed, ids: Sequence[str], sources: Sequence[str]
) -> Iterator[str]:
    """Yield what was removed before; raises ReleaseError for what the release does not have and never had."""
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
        yield from missing


def _wanted(name: str, known: set[str | None]) -> str:
    if name == "source" and known <= {None}:
        return "an id: this release does not record its sources"
    return "an id of its tables" if name == "id" else "a source of its tables, as sha256 of 64 digits"


def _shared(rows: Mapping[str, pa.Table], gone: Mapping[str, pa.ChunkedArray]) -> Iterator[str]:
    sources = {
        source
        for theme, leaving in gone.items()
        for source in rows[theme]["source_sha256"].filter(leaving).to_pylist()
        if source is not None
    }
    for theme, leaving in gone.items():
        same = pc.and_(is_in(rows[theme]["source_sha256"], sorted(sources)), pc.invert(leaving))
        yield from rows[theme]["task"].filter(same).to_pylist()
