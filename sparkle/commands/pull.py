"""`sparkle pull`: chosen pairs, on this machine."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sparkle._progress import count_text, size_text
from sparkle.commands.console import FINDINGS, Terminal, Verb, first_lines
from sparkle.commands.options import (
    TRAINERS,
    Names,
    Size,
    filter_options,
    out_option,
    output_options,
    theme_option,
)
from sparkle.schemas.errors import command
from sparkle.schemas.layout import KIND_BY_NAME

if TYPE_CHECKING:
    from sparkle.builders.training.export import ExportSummary
    from sparkle.hub.pull.plan import PullPlan
    from sparkle.hub.pull.pulling import PullChoice, Pulled

_SHOWN = 20  # pairs with a problem that are named; export.json has all


@click.command(cls=Verb, resumes="finished files are kept in {out}")
@click.argument("repo", metavar="REPO|INDEX|RELEASE")
@out_option("The folder that pairs are pulled into.")
@theme_option
@filter_options
@click.option(
    "--limit", type=click.IntRange(1), metavar="N", help="Pull at most N pairs, the first by theme and id."
)
@click.option(
    "--streams",
    default="source_video,edited_video",
    show_default=True,
    type=Names(KIND_BY_NAME),
    metavar="KIND,...",
    help="Kinds of artifact to pull.",
)
@click.option("--max-disk", type=Size(), help="Refuse a choice of more bytes than this, such as 50GB.")
@click.option("--dry-run", is_flag=True, help="Print bytes per stream and requests, and pull nothing.")
@click.option(
    "--export",
    "trainer",
    type=click.Choice(TRAINERS),
    help="Also make a trainer's folder beside it, such as OUT-kiwi.",
)
@output_options
def pull(
    repo: str,
    out: Path,
    themes: tuple[str, ...],
    min_scores: dict[str, float],
    max_scores: dict[str, float],
    limit: int | None,
    streams: tuple[str, ...],
    max_disk: int | None,
    dry_run: bool,
    trainer: str | None,
    terminal: Terminal,
) -> None:
    """Pull chosen pairs: the videos as loose files, and a csv of exactly what is there.

    REPO is owner/name[@revision] of a release on a Hub; INDEX is what `sparkle index` made of upstream's
    tars; RELEASE is a folder. Only the chosen bytes are transferred and each file is verified. A rerun pulls
    what is missing. The folder can be opened, exported and trained on as it is.

    --min and --max take scores (edited_frame0, foreground_removed, edited_video), measures, frames, width and
    height. A pair without that value is not chosen.

    Example: sparkle pull owner/demo --theme location --min edited_video=9 --limit 2000
    --max-disk 50GB --out pairs
    """
    from sparkle.hub.pull.plan import refuse_too_much
    from sparkle.hub.pull.pulling import PullChoice, plan_pull, pull_pairs

    kinds = tuple(KIND_BY_NAME[name] for name in streams)
    choice = PullChoice(themes or None, min_scores, max_scores, limit, kinds)
    plan = plan_pull(repo, choice, out, terminal.progress)
    _print_plan(plan, choice, terminal)
    refuse_too_much(plan, out, max_disk)
    if dry_run:
        terminal.result(_planned(plan, out), _plan_json(plan, out))
        return
    terminal.say(_planned(plan, out))
    pulled = pull_pairs(plan, choice, out, terminal.progress)
    exported = None
    if trainer is not None:
        from sparkle.builders.training.export import export_pairs

        folder = out.with_name(f"{out.name}-{trainer}")
        exported = export_pairs(str(out), trainer, folder, progress=terminal.progress)
    terminal.result(_summary(pulled, exported), _to_json(plan, pulled, exported))
    if exported is not None and exported.problems:
        raise SystemExit(FINDINGS)


def _print_plan(plan: PullPlan, choice: PullChoice, terminal: Terminal) -> None:
    rows = [
        [
            stream.kind,
            f"{stream.files:,}",
            f"{stream.bytes:,}",
            f"{stream.there:,}",
            f"{stream.missing_bytes:,}",
        ]
        for stream in plan.streams
    ]
    terminal.table("chosen", ["stream", "files", "bytes", "already there", "bytes to pull"], rows)
    if choice.limit is not None and len(plan.pairs) < choice.limit:
        terminal.say(
            f"--limit {choice.limit:,}, but {count_text(len(plan.pairs), 'pair')} in all that can be chosen"
        )


def _planned(plan: PullPlan, out: Path) -> str:
    return (
        f"{count_text(len(plan.pairs), 'pair')}: {size_text(plan.missing_bytes)} to download in "
        f"{count_text(plan.requests, 'request')}; {out} will hold {size_text(plan.bytes)}"
    )


def _plan_json(plan: PullPlan, out: Path) -> dict[str, Any]:
    return {
        "out": str(out),
        "from": plan.pairs.where,
        "pairs": len(plan.pairs),
        "streams": [asdict(stream) for stream in plan.streams],
        "bytes": plan.bytes,
        "missing_bytes": plan.missing_bytes,
        "requests": plan.requests,
    }


def _summary(pulled: Pulled, exported: ExportSummary | None) -> str:
    text = (
        f"{pulled.out}: {count_text(pulled.pairs, 'pair')}; {count_text(pulled.files, 'file')}, "
        f"{pulled.bytes:,} bytes pulled in {count_text(pulled.requests, 'request')}"
    )
    if exported is None:
        ahead = command("sparkle", "export", pulled.out, "--to", "kiwi", "--out", f"{pulled.out}-kiwi")
        return f"{text}\nnext: {ahead}"
    problems = first_lines(exported.problems, _SHOWN, f"{exported.out / 'export.json'} lists all")
    ahead = f"exported: {exported.out}, {count_text(sum(exported.pairs.values()), 'pair')}"
    return "\n".join([text, *problems, ahead])


def _to_json(plan: PullPlan, pulled: Pulled, exported: ExportSummary | None) -> dict[str, Any]:
    return {
        **_plan_json(plan, pulled.out),
        "files": pulled.files,
        "bytes_brought": pulled.bytes,
        "requests": pulled.requests,
        "bytes_received": pulled.received,
        "csv": list(pulled.csv),
        "exported": None if exported is None else str(exported.out),
        "left_out": [] if exported is None else [left.id for left in exported.left_out],
        "uneven": [] if exported is None else [pair.id for pair in exported.uneven],
    }
