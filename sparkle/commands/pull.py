"""`sparkle-hub pull`: chosen samples on this machine.

What `sparkle-hub pull` says: the plan before, and what was brought.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sparkle.commands.console import Terminal
from sparkle.commands.options import Size
from sparkle.schemas.errors import ConfigError
from sparkle.schemas.ids import THEMES
from sparkle.schemas.layout import KIND_BY_NAME, Kind

if TYPE_CHECKING:
    from sparkle.builders.training.export import ExportSummary
    from sparkle.hub.pull.plan import Plan
    from sparkle.hub.pull.pulling import Choice, Pulled


_STREAMS = "source_video,edited_video"
# Names of `sparkle.builders.training.trainers.TRAINERS`, which is not imported for `--help`.
_TRAINERS = ("kiwi", "diffsynth", "musubi")


@click.command()
@click.argument("repo", metavar="REPO|INDEX|RELEASE")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Where the files go.")
@click.option(
    "--theme", "themes", multiple=True, type=click.Choice(THEMES), help="Only this theme. Repeatable."
)
@click.option(
    "--where",
    "conditions",
    multiple=True,
    metavar="CONDITION",
    help="Which pairs, such as 'edited_video>=9 and frames==81': scores, measures, frames, width, height.",
)
@click.option("--limit", type=click.IntRange(1), help="How many pairs at most, the first by theme and id.")
@click.option("--streams", default=_STREAMS, show_default=True, help="Kinds of artifact, by commas.")
@click.option("--max-disk", type=Size(), help="Refuse what has more bytes than this, such as 50GB.")
@click.option("--dry-run", is_flag=True, help="Say bytes a stream and requests, and bring nothing.")
@click.option(
    "--export", "trainer", type=click.Choice(_TRAINERS), help="Also make a trainer's folder, OUT-kiwi."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")
def pull(
    repo: str,
    out: Path,
    themes: tuple[str, ...],
    conditions: tuple[str, ...],
    limit: int | None,
    streams: str,
    max_disk: int | None,
    dry_run: bool,
    trainer: str | None,
    as_json: bool,
) -> None:
    """Bring chosen pairs to this machine: the videos as loose files, and a csv of exactly what is there.

    REPO is owner/name[@revision] of a release on a Hub; INDEX is what `sparkle index` made of upstream's
    tars; RELEASE is a folder. Only the chosen bytes are transferred, each file is verified, and a rerun
    brings what is missing. The folder can be opened, exported and trained on as it is.

    Example: sparkle-hub pull owner/demo --theme location --where "edited_video>=9" --limit 2000
    --max-disk 50GB --out pairs
    """
    terminal = Terminal(as_json=as_json)
    with terminal.guard():
        from sparkle.hub.pull.plan import parse_conditions, refuse_too_much
        from sparkle.hub.pull.pulling import Choice, plan_pull, pull_pairs

        choice = Choice(themes or None, parse_conditions(conditions), limit, parse_streams(streams))
        plan = plan_pull(repo, choice, out, terminal.progress)
        print_plan(plan, choice, terminal)
        refuse_too_much(plan, out, max_disk)
        if dry_run:
            terminal.result(planned(plan, out), plan_json(plan, out))
            return
        terminal.say(planned(plan, out))
        pulled = pull_pairs(plan, choice, out, terminal.progress)
        exported = None
        if trainer is not None:
            from sparkle.builders.training.export import export_pairs

            exported = export_pairs(
                str(out), trainer, out.with_name(f"{out.name}-{trainer}"), progress=terminal.progress
            )
    terminal.result(said(pulled, exported), to_json(plan, pulled, exported))
    if exported is not None and exported.left_out:
        raise SystemExit(1)


# --- what `sparkle-hub pull` says ------------------------------------------------------------------


def parse_streams(text: str) -> tuple[Kind, ...]:
    """Kinds by their names, joined by commas; raises ConfigError for one that there is not."""
    names = list(dict.fromkeys(name.strip() for name in text.split(",")))
    for name in names:
        if name not in KIND_BY_NAME:
            raise ConfigError(
                "there is no such stream", got=name, wanted=f"some of {', '.join(KIND_BY_NAME)}"
            )
    return tuple(KIND_BY_NAME[name] for name in names)


def print_plan(plan: Plan, choice: Choice, terminal: Terminal) -> None:
    """Say what is chosen and what is missing."""
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
    terminal.table("chosen", ["stream", "files", "bytes", "there already", "bytes to bring"], rows)
    if choice.limit is not None and len(plan.pairs) < choice.limit:
        terminal.say(f"{len(plan.pairs):,} pairs pass; {choice.limit:,} were asked for")


def planned(plan: Plan, out: Path) -> str:
    """What a pull would do."""
    return (
        f"{len(plan.pairs):,} pairs; {plan.missing_bytes:,} bytes to bring by {plan.requests:,} requests, "
        f"{plan.bytes:,} bytes in {out} then"
    )


def plan_json(plan: Plan, out: Path) -> dict[str, Any]:
    """The plan for machines."""
    return {
        "out": str(out),
        "from": plan.pairs.where,
        "pairs": len(plan.pairs),
        "streams": [asdict(stream) for stream in plan.streams],
        "bytes": plan.bytes,
        "missing_bytes": plan.missing_bytes,
        "requests": plan.requests,
    }


def said(pulled: Pulled, exported: ExportSummary | None) -> str:
    """What was brought, and what to do with it."""
    text = (
        f"{pulled.out}: {pulled.pairs:,} pairs; {pulled.files:,} files, {pulled.bytes:,} bytes brought, "
        f"{pulled.requests:,} requests"
    )
    if exported is None:
        return f"{text}\nnext: sparkle export {pulled.out} --to kiwi --out {pulled.out}-kiwi"
    return f"{text}\nexported: {exported.out}, {sum(exported.pairs.values()):,} pairs"


def to_json(plan: Plan, pulled: Pulled, exported: ExportSummary | None) -> dict[str, Any]:
    """The same for machines."""
    return {
        **plan_json(plan, pulled.out),
        "files": pulled.files,
        "bytes_brought": pulled.bytes,
        "requests": pulled.requests,
        "bytes_received": pulled.received,
        "csv": list(pulled.csv),
        "exported": None if exported is None else str(exported.out),
        "left_out": [] if exported is None else [left.id for left in exported.left_out],
    }
