"""What an import is made of: upstream's text and artifacts as tables, and what belongs to no table.

- Tables have the columns of a release that was built, null where nothing is known: upstream publishes no
  source hashes, measures or licences of single samples. `frames`, `width` and `height` are the source
  video's, by its headers.
- An artifact that stands loose has its own path as `shard`, at offset 0: whoever reads a range of a shard
  reads it in the same way.
- provenance.json of an import has no path or time, so the same folder gives the same bytes anywhere.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sparkle.builders.building.provenance import FORMAT, VERSION
from sparkle.builders.release import tables
from sparkle.builders.upstream.files import UpstreamFiles, UpstreamTar
from sparkle.builders.upstream.index import Index
from sparkle.builders.upstream.tables import Places, place_artifacts
from sparkle.builders.upstream.text import METADATA, NO_LINE, Pairs, Told, line_file, read_lines, read_pairs
from sparkle.schemas import layout
from sparkle.schemas.layout import KINDS, SOURCE_VIDEO
from sparkle.schemas.validate import Finding, check

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
