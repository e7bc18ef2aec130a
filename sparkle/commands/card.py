"""`sparkle card`: the card of a release, a bench or a model."""

from __future__ import annotations

from pathlib import Path

import click

from sparkle.commands.console import Terminal, Verb
from sparkle.commands.options import FILE, NEW_FILE


@click.command(cls=Verb)
@click.argument(
    "what", metavar="RELEASE|BENCH|MODEL|MODEL.toml", type=click.Path(path_type=Path, exists=True)
)
@click.option("--out", type=NEW_FILE, help="Write the card to this file instead of printing it.")
@click.option(
    "--update", is_flag=True, help="Write the card into the release or model itself, with its manifest."
)
@click.option(
    "--about", type=FILE, help="With --update: your own words (docs/cards.md) instead of the recorded."
)
def card(what: Path, out: Path | None, update: bool, about: Path | None) -> None:
    """Render the card (README.md) of a release, of a bench, or of a model that was trained on a release.

    `sparkle build` and `sparkle import` write the card of a release; this command renders it again from the
    tables as they are now. With --update, the release gets that card, and what you wrote between the lines
    `your words begin` and `your words end` of the old one stays. A bench is a folder as Sparkle-Bench is
    published. A model is described by a TOML file: name, license, base_model, dataset, revision and how it
    was trained (docs/cards.md); in a folder of its own, called model.toml, --update writes card and manifest
    beside it, and the folder can be published.

    Example: sparkle card releases/demo --update --about release.toml

    Example: sparkle card bench/ --out bench/README.md

    Example: sparkle card model.toml --out README.md

    Example: sparkle card models/swapper --update
    """
    from sparkle._files import write_atomic
    from sparkle.builders.bench.folder import is_bench
    from sparkle.builders.building.renewal import renew_pages
    from sparkle.builders.cards.bench import render_bench_card
    from sparkle.builders.cards.card import render_card
    from sparkle.builders.cards.model import is_model, render_model_card, write_model_card
    from sparkle.builders.cards.room import read_words
    from sparkle.builders.release.about import read_about
    from sparkle.schemas import layout

    if about is not None and not update:
        raise click.UsageError("--about needs --update")
    if update:
        if out is not None:
            raise click.UsageError("--update writes the card into the release: leave --out out")
        if is_model(what):
            if about is not None:
                raise click.UsageError(
                    f"--about is for a release: what is said of a model is in {layout.MODEL}"
                )
            write_model_card(what)
            print(f"{what}: {layout.CARD} and {layout.MANIFEST} are written")
            return
        written = renew_pages(what, None if about is None else read_about(about))
        changed = [path for path in written.changed if path != layout.MANIFEST]
        print(f"{what}: {', '.join(changed) or 'nothing'} changed")
        return
    if what.is_file() or is_model(what):
        text = render_model_card(what / layout.MODEL if what.is_dir() else what)
    else:
        text = render_bench_card(what) if is_bench(what) else render_card(what, read_words(what))
    if out is None:
        print(text, end="")
    else:
        write_atomic(out, text.encode())
        Terminal().say(f"{out}: {len(text.splitlines())} lines")
