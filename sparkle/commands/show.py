"""`sparkle show`: what happened to a clip in a run, or what a release says of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from sparkle.commands.console import Terminal, Verb
from sparkle.commands.options import output_options

if TYPE_CHECKING:
    from sparkle.builders.building.history import SampleHistory, StepHistory
    from sparkle.builders.reading.sample import SampleRow


@click.command(cls=Verb)
@click.argument("place", metavar="RUN|RELEASE")
@click.argument("name", metavar="ID|FILE")
@output_options
def show(place: str, name: str, terminal: Terminal) -> None:
    """Show what happened to a clip in a run, or what a release says of it.

    Of a run, which may be unfinished: every step with its numbers, its reason and its files. The clip is
    named by the id of a sample (or its number alone), by the file name of its source, or by the first digits
    of the source's sha256. Of a release or an index, in a folder or on a Hub: the pair's row and where its
    files are. The pair is named by its id or by the first digits of the source's sha256.

    Example: sparkle show runs/demo Sparkle_location_000042

    Example: sparkle show runs/demo beach.mp4

    Example: sparkle show me/sparkle@v1.0 Sparkle_location_000042
    """
    from sparkle.builders.building.history import read_history
    from sparkle.schemas import layout

    run = Path(place)
    if not (run / layout.RUN_CONFIG).is_file():
        _show_pairs(place, name, terminal)
        return
    found = read_history(run, name)
    for history in found:
        terminal.table(f"{history.id}: {history.verdict}", ["step", "outcome", "numbers"], _rows(history))
    terminal.result("\n\n".join(map(_text, found)), {"samples": [history.to_json() for history in found]})


def _show_pairs(place: str, name: str, terminal: Terminal) -> None:
    from sparkle.builders.reading.sample import read_samples

    found = read_samples(place, name)
    for pair in found:
        values = {column: value for column, value in pair.values.items() if value is not None}
        del values["task"], values["prompt"]
        shown = (f"{value:g}" if isinstance(value, float) else str(value) for value in values.values())
        rows = [list(row) for row in zip(values, shown, strict=True)]
        terminal.table(pair.id, ["column", "value"], rows)
    terminal.result("\n\n".join(map(_pair_text, found)), {"samples": [pair.to_json() for pair in found]})


def _pair_text(pair: SampleRow) -> str:
    lines = [f"{pair.id} of {pair.place}", f"prompt: {pair.values['prompt']}"]
    for file in pair.files:
        start = f" from byte {file.offset:,}" if file.offset else ""
        lines.append(f"{file.kind.name}: {file.file}{start}, {file.size:,} bytes")
    return "\n".join(lines)


def _rows(history: SampleHistory) -> list[list[str]]:
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


def _text(history: SampleHistory) -> str:
    source = history.source
    lines = [
        f"{history.id}: {history.verdict}",
        f"source: {source.path} (sha256 {source.sha256[:12]}, licence {source.licence or 'not recorded'})",
    ]
    lines += [f"prompt: {history.prompt}"] if history.prompt else []
    files = [found for step in history.steps for found in step.files.items()]
    return "\n".join([*lines, *(f"{kind}: {place}" for kind, place in files)])
