"""The pairs that were asked for: their rows, without reading any artifact.

How it works
- Rows are those of the tables, themes in the order of `THEMES` and sorted by id within one: the same question
  gives the same rows in the same order anywhere.
- Columns are mapped from files that all processes share (`columns`); a `Pairs` itself is the positions of its
  rows, so it pickles small and opens its columns again where it arrives.
- A sample that lacks an artifact of a kind that was asked for is left out, and that is said; `missing` names
  them.
"""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, overload

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from sparkle.builders.reading.catalog import Catalog, open_catalog
from sparkle.builders.reading.columns import (
    BASE,
    GROUPS,
    REST,
    group_of,
    kind_group,
    numbers,
    open_groups,
    positions,
)
from sparkle.builders.release.tables import SCORE_COLUMNS, pairs_schema
from sparkle.schemas.artifact import Artifact
from sparkle.schemas.errors import ConfigError, ReleaseError
from sparkle.schemas.layout import EDITED_VIDEO, KIND_BY_NAME, SOURCE_VIDEO, Kind

Rows = npt.NDArray[np.int32]
_UNKNOWN = -1  # frames, width or height that the tables do not know
# What pairs are chosen by -> the column: scores by their short names, measures, frames, width and height.
LIMITS = {
    **{name.removesuffix("_score"): name for name in SCORE_COLUMNS},
    **{
        name: name
        for name in (*GROUPS[BASE], *GROUPS[REST])
        if name not in SCORE_COLUMNS and not pa.types.is_string(pairs_schema().field(name).type)
    },
}
_SHOWN = 3  # ids that a message names


def open_pairs(
    where: str | Path | Catalog,
    themes: str | Sequence[str] | None = None,
    *,
    kinds: Sequence[Kind] = (SOURCE_VIDEO, EDITED_VIDEO),
    min_scores: Mapping[str, float] | None = None,
    max_scores: Mapping[str, float] | None = None,
    ids: Collection[str] | None = None,
    limit: int | None = None,
) -> Pairs:
    """Choose pairs of a release or an index, by its tables alone.

    Example:
        >>> pairs = sparkle.open_pairs("releases/demo", ["location"], min_scores={"edited_video": 9})
        >>> source = sparkle.open_source(pairs.where)
        >>> mp4 = source.read(pairs.artifact(0, sparkle.EDITED_VIDEO))  # bytes, verified
        >>> pairs.ids[0]
        'Sparkle_location_000000'

    Args:
        where: A release's folder, an index's folder, or `owner/name[@revision]` of either on a Hub.
        themes: A theme or several; None for all.
        kinds: What every chosen sample must have.
        min_scores: Least scores (`edited_frame0`, `foreground_removed`, `edited_video`), measures, `frames`,
            `width` or `height`, by name. A sample without that value is not chosen.
        max_scores: Largest ones, likewise.
        ids: The samples to choose from; None for all.
        limit: Most pairs, the first by theme and id.

    Raises:
        ReleaseError: `where` cannot be read, or has no such theme or id.
        ConfigError: there is no such score or measure, or the limit is below 1.
    """
    if limit is not None and limit < 1:
        raise ConfigError("invalid number of pairs", got=limit, wanted="1 or more")
    for name in (*(min_scores or ()), *(max_scores or ())):
        if name not in LIMITS:
            known = ", ".join(sorted(LIMITS))
            raise ConfigError("there is no such score or measure", got=name, wanted=f"one of {known}")
    catalog = where if isinstance(where, Catalog) else open_catalog(where)
    pairs = Pairs(catalog, _known_themes(catalog, themes), None)
    pairs.load([BASE, *map(kind_group, kinds)])
    rows = np.arange(len(pairs), dtype=np.int32)
    if ids is not None:
        rows = rows[_among(pairs, ids)[rows]]
    for name, least in (min_scores or {}).items():
        rows = rows[_values(pairs, name)[rows] >= least]  # nan, where there is no value, passes nothing
    for name, most in (max_scores or {}).items():
        rows = rows[_values(pairs, name)[rows] <= most]
    rows, missing = _complete(pairs, rows, kinds)
    rows = rows[:limit]
    return Pairs(catalog, pairs.themes, None if len(rows) == len(pairs) else rows, missing)


