"""`sparkle validate`: is a release whole, and does it agree with itself?"""

from __future__ import annotations

from pathlib import Path

import click

from sparkle.commands.console import FINDINGS, Terminal, Verb, first_lines
from sparkle.commands.options import (
    PATH,
    accept_option,
    bench_option,
    output_options,
    report_option,
    workers_option,
)

_SHOWN_FINDINGS = 50  # a screen or two; the report has all


@click.command(cls=Verb)
@click.argument("release", metavar="RELEASE", type=PATH)
@report_option
@click.option(
    "--quick", is_flag=True, help="Read only the headers of tars, not their contents: minutes, not hours."
)
@click.option(
    "--media",
    default="none",
    show_default=True,
    type=click.Choice(["none", "sample", "all"]),
    help="Decode the videos, images and masks of 20 samples per theme, or of all.",
)
@bench_option
@accept_option
@workers_option
@output_options
def validate(
    release: Path,
    report: Path | None,
    quick: bool,
    media: str,
    bench: Path | None,
    accept: Path | None,
    workers: int | None,
    terminal: Terminal,
) -> None:
    """Check that a release is whole and agrees with itself.

    Tables, JSON lines, tars and loose files are compared with each other and with the manifest: names,
    order, contents, sizes of videos and masks, recorded scores. Each finding has a file, a line and a JSON
    pointer; the first 50 are printed. Only --report is written.

    Example: sparkle validate releases/demo --media sample --report findings.jsonl
    """
    from sparkle._files import write_jsonl
    from sparkle.builders.checks import validate as check

    terminal.name_junk(release)
    found = check(
        release,
        quick=quick,
        media=media,
        bench=bench,
        accept=accept,
        workers=workers,
        progress=terminal.progress,
    )
    for note in found.notes:
        terminal.say(f"note: {note}")
    if report is not None:
        write_jsonl(report, (finding.to_json() for finding in found.findings))
    count = len(found.findings)
    samples = ", ".join(f"{number} {theme}" for theme, number in found.samples.items())
    verdict = f"{count} finding{'s' if count > 1 else ''}" if count else "whole"
    rest = f"all are in {report}" if report else "--report FILE writes all of them"
    lines = first_lines([*map(str, found.findings)], _SHOWN_FINDINGS, rest)
    lines.append(f"{release}: {verdict} ({found.files} files; samples: {samples or 'none'})")
    terminal.result(
        "\n".join(lines),
        {
            "findings": [finding.to_json() for finding in found.findings[:_SHOWN_FINDINGS]],
            "count": count,
            "files": found.files,
            "samples": found.samples,
            "notes": list(found.notes),
        },
    )
    raise SystemExit(FINDINGS if count else 0)
