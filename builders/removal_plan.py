"""What a takedown changes in a release, before anything is written.

How it works
- The tables say which rows a source or an id has, and where their artifacts lie. All of it is read from
  there: tars are not opened.
- Of each tar that holds such an artifact a `Cut` says which byte ranges stay. Ranges that stay are the only
  ones that are read: what is taken down is not transferred again.
- The first samples of a theme stand loose; when one of them goes, the next ones move up.
- What a takedown asks for and is not there stops it. What was taken down before is left alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sparkle.builders.assign import BLOCK, END_BYTES, data_offsets, member_bytes
from sparkle.builders.catalog import pairs_schema
from sparkle.builders.manifest import FileEntry, read_manifest
from sparkle.builders.removal import Removed, id_mark, read_provenance, source_mark
from sparkle.builders.removal_import import imported, reported_tars
from sparkle.builders.removal_model import Cut, Held, Removal, ThemeCut
from sparkle.builders.removal_paired import shards_with
from sparkle.builders.removal_store import Store, listed_file
from sparkle.schemas import layout
from sparkle.schemas.errors import ReleaseError
from sparkle.schemas.ids import THEMES, parse_id, theme_of
from sparkle.schemas.layout import KINDS, Kind
from sparkle.schemas.records import ArtifactRef

_SHOWN = 3  # ids in a message


def plan_removal(store: Store, ids: Sequence[str], sources: Sequence[str]) -> Removal:
    """Find out what leaves a release.

    Args:
        store: The release.
        ids: Ids to take down.
        sources: Sources of which every sample is taken down, as the tables have them: a sha256 each.

    Raises:
        ReleaseError: it is no release, a table cannot be read, it has no such id or source and never had, or
            nothing would be left of it.
    """
    # A file that was fetched has its own name, so its folder can be read as that of a release.
    entries = {entry.path: entry for entry in read_manifest(store.file(layout.MANIFEST).parent)}
    document = read_provenance(store.file(layout.PROVENANCE).parent)
    rows = {theme: found for theme in THEMES if (found := _read_rows(store, theme, entries)) is not None}
    wanted_ids, wanted_sources = sorted(set(ids)), sorted({source.lower() for source in sources})
    done = _refuse_unknown(rows, Removed.of(document), wanted_ids, wanted_sources)
    leaving = {
        theme: pc.or_(_is_in(table["task"], wanted_ids), _is_in(table["source_sha256"], wanted_sources))
        for theme, table in rows.items()
    }
    themes = tuple(
        _cut_theme(store, theme, rows[theme], gone, document, entries)
        for theme, gone in leaving.items()
        if pc.any(gone).as_py()
    )
    if themes and sum(found.left for found in themes) == 0 and len(themes) == len(rows):
        raise ReleaseError(
            "nothing would be left of the release",
            got=f"{sum(len(found.ids) for found in themes):,} pairs, which are all that it has",
            fix="delete the release as a whole",
        )
    return Removal(entries, document, rows, themes, tuple(wanted_sources), done, _shared(rows, leaving))


def table_paths(theme: str, entries: Mapping[str, FileEntry]) -> list[str]:
    """The files of a theme's pairs, in order."""
    return sorted(path for path in entries if path.startswith(f"data/{theme}/"))


def _read_rows(store: Store, theme: str, entries: Mapping[str, FileEntry]) -> pa.Table | None:
    paths = table_paths(theme, entries)
    if not paths:
        return None
    schema = pairs_schema()
    columns = [name for name in schema.names if name != "preview"]
    tables = []
    for path in paths:
        try:
            tables.append(pq.ParquetFile(listed_file(store, entries[path])).read(columns).select(columns))
        except (pa.ArrowException, OSError, KeyError) as error:
            raise ReleaseError("a table of the release cannot be read", got=error, where=path) from None
    table = pa.concat_tables(tables).replace_schema_metadata(None).combine_chunks()
    found = table["task"].to_pylist()
    if table.schema != pa.schema([schema.field(name) for name in columns]) or found != sorted(set(found)):
        raise ReleaseError(
            "a table of the release is not as it should be",
            wanted="the columns of this version, each id once, sorted",
            where=f"data/{theme}",
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
    store: Store,
    theme: str,
    table: pa.Table,
    gone: pa.ChunkedArray,
    document: Mapping[str, Any],
    entries: Mapping[str, FileEntry],
) -> ThemeCut:
    stays = pc.invert(gone).combine_chunks()
    ids = tuple(table["task"].filter(gone).to_pylist())
    if imported(document):
        named = reported_tars(store, entries, set(ids)) | {
            shard for kind in KINDS for shard in table[f"{kind.name}_shard"].filter(gone).to_pylist() if shard
        }
        foreign = tuple(sorted(path for path in named if path.endswith(".tar") and is_of_theme(theme, path)))
        return ThemeCut(theme, table, stays, ids, (), (), foreign, ())
    preview = document["options"]["preview"]
    before = table["task"].slice(0, preview).to_pylist()
    after = table["task"].filter(stays).slice(0, preview).to_pylist()
    moving = sorted(set(after) - set(before))
    cuts: list[Cut] = []
    moved: list[Held] = []
    for kind in KINDS:
        shards = table[f"{kind.name}_shard"]
        for shard in sorted(set(shards.filter(gone).to_pylist())):
            cuts.append(_cut(shard, _held(table, kind, pc.equal(shards, shard)), set(ids), entries))
        moved += _held(table, kind, _is_in(table["task"], moving))
    paired = tuple(shards_with(store, theme, entries, ids))
    return ThemeCut(theme, table, stays, ids, tuple(moved), tuple(cuts), (), paired)


def is_of_theme(theme: str, path: str) -> bool:
    """Whether a file of a release is of one theme alone."""
    path = path.removeprefix(f"{layout.INTERMEDIATE}/")
    places = (f"data/{theme}/", f"records/{theme}.", f"prompts/{theme}_", f"webdataset/{theme}-")
    return path.startswith((f"{theme}/", f"{theme}_", *places)) or path == layout.strip(theme)


def _held(table: pa.Table, kind: Kind, rows: pa.ChunkedArray) -> list[Held]:
    """The artifacts of a kind that some rows name."""
    columns = ("task", *(f"{kind.name}_{name}" for name in ("shard", "offset", "size", "sha256")))
    values = table.select(columns).filter(rows).to_pydict()
    return [
        Held(sample_id, kind, ArtifactRef(sha256.hex(), size), shard, offset)
        for sample_id, shard, offset, size, sha256 in zip(*values.values(), strict=True)
    ]


def _cut(shard: str, members: Sequence[Held], gone: set[str], entries: Mapping[str, FileEntry]) -> Cut:
    members = sorted(members, key=lambda held: held.offset)
    offsets = list(data_offsets([held.ref.size for held in members]))
    end = sum(member_bytes(held.ref.size) for held in members) + END_BYTES
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
        stop = start + member_bytes(held.ref.size)
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
