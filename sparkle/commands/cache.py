"""`sparkle cache`: what this machine keeps so that it need not be made again."""

from __future__ import annotations

from dataclasses import asdict

import click

from sparkle._cache import PARTS, cache_folder, delete_cache, list_cache
from sparkle.commands import VerbGroup
from sparkle.commands.console import Terminal, Verb
from sparkle.commands.options import output_options


@click.command(
    name="cache",
    cls=VerbGroup,
    sections={"Commands": ("ls", "rm")},
    homes={"ls": "cache:ls", "rm": "cache:rm"},
)
def cache() -> None:
    """List or delete what is kept on this machine and can be made again.

    Example: sparkle cache ls
    """


@click.command(cls=Verb)
@output_options
def ls(terminal: Terminal) -> None:
    """List the cache folder: its parts, how large they are, and what each is for.

    The folder is the one that SPARKLE_CACHE names, or ~/.cache/sparkle. What the Hub's client keeps is not in
    it: see `hf cache`.

    Example: sparkle cache ls
    """
    parts = list_cache()
    rows = [[part.name, f"{part.files:,}", f"{part.bytes:,}", PARTS[part.name]] for part in parts]
    terminal.table("cache", ["name", "files", "bytes", "what it is"], rows)
    total = sum(part.bytes for part in parts)
    terminal.result(
        f"{cache_folder()}: {total:,} bytes",
        {"folder": str(cache_folder()), "bytes": total, "parts": [asdict(part) for part in parts]},
    )


@click.command(cls=Verb)
@click.argument("names", metavar="[NAME]...", nargs=-1, type=click.Choice([*PARTS]))
@click.option("--yes", is_flag=True, help="Do not ask.")
@output_options
def rm(names: tuple[str, ...], yes: bool, terminal: Terminal) -> None:
    """Delete parts of the cache folder, as `sparkle cache ls` names them; all of them if none is named.

    Nothing is lost but time. Other files in the folder stay. Do it while no other command of sparkle works.

    Example: sparkle cache rm artifacts tables

    Example: sparkle cache rm --yes
    """
    chosen = [part for part in list_cache() if part.name in (names or PARTS)]
    total = sum(part.bytes for part in chosen)
    told = f"{', '.join(part.name for part in chosen) or 'nothing'} in {cache_folder()}: {total:,} bytes"
    if chosen and not yes:
        try:
            answer = click.confirm(f"delete {told}?", err=True)
        except click.Abort:
            raise click.UsageError("nothing was deleted: answer y, or give --yes") from None
        if not answer:
            chosen, told = [], "nothing"
    delete_cache([part.name for part in chosen])
    terminal.result(
        f"deleted {told}", {"folder": str(cache_folder()), "deleted": [asdict(part) for part in chosen]}
    )
