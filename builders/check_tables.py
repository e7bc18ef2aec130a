"""A theme's Parquet tables, tars and loose files, compared with its text files and with each other.

Tars are read by their headers only, Parquet without its previews.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from sparkle.builders.catalog import RECORDS_SCHEMA, pairs_schema
from sparkle.builders.census import Place, Row
from sparkle.builders.check_text import ThemeText, id_problem
from sparkle.builders.tar import list_tar
from sparkle.schemas import layout
from sparkle.schemas.errors import ReleaseError
from sparkle.schemas.layout import KINDS, Kind
from sparkle.schemas.validate import Finding

# Kind name -> sample id -> (tar, offset, size).
Members = dict[str, dict[str, tuple[str, int, int]]]


def check_tars(folder: Path, theme: str, members: Members) -> Iterator[Place | Finding]:
    """List the tars of a theme into `members`; yields a place a kind, and findings."""
    for kind in KINDS:
        place = Place(kind.shard(theme, 0))
        found = members.setdefault(kind.name, {})
        for part in range(_parts(folder, kind, theme) or 1):
            yield from _check_tar(folder, kind, theme, kind.shard(theme, part), place, found)
        if place.rows:
            yield place


def _parts(folder: Path, kind: Kind, theme: str) -> int:
    """The number of parts of a kind: one more than the highest that is there."""
    pattern = Path(kind.shard(theme, 0)).name.replace("part00", "part*")
    parent = folder / (layout.INTERMEDIATE if kind.intermediate else "")
    names = {path.name for path in parent.glob(pattern)}
    part = 0
    while names:
        names.discard(Path(kind.shard(theme, part)).name)
        part += 1
        if part > 10**6:  # a name that is no part: the manifest says what it is
            break
    return part


def _check_tar(
    folder: Path, kind: Kind, theme: str, tar: str, place: Place, found: dict[str, tuple[str, int, int]]
) -> Iterator[Finding]:
    if not (folder / tar).is_file():
        yield Finding(tar, 0, "", "the tar is missing")
        return
    try:
        for member in list_tar(folder / tar):
            sample_id = Path(member.name).stem
            if id_problem(sample_id, theme) or member.name != kind.member(sample_id):
                wanted = f"{theme}/{kind.name}/ID{kind.suffix}"
                yield Finding(tar, 0, member.name, "not a member of this tar", wanted=wanted)
                continue
            place.rows.append(Row(sample_id, tar, pointer=member.name))
            found[sample_id] = (tar, member.offset, member.size)
    except ReleaseError as error:
        yield Finding(tar, 0, error.where or "", error.problem, got=error.got, wanted=error.wanted)
