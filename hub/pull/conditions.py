"""What `--where` says: `edited_video>=9 and frames==81`.

A condition is a name, a comparison and a number; `and` joins several. Names are those of scores, measures,
frames, width and height. A sample for which the tables have no value passes no condition on it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from sparkle.builders.catalog import pairs_schema
from sparkle.builders.source.columns import BASE, GROUPS, REST, numbers
from sparkle.builders.source.pairs import SCORES, Pairs
from sparkle.schemas.errors import ConfigError

_COMPARISONS = {
    ">=": pc.greater_equal,
    "<=": pc.less_equal,
    "==": pc.equal,
    "!=": pc.not_equal,
    ">": pc.greater,
    "<": pc.less,
    "=": pc.equal,
}
_CONDITION = re.compile(
    rf"\s*(?P<name>[A-Za-z_0-9]+)\s*(?P<comparison>{'|'.join(_COMPARISONS)})\s*"
    r"(?P<number>[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?)\s*"
)


def _columns() -> dict[str, str]:
    """Name -> column: every column of numbers that is said of a sample; scores by their short names too."""
    schema = pairs_schema()
    found = [*GROUPS[BASE], *GROUPS[REST]]
    numeric = [name for name in found if not pa.types.is_string(schema.field(name).type)]
    return {**SCORES, **{name: name for name in numeric}}


COLUMNS = _columns()


@dataclass(frozen=True)
class Condition:
    """A condition on a column."""

    column: str
    comparison: str
    number: float

    def passes(self, pairs: Pairs) -> npt.NDArray[np.bool_]:
        """Bool (N,): which pairs pass."""
        column = pairs.column(self.column).cast(pa.float64())
        found = _COMPARISONS[self.comparison](column, self.number)
        return numbers(pc.fill_null(found, False))


def parse_conditions(texts: Iterable[str]) -> list[Condition]:
    """Read what `--where` says, all of which must hold.

    Raises:
        ConfigError: a text is no condition, or names nothing that there is.
    """
    return [
        _parse(part, text) for text in texts for part in re.split(r"\s+and\s+", text, flags=re.IGNORECASE)
    ]


def _parse(part: str, text: str) -> Condition:
    names = ", ".join(sorted(set(COLUMNS) - set(SCORES.values())))
    match = _CONDITION.fullmatch(part)
    if match is None:
        raise ConfigError(
            "not a condition",
            got=repr(text),
            wanted="a name, one of >= <= == != > <, and a number, such as edited_video>=9; "
            f"several joined by `and`; names: {names}",
        )
    if match["name"] not in COLUMNS:
        raise ConfigError("there is no such name in --where", got=match["name"], wanted=f"one of {names}")
    return Condition(COLUMNS[match["name"]], match["comparison"], float(match["number"]))
