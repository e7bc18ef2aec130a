"""A theme's tables of pairs, compared with the text files and the tars that say the same.

- Rows are read in batches and compared column by column; a preview is not loaded here (`previews`), only
  whether it is there. What no other file says is looked at in `values`.
- What `datasets` is told of the columns must be what a build writes: a preview is a dict to it otherwise.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence, Set
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sparkle.builders.checks.failures import MOST_FINDINGS, failure, too_many
from sparkle.builders.checks.rows import Keys, SampleRows, id_of, join, make_rows, unlike
from sparkle.builders.checks.text import digest_text, read_again
from sparkle.builders.checks.theme import PAIRS, TABLE, Theme
from sparkle.builders.checks.values import check_finite, check_sources, judge_measures
from sparkle.builders.release.read_tables import TableFile
from sparkle.builders.release.tables import LATER_COLUMNS, pairs_schema_for_datasets
from sparkle.schemas import layout
from sparkle.schemas.errors import RecordError, ReleaseError
from sparkle.schemas.ids import index_reader
from sparkle.schemas.layout import KINDS, Kind
from sparkle.schemas.load import LONGEST, cut
from sparkle.schemas.validate import parse_strict

BATCH_ROWS = 20_000  # some 20 MB as Python objects
_NO_TEXT, NO_NUMBER, _NO_SHARD = 1, -1.0, -1  # of a null: no digest, number or shard is like it

# Column of a row of pairs -> the step whose lines have the score.
SCORES = {
    "edited_frame0_score": "edit_score",
    "foreground_removed_score": "remove_score",
    "edited_video_score": "video_score",
}
SIDES = ("frames", "width", "height")  # of the source video, in a row

# Column of a row of pairs -> the place that says the same, and its column there.
_SAME: dict[str, tuple[str, str]] = {
    "prompt": (PAIRS, "prompt"),
    "keyword": ("compose", "keyword"),
    **{column: (step, "score") for column, step in SCORES.items()},
    **{side: (layout.SOURCE_VIDEO.name, side) for side in SIDES},
    **{f"{kind.name}_{name}": (kind.name, name) for kind in KINDS for name in ("shard", "offset", "size")},
}
_NUMBERS = [name for name, (_, there) in _SAME.items() if there not in ("prompt", "keyword", "shard")]
_WORDS = ("source_sha256", "licence")
# What is kept of the rows: where they are, what they say of the clip, its source and the artifacts.
_KEPT: list[tuple[Any, ...]] = [
    ("row", np.int64),
    *((side, np.float64) for side in SIDES),
    *((name, np.uint64) for name in _WORDS),
    *((f"{kind.name}_shard", np.int64) for kind in KINDS),
    *((f"{kind.name}_sha256", np.uint8, 32) for kind in KINDS),
]


def check_table(theme: Theme, preview: int | None) -> None:
    """Read a theme's rows, and compare them with its text files and tars, which were read before.

    Args:
        theme: The theme.
        preview: How many rows have a preview; None where the release does not say.
    """
    files = [
        path for path in layout.tables_of(theme.name, theme.files) if layout.parse(path).part is not None
    ]
    expected = [layout.data_parquet(theme.name, part, len(files)) for part in range(len(files))]
    if not files:
        theme.has(layout.data_parquet(theme.name, 0, 1))
        return
    if files != expected:
        theme.note(files[0], 0, "", "parts are missing or misnamed", got=files, wanted=expected)
    for kind in KINDS:
        if members := theme.rows.get(kind.name):
            members.columns["shard"] = _numbers_of(theme, members.files)[members.file]
    parts, before = [make_rows(theme.name, files[0], [], _KEPT)], 0
    for file in files:
        parquet = open_for(theme, file, pairs_schema_for_datasets())
        if parquet is None:
            parts[0].whole = False
            continue
        columns = ["preview.path" if name == "preview" else name for name in parquet.schema.names]
        known, first = len(theme.findings), 0
        try:
            for batch in parquet.batches(BATCH_ROWS, columns):
                if preview is not None:
                    _check_previews(theme, file, first, batch, preview - before)
                parts.append(_check_batch(theme, file, first, batch))
                if len(theme.findings) - known > MOST_FINDINGS:
                    theme.findings.append(too_many(file))
                    parts[0].whole = False
                    break
                first += batch.num_rows
        except Exception as error:
            theme.findings.append(failure(file, error, f"/rows/{first}"))
            parts[0].whole = False
        before += parquet.rows
    theme.rows[TABLE] = join(parts)
    missing = {
        kind.shard(theme.name, 0) for kind in KINDS if kind.name not in theme.rows and not theme.imported
    }
    for shard in sorted(theme.shards.keys() - theme.files - missing):
        theme.note(shard, 0, "", "the tar is missing", wanted="rows name it")


def lacking(theme: Theme, kind: Kind | None) -> Keys:
    """Return the samples of an import that have no artifact of a kind, as its rows say."""
    table = theme.rows.get(TABLE)
    if kind is None or table is None or not theme.imported:
        return np.empty(0, np.int64)
    return np.asarray(table.keys[table.columns[f"{kind.name}_shard"] == _NO_SHARD], np.int64)


def home_of(theme: Theme, kind: Kind | None) -> Callable[[int], str | None]:
    """Return a function from a sample to the tar of a kind where the rows say that it is."""
    table, shards = theme.rows.get(TABLE), [*theme.shards, None]

    def home(key: int) -> str | None:
        if kind is None or table is None:
            return None
        (number,) = table.values(f"{kind.name}_shard", np.array([key]), _NO_SHARD).tolist()
        return shards[number] if shards[number] in theme.files else None

    return home


def _check_features(theme: Theme, file: str, found: pa.Schema, wanted: pa.Schema, older: Set[str]) -> None:
    """Note columns, but those that older tables lack, of which `datasets` is told something else."""
    told, right = _features_of(found), _features_of(wanted)
    right = {name: feature for name, feature in right.items() if name not in older}
    unlike = sorted(name for name in told.keys() | right.keys() if told.get(name) != right.get(name))
    if unlike:
        shown = (json.dumps({name: of[name] for name in unlike if name in of}) for of in (told, right))
        got, known = (cut(text, LONGEST) for text in shown)
        problem = "datasets is not told what these columns are"
        theme.note(file, 0, "/schema/huggingface", problem, got=got, wanted=known)


def _features_of(schema: pa.Schema) -> dict[str, Any]:
    """What a table tells `datasets` of its columns; nothing where it tells nothing that can be read."""
    try:
        features = parse_strict((schema.metadata or {}).get(b"huggingface", b"{}"))["info"]["features"]
    except (RecordError, LookupError, TypeError):
        return {}
    return features if isinstance(features, dict) else {}


def open_for(theme: Theme, file: str, schema: pa.Schema) -> TableFile | None:
    """A Parquet file with the columns of a schema; None, and a finding, when it is not one."""
    try:
        parquet = TableFile(theme.folder / file)
    except ReleaseError as error:
        theme.note(file, 0, "", error.problem, got=error.got)
        return None
    rows, most = parquet.rows, theme.room(layout.prompts_csv(theme.name))
    if most is not None and rows > most:
        theme.note(file, 0, "", "more rows than the csv has room for", got=rows, wanted=f"at most {most}")
        return None
    older = {name for name in LATER_COLUMNS if name not in parquet.schema.names}
    _check_features(theme, file, parquet.schema, schema, older)
    schema = pa.schema([field for field in schema if field.name not in older], schema.metadata)
    found, schema = parquet.schema.remove_metadata(), schema.remove_metadata()
    if found.equals(schema):
        return parquet
    unlike = set(found) ^ set(schema)
    got = ", ".join(str(field) for field in found if field in unlike) or "another order"
    wanted = ", ".join(str(field) for field in schema if field in unlike) or ", ".join(schema.names)
    theme.note(file, 0, "", "not the columns of this table", got=got, wanted=wanted)
    return None


def _check_previews(theme: Theme, file: str, first: int, batch: pa.RecordBatch, shown: int) -> None:
    there = batch.column("preview").is_valid().to_numpy(zero_copy_only=False)
    numbers = first + np.arange(len(there))
    for number in numbers[there != (numbers < shown)].tolist():
        problem = "previews stand in the first rows and in no others"
        theme.note(file, 0, f"/rows/{number}/preview", problem)


def _check_batch(theme: Theme, file: str, first: int, batch: pa.RecordBatch) -> SampleRows:
    """Compare some rows with everything; returns what is kept of those that have an id of the theme."""
    index_of = index_reader(theme.name)
    indices, kept = [], []
    for row, sample_id in enumerate(batch.column("task").to_pylist()):
        index = None if sample_id is None else index_of(sample_id)
        if index is None:
            problem = f"not an id of theme {theme.name}"
            theme.note(file, 0, f"/rows/{first + row}/task", problem, got=repr(sample_id))
        else:
            indices.append((index, first + row))
            kept.append(row)
    if len(kept) < batch.num_rows:
        batch = batch.take(pa.array(kept, pa.int64()))
    rows = make_rows(theme.name, file, indices, [("row", np.int64)])
    _read_columns(theme, rows, batch)
    _check_paths(theme, rows, batch)
    for column, (place, there) in _SAME.items():
        others = theme.rows.get(place)
        if others is None:
            continue
        for row, other in unlike(rows, column, others, there):
            got, wanted = _cell(batch, column, row), _told(theme, others, there, other)
            _note_unlike(theme, rows, row, column, got, wanted)
    judge_measures(theme, rows, batch)
    check_finite(theme, rows, batch)
    check_sources(theme, rows, batch)
    rows.columns = {name: rows.columns[name] for name, *_ in _KEPT}
    return rows


def _read_columns(theme: Theme, rows: SampleRows, batch: pa.RecordBatch) -> None:
    """Read what is compared: digests of texts, numbers, the numbers of shards, hashes."""
    columns = rows.columns
    words = (batch.column(name).to_pylist() for name in ("subtheme", "scene"))
    columns["keyword"] = np.array(
        [digest_text(_keyword(*pair)) for pair in zip(*words, strict=True)], np.uint64
    )
    for name in _NUMBERS:
        numbers = batch.column(name).cast(pa.float64(), safe=False).fill_null(NO_NUMBER)
        columns[name] = np.nan_to_num(numbers.to_numpy(zero_copy_only=False), nan=NO_NUMBER)
    for name in ("prompt", *_WORDS):
        texts = batch.column(name).to_pylist()
        digests = [_NO_TEXT if text is None else digest_text(text) for text in texts]
        columns[name] = np.array(digests, np.uint64)
    for kind in KINDS:
        shards = batch.column(f"{kind.name}_shard").dictionary_encode()
        numbers = np.append(_numbers_of(theme, shards.dictionary.to_pylist()), _NO_SHARD)
        columns[f"{kind.name}_shard"] = numbers[shards.indices.fill_null(-1).to_numpy()]
        column = f"{kind.name}_sha256"
        hashes = batch.column(column).to_pylist()
        nowhere = batch.column(f"{kind.name}_shard").is_null().to_pylist()
        for row, value in enumerate(hashes):
            if value is None or len(value) != 32:
                if not (value is None and nowhere[row] and theme.imported):
                    file, line, pointer = rows.at(row)
                    theme.note(file, line, f"{pointer}/{column}", "not a sha256")
                hashes[row] = bytes(32)
        columns[column] = np.frombuffer(b"".join(hashes), np.uint8).reshape(len(hashes), 32)


def _numbers_of(theme: Theme, shards: Sequence[str]) -> npt.NDArray[np.int64]:
    return np.array([theme.shards.setdefault(name, len(theme.shards)) for name in shards], np.int64)


def _cell(batch: pa.RecordBatch, column: str, row: int) -> Any:
    """What a row says in a column."""
    if column != "keyword":
        return batch.column(column)[row].as_py()
    return _keyword(*(batch.column(name)[row].as_py() for name in ("subtheme", "scene")))


def _keyword(subtheme: str | None, scene: str | None) -> str:
    return "" if subtheme is None and scene is None else f"{subtheme}: {scene}"


def _told(theme: Theme, rows: SampleRows, column: str, row: int) -> Any:
    """What a place says in a column of its rows."""
    if column == "prompt":
        return read_again(theme, rows, row)["prompt"]
    if column == "keyword":
        return read_again(theme, rows, row)["metadata"].get("chosen_keyword", "")
    value = rows.columns[column][row].item()
    if column == "shard":
        return rows.at(row)[0]
    return int(value) if value == int(value) else value


def _check_paths(theme: Theme, rows: SampleRows, batch: pa.RecordBatch) -> None:
    ids = [id_of(theme.name, key) for key in rows.keys.tolist()]
    for column, kind in (("src_video", layout.SOURCE_VIDEO), ("tgt_video", layout.EDITED_VIDEO)):
        head, tail = kind.path(ids[0]).split(ids[0]) if ids else ("", "")
        for row, (sample_id, got) in enumerate(zip(ids, batch.column(column).to_pylist(), strict=True)):
            if got != f"{head}{sample_id}{tail}":
                _note_unlike(theme, rows, row, column, got, f"{head}{sample_id}{tail}")


def _note_unlike(theme: Theme, rows: SampleRows, row: int, column: str, got: Any, wanted: Any) -> None:
    if column == "keyword":
        column = "subtheme" if got.partition(": ")[0] != wanted.partition(": ")[0] else "scene"
    file, line, pointer = rows.at(row)
    problem = "the row differs from the files that it stands for"
    theme.note(file, line, f"{pointer}/{column}", problem, got=got, wanted=wanted)