class Pairs:
    """Chosen rows of the tables; see `open_pairs`.

    Args:
        catalog: What there is.
        themes: The themes that rows count through.
        rows: int32 (N,): positions in the tables of these themes, one after another; None is all of them.
        missing: Name of a kind -> ids that were left out because they have none.
    """

    def __init__(
        self,
        catalog: Catalog,
        themes: tuple[str, ...],
        rows: Rows | None,
        missing: Mapping[str, tuple[str, ...]] | None = None,
    ) -> None:
        self.catalog = catalog
        self.themes = themes
        self.missing = missing or {}
        self._groups: dict[str, pa.Table] = {}
        self._chosen = rows

    def __getstate__(self) -> dict[str, Any]:
        """Positions alone; columns are opened again."""
        state = {name: getattr(self, name) for name in ("catalog", "themes", "missing", "_chosen")}
        return {**state, "_groups": {}}

    def load(self, groups: Sequence[str]) -> None:
        """Open groups of columns together: each table is read once for those that were never asked for."""
        entries = [entry for theme in self.themes for entry in self.catalog.tables_of(theme)]
        wanted = [group for group in groups if group not in self._groups]
        self._groups |= open_groups(self.catalog.tables, entries, wanted)

    @cached_property
    def _rows(self) -> Rows:
        count = len(self._group(BASE))
        return np.arange(count, dtype=np.int32) if self._chosen is None else self._chosen

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def name(self) -> str:
        """What to call the tables in messages."""
        return self.catalog.name

    @property
    def where(self) -> str:
        """What to open to get to the same bytes again: a folder, or a repository at a commit."""
        return self.catalog.where

    @cached_property
    def ids(self) -> Sequence[str]:
        """The ids, in the order of rows; text is made when it is asked for."""
        return _Strings(self._group(BASE)["task"], self._rows)

    def prompt(self, row: int) -> str:
        """The instruction of a pair."""
        text: str = self._group(BASE)["prompt"][self._rows[row]].as_py()
        return text

    @cached_property
    def frames(self) -> npt.NDArray[np.int32]:
        """int32 (N,): frames of the source video, -1 where that is not known."""
        return self._sizes("frames")

    @cached_property
    def width(self) -> npt.NDArray[np.int32]:
        """int32 (N,): its width in pixels, -1 where that is not known."""
        return self._sizes("width")

    @cached_property
    def height(self) -> npt.NDArray[np.int32]:
        """int32 (N,): its height in pixels, -1 where that is not known."""
        return self._sizes("height")

    def column(self, name: str) -> pa.ChunkedArray:
        """A column of the tables, a value a row; raises ReleaseError for one that they do not have."""
        column = self._group(group_of(name))[name]
        return column if self._chosen is None else column.take(positions(self._chosen))

    def artifact(self, row: int, kind: Kind) -> Artifact:
        """Where an artifact of a row lies.

        Raises:
            ReleaseError: the sample has none, or it would begin before its tar.
        """
        table, at = self._group(kind_group(kind)), self._rows[row]
        shard, offset, size, sha256 = (table.column(index)[at].as_py() for index in range(4))
        if shard is None or offset is None or size is None:
            raise ReleaseError(f"a sample has no {kind.name}", where=f"{self.name} {self.ids[row]}")
        if min(offset, size) < 0:
            got = f"{size} bytes from byte {offset}"
            raise ReleaseError("an artifact cannot lie there", got=got, where=f"{self.name} {self.ids[row]}")
        return Artifact(self.ids[row], kind, shard, offset, size, sha256)

    def take(self, rows: npt.ArrayLike) -> Pairs:
        """Some of the rows, in the order given.

        Args:
            rows: int (M,): positions among these pairs.
        """
        return Pairs(self.catalog, self.themes, self._rows[np.asarray(rows, np.intp)])

    def _group(self, group: str) -> pa.Table:
        if group not in self._groups:
            self.load([group])
        return self._groups[group]

    def _sizes(self, name: str) -> npt.NDArray[np.int32]:
        values = numbers(self._group(BASE)[name], _UNKNOWN)
        return np.asarray(values[self._rows], np.int32)


