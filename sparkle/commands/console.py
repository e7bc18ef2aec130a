"""How every command prints and how it ends.

- Results go to standard output, everything else to standard error: text for people, or with `--json` one
  object for machines.
- `progress` is shown as `sparkle.commands.progress` says.
- Exit codes: 0 when all is well, 1 when there are findings, 2 when the command could not run, 130 when it
  was interrupted, 141 when whoever read its output has left (`| head`).
- `-q` leaves results and errors, `-v` adds the traceback of an error, `--no-progress` draws no bars.
- What the system refuses may be the user's to resolve (`refusals`). Any other failure is a bug and is called
  one.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sparkle._folders import list_junk
from sparkle._progress import Advance
from sparkle.commands.progress import Watch
from sparkle.commands.reader import unread
from sparkle.commands.refusals import named_paths, refusal
from sparkle.schemas.errors import SparkleError, command

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

FINDINGS, COULD_NOT_RUN, INTERRUPTED = 1, 2, 130
_SHOWN_JUNK = 5


class Verb(click.Command):
    """A command of ours: its failures are told by their parts, and its exit codes are those above.

    Args:
        resumes: Where the same command goes on after an interrupt: what is kept, with the names of parameters
            in braces.
        changes: Whether an interrupt may leave part of what it writes, though it does not resume.
    """

    def __init__(self, *args: Any, resumes: str = "", changes: bool = False, **rest: Any) -> None:
        super().__init__(*args, **rest)
        self.kept = resumes or (None if changes else "nothing was changed")
        self._resumes = bool(resumes)
        self._words: tuple[str, ...] = ()

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse a command line, and keep it as it was given."""
        self._words = tuple(args)
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        terminal: Terminal = ctx.params.get("terminal") or Terminal()
        with terminal.guard(named_paths(ctx), self._interrupted(ctx)), _terminated_as_interrupted():
            return super().invoke(ctx)

    def _interrupted(self, ctx: click.Context) -> str:
        """Return what is said when it is interrupted."""
        kept = "" if self.kept is None else f"; {self.kept.format(**ctx.params)}"
        again = command(*ctx.command_path.split(), *self._words)
        return f"interrupted{kept}" + self._resumes * f"\ngo on with: {again}"


