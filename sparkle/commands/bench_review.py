"""`sparkle bench review`: a page on which people rate edits of a bench, without knowing whose they are."""

from __future__ import annotations

from pathlib import Path

import click

from sparkle._progress import count_text
from sparkle.commands.bench import ModelResults
from sparkle.commands.console import FINDINGS, Terminal, Verb, first_lines
from sparkle.commands.options import FOLDER, out_option, output_options

_SHOWN = 20


@click.command(cls=Verb, changes=True)
@click.argument("bench", type=FOLDER)
@click.option(
    "--results",
    type=ModelResults(),
    multiple=True,
    required=True,
    metavar="MODEL=FOLDER",
    help="A model's edits. Repeatable: rated together, models are rated alike.",
)
@out_option("The page's folder.")
@click.option("--seed", type=int, default=0, show_default=True, help="Decides the order of edits.")
@output_options
def review(
    bench: Path, results: tuple[tuple[str, Path], ...], out: Path, seed: int, terminal: Terminal
) -> None:
    """Make a page on which people rate edits by six sliders, blind and shuffled.

    It opens from the disk. Ratings are kept in the browser and saved as a file, which the judge human reads.
    Edits that are missing or cannot be judged are not on it, are named, and the exit code is 1.

    Example: sparkle bench review bench --results kiwi=results/kiwi --results lucy=results/lucy --out review
    """
    from sparkle.builders.bench.review import write_review
    from sparkle.generation.judges.asking import words_for_people
    from sparkle.schemas.rubric import SPARKLE_6

    made = write_review(
        bench,
        dict(results),
        out,
        rubric=SPARKLE_6,
        words=words_for_people(SPARKLE_6),
        seed=seed,
        progress=terminal.progress,
    )
    terminal.result(
        f"{out}: {count_text(made.edits, 'edit')} to rate; open {out}/index.html",
        {"edits": made.edits, "findings": [finding.to_json() for finding in made.findings]},
    )
    for line in first_lines(list(map(str, made.findings)), _SHOWN, "--json has all of them"):
        terminal.say(line)
    if made.findings:
        raise SystemExit(FINDINGS)
