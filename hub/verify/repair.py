"""Mend a release's folder from the place that it came from: broken and missing bytes are fetched, no others.

How it works
- The manifest says what is right. A folder that lost it gets the origin's; one that has another manifest than
  the origin is another release, and nothing is touched.
- A file that is missing or not what the manifest lists is fetched whole, except for our own tars: of those
  the members that are not what the tables say are fetched by range, neighbours in one request, and headers
  and padding are written anew.
- What is mended is written beside and takes its place once its sha256 is the manifest's: a kill, or an origin
  that is broken as well, leaves what was there. A rerun goes on; a tar needs room for a second one meanwhile.
- A card that is there is left alone: somebody may have edited it on purpose. So is what no manifest lists.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from sparkle._files import BLOCK_BYTES, atomic_path, remove_leftovers, safe_join, write_atomic
from sparkle._progress import Progress
from sparkle._scratch import scratch_folder
from sparkle.builders.checks.files import check_document
from sparkle.builders.reading.folder import FolderPlace
from sparkle.builders.reading.place import Place, read_exactly
from sparkle.builders.release.assign import tar_bytes
from sparkle.builders.release.manifest import FileEntry
from sparkle.builders.release.tar import hash_tar
from sparkle.hub.verify.integrity import check_folder
from sparkle.hub.verify.report import LevelReport, Mended
from sparkle.hub.verify.verified import Verified, members_by_tar
from sparkle.schemas import layout
from sparkle.schemas.artifact import Artifact
from sparkle.schemas.canonical import sha256_bytes, sha256_file
from sparkle.schemas.errors import ReleaseError

_RANGE_BYTES = 64 << 20  # the most of a request: what is held in memory at a time


def repair_folder(
    folder: Path, origin: Place, progress: Progress, say: Callable[[str], None], workers: int
) -> tuple[Mended, ...]:
    """Mend a release's folder.

    Raises:
        ReleaseError: the origin is another release, or cannot be read.
    """
    remove_leftovers(folder)
    mended = list(_mend_manifest(folder, origin))
    # Files first: the tables say where members are.
    for tars in (False, True):
        with scratch_folder() as scratch:
            release = Verified(FolderPlace(folder), scratch)
            broken = [
                entry for entry in _broken(release, progress, workers) if entry.path.endswith(".tar") == tars
            ]
            members = _members(release) if tars and broken else {}
            with progress("mending tars" if tars else "mending files", len(broken)) as advance:
                for entry in broken:
                    mended += _mend(release, entry, members.get(entry.path, []), origin, say)
                    advance()
    fetched = sum(found.fetched for found in mended)
    say(f"repair: {len(mended)} files mended, {fetched:,} bytes fetched from {origin.name}")
    return tuple(mended)


def _mend_manifest(folder: Path, origin: Place) -> Iterator[Mended]:
    theirs = origin.fetch(layout.MANIFEST).read_bytes()
    path = folder / layout.MANIFEST
    if not path.is_file() or check_document(folder, layout.MANIFEST, "manifest")[1]:
        write_atomic(path, theirs)
        yield Mended(layout.MANIFEST, 0, len(theirs))
    elif path.read_bytes() != theirs:
        raise ReleaseError(
            "the place to repair from holds another release",
            got=f"a manifest of sha256 {sha256_bytes(theirs)}",
            wanted=f"the one of {folder}, sha256 {sha256_file(path)}",
            where=origin.name,
            fix="name the revision that this folder came from, as in owner/name@v1.0",
        )


def _broken(release: Verified, progress: Progress, workers: int) -> list[FileEntry]:
    """What the manifest lists and the folder does not have as it should be."""
    report = LevelReport("integrity")
    check_folder(release, report, progress, workers)
    wrong = {finding.file for finding in report.findings}
    return [entry for entry in release.listed if entry.path in wrong]


def _members(release: Verified) -> dict[str, list[Artifact]]:
    """The members of every tar that we wrote, by id."""
    return {} if release.provenance().imported else members_by_tar(release)


def _mend(
    release: Verified,
    entry: FileEntry,
    members: Sequence[Artifact],
    origin: Place,
    say: Callable[[str], None],
) -> Iterator[Mended]:
    """Mend a file; what cannot be mended is said, and stays as it was."""
    target = safe_join(release.folder, entry.path)
    if entry.path == layout.CARD and target.is_file():
        say(f"repair: {entry.path} is not what was released and is left alone; delete it to have it fetched")
        return
    try:
        fits = tar_bytes([member.size for member in members]) == entry.size
        if members and fits and target.is_file() and not target.is_symlink():
            yield _mend_tar(target, entry, members, origin)
        else:
            yield _fetch_whole(target, entry, origin)
    except ReleaseError as error:
        say(f"repair: {entry.path} could not be mended: {' '.join(str(error).split())}")


def _fetch_whole(target: Path, entry: FileEntry, origin: Place) -> Mended:
    """Fetch a file; it takes its place only when it is what the manifest lists."""
    with atomic_path(target) as temporary:
        digest = hashlib.sha256()
        with origin.open(entry.path) as stream, temporary.open("wb") as file:
            while block := stream.read(BLOCK_BYTES):
                digest.update(block)
                file.write(block)
        _require(digest.hexdigest(), entry, origin)
    return Mended(entry.path, 0, entry.size)


def _mend_tar(target: Path, entry: FileEntry, members: Sequence[Artifact], origin: Place) -> Mended:
    """Write a tar again of the members that are right, and of the others as the origin has them."""
    fetched: dict[str, bytes] = {}
    count = size = 0
    with target.open("rb") as old, atomic_path(target) as temporary, temporary.open("wb") as new:

        def data(index: int) -> bytes:
            nonlocal count, size
            member = members[index]
            found = _whole(old.fileno(), member)
            if found is not None:
                return found
            if member.id not in fetched:
                fetched.clear()
                run = _run_of_broken(old.fileno(), members, index)
                start = run[0].offset
                block = read_exactly(origin, entry.path, start, run[-1].offset + run[-1].size - start)
                count, size = count + len(run), size + len(block)
                for one in run:
                    fetched[one.id] = block[one.offset - start :][: one.size]
            if sha256_bytes(fetched[member.id]) != member.hex:
                raise _also_broken(f"{entry.path} {member.member}", origin)
            return fetched[member.id]

        parts = ((member.member, member.size, (data(index),)) for index, member in enumerate(members))
        made = hash_tar(parts, write=new.write)
        _require(made.sha256, entry, origin)
    return Mended(entry.path, count, size)


def _run_of_broken(file: int, members: Sequence[Artifact], first: int) -> list[Artifact]:
    """A broken member and those behind it that are broken too, as many as one request takes."""
    run = [members[first]]
    for member in members[first + 1 :]:
        length = member.offset + member.size - run[0].offset
        if length > _RANGE_BYTES or member.offset < run[-1].offset or _whole(file, member) is not None:
            break
        run.append(member)
    return run


def _whole(file: int, member: Artifact) -> bytes | None:
    """A member's data where it should be, None when it is not that."""
    if not 0 <= member.offset <= os.fstat(file).st_size - member.size:  # before anything is allocated
        return None
    data = os.pread(file, member.size, member.offset)
    return data if len(data) == member.size and sha256_bytes(data) == member.hex else None


def _require(sha256: str, entry: FileEntry, origin: Place) -> None:
    if sha256 != entry.sha256:
        raise _also_broken(entry.path, origin)


def _also_broken(path: str, origin: Place) -> ReleaseError:
    return ReleaseError("the origin does not have what the manifest lists", where=f"{origin.name} {path}")
