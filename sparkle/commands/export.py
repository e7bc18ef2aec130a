"""`sparkle export`: the folder that another trainer reads."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from sparkle._progress import count_text
from sparkle.commands.console import FINDINGS, Terminal, Verb, first_lines
from sparkle.commands.options import (
    FURTHER,
    TRAINERS,
    Names,
    filter_options,
    out_option,
    output_options,
    theme_option,
)
from sparkle.schemas.errors import command

_SHOWN = 20  # pairs with a problem that are named; export.json has all


@click.command(cls=Verb, resumes="finished files are kept in {out}")
@click.argument("where", metavar="RELEASE|INDEX")
@click.option("--to", "trainer", required=True, type=click.Choice(TRAINERS), help="The trainer to write for.")
@out_option("The trainer's folder.")
@theme_option
@filter_options
@click.option(
    "--mix",
    metavar="THEME=SHARE,...",
    help="Give themes these shares of the rows, such as location=2,season=1; pairs are repeated as needed.",
)
@click.option("--limit", type=click.IntRange(1), metavar="N", help="Write N rows, or as many as there are.")
@click.option("--seed", default=0, show_default=True, help="Seed of the mix.")
@click.option(
    "--with",
    "further",
    type=Names(FURTHER),
    default=(),
    metavar="NAME,...",
    help="Also what the trainer reads besides videos: mask, canny or reference.",
)
@click.option("--copy", is_flag=True, help="Write every file, where links to the release would do.")
@output_options
def export(
    where: str,
    trainer: str,
    out: Path,
    themes: tuple[str, ...],
    min_scores: dict[str, float],
    max_scores: dict[str, float],
    mix: str | None,
    limit: int | None,
    seed: int,
    further: tuple[str, ...],
    copy: bool,
    terminal: Terminal,
) -> None:
    """Write the videos and tables that a trainer reads: Kiwi-Edit, DiffSynth-Studio or musubi-tuner.

    RELEASE|INDEX is a folder, or owner/name[@revision] on a Hub. Loose videos are linked, others are written
    out of their tars; each is verified. Run the same command again to resume. Whoever writes into a linked
    file changes the release: --copy makes files apart.

    --with mask,canny,reference adds for DiffSynth-Studio the mask as a video, the edited video's edges as
    control video, and the new background's first frame as reference. Kiwi-Edit reads reference, musubi-tuner
    canny.

    The exit code is 1 when pairs are left out because their videos are damaged or differ; they are named, and
    everything else is exported. So it is when a video's frames are not evenly timed: that pair is exported,
    and named, since a trainer that reads by time takes other moments of it than were paired.

    Example: sparkle export releases/demo --to kiwi --out train/kiwi --min edited_video=9

    Example: sparkle export releases/demo --to musubi --out train/musubi --mix location=2,season=1
    """
    if mix and themes:
        raise click.UsageError("--mix names the themes: give either --mix or --theme")

    from sparkle.builders.training.export import ExportChoice, export_pairs
    from sparkle.builders.training.mix import parse_mix

    choice = ExportChoice(
        themes=themes or None,
        min_scores=min_scores,
        max_scores=max_scores,
        mix=parse_mix(mix) if mix else None,
        limit=limit,
        seed=seed,
        further=further,
        copy=copy,
    )
    summary = export_pairs(where, trainer, out, choice, terminal.progress, terminal.say)
    terminal.counts("exported", ["theme", "pairs", "rows"], summary.pairs, summary.rows)
    lines = first_lines(summary.problems, _SHOWN, f"{out / 'export.json'} lists all")
    how = ", ".join(f"{count:,} {name}" for name, count in sorted(summary.how.items()))
    lines.append(
        f"{out}: files: {how} ({summary.bytes_written:,} bytes); tables: {', '.join(summary.tables.files)}"
    )
    if summary.shared:
        lines.append(
            f"{count_text(summary.shared, 'file')} of these are the release's own, by links: "
            "whoever writes into one changes the release; --copy makes files apart"
        )
    if summary.left_out:
        shown = command("sparkle", "show", where, summary.left_out[0].id)
        lines.append(f"`{shown}` says where the files of one that was left out are")
    lines += [f"next: {line}" for line in summary.tables.usage]
    terminal.result("\n".join(lines), asdict(summary) | {"out": str(out)})
    raise SystemExit(FINDINGS if summary.problems else 0)
