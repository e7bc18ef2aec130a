"""`sparkle generate`: clips in, a run folder out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sparkle._progress import count_text
from sparkle.commands.console import Terminal, Verb, first_lines
from sparkle.commands.options import (
    FILE,
    NEW_FILE,
    PATH,
    config_options,
    out_option,
    output_options,
    read_config,
    workers_option,
)
from sparkle.commands.status import status_table
from sparkle.generation.run.schedules import BY_STEP, SCHEDULES
from sparkle.schemas.errors import command
from sparkle.schemas.ids import TAXONOMY_THEMES, THEMES

if TYPE_CHECKING:
    from sparkle.generation.run.cluster import ClusterOptions

_MOST_OFFSET = 900_000_000  # ids have at most nine digits
_SHOWN_LINES = 20  # a run of 100,000 sources may have thousands


def _parse_shard(context: click.Context, parameter: click.Parameter, value: str) -> tuple[int, int]:
    index, _, count = value.partition("/")
    if index.isdecimal() and count.isdecimal() and int(index) < int(count):
        return int(index), int(count)
    raise click.BadParameter("wanted I/N with I from 0 to N-1, such as 0/4")


@click.command(cls=Verb, resumes="the steps that each sample has finished are kept in {out}")
@click.option(
    "--sources",
    required=True,
    type=PATH,
    help='A video, a folder of videos, or JSON lines of {"path", "theme"?, "prompt"?, "licence"?}.',
)
@out_option("The run folder.")
@click.option(
    "--theme",
    "themes",
    multiple=True,
    type=click.Choice(THEMES),
    default=TAXONOMY_THEMES[:1],
    show_default=True,
    help="Edit each source in this theme, unless its line names one. Repeatable.",
)
@config_options
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Process only the first N sources.")
@workers_option
@click.option(
    "--shard",
    default="0/1",
    callback=_parse_shard,
    show_default=True,
    metavar="I/N",
    help="Process only share I of N.",
)
@click.option(
    "--id-offset",
    type=click.IntRange(0, _MOST_OFFSET),
    default=0,
    show_default=True,
    metavar="N",
    help="Number new samples of each theme from N on, for a run that is built together with others.",
)
@click.option(
    "--hashes",
    type=NEW_FILE,
    help="Take the sha256 of sources from this file, as sha256sum writes it, and add what it lacks: "
    "shards that share one hash the list once.",
)
@click.option(
    "--timings",
    type=NEW_FILE,
    help="Note the seconds of each step in this file, for `sparkle plan --timings`; it is not in the run.",
)
@click.option(
    "--executor",
    type=click.Choice(("local", "ray")),
    default="local",
    show_default=True,
    help="Who does the work: this machine, or the Ray cluster that it is in.",
)
@click.option(
    "--address", help="The head of the Ray cluster, such as 10.0.0.1:6379.  [default: auto, the one here]"
)
@click.option("--cluster", type=FILE, help="How to use the cluster, a TOML file: see docs/cluster.md.")
@click.option(
    "--schedule",
    type=click.Choice(SCHEDULES),
    help="By-step: one model at a time. Streaming: each sample moves on at once, GPUs hold several models. "
    "Auto: streaming where every model finds room.  [default: by-step; auto on a cluster]",
)
@output_options
def generate(
    sources: Path,
    out: Path,
    themes: tuple[str, ...],
    config: str | None,
    settings: tuple[str, ...],
    limit: int | None,
    workers: int | None,
    shard: tuple[int, int],
    id_offset: int,
    hashes: Path | None,
    timings: Path | None,
    executor: str,
    address: str | None,
    cluster: Path | None,
    schedule: str | None,
    terminal: Terminal,
) -> None:
    """Make source/edited pairs with every intermediate: clips in, a run folder out.

    Kill it at any moment; the same command resumes. A finished run does nothing.

    Example: sparkle generate --sources clips --out runs/demo --theme location --theme season

    Example: sparkle generate --sources clips --out runs/paper --config paper-fast --set encoding.crf=18
    """
    from sparkle.generation.run.driver import generate as run_generate
    from sparkle.generation.run.sources import list_sources

    for option, file in (("--timings", timings), ("--hashes", hashes)):
        if file is not None and file.resolve().is_relative_to(out.resolve()):
            raise click.BadParameter(f"{file} would be inside the run folder", param_hint=option)
    terminal.name_junk(sources)
    resolved = read_config(config, settings).config
    options = _cluster_options(executor, address, cluster, schedule)
    listed = list_sources(sources, themes, limit, out=out, say=terminal.say)
    summary = run_generate(
        listed,
        out,
        resolved,
        workers=workers,
        shard=shard,
        id_offset=id_offset,
        shared_hashes=hashes,
        timings=timings,
        cluster=options if executor == "ray" else None,
        schedule=options.schedule,
        progress=terminal.progress,
        show=lambda status: terminal.board(*status_table(status)),
        say=terminal.say,
    )
    _print_funnel(summary.funnel, terminal)
    for word, lines in (("failed", summary.failures), ("note", summary.notes)):
        shown = [f"{word}: {line}" for line in lines]
        for line in first_lines(shown, _SHOWN_LINES, f"each is in {out}/outcomes"):
            terminal.say(line)
    counts = ((summary.processed, "made"), (summary.judged_again, "judged again"))
    told = [f"{count_text(count, 'outcome')} {what}" for count, what in counts if count]
    done = ", ".join(told) or "nothing to do"
    kept = summary.funnel["kept"]
    ahead = ("build", out, "--out", "RELEASE") if kept else ("stats", out)
    terminal.result(
        f"{out}: {done}; {kept} of {count_text(summary.funnel['candidates'], 'candidate')} kept\n"
        f"next: {command('sparkle', *ahead)}",
        {
            "run": str(out),
            "processed": summary.processed,
            "judged_again": summary.judged_again,
            "failures": list(summary.failures),
            "notes": list(summary.notes),
            "funnel": summary.funnel,
        },
    )


def _cluster_options(
    executor: str, address: str | None, file: Path | None, schedule: str | None
) -> ClusterOptions:
    """What the command line says of the cluster, over what the file says."""
    from sparkle.generation.run.cluster import ClusterOptions, read_cluster

    if executor != "ray" and (address is not None or file is not None):
        raise click.UsageError("--address and --cluster are about --executor ray, which is missing")
    said = {} if file is None else read_cluster(file)
    if executor != "ray":
        said["schedule"] = BY_STEP
    given = {"address": address, "schedule": schedule}
    return ClusterOptions(**{**said, **{key: value for key, value in given.items() if value is not None}})


def _print_funnel(funnel: dict[str, Any], terminal: Terminal) -> None:
    rows = []
    for step in funnel["steps"]:
        why = [f"{count} x {reason}" for reason, count in step["rejected"].items()]
        why += [f"{count} x failed: {problem}" for problem, count in step["failed"].items()]
        rejected, failed = sum(step["rejected"].values()), sum(step["failed"].values())
        rows.append(
            [step["step"], str(step["in"]), str(rejected), str(failed), str(step["kept"]), "; ".join(why)]
        )
    title = f"Funnel: {count_text(funnel['candidates'], 'candidate')}, {funnel['kept']} kept"
    terminal.table(title, ["step", "in", "rejected", "failed", "kept", "why"], rows)
