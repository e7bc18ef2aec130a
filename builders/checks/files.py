"""A release's files against its manifest: all there, none extra, each with its size and content.

Contents of tars are compared member by member (`check_members`, `check_loose`) with what the tables say;
their own sha256 is left to `sparkle verify`. A rerun reads everything again: nothing is cached.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sparkle._files import read_document, safe_join
from sparkle._folders import is_stray_link
from sparkle.builders.cards.room import is_edited_inside
from sparkle.builders.checks.failures import caught
from sparkle.builders.release.manifest import FileEntry, hash_file_by_git, list_files
from sparkle.schemas import layout
from sparkle.schemas.canonical import sha256_bytes, sha256_file
from sparkle.schemas.errors import RecordError, UnsafePathError
from sparkle.schemas.misplaced import recognise_file
from sparkle.schemas.validate import Finding, findings_of, parse_strict

_ALWAYS = (layout.CARD, layout.CROISSANT, layout.PROVENANCE)  # pages of every release
_GIT = (".git", ".gitignore")  # of a release that was cloned; building over it is refused all the same
_JOB_BYTES, _JOB_FILES = 64 << 20, 500  # of a job: a tenth of a second of hashing, or of opening files


def check_document(folder: Path, name: str, schema: str) -> tuple[Any, list[Finding]]:
    """A JSON document of a release, None when it cannot be used, and what is wrong with it."""
    try:
        value = parse_strict(read_document(folder / name))
    except OSError as error:
        return None, [Finding(name, 0, "", "the file cannot be read", got=error.strerror)]
    except RecordError as error:
        return None, [Finding(name, 0, "", error.problem, got=error.got, wanted=error.wanted)]
    findings = list(findings_of(schema, value, file=name))
    return (None if findings else value), findings


def always(listed: Collection[str]) -> tuple[str, ...]:
    """The pages that every release has, or every bench, whose files these are."""
    return (layout.CARD, layout.BENCH) if layout.BENCH in listed else _ALWAYS


def check_files(folder: Path, entries: Sequence[FileEntry]) -> Iterator[Finding]:
    """Everything in which the folder differs from its manifest, contents aside."""
    yield from _check_order(entries)
    listed = {entry.path for entry in entries}
    for name in always(listed):
        if name not in listed:
            yield Finding(layout.MANIFEST, 0, "/files", "a file of every release is not listed", wanted=name)
    for path in list_files(folder):
        if path not in listed and path != layout.MANIFEST and path.partition("/")[0] not in _GIT:
            yield Finding(path, 0, "", "the manifest does not list this file")
    for entry in entries:
        found: list[Finding] = []
        with caught(found.append, entry.path):
            found += _check_place(folder, entry)
        yield from found


def check_kinds(entries: Iterable[FileEntry], *, imported: bool) -> Iterator[Finding]:
    """Everything that the manifest lists and no release has; see `layout.belongs`."""
    for entry in entries:
        if not layout.belongs(entry.path, imported=imported):
            problem = "the manifest lists a file of no kind that a release has"
            wanted = "a table, text, tar, artifact, page or picture by the name that a build gives it"
            yield Finding(entry.path, 0, "", problem, wanted=wanted)


def _check_order(entries: Sequence[FileEntry]) -> Iterator[Finding]:
    for index in range(1, len(entries)):
        if entries[index].path <= entries[index - 1].path:
            pointer = f"/files/{index}/path"
            yield Finding(
                layout.MANIFEST,
                0,
                pointer,
                "files must stand once each, sorted by path",
                got=entries[index].path,
                wanted=f"after {entries[index - 1].path}",
            )


def _check_place(folder: Path, entry: FileEntry) -> Iterator[Finding]:
    """A listed file that is not there, is no file, or has another size."""
    try:
        path = safe_join(folder, entry.path)
    except UnsafePathError as error:
        yield Finding(entry.path, 0, "", error.problem, got=error.got, wanted=error.fix or error.wanted)
        return
    stray = is_stray_link(path, folder)
    if stray or not path.is_file():
        found = "a link" if stray else "nothing" if not path.exists() else "no plain file"
        yield Finding(entry.path, 0, "", "the manifest lists this file", got=found, wanted="a file")
        return
    if entry.path == layout.CARD and (edited := list(_check_card(read_document(path), entry))):
        yield from edited
        return
    size = path.stat().st_size
    if size != entry.size and (misplaced := recognise_file(path)):
        yield Finding(entry.path, 0, "", misplaced.problem, got=str(size), wanted=misplaced.fix)
    elif size != entry.size:
        problem = "another size than in the manifest"
        yield Finding(entry.path, 0, "", problem, got=str(size), wanted=str(entry.size))


def _check_card(card: bytes, entry: FileEntry) -> Iterator[Finding]:
    """A card that somebody edited, and what becomes of the edit."""
    if sha256_bytes(card) == entry.sha256:
        return
    if is_edited_inside(card):
        problem = "the card was edited in the room for your words, and the manifest does not know it"
        wanted = "`sparkle card RELEASE --update`, which takes the edit into the release"
    else:
        problem = "the card was edited outside the room for your words"
        wanted = "title, licence, authors and so on in release.toml, other words in the room (docs/cards.md)"
    yield Finding(entry.path, 0, "", problem, wanted=wanted)


@dataclass(frozen=True)
class HashJob:
    """Compares the contents of some files with their sha256 in the manifest.

    Attributes:
        folder: The release.
        entries: Its files, which are there with their sizes.
    """

    folder: Path
    entries: tuple[FileEntry, ...]

    @property
    def file(self) -> str:
        """The first of them."""
        return self.entries[0].path

    def __call__(self) -> list[Finding]:
        """Read them."""
        findings: list[Finding] = []
        for entry in self.entries:
            with caught(findings.append, entry.path):
                path, problem = self.folder / entry.path, "another content than in the manifest"
                found, wanted = sha256_file(path), entry.sha256
                if found == wanted and entry.git_sha1 is not None:
                    found, wanted = hash_file_by_git(path), entry.git_sha1
                    problem = "another git hash than in the manifest"
                if found != wanted:
                    findings.append(Finding(entry.path, 0, "", problem, found, wanted))
        return findings


def hash_jobs(
    folder: Path, entries: Iterable[FileEntry], findings: Iterable[Finding], *, contents: bool
) -> list[HashJob]:
    """What has to be hashed, some `_JOB_BYTES` a job.

    Args:
        folder: The release.
        entries: Its files.
        findings: What was found so far: a file that is there otherwise than listed is not read.
        contents: Whether paired shards are hashed too; the tars of a kind are compared member by member.
    """
    wrong = {finding.file for finding in findings}
    jobs: list[HashJob] = []
    batch: list[FileEntry] = []
    size = 0
    for entry in entries:
        paired = contents and layout.parse(entry.path).what is layout.What.PAIRED
        if entry.path not in wrong and (paired or not entry.path.endswith(".tar")):
            batch.append(entry)
            size += entry.size
            if size >= _JOB_BYTES or len(batch) >= _JOB_FILES:
                jobs.append(HashJob(folder, tuple(batch)))
                batch, size = [], 0
    return [*jobs, HashJob(folder, tuple(batch))] if batch else jobs
