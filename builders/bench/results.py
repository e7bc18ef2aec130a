"""Where a model's edits of a bench are, and what is wrong with each.

- Results are a folder, in upstream's tree (`<theme>/<subtheme>---<scene>/ID_edited.mp4`, also below
  `sparkle_bench/`, as its script makes it) or as `<theme>/ID.mp4`; or OpenVE-Bench's csv with a column
  `edited_result_path`, whose paths are those of files below the csv's folder.
- An edit is `missing` or `unusable` for a reason, as in files of verdicts. One that is `suspect` (nothing was
  edited, or it is another sample's) can be judged and should not be. What is worth a look and no more is a
  remark, such as another rate; what is as upstream's script writes it is a note.
- Every edit is decoded to its end. Its pictures are compared with the source's by every 16th frame, small.
  Measured on eleven real pairs: encoding the source at crf 25 moves no pixel by more than 2 levels, crf 42 by
  9, and an edit moves one by 150 or more on each of those frames.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import cv2
import msgspec
import numpy as np
from av.video.frame import VideoFrame

from sparkle._files import read_document, safe_join
from sparkle._folders import is_junk
from sparkle._processes import pool_of
from sparkle._progress import Progress, silent, size_text
from sparkle.builders.bench.folder import BenchItem, csv_rows
from sparkle.media import Pixels
from sparkle.media.container import open_video
from sparkle.media.decode import part_drawer, upright_size
from sparkle.media.probe import read_shape
from sparkle.media.view import SizeRules, fit
from sparkle.schemas import layout
from sparkle.schemas.canonical import sha256_file
from sparkle.schemas.errors import MediaError, ReleaseError, UnsafePathError
from sparkle.schemas.ids import ID_PATTERN
from sparkle.schemas.records import Record, Sha256, Text
from sparkle.schemas.validate import Finding
from sparkle.schemas.verdicts import Status, Verdict

MOST_FRAMES = 81  # that a model is given, as by upstream's test script
RULES = SizeRules()  # and of what size

RESULT_COLUMNS = ("edited_type", "prompt", "original_video", "edited_result_path")
_LARGE = 20 * 1000 * 1000  # bytes: the most that Gemini takes in a request; base64 is a third more
_STEP = 16  # frames from one that is compared to the next
_SMALL = (16, 9)  # pixels (width, height) at which they are
_SAME = 16  # levels by which no pixel of theirs may differ
_RATES_DIFFER = 0.01  # frames a second
_UPSTREAM_FPS = 15.0  # of what its script writes, whatever the source's are
_ID = re.compile(ID_PATTERN.strip("^$"))


class BaselineMark(Record, frozen=True):
    """What `baseline.json` says: that no model made these results, and of which bench they are."""

    baseline: Text
    revision: Sha256


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
class Results:
    """What a model made of a bench.

    Attributes:
        edits: One per sample of the bench, by id, in its order.
        strays: What is in the results and no sample's edit.
        baseline: Which baseline they are; None for a model's.
    """

    edits: dict[str, BenchEdit]
    strays: tuple[Finding, ...] = ()
    baseline: str | None = None

    def findings(self) -> list[Finding]:
        """Everything that is wrong."""
        return [finding for edit in self.edits.values() for finding in edit.findings()] + [*self.strays]


def read_results(
    bench: Path,
    results: Path,
    items: Mapping[str, BenchItem],
    *,
    workers: int = 1,
    progress: Progress = silent,
) -> Results:
    """Look at every edit.

    Args:
        bench: The bench's folder.
        results: The results: a folder, or OpenVE-Bench's csv.
        items: The samples of the bench, from `read_bench`.
        workers: How many processes decode.
        progress: Told of each edit.

    Raises:
        ReleaseError: there are no such results, or a table or a source cannot be read.
    """
    edits, strays = _find(results, items)
    mark = baseline_of(results)
    jobs = [
        EditLook(edit, bench / layout.bench_source(edit.item.theme, edit.item.id)) for edit in edits.values()
    ]
    found = {}
    with pool_of(workers) as pool, progress("looking at edits", len(jobs)) as advance:
        for edit in pool(jobs):
            found[edit.item.id] = edit
            advance()
    if mark is not None and mark.baseline == "source":
        found = {sample_id: replace(edit, suspect=None) for sample_id, edit in found.items()}
    return Results(_with_twins(found), strays, mark.baseline if mark is not None else None)


def baseline_of(results: Path) -> BaselineMark | None:
    """Which baseline some results are; None where they are a model's.

    Raises:
        ReleaseError: there is a mark, and it cannot be read.
    """
    path = results / layout.BASELINE
    if not results.is_dir() or not path.is_file():
        return None
    try:
        return msgspec.json.decode(read_document(path), type=BaselineMark)
    except msgspec.DecodeError as error:
        raise ReleaseError("the mark of a baseline cannot be read", got=error, where=path) from None


def edit_places(item: BenchItem | Verdict) -> list[str]:
    """Where in a folder of results a sample's edit may be; the first is upstream's."""
    tree = layout.bench_edited(item.theme, item.subtheme, item.scene, item.id)
    flat = layout.bench_edited_flat(item.theme, item.id)
    return [f"{root}{place}" for place in (tree, flat) for root in ("", f"{layout.RESULTS}/")]


def find_edit(results: Path, item: BenchItem | Verdict) -> Path | None:
    """A sample's edit in a folder of results; None where there is none.

    Raises:
        UnsafePathError: what the sample says of itself makes a path that leaves the folder.
    """
    places = (safe_join(results, place) for place in edit_places(item))
    return next((place for place in places if place.is_file()), None)


def given(frames: int, width: int, height: int) -> tuple[int, int, int]:
    """Return the frames, width and height of a source that a model is given, as by upstream's test script.

    Raises:
        MediaError: the source is too small.
    """
    return min(MOST_FRAMES, (frames - 1) // 4 * 4 + 1), *RULES.target(width, height)


# --- where edits are -------------------------------------------------------------------------------


def _find(results: Path, items: Mapping[str, BenchItem]) -> tuple[dict[str, BenchEdit], tuple[Finding, ...]]:
    """Where the edits are, before anybody has looked at them; and what is no edit."""
    if results.is_dir():
        edits = {item.id: _in_folder(results, item) for item in items.values()}
        return edits, tuple(_strays(results, items))
    if not results.is_file():
        wanted = "a folder, or a csv with a column edited_result_path"
        raise ReleaseError("there are no such results", got=results, wanted=wanted)
    return _in_table(results, items)


def _in_folder(results: Path, item: BenchItem) -> BenchEdit:
    upstreams, *_ = places = [safe_join(results, place) for place in edit_places(item)]
    found = [place for place in places if os.path.lexists(place)]
    if len(found) > 1:
        reason = f"there are two edits of it, the other is {found[1].relative_to(results)}"
        return BenchEdit(item, found[0], "unusable", reason)
    if found:
        return BenchEdit(item, found[0])
    beside = [place for place in map(layout.bench_concat, edit_places(item)) if (results / place).is_file()]
    reason = "there is no edit of it"
    if beside:
        reason += f", only source and edit side by side, {beside[0]}"
    return BenchEdit(item, upstreams, "missing", reason)


def _strays(results: Path, items: Mapping[str, BenchItem]) -> Iterator[Finding]:
    """The videos of a folder that are nobody's edit."""
    places = {place for item in items.values() for place in edit_places(item)}
    places |= {layout.bench_concat(place) for place in places}
    for root, folders, files in os.walk(results):
        folders.sort()
        below = PurePosixPath(Path(root).relative_to(results).as_posix())
        for name in sorted(files):
            path = str(below / name)
            if not name.lower().endswith(".mp4") or path in places or name.startswith(".") or is_junk(path):
                continue
            match = _ID.match(name)
            item = items.get(match[0]) if match else None
            if item is not None:
                problem, wanted = "an edit in another place than its sample's", edit_places(item)[0]
            else:
                problem, wanted = "the bench has no such sample", "edits of its ids"
            shown = match[0] if match else name
            yield Finding(str(results / path), 0, "", problem, got=shown, wanted=wanted)


