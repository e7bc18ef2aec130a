"""How long work reports its progress, without knowing who listens; how numbers are written for people.

- Long work knows `Progress` alone: a title and a number of units open a block, in which `advance` is called.
- A title may end with its unit, such as `pulling (MB)`. The unit `(%)` says that the number of units means
  nothing to people, and its share does.
- A block may be opened inside another, which is then the whole of which it is a part.
- `Terminal.progress` of `sparkle.commands.console` is a `Progress`; `silent` is for callers that do not care.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from fractions import Fraction
from typing import Protocol

from sparkle.schemas.errors import ConfigError


class Advance(Protocol):
    """Called by long work when some of it is done."""

    def __call__(self, done: int = 1, dropped: int = 0) -> None:
        """Report that `done` more units are finished, and `dropped` others need not be done after all."""
        ...


# Decimal, as storage is sold and as the Hub counts, unless the unit says that it is not.
_FACTORS = {"": 1, "B": 1} | {f"{unit}B": 1000**power for power, unit in enumerate("KMGT", 1)}
_FACTORS |= {f"{unit}IB": 1024**power for power, unit in enumerate("KMGT", 1)}
_UNITS = ((10**12, "TB"), (10**9, "GB"), (10**6, "MB"), (10**3, "kB"))
_TIMES = ((2 * 86400, 86400, "days"), (90 * 60, 3600, "h"), (90, 60, "min"), (0, 1, "s"))

# (title, units of work) -> a block in which `advance(done)` is called.
Progress = Callable[[str, int], AbstractContextManager[Advance]]


@contextmanager
def silent(title: str, total: int) -> Iterator[Advance]:
    """Tell nobody."""
    yield lambda done=1, dropped=0: None


def count_text(count: int, noun: str) -> str:
    """Return a number of things for people, such as `1 pair` and `2,000 pairs`."""
    return f"{count:,} {noun}{'s' * (count != 1)}"


def size_text(size: int) -> str:
    """Return a number of bytes for people, such as `1.5 GB`."""
    unit, name = next((pair for pair in _UNITS if size >= pair[0]), _UNITS[-1])
    return f"{size / unit:,.1f} {name}"


def parse_size(text: str) -> int:
    """Return the bytes of "5GB", "1.5GB" and "5e9" (powers of 1000), "5GiB" (of 1024) or a plain number.

    Raises:
        ConfigError: it is not a whole number of bytes above zero.
    """
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?(?:e[0-9]{1,2})?)\s*([a-z]*)", text.strip(), re.IGNORECASE)
    unit = match and _FACTORS.get(match[2].upper())
    size = Fraction(match[1]) * unit if match and unit else Fraction(0)
    if size <= 0 or size.denominator != 1:
        raise ConfigError("not a size", got=repr(text), wanted="such as 5GB, 500MB, 5GiB or 1000000")
    return int(size)


def time_text(seconds: float) -> str:
    """Return a duration for people, such as `4 min`: to about a tenth, as estimates are no better."""
    _, unit, name = next(row for row in _TIMES if seconds >= row[0])
    count = seconds / unit
    return (
        f"{count:,.1f} {name}" if count < 10 and name in ("h", "days") else f"{max(1, round(count)):,} {name}"
    )
