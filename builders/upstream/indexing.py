"""Tables of what lies where, out of one pass over upstream's tars where they are.

How it works
- Every tar is read once from front to back (`targets`), every text line is checked, and tables with the
  columns of a release are written: ids, prompts, scores, frames and sizes, and for every artifact its tar,
  offset, size and sha256. The tars stay where they are; `index.json` says where, and lists them.
- A finished tar is kept in `.NAME.index` beside the target until the index is whole: after a kill, a rerun
  reads only what was not finished.
- What is not as the layout has it is listed in the index's report, never mended or left out in silence.
- An index is a function of what is indexed: made twice, it is byte-identical.

What is indexed: a folder in upstream's layout, or a dataset repository, read where it is.

- Of a repository the tars are streamed, one request each, and go by: nothing of them is written. Only the
  text (tables of pairs and JSON lines, some GB less than a tar) is downloaded, into the client's cache.
- Loose files of a repository are copies of the first members of its tars: they are read only where no tar
  has their kind.

The card of an index, so that `load_dataset` reads its tables when it is a repository of its own.

An index as a dataset repository of its own: what `open_pairs("me/index")` reads.
"""

from __future__ import annotations

import io
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Protocol, cast

import yaml
from huggingface_hub import HfApi
from huggingface_hub.hf_api import RepoFile

from sparkle._files import write_atomic
from sparkle._progress import Progress, silent
from sparkle.builders.reading.client import client_errors
from sparkle.builders.reading.folder import FolderFiles
from sparkle.builders.reading.hub import HubFiles, open_repository
from sparkle.builders.reading.index import IndexDocument, dump_index, read_index
from sparkle.builders.reading.place import split_repository
from sparkle.builders.release.manifest import FileEntry, list_files
from sparkle.builders.release.staging import remove_others, staged
from sparkle.builders.upstream.files import (
    Files,
    LocalFiles,
    UpstreamFiles,
    UpstreamTar,
    list_upstream,
    sort_upstream,
)
from sparkle.builders.upstream.index import Index
from sparkle.builders.upstream.tables import left_out, tables_of, write_theme
from sparkle.schemas import layout
from sparkle.schemas.canonical import sha256_file
from sparkle.schemas.errors import ReleaseError
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


# --- what is indexed -------------------------------------------------------------------------------


_REMEDY = "run the same command again: what was read is kept"
_STREAMS = 4  # tars that are read at once: while one is hashed, others arrive


class Target(Protocol):
    """Something in upstream's layout that can be indexed."""

    @property
    def name(self) -> str:
        """What to call it."""
        ...

    @property
    def threads(self) -> int | None:
        """How many tars are read at once; None is as many as there are cores."""
        ...

    @property
    def place(self) -> Files:
        """Where its tars are read."""
        ...

    def listing(self, progress: Progress) -> UpstreamFiles:
        """What stands where; its text files are in a folder then."""
        ...

    def digest(self, path: str) -> str | None:
        """The sha256 that is known of a file before it is read."""
        ...


@dataclass(frozen=True)
class FolderTarget:
    """A folder."""

    folder: Path

    @property
    def name(self) -> str:
        """The folder."""
        return str(self.folder)

    @property
    def threads(self) -> int | None:
        """As many as there are cores: hashing is what takes time."""
        return None

    @property
    def place(self) -> Files:
        """The folder itself."""
        return LocalFiles(self.folder)

    def listing(self, progress: Progress) -> UpstreamFiles:
        """What stands where."""
        return list_upstream(self.folder)

    def digest(self, path: str) -> str | None:
        """Nothing is known of a file before it is read."""
        return None


