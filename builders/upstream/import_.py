"""A folder in upstream's layout becomes a release: our tables, manifest and report, beside upstream's files.

How it works
- Every tar and loose file is read once (`index`), every text line is checked, what they say of a
  sample is put together (`tables`), and the release is written of it as any other (`origin`).
- Nothing is dropped or mended in silence: what is not as the layout has it becomes a finding in the release's
  report. Upstream's files go into the release as they are: hard links where the file system allows it, copies
  elsewhere. The folder is not written to.
- Work is done beside the target, which is replaced at the end (`staging`). What was read is kept in
  `.NAME.import` until then: after a kill, a rerun reads only what it had not finished.
- A release is a function of the folder's contents: imported twice, it is byte-identical.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from sparkle._progress import Progress, silent
from sparkle.builders.building.pack import Journal
from sparkle.builders.building.writer import write_release
from sparkle.builders.cards.room import read_words
from sparkle.builders.reading.folder import FolderPlace
from sparkle.builders.release.about import About
from sparkle.builders.release.removed import read_provenance
from sparkle.builders.release.staging import refuse_foreign, remove_others, staged
from sparkle.builders.upstream.files import list_upstream, require_themes
from sparkle.builders.upstream.index import Index
from sparkle.builders.upstream.origin import UpstreamOrigin, count_problems
from sparkle.schemas import layout
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
    require_themes(files, folder)
    cache = out.with_name(f".{out.name}.import")
    with staged(out, lambda: refuse_foreign(out)) as target:
        remove_others(target, ())
        index = Index(files, cache, FolderPlace(folder))
        index.read_all(progress)
        origin = UpstreamOrigin(files, index, folder, progress, *_said_before(out))
        written = write_release(origin, target, Journal(None, target), progress)
    shutil.rmtree(cache, ignore_errors=True)
    return ImportSummary(
        out=out,
        files=len(written.entries),
        bytes=written.bytes,
        samples=origin.samples,
        findings=tuple(origin.findings),
    )


def _said_before(out: Path) -> tuple[About, str]:
    """What the publisher says of the release that is replaced, and wrote into its card."""
    if not (out / layout.MANIFEST).exists():
        return About(), ""
    return read_provenance(out / layout.PROVENANCE).about, read_words(out)


def _refuse(folder: Path, out: Path) -> None:
    if not folder.is_dir():
        raise ReleaseError("no such folder", got=folder)
    if (folder / layout.MANIFEST).is_file():
        raise ReleaseError(
            "the folder is a release already", got=folder, fix=f"`sparkle validate {folder}` checks it"
        )
    if out.is_relative_to(folder) or folder.is_relative_to(out):
        raise ReleaseError(
            "--out must not be inside the folder that is imported, nor contain it",
            got=out,
            wanted="a folder outside",
            where=folder,
            fix="choose another --out",
        )
