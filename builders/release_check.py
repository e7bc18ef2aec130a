"""Is a release whole, and does it agree with itself? Everything that is wrong, each at its place.

How it works
- Files are compared with the manifest (`check_files`), then each theme is read: csv and JSON lines
  (`check_text`), tars, Parquet tables and loose files (`check_tables`).
- Which samples stand where is compared over all of a theme's places (`census`).
- Findings are collected, never raised: one run shows all of them. Contents of tars are not read, so that
  a full-size release is checked in minutes; `sparkle-hub verify` reads them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sparkle.builders.census import compare, expected_ids
from sparkle.builders.check_files import check_document, check_files
from sparkle.builders.check_tables import check_loose, check_records, check_rows, check_tars
from sparkle.builders.check_text import check_text
from sparkle.builders.manifest import FileEntry, list_files
from sparkle.builders.progress import Progress, silent
from sparkle.builders.survey import Survey
from sparkle.schemas import layout
from sparkle.schemas.errors import ReleaseError
from sparkle.schemas.ids import THEMES
from sparkle.schemas.validate import Finding


@dataclass(frozen=True)
class ReleaseReport:
    """What a check found.

    Attributes:
        findings: What is wrong; empty when nothing is.
        files: Files in the release.
        samples: Samples by theme.
    """

    findings: tuple[Finding, ...]
    files: int
    samples: dict[str, int]


def check_release(folder: Path, progress: Progress = silent) -> ReleaseReport:
    """Check a release.

    Raises:
        ReleaseError: the folder is not a release at all.
    """
    if not (folder / layout.MANIFEST).is_file():
        raise ReleaseError(
            "not a release",
            got=folder,
            wanted=f"a folder with {layout.MANIFEST}",
            fix="`sparkle build RUN --out RELEASE` makes one",
        )
    files = frozenset(list_files(folder))
    manifest, findings = check_document(folder, layout.MANIFEST, "manifest")
    entries = [FileEntry.from_json(value) for value in manifest["files"]] if manifest else []
    if manifest:
        findings += check_files(folder, entries, progress)
    origin, wrong = check_document(folder, layout.PROVENANCE, "provenance")
    findings += wrong
    preview = origin["options"]["preview"] if origin else None
    listed = {entry.path: entry for entry in entries}
    themes = [theme for theme in THEMES if _has_theme(files, theme)]
    if not themes:
        findings.append(Finding(".", 0, "", "no theme has a file", wanted=f"one of {', '.join(THEMES)}"))
    samples = {}
    with progress("reading themes", len(themes)) as advance:
        for theme in themes:
            survey = Survey(folder, theme, files)
            samples[theme] = _check_theme(survey, preview, listed)
            findings += survey.findings
            advance()
    return ReleaseReport(tuple(findings), len(files), samples)


def _has_theme(files: frozenset[str], theme: str) -> bool:
    """Whether any file of a theme is there, in any of its places."""
    places = (f"prompts/{theme}_", f"data/{theme}/", f"records/{theme}.", f"{theme}/", f"{theme}_")
    starts = (*places, *(f"{layout.INTERMEDIATE}/{place}" for place in places[3:]))
    return any(path.startswith(starts) for path in files)


def _check_theme(survey: Survey, preview: int | None, listed: Mapping[str, FileEntry]) -> int:
    """Check a theme; returns how many samples it has."""
    check_text(survey)
    check_tars(survey)
    hashes = check_rows(survey, preview)
    check_records(survey)
    expected = expected_ids(survey.places)
    reported = {(finding.file, finding.line) for finding in survey.findings}
    survey.findings.extend(compare(survey.places, expected, reported))
    if preview is not None:
        check_loose(survey, expected[:preview], hashes, listed)
    return len(expected)
