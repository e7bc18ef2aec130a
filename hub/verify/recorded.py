"""What a release records of a sample, and how far what is made again may be from it.

How it works
- Of the sixteen steps of a run a release has what eight of them said (prompt and scene, scores, groundings,
  measures) and everything that they made. What the camera checks, the edges and the tracker said of a sample
  stays in the run, and so does whether its prompt was given or composed.
- On the CPU backend, with the recorded library versions and instructions, a step makes the same bytes again.
- Elsewhere what it makes lies in a band: images and videos by PSNR over all pixels, masks by intersection
  over union, numbers of a record by their distance. What a model says in words is not compared there, labels
  and the scene that it chose are.
- The numbers are told either way: whoever reads "PSNR 58 dB" knows another codec from another picture.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from sparkle.builders.release.read_text import step_record
from sparkle.builders.release.tables import MEASURE_COLUMNS
from sparkle.hub.verify.verified import Verified, member_rows, read_rows
from sparkle.media.decode import iter_frames
from sparkle.media.images import read_png
from sparkle.media.mask import load_mask
from sparkle.schemas import layout
from sparkle.schemas import records as r
from sparkle.schemas.artifact import Artifact
from sparkle.schemas.canonical import plain, sha256_bytes, sha256_file
from sparkle.schemas.errors import RecordError, ReleaseError
from sparkle.schemas.ids import theme_of
from sparkle.schemas.records import Record, without_repairs
from sparkle.schemas.validate import bounded_lines, parse_strict


@dataclass(frozen=True)
class Recorded:
    """A sample as the release has it.

    Attributes:
        id: The sample.
        prompt: Its instruction.
        source: The sha256 of the source file that it was made of.
        size: Frames, width and height in pixels of its source clip.
        records: By step, what it said; the steps whose records a release does not hold are missing.
        members: By kind, the artifact.
    """

    id: str
    prompt: str
    source: str | None
    size: tuple[int, int, int]
    records: Mapping[str, Record]
    members: Mapping[str, Artifact]


def files_of(release: Verified, ids: Sequence[str]) -> list[str]:
    """The files that say something of these samples."""
    themes = sorted({theme_of(sample_id) for sample_id in ids})
    lines = [
        path for theme in themes for path in (layout.metadata_jsonl(theme), *_record_files(theme).values())
    ]
    return [*(path for theme in themes for path in layout.tables_of(theme, release.files)), *lines]


def read_recorded(release: Verified, ids: Sequence[str]) -> list[Recorded]:
    """What the release says of some samples.

    Raises:
        ReleaseError: a file that says it is not there, or has no line of a sample, or a bad one.
    """
    found = []
    for theme in sorted({theme_of(sample_id) for sample_id in ids}):
        wanted = [sample_id for sample_id in ids if theme_of(sample_id) == theme]
        release.need(files_of(release, wanted))
        lines = {
            step: _lines(release, path, wanted)
            for step, path in {"compose": layout.metadata_jsonl(theme), **_record_files(theme)}.items()
        }
        rows = _rows(release, theme, wanted)
        members = [row for row in member_rows(release, theme) if row.id in rows]
        for sample_id in wanted:
            told = {step: values[sample_id] for step, values in lines.items()}
            found.append(_recorded(release, sample_id, rows[sample_id], told, members))
    return sorted(found, key=lambda recorded: recorded.id)


def write_artifacts(release: Verified, recorded: Recorded, folder: Path) -> list[Artifact]:
    """Write a sample's artifacts below a folder; returns those that are not what their rows say.

    Raises:
        ReleaseError: a tar cannot be read there.
    """
    wrong = []
    for member in recorded.members.values():
        data = release.member(member)
        if data is None or sha256_bytes(data) != member.hex:
            wrong.append(member)
            continue
        path = folder / member.kind.path(recorded.id)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return wrong


def _record_files(theme: str) -> dict[str, str]:
    return {step: layout.record_file(theme, step) for step in layout.RECORD_FILES}


def _rows(release: Verified, theme: str, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Of each sample its row, as far as it is needed."""
    columns = ["task", "frames", "width", "height", "source_sha256", *MEASURE_COLUMNS]
    wanted = set(ids)
    rows = read_rows(release, theme, columns).to_pylist()
    return {row["task"]: row for row in rows if row["task"] in wanted}


