"""`sparkle takedown`: pairs are removed from a release."""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sparkle._progress import count_text
from sparkle._scratch import scratch_folder
from sparkle.commands.console import Terminal, Verb
from sparkle.commands.options import output_options
from sparkle.schemas.errors import ConfigError, command

if TYPE_CHECKING:
    from sparkle.builders.takedown.origin import ReleaseOrigin

_SHOWN_IDS = 5  # of the pairs that share a source; --json has all


@click.command(cls=Verb, resumes="what was finished of {release} is kept")
@click.argument("release", metavar="REPO[@BRANCH]|FOLDER")
@click.option(
    "--source",
    "sources",
    metavar="SHA256",
    multiple=True,
    help="Remove every pair of this source (`source_sha256` of the tables). Repeatable.",
)
@click.option("--id", "ids", metavar="ID", multiple=True, help="Remove this pair. Repeatable.")
@click.option(
    "--purge-history",
    is_flag=True,
    help="Also delete every older commit of a repository, the tags that lead to one, and their contents.",
)
@click.option("--yes", is_flag=True, help="Purge without asking.")
@click.option("--dry-run", is_flag=True, help="Print what would be done, and change nothing.")
@output_options
def takedown(
    release: str,
    sources: tuple[str, ...],
    ids: tuple[str, ...],
    purge_history: bool,
    yes: bool,
    dry_run: bool,
    terminal: Terminal,
) -> None:
    """Remove pairs from a release: from tables, text and loose files, and from one tar per kind.

    A folder is replaced in one go. A repository gets one commit, and only the files concerned are
    transferred. Numbers, order and bytes of everything else stay. The release records a hash of what was
    removed, and later builds leave it out.

    Older commits and tags of a repository still contain the pairs: they are listed, and --purge-history
    deletes them for good, which cannot be undone.

    The exit code is 0 too when all of it was removed before.

    Example: sparkle takedown me/sparkle --source 5f70bf18a08660b5... --dry-run

    Example: sparkle takedown releases/v1 --id Sparkle_location_000042
    """
    if not sources and not ids:
        raise click.UsageError("name what to remove: --source SHA256 or --id ID")
    if purge_history and not (yes or dry_run or sys.stdin.isatty()):
        raise click.UsageError("--purge-history cannot be undone: give --yes where nobody can be asked")

    from sparkle.builders.reading.repository import HUB_SCHEME
    from sparkle.hub.takedown.folder import folder_of

    request = TakedownRequest(ids, sources, dry_run, purge_history, yes)
    folder = None if release.startswith(HUB_SCHEME) else folder_of(release)
    if folder is None:
        _in_repository(terminal, release, request)
    elif purge_history:
        raise click.UsageError("--purge-history is for repositories: a folder keeps no history")
    else:
        terminal.name_junk(folder)
        _in_folder(terminal, folder, request)


@dataclass(frozen=True)
class TakedownRequest:
    """What the command line asks for."""

    ids: tuple[str, ...]
    sources: tuple[str, ...]
    dry_run: bool
    purge: bool
    yes: bool


def _in_folder(terminal: Terminal, folder: Path, request: TakedownRequest) -> None:
    from sparkle.hub.takedown import folder as folders

    if request.dry_run:
        removal, edited = folders.plan(folder, request.ids, request.sources), None
        _say_plan(terminal, removal)
    else:
        done = folders.take_down(
            folder,
            request.ids,
            request.sources,
            terminal.progress,
            say=lambda found: _say_plan(terminal, found),
        )
        removal, edited = done.removal, done.edited
    tags = folders.tags_with(folder, [*request.ids, *removal.ids], request.sources)
    for tag in tags:
        terminal.say(f"note: {tag} still contains them: remove them there as well, or delete that folder")
    answer = {"release": str(folder), "dry_run": request.dry_run, **_removal_json(removal)}
    answer["shown_by"] = [str(tag) for tag in tags]
    if edited is not None:
        answer |= {"changed": edited.changed, "deleted": edited.deleted}
    check = command("sparkle", "validate", folder)
    terminal.result(_verdict(removal, str(folder), check, dry_run=request.dry_run), answer)


