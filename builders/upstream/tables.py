"""Which artifact of which sample lies where, and whether a theme's artifacts fit each other.

- A sample's artifact is the member of its tar; a loose file counts where no tar has it, and is compared with
  the tar's otherwise. What stands twice is a finding, and the first counts.
- Arrays have a row for each sample of the table of pairs: some 90 bytes a sample and kind.
- A kind that a theme lacks altogether, as after a partial download, is one finding and not one a sample.

The tables of a theme out of upstream's text and what was indexed, and what belongs to no table.

The Parquet tables of an import: the same columns as a release that was built, null where nothing is known.

- Upstream publishes no source hashes, measures or licences of single samples: those columns are null.
- `frames`, `width` and `height` are the source video's, by its headers.
- An artifact that stands loose has its own path as `shard`, at offset 0: whoever reads a range of a shard
  reads it in the same way.

provenance.json of an import: it has no path or time, so the same folder gives the same bytes anywhere.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sparkle.builders.building.provenance import FORMAT, VERSION
from sparkle.builders.release import tables
from sparkle.builders.upstream.files import UpstreamFiles, UpstreamTar
from sparkle.builders.upstream.index import Index, Indexed, Size, Unit
from sparkle.builders.upstream.text import METADATA, NO_LINE, Pairs, Told, line_file, read_lines, read_pairs
from sparkle.schemas import layout
from sparkle.schemas.artifact import Artifact
from sparkle.schemas.layout import KINDS, SOURCE_VIDEO, Kind
from sparkle.schemas.validate import Finding, check

NOWHERE = -1
_UNKNOWN = 0  # frames, height or width that headers do not say
_FRAMES, _HEIGHT, _WIDTH = range(3)


@dataclass
class Places:
    """Where the artifacts of a kind lie, by position in the table of pairs.

    Attributes:
        kind: The kind.
        files: Tars and loose files that hold them.
        file: int32 (N,), which of `files`, `NOWHERE` where there is none.
        offset: int64 (N,), byte offset in the file.
        size: int64 (N,), bytes.
        sha256: uint8 (N, 32).
        shape: int32 (N, 3), frames, height and width; 0 where headers do not say.
    """

    kind: Kind
    count: int
    files: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.file: npt.NDArray[np.int32] = np.full(self.count, NOWHERE, np.int32)
        self.offset: npt.NDArray[np.int64] = np.zeros(self.count, np.int64)
        self.size: npt.NDArray[np.int64] = np.zeros(self.count, np.int64)
        self.sha256: npt.NDArray[np.uint8] = np.zeros((self.count, 32), np.uint8)
        self.shape: npt.NDArray[np.int32] = np.full((self.count, 3), _UNKNOWN, np.int32)

    @property
    def there(self) -> npt.NDArray[np.bool_]:
        """Bool (N,): which samples have one."""
        return np.asarray(self.file != NOWHERE)

    @property
    def frames(self) -> npt.NDArray[np.int32]:
        """int32 (N,): how many frames, 0 where that is not known."""
        return self.shape[:, _FRAMES]

    def put(self, position: int, found: Artifact, size: Size) -> None:
        """Put a sample's artifact in its place."""
        if not self.files or self.files[-1] != found.file:
            self.files.append(found.file)
        self.file[position] = len(self.files) - 1
        self.offset[position] = found.offset
        self.size[position] = found.size
        self.sha256[position] = np.frombuffer(found.sha256 or bytes(32), np.uint8)
        if size is not None:
            self.shape[position] = size


def place_artifacts(
    theme: str, pairs: Pairs, units: Iterator[tuple[Unit, Indexed]], findings: list[Finding]
) -> dict[str, Places]:
    """Put a theme's artifacts where they belong.

    Args:
        theme: The theme.
        pairs: Its table of pairs.
        units: Its units, tars before loose files.
        findings: What is wrong is added here.

    Returns:
        Places by the name of the kind.
    """
    places = {kind.name: Places(kind, len(pairs.ids)) for kind in KINDS}
    parts: dict[str, list[int]] = {}
    for unit, indexed in units:
        if isinstance(unit, UpstreamTar):
            parts.setdefault(unit.kind.name, []).append(unit.part)
        findings += indexed.findings
        for found, size in indexed.found:
            _place(places[unit.kind.name], pairs, found, size, findings)
    for kind in KINDS:
        findings += _missing_parts(theme, kind, parts.get(kind.name, []))
        findings += _missing_samples(theme, places[kind.name], pairs)
    findings += check_shapes(theme, pairs, places)
    return places


def _place(places: Places, pairs: Pairs, found: Artifact, size: Size, findings: list[Finding]) -> None:
    member = found.member if found.offset else ""
    position = pairs.rows.get(found.id)
    if position is None:
        findings.append(Finding(found.file, 0, member, "an artifact of no sample of the csv"))
        return
    if places.file[position] == NOWHERE:
        places.put(position, found, size)
        return
    first = places.files[places.file[position]]
    if member:
        findings.append(
            Finding(found.file, 0, member, "the member stands twice; the first counts", got=first)
        )
    elif places.sha256[position].tobytes() != found.sha256:
        problem = "the loose file differs from the one that counts"
        findings.append(Finding(found.file, 0, "", problem, got=f"sha256 {found.hex}", wanted=first))


