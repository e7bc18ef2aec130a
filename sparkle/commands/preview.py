"""`sparkle-hub preview`: a page on which a person reviews a release."""

from __future__ import annotations

from pathlib import Path

import click

from sparkle.commands.console import Terminal
from sparkle.schemas.ids import THEMES

_SHOWN_PROBLEMS = 20  # lines; the page and --json have all


@click.command()
@click.argument("release", metavar="RELEASE")
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    help="The page's folder; a page that is there is brought up to date.",
)
@click.option(
    "--theme", "themes", multiple=True, type=click.Choice(THEMES), help="Only this theme. Repeatable."
)
@click.option(
    "--ids-from",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Only the ids of this file, one a line.",
)
@click.option(
    "--limit",
    type=click.IntRange(1),
    metavar="N",
    help="N samples of each theme, drawn by the hash of their ids; without it, all.",
)
@click.option("--workers", type=click.IntRange(1), help="Samples drawn at a time; else one a processor.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def preview(
    release: str,
    out: Path,
    themes: tuple[str, ...],
    ids_from: Path | None,
    limit: int | None,
    workers: int | None,
    as_json: bool,
) -> None:
    """Make a page on which RELEASE is reviewed: pairs in step, masks, boxes, scores, verdicts.

    RELEASE is a folder, an index, or a dataset on the Hub as owner/name or owner/name@revision. The page is a
    folder of plain files: open its index.html, or put it on any static host. What you decide there is saved
    to a file that `sparkle build --exclude` takes.

    A rerun makes what is missing. The exit code is 1 when an artifact cannot be shown as it should; the page
    then says so beside it.

    Example: sparkle-hub preview releases/demo --out review --limit 100
    """
    terminal = Terminal(as_json=as_json)
    with terminal.guard():
        from sparkle.builders.building.selection import make_selection
        from sparkle.hub.preview.make import make_page

        chosen = make_selection(ids_from=ids_from)
        found = make_page(
            release,
            out,
            themes=themes,
            ids=None if chosen is None else chosen.ids,
            limit=limit,
            workers=workers,
            progress=terminal.progress,
        )
    problems = [f"{sample_id}: {text}" for sample_id, texts in found.problems.items() for text in texts]
    for line in problems[:_SHOWN_PROBLEMS]:
        terminal.say(f"problem: {line}")
    if len(problems) > _SHOWN_PROBLEMS:
        terminal.say(f"... and {len(problems) - _SHOWN_PROBLEMS} more; the page's filter shows them")
    terminal.result(
        f"{found.out}: {found.samples:,} pairs, {found.bytes / 1e6:,.1f} MB "
        f"({found.bytes / 1e3 / found.samples:,.0f} KB a pair); {found.made:,} drawn now, "
        f"{found.samples - found.made:,} were there\n"
        f"open: {(found.out / 'index.html').as_uri()}",
        {
            "out": str(found.out),
            "samples": found.samples,
            "made": found.made,
            "bytes": found.bytes,
            "problems": {sample_id: list(texts) for sample_id, texts in found.problems.items()},
        },
    )
    raise SystemExit(1 if problems else 0)
