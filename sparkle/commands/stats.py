"""`sparkle stats`: a run or a release in numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sparkle._progress import count_text
from sparkle.commands.console import Terminal, Verb
from sparkle.commands.options import PATH, output_options

if TYPE_CHECKING:
    from sparkle.builders.cards.stats import Stats


@click.command(cls=Verb, changes=True)
@click.argument("folder", metavar="RUN|RELEASE", type=PATH)
@click.option(
    "--plots",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Also draw funnel, scores, measures and scenes into this folder, as PNG.",
)
@click.option("--rejected", is_flag=True, help="Also list what a run did not keep, with step and reason.")
@output_options
def stats(folder: Path, plots: Path | None, rejected: bool, terminal: Terminal) -> None:
    """Show a run or a release in numbers.

    Funnel, distribution of every score and measure, subthemes and scenes, bytes. The scores of a run include
    those of samples that were not kept: thresholds are chosen by them.

    Example: sparkle stats runs/demo --plots plots

    Example: sparkle stats runs/demo --rejected
    """
    from sparkle._files import write_atomic
    from sparkle.builders.building.history import read_lost
    from sparkle.builders.building.stats import stats_of_folder

    found = stats_of_folder(folder)
    lost = read_lost(folder) if rejected else []
    drawn: list[str] = []
    if plots is not None:
        from sparkle.builders.cards.plots import draw_plots

        for name, data in draw_plots(found).items():
            write_atomic(plots / name, data)
            drawn.append(str(plots / name))
    _show(terminal, found)
    rows = [[one.id, Path(one.source).name, one.step, f"{one.status}: {one.why}"] for one in lost]
    terminal.table("not kept", ["id", "source", "step", "why"], rows)
    pairs = sum(found.pairs.values())
    text = (
        f"{folder}: {count_text(pairs, 'pair')}, {found.frames:,} frames, {sum(found.sizes.values()):,} bytes"
    )
    terminal.result(
        "\n".join([text, *drawn]),
        found.to_json()
        | {"plots": drawn}
        | ({"not_kept": [asdict(one) for one in lost]} if rejected else {}),
    )


def _show(terminal: Terminal, found: Stats) -> None:
    terminal.table(
        "funnel",
        ["step", "in", "kept", "lost to"],
        [[row["step"], f"{row['in']:,}", f"{row['kept']:,}", _reasons(row)] for row in found.funnel],
    )
    terminal.table(
        "scores and measures",
        ["name", "count", "low", "median", "mean", "high", "threshold"],
        [
            [numbers.name, f"{numbers.count:,}"]
            + [f"{value:.3f}" for value in (numbers.low, numbers.median, numbers.mean, numbers.high)]
            + ["" if numbers.threshold is None else f"{numbers.threshold:g}"]
            for numbers in found.numbers
        ],
    )
    terminal.table(
        "scenes",
        ["theme", "subtheme", "pairs", "scenes"],
        [
            [theme, subtheme, f"{sum(scenes.values()):,}", str(len(scenes))]
            for theme, subthemes in found.scenes.items()
            for subtheme, scenes in subthemes.items()
        ],
    )
    terminal.counts("bytes", ["kind", "bytes"], found.sizes)


def _reasons(row: Mapping[str, Any]) -> str:
    told = [f"{reason} ({count:,})" for reason, count in row["rejected"].items()]
    return "; ".join(told + [f"failed, {problem} ({count:,})" for problem, count in row["failed"].items()])