def _lines(release: Verified, path: str, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Of each sample its line in a file of JSON lines; lines of others are not parsed."""
    if path not in release.files:
        raise ReleaseError("a file of the release is missing", wanted=path, where=release.name)
    marks = {sample_id: f'"{sample_id}"'.encode() for sample_id in ids}
    found: dict[str, dict[str, Any]] = {}
    with (release.folder / path).open("rb") as lines:
        for number, (_, line) in enumerate(bounded_lines(lines), 1):
            if any(mark in line for mark in marks.values()):
                try:
                    value = parse_strict(line)
                except RecordError as error:
                    where = f"{release.name} {path}:{number}"
                    raise ReleaseError(error.problem, got=error.got, where=where) from None
                if isinstance(value, dict) and value.get("id") in marks:
                    found[value["id"]] = value
    for sample_id in ids:
        if sample_id not in found:
            raise ReleaseError("a sample has no line", wanted=sample_id, where=f"{release.name} {path}")
    return found


def _recorded(
    release: Verified,
    sample_id: str,
    row: Mapping[str, Any],
    told: Mapping[str, dict[str, Any]],
    members: Sequence[Artifact],
) -> Recorded:
    measures = {name: row[name] for name in MEASURE_COLUMNS if row[name] is not None}
    try:
        records = {step: step_record(step, line) for step, line in told.items()}
        records["measure"] = msgspec.convert(measures, r.MeasureRecord)
    except (msgspec.ValidationError, KeyError) as error:
        problem = "what the release says of a sample cannot be read"
        raise ReleaseError(problem, got=error, where=f"{release.name} {sample_id}") from None
    return Recorded(
        sample_id,
        told["compose"]["prompt"],
        row["source_sha256"],
        (row["frames"], row["width"], row["height"]),
        records,
        {member.kind.name: member for member in members if member.id == sample_id},
    )


# --- two makings of one thing ----------------------------------------------------------------------


# Decibels over all frames. Another prompt or seed is another picture: 9 to 16 dB apart between the frames of
# the drawn scenes, while another processor's rounding is above 90. A choice in between.
MIN_PSNR = 30.0
MIN_IOU = 0.9  # of masks; two good segmenters agree by .85 to .99 on the shared clips
MAX_DISTANCE = 0.5  # of scores from 0 to 10, the step between upstream's own thresholds (8 and 8.5)
MAX_SHARE = 0.1  # of a measure's own size, where that is more: measures have units of their own
_PEAK = 255.0
_BOX_SCALE = 50  # of boxes in [0, 1000]: a twentieth of the frame
_WORDS = ("reasoning", "raw_output", "prompt", "original_scene", "implied_motion")  # what a model words anew


@dataclass(frozen=True)
class Difference:
    """In what the two differ.

    Attributes:
        what: The kind of the artifact, or the pointer of a field.
        got: What was made now.
        wanted: What was recorded.
        within: Whether it lies in the band.
    """

    what: str
    got: str
    wanted: str
    within: bool


def compare_files(kind: str, made: Path, recorded: Path) -> Difference | None:
    """Compare an artifact with the recorded one; None when the bytes are the same.

    Raises:
        MediaError: one of them cannot be decoded.
    """
    if not made.is_file():
        return Difference(kind, "nothing", "an artifact", within=False)
    if sha256_file(made) == sha256_file(recorded):
        return None
    if made.suffix == ".npz":
        return _compare_masks(kind, load_mask(made), load_mask(recorded))
    if made.suffix == ".png":
        return _compare_frames(kind, iter([read_png(made)]), iter([read_png(recorded)]))
    return _compare_frames(kind, iter_frames(made), iter_frames(recorded))


def _compare_masks(kind: str, made: npt.NDArray[np.bool_], recorded: npt.NDArray[np.bool_]) -> Difference:
    if made.shape != recorded.shape:
        return Difference(kind, f"a mask of {made.shape}", f"{recorded.shape}", within=False)
    union = int(np.count_nonzero(made | recorded))
    iou = int(np.count_nonzero(made & recorded)) / union if union else 1.0
    return Difference(kind, f"IoU {iou:.4f} with the recorded mask", f"{MIN_IOU:g} or more", iou >= MIN_IOU)


def _compare_frames(
    kind: str, made: Iterator[npt.NDArray[np.uint8]], recorded: Iterator[npt.NDArray[np.uint8]]
) -> Difference:
    """PSNR over all pixels of all frames, and how many frames are the same."""
    error, pixels, frames, same, worst = 0.0, 0, 0, 0, 0
    for one, other in zip_longest(made, recorded):
        if one is None or other is None or one.shape != other.shape:
            shapes = [None if frame is None else frame.shape for frame in (one, other)]
            return Difference(kind, f"frame {frames} is {shapes[0]}", f"{shapes[1]}", within=False)
        apart = np.abs(one.astype(np.int16) - other)
        worst = max(worst, int(apart.max()))
        error += float(np.square(apart, dtype=np.float64).sum())
        pixels += apart.size
        frames += 1
        same += not apart.any()
    if not error:
        return Difference(kind, "the same pixels in other bytes", "the same bytes", within=True)
    psnr = 10 * np.log10(_PEAK**2 / (error / pixels))
    got = f"PSNR {psnr:.1f} dB, {frames - same} of {frames} frames differ, by {worst} levels at most"
    return Difference(kind, got, f"{MIN_PSNR:g} dB or more", bool(psnr >= MIN_PSNR))


def compare_records(made: Record, recorded: Record) -> list[Difference]:
    """Every field in which what a step says now differs from what was recorded."""
    return list(_compare(plain(without_repairs(made)), plain(recorded), ""))


def _compare(made: Any, recorded: Any, pointer: str) -> Iterator[Difference]:
    if isinstance(made, dict) and isinstance(recorded, dict):
        for key in dict.fromkeys((*recorded, *made)):
            yield from _compare(made.get(key), recorded.get(key), f"{pointer}/{key}")
    elif isinstance(made, list | tuple) and isinstance(recorded, list | tuple) and len(made) == len(recorded):
        for index, (one, other) in enumerate(zip(made, recorded, strict=True)):
            yield from _compare(one, other, f"{pointer}/{index}")
    elif made != recorded:
        within = _within(made, recorded, pointer)
        yield Difference(pointer, _short(made), _short(recorded), within)


def _within(made: Any, recorded: Any, pointer: str) -> bool:
    if isinstance(made, int | float) and isinstance(recorded, int | float):
        apart = abs(made - recorded)
        room = _BOX_SCALE if "bbox_2d" in pointer else max(MAX_DISTANCE, MAX_SHARE * abs(recorded))
        return bool(apart <= room)
    return isinstance(made, str) and any(word in pointer for word in _WORDS)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 100 else f"{text[:97]}..."
