"""`sparkle bench jobs`: what a model has still to make of a bench."""

from __future__ import annotations

from pathlib import Path

import click

from sparkle.commands.console import Terminal, Verb
from sparkle.commands.options import FOLDER, output_options, workers_option


class _Rank(click.ParamType):  # type: ignore[type-arg] # generic since click 8.4
    """Which of how many parts, such as 0/8."""

    name = "rank"

    def convert(
        self, value: str | tuple[int, int], param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        """Return rank and number of ranks; a usage error for anything else."""
        if not isinstance(value, str):
            return value
        digits = value.split("/")
        if (
            len(digits) != 2
            or not all(part.isdecimal() for part in digits)
            or not int(digits[0]) < int(digits[1])
        ):
            self.fail(f"got {value!r}, wanted RANK/RANKS, such as 0/8, the first from 0", param, ctx)
        return int(digits[0]), int(digits[1])


results_option = click.option(
    "--results",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="The folder of the model's edits.",
)


@click.command(cls=Verb)
@click.argument("bench", type=FOLDER)
@results_option
@click.option(
    "--rank",
    type=_Rank(),
    default="0/1",
    show_default=True,
    metavar="RANK/RANKS",
    help="Only the samples of one of several processes, counted from 0: as upstream's script divides them.",
)
@workers_option
@output_options
def jobs(bench: Path, results: Path, rank: tuple[int, int], workers: int | None, terminal: Terminal) -> None:
    """List what a model has still to make of a bench, as JSON lines.

    A line has id, theme, source, prompt, out, frames, width, height and seed: paths, sizes and seed are those
    of upstream's test script. A sample is listed whose edit is missing, does not decode, or cannot be judged
    for its length or size. examples/bench_infer.py runs a model on the lines.

    Example: sparkle bench jobs bench --results results/mine > jobs.jsonl
    """
    from sparkle._processes import cpus
    from sparkle.builders.bench.jobs import list_jobs
    from sparkle.schemas.canonical import dump_line, plain

    of, ranks = rank
    found = list_jobs(
        bench, results, rank=of, ranks=ranks, workers=workers or cpus(), progress=terminal.progress
    )
    if found or terminal.as_json:
        lines = b"".join(map(dump_line, found)).decode()
        terminal.result(lines.rstrip("\n"), {"jobs": [plain(job) for job in found]})
    terminal.say(f"{len(found)} of the bench's samples are to be made" if found else "nothing is to be made")
