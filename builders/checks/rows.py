"""Rows of samples as arrays of numbers: which there are, where each is, and what is missing where.

- A release of 140,000 samples has two million rows: in tables, in files of JSON lines, in tars. `SampleRows`
  is what was read of one of these places. Texts stay in the process that read them: hashes are compared.
- A key is a number that sorts as the id does; `keys_of` and `id_of` go there and back.
- A sample belongs to a theme when it is in more than half of the places: so a row that was lost in one of
  them is a finding there, and not in all others.
- A missing row of a text file is reported at the line where it would be.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from sparkle.schemas.ids import format_id
from sparkle.schemas.layout import Kind
from sparkle.schemas.validate import Finding

Keys = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.int64]
UNKNOWN = 0  # a digest, or a number of an artifact's shape, of which nothing is known

_DIGITS = 9  # the most that the index of an id has; see `ids.ID_PATTERN`


def keys_of(indices: Numbers) -> Keys:
    """Return the keys of indices of ids, int64 (n,): the digits as of a fraction, then how many they are."""
    digits = np.full(len(indices), 6, np.int64)
    for count in range(6, _DIGITS):
        digits += indices >= 10**count
    return indices * 10 ** (_DIGITS - digits) * 10 + digits


def id_of(theme: str, key: int) -> str:
    """Return the id that has a key."""
    rest, digits = divmod(int(key), 10)
    return format_id(theme, rest // 10 ** (_DIGITS - digits))


@dataclass
class SampleRows:
    """The rows of samples of a theme in one place, in their order: a text file, a table, the tars of a kind.

    Attributes:
        theme: The theme.
        files: The files of the place. The first is named where it has no rows.
        keys: int64 (n,), the samples.
        columns: What is known of the rows, (n, ...) each. `line`, `end` (first and last line) and `offset`
            are a row's place in a text file, `row` in a table; `file` says in which of the files it is.
        findings: What is wrong in the place itself.
        count: How many lines were read.
        kind: The kind of artifacts, where rows are members of tars or files.
        whole: Whether all of it could be read; else no sample is missed there.
    """

    theme: str
    files: tuple[str, ...]
    keys: Keys
    columns: dict[str, npt.NDArray[Any]]
    findings: list[Finding] = field(default_factory=list)
    count: int = 0
    kind: Kind | None = None
    whole: bool = True

    @cached_property
    def finder(self) -> Finder:
        """What finds the rows of samples."""
        return Finder(self.keys)

    @property
    def file(self) -> npt.NDArray[np.int64]:
        """int64 (n,): in which of the files each row is."""
        found = self.columns.get("file")
        return np.zeros(len(self.keys), np.int64) if found is None else found

    def at(self, row: int) -> tuple[str, int, str]:
        """Return file, line and pointer of a row."""
        file = self.files[int(self.file[row])]
        if self.kind is not None:
            return file, 0, "" if self.id(row) in file else self.kind.member(self.id(row))
        if "line" in self.columns:
            return file, int(self.columns["line"][row]), "/task" if file.endswith(".csv") else "/id"
        return file, 0, f"/rows/{self.columns['row'][row]}"

    def id(self, row: int) -> str:
        """Return the id of a row."""
        return id_of(self.theme, self.keys[row])

    def values(self, column: str, keys: Keys, missing: Any) -> npt.NDArray[Any]:
        """Return a column's values of samples, in their order; another value for those that have no row."""
        rows, values = self.finder.rows(keys), self.columns[column]
        found = np.full((len(keys), *values.shape[1:]), missing, values.dtype)
        found[rows >= 0] = values[rows[rows >= 0]]
        return found

    def select(self, rows: npt.NDArray[Any]) -> SampleRows:
        """Return some of the rows, by their numbers or a mask."""
        columns = {name: values[rows] for name, values in self.columns.items()}
        return replace(self, keys=self.keys[rows], columns=columns)


def make_rows(
    theme: str, file: str, rows: Sequence[tuple[Any, ...]], dtype: Sequence[tuple[Any, ...]], **more: Any
) -> SampleRows:
    """Return rows of a file out of tuples: the index of the id, then the values of the columns."""
    table = np.array(rows, [("index", np.int64), *dtype])
    columns = {name: np.ascontiguousarray(table[name]) for name, *_ in dtype}
    return SampleRows(theme, (file,), keys_of(table["index"]), columns, **more)


def join(parts: Sequence[SampleRows]) -> SampleRows:
    """Return the ranges of a file, or the tars of a kind, as one place; lines are counted through."""
    files = tuple(dict.fromkeys(name for part in parts for name in part.files))
    places = {name: place for place, name in enumerate(files)}
    before = dict.fromkeys(files, 0)
    columns: dict[str, list[npt.NDArray[Any]]] = {name: [] for name in ("file", *parts[0].columns)}
    findings: list[Finding] = []
    for part in parts:
        lines = before[part.files[0]]
        columns["file"].append(np.array([places[name] for name in part.files], np.int64)[part.file])
        for name, values in part.columns.items():
            if name != "file":
                columns[name].append(values + lines if name in ("line", "end") else values)
        findings += [replace(one, line=one.line + lines) if one.line else one for one in part.findings]
        before[part.files[0]] += part.count
    return SampleRows(
        parts[0].theme,
        files,
        np.concatenate([part.keys for part in parts]),
        {name: np.concatenate(values) for name, values in columns.items()},
        findings,
        sum(part.count for part in parts),
        parts[0].kind,
        all(part.whole for part in parts),
    )


