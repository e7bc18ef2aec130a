"""`sparkle-hub pull`: chosen samples on this machine."""

from __future__ import annotations

from pathlib import Path

import click

from sparkle.builders.build_options import Size
from sparkle.schemas.ids import THEMES
from sparkle.schemas.terminal import Terminal

_STREAMS = "source_video,edited_video"
# Names of `sparkle.builders.export.trainers.TRAINERS`, which is not imported for `--help`.
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
        from sparkle.hub.pull import report
        from sparkle.hub.pull.conditions import parse_conditions
        from sparkle.hub.pull.plan import refuse_too_much
        from sparkle.hub.pull.pulling import Choice, plan_pull, pull_pairs
        from sparkle.hub.pull.report import parse_streams

        choice = Choice(themes or None, parse_conditions(conditions), limit, parse_streams(streams))
        plan = plan_pull(repo, choice, out, terminal.progress)
        report.print_plan(plan, choice, terminal)
        refuse_too_much(plan, out, max_disk)
        if dry_run:
            terminal.result(report.planned(plan, out), report.plan_json(plan, out))
            return
        terminal.say(report.planned(plan, out))
        pulled = pull_pairs(plan, choice, out, terminal.progress)
        exported = None
        if trainer is not None:
            from sparkle.builders.export.export import export_pairs

            exported = export_pairs(
                str(out), trainer, out.with_name(f"{out.name}-{trainer}"), progress=terminal.progress
            )
    terminal.result(report.said(pulled, exported), report.to_json(plan, pulled, exported))
    if exported is not None and exported.left_out:
        raise SystemExit(1)
