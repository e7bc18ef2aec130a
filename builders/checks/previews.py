"""Previews in a theme's tables, against the pairs that they show: the Hub's viewer plays them, and no reader.

- By its name and header a preview is of its row's sample: it has the frames of the pair, beside each other at
  the size that a build gives them.
- Where media are decoded it shows what the pair shows: each 16x16 pixels of each frame have the levels of
  what was to be encoded, give or take `_NEAR`. Bytes are not compared here: another version of the encoder
  gives others, and a release does not say on which processor it was built.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from sparkle._scratch import scratch_folder
from sparkle.builders.building.pictures import preview_frames, preview_size
from sparkle.builders.checks.media import ALL, SAMPLE, artifact_of, extract, spread
from sparkle.builders.checks.rows import Numbers, SampleRows
from sparkle.builders.checks.theme import TABLE, Theme
from sparkle.builders.release.read_tables import TableFile
from sparkle.builders.release.tables import PREVIEW_GROUP
from sparkle.media import Pixels
from sparkle.media.decode import iter_frames
from sparkle.media.probe import Shape, read_shape
from sparkle.schemas.artifact import Artifact
from sparkle.schemas.errors import MediaError, ReleaseError
from sparkle.schemas.layout import EDITED_VIDEO, SOURCE_VIDEO
from sparkle.schemas.load import SHOWN, cut
from sparkle.schemas.validate import Finding

_BLOCK = 16  # pixels
# Mean levels of 255 that a block is off: at most 16.6 on the shared clips, and 19.1 if they are encoded at
# crf 30. Of 180 previews with a flipped bit 162 did not decode, and 13 were 28 to 190 levels off.
_NEAR = 24.0
_SIDES = ("frames", "width", "height")

Misfit: TypeAlias = tuple[str, str | None, str | None]  # problem, got, wanted


@dataclass(frozen=True)
class PreviewJob:
    """Looks at the previews of a row group.

    Attributes:
        folder: The release.
        file: The table.
        group: The row group.
        first: The number of its first row.
        fps: Frames per second that pairs may have; any where there is none.
        pairs: Source and edited video of the rows whose preview is decoded, by the number of the row.
    """

    folder: Path
    file: str
    group: int
    first: int
    fps: frozenset[float]
    pairs: Mapping[int, tuple[Artifact, Artifact]]

    def __call__(self) -> list[Finding]:
        """Look at them."""
        try:
            return list(self._look())
        except ReleaseError as error:
            return [Finding(self.file, 0, f"/rows/{self.first}/preview", error.problem, error.got)]

    def _look(self) -> Iterator[Finding]:
        number, names = self.first, ["task", *_SIDES, "preview"]
        for batch in TableFile(self.folder / self.file).batches(PREVIEW_GROUP, names, [self.group]):
            for row in batch.to_pylist():
                found = None if row["preview"] is None else self._misfit(number, row)
                if found is not None:
                    yield Finding(self.file, 0, f"/rows/{number}/preview", *found)
                number += 1

    def _misfit(self, number: int, row: Mapping[str, Any]) -> Misfit | None:
        data, sample_id = row["preview"]["bytes"] or b"", row["task"]
        if row["preview"]["path"] != f"{sample_id}.mp4":
            name = row["preview"]["path"]
            return "the preview has another name", name and cut(name, SHOWN), f"{sample_id}.mp4"
        try:
            found = read_shape(data, ".mp4")
        except MediaError as error:
            return f"the preview is no video: {error.problem}", error.got, error.wanted
        if any((row[side] or 0) <= 0 for side in _SIDES):  # which is found where rows are compared
            return None
        rates = {float(max(1, round(rate))) for rate in self.fps} or {found.fps}
        fps = found.fps if found.fps in rates else min(rates)
        wanted = Shape(row["frames"], *preview_size(row["width"], row["height"]), fps)
        if found[:4] != wanted[:4]:
            return "the preview does not fit its pair", _in_words(found), _in_words(wanted)
        pair = self.pairs.get(number)
        if pair is None:
            return None
        with scratch_folder() as folder:
            source, edited = (extract(self.folder, artifact, folder) for artifact in pair)
            return compare_preview(
                data, source, edited, width=row["width"], height=row["height"], scratch=folder
            )


def _in_words(shape: Shape) -> str:
    return f"{shape.frames} frames of {shape.width}x{shape.height} at {shape.fps:g} per second"


def compare_preview(
    data: bytes, source: Path, edited: Path, *, width: int, height: int, scratch: Path
) -> Misfit | None:
    """Tell in what a preview shows something else than its pair; nothing where the pair does not decode.

    Args:
        data: The preview.
        source: The source video.
        edited: The edited video.
        width: Pixels of the videos.
        height: Pixels of the videos.
        scratch: A folder to decode in.
    """
    path = scratch / "preview.mp4"
    path.write_bytes(data)
    try:
        for _ in iter_frames(path):
            pass
    except MediaError as error:
        return f"the preview does not decode: {error.problem}", error.got, error.wanted
    try:
        wanted = preview_frames(source, edited, width=width, height=height)
        return _compare_frames(iter_frames(path), wanted)
    except (MediaError, ReleaseError):
        return None  # which is found at the pair


def _compare_frames(found: Iterable[Pixels], wanted: Iterable[Pixels]) -> Misfit | None:
    problem, worst, where = "the preview shows something else than its pair", 0.0, 0
    for number, (one, other) in enumerate(zip_longest(found, wanted)):
        if one is None or other is None or one.shape != other.shape:
            got, right = ("nothing" if frame is None else str(frame.shape) for frame in (one, other))
            return problem, f"frame {number}: {got}", right
        apart = _apart(one, other)
        if apart > worst:
            worst, where = apart, number
    if worst <= _NEAR:
        return None
    got = f"{worst:.0f} levels apart in 16x16 pixels of frame {where}"
    return problem, got, f"at most {_NEAR:g}, as an encoder leaves them"


def _apart(one: Pixels, other: Pixels) -> float:
    """The most that a block of two frames differs, in mean levels."""
    apart = np.abs(one.astype(np.int16) - other)
    rows, columns = (min(_BLOCK, side) for side in apart.shape[:2])
    down, across = apart.shape[0] // rows, apart.shape[1] // columns
    blocks = apart[: down * rows, : across * columns].reshape(down, rows, across, columns, 3)
    return float(blocks.mean(axis=(1, 3, 4)).max())


def preview_jobs(theme: Theme, shown: int, media: str) -> Iterator[PreviewJob]:
    """Yield the row groups whose previews are looked at.

    Args:
        theme: The theme, whose tables and tars were read.
        shown: How many rows have a preview; that others have none is checked where the table is read.
        media: Of which of them the preview is decoded: none, some that are spread over them, or all.
    """
    table = theme.rows.get(TABLE)
    if table is None or not table.whole:
        return
    for place, file in enumerate(table.files):
        rows = np.flatnonzero((table.file == place) & (table.columns["row"] < shown))
        chosen = rows if media == ALL else spread(rows) if media == SAMPLE else rows[:0]
        pairs = dict(_pairs(theme, table, chosen))
        opened, first = TableFile(theme.folder / file), 0
        for group, rows_of in enumerate(opened.groups):
            end = first + rows_of.rows
            if first < shown:
                ours = {number: pair for number, pair in pairs.items() if first <= number < end}
                yield PreviewJob(theme.folder, file, group, first, theme.fps, ours)
            first = end
        shown -= opened.rows


def _pairs(
    theme: Theme, table: SampleRows, chosen: Numbers
) -> Iterator[tuple[int, tuple[Artifact, Artifact]]]:
    """Yield the numbers of rows and the videos of their samples, where both are there."""
    videos = [theme.rows.get(kind.name) for kind in (SOURCE_VIDEO, EDITED_VIDEO)]
    for row in chosen.tolist():
        found = [artifact_of(rows, table.keys[row]) for rows in videos if rows is not None]
        if len(found) == 2 and found[0] is not None and found[1] is not None:
            yield int(table.columns["row"][row]), (found[0], found[1])
