"""How long work is shown: bars on a terminal, a plain line every few seconds elsewhere.

- A line says how much is done, how fast, and how long the rest takes at that rate: an estimate, from what
  this command did so far. Before anything is known it says nothing.
- A block that is opened inside another is shown with it: a step, and the whole run.
- A table may stand above the bars of a block; elsewhere than on a terminal there is none.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from sparkle._progress import Advance, time_text

_PLAIN_LINE_EVERY = 5.0  # seconds between lines when not on a terminal
_KNOWN_AFTER = 2.0  # seconds of work before its rate is told: the first unit often loads something


def told(unit: str, done: int, total: int, seconds: float) -> str:
    """Return what is said of a block of work.

    Args:
        unit: Of its title: none for a count, `MB`, or `%` for a share.
        done: Units that are finished.
        total: All of them.
        seconds: How long the finished ones took.
    """
    counted = (
        f"{100 * done / max(1, total):.0f} %" if unit == "%" else f"{done:,} of {total:,} {unit}".rstrip()
    )
    if not done or seconds < _KNOWN_AFTER:
        return counted
    if done >= total:
        return f"{counted} in {time_text(seconds)}"
    left = f"about {time_text(seconds * (total - done) / done)} left"
    return f"{counted}, {left}" if unit == "%" else f"{counted}, {_rate(done / seconds, unit)}, {left}"


def _rate(rate: float, unit: str) -> str:
    """Units per second, or per minute where that is easier to read."""
    unit = f" {unit}" if unit else ""
    return f"{rate:,.1f}{unit}/s" if rate >= 1 or unit else f"{60 * rate:,.1f}/min"


@dataclass
class _Block:
    """A block of work, and where it is now."""

    name: str
    unit: str
    total: int
    done: int = 0
    began: float = field(default_factory=time.monotonic)

    @property
    def told(self) -> str:
        return told(self.unit, self.done, self.total, time.monotonic() - self.began)


class Watch:
    """The blocks of one command.

    Args:
        bars: Whether bars are drawn; else lines are printed.
    """

    def __init__(self, *, bars: bool) -> None:
        self._on_terminal = bars
        self._open: list[_Block] = []
        self._drawn: Any = None  # rich's Live while a block is open, with a table and the bars in it
        self._bars: Any = None
        self._board: Any = None
        self._last = time.monotonic()

    def board(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Draw a table above the bars that are drawn now."""
        if self._drawn is None:
            return
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        table = Table()
        for index, column in enumerate(columns):
            table.add_column(column, justify="right" if index else "left")
        for row in rows:
            table.add_row(*map(Text, row))
        self._board = Group(Text(title), table)

    @contextmanager
    def block(self, title: str, total: int) -> Iterator[Advance]:
        """Show the progress of `total` units of work."""
        name, _, unit = title.removesuffix(")").partition(" (")
        block = _Block(name, unit, total)
        self._open.append(block)
        try:
            with self._bar(block) if self._on_terminal else self._lines(block) as advance:
                yield advance
        finally:
            self._open.remove(block)

    @contextmanager
    def _lines(self, block: _Block) -> Iterator[Advance]:
        def advance(done: int = 1, dropped: int = 0) -> None:
            block.done, block.total = block.done + done, block.total - dropped
            due = time.monotonic() - self._last >= _PLAIN_LINE_EVERY and block.done < block.total
            if due and block is self._open[-1]:
                self._print()

        yield advance
        self._print()

    def _print(self) -> None:
        """Print where the innermost block is, and those around it."""
        self._last = time.monotonic()
        line = "; ".join(f"{block.name}: {block.told}" for block in reversed(self._open))
        print(line, file=sys.stderr, flush=True)

    @contextmanager
    def _bar(self, block: _Block) -> Iterator[Advance]:
        from rich.console import Console, Group
        from rich.live import Live
        from rich.progress import BarColumn, Progress, TextColumn

        outermost = self._drawn is None
        if outermost:
            name, figures = TextColumn("{task.description}", markup=False), TextColumn("{task.fields[told]}")
            self._bars = Progress(name, BarColumn(), figures)

            def drawn() -> Group:
                return Group(*filter(None, [self._board, self._bars]))

            self._drawn = Live(console=Console(stderr=True), get_renderable=drawn)
            self._drawn.start()
        bars = self._bars
        task = bars.add_task(block.name, total=block.total, told=block.told)

        def advance(done: int = 1, dropped: int = 0) -> None:
            block.done, block.total = block.done + done, block.total - dropped
            bars.update(task, completed=block.done, total=block.total, told=block.told)

        try:
            yield advance
        finally:
            if outermost:
                self._drawn.stop()
                self._drawn = self._bars = self._board = None
