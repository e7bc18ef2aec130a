"""Level 1: every byte of the release is the one that its manifest lists.

How it works
- In a folder every file is hashed, tars too.
- Of a Hub nothing is downloaded but the manifest: compared are the sha256 that it keeps of every large file,
  which it computed when it took the file in, and of small text files the hash that git gives them. Text whose
  git hash the manifest does not list is fetched.
- Files that are missing, too many or links are findings, except for what a Hub and its client put there.
"""

from __future__ import annotations

from collections.abc import Sequence

from sparkle._processes import pool_of
from sparkle._progress import Progress
from sparkle.builders.checks.failures import run_caught
from sparkle.builders.checks.files import HashJob, always, check_files
from sparkle.builders.release.manifest import FileEntry
from sparkle.hub.verify.report import LevelReport, VerifyOptions
from sparkle.hub.verify.verified import Verified
from sparkle.schemas import layout
from sparkle.schemas.canonical import sha256_file
from sparkle.schemas.validate import Finding

_OTHER = "another content than in the manifest"
_JOB_BYTES, _JOB_FILES = 256 << 20, 500  # of a job; tars are larger and stand alone


def verify_integrity(
    release: Verified, report: LevelReport, options: VerifyOptions, progress: Progress, workers: int
) -> None:
    """Compare every file with the manifest; findings go to the report."""
    report.findings += release.manifest_findings
    if release.manifest_findings:
        return
    report.files = len(release.entries)
    if release.local:
        check_folder(release, report, progress, workers)
        report.bytes = sum(entry.size for entry in release.listed)
        report.claim = "every file has the bytes that the manifest lists, and there is no other file"
    else:
        _check_hub(release, report, options, progress)
        report.claim = "by the Hub's own hashes, every file is the one that the manifest lists"


def check_folder(release: Verified, report: LevelReport, progress: Progress, workers: int) -> None:
    """Hash every file of a folder; what is not as the manifest lists it goes to the report."""
    found = list(check_files(release.folder, release.listed))
    report.findings += found
    wrong = {finding.file for finding in found}
    jobs = _jobs(release, [entry for entry in release.listed if entry.path not in wrong])
    with progress("hashing files", len(jobs)) as advance, pool_of(workers) as pool:
        for answer in run_caught(pool, jobs):
            report.findings += [answer] if isinstance(answer, Finding) else answer
            advance()


def _jobs(release: Verified, entries: Sequence[FileEntry]) -> list[HashJob]:
    """What is hashed at a time, large files first: the last job is then a short one."""
    jobs: list[HashJob] = []
    batch: list[FileEntry] = []
    size = 0
    for entry in sorted(entries, key=lambda entry: (-entry.size, entry.path)):
        batch.append(entry)
        size += entry.size
        if size >= _JOB_BYTES or len(batch) >= _JOB_FILES:
            jobs.append(HashJob(release.folder, tuple(batch)))
            batch, size = [], 0
    return [*jobs, HashJob(release.folder, tuple(batch))] if batch else jobs


def _check_hub(release: Verified, report: LevelReport, options: VerifyOptions, progress: Progress) -> None:
    _check_names(release, report)
    unknown = []
    for entry in release.listed:
        file = release.files.get(entry.path)
        if file is None:
            continue
        if file.size != entry.size:
            problem = "another size than in the manifest"
            report.note(entry.path, problem, got=file.size, wanted=entry.size)
        elif file.sha256:
            _compare(report, entry, file.sha256, entry.sha256)
        elif file.git_sha1 is not None and entry.git_sha1 is not None:
            _compare(report, entry, file.git_sha1, entry.git_sha1)
        else:
            unknown.append(entry)
    paths = [entry.path for entry in unknown]
    if paths:
        options.say(
            f"integrity: {len(paths):,} text files whose git hash the manifest does not list are fetched "
            f"({release.sizes(paths):,} bytes)"
        )
    release.need(paths, progress, "fetching text")
    for entry in unknown:
        _compare(report, entry, sha256_file(release.folder / entry.path), entry.sha256)


def _compare(report: LevelReport, entry: FileEntry, got: str, wanted: str) -> None:
    report.bytes += entry.size
    if got != wanted:
        report.note(entry.path, _OTHER, got=got, wanted=wanted)


def _check_names(release: Verified, report: LevelReport) -> None:
    for path in sorted(release.files.keys() - release.entries.keys() - {layout.MANIFEST}):
        report.note(path, "the manifest does not list this file")
    for path in sorted(release.entries.keys() - release.files.keys()):
        report.note(path, "the manifest lists this file", got="nothing", wanted="a file")
    for name in always(release.entries):
        if name not in release.entries:
            report.note(
                layout.MANIFEST, "a file of every release is not listed", pointer="/files", wanted=name
            )
