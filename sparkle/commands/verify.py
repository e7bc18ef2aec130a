"""`sparkle-hub verify`: is a release what it says it is?"""

from __future__ import annotations

from pathlib import Path

import click

from sparkle.commands.console import Terminal
from sparkle.hub.verify.report import LEVELS


@click.command()
@click.argument("release", metavar="RELEASE|REPO[@REV]")
@click.option(
    "--level",
    "levels",
    multiple=True,
    type=click.Choice(LEVELS),
    help="Run this level; may be given several times. Without it, all of them.",
)
@click.option(
    "--sample",
    default=4,
    show_default=True,
    type=click.IntRange(min=1),
    help="How many samples are replayed, and read by each consumer.",
)
@click.option("--seed", default=0, show_default=True, help="Which samples those are.")
@click.option(
    "--bench",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Check that this bench (source_videos/<theme>/ID.mp4) shares no source with the release.",
)
@click.option("--repair", is_flag=True, help="Fetch what is broken or missing from --from, then verify.")
@click.option("--from", "origin", metavar="REPO[@REV]|FOLDER", help="Where the release came from.")
@click.option(
    "--report",
    "report_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write every finding to this file, as JSON lines; the first 50 are printed.",
)
@click.option("--workers", type=click.IntRange(1), help="Processes that work; without it, one a processor.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")
def verify(
    release: str,
    levels: tuple[str, ...],
    sample: int,
    seed: int,
    bench: Path | None,
    repair: bool,
    origin: str | None,
    report_file: Path | None,
    workers: int | None,
    as_json: bool,
) -> None:
    """Prove that a release is whole, agrees with itself, and can be made again.

    RELEASE is a folder, or a dataset on a Hub as owner/name or owner/name@revision.

    \b
    integrity    every byte is the one that the manifest lists; of a Hub by its own hashes
    consistency  csv, JSON lines, tables, tars and loose files agree; recorded thresholds hold
    reshard      the tars, made again from their members, are the same bytes
    replay       samples, made again as recorded, are the same; else the first step that differs
    consumers    stock datasets, webdataset, tar, Kiwi-Edit's rules and our own loader read it

    The exit code is 1 when anything is wrong, or when a level that was named cannot be tried.

    Example: sparkle-hub verify me/sparkle@v1.0 --level integrity

    Example: sparkle-hub verify releases/demo --repair --from me/sparkle@v1.0
    """  # noqa: D301 - \b is click's: lines stay as they are
    if repair != (origin is not None):
        raise click.UsageError("--repair needs --from, and --from is for --repair")
    terminal = Terminal(as_json=as_json)
    with terminal.guard():
        from sparkle._files import write_jsonl
        from sparkle.hub.verify.report import VerifyOptions, text
        from sparkle.hub.verify.verify import verify_release

        options = VerifyOptions(
            levels=levels or LEVELS,
            required=bool(levels),
            sample=sample,
            seed=seed,
            bench=bench,
            workers=workers,
            origin=origin,
            say=terminal.say,
        )
        found = verify_release(release, options, terminal.progress)
        if report_file is not None:
            write_jsonl(report_file, found.findings())
        terminal.result(text(found, report_file=report_file), found.to_json())
    raise SystemExit(0 if found.ok else 1)