class Terminal:
    """One sink for a command's output.

    Args:
        as_json: Whether the result is one JSON object, and nothing else is printed but errors.
        quiet: Whether only results and errors are printed.
        verbose: Whether the traceback of an error is printed, too; SPARKLE_DEBUG=1 says the same.
        no_progress: Whether progress is not shown.
    """

    def __init__(
        self,
        *,
        as_json: bool = False,
        quiet: bool = False,
        verbose: bool = False,
        no_progress: bool = False,
    ) -> None:
        self.as_json = as_json
        self._silent = as_json or quiet
        self._verbose = verbose or bool(os.environ.get("SPARKLE_DEBUG"))
        self._no_progress = self._silent or no_progress
        self._watch = Watch(bars=sys.stderr.isatty())

    def say(self, text: str) -> None:
        """Print a line for people on standard error; nothing in JSON mode or when it is to be quiet."""
        if not self._silent:
            print(text, file=sys.stderr, flush=True)

    def name_junk(self, *places: str | Path) -> None:
        """Warn once of what file managers left in folders, which everything passes over."""
        for place in places:
            if not self._silent and os.path.isdir(place) and (found := list_junk(Path(place))):
                shown = ", ".join(first_lines(list(map(repr, found)), _SHOWN_JUNK, "none is a part of it"))
                self.say(f"warning: {place} has what file managers leave, which is passed over: {shown}")

    def result(self, text: str, value: Any) -> None:
        """Print the command's result: text for people, or one JSON object."""
        print(json.dumps(value, ensure_ascii=False) if self.as_json else text, flush=True)

    def table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Print a table for people, unless it is empty; nothing in JSON mode or when it is to be quiet."""
        if self._silent or not rows:
            return
        from rich.cells import cell_len
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        # A log has no width: wide enough that nothing is cut.
        console = Console(width=None if sys.stdout.isatty() else 120)
        words = [
            [cell_len(word) for cell in cells for word in cell.split()]
            for cells in zip(columns, *rows, strict=True)
        ]
        if sum(max(lengths, default=0) + 3 for lengths in words) >= console.width:  # words would break
            told = [_record(columns, row) for row in rows]
            _print(console, Text("\n\n".join([title, *told])), soft_wrap=True)
            return
        table = Table(title=title, title_justify="left")
        for index, column in enumerate(columns):
            numbers = all(row[index].replace(",", "").isdecimal() for row in rows)
            table.add_column(column, justify="right" if numbers else "left", overflow="fold")
        for row in rows:
            table.add_row(*map(Text, row))  # cells are words, never markup
        _print(console, table)

    def counts(
        self, title: str, columns: Sequence[str], first: Mapping[str, int], *others: Mapping[str, int]
    ) -> None:
        """Print a table of numbers by name: one row per name, one column per mapping."""
        rows = [[name, *(f"{found[name]:,}" for found in (first, *others))] for name in first]
        self.table(title, columns, rows)

    def board(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Draw a table above the bars of the work that goes on, in place of the last one."""
        if not self._no_progress:
            self._watch.board(title, columns, rows)

    @contextmanager
    def progress(self, title: str, total: int) -> Iterator[Advance]:
        """Show the progress of `total` units of work."""
        if self._no_progress or total == 0:
            yield lambda done=1, dropped=0: None
        else:
            with self._watch.block(title, total) as advance:
                yield advance

    @contextmanager
    def guard(self, paths: Mapping[str, Path], interrupted: str) -> Iterator[None]:
        """End the process with a message and an exit code where the block fails.

        Args:
            paths: Paths that the user named, by option or argument.
            interrupted: What is said after an interrupt.
        """
        try:
            yield
        except SparkleError as error:
            self._fail(error, error)
        except KeyboardInterrupt:
            print(interrupted, file=sys.stderr)
            raise SystemExit(INTERRUPTED) from None
        except (click.ClickException, click.Abort, click.exceptions.Exit):
            raise
        except Exception as error:  # Python would end with 1, which says that there are findings
            if isinstance(error, BrokenPipeError) and unread():
                raise  # `VerbGroup` ends the process without a word
            self._fail(refusal(error, paths) or _bug(error), error)

    def _fail(self, told: SparkleError, cause: Exception) -> None:
        if self._verbose:
            traceback.print_exception(cause)
        if self.as_json:
            print(json.dumps({"error": told.parts()}, ensure_ascii=False), flush=True)
        print(f"error: {told}", file=sys.stderr, flush=True)
        raise SystemExit(COULD_NOT_RUN) from None


def _print(console: Console, shown: RenderableType, *, soft_wrap: bool = False) -> None:
    """Print with rich, which by itself ends the process with 1 where nobody reads."""
    with console.capture() as drawn:
        console.print(shown, soft_wrap=soft_wrap)
    print(drawn.get(), end="", flush=True)


def first_lines(lines: Sequence[str], most: int, where: str) -> list[str]:
    """Return the first lines, and one that says how many more there are.

    Args:
        lines: All of them.
        most: How many are shown.
        where: Where the others can be read.
    """
    more = len(lines) - most
    return [*lines[:most], *([f"... and {more:,} more; {where}"] if more > 0 else [])]


@contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """Let SIGTERM, by which schedulers and containers end a process, end the block as Ctrl-C does."""
    if threading.current_thread() is not threading.main_thread():  # which alone may set handlers
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _record(columns: Sequence[str], row: Sequence[str]) -> str:
    """Return a row of a table that is too wide, one cell per line."""
    width = max(map(len, columns))
    return "\n".join(f"{column:<{width}}  {cell}" for column, cell in zip(columns, row, strict=True))


def _bug(error: Exception) -> SparkleError:
    at = traceback.extract_tb(error.__traceback__)[-1]
    return SparkleError(
        "this is a bug in sparkle",
        got=f"{type(error).__name__}: {error}",
        where=f"{at.filename}:{at.lineno}",
        fix="please report it, with the traceback that -v shows",
    )
