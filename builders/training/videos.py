"""The files of an export: each is there whole, verified, and fits its pair; or the pair is left out.

How it works
- A file that is loose beside the release is linked, one that is in a tar or on a Hub is written out. What is
  there from a previous run is taken when it has the right bytes.
- Every file is read and compared with its sha256, linked or not. What a pair shows is compared too:
  trainers swap a pair whose videos differ for another one, or go on with a repeated frame, without a word.
- Masks become videos, which is what trainers read: white where the background is, which is made anew, black
  where the subject is. They are lossless, and taken from a previous run when they show the mask.
- Where only so many pairs are wanted, the next ones take the places of those that are left out.
- A pair with a video whose frames are not evenly timed is exported and named: what takes frames by number
  reads it right, what takes them by time does not (`sparkle.media.timing`).
- Files are written under another name and renamed: a kill leaves whole files, and a rerun goes on. They are
  not synced one by one: what a power cut spoils has other bytes, and is written again.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice, zip_longest
from pathlib import Path

import numpy as np

from sparkle._files import temporary_beside, try_link
from sparkle._progress import Advance
from sparkle.builders.reading.pairs import Pairs
from sparkle.builders.reading.place import find
from sparkle.builders.reading.source import Source
from sparkle.media import Mask
from sparkle.media.decode import iter_frames
from sparkle.media.encode import Encoding, encode
from sparkle.media.mask import load_mask
from sparkle.media.probe import Shape, read_shape
from sparkle.schemas.artifact import Artifact
from sparkle.schemas.errors import ArtifactError, MediaError
from sparkle.schemas.ids import theme_of
from sparkle.schemas.layout import EDITED_VIDEO, SOURCE_VIDEO, SOURCE_VIDEO_MASK, Kind

PAIR = (SOURCE_VIDEO, EDITED_VIDEO)
HARD_LINKED, LINKED, WRITTEN, KEPT = "hard links", "symbolic links", "written", "already there"

_BATCH = 16  # pairs in memory: some 16 MB
_LOSSLESS = Encoding(crf=0)


@dataclass(frozen=True)
class Named:
    """A pair that was left out, or that not every trainer reads as it is, and why."""

    id: str
    problem: str


@dataclass
class Placed:
    """What was done with the files.

    Attributes:
        how: Files by `HARD_LINKED`, `LINKED`, `WRITTEN` and `KEPT`.
        shared: Files that are links to the release's own.
        bytes_written: Bytes of those that were written.
        shapes: What the videos of each pair that is there show, by id.
        left_out: Pairs that are not.
        uneven: Pairs that are there, with a video whose frames are not evenly timed.
    """

    how: Counter[str] = field(default_factory=Counter)
    shared: int = 0
    bytes_written: int = 0
    shapes: dict[str, Shape] = field(default_factory=dict)
    left_out: list[Named] = field(default_factory=list)
    uneven: list[Named] = field(default_factory=list)


def file_of(kind: Kind, sample_id: str) -> str:
    """Where a file of a sample is in an export: as in the release, but a mask is a video."""
    if kind == SOURCE_VIDEO_MASK:
        return f"{theme_of(sample_id)}/mask_video/{sample_id}.mp4"
    return kind.path(sample_id)


@dataclass
class Files:
    """Puts the files of pairs into a folder.

    Attributes:
        pairs: The pairs.
        source: Where their artifacts are.
        out: The folder.
        kinds: What is wanted of each besides its videos.
        copy: Whether every file is one of its own, and none a link.
        outdate: Called with an id before a file of that sample is replaced by one that has other bytes.
        placed: What was done.
    """

    pairs: Pairs
    source: Source
    out: Path
    kinds: Sequence[Kind]
    copy: bool
    outdate: Callable[[str], None]
    placed: Placed = field(default_factory=Placed)

    def bytes_to_write(self, rows: Iterable[int]) -> int:
        """Estimate how many bytes some pairs take: those of files that are neither there nor linked."""
        total = 0
        for row in rows:
            for artifact in self._artifacts(row):
                target = self.out / file_of(artifact.kind, artifact.id)
                loose = self._loose(artifact)
                there = target.is_file() and not (self.copy and _is_shared(target, loose))
                linked = loose is not None and not self.copy and artifact.kind != SOURCE_VIDEO_MASK
                total += 0 if there or linked else artifact.size
        return total

    def place(self, rows: Sequence[int], most: int | None, advance: Advance) -> None:
        """Place pairs in the order given, until so many are there that are in order.

        Args:
            rows: Positions among the pairs.
            most: How many are wanted; None for all.
            advance: Called for each pair that is there, and for those that will not be.

        Raises:
            ReleaseError: a tar is not the one in the tables, or cannot be read.
        """
        left, there = iter(rows), 0
        while batch := sorted(islice(left, None if most is None else most - there)):
            for start in range(0, len(batch), _BATCH):
                artifacts = [self._artifacts(row) for row in batch[start : start + _BATCH]]
                found = self._read([artifact for pair in artifacts for artifact in pair])
                for pair in artifacts:
                    if self._place_pair([(artifact, found[artifact.path]) for artifact in pair]):
                        there += 1
                        advance()
        planned = len(rows) if most is None else min(most, len(rows))
        advance(0, planned - there)

    def _artifacts(self, row: int) -> list[Artifact]:
        return [self.pairs.artifact(row, kind) for kind in (*PAIR, *self.kinds)]

    def _place_pair(self, pair: Sequence[tuple[Artifact, bytes | ArtifactError]]) -> bool:
        """Place a pair, or name it among those that are left out; return whether it is there."""
        sample_id = pair[0][0].id
        whole: list[tuple[Artifact, bytes]] = []
        for artifact, data in pair:
            if isinstance(data, ArtifactError):
                got = f" (got {data.got})" if data.got else ""
                return self._leave_out(sample_id, f"{artifact.kind.name}: {data.problem}{got}")
            whole.append((artifact, data))
        shapes: list[Shape] = []
        try:
            for artifact, data in whole:
                shapes.append(read_shape(data, artifact.kind.suffix))
        except MediaError as error:
            name = whole[len(shapes)][0].kind.name
            return self._leave_out(sample_id, f"{name} cannot be read: {error.problem}")
        if shapes[0][:3] != shapes[1][:3]:
            return self._leave_out(sample_id, f"the videos differ: {_told(shapes[0])} and {_told(shapes[1])}")
        for kind, shape in zip(self.kinds, shapes[2:], strict=True):
            first = 1 if kind.suffix == ".png" else 0  # an image has the size alone in common with them
            if shape[first:3] != shapes[0][first:3]:
                problem = f"{kind.name} does not fit the videos: {_told(shape)}, they have {_told(shapes[0])}"
                return self._leave_out(sample_id, problem)
        try:
            for artifact, data in whole:
                self._place_file(artifact, data, shapes[0])
        except MediaError as error:  # of a mask
            return self._leave_out(sample_id, f"{SOURCE_VIDEO_MASK.name}: {error.problem}")
        self.placed.shapes[sample_id] = shapes[1]
        for (artifact, _), shape in zip(whole, shapes, strict=True):
            if shape.uneven:
                problem = (
                    f"{artifact.kind.name}: frames are not evenly timed, up to {shape.uneven:.1f} ms off"
                )
                self.placed.uneven.append(Named(sample_id, problem))
        return True

    def _leave_out(self, sample_id: str, problem: str) -> bool:
        self.placed.left_out.append(Named(sample_id, problem))
        return False

    def _place_file(self, artifact: Artifact, data: bytes, shape: Shape) -> None:
        """Put a file where it belongs."""
        target = self.out / file_of(artifact.kind, artifact.id)
        masks = load_mask(data) if artifact.kind == SOURCE_VIDEO_MASK else None
        loose = self._loose(artifact)
        right = target.is_file() and (target.read_bytes() == data if masks is None else _shows(target, masks))
        if right and not (self.copy and _is_shared(target, loose)):
            how = KEPT
        else:
            temporary = temporary_beside(target)
            temporary.unlink(missing_ok=True)
            how = WRITTEN
            # A tar's member counts, not a loose file that differs from it.
            if masks is None and not self.copy and loose is not None and loose.read_bytes() == data:
                how = _link(loose, temporary)
            if masks is not None:
                _write_mask(masks, round(shape.fps), temporary)
            elif how == WRITTEN:
                temporary.write_bytes(data)
            if not right and target.is_file():
                self.outdate(artifact.id)
            if how == WRITTEN:
                self.placed.bytes_written += temporary.stat().st_size
            temporary.replace(target)
        self.placed.how[how] += 1
        self.placed.shared += _is_shared(target, loose)

    def _read(self, artifacts: Sequence[Artifact]) -> dict[str, bytes | ArtifactError]:
        """Read artifacts, by their path: from the files that are there, else from the source.

        One that is wrong is its error, and the others are read all the same.
        """
        found: dict[str, bytes | ArtifactError] = {}
        for artifact in artifacts:
            if (data := _right(self.out, artifact)) is not None:
                found[artifact.path] = data
        missing = [artifact for artifact in artifacts if artifact.path not in found]
        try:
            read = self.source.read_many(missing)
            found |= {artifact.path: data for artifact, data in zip(missing, read, strict=True)}
        except ArtifactError:
            for artifact in missing:
                try:
                    found[artifact.path] = self.source.read(artifact)
                except ArtifactError as error:
                    found[artifact.path] = error
        return found

    def _loose(self, artifact: Artifact) -> Path | None:
        """Return the loose file beside the release, where the artifact has one."""
        place = self.pairs.catalog.artifacts
        path = None if place.folder is None else find(place, artifact.path)
        return path if path is not None and path.stat().st_size == artifact.size else None


def _told(shape: Shape) -> str:
    return f"{shape.frames} frames of {shape.width}x{shape.height}"


def _link(loose: Path, target: Path) -> str:
    """Make a hard link, or a symbolic one where the file system has none across its borders."""
    if try_link(loose, target):
        return HARD_LINKED
    try:
        target.symlink_to(loose.resolve())  # a file of the Hub's cache is a link to its content
    except OSError:
        return WRITTEN
    return LINKED


def _is_shared(target: Path, loose: Path | None) -> bool:
    """Whether a file of an export is the release's own: who writes into the one writes into the other."""
    return target.is_symlink() or (target.is_file() and loose is not None and target.samefile(loose))


def _right(out: Path, artifact: Artifact) -> bytes | None:
    """Return the bytes of a file that is there already; None where it is missing or wrong."""
    path = out / artifact.path
    if artifact.sha256 is None or not path.is_file() or path.stat().st_size != artifact.size:
        return None
    data = path.read_bytes()
    return data if hashlib.sha256(data).digest() == artifact.sha256 else None


def _write_mask(masks: Mask, fps: int, path: Path) -> None:
    frames = (np.where(mask, 0, 255).astype(np.uint8) for mask in masks)
    encode(frames, path, fps=max(1, fps), encoding=_LOSSLESS)


def _shows(path: Path, masks: Mask) -> bool:
    """Whether a video is the one that `_write_mask` made of some masks."""
    try:
        pairs = zip_longest(iter_frames(path), masks)
        return all(
            frame is not None and mask is not None and np.array_equal(frame[..., 0] < 128, mask)
            for frame, mask in pairs
        )
    except MediaError:
        return False
