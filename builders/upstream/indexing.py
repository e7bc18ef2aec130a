"""Tables of what lies where, out of one pass over upstream's tars where they are.

How it works
- Every tar is read once from front to back, every text line is checked, and tables with the columns of a
  release are written: ids, prompts, scores, frames and sizes, and for every artifact its tar, offset, size
  and sha256. The tars stay where they are; `index.json` says where, and lists them.
- Of a repository the tars are streamed, one request each, and go by: nothing of them is written. Only the
  text (tables of pairs and JSON lines, some GB less than a tar) is downloaded, into the client's cache.
- Loose files of a repository are copies of the first members of its tars: they are read only where no tar
  has their kind.
- A finished tar is kept in `.NAME.index` beside the target until the index is whole: after a kill, a rerun
  reads only what was not finished.
- What is not as the layout has it is listed in the index's report, never mended or left out in silence.
- An index is a function of what is indexed: made twice, it is byte-identical.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import yaml

from sparkle._files import write_atomic
from sparkle._progress import Progress, silent
from sparkle.builders.building.writer import write_text
from sparkle.builders.reading.folder import FolderPlace
from sparkle.builders.reading.index import IndexDocument, dump_index, read_index
from sparkle.builders.reading.place import Place, find, open_place
from sparkle.builders.reading.repository import Repository
from sparkle.builders.release.manifest import FileEntry, describe_file, list_files
from sparkle.builders.release.staging import remove_others, staged
from sparkle.builders.release.tables import write_pairs
from sparkle.builders.upstream.files import (
    UpstreamFiles,
    UpstreamTar,
    list_upstream,
    require_themes,
    sort_upstream,
)
from sparkle.builders.upstream.index import Index
from sparkle.builders.upstream.origin import UpstreamOrigin
from sparkle.builders.upstream.tables import UpstreamTheme
from sparkle.schemas import layout
from sparkle.schemas.errors import ReleaseError
from sparkle.schemas.validate import Finding

_REMEDY = "run the same command again: what was read is kept"
_STREAMS = 4  # tars of a Hub that are read at once: while one is hashed, others arrive


@dataclass(frozen=True)
class IndexSummary:
    """What an index has.

    Attributes:
        out: Its folder.
        target: What it speaks of.
        shards: How many tars.
        bytes: Their bytes in all.
        samples: How many samples each theme has.
        findings: What is not as the layout has it.
    """

    out: Path
    target: str
    shards: int
    bytes: int
    samples: dict[str, int]
    findings: tuple[Finding, ...]


def index_upstream(where: str | Path, out: Path, progress: Progress = silent) -> IndexSummary:
    """Index a folder or a repository in upstream's layout, in place of the index that is at `out`.

    Args:
        where: A folder, or `owner/name[@revision]` of a dataset on a Hub.
        out: Where the index goes: a new or empty folder, or an index that it replaces.
        progress: Told how the work goes on.

    Raises:
        ReleaseError: it is not in upstream's layout, has tables already, or `out` holds something else.
        UnreachableError: the Hub does not answer.
    """
    out = out.resolve()
    place, document = _open(where, out)
    files = _list(place, progress)
    require_themes(files, place.name)
    journal = out.with_name(f".{out.name}.index")
    with staged(out, lambda: refuse_other(out)) as folder:
        remove_others(folder, ())
        index = Index(files, journal, place)
        # Hashing is what takes time in a folder; of a Hub some streams arrive while others are hashed.
        index.read_all(progress, None if place.folder is not None else _STREAMS)
        summary = _write(folder, out, place, document, files, index, progress)
    shutil.rmtree(journal, ignore_errors=True)
    return summary


def refuse_other(out: Path) -> None:
    """Raise ReleaseError when a folder holds something else than an index."""
    if not out.exists():
        return
    known: set[str] = set()
    if out.is_dir() and (out / layout.INDEX).is_file():
        index = read_index(out / layout.INDEX)
        known = {entry.path for entry in index.tables} | {layout.INDEX}
    found = list_files(out) if out.is_dir() else [out.name]
    others = [path for path in found if path not in known]
    if others:
        raise ReleaseError(
            "--out already contains files that do not belong to an index",
            got=", ".join(others[:3]),
            wanted="a new or empty folder, or an index to replace",
            where=out,
            fix="choose another --out",
        )


def _open(where: str | Path, out: Path) -> tuple[Place, IndexDocument]:
    """What is indexed, and the beginning of its index.json."""
    place = open_place(where)
    refuse_release(place, str(where))
    if place.folder is None:
        repository = Repository.parse(place.where)
        expected = [entry for entry in place.list().values() if entry.sha256]
        document = IndexDocument((), (), repo=repository.name, commit=repository.revision)
        return place.expecting(expected, _REMEDY), document
    folder = place.folder.resolve()
    if out.is_relative_to(folder) or folder.is_relative_to(out):
        raise ReleaseError(
            "--out must not be inside the folder that is indexed, nor contain it",
            got=out,
            where=folder,
            fix="choose another --out",
        )
    return FolderPlace(folder), IndexDocument((), (), folder=os.path.relpath(folder, out))


def refuse_release(place: Place, name: str) -> None:
    """Raise ReleaseError when something has tables already."""
    for path in (layout.MANIFEST, layout.INDEX):
        if find(place, path) is not None:
            raise ReleaseError(
                "it has tables already: there is nothing to index",
                got=path,
                where=name,
                fix=f"open {name} as it is",
            )


def _list(place: Place, progress: Progress) -> UpstreamFiles:
    """What lies where; the text files are in a folder then."""
    if place.folder is not None:
        return list_upstream(place.folder)
    listed = place.list()
    found = sort_upstream(Path(), listed)
    packed = {(tar.theme, tar.kind) for tar in found.tars}
    alone = {loose.folder for loose in found.loose if (loose.theme, loose.kind) not in packed}
    skipped = {loose.folder for loose in found.loose} - alone
    folder = Path()
    with progress("downloading tables of pairs and JSON lines", len(found.text)) as advance:
        for path in found.text:
            folder = place.fetch(path).parents[path.count("/")]
            advance()
    return sort_upstream(folder, [path for path in listed if path.rpartition("/")[0] not in skipped])


def _write(
    folder: Path,
    out: Path,
    place: Place,
    document: IndexDocument,
    files: UpstreamFiles,
    index: Index,
    progress: Progress,
) -> IndexSummary:
    shards = _shards(place, index)
    origin = UpstreamOrigin(files, index, place.name, progress)
    entries = []
    for written in map(partial(_write_tables, folder), origin.themes()):
        entries += written
    report, card = origin.report(), index_card(document, origin.samples).encode()
    for path, data in ((layout.IMPORT_REPORT, report), (layout.CARD, card)):
        write_atomic(folder / path, data)
        entries.append(describe_file(folder, path))
    tables = tuple(FileEntry(entry.path, entry.size, entry.sha256) for entry in entries)
    whole = IndexDocument(tables, shards, document.repo, document.commit, document.folder)
    write_atomic(folder / layout.INDEX, dump_index(whole))
    total = sum(entry.size for entry in shards)
    target = place.name if document.repo is None else str(Repository(document.repo, document.commit))
    return IndexSummary(out, target, len(shards), total, origin.samples, tuple(origin.findings))


def _write_tables(folder: Path, theme: UpstreamTheme) -> list[FileEntry]:
    records = write_text(folder, theme.text())
    pairs = write_pairs(folder, theme.name, theme.rows, theme.count, packed=False)
    return [*records, *(describe_file(folder, path) for path in pairs)]


def _shards(place: Place, index: Index) -> tuple[FileEntry, ...]:
    """The tars, as they were read."""
    found = []
    listed = {} if place.folder is not None else place.list()
    for unit in index.units:
        if not isinstance(unit, UpstreamTar):
            continue  # a loose file's size and hash are in its row
        indexed = index.load(unit)
        known = listed[unit.path].sha256 if unit.path in listed else ""
        if known and known != indexed.sha256:
            index.forget(unit)
            raise ReleaseError(
                "a tar did not arrive as the Hub has it",
                got=f"sha256 {indexed.sha256}",
                wanted=known,
                where=f"{place.name} {unit.path}",
                fix="run the same command again: it alone is read again",
            )
        found.append(FileEntry(unit.path, indexed.size, indexed.sha256))
    return tuple(found)


# --- the card of an index --------------------------------------------------------------------------


def index_card(index: IndexDocument, samples: Mapping[str, int]) -> str:
    """The card.

    Args:
        index: What the tables speak of.
        samples: How many samples each theme has.
    """
    tables = {theme: f"{layout.data_folder(theme)}/*.parquet" for theme in samples}
    records = {theme: layout.records_parquet(theme) for theme in samples}
    head = {
        "pretty_name": "Index of background replacement pairs",
        "tags": ["video", "video-editing", "background-replacement", "instruction-guided-editing"],
        "configs": [
            _config("default", tables),
            *(_config(theme, {"train": path}) for theme, path in tables.items()),
            _config("records", records),
        ],
    }
    of = f"[{index.repo}]({index.repo}) at commit `{index.commit}`" if index.repo else f"`{index.target}`"
    rows = "".join(f"| `{theme}` | {count:,} |\n" for theme, count in samples.items())
    return (
        f"---\n{yaml.safe_dump(head, sort_keys=False)}---\n\n"
        f"# Index of {index.target}\n\n"
        f"Tables of {of}: prompts, scores, frames and sizes of every pair, and for every artifact its tar, "
        f"offset, size and sha256. The videos stay where they are. `{layout.INDEX}` lists the tars that the "
        f"tables speak of, `{layout.IMPORT_REPORT}` what is not as the layout has it.\n\n"
        f"| theme | pairs |\n|---|---:|\n{rows}"
    )


def _config(name: str, files: Mapping[str, str]) -> dict[str, object]:
    splits = [{"split": split, "path": path} for split, path in files.items()]
    return {"config_name": name, "data_files": splits}
