"""The release before: which ids stand in which of its parts, and which numbers were ever used.

- Parts are read from its tables, four columns a kind; nothing that they say of contents is believed (`pack`
  reads an old tar before it uses it). An order or an id that is wrong there costs a rewritten tar.
- A number is used when a tar has it, or when provenance.json says that one had it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from sparkle.builders.manifest import read_manifest
from sparkle.schemas import layout
from sparkle.schemas.errors import RecordError, ReleaseError
from sparkle.schemas.ids import THEMES
from sparkle.schemas.layout import KINDS
from sparkle.schemas.strict_json import parse_strict
from sparkle.schemas.validate import check

NextNumbers = Mapping[str, Mapping[str, int]]


@dataclass(frozen=True)
class Previous:
    """A release that stands.

    Attributes:
        folder: Where it is; None when there is none.
        parts: By theme and kind name, the ids of each part by its number.
        next_numbers: See `NextNumbers`.
    """

    folder: Path | None = None
    parts: Mapping[tuple[str, str], Mapping[int, tuple[str, ...]]] = field(default_factory=dict)
    next_numbers: NextNumbers = field(default_factory=dict)


def read_previous(folder: Path) -> Previous:
    """Read what a release says of its parts.

    Raises:
        ReleaseError: it is no release, or its manifest, provenance or tables cannot be read.
    """
    listed = [entry.path for entry in read_manifest(folder)]
    numbers = next_numbers(listed, _recorded_numbers(folder))
    parts: dict[tuple[str, str], dict[int, tuple[str, ...]]] = {}
    for theme in THEMES:
        tables = sorted(path for path in listed if path.startswith(f"data/{theme}/"))
        if tables:
            parts |= _read_parts(folder, theme, tables)
    return Previous(folder, parts, numbers)


def next_numbers(paths: Sequence[str], recorded: NextNumbers) -> dict[str, dict[str, int]]:
    """The first number that no tar ever had, by theme and kind.

    Args:
        paths: The files of a release.
        recorded: What its provenance says.
    """
    tars = [path for path in paths if path.endswith(".tar")]
    numbers = {theme: dict(recorded.get(theme, {})) for theme in THEMES}
    for theme, known in numbers.items():
        for kind in KINDS:
            used = [number for path in tars if (number := kind.part(theme, path)) is not None]
            if used:
                known[kind.name] = max(known.get(kind.name, 0), 1 + max(used))
    return {theme: known for theme, known in numbers.items() if known}


def _recorded_numbers(folder: Path) -> NextNumbers:
    path = folder / layout.PROVENANCE
    try:
        document = parse_strict(path.read_bytes())
        check("provenance", document, where=str(path))
    except OSError as error:
        raise _unreadable(path, error) from None
    except RecordError as error:
        raise _unreadable(path, error.problem) from None
    numbers: NextNumbers = document.get("next_parts", {})
    return numbers


def _read_parts(
    folder: Path, theme: str, tables: list[str]
) -> dict[tuple[str, str], dict[int, tuple[str, ...]]]:
    columns = ["task", *(f"{kind.name}_shard" for kind in KINDS)]
    values: dict[str, list[Any]] = {name: [] for name in columns}
    for path in tables:
        try:
            table = pq.ParquetFile(folder / path).read(columns)
            for name in columns:
                values[name] += table[name].to_pylist()
        except (pa.ArrowException, OSError, KeyError) as error:
            raise _unreadable(folder / path, error) from None
    parts: dict[tuple[str, str], dict[int, tuple[str, ...]]] = {}
    for kind in KINDS:
        shards = values[f"{kind.name}_shard"]
        numbers = {path: kind.part(theme, path or "") for path in set(shards)}
        ids: dict[int, list[str]] = {}
        for sample_id, path in zip(values["task"], shards, strict=True):
            number = numbers[path]
            if number is not None and sample_id is not None:
                ids.setdefault(number, []).append(sample_id)
        parts[theme, kind.name] = {number: tuple(sorted(found)) for number, found in ids.items()}
    return parts


def _unreadable(path: Path, problem: object) -> ReleaseError:
    return ReleaseError(
        "the previous release cannot be read, so its parts are not known",
        got=problem,
        where=path,
        fix="`--repack` assigns every sample afresh; `sparkle validate` says what is wrong with the release",
    )
