"""A theme's tars, Parquet tables and loose files, compared with its text files and with each other.

Of tars only the headers are read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from sparkle.builders.catalog import RECORDS_SCHEMA, pairs_schema
from sparkle.builders.census import Place, Row
from sparkle.builders.manifest import FileEntry
from sparkle.builders.survey import Survey
from sparkle.builders.tar import list_tar
from sparkle.schemas import layout
from sparkle.schemas.errors import ReleaseError
from sparkle.schemas.layout import KINDS, Kind

_SCORES_AND_WORDS = (
    "subtheme",
    "scene",
    "edited_frame0_score",
    "foreground_removed_score",
    "edited_video_score",
)


# Kind name -> sample id -> the artifact's sha256.
Hashes = dict[str, dict[str, bytes]]


def check_tars(survey: Survey) -> None:
    """List the tars of a theme."""
    for kind in KINDS:
        pattern = re.escape(kind.shard(survey.theme, 0)).replace("part00", "part[0-9]{2,}")
        found = [path for path in survey.files if re.fullmatch(pattern, path)]
        tars = sorted(found, key=lambda path: (len(path), path))  # part99 before part100
        expected = [kind.shard(survey.theme, part) for part in range(max(1, len(tars)))]
        for tar in sorted(set(expected) - set(tars)):
            survey.note(tar, 0, "", "the tar is missing")
        place = survey.tars[kind.name] = Place(expected[0])
        survey.members[kind.name] = {}
        for tar in tars:
            _list_members(survey, kind, tar, place)
        if tars:
            survey.places.append(place)


def _list_members(survey: Survey, kind: Kind, tar: str, place: Place) -> None:
    try:
        for member in list_tar(survey.folder / tar):
            sample_id = PurePosixPath(member.name).stem
            if not survey.add_row(place, Row(sample_id, tar, pointer=member.name)):
                continue
            if member.name != kind.member(sample_id):
                wanted = kind.member(sample_id)
                survey.note(tar, 0, member.name, "not the name of this member", wanted=wanted)
            survey.members[kind.name][sample_id] = (tar, member.offset, member.size)
    except ReleaseError as error:
        survey.note(tar, 0, error.where or "", error.problem, got=error.got, wanted=error.wanted)


def check_rows(survey: Survey, preview: int | None) -> Hashes:
    """Check a theme's rows against its text files and tars, which were read before.

    Args:
        survey: The theme.
        preview: How many rows have a preview; None where the release does not say.

    Returns:
        The sha256 of each artifact as the rows have it.
    """
    pattern = f"data/{survey.theme}/train-[0-9]{{5}}-of-[0-9]{{5}}[.]parquet"
    files = sorted(path for path in survey.files if re.fullmatch(pattern, path))
    expected = [layout.data_parquet(survey.theme, part, len(files)) for part in range(len(files))]
    if not files:
        survey.has(layout.data_parquet(survey.theme, 0, 1))
    elif files != expected:
        survey.note(files[0], 0, "", "parts are missing or misnamed", got=files, wanted=expected)
    hashes: Hashes = {kind.name: {} for kind in KINDS}
    tables = [(file, _read_rows(survey, file, pairs_schema())) for file in files]
    place = Place(expected[0] if expected else "")
    before = 0
    for file, rows in tables:
        for number, row in enumerate(rows or []):
            pointer = f"/rows/{number}"
            if survey.add_row(place, Row(row["task"], file, pointer=pointer)):
                _check_row(survey, file, pointer, row)
                for kind in KINDS:
                    hashes[kind.name][row["task"]] = row[f"{kind.name}_sha256"]
            if preview is not None and (row["preview"] is not None) != (before + number < preview):
                problem = "previews stand in the first rows and in no others"
                survey.note(file, 0, f"{pointer}/preview", problem)
        before += len(rows or [])
    if tables and all(rows is not None for _, rows in tables):
        survey.places.append(place)
    return hashes


def check_records(survey: Survey) -> None:
    """Check a theme's table of records: its columns, and that its prompts are the csv's."""
    file = layout.records_parquet(survey.theme)
    if not survey.has(file):
        return
    rows = _read_rows(survey, file, RECORDS_SCHEMA, columns=["task", "prompt"])
    if rows is None:
        return
    place = Place(file)
    for number, row in enumerate(rows):
        pointer = f"/rows/{number}"
        if survey.add_row(place, Row(row["task"], file, pointer=pointer)):
            pair = survey.pairs.get(row["task"])
            if pair is not None and pair["prompt"] != row["prompt"]:
                survey.note(file, 0, f"{pointer}/prompt", "another prompt than in the csv", got=row["prompt"])
    survey.places.append(place)


def check_loose(
    survey: Survey,
    ids: Sequence[str],
    hashes: Hashes,
    listed: Mapping[str, FileEntry],
) -> None:
    """Check that the loose files are those of the first samples, with the content that the rows name.

    Args:
        survey: The theme.
        ids: The first samples.
        hashes: From `check_rows`.
        listed: The manifest's entries by path; contents are compared with them elsewhere.
    """
    for kind in KINDS:
        wanted = {kind.path(sample_id): sample_id for sample_id in ids}
        folder = str(PurePosixPath(kind.path(f"Sparkle_{survey.theme}_000000")).parent)
        found = {path for path in survey.files if path.startswith(f"{folder}/")}
        for path in sorted(wanted.keys() - found):
            survey.note(path, 0, "", "a loose file of the first samples is missing")
        for path in sorted(found - wanted.keys()):
            survey.note(path, 0, "", "a loose file of no first sample")
        for path in sorted(found & wanted.keys() & listed.keys()):
            row = hashes[kind.name].get(wanted[path])
            if row is not None and row.hex() != listed[path].sha256:
                problem = "another content than the sample has in its tar"
                survey.note(path, 0, "", problem, got=listed[path].sha256, wanted=row.hex())


def _read_rows(
    survey: Survey, file: str, schema: pa.Schema, columns: list[str] | None = None
) -> list[dict[str, Any]] | None:
    """The rows of a Parquet file; None, and a finding, when it cannot be read."""
    try:
        parquet = pq.ParquetFile(survey.folder / file)
        found = parquet.schema_arrow.remove_metadata()
        if found.equals(schema):
            rows: list[dict[str, Any]] = _without_previews(parquet.read(columns=columns)).to_pylist()
            return rows
    except (pa.ArrowException, OSError) as error:
        survey.note(file, 0, "", "not a Parquet file that can be read", got=error)
        return None
    unlike = set(found) ^ set(schema)
    survey.note(
        file,
        0,
        "",
        "not the columns of this table",
        got=", ".join(str(field) for field in found if field in unlike) or "another order",
        wanted=", ".join(str(field) for field in schema if field in unlike) or ", ".join(schema.names),
    )
    return None


def _without_previews(table: pa.Table) -> pa.Table:
    """The table with True for a preview and null for none: their bytes are not needed as objects."""
    if "preview" not in table.column_names:
        return table
    index = table.column_names.index("preview")
    there = [valid or None for valid in table["preview"].is_valid().to_pylist()]
    return table.set_column(index, "preview", pa.array(there, pa.bool_()))


def _check_row(survey: Survey, file: str, pointer: str, row: Mapping[str, Any]) -> None:
    """Compare a row with the csv, the JSON lines and the tars."""
    sample_id = row["task"]
    expected: dict[str, Any] = dict(survey.pairs.get(sample_id, {}))
    for column in _SCORES_AND_WORDS:
        known = survey.columns.get(column, {})
        if sample_id in known:
            expected[column] = known[sample_id]
    for kind in KINDS:
        if row[f"{kind.name}_shard"] in survey.files:
            survey.tars[kind.name].homes[sample_id] = row[f"{kind.name}_shard"]
        member = survey.members[kind.name].get(sample_id)
        if member is not None:
            names = (f"{kind.name}_{name}" for name in ("shard", "offset", "size"))
            expected |= dict(zip(names, member, strict=True))
        if len(row[f"{kind.name}_sha256"] or b"") != 32:
            survey.note(file, 0, f"{pointer}/{kind.name}_sha256", "not a sha256")
    for column, wanted in expected.items():
        if row[column] != wanted:
            problem = "the row differs from the files that it stands for"
            survey.note(file, 0, f"{pointer}/{column}", problem, got=row[column], wanted=wanted)
