"""`sparkle-hub takedown`: samples leave a release."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sparkle.schemas.terminal import Terminal

if TYPE_CHECKING:
    from sparkle.builders.removal_model import Removal

_SHOWN_IDS = 5  # of the pairs that share a source; --json has all


@click.command()
@click.argument("release", metavar="REPO[@BRANCH]|FOLDER")
@click.option(
    "--source",
    "sources",
    metavar="SHA256",
    multiple=True,
    help="Take down every pair of this source (`source_sha256` of the tables); may be given several times.",
)
@click.option(
    "--id", "ids", metavar="ID", multiple=True, help="Take down this pair; may be given several times."
)
@click.option(
    "--purge-history",
    is_flag=True,
    help="Of a repository: forget every older commit, the tags that lead to one, and their contents.",
)
@click.option("--yes", is_flag=True, help="Purge without asking.")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and change nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")
def takedown(
    release: str,
    sources: tuple[str, ...],
    ids: tuple[str, ...],
    purge_history: bool,
    yes: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Take pairs out of a release: tables, text, loose files, and the one tar a kind that they stood in.

    A folder is replaced in one go; a repository gets one commit. Of a repository only those files are
    transferred. Numbers, order and bytes of everything else stay. The release records what was taken down by
    a hash, and later builds leave it out.

    Older commits and tags of a repository still hold what was taken down: the answer says which.
    --purge-history removes them for good, which cannot be undone.

    The exit code is 0 too when everything was taken down before.

    Example: sparkle-hub takedown me/sparkle --source 5f70bf18a08660b5... --dry-run

    Example: sparkle-hub takedown releases/v1 --id Sparkle_location_000042
    """
    if not sources and not ids:
        raise click.UsageError("name what to take down: --source SHA256 or --id ID")
    terminal = Terminal(as_json=as_json)
    with terminal.guard():
        from sparkle.hub.takedown.folder import folder_of

        folder = folder_of(release)
        if folder is not None:
            if purge_history:
                raise click.UsageError("--purge-history is for repositories: a folder keeps no history")
            _in_folder(terminal, folder, ids, sources, dry_run)
        else:
            raise NotImplementedError


def _in_folder(
    terminal: Terminal, folder: Path, ids: tuple[str, ...], sources: tuple[str, ...], dry_run: bool
) -> None:
    from sparkle.hub.takedown import folder as folders

    if dry_run:
        removal, edited = folders.plan(folder, ids, sources), None
        _say_plan(terminal, removal)
    else:
        done = folders.take_down(
            folder, ids, sources, terminal.progress, say=lambda found: _say_plan(terminal, found)
        )
        removal, edited = done.removal, done.edited
    answer = {"release": str(folder), "dry_run": dry_run, **_removal_json(removal)}
    if edited is not None:
        answer |= {"changed": edited.changed, "deleted": edited.deleted}
    terminal.result(_verdict(removal, str(folder), dry_run=dry_run), answer)


def _verdict(removal: Removal, name: str, *, dry_run: bool) -> str:
    if not removal.ids:
        return f"{name}: nothing is left to take down; all of it was taken down before"
    if dry_run:
        return f"{name}: nothing was changed (--dry-run)"
    return (
        f"{name}: {len(removal.ids):,} pairs taken down\n"
        f"next: sparkle validate {name}\n"
        "      a run that made them still has them; builds that replace this release leave them out"
    )


def _say_plan(terminal: Terminal, removal: Removal) -> None:
    """Tell a person what is going to be done."""
    from sparkle.builders.removal_cost import cost_of

    if removal.ids:
        for line in cost_of(removal).lines():
            terminal.say(line)
    if removal.done:
        terminal.say(f"note: {len(removal.done):,} of what was asked for was taken down before")
    if removal.shared:
        shown = ", ".join(removal.shared[:_SHOWN_IDS]) + (" ..." if len(removal.shared) > _SHOWN_IDS else "")
        terminal.say(
            f"note: {len(removal.shared):,} other pairs have the same sources and stay ({shown}); "
            "--source takes them down as well"
        )


def _removal_json(removal: Removal) -> dict[str, Any]:
    from dataclasses import asdict

    from sparkle.builders.removal_cost import cost_of

    return {
        "ids": removal.ids,
        "sources": removal.sources,
        "taken_down_before": removal.done,
        "same_source": removal.shared,
        "cost": asdict(cost_of(removal)),
    }