def _in_repository(terminal: Terminal, release: str, request: TakedownRequest) -> None:
    from sparkle.builders.reading.repository import Repository
    from sparkle.hub.takedown import repository as takedowns
    from sparkle.hub.targets.hub import HubTarget

    named = Repository.parse(release)
    done = takedowns.take_down(
        HubTarget(named.name, named.revision, say=terminal.say),
        request.ids,
        request.sources,
        terminal.progress,
        dry_run=request.dry_run,
        plan=lambda found: _say_plan(terminal, found, remote=True),
        say=terminal.say,
    )
    answer = {"release": release, "dry_run": request.dry_run, **_removal_json(done.removal)}
    answer |= {"before": done.before, "commit": done.head}
    if done.edited is not None:
        answer |= {"changed": done.edited.changed, "deleted": done.edited.deleted}
    answer |= _history(terminal, named.name, named.revision or "main", request, done.removal)
    check = command("sparkle", "verify", release)
    terminal.result(_verdict(done.removal, release, check, dry_run=request.dry_run), answer)


def _history(
    terminal: Terminal, repo: str, branch: str, request: TakedownRequest, removal: ReleaseOrigin
) -> dict[str, Any]:
    """Print what the history still contains; purge it when asked to."""
    from sparkle.builders.reading.client import host
    from sparkle.hub.takedown.history import History
    from sparkle.hub.takedown.purge import plan_purge, purge

    with scratch_folder() as cache:
        ids = sorted({*request.ids, *removal.ids})
        history = History(repo, cache, ids, request.sources, terminal.say)
        if not request.purge or (request.dry_run and removal.ids):
            trace = history.trace(branch, terminal.progress)
            for line in trace.lines():
                terminal.say(line)
            if request.purge:
                terminal.say("purge: planned in full once the pairs are removed")
            elif trace.files:
                terminal.say("history: --purge-history removes that for good")
            return {"history": trace.to_json()}
        plan = plan_purge(history, branch, terminal.progress)
        for line in (*plan.trace.lines(), *plan.lines()):
            terminal.say(line)
        if request.dry_run:
            return {"history": plan.trace.to_json(), "purge": plan.to_json()}
        if not request.yes:
            _confirm(repo)
        purged = purge(history, plan, terminal.progress)
    terminal.say(f"purged: {purged.files:,} contents of {purged.bytes:,} bytes are deleted for good")
    if purged.text:
        terminal.say(
            f"note: {purged.text:,} small text files of old commits are still served to whoever knows the "
            "commit's name, until the Hub clears up by itself; its support can do it at once"
        )
    for ref in purged.pulls:
        page = f"{host()}/datasets/{repo}/discussions/{ref.rpartition('/')[2]}"
        terminal.say(
            f"note: a pull request still shows small text files that hold it: {page}; close it, and ask the "
            f"Hub's support to delete {ref}"
        )
    return {"history": plan.trace.to_json(), "purge": plan.to_json(), "purged": asdict(purged)}


def _confirm(repo: str) -> None:
    """Ask for the repository's name; anything else ends the command."""
    text = f"This cannot be undone. Type {repo} to purge its history"
    if click.prompt(text, err=True, default="", show_default=False) != repo:
        raise ConfigError("the purge was not confirmed: pairs were removed, the history was not purged")


def _verdict(removal: ReleaseOrigin, name: str, check: str, *, dry_run: bool) -> str:
    if not removal.ids:
        return f"{name}: nothing to remove; all of it was removed before"
    if dry_run:
        return f"{name}: nothing was changed (--dry-run)"
    return (
        f"{name}: {count_text(len(removal.ids), 'pair')} removed\n"
        f"next: {check}\n"
        "      the runs that made them still contain them; builds that replace this release leave them out"
    )


def _say_plan(terminal: Terminal, removal: ReleaseOrigin, *, remote: bool = False) -> None:
    """Print what is going to be done."""
    if removal.ids:
        cost = removal.cost()
        for line in cost.lines():
            terminal.say(line)
        if remote:
            terminal.say(f"bytes: {cost.read:,} to download, at most {cost.write:,} to upload")
    if removal.done:
        terminal.say(f"note: removed before: {count_text(len(removal.done), 'pair')}")
    if removal.shared:
        shown = ", ".join(removal.shared[:_SHOWN_IDS]) + (" ..." if len(removal.shared) > _SHOWN_IDS else "")
        terminal.say(
            f"note: {count_text(len(removal.shared), 'other pair')} of the same sources will stay ({shown}); "
            "--source removes them as well"
        )


def _removal_json(removal: ReleaseOrigin) -> dict[str, Any]:
    return {
        "ids": removal.ids,
        "sources": removal.sources,
        "taken_down_before": removal.done,
        "same_source": removal.shared,
        "cost": asdict(removal.cost()),
    }
