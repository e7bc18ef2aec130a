"""What every command prints through: people on a terminal, plain lines in a log, JSON for machines.

- Results go to standard output, everything else to standard error.
- `progress` draws a bar on a terminal and prints a plain line every few seconds elsewhere.
- `Terminal.guard` turns a `SparkleError`, or a refusal of the system, into its message and exit code 1.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sparkle._progress import Advance
from sparkle.schemas.errors import SparkleError

_PLAIN_LINE_EVERY = 5.0  # seconds between progress lines when not on a terminal


class Terminal:
    """One sink for a command's output."""

    def __init__(self, *, as_json: bool = False) -> None:
        self.as_json = as_json

    def say(self, text: str) -> None:
        """A line for people, on standard error; nothing in JSON mode."""
        if not self.as_json:
            print(text, file=sys.stderr, flush=True)

    def result(self, text: str, value: Any) -> None:
        """The command's result: text for people, or one JSON object."""
        print(json.dumps(value, ensure_ascii=False) if self.as_json else text, flush=True)

    def table(self, title: str, columns: list[str], rows: list[list[str]]) -> None:
        """A table for people; nothing in JSON mode."""
        if self.as_json:
            return
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        table = Table(title=title, title_justify="left")
        for index, column in enumerate(columns):
            numbers = bool(rows) and all(row[index].replace(",", "").isdecimal() for row in rows)
            table.add_column(column, justify="right" if numbers else "left", overflow="fold")
        for row in rows:
            table.add_row(*map(Text, row))  # cells are words, never markup
        # A log has no width: wide enough that nothing is cut.
        Console(width=None if sys.stdout.isatty() else 120).print(table)

    @contextmanager
    def progress(self, title: str, total: int) -> Iterator[Advance]:
        """Show the progress of `total` units of work."""
        if self.as_json or total == 0:
            yield lambda done=1: None
        elif sys.stderr.isatty():
            with _bar(title, total) as advance:
                yield advance
        else:
            with _lines(title, total) as advance:
                yield advance

    @contextmanager
    def guard(self) -> Iterator[None]:
        """Print a SparkleError by its parts and exit with code 1."""
        try:
            yield
        except SparkleError as error:
            if self.as_json:
                print(json.dumps({"error": error.parts()}, ensure_ascii=False), flush=True)
            print(f"error: {error}", file=sys.stderr, flush=True)
            raise SystemExit(1) from None
        except OSError as error:  # no such folder, no permission, a full disk: the person's to mend
            print(f"error: the system refused: {error}", file=sys.stderr, flush=True)
            raise SystemExit(1) from None


@contextmanager
def _bar(title: str, total: int) -> Iterator[Advance]:
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True)) as bars:
        task = bars.add_task(title, total=total)
        yield lambda done=1: bars.advance(task, done)


@contextmanager
def _lines(title: str, total: int) -> Iterator[Advance]:
    finished, last = 0, time.monotonic()

    def advance(done: int = 1) -> None:
        nonlocal finished, last
        finished += done
        if time.monotonic() - last >= _PLAIN_LINE_EVERY and finished < total:
            last = time.monotonic()
            print(f"{title}: {finished} of {total}", file=sys.stderr, flush=True)

    yield advance
    print(f"{title}: {finished} of {total}", file=sys.stderr, flush=True)