class _Strings(Sequence[str]):
    """Some rows of a column of text as a sequence."""

    def __init__(self, column: pa.ChunkedArray, rows: Rows) -> None:
        self._column = column
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            texts: list[str] = self._column.take(positions(self._rows[index])).to_pylist()
            return texts
        text: str = self._column[self._rows[index]].as_py()
        return text

    def __iter__(self) -> Iterator[str]:
        yield from self[:]


def named_kinds(names: str | Sequence[str]) -> tuple[Kind, ...]:
    """Return kinds by their names.

    Raises:
        ConfigError: there is no such kind.
    """
    found = [names] if isinstance(names, str) else list(dict.fromkeys(names))
    for name in found:
        if name not in KIND_BY_NAME:
            raise ConfigError("there is no such stream", got=name, wanted=f"one of {', '.join(KIND_BY_NAME)}")
    return tuple(KIND_BY_NAME[name] for name in found)


def _values(pairs: Pairs, name: str) -> npt.NDArray[np.float64]:
    column = pairs.column(LIMITS[name])
    return np.asarray(numbers(column.cast(pa.float64()), np.nan), np.float64)


def _known_themes(catalog: Catalog, themes: str | Sequence[str] | None) -> tuple[str, ...]:
    chosen = (themes,) if isinstance(themes, str) else themes  # which is a sequence, too: of letters
    for theme in chosen or ():
        if theme not in catalog.themes:
            there = f"one of {', '.join(catalog.themes)}" if catalog.themes else "nothing: it has no theme"
            raise ReleaseError("no such theme", got=theme, wanted=there, where=catalog.name)
    return tuple(theme for theme in catalog.themes if chosen is None or theme in chosen)


def _among(pairs: Pairs, ids: Collection[str]) -> npt.NDArray[np.bool_]:
    """Which rows are among some ids; raises ReleaseError when one of these is no row."""
    wanted = pa.array(sorted(ids), pa.string())
    column = pairs.column("task")
    unknown = wanted.filter(pc.invert(pc.is_in(wanted, value_set=column)))
    if len(unknown):
        shown = ", ".join(unknown[:_SHOWN].to_pylist())
        raise ReleaseError("it has no such sample", got=f"{len(unknown)}: {shown}", where=pairs.name)
    return numbers(pc.is_in(column, value_set=wanted))


def _complete(pairs: Pairs, rows: Rows, kinds: Sequence[Kind]) -> tuple[Rows, Mapping[str, tuple[str, ...]]]:
    """The rows that have every kind, and the ids of those that do not."""
    missing: dict[str, tuple[str, ...]] = {}
    complete = np.ones(len(pairs), bool)
    for kind in kinds:
        there = numbers(pairs.column(f"{kind.name}_shard").is_valid())
        if not there[rows].all():
            missing[kind.name] = tuple(_Strings(pairs.column("task"), rows[~there[rows]]))
            complete &= there
    if missing:
        said = "; ".join(
            f"{len(ids)} have no {name} ({', '.join(ids[:_SHOWN])}{', ...' if ids[_SHOWN:] else ''})"
            for name, ids in missing.items()
        )
        warnings.warn(f"{pairs.name}: samples are left out: {said}", UserWarning, stacklevel=3)
    return rows[complete[rows]], missing