class Finder:
    """Finds the rows of samples in an array of keys; of a sample's rows the first."""

    def __init__(self, keys: Keys) -> None:
        self._order = np.argsort(keys, kind="stable")
        self._sorted = keys[self._order]

    def rows(self, keys: Keys) -> Numbers:
        """Return int64 (n,): where each sample is, -1 where it is not."""
        if not len(self._sorted):
            return np.full(len(keys), -1, np.int64)
        rank = np.searchsorted(self._sorted, keys)
        rank[rank == len(self._sorted)] = 0
        return np.where(self._sorted[rank] == keys, self._order[rank], -1)


def matches(ours: SampleRows, theirs: SampleRows) -> tuple[Numbers, Numbers]:
    """Return rows of two places that are of the same sample, in the order of the first."""
    found = theirs.finder.rows(ours.keys)
    rows = np.flatnonzero(found >= 0)
    return rows, found[rows]


def unlike(ours: SampleRows, column: str, theirs: SampleRows, other: str) -> Iterator[tuple[int, int]]:
    """Yield rows of the same sample whose columns differ; what is unknown on a side differs from nothing."""
    rows, others = matches(ours, theirs)
    got, wanted = ours.columns[column][rows], theirs.columns[other][others]
    differ = (got != wanted) & _known(got) & _known(wanted)
    if differ.ndim > 1:
        differ = (got != wanted).any(axis=1) & got.any(axis=1) & wanted.any(axis=1)
    yield from zip(rows[differ].tolist(), others[differ].tolist(), strict=True)


def _known(values: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    if values.dtype.kind == "f":
        return np.asarray(~np.isnan(values))
    return np.asarray(values != UNKNOWN) if values.dtype.kind == "u" else np.ones(values.shape, np.bool_)


# --- which samples are missing where ---------------------------------------------------------------


def expected_keys(places: Sequence[SampleRows]) -> Keys:
    """Return the samples that are in more than half of the places, sorted."""
    if not places:
        return np.empty(0, np.int64)
    keys, counts = np.unique(np.concatenate([np.unique(rows.keys) for rows in places]), return_counts=True)
    return np.asarray(keys[2 * counts > len(places)], np.int64)


def compare_ids(
    expected: Keys,
    found: SampleRows,
    reported: Set[tuple[str, int]] = frozenset(),
    *,
    ordered: bool = True,
    home: Callable[[int], str | None] = lambda key: None,
    missing: str = "a sample is missing here",
    extra: str = "a sample that most other places lack",
) -> Iterator[Finding]:
    """Yield a finding for each sample that is in a place twice, out of order, not at all, or for no reason.

    Args:
        expected: The samples that must be there once each, sorted.
        found: The place.
        reported: (file, line) of findings so far: a broken line is not reported as a missing one as well.
        ordered: Whether ids must rise, in each tar by itself; else a missing one has no line.
        home: Of a sample's key, the tar where a table says that it is.
        missing: What to say of a sample that is not there.
        extra: What to say of one that is not expected.
    """
    keys = found.keys
    first = np.zeros(len(keys), np.bool_)
    first[np.unique(keys, return_index=True)[1]] = True
    for row in np.flatnonzero(~first).tolist():
        yield Finding(*found.at(row), "the id stands twice; the first counts", got=found.id(row))
    if ordered:
        yield from _disorder(found, first)
    lost = np.setdiff1d(expected, keys)
    for key, (file, line) in zip(lost.tolist(), _gaps(found, lost, home), strict=True):
        line = line if ordered else 0
        if not line or (file, line) not in reported:
            yield Finding(file, line, "", missing, got="no row", wanted=id_of(found.theme, key))
    for row in np.flatnonzero(~np.isin(keys, expected) & first).tolist():
        yield Finding(*found.at(row), extra, got=found.id(row))


def _disorder(found: SampleRows, first: npt.NDArray[np.bool_]) -> Iterator[Finding]:
    files = found.file if found.kind is not None else np.zeros(len(found.keys), np.int64)
    for file in np.unique(files).tolist():
        rows = np.flatnonzero(files == file)
        keys = found.keys[rows]
        highest = np.maximum.accumulate(keys)
        for at in np.flatnonzero((keys < highest) & first[rows]).tolist():
            wanted = f"after {id_of(found.theme, highest[at])}"
            row = int(rows[at])
            yield Finding(*found.at(row), "ids are not in order", got=found.id(row), wanted=wanted)


def _gaps(found: SampleRows, missing: Keys, home: Callable[[int], str | None]) -> Iterator[tuple[str, int]]:
    """Yield file and line where each of the missing samples would be."""
    order = np.argsort(found.keys, kind="stable")
    ends = found.columns.get("end", found.columns.get("line"))
    first = {".csv": 2, ".jsonl": 1}.get(found.files[0][found.files[0].rfind(".") :], 0)
    for key, rank in zip(missing.tolist(), np.searchsorted(found.keys[order], missing).tolist(), strict=True):
        known = home(key)
        if known is not None:
            yield known, 0
        elif rank == 0:
            yield found.files[0], first
        else:
            row = int(order[rank - 1])
            yield found.files[int(found.file[row])], 0 if ends is None else int(ends[row]) + 1
