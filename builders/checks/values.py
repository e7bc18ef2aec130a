"""What rows of pairs say that no other file repeats: measures, the hash of the source file, its licence.

- Measures are judged by `rules` again. Where a release says how it was judged, none may be missing that every
  version recorded: a null passes every threshold, and so does NaN.
- The source file is no part of a release. What is said of it can only be compared with itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from msgspec import structs

from sparkle.builders.checks.rows import SampleRows
from sparkle.builders.checks.theme import TABLE, Theme
from sparkle.builders.release.tables import MEASURE_COLUMNS
from sparkle.schemas.load import SHOWN, cut
from sparkle.schemas.records import MeasureRecord
from sparkle.schemas.rules import judge
from sparkle.schemas.validate import Finding

_SHA256 = re.compile("[0-9a-f]{64}")


def check_finite(theme: Theme, rows: SampleRows, batch: pa.RecordBatch) -> None:
    """Note numbers that are none: no rule refuses NaN."""
    for field in batch.schema:
        if pa.types.is_floating(field.type):
            column = batch.column(field.name)
            for row in pc.indices_nonzero(pc.invert(pc.is_finite(column)).fill_null(False)).to_pylist():
                file, line, pointer = rows.at(row)
                theme.note(
                    file, line, f"{pointer}/{field.name}", "not a finite number", got=column[row].as_py()
                )


def check_sources(theme: Theme, rows: SampleRows, batch: pa.RecordBatch) -> None:
    """Note what cannot be the source of a sample, or was taken down: the files themselves are not here."""
    scenes = batch.column("median_hash").to_pylist() if "median_hash" in batch.schema.names else ()
    for row, scene in enumerate(scenes):
        if scene is not None and not _SHA256.fullmatch(scene):  # which has as many digits
            file, line, pointer = rows.at(row)
            theme.note(file, line, f"{pointer}/median_hash", "not the hash of a scene", got=cut(scene, SHOWN))
    if theme.imported:
        return
    for row, sha256 in enumerate(batch.column("source_sha256").to_pylist()):
        file, line, pointer = rows.at(row)
        if sha256 is None or not _SHA256.fullmatch(sha256):
            theme.note(
                file, line, f"{pointer}/source_sha256", "not a sha256", got=sha256 and cut(sha256, SHOWN)
            )
        elif theme.removed.has_source(sha256):
            problem = "a sample of a source that was taken down"
            theme.note(file, line, f"{pointer}/source_sha256", problem, got=sha256)


def judge_measures(theme: Theme, rows: SampleRows, batch: pa.RecordBatch) -> None:
    """Judge recorded measures again, where the release says how they were judged."""
    names = [name for name in MEASURE_COLUMNS if name in batch.schema.names]
    needed = {field.name for field in structs.fields(MeasureRecord) if field.required}
    columns = (batch.column(name).to_pylist() for name in names) if theme.limits else ()
    for row, values in enumerate(zip(*columns, strict=True)):
        known = {name: value for name, value in zip(names, values, strict=True) if value is not None}
        if not needed <= known.keys():  # a way round its threshold
            file, line, pointer = rows.at(row)
            for name in (name for name in names if name in needed - known.keys()):
                theme.note(file, line, f"{pointer}/{name}", "the measure is not recorded", got=None)
            continue
        record = MeasureRecord(**known)
        reasons = [judge("measure", record, limit) for limit in theme.limits]
        if None not in reasons:
            file, line, pointer = rows.at(row)
            problem = "the sample does not pass the release's thresholds"
            theme.note(file, line, f"{pointer}/{names[0]}", problem, got=reasons[0])


def check_licences(themes: Sequence[Theme]) -> Iterator[Finding]:
    """Yield rows of one run whose source has another licence than in a row before: it is one file."""
    known: dict[int, tuple[int, str]] = {}
    for table in (theme.rows[TABLE] for theme in themes if TABLE in theme.rows):
        both = np.column_stack([table.columns["source_sha256"], table.columns["licence"]])
        _, first = np.unique(both, axis=0, return_index=True)
        for row in sorted(first.tolist()):
            source, licence = both[row].tolist()
            before, sample_id = known.setdefault(source, (licence, table.id(row)))
            if before != licence:
                file, line, pointer = table.at(row)
                problem = "another licence than that of another sample of the same source"
                yield Finding(file, line, f"{pointer}/licence", problem, wanted=f"that of {sample_id}")