def _in_table(path: Path, items: Mapping[str, BenchItem]) -> tuple[dict[str, BenchEdit], tuple[Finding, ...]]:
    """The same by OpenVE-Bench's table of results."""
    edits = {
        item.id: BenchEdit(item, path, "missing", "the table has no row of it") for item in items.values()
    }
    strays = []
    for number, row in csv_rows(path, RESULT_COLUMNS):
        where, place = f"{path}:{number}", row["edited_result_path"]
        item = items.get(PurePosixPath(row["original_video"]).stem)
        if item is None or (item.theme, item.prompt) != (row["edited_type"], row["prompt"]):
            problem = "a row that the bench does not have"
            strays.append(Finding(str(path), number, "", problem, got=row["original_video"]))
            continue
        if edits[item.id].path != path:
            strays.append(Finding(str(path), number, "", "a sample stands twice", got=item.id))
            edits[item.id] = replace(
                edits[item.id], status="unusable", reason="the table has two edits of it"
            )
            continue
        if not place:
            edits[item.id] = BenchEdit(item, path, "missing", f"its row has no edit ({where})")
            continue
        try:
            inside = os.path.relpath(place, path.parent.absolute()) if os.path.isabs(place) else place
            edits[item.id] = BenchEdit(item, safe_join(path.parent, inside))
        except UnsafePathError as error:
            strays.append(Finding(str(path), number, "", error.problem, got=place, wanted=error.wanted))
            edits[item.id] = BenchEdit(item, path, "missing", f"its path leaves the table's folder ({where})")
    return edits, tuple(strays)


