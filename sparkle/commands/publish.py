"""`sparkle publish`: a release goes to a Hub or a folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sparkle._progress import size_text
from sparkle.commands.console import Terminal, Verb
from sparkle.commands.options import PATH, Size, output_options
from sparkle.schemas.errors import command

if TYPE_CHECKING:
    from sparkle.hub.publish.publishing import PublishReport


@click.command(cls=Verb, resumes="what was sent to {repo} is kept, and becomes visible with the rest")
@click.argument("release", metavar="RELEASE", type=PATH)
@click.argument("repo", metavar="REPO")
@click.option(
    "--remote",
    type=click.Choice(["hub", "folder"]),
    help="What REPO is.  [default: a folder if it exists or begins with /, . or ~, else owner/name]",
)
@click.option("--revision", help="The branch, or the revision of a folder; it is made if need be.")
@click.option("--tag", help="Tag the result, for example v1.0. Tags are never moved.")
@click.option("--private", is_flag=True, help="Make the repository private; refuse one that is public.")
@click.option("--dry-run", is_flag=True, help="Print the plan and send nothing.")
@click.option(
    "--checkpoint",
    type=Size(),
    help="Send large files in steps of this size, such as 8MB, so that a kill costs no more: for bad lines.",
)
@output_options
def publish(
    release: Path,
    repo: str,
    remote: str | None,
    revision: str | None,
    tag: str | None,
    private: bool,
    dry_run: bool,
    checkpoint: int | None,
    terminal: Terminal,
) -> None:
    """Publish RELEASE, a bench or a model to REPO: owner/name on a Hub, or a folder.

    The release is checked first and never changed. Data is sent before anything becomes visible; then card,
    tables and manifest change at once. Run the same command again after a kill: nothing is sent twice and no
    commit is made twice. Outages and quotas are waited out.

    A folder with model.toml is a model, and goes to a model repository; all else to a dataset's.

    Which Hub, and who you are, is up to the Hub's client: HF_ENDPOINT, HF_TOKEN, `hf auth login`.

    For a release that is larger than the disk, `sparkle build --spool-to` builds and publishes tar by tar.

    Example: sparkle publish releases/demo owner/demo --tag v1.0

    Example: sparkle publish releases/demo /mnt/share/demo
    """
    from sparkle.hub.publish import publish as publish_release

    terminal.name_junk(release)
    found = publish_release(
        release,
        repo,
        remote=remote,
        revision=revision,
        tag=tag,
        private=private,
        dry_run=dry_run,
        checkpoint=checkpoint,
        progress=terminal.progress,
        say=terminal.say,
    )
    terminal.result(summary(found), to_json(found))


def summary(report: PublishReport) -> str:
    """Return a line or two for people."""
    plan = report.plan
    if report.head is None:
        return f"{plan.where}: nothing was sent (--dry-run)"
    tag = f", tag {report.tag}" if report.tag else ""
    if not plan.batches:
        return f"{plan.where}: up to date at {report.head[:12]}{tag}"
    files = len(plan.puts) + len(plan.same)
    on_hub = report.address != plan.where
    published = f"{plan.where.partition('@')[0]}@{report.tag}" if report.tag and on_hub else plan.where
    return (
        f"{plan.where}: published at {report.head[:12]}{tag} ({files} files; {size_text(report.sent)} sent)\n"
        + on_hub * f"{report.address}\n"
        + f"next: {command('sparkle', 'verify', published)}"
    )


def to_json(report: PublishReport) -> dict[str, Any]:
    """Return everything, as one JSON object."""
    plan = report.plan
    return {
        "where": plan.where,
        "address": report.address,
        "head": report.head,
        "tag": report.tag,
        "dry_run": report.head is None,
        "new": [entry.path for entry in plan.new],
        "replaced": [entry.path for entry in plan.replaced],
        "deleted": list(plan.deletes),
        "same": len(plan.same),
        "others": list(plan.others),
        "bytes": plan.bytes,
        "sent_before": plan.sent,
        "sent": report.sent,
        "commits": len(plan.batches),
        "notes": list(plan.notes),
    }
