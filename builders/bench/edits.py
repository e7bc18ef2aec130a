"""A model's edit of a sample of a bench: whether it can be judged, and what is wrong with it.

- An edit is `missing` or `unusable` for a reason, as in files of verdicts. One that is `suspect` (nothing was
  edited, or it is another sample's) can be judged and should not be. What is worth a look and no more is a
  remark, such as another rate; what is as upstream's script writes it is a note.
- Every edit is decoded to its end. Its pictures are compared with the source's by every 16th frame, small.
  Measured on eleven real pairs: encoding the source at crf 25 moves no pixel by more than 2 levels, crf 42 by
  9, and an edit moves one by 150 or more on each of those frames.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from av.video.frame import VideoFrame

from sparkle._progress import size_text
from sparkle.builders.bench.folder import BenchItem
from sparkle.media import Pixels
from sparkle.media.container import open_video
from sparkle.media.decode import part_drawer, upright_size
from sparkle.media.probe import Shape, read_shape
from sparkle.media.view import SizeRules, fit
from sparkle.schemas.canonical import sha256_file
from sparkle.schemas.errors import MediaError, ReleaseError
from sparkle.schemas.validate import Finding
from sparkle.schemas.verdicts import Status

MOST_FRAMES = 81  # that a model is given, as by upstream's test script
RULES = SizeRules()  # and of what size

_LARGE = 20 * 1000 * 1000  # bytes: the most that Gemini takes in a request; base64 is a third more
_STEP = 16  # frames from one that is compared to the next
_SMALL = (16, 9)  # pixels (width, height) at which they are
_SAME = 16  # levels by which no pixel of theirs may differ
_RATES_DIFFER = 0.01  # frames a second
_UPSTREAM_FPS = 15.0  # of what its script writes, whatever the source's are


def given(source: Path) -> tuple[Shape, Shape]:
    """Return what a source of a bench is, and what of it a model is given, as by upstream's test script.

    Raises:
        ReleaseError: the source cannot be read, or is too small.
    """
    with _of_the_bench(source):
        whole = read_shape(source.read_bytes(), source.suffix)
        width, height = RULES.target(whole.width, whole.height)
    frames = min(MOST_FRAMES, (whole.frames - 1) // 4 * 4 + 1)
    return whole, whole._replace(frames=frames, width=width, height=height)


@contextmanager
def _of_the_bench(source: Path) -> Iterator[None]:
    """What is wrong with a source is no fault of an edit."""
    try:
        yield
    except (MediaError, OSError) as error:
        got = error.problem if isinstance(error, MediaError) else error.strerror
        raise ReleaseError("a source video of the bench cannot be used", got=got, where=source) from None


@dataclass(frozen=True)
class BenchEdit:
    """A model's edit of a sample.

    Attributes:
        item: The sample.
        path: The edit; where upstream's tree has it, if there is none.
        status: Whether it can be judged.
        reason: Why it cannot.
        suspect: Why it should not be, unless somebody accepts it.
        remarks: What is worth a look, though it can be judged.
        notes: In what it is as upstream's script writes it.
        sha256: Of its bytes; None where there are none.
    """

    item: BenchItem
    path: Path
    status: Status = "ok"
    reason: str | None = None
    suspect: str | None = None
    remarks: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    sha256: str | None = None

    def findings(self) -> list[Finding]:
        """What is wrong with it, in words."""
        said = (self.reason, self.suspect, *self.remarks)
        return [Finding(str(self.path), 0, "", problem, got=self.item.id) for problem in said if problem]


@dataclass(frozen=True)
class EditLook:
    """Looks at an edit, in a worker.

    Attributes:
        edit: Where it is.
        source: The source video.
    """

    edit: BenchEdit
    source: Path

    def __call__(self) -> BenchEdit:
        """Return it with what is wrong."""
        edit = self.edit
        if edit.status != "ok":
            return edit
        if not edit.path.is_file():
            there = edit.path.exists()
            reason = "not a file" if there else "there is no such file"
            return replace(edit, status="unusable" if there else "missing", reason=reason)
        try:
            edit = replace(edit, sha256=sha256_file(edit.path))
            return self._compared(edit, _watch(edit.path))
        except MediaError as error:
            reason = " ".join(filter(None, (f"{error.problem}:" if error.got else error.problem, error.got)))
            return replace(edit, status="unusable", reason=reason.replace(f"{edit.path}", edit.path.name))
        except OSError as error:
            return replace(edit, status="unusable", reason=f"it cannot be read: {error.strerror}")

    def _compared(self, edit: BenchEdit, seen: _Seen) -> BenchEdit:
        """Compare what decoded with the source."""
        source, part = given(self.source)
        allowed = {(part.width, part.height), (source.width, source.height)}
        size, reason = f"{seen.width}x{seen.height}", None
        if (seen.width, seen.height) in {(2 * across, down) for across, down in allowed}:
            reason = f"{size}: it is source and edit side by side, the _concat video in place of _edited"
        elif (seen.width, seen.height) not in allowed:
            wanted = " or ".join(f"{across}x{down}" for across, down in sorted(allowed))
            reason = f"another size than the source's: {size}, wanted {wanted}"
        elif seen.frames not in (part.frames, source.frames):
            reason = f"another length than the source's: {seen.frames} frames, wanted {part.frames}"
        if reason is not None:
            return replace(edit, status="unusable", reason=reason)
        remarks, notes, suspect = [], [], None
        if (seen.width, seen.height) != (source.width, source.height):
            notes.append(f"{size} of {source.width}x{source.height}, upstream's crop")
        rates = f"{seen.fps:g} frames a second, not {source.fps:g}"
        if seen.fps == _UPSTREAM_FPS != source.fps:
            notes.append(f"{rates}, as upstream's script writes")
        elif abs(seen.fps - source.fps) > _RATES_DIFFER:
            remarks.append(f"another rate than the source's: {rates}")
        if (length := edit.path.stat().st_size) > _LARGE:
            remarks.append(f"{size_text(length)}: over 20 MB, more than a judge can be sent as one video")
        if _is_source(seen, self.source):
            suspect = "nothing was edited: it has the source's pictures"
        return replace(edit, suspect=suspect, remarks=tuple(remarks), notes=tuple(notes))


@dataclass(frozen=True)
class _Seen:
    frames: int
    width: int
    height: int
    fps: float
    small: list[Pixels]


def _watch(path: Path) -> _Seen:
    """Decode a video to its end."""
    small = []
    count = width = height = 0
    with open_video(path) as video:
        for image in _small(video.frames(), None):
            count += 1
            if image is not None:
                small.append(image[1])
                width, height = image[0]
        rate = float(video.rate)
    return _Seen(count, width, height, rate, small)


def _small(
    frames: Iterator[VideoFrame], size: tuple[int, int] | None
) -> Iterator[tuple[tuple[int, int], Pixels] | None]:
    """Yield size and small picture of every 16th frame, None for the others; `size` is the part to see."""
    for index, frame in enumerate(frames):
        if index % _STEP:
            yield None
            continue
        whole = upright_size(frame)
        width, height = size or whole
        view = fit(*whole, SizeRules(width=width, height=height))
        image = np.empty((height, width, 3), np.uint8)
        part_drawer((view.scaled_width, view.scaled_height), (view.left, view.top))(frame, image)
        yield whole, np.asarray(cv2.resize(image, _SMALL, interpolation=cv2.INTER_AREA), np.uint8)


def _is_source(seen: _Seen, source: Path) -> bool:
    with _of_the_bench(source), open_video(source) as video:
        pictures = filter(None, _small(video.frames(), (seen.width, seen.height)))
        pairs = zip(seen.small, pictures, strict=False)
        return all(int(cv2.absdiff(ours, theirs).max()) < _SAME for ours, (_, theirs) in pairs)
