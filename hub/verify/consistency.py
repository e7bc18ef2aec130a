"""Level 2: the release agrees with itself.

How it works
- `builders.release_check` does the work, as `sparkle validate` does: csv, JSON lines, tables, tars and loose
  files say the same of the same samples, recorded scores hold under the recorded thresholds, pairs and masks
  fit. What files have to do with the manifest is left to the level before.
- Of a Hub, text and tables are fetched, tars are streamed member by member and stored nowhere, and of loose
  files the manifest's hashes are compared with those of the tables.
"""

from __future__ import annotations

from sparkle._progress import Progress
from sparkle.builders.checks.release import CheckOptions, check_release
from sparkle.hub.verify.report import LevelReport, NotProvedError, VerifyOptions
from sparkle.hub.verify.verified import Verified
from sparkle.schemas import layout


def verify_consistency(
    release: Verified, report: LevelReport, options: VerifyOptions, progress: Progress, workers: int
) -> None:
    """Check that the release agrees with itself; findings go to the report."""
    tars = [
        path
        for path in release.files
        if path.endswith(".tar") and layout.parse(path).what is not layout.What.PAIRED
    ]
    if not release.local and layout.BENCH in release.files:
        every = [path for path in release.files if path not in release.odd]
        options.say(f"consistency: {len(every):,} files are fetched ({release.sizes(every):,} bytes)")
        release.need(every, progress)
    elif not release.local:
        _fetch(release, tars, options, progress)
    checked = check_release(
        release.folder,
        progress,
        CheckOptions(
            bench=options.bench,
            workers=workers,
            files=False,
            tars=None if release.local else release.place,
        ),
    )
    if not release.local:
        release.downloaded += release.sizes(tars)
    report.findings += checked.findings
    report.samples = sum(checked.samples.values())
    report.files = len(release.files)
    report.bytes = release.sizes([*release.text_and_tables(), *tars])
    report.claim = "csv, JSON lines, tables, tars and loose files agree, recorded thresholds hold"
    if layout.BENCH in release.files:
        report.claim = "tables, metadata, videos, images and masks agree"
    if options.bench is not None:
        report.claim += f", {options.bench} shares no source"


def _fetch(release: Verified, tars: list[str], options: VerifyOptions, progress: Progress) -> None:
    text = release.text_and_tables()
    options.say(
        f"consistency: {len(text):,} files of text and tables are fetched ({release.sizes(text):,} bytes), "
        f"{len(tars):,} tars are streamed ({release.sizes(tars):,} bytes); nothing of a tar is stored"
    )
    if release.provenance().imported:
        raise NotProvedError(
            "the tars of an imported release are checked in a folder only",
            fix=f"`hf download {release.name} --repo-type dataset --local-dir FOLDER`, then verify FOLDER",
        )
    release.need(text, progress, "fetching text and tables")
    release.outline()
