"""`sparkle export`: the folder that another trainer reads."""

from __future__ import annotations

from pathlib import Path

import click

from sparkle.commands.console import Terminal
from sparkle.schemas.ids import THEMES

# Names of `sparkle.builders.training.trainers.TRAINERS`, which is not imported for `--help`.
_TRAINERS = ("kiwi", "diffsynth", "musubi")
_SHOWN = 20  # pairs that are left out and named; export.json has all


@click.command()
@click.argument("where", metavar="RELEASE|INDEX")
@click.option("--to", "trainer", required=True, type=click.Choice(_TRAINERS), help="Who reads it.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Where the folder goes.")
@click.option(
    "--theme", "themes", multiple=True, type=click.Choice(THEMES), help="Only this theme. Repeatable."
)
@click.option(
    "--min",
    "at_least",
    metavar="NAME=NUMBER",
    multiple=True,
    help="The least score, such as edited_video=9. Repeatable.",
)
@click.option(
    "--mix",
    metavar="THEME=SHARE,...",
    help="Shares of themes among the rows, such as location=2,season=1; pairs are listed again as need be.",
)
@click.option("--limit", type=click.IntRange(1), help="How many rows at most.")
@click.option("--seed", default=0, show_default=True, help="What a mix is drawn by.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")
def export(
    where: str,
    trainer: str,
    out: Path,
    themes: tuple[str, ...],
    at_least: tuple[str, ...],
    mix: str | None,
    limit: int | None,
    seed: int,
    as_json: bool,
) -> None:
    """Write the videos and tables that a trainer reads: Kiwi-Edit, DiffSynth-Studio or musubi-tuner.

    RELEASE|INDEX is a folder, or owner/name[@revision] on a Hub. Videos that stand loose beside it are
    linked, others are written out of their tars; each is verified. A rerun goes on with what is there.

    The exit code is 1 when pairs are left out because their videos are damaged or differ; they are named, and
    the export is there without them.

    Example: sparkle export releases/demo --to kiwi --out train/kiwi --min edited_video=9

    Example: sparkle export releases/demo --to musubi --out train/musubi --mix location=2,season=1
    """
    if mix and themes:
        raise click.UsageError("--mix names the themes: give it or --theme")
    terminal = Terminal(as_json=as_json)
    with terminal.guard():
        from dataclasses import asdict

        from sparkle.builders.training.export import Choice, export_pairs, parse_mix

        choice = Choice(
            themes=themes or None,
            min_scores=_scores(at_least),
            mix=parse_mix(mix) if mix else None,
            limit=limit,
            seed=seed,
        )
        summary = export_pairs(where, trainer, out, choice, terminal.progress, terminal.say)
    terminal.table(
        "exported",
        ["theme", "pairs", "rows"],
        [[theme, f"{count:,}", f"{summary.rows[theme]:,}"] for theme, count in summary.pairs.items()],
    )
    lines = [f"left out: {left.id}: {left.problem}" for left in summary.left_out[:_SHOWN]]
    if len(summary.left_out) > _SHOWN:
        lines.append(f"left out: {len(summary.left_out) - _SHOWN} more; {out / 'export.json'} has all")
    how = ", ".join(f"{count:,} {name}" for name, count in sorted(summary.how.items()))
    lines.append(
        f"{out}: videos: {how} ({summary.bytes_written:,} bytes); tables: {', '.join(summary.tables.files)}"
    )
    lines.append(f"next: {summary.tables.usage}")
    terminal.result("\n".join(lines), asdict(summary) | {"out": str(out)})
    raise SystemExit(1 if summary.left_out else 0)


def _scores(texts: tuple[str, ...]) -> dict[str, float] | None:
    """The least scores of `NAME=NUMBER`."""
    found = {}
    for text in texts:
        name, _, number = text.partition("=")
        try:
            found[name] = float(number)
        except ValueError:
            raise click.UsageError(f"--min: got {text}, wanted such as edited_video=9") from None
    return found or None
