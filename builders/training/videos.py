"""The videos of an export: each is there whole, verified, and fits its partner; or the pair is left out.

How it works
- A video that is loose beside the release is linked, one that is in a tar or on a Hub is written out. What is
  there from a previous run is taken when it has the right bytes.
- Every video is read and compared with its sha256, linked or not. What a pair shows is compared too:
  trainers swap a pair whose videos differ for another one, or go on with a repeated frame, without a word.
- A pair with a video whose frames are not evenly timed is exported and named: what takes frames by number
  reads it right, what takes them by time does not (`sparkle.media.timing`).
- Files are written under another name and renamed: a kill leaves whole files, and a rerun goes on. They are
  not synced one by one: what a power cut spoils has other bytes, and is written again.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sparkle._files import temporary_beside, try_link
from sparkle._progress import Advance
from sparkle.builders.reading.pairs import Pairs
from sparkle.builders.reading.place import find
from sparkle.builders.reading.source import Source
from sparkle.media.probe import read_shape
from sparkle.schemas.artifact import Artifact
from sparkle.schemas.errors import ArtifactError, MediaError
from sparkle.schemas.layout import EDITED_VIDEO, SOURCE_VIDEO

KINDS = (SOURCE_VIDEO, EDITED_VIDEO)
HARD_LINKED, LINKED, WRITTEN, KEPT = "hard links", "symbolic links", "written", "already there"

_BATCH = 16  # pairs in memory: some 16 MB


@dataclass(frozen=True)
class Named:
    """A pair that was left out, or that not every trainer reads as it is, and why."""

    id: str
    problem: str


@dataclass
class Placed:
    """What was done with the videos.

    Attributes:
        how: Files by `HARD_LINKED`, `LINKED`, `WRITTEN` and `KEPT`.
        bytes_written: Bytes of those that were written.
        sizes: (frames, width, height) of the videos of each pair that is there, by id.
        left_out: Pairs that are not.
        uneven: Pairs that are there, with a video whose frames are not evenly timed.
    """

    how: Counter[str] = field(default_factory=Counter)
    bytes_written: int = 0
    sizes: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    left_out: list[Named] = field(default_factory=list)
    uneven: list[Named] = field(default_factory=list)


def bytes_to_write(pairs: Pairs, rows: Sequence[int], out: Path) -> int:
    """Estimate how many bytes will be written: those of videos that are neither there nor loose."""
    total = 0
    for row in rows:
        for artifact in (pairs.artifact(row, kind) for kind in KINDS):
            if _loose(pairs, artifact) is None and not (out / artifact.path).is_file():
                total += artifact.size
    return total


def place_videos(pairs: Pairs, rows: Sequence[int], source: Source, out: Path, advance: Advance) -> Placed:
    """Put the videos of some pairs into a folder, under their loose paths.

    Args:
        pairs: Pairs.
        rows: Which of them.
        source: Where their artifacts are.
        out: The folder.
        advance: Called for each pair.

    Raises:
        ReleaseError: a tar is not the one in the tables, or cannot be read.
    """
    placed = Placed()
    for start in range(0, len(rows), _BATCH):
        batch = rows[start : start + _BATCH]
        artifacts = {row: [pairs.artifact(row, kind) for kind in KINDS] for row in batch}
        found = _read(source, [artifact for pair in artifacts.values() for artifact in pair], out)
        for pair in artifacts.values():
            _place_pair(pairs, out, placed, [(artifact, found[artifact.path]) for artifact in pair])
            advance()
    return placed


def _place_pair(
    pairs: Pairs, out: Path, placed: Placed, pair: Sequence[tuple[Artifact, bytes | ArtifactError]]
) -> None:
    whole = []
    for artifact, data in pair:
        if isinstance(data, ArtifactError):
            got = f" (got {data.got})" if data.got else ""
            placed.left_out.append(Named(artifact.id, f"{artifact.kind.name}: {data.problem}{got}"))
            return
        whole.append((artifact, data))
    try:
        shapes = [read_shape(data, artifact.kind.suffix) for artifact, data in whole]
    except MediaError as error:
        placed.left_out.append(Named(whole[0][0].id, f"a video cannot be read: {error.problem}"))
        return
    sizes = [shape[:3] for shape in shapes]
    if sizes[0] != sizes[1]:
        said = " and ".join("{} frames of {}x{}".format(*size) for size in sizes)
        placed.left_out.append(Named(whole[0][0].id, f"the videos differ: {said}"))
        return
    for artifact, data in whole:
        how = _place(pairs, artifact, data, out)
        placed.how[how] += 1
        placed.bytes_written += len(data) if how == WRITTEN else 0
    placed.sizes[whole[0][0].id] = sizes[0]
    for (artifact, _), shape in zip(whole, shapes, strict=True):
        if shape.uneven:
            problem = f"{artifact.kind.name}: frames are not evenly timed, up to {shape.uneven:.1f} ms off"
            placed.uneven.append(Named(artifact.id, problem))


def _place(pairs: Pairs, artifact: Artifact, data: bytes, out: Path) -> str:
    """Put a video where it belongs; return how."""
    target = out / artifact.path
    if target.is_file() and target.read_bytes() == data:
        return KEPT
    temporary = temporary_beside(target)
    temporary.unlink(missing_ok=True)
    loose = _loose(pairs, artifact)
    # A tar's member counts, not a loose file that differs from it.
    how = _link(loose, temporary) if loose is not None and loose.read_bytes() == data else WRITTEN
    if how == WRITTEN:
        temporary.write_bytes(data)
    temporary.replace(target)
    return how


def _link(loose: Path, target: Path) -> str:
    """Make a hard link, or a symbolic one where the file system has none across its borders."""
    if try_link(loose, target):
        return HARD_LINKED
    try:
        target.symlink_to(loose.resolve())  # a file of the Hub's cache is a link to its content
    except OSError:
        return WRITTEN
    return LINKED


def _read(source: Source, artifacts: Sequence[Artifact], out: Path) -> dict[str, bytes | ArtifactError]:
    """Read artifacts, by their path: from the files that are there, else from the source.

    One that is wrong is its error, and the others are read all the same.
    """
    found: dict[str, bytes | ArtifactError] = {}
    for artifact in artifacts:
        if (data := _right(out, artifact)) is not None:
            found[artifact.path] = data
    missing = [artifact for artifact in artifacts if artifact.path not in found]
    try:
        found |= {
            artifact.path: data for artifact, data in zip(missing, source.read_many(missing), strict=True)
        }
    except ArtifactError:
        for artifact in missing:
            try:
                found[artifact.path] = source.read(artifact)
            except ArtifactError as error:
                found[artifact.path] = error
    return found


def _right(out: Path, artifact: Artifact) -> bytes | None:
    """Return the bytes of a file that is there already; None where it is missing or wrong."""
    path = out / artifact.path
    if artifact.sha256 is None or not path.is_file() or path.stat().st_size != artifact.size:
        return None
    data = path.read_bytes()
    return data if hashlib.sha256(data).digest() == artifact.sha256 else None


def _loose(pairs: Pairs, artifact: Artifact) -> Path | None:
    """Return the loose file beside the release, where the artifact has one."""
    place = pairs.catalog.artifacts
    path = None if place.folder is None else find(place, artifact.path)
    return path if path is not None and path.stat().st_size == artifact.size else None