def _missing_parts(theme: str, kind: Kind, parts: list[int]) -> Iterator[Finding]:
    for part in sorted(set(range(max(parts, default=0))) - set(parts)) if parts else ():
        yield Finding(kind.shard(theme, part), 0, "", "a tar between others is missing")


def _missing_samples(theme: str, places: Places, pairs: Pairs) -> Iterator[Finding]:
    kind = places.kind
    missing = np.flatnonzero(~places.there)
    if len(pairs.ids) and len(missing) == len(pairs.ids):
        yield Finding(kind.shard(theme, 0), 0, "", f"no {kind.name} of the theme is there")
        return
    for position in missing:
        sample_id = pairs.ids[position]
        problem = f"a sample of the csv has no {kind.name}"
        yield Finding(layout.prompts_csv(theme), 0, kind.member(sample_id), problem, wanted=sample_id)


# --- shapes -----------------------------------------------------------------------------------


def check_shapes(theme: str, pairs: Pairs, places: Mapping[str, Places]) -> Iterator[Finding]:
    """Videos of a pair that differ, masks that do not fit, numbers of frames that are not 4k + 1.

    A background may be longer than its source: upstream animates 81 frames whatever the source has.
    """
    source = places[layout.SOURCE_VIDEO.name]
    known = source.frames != _UNKNOWN
    frames = known & (source.frames % 4 != 1)
    yield from _note(pairs, source, frames, "the number of frames is not 4k + 1", None)
    for kind in (layout.EDITED_VIDEO, layout.SOURCE_VIDEO_MASK):
        other = places[kind.name]
        unlike = known & (other.frames != _UNKNOWN) & (other.shape != source.shape).any(axis=1)
        yield from _note(pairs, other, unlike, "not the frames and size of the source video", source)
    background = places[layout.BACKGROUND_VIDEO.name]
    short = known & (background.frames != _UNKNOWN) & (background.frames < source.frames)
    yield from _note(pairs, background, short, "shorter than the source video", source)


def _note(
    pairs: Pairs, places: Places, wrong: npt.NDArray[np.bool_], problem: str, wanted: Places | None
) -> Iterator[Finding]:
    for position in np.flatnonzero(wrong).tolist():
        file, member = places.files[places.file[position]], places.kind.member(pairs.ids[position])
        right = None if wanted is None else _in_words(wanted, position)
        yield Finding(
            file, 0, member if file.endswith(".tar") else "", problem, _in_words(places, position), right
        )


def _in_words(places: Places, position: int) -> str:
    frames, height, width = places.shape[position]
    return f"{frames} frames of {width}x{height}"


# --- the tables of a theme out of upstream's text and what was indexed -----------------------------


def tables_of(theme: str) -> tuple[str, str]:
    """The paths of a theme's pairs and records."""
    return layout.data_parquet(theme, 0, 1), layout.records_parquet(theme)


def write_theme(target: Path, files: UpstreamFiles, index: Index, theme: str, findings: list[Finding]) -> int:
    """Write a theme's two tables; returns how many samples it has, none of which is written when it has none.

    Args:
        target: Where the tables go.
        files: What stands where; the text files are in its folder.
        index: Its artifacts, which were read before.
        theme: The theme.
        findings: What is wrong is added here.
    """
    pairs = read_pairs(files.folder, theme, findings)
    if not pairs.ids:
        findings.append(Finding(layout.prompts_csv(theme), 0, "", "no row of the table can be used"))
        return 0
    told = read_lines(files.folder, theme, pairs, frozenset(files.text), findings)
    units = ((unit, index.load(unit)) for unit in index.units if unit.theme == theme)
    places = place_artifacts(theme, pairs, units, findings)
    data, records = tables_of(theme)
    write_pairs(target / data, pairs, told, places)
    write_records(target / records, files.folder, theme, pairs, told)
    return len(pairs.ids)


def left_out(files: UpstreamFiles, index: Index) -> Iterator[Finding]:
    """Files that stand in no table of ours: of a theme without a table of pairs, or not of the layout."""
    for unit in index.units:
        if unit.theme not in files.themes:
            path = unit.path if isinstance(unit, UpstreamTar) else unit.folder
            wanted = layout.prompts_csv(unit.theme)
            yield Finding(path, 0, "", "its theme has no table of pairs", wanted=wanted)
    for problem, paths in (
        ("not a file of the layout, and left out", files.others),
        ("a link to no file of the folder, and left out", files.links),
    ):
        yield from (Finding(path, 0, "", problem) for path in paths)


# --- the Parquet tables of an import ---------------------------------------------------------------


def write_pairs(path: Path, pairs: Pairs, told: Told, places: Mapping[str, Places]) -> None:
    """Write a theme's rows."""
    schema = tables.pairs_schema_for_datasets()
    with tables.table_writer(path, schema) as writer:
        for first in range(0, len(pairs.ids), tables.ROW_GROUP):
            rows = slice(first, first + tables.ROW_GROUP)
            known = _columns(rows, pairs, told, places)
            count = len(pairs.ids[rows])
            columns = [known.get(field.name, pa.nulls(count, field.type)) for field in schema]
            writer.write_table(pa.Table.from_arrays(columns, schema=schema))


