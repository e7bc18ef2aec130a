"""`sparkle-hub diff`: how two releases differ."""

from __future__ import annotations

import click

from sparkle.schemas.terminal import Terminal


@click.command()
@click.argument("before", metavar="A")
@click.argument("after", metavar="B")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object with every id and shard.")
@click.option("--changelog", "as_changelog", is_flag=True, help="Print a section for a CHANGELOG.md.")
def diff(before: str, after: str, as_json: bool, as_changelog: bool) -> None:
    """Say how release B differs from release A.

    A and B are folders, or datasets on the Hub as owner/name or owner/name@revision. Manifests and Parquet
    tables are all that is read, never a tar: pairs that were added, removed or changed and in what, scores
    that shifted, shards that were touched, and bytes to upload.

    The exit code is 0 whether they differ or not: a difference is nothing wrong.

    Example: sparkle-hub diff stdKonjac/Sparkle@v1.0 releases/next
    """
    if as_json and as_changelog:
        raise click.UsageError("--json and --changelog are two forms of the same answer: give one")
    terminal = Terminal(as_json=as_json)
    with terminal.guard():
        from sparkle.hub import diff_report
        from sparkle.hub.diff import compare_releases
        from sparkle.hub.remotes.opening import open_remote

        found = compare_releases(open_remote(before), open_remote(after), terminal.progress)
    if as_changelog:
        print(diff_report.changelog(found))
        return
    if not found.same:
        diff_report.print_tables(found, terminal)
    terminal.result(diff_report.summary(found), diff_report.to_json(found))
