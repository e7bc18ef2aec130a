"""`sparkle show`: what happened to a clip in a run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from sparkle.commands.console import Terminal, Verb
from sparkle.commands.options import FOLDER, output_options

if TYPE_CHECKING:
    from sparkle.builders.building.history import History, StepHistory


@click.command(cls=Verb)
@click.argument("run", metavar="RUN", type=FOLDER)
@click.argument("name", metavar="ID|FILE")
@output_options
def show(run: Path, name: str, terminal: Terminal) -> None:
    """Show what happened to a clip: every step with its numbers, its reason and its files.

    RUN may be unfinished. The clip is named by the id of a sample (or its number alone), by the file name of
    its source, or by the first digits of the source's sha256.

    Example: sparkle show runs/demo Sparkle_location_000042

    Example: sparkle show runs/demo beach.mp4
    """
    from sparkle.builders.building.history import read_history

    found = read_history(run, name)
    for history in found:
        terminal.table(f"{history.id}: {history.verdict}", ["step", "outcome", "numbers"], _rows(history))
    terminal.result("\n\n".join(map(_text, found)), {"samples": [history.to_json() for history in found]})


def _rows(history: History) -> list[list[str]]:
    return [[step.step, _outcome(step), _numbers(step)] for step in history.steps if step.status is not None]


def _outcome(step: StepHistory) -> str:
    return f"{step.status}: {step.why}" if step.why else f"{step.status}"


def _numbers(step: StepHistory) -> str:
    return ", ".join(f"{name} {value:.6g}{_limit(step, name)}" for name, value in step.measured.items())


def _limit(step: StepHistory, name: str) -> str:
    least, most = step.limits.get(name, (None, None))
    asked = [f"at least {least:g}"] if least is not None else []
    asked += [f"at most {most:g}"] if most is not None else []
    return f" ({', '.join(asked)})" if asked else ""


def _text(history: History) -> str:
    source = history.source
    lines = [
        f"{history.id}: {history.verdict}",
        f"source: {source.path} (sha256 {source.sha256[:12]}, licence {source.licence or 'not recorded'})",
    ]
    lines += [f"prompt: {history.prompt}"] if history.prompt else []
    files = [found for step in history.steps for found in step.files.items()]
    return "\n".join([*lines, *(f"{kind}: {place}" for kind, place in files)])
