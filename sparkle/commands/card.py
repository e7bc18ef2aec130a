"""`sparkle card`: the card of a release, a bench or a model."""

from __future__ import annotations

from pathlib import Path

import click

from sparkle.commands.console import Terminal, Verb
from sparkle.commands.options import NEW_FILE


@click.command(cls=Verb)
@click.argument("what", metavar="RELEASE|BENCH|MODEL.toml", type=click.Path(path_type=Path, exists=True))
@click.option("--out", type=NEW_FILE, help="Write the card to this file instead of printing it.")
def card(what: Path, out: Path | None) -> None:
    """Render the card (README.md) of a release, of a bench, or of a model that was trained on a release.

    `sparkle build` and `sparkle import` write the card of a release; this command renders it again from the
    tables as they are now. A bench is a folder as Sparkle-Bench is published. A model is described by a TOML
    file: name, license, base_model, dataset, revision and how it was trained (docs/cards.md).

    Example: sparkle card bench/ --out bench/README.md

    Example: sparkle card model.toml --out README.md
    """
    from sparkle._files import write_atomic
    from sparkle.builders.cards.bench import is_bench, render_bench_card
    from sparkle.builders.cards.card import render_card
    from sparkle.builders.cards.model import render_model_card

    if what.is_file():
        text = render_model_card(what)
    else:
        text = render_bench_card(what) if is_bench(what) else render_card(what)
    if out is None:
        print(text, end="")
    else:
        write_atomic(out, text.encode())
        Terminal().say(f"{out}: {len(text.splitlines())} lines")