# --- what is wrong with one ------------------------------------------------------------------------


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
        try:
            source = read_shape(self.source.read_bytes(), ".mp4")
            frames, *expected = given(source.frames, source.width, source.height)
        except (MediaError, OSError) as error:
            problem = "a source video of the bench cannot be used"
            raise ReleaseError(problem, got=error, where=self.source) from None
        allowed = {(expected[0], expected[1]), (source.width, source.height)}
        size, reason = f"{seen.width}x{seen.height}", None
        if (seen.width, seen.height) in {(2 * across, down) for across, down in allowed}:
            reason = f"{size}: it is source and edit side by side, the _concat video in place of _edited"
        elif (seen.width, seen.height) not in allowed:
            wanted = " or ".join(f"{across}x{down}" for across, down in sorted(allowed))
            reason = f"another size than the source's: {size}, wanted {wanted}"
        elif seen.frames not in (frames, source.frames):
            reason = f"another length than the source's: {seen.frames} frames, wanted {frames}"
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
    with open_video(source) as video:
        pictures = filter(None, _small(video.frames(), (seen.width, seen.height)))
        pairs = zip(seen.small, pictures, strict=False)
        return all(int(cv2.absdiff(ours, theirs).max()) < _SAME for ours, (_, theirs) in pairs)


def _with_twins(edits: dict[str, BenchEdit]) -> dict[str, BenchEdit]:
    """Edits as they are, but those suspect that have the bytes of another one."""
    ids: dict[str | None, list[str]] = {}
    for edit in edits.values():
        ids.setdefault(edit.sha256, []).append(edit.item.id)
    for sha256, alike in ids.items():
        for sample_id in alike if sha256 is not None and len(alike) > 1 else ():
            other = next(other for other in alike if other != sample_id)
            suspect = f"another sample's edit: it has the same bytes as that of {other}"
            edits[sample_id] = replace(edits[sample_id], suspect=suspect)
    return edits
