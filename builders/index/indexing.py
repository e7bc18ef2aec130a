"""Tables of what lies where, out of one pass over upstream's tars where they are.

How it works
- Every tar is read once from front to back (`targets`), every text line is checked, and tables with the
  columns of a release are written: ids, prompts, scores, frames and sizes, and for every artifact its tar,
  offset, size and sha256. The tars stay where they are; `index.json` says where, and lists them.
- A finished tar is kept in `.NAME.index` beside the target until the index is whole: after a kill, a rerun
  reads only what was not finished.
- What is not as the layout has it is listed in the index's report, never mended or left out in silence.
- An index is a function of what is indexed: made twice, it is byte-identical.
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

from sparkle.builders.index.card import index_card
from sparkle.builders.index.document import IndexDocument, dump_index, read_index
from sparkle.builders.index.targets import FolderTarget, HubTarget, Target, refuse_release
from sparkle.builders.manifest import FileEntry, list_files
from sparkle.builders.progress import Progress, silent
from sparkle.builders.source.folder import FolderFiles
from sparkle.builders.source.hub import open_repository
from sparkle.builders.source.place import split_repository
from sparkle.builders.staging import remove_others, staged
from sparkle.builders.upstream_files import UpstreamFiles, UpstreamTar
from sparkle.builders.upstream_index import Index
from sparkle.builders.upstream_theme import left_out, tables_of, write_theme
from sparkle.schemas import layout
from sparkle.schemas.canonical import sha256_file
from sparkle.schemas.errors import ReleaseError
from sparkle.schemas.fsio import write_atomic
from sparkle.schemas.validate import Finding


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
    target, document = _open_target(str(where), out)
    files = target.listing(progress)
    if not files.themes:
        raise ReleaseError(
            "not in upstream's layout",
            got=f"{len(files.tars)} tars and no table of pairs",
            wanted=f"a table of pairs for each theme, such as {layout.prompts_csv('location')}",
            where=target.name,
        )
    journal = out.with_name(f".{out.name}.index")
    with staged(out, lambda: refuse_other(out)) as folder:
        remove_others(folder, ())
        index = Index(files, journal, target.place)
        index.read_all(progress, target.threads)
        summary = _write(folder, out, target, document, files, index, progress)
    shutil.rmtree(journal, ignore_errors=True)
    return summary


def refuse_other(out: Path) -> None:
    """Raise ReleaseError when a folder holds something else than an index."""
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    known: set[str] = set()
    if out.is_dir() and (out / layout.INDEX).is_file():
        index = read_index(out / layout.INDEX)
        known = {entry.path for entry in index.tables} | {layout.INDEX}
    found = list_files(out) if out.is_dir() else [out.name]
    others = [path for path in found if path not in known]
    if others:
        raise ReleaseError(
            "--out holds something else than an index",
            got=", ".join(others[:3]),
            wanted="a new or empty folder, or an index to replace",
            where=out,
            fix="choose another --out",
        )


def _open_target(where: str, out: Path) -> tuple[Target, IndexDocument]:
    """What is indexed, and the beginning of its index.json."""
    repository = split_repository(where)
    if repository is None:
        folder = Path(where).resolve()
        refuse_release(FolderFiles(folder), where)
        if out.is_relative_to(folder) or folder.is_relative_to(out):
            raise ReleaseError(
                "the index and the folder cannot stand in one another",
                got=out,
                where=folder,
                fix="choose another --out",
            )
        return FolderTarget(folder), IndexDocument((), (), folder=os.path.relpath(folder, out))
    files = open_repository(*repository)
    refuse_release(files, where)
    return HubTarget(files), IndexDocument((), (), repo=files.repo, commit=files.commit)


def _write(
    folder: Path,
    out: Path,
    target: Target,
    document: IndexDocument,
    files: UpstreamFiles,
    index: Index,
    progress: Progress,
) -> IndexSummary:
    findings: list[Finding] = []
    samples: dict[str, int] = {}
    shards = _shards(target, index)
    with progress("writing tables", len(files.themes)) as advance:
        for theme in files.themes:
            if count := write_theme(folder, files, index, theme, findings):
                samples[theme] = count
            advance()
    if not samples:
        raise ReleaseError(
            "no table of pairs has a row that can be used",
            got="; ".join(map(str, findings[:3])),
            where=target.name,
        )
    findings += left_out(files, index)
    lines = (json.dumps(asdict(finding), ensure_ascii=False) + "\n" for finding in findings)
    write_atomic(folder / layout.IMPORT_REPORT, "".join(lines).encode())
    write_atomic(folder / layout.CARD, index_card(document, samples).encode())
    names = [path for theme in samples for path in tables_of(theme)] + [layout.IMPORT_REPORT, layout.CARD]
    tables = tuple(
        FileEntry(path, (folder / path).stat().st_size, sha256_file(folder / path)) for path in names
    )
    whole = IndexDocument(tables, shards, document.repo, document.commit, document.folder)
    write_atomic(folder / layout.INDEX, dump_index(whole))
    total = sum(entry.size for entry in shards)
    return IndexSummary(out, target.name, len(shards), total, samples, tuple(findings))


def _shards(target: Target, index: Index) -> tuple[FileEntry, ...]:
    """The tars, as they were read."""
    found = []
    for unit in index.units:
        if not isinstance(unit, UpstreamTar):
            continue  # a loose file's size and hash stand in its row
        indexed = index.load(unit)
        known = target.digest(unit.path)
        if known not in (None, indexed.sha256):
            index.forget(unit)
            raise ReleaseError(
                "a tar did not arrive as the Hub has it",
                got=f"sha256 {indexed.sha256}",
                wanted=known,
                where=f"{target.name} {unit.path}",
                fix="run the same command again: it alone is read again",
            )
        found.append(FileEntry(unit.path, indexed.size, indexed.sha256))
    return tuple(found)
