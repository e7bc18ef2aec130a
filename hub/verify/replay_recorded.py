"""What a release records of a sample: the records of its steps, and its artifacts as files.

Of the sixteen steps of a run a release holds what eight of them said (prompt and scene, scores, groundings,
measures) and everything that they made. What the camera checks, the edges and the tracker said of a sample
stays in the run, and so does whether its prompt was given or composed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sparkle.builders.catalog import MEASURE_COLUMNS
from sparkle.hub.verify.place import MemberRow, Place
from sparkle.hub.verify.rows import member_rows, read_rows, table_paths
from sparkle.schemas import layout
from sparkle.schemas import records as r
from sparkle.schemas.canonical import sha256_bytes
from sparkle.schemas.errors import RecordError, ReleaseError
from sparkle.schemas.ids import theme_of
from sparkle.schemas.record import Record
from sparkle.schemas.strict_json import bounded_lines, parse_strict


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
    members: Mapping[str, MemberRow]


def files_of(place: Place, ids: Sequence[str]) -> list[str]:
    """The files that say something of these samples."""
    themes = sorted({theme_of(sample_id) for sample_id in ids})
    lines = [
        path for theme in themes for path in (layout.metadata_jsonl(theme), *_record_files(theme).values())
    ]
    return [*(path for theme in themes for path in table_paths(place, theme)), *lines]


def read_recorded(place: Place, ids: Sequence[str]) -> list[Recorded]:
    """What the release says of some samples.

    Raises:
        ReleaseError: a file that says it is not there, or has no line of a sample, or a bad one.
    """
    found = []
    for theme in sorted({theme_of(sample_id) for sample_id in ids}):
        wanted = [sample_id for sample_id in ids if theme_of(sample_id) == theme]
        place.need(files_of(place, wanted))
        lines = {
            step: _lines(place, path, wanted)
            for step, path in {"compose": layout.metadata_jsonl(theme), **_record_files(theme)}.items()
        }
        rows = _rows(place, theme, wanted)
        members = [row for row in member_rows(place, theme) if row.id in rows]
        for sample_id in wanted:
            told = {step: values[sample_id] for step, values in lines.items()}
            found.append(_recorded(place, sample_id, rows[sample_id], told, members))
    return sorted(found, key=lambda recorded: recorded.id)


def write_artifacts(place: Place, recorded: Recorded, folder: Path) -> list[MemberRow]:
    """Write a sample's artifacts below a folder; returns those that are not what their rows say.

    Raises:
        ReleaseError: a tar cannot be read there.
    """
    wrong = []
    for member in recorded.members.values():
        data = place.member(member)
        if data is None or sha256_bytes(data) != member.sha256:
            wrong.append(member)
            continue
        path = folder / member.kind.path(recorded.id)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return wrong


def _record_files(theme: str) -> dict[str, str]:
    return {step: layout.record_file(theme, step) for step in layout.RECORD_FILES}


def _rows(place: Place, theme: str, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Of each sample its row, as far as it is needed."""
    columns = ["task", "frames", "width", "height", "source_sha256", *MEASURE_COLUMNS]
    wanted = set(ids)
    rows = read_rows(place, theme, columns).to_pylist()
    return {row["task"]: row for row in rows if row["task"] in wanted}


def _lines(place: Place, path: str, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Of each sample its line in a file of JSON lines; lines of others are not parsed."""
    if path not in place.files:
        raise ReleaseError("a file of the release is missing", wanted=path, where=place.name)
    marks = {sample_id: f'"{sample_id}"'.encode() for sample_id in ids}
    found: dict[str, dict[str, Any]] = {}
    with (place.folder / path).open("rb") as lines:
        for number, (_, line) in enumerate(bounded_lines(lines), 1):
            if any(mark in line for mark in marks.values()):
                try:
                    value = parse_strict(line)
                except RecordError as error:
                    where = f"{place.name} {path}:{number}"
                    raise ReleaseError(error.problem, got=error.got, where=where) from None
                if isinstance(value, dict) and value.get("id") in marks:
                    found[value["id"]] = value
    for sample_id in ids:
        if sample_id not in found:
            raise ReleaseError("a sample has no line", wanted=sample_id, where=f"{place.name} {path}")
    return found


def _recorded(
    place: Place,
    sample_id: str,
    row: Mapping[str, Any],
    told: Mapping[str, dict[str, Any]],
    members: Sequence[MemberRow],
) -> Recorded:
    measures = {name: row[name] for name in MEASURE_COLUMNS if row[name] is not None}
    metadata = told["compose"]
    values = {
        "compose": {"prompt": metadata["prompt"], "metadata": metadata["metadata"]},
        "edit_score": told["edit_score"]["editscore"],
        "remove_score": told["remove_score"]["editscore"],
        "ground1": {name: told["ground1"][name] for name in ("round1_labels", "round1_objects")},
        "ground2": {"frame_objects": told["ground2"]["frame_objects"]},
        "video_score": {name: told["video_score"][name] for name in ("frame_indices", "editscore")},
        "measure": measures,
    }
    try:
        records = {step: r.STEP_RECORDS[step].from_json(value) for step, value in values.items()}
    except (RecordError, KeyError) as error:
        problem = "what the release says of a sample cannot be read"
        raise ReleaseError(problem, got=error, where=f"{place.name} {sample_id}") from None
    return Recorded(
        sample_id,
        metadata["prompt"],
        row["source_sha256"],
        (row["frames"], row["width"], row["height"]),
        records,
        {member.kind.name: member for member in members if member.id == sample_id},
    )
