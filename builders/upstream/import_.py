"""A folder in upstream's layout becomes a release: our tables, manifest and report, beside upstream's files.

How it works
- Every tar and loose file is read once (`upstream_index`), every text line is checked (`upstream_csv`,
  `upstream_lines`), and what they say of a sample is put together (`upstream_theme`).
- Nothing is dropped or mended in silence: what is not as the layout has it becomes a finding in the release's
  report. Upstream's files go into the release as they are: hard links where the file system allows it, copies
  elsewhere. The folder is not written to.
- Work is done beside the target, which is replaced at the end (`staging`). What was read is kept in
  `.NAME.import` until then: after a kill, a rerun reads only what it had not finished.
- A release is a function of the folder's contents: imported twice, it is byte-identical.
"""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from sparkle._files import atomic_path, link_or_copy
from sparkle._progress import Progress, silent
from sparkle.builders.cards.card import render_card
from sparkle.builders.cards.croissant import dump_croissant
from sparkle.builders.reading.folder import FolderPlace
from sparkle.builders.release.manifest import FileEntry, describe_file, dump_manifest
from sparkle.builders.release.staging import refuse_foreign, remove_others, staged
from sparkle.builders.upstream.files import UpstreamFiles, list_upstream
from sparkle.builders.upstream.index import Index
from sparkle.builders.upstream.origin import imported_provenance, left_out, tables_of, write_theme
from sparkle.schemas import layout
from sparkle.schemas.canonical import dump_document
from sparkle.schemas.errors import ReleaseError
from sparkle.schemas.validate import Finding


@dataclass(frozen=True)
class ImportSummary:
    """What an import wrote.

    Attributes:
        out: The release's folder.
        files: How many files it has.
        bytes: Their size in all.
        samples: How many samples each theme has.
        findings: What is not as the layout has it, in the order of files.
    """

    out: Path
    files: int
    bytes: int
    samples: dict[str, int]
    findings: tuple[Finding, ...]

    @property
    def problems(self) -> dict[str, int]:
        """How often each problem was found, commonest first."""
        return count_problems(self.findings)


def count_problems(findings: Iterable[Finding]) -> dict[str, int]:
    """How often each problem was found, commonest first."""
    counts = Counter(finding.problem for finding in findings)
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def import_upstream(folder: Path, out: Path, progress: Progress = silent) -> ImportSummary:
    """Make a release of a folder in upstream's layout, in place of the release that is at `out`.

    Args:
        folder: Tars, extracted tars, or both, with upstream's tables of pairs.
        out: Where the release goes: an empty or new folder, or a release that it replaces.
        progress: Told how the work goes on.

    Raises:
        ReleaseError: the folder has no table of pairs, is a release already, or `out` holds something else.
    """
    folder, out = folder.resolve(), out.resolve()
    _refuse(folder, out)
    files = list_upstream(folder)
    if not files.themes:
        raise ReleaseError(
            "not a folder in upstream's layout",
            got=f"{len(files.tars)} tars and no table of pairs",
            wanted=f"a table of pairs for each theme, such as {layout.prompts_csv('location')}",
            where=folder,
        )
    journal = out.with_name(f".{out.name}.import")
    with staged(out, lambda: refuse_foreign(out)) as target:
        remove_others(target, ())
        index = Index(files, journal, FolderPlace(folder))
        index.read_all(progress)
        summary = _Import(files, index, out, target).write(progress)
    shutil.rmtree(journal, ignore_errors=True)
    return summary


class _Import:
    """Writes an import's release into a folder."""

    def __init__(self, files: UpstreamFiles, index: Index, out: Path, target: Path) -> None:
        self.files = files
        self.index = index
        self.out = out
        self.target = target
        self.entries: list[FileEntry] = []
        self.findings: list[Finding] = []

    def write(self, progress: Progress) -> ImportSummary:
        """Write everything."""
        samples = {}
        self._link_all()
        with progress("writing tables", len(self.files.themes)) as advance:
            for theme in self.files.themes:
                if count := write_theme(self.target, self.files, self.index, theme, self.findings):
                    samples[theme] = count
                    for path in tables_of(theme):
                        self._list(path)
                advance()
        if not samples:
            raise ReleaseError(
                "no table of pairs has a row that can be used",
                got="; ".join(map(str, self.findings[:3])),
                where=self.files.folder,
            )
        self.findings += left_out(self.files, self.index)
        self._pages()
        return ImportSummary(
            out=self.out,
            files=len(self.entries),
            bytes=sum(entry.size for entry in self.entries),
            samples=samples,
            findings=tuple(self.findings),
        )

    def _link_all(self) -> None:
        for entry in self.index.entries():
            link_or_copy(self.files.folder / entry.path, self.target / entry.path)
            self.entries.append(entry)
        names = {path: path for path in self.files.text}
        if self.files.card:
            names[layout.CARD] = layout.UPSTREAM_CARD
        for path, name in names.items():
            link_or_copy(self.files.folder / path, self.target / name)
            self._list(name)

    def _pages(self) -> None:
        """Write report, provenance, card and manifest."""
        lines = (json.dumps(asdict(finding), ensure_ascii=False) + "\n" for finding in self.findings)
        self._write(layout.IMPORT_REPORT, "".join(lines).encode())
        problems = count_problems(self.findings)
        tars = len(self.files.tars)
        loose = sum(len(found.names) for found in self.files.loose)
        document = imported_provenance(tars, loose, problems)
        self._write(layout.PROVENANCE, dump_document(document))
        card = render_card(self.target)
        self._write(layout.CARD, card.encode())
        self._write(layout.CROISSANT, dump_croissant(self.target, self.entries, card))
        self._write(layout.MANIFEST, dump_manifest(self.entries))

    def _write(self, path: str, data: bytes) -> None:
        with atomic_path(self.target / path) as temporary:
            temporary.write_bytes(data)
        self._list(path)

    def _list(self, path: str) -> None:
        self.entries.append(describe_file(self.target, path))


def _refuse(folder: Path, out: Path) -> None:
    if not folder.is_dir():
        raise ReleaseError("no such folder", got=folder)
    if (folder / layout.MANIFEST).is_file():
        raise ReleaseError(
            "the folder is a release already", got=folder, fix=f"`sparkle validate {folder}` checks it"
        )
    if out.is_relative_to(folder) or folder.is_relative_to(out):
        raise ReleaseError(
            "the release and the folder that is imported cannot stand in one another",
            got=out,
            wanted="a folder outside",
            where=folder,
            fix="choose another --out",
        )
