"""`sparkle verify`: is a release what it says it is?"""

from __future__ import annotations

from pathlib import Path

import click

from sparkle.commands.console import FINDINGS, Terminal, Verb
from sparkle.commands.options import bench_option, output_options, report_option, workers_option
from sparkle.hub.verify.report import LEVELS, text


@click.command(cls=Verb, resumes="nothing was changed but what --repair had mended")
@click.argument("release", metavar="RELEASE|REPO[@REV]")
@click.option(
    "--level",
    "levels",
    multiple=True,
    type=click.Choice(LEVELS),
    help="Run this level. Repeatable.  [default: all]",
)
@click.option(
    "--sample",
    default=4,
    show_default=True,
    type=click.IntRange(min=1),
    help="Number of samples to replay, and to read with each consumer.",
)
@click.option("--seed", default=0, show_default=True, help="Seed that chooses these samples.")
@bench_option
@click.option("--repair", is_flag=True, help="Fetch what is broken or missing from --from, then verify.")
@click.option("--from", "origin", metavar="REPO[@REV]|FOLDER", help="Where the release came from.")
@report_option
@workers_option
@output_options
def verify(
    release: str,
    levels: tuple[str, ...],
    sample: int,
    seed: int,
    bench: Path | None,
    repair: bool,
    origin: str | None,
    report: Path | None,
    workers: int | None,
    terminal: Terminal,
) -> None:
    """Prove that a release is whole, agrees with itself, and can be made again.

    RELEASE is a folder, or a dataset on a Hub as owner/name or owner/name@revision; a bench or a model too.
    hf://owner/name is a model's repository where a dataset has the same name.

    \b
    integrity    every byte is the one in the manifest; on a Hub, by its own hashes
    consistency  csv, JSON lines, tables, tars and loose files agree; recorded thresholds hold
    reshard      the tars, made again from their members, are the same bytes
    replay       samples, made again as recorded, are the same; else the first step that differs
    consumers    stock datasets, webdataset, tar, Kiwi-Edit's rules and our own loader read it

    The exit code is 1 when there are findings, 2 when a level that was named cannot be tried.

    Example: sparkle verify me/sparkle@v1.0 --level integrity

    Example: sparkle verify releases/demo --repair --from me/sparkle@v1.0
    """  # noqa: D301 - \b is click's: lines stay as they are
    if repair != (origin is not None):
        raise click.UsageError("--repair needs --from, and --from is for --repair")

    from sparkle._files import write_jsonl
    from sparkle.hub.verify import verify as verify_release

    terminal.name_junk(release)
    found = verify_release(
        release,
        levels=levels or None,
        sample=sample,
        seed=seed,
        bench=bench,
        repair_from=origin,
        workers=workers,
        progress=terminal.progress,
        say=terminal.say,
    )
    if report is not None:
        write_jsonl(report, found.findings())
    terminal.result(text(found, report_file=report), found.to_json())
    raise SystemExit(0 if found.ok else FINDINGS)
