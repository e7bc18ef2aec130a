"""Every sample of a theme stands once, in the order of ids, in each of many places. Which are missing where?

How it works
- A place is a table, a file of JSON lines, or the tars of a kind; each gives its rows with file and line.
- A sample belongs to the theme when it stands in more than half of the places: so a row that was lost in
  one place is a finding there, and not in all the others.
- A missing row of a text file is reported at the line where it would stand.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from sparkle.schemas.validate import Finding


@dataclass(frozen=True)
class Row:
    """A sample in a place: file, first and last line (0 where lines have no meaning), pointer inside."""

    id: str
    file: str
    line: int = 0
    end: int = 0
    pointer: str = ""


@dataclass
class Place:
    """Where each sample of a theme should stand.

    Attributes:
        file: The file to name when it has no rows.
        first_line: Line of the first row of a text file, 0 elsewhere.
        rows: What stands there, in order.
        homes: For samples of which another file says so, the file of this place where they should stand.
    """

    file: str
    first_line: int = 0
    rows: list[Row] = field(default_factory=list)
    homes: dict[str, str] = field(default_factory=dict)

    def order(self) -> Iterator[Finding]:
        """Ids that stand twice or not in order."""
        seen: set[str] = set()
        last = ""
        for row in self.rows:
            if row.id in seen:
                yield Finding(row.file, row.line, row.pointer, "the id stands twice", got=row.id)
            elif row.id < last:
                yield Finding(
                    row.file,
                    row.line,
                    row.pointer,
                    "ids are not in order",
                    got=row.id,
                    wanted=f"after {last}",
                )
            seen.add(row.id)
            last = max(last, row.id)

    def gap(self, sample_id: str) -> tuple[str, int]:
        """File and line where a missing sample would stand."""
        if sample_id in self.homes:
            return self.homes[sample_id], 0
        rows = sorted(self.rows, key=lambda row: row.id)
        before = bisect_left([row.id for row in rows], sample_id) - 1
        if before < 0:
            return (rows[0].file if rows else self.file), self.first_line
        return rows[before].file, rows[before].end + 1 if self.first_line else 0


def expected_ids(places: Sequence[Place]) -> list[str]:
    """The ids that stand in more than half of the places, sorted."""
    counts = Counter(sample_id for place in places for sample_id in {row.id for row in place.rows})
    return sorted(sample_id for sample_id, count in counts.items() if 2 * count > len(places))


def compare(
    places: Sequence[Place], expected: Sequence[str], reported: set[tuple[str, int]]
) -> Iterator[Finding]:
    """Samples that a place lacks or has too many.

    Args:
        places: The places of a theme.
        expected: The theme's ids.
        reported: (file, line) of findings so far: a broken line is not reported as a missing one as well.
    """
    wanted = set(expected)
    for place in places:
        yield from place.order()
        found = {row.id for row in place.rows}
        for sample_id in sorted(wanted - found):
            file, line = place.gap(sample_id)
            if not line or (file, line) not in reported:
                yield Finding(file, line, "", "a sample is missing here", got="no row", wanted=sample_id)
        for row in place.rows:
            if row.id not in wanted:
                yield Finding(
                    row.file, row.line, row.pointer, "a sample that most other places lack", got=row.id
                )
