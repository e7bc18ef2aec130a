"""`sparkle preview`: a page on which a person reviews a release or a run."""

from __future__ import annotations

from pathlib import Path

import click

from sparkle._progress import count_text
from sparkle.commands.console import FINDINGS, Terminal, Verb, first_lines
from sparkle.commands.options import ids_from_option, out_option, output_options, theme_option, workers_option

_LIMIT = 200  # samples of a theme that a person looks at in an hour
_SHOWN_PROBLEMS = 20  # lines; the page and --json have all


@click.command(cls=Verb, resumes="samples that were drawn are kept in {out}")
@click.argument("where", metavar="WHERE")
@out_option("The page's folder; a page that is there is updated.")
@theme_option
@ids_from_option
@click.option(
    "--limit",
    type=click.IntRange(1),
    metavar="N",
    help=f"Show N samples of each theme, drawn by the hash of their ids.  [default: {_LIMIT}]",
)
@click.option(
    "--rows",
    type=click.IntRange(180, 1080),
    default=360,
    show_default=True,
    help="Rows of the pictures; 720 shows hair and halos, and takes twice the time and space.",
)
@click.option("--all", "whole", is_flag=True, help="Show every sample.")
@workers_option
@output_options
def preview(
    where: str,
    out: Path,
    themes: tuple[str, ...],
    ids_from: Path | None,
    limit: int | None,
    rows: int,
    whole: bool,
    workers: int | None,
    terminal: Terminal,
) -> None:
    """Make a page for reviewing WHERE: pairs in step, masks, boxes, scores, verdicts.

    WHERE is a release's folder, an index, a dataset on the Hub as owner/name or owner/name@revision, or a
    run's folder, also of an unfinished run. Of a run, rejected and failed samples are shown as far as they
    came, with the step and the reason, so that thresholds can be chosen by looking. The page is a folder of
    plain files: open its index.html, or put it on any static host. Verdicts are saved to a file for
    `sparkle build --exclude`.

    Without --limit, --all or --ids-from it shows the first samples of each theme. Drawing takes some seconds
    per sample: how long all of them take is printed first. A rerun makes only what is missing.

    The exit code is 1 when an artifact cannot be shown as it should; the page says so beside it.

    Example: sparkle preview releases/demo --out review --limit 100
    """
    if whole and limit is not None:
        raise click.UsageError("--limit shows some samples and --all shows every one: give one of them")

    from sparkle.builders.building.selection import read_ids
    from sparkle.hub.preview.make import make_page

    found = make_page(
        where,
        out,
        themes=themes,
        ids=None if ids_from is None else tuple(read_ids(ids_from)),
        limit=None if whole or ids_from is not None else limit or _LIMIT,
        side=rows,
        workers=workers,
        progress=terminal.progress,
        say=terminal.say,
    )
    problems = [
        f"problem: {sample_id}: {text}" for sample_id, all_ in found.problems.items() for text in all_
    ]
    for line in first_lines(problems, _SHOWN_PROBLEMS, "the page's filter shows them"):
        terminal.say(line)
    terminal.result(
        f"{found.out}: {count_text(found.samples, 'pair')}, {found.bytes / 1e6:,.1f} MB "
        f"({found.bytes / 1e3 / found.samples:,.0f} KB per pair); {found.made:,} made now, "
        f"{found.samples - found.made:,} already there\n"
        f"open: {(found.out / 'index.html').as_uri()}",
        {
            "out": str(found.out),
            "samples": found.samples,
            "made": found.made,
            "bytes": found.bytes,
            "problems": {sample_id: list(texts) for sample_id, texts in found.problems.items()},
        },
    )
    raise SystemExit(FINDINGS if problems else 0)
