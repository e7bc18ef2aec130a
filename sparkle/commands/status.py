"""`sparkle status`: how a run goes, or how far it is."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from sparkle._progress import count_text, time_text
from sparkle.commands.console import FINDINGS, Terminal, Verb
from sparkle.commands.options import FOLDER, output_options
from sparkle.schemas.errors import command

if TYPE_CHECKING:
    from sparkle.generation.run.status import RunStatus, StepStatus

COLUMNS = ("step", "done", "waiting", "per minute", "seconds each")


@click.command(cls=Verb)
@click.argument("run", metavar="RUN", type=FOLDER)
@output_options
def status(run: Path, terminal: Terminal) -> None:
    """Show how a run goes that another process makes, or how far it is.

    The other process may be on another machine that shares the folder. Nothing is changed, and nobody waits.
    Ends with 1 where the run is unfinished and nobody works at it.

    Example: sparkle status runs/demo
    """
    from sparkle.generation.run.status import read_status

    found = read_status(run)
    told, columns, rows = status_table(found)
    terminal.table(str(run), columns, rows)
    document: dict[str, Any] = {"run": str(run), **msgspec.to_builtins(found), "works": found.works}
    if found.finished:
        terminal.result(f"{run}: {told}; finished\nnext: {command('sparkle', 'stats', run)}", document)
    elif found.works:
        began, heard = time_text(time.time() - found.began), time_text(found.silence)
        driver = f"process {found.process} on {found.host} began {began} ago, last heard of {heard} ago"
        terminal.result(f"{run}: {told}\n{driver}", document)
    else:
        driver = f"process {found.process} on {found.host}"
        gone = f"; {driver} is gone, last heard of {time_text(found.silence)} ago" if found.host else ""
        terminal.result(
            f"{run}: {told}; unfinished, and nobody works at it{gone}\n"
            "next: the same `sparkle generate` again; it goes on where it was",
            document,
        )
        raise SystemExit(FINDINGS)


def status_table(found: RunStatus) -> tuple[str, tuple[str, ...], list[list[str]]]:
    """Return a headline, columns and rows of how a run goes."""
    parts = [count_text(found.candidates, "candidate")]
    if found.works and not found.candidates:
        parts = ["its sources are looked at"]
    elif found.works:
        parts.append(f"at work: {found.busy:.1f} of {count_text(found.workers, 'worker')}")
        if found.gpus or found.gpus_busy:
            gpus = count_text(found.gpus, "GPU") if found.gpus else "the GPUs"
            parts.append(f"{found.gpus_busy:.1f} of {gpus}")
        if found.seconds_left is not None:
            parts.append(f"about {time_text(found.seconds_left)} left")
    return "; ".join(parts), COLUMNS, [_row(step) for step in found.steps]


def _row(step: StepStatus) -> list[str]:
    rate = f"{60 * step.per_second:,.1f}" if step.waiting and step.per_second else "-"
    seconds = f"{step.seconds:,.2f}" if step.seconds else "-"
    return [step.step, f"{step.done:,}", f"{step.waiting:,}", rate, seconds]
