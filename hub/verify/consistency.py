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
from sparkle.hub.verify.place import Place
from sparkle.hub.verify.report import LevelReport, NotProvedError, VerifyOptions
from sparkle.schemas import layout


def verify_consistency(
    place: Place, report: LevelReport, options: VerifyOptions, progress: Progress, workers: int
) -> None:
    """Check that the release agrees with itself; findings go to the report."""
    tars = [path for path in place.files if path.endswith(".tar") and not path.startswith(_PAIRED)]
    if not place.local:
        _fetch(place, tars, options, progress)
    checked = check_release(
        place.folder,
        progress,
        CheckOptions(
            bench=options.bench,
            workers=workers,
            files=False,
            open_tar=None if place.local else place.opener,
        ),
    )
    if not place.local:
        place.downloaded += place.sizes(tars)
    report.findings += checked.findings
    report.samples = sum(checked.samples.values())
    report.files = len(place.files)
    report.bytes = place.sizes([*place.text_and_tables(), *tars])
    report.claim = "csv, JSON lines, tables, tars and loose files agree, recorded thresholds hold"
    if options.bench is not None:
        report.claim += f", {options.bench} shares no source"


_PAIRED = layout.webdataset_shard("", 0).partition("/")[0] + "/"  # the folder of paired shards


def _fetch(place: Place, tars: list[str], options: VerifyOptions, progress: Progress) -> None:
    text = place.text_and_tables()
    options.say(
        f"consistency: {len(text):,} files of text and tables are fetched ({place.sizes(text):,} bytes), "
        f"{len(tars):,} tars are streamed ({place.sizes(tars):,} bytes); nothing of a tar is stored"
    )
    if "imported" in place.document(layout.PROVENANCE, "provenance"):
        raise NotProvedError(
            "the tars of an imported release are checked in a folder only",
            fix=f"`hf download {place.name} --repo-type dataset --local-dir FOLDER`, then verify FOLDER",
        )
    place.need(text, progress, "fetching text and tables")
    place.outline()
