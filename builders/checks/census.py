"""Every sample of a theme stands once, in the order of ids, in each of many slots. Which are missing where?

How it works
- A slot is a table, a file of JSON lines, or the tars of a kind; each gives its rows as arrays of numbers:
  the sample's key, and where it stands. A release of 140,000 samples has two million rows.
- A key is a number that sorts as the id does; `keys_of` and `id_of` go there and back.
- A sample belongs to the theme when it stands in more than half of the slots: so a row that was lost in
  one slot is a finding there, and not in all the others.
- A missing row of a text file is reported at the line where it would stand.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from sparkle.schemas.ids import format_id
from sparkle.schemas.validate import Finding

Keys = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.int64]

_DIGITS = 9  # the most that the index of an id has; see `ids.ID_PATTERN`


def keys_of(indices: Numbers) -> Keys:
    """The keys of indices of ids, int64 (n,): the digits as of a fraction, then how many they are."""
    digits = np.full(len(indices), 6, np.int64)
    for count in range(6, _DIGITS):
        digits += indices >= 10**count
    return indices * 10 ** (_DIGITS - digits) * 10 + digits


def id_of(theme: str, key: int) -> str:
    """The id that has a key."""
    rest, digits = divmod(int(key), 10)
    return format_id(theme, rest // 10 ** (_DIGITS - digits))


def index_reader(theme: str) -> Callable[[str], int | None]:
    """A function from an id to its index; None for what is no id of the theme."""
    match = re.compile(f"Sparkle_{re.escape(theme)}_([0-9]{{6}}|[1-9][0-9]{{6,8}})").fullmatch

    def read(sample_id: str) -> int | None:
        found = match(sample_id)
        return int(found[1]) if found else None

    return read


@dataclass(frozen=True)
class Segment:
    """Rows of a slot that stand in one file.

    Attributes:
        file: The file.
        keys: int64 (n,), the samples in the order in which they stand.
        lines: int64 (n,), the first line of each row; None where lines have no meaning.
        ends: int64 (n,), the last line of each row.
        pointer: Where the i-th row is inside the file, if that can be said.
    """

    file: str
    keys: Keys
    lines: Numbers | None = None
    ends: Numbers | None = None
    pointer: Callable[[int], str] | None = None

    def at(self, row: int) -> tuple[str, int, str]:
        """File, line and pointer of the i-th row."""
        line = 0 if self.lines is None else int(self.lines[row])
        return self.file, line, "" if self.pointer is None else self.pointer(row)


@dataclass
class Slot:
    """Where each sample of a theme should stand.

    Attributes:
        file: The file to name when it has no rows.
        first_line: Line of the first row of a text file, 0 elsewhere.
        segments: What stands there, in order.
        apart: Whether each segment has an order of its own: a sample that came later stands in a later tar.
        home: Of a sample's key, the file of this slot where another file says that it stands.
    """

    file: str
    first_line: int = 0
    segments: list[Segment] = field(default_factory=list)
    apart: bool = False
    home: Callable[[int], str | None] = lambda key: None

    @property
    def keys(self) -> Keys:
        """int64 (n,): the samples of all segments."""
        return np.concatenate([segment.keys for segment in self.segments] or [np.empty(0, np.int64)])

    def find(self, number: int) -> tuple[Segment, int]:
        """The segment of the i-th row of all, and which of its rows it is."""
        for segment in self.segments:
            if number < len(segment.keys):
                return segment, number
            number -= len(segment.keys)
        raise IndexError(number)

    def row(self, number: int) -> tuple[str, int, str]:
        """File, line and pointer of the i-th row of all."""
        segment, row = self.find(number)
        return segment.at(row)

    def gaps(self, missing: Keys) -> Iterator[tuple[str, int]]:
        """Yield file and line where each of the missing samples would stand."""
        keys = self.keys
        order = np.argsort(keys, kind="stable")
        for key, rank in zip(missing.tolist(), np.searchsorted(keys[order], missing).tolist(), strict=True):
            known = self.home(key)
            if known is not None:
                yield known, 0
            elif rank == 0:
                yield (self.segments[0].file if self.segments else self.file), self.first_line
            else:
                segment, row = self.find(int(order[rank - 1]))
                yield segment.file, 0 if segment.ends is None else int(segment.ends[row]) + 1


def expected_keys(slots: Sequence[Slot]) -> Keys:
    """The keys that stand in more than half of the slots, sorted."""
    if not slots:
        return np.empty(0, np.int64)
    keys, counts = np.unique(np.concatenate([np.unique(slot.keys) for slot in slots]), return_counts=True)
    return np.asarray(keys[2 * counts > len(slots)], np.int64)


def compare(
    theme: str, slots: Sequence[Slot], expected: Keys, reported: set[tuple[str, int]]
) -> Iterator[Finding]:
    """Samples that stand twice, out of order, or not where they should; those that a slot has too many.

    Args:
        theme: The theme.
        slots: Its slots.
        expected: Its samples, sorted.
        reported: (file, line) of findings so far: a broken line is not reported as a missing one as well.
    """
    for slot in slots:
        keys = slot.keys
        yield from _order(theme, slot, keys)
        missing = np.setdiff1d(expected, keys)
        for key, (file, line) in zip(missing.tolist(), slot.gaps(missing), strict=True):
            if not line or (file, line) not in reported:
                wanted = id_of(theme, key)
                yield Finding(file, line, "", "a sample is missing here", got="no row", wanted=wanted)
        for number in np.flatnonzero(~np.isin(keys, expected)).tolist():
            problem = "a sample that most other places lack"
            yield Finding(*slot.row(number), problem, got=id_of(theme, keys[number]))


def _order(theme: str, slot: Slot, keys: Keys) -> Iterator[Finding]:
    """Ids that stand twice or not in order."""
    if len(keys) < 2 or bool(np.all(keys[1:] > keys[:-1])):
        return
    first = np.zeros(len(keys), np.bool_)
    first[np.unique(keys, return_index=True)[1]] = True
    runs = [segment.keys for segment in slot.segments] if slot.apart else [keys]
    highest = np.concatenate([np.maximum.accumulate(run) for run in runs])
    for number in np.flatnonzero(~first | (keys < highest)).tolist():
        got = id_of(theme, keys[number])
        if not first[number]:
            yield Finding(*slot.row(number), "the id stands twice", got=got)
        else:
            wanted = f"after {id_of(theme, highest[number])}"
            yield Finding(*slot.row(number), "ids are not in order", got=got, wanted=wanted)


class Finder:
    """Finds the rows of samples in an array of keys; of a sample's rows the first."""

    def __init__(self, keys: Keys) -> None:
        self._order = np.argsort(keys, kind="stable")
        self._sorted = keys[self._order]

    def rows(self, keys: Keys) -> Numbers:
        """int64 (n,): where each sample stands, -1 where it does not."""
        if not len(self._sorted):
            return np.full(len(keys), -1, np.int64)
        rank = np.searchsorted(self._sorted, keys)
        rank[rank == len(self._sorted)] = 0
        return np.where(self._sorted[rank] == keys, self._order[rank], -1)


def matches(keys: Keys, others: Keys) -> tuple[Numbers, Numbers]:
    """Rows of two slots that are of the same sample, as indices into both, in the order of the first."""
    found = Finder(others).rows(keys)
    rows = np.flatnonzero(found >= 0)
    return rows, found[rows]