def _columns(rows: slice, pairs: Pairs, told: Told, places: Mapping[str, Places]) -> dict[str, pa.Array]:
    columns = {name: pa.array(values[rows], pa.string()) for name, values in pairs.columns.items()}
    columns["subtheme"] = pa.array(told.subthemes[rows], pa.string())
    columns["scene"] = pa.array(told.scenes[rows], pa.string())
    for name, scores in told.scores.items():
        columns[name] = pa.array(scores[rows], mask=np.isnan(scores[rows]))
    source = places[SOURCE_VIDEO.name].shape[rows]
    for index, name in enumerate(("frames", "height", "width")):
        columns[name] = _known(source[:, index], source[:, index] > 0, pa.int32())
    for kind in KINDS:
        found = places[kind.name]
        there = found.there[rows]
        files = pa.array([*found.files, None], pa.string())  # the null is where NOWHERE points to
        columns[f"{kind.name}_shard"] = files.take(pa.array(found.file[rows] % len(files)))
        columns[f"{kind.name}_offset"] = _known(found.offset[rows], there, pa.int64())
        columns[f"{kind.name}_size"] = _known(found.size[rows], there, pa.int64())
        digests = [
            digest.tobytes() if known else None
            for digest, known in zip(found.sha256[rows], there, strict=True)
        ]
        columns[f"{kind.name}_sha256"] = pa.array(digests, pa.binary())
    return columns


def _known(values: npt.NDArray[Any], known: npt.NDArray[np.bool_], dtype: pa.DataType) -> pa.Array:
    return pa.array(values, dtype, mask=~known)


# --- records ----------------------------------------------------------------------------------


def write_records(path: Path, folder: Path, theme: str, pairs: Pairs, told: Told) -> None:
    """Write a theme's records from the lines that count, which are read again where they stand."""
    schema = tables.RECORDS_SCHEMA
    with tables.table_writer(path, schema) as writer, ExitStack() as stack:
        lines = {
            name: _lines(folder / line_file(theme, name), offsets, stack)
            for name, offsets in told.offsets.items()
        }
        for first in range(0, len(pairs.ids), tables.RECORDS_GROUP):
            batch = []
            for position in range(first, min(first + tables.RECORDS_GROUP, len(pairs.ids))):
                found = {name: next(values) for name, values in lines.items()}
                row = {"task": pairs.ids[position], "prompt": pairs.columns["prompt"][position]}
                batch.append(row | _record(found))
            writer.write_table(pa.Table.from_pylist(batch, schema))


def _lines(path: Path, offsets: npt.NDArray[np.int64], stack: ExitStack) -> Iterator[dict[str, Any]]:
    """The values of a file's lines, one a sample; nothing in them where there is no line."""
    file = stack.enter_context(path.open("rb")) if (offsets != NO_LINE).any() else None
    for offset in offsets.tolist():
        if file is None or offset == NO_LINE:
            yield {}
        else:
            file.seek(offset)
            value: dict[str, Any] = json.loads(file.readline())
            yield value


def _record(lines: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """The columns of `RECORDS_SCHEMA` that the lines of a sample fill; what is left out is null."""
    metadata = lines[METADATA].get("metadata", {})
    first, second, video = lines["ground1"], lines["ground2"], lines["video_score"]
    images = (("edited_frame0", "edit_score"), ("foreground_removed", "remove_score"))
    scores = {name: lines[step].get("editscore", {}) for name, step in images}
    return {
        "original_scene": metadata.get("original_scene"),
        "chosen_keyword": metadata.get("chosen_keyword"),
        "round1_labels": first.get("round1_labels"),
        "round1_objects": first.get("round1_objects"),
        "frame_objects": second.get("frame_objects"),
        **{
            f"{name}_{word}": score.get(word)
            for name, score in scores.items()
            for word in ("SC_reasoning", "PQ_reasoning")
        },
        "frame_indices": video.get("frame_indices"),
        "frame_scores": video.get("editscore"),
    }


# --- provenance.json of an import ------------------------------------------------------------------


_DISTRIBUTION = "sparkle-dataset"


def imported_provenance(tars: int, loose: int, problems: Mapping[str, int]) -> dict[str, Any]:
    """The provenance of an import; raises RecordError when it does not follow its schema.

    Args:
        tars: How many tars were read.
        loose: How many loose files were read.
        problems: How often each problem was found.
    """
    document = {
        "format": FORMAT,
        "version": VERSION,
        "code": {"name": _DISTRIBUTION, "version": version(_DISTRIBUTION)},
        "options": {"max_shard_size": None, "preview": None},
        "packages": {"pyarrow": version("pyarrow")},
        "imported": {"tars": tars, "loose": loose, "findings": dict(problems)},
        "runs": [],
    }
    check("provenance", document, where=layout.PROVENANCE)
    return document