@dataclass
class HubTarget:
    """A dataset repository at a commit."""

    files: HubFiles
    _listed: dict[str, RepoFile] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """`owner/name@commit`."""
        return self.files.name

    @property
    def threads(self) -> int | None:
        """Some streams at once."""
        return _STREAMS

    @property
    def place(self) -> Files:
        """The repository: what is opened is streamed."""
        return self

    def listing(self, progress: Progress) -> UpstreamFiles:
        """List the repository, and download its text; raises ReleaseError."""
        with client_errors(self.name):
            tree = HfApi().list_repo_tree(
                self.files.repo, recursive=True, revision=self.files.commit, repo_type="dataset"
            )
            self._listed = {item.path: item for item in tree if isinstance(item, RepoFile)}
        listed = sort_upstream(Path(), self._listed)
        packed = {(tar.theme, tar.kind) for tar in listed.tars}
        alone = {found.folder for found in listed.loose if (found.theme, found.kind) not in packed}
        skipped = {found.folder for found in listed.loose} - alone
        paths = [path for path in self._listed if path.rpartition("/")[0] not in skipped]
        return sort_upstream(self._text(listed.text, progress), paths)

    def _text(self, paths: tuple[str, ...], progress: Progress) -> Path:
        """Download the text files; returns the folder that has them by their paths."""
        folder = Path()
        with progress("downloading tables of pairs and JSON lines", len(paths)) as advance:
            for path in paths:
                file = self.files.fetch(path)
                folder = file.parents[path.count("/")]
                advance()
        return folder

    def open(self, path: str) -> BinaryIO:
        """A file as it arrives, from front to back."""
        size = self.size(path)
        digest = self.digest(path)
        known = None if digest is None else FileEntry(path, size, digest)
        return cast(BinaryIO, _Stream(self.files.ranges.blocks(path, 0, size, known, _REMEDY)))

    def size(self, path: str) -> int:
        """Its bytes, by the listing."""
        return self._listed[path].size

    def state(self, path: str) -> list[Any]:
        """Its path, size and object id."""
        return [path, self._listed[path].size, self._listed[path].blob_id]

    def digest(self, path: str) -> str | None:
        """The sha256 of a file in large-file storage; None of a small one."""
        stored = self._listed[path].lfs
        return None if stored is None else stored.sha256


def refuse_release(files: Any, name: str) -> None:
    """Raise ReleaseError when something has tables already."""
    for path in (layout.MANIFEST, layout.INDEX):
        if files.has(path):
            raise ReleaseError(
                "it has tables already: there is nothing to index",
                got=path,
                where=name,
                fix=f"open {name} as it is",
            )


class _Stream(io.RawIOBase):
    """Blocks as a file that is read from front to back."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        """Some of the next bytes; none at the end."""
        if not self._rest:
            self._rest = memoryview(next(self._blocks, b""))
        block, self._rest = self._rest[:size], self._rest[size:]
        return bytes(block)

    def close(self) -> None:
        """End the request."""
        if not self.closed:
            close = getattr(self._blocks, "close", None)
            if close is not None:
                close()
        super().close()


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


# --- an index as a dataset repository of its own ---------------------------------------------------


def push_index(folder: Path, repo: str) -> str:
    """Upload an index; returns the commit's address.

    One commit: a reader sees the old index or the new one. A rerun sends nothing that is there.

    Args:
        folder: The index.
        repo: `owner/name` of a dataset, made (private to start with) if need be.

    Raises:
        ReleaseError: it is an index of a folder, which nobody else has, or the Hub refuses.
    """
    index = read_index(folder / layout.INDEX)
    if index.repo is None:
        raise ReleaseError(
            "an index of a folder is of no use to others",
            got=index.target,
            wanted="an index of a repository",
            where=folder,
            fix="`sparkle import` makes a release of the folder, `sparkle-hub publish` publishes it",
        )
    known = [entry.path for entry in index.tables] + [layout.INDEX]
    with client_errors(repo):
        api = HfApi()
        api.create_repo(repo, repo_type="dataset", private=True, exist_ok=True)
        info = api.upload_folder(
            repo_id=repo,
            repo_type="dataset",
            folder_path=folder,
            allow_patterns=known,
            delete_patterns=[f"{layout.DATA}/**", f"{layout.RECORDS}/**"],
            commit_message=f"Index of {index.repo} at {(index.commit or '')[:12]}",
        )
    return str(info.commit_url)
