"""`sparkle diff`: how two releases differ, as tables for a terminal, JSON, or text for a changelog."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from sparkle.commands.console import Terminal, Verb
from sparkle.commands.options import output_options

if TYPE_CHECKING:
    from sparkle.hub.diff.release import ReleaseDiff
    from sparkle.hub.diff.theme import Shift, ThemeDiff

_SHOWN_SHARDS = 50  # lines of a table that a person still reads; --json has them all
_SHOWN_IDS = 3  # examples in a line; --json has them all


@click.command(cls=Verb)
@click.argument("before", metavar="A")
@click.argument("after", metavar="B")
@output_options
@click.option("--changelog", "as_changelog", is_flag=True, help="Print a section for a CHANGELOG.md.")
def diff(before: str, after: str, terminal: Terminal, as_changelog: bool) -> None:
    """Show how release B differs from release A.

    A and B are folders, or datasets on the Hub as owner/name or owner/name@revision. Only manifests and
    Parquet tables are read, never a tar: pairs that were added, removed or changed and in what, scores that
    shifted, shards that were touched, and bytes to upload. --json lists every id and shard.

    The exit code is 0 whether they differ or not: a difference is not a finding.

    Example: sparkle diff stdKonjac/Sparkle@v1.0 releases/next
    """
    if terminal.as_json and as_changelog:
        raise click.UsageError("--json and --changelog are two forms of the same answer: give one")

    from sparkle.hub.diff import diff as compare

    terminal.name_junk(before, after)
    found = compare(before, after, progress=terminal.progress)
    if as_changelog:
        print(changelog(found))
        return
    if not found.same:
        print_tables(found, terminal)
    terminal.result(summary(found), to_json(found))


def to_json(diff: ReleaseDiff) -> dict[str, Any]:
    """Return everything, ids and shards in full."""
    value = asdict(diff)
    value["files"]["upload_bytes"] = diff.files.upload_bytes
    value["files"]["upload_files"] = diff.files.upload_files
    for theme in value["themes"]:
        theme["changed_in"] = dict(_changed_in(theme["changed"].values()))
    return value


def summary(diff: ReleaseDiff) -> str:
    """Return a few lines: what differs."""
    from sparkle.hub.diff.release import DELETED, NEW, REWRITTEN, UNTOUCHED

    if diff.same:
        return f"{diff.before} and {diff.after} are the same"
    counts = {
        "added": sum(len(theme.added) for theme in diff.themes),
        "removed": sum(len(theme.removed) for theme in diff.themes),
        "changed": sum(len(theme.changed) for theme in diff.themes),
    }
    pairs = ", ".join(f"{count:,} {word}" for word, count in counts.items())
    states = (UNTOUCHED, REWRITTEN, NEW, DELETED)
    shards = ", ".join(f"{len(diff.files.in_state(state)):,} {state}" for state in states)
    return (
        f"pairs: {pairs}\n"
        f"shards: {shards}\n"
        f"to upload: {diff.files.upload_bytes:,} bytes in {diff.files.upload_files:,} files"
    )


def print_tables(diff: ReleaseDiff, terminal: Terminal) -> None:
    """Print the tables for a person."""
    terminal.table(
        f"pairs of {diff.before} and {diff.after}",
        ["theme", "before", "after", "added", "removed", "changed", "in"],
        [_pairs_row(theme) for theme in diff.themes],
    )
    columns = ["theme", "score or measure", "mean before", "after", "median before", "after", "distance"]
    terminal.table("scores that shifted", columns, list(_shift_rows(diff)))
    terminal.table("shards that were touched", ["shard", "", "members", "bytes"], list(_shard_rows(diff)))
    groups = [
        [group, f"{sent.files:,}", f"{sent.bytes:,}"]
        for group, sent in diff.files.upload.items()
        if sent.files
    ]
    terminal.table("to upload", ["what", "files", "bytes"], groups)


def _pairs_row(theme: ThemeDiff) -> list[str]:
    counts = (theme.before, theme.after, len(theme.added), len(theme.removed), len(theme.changed))
    notes = [f"{field} {count:,}" for field, count in _changed_in(theme.changed.values())]
    for word, columns in (("new", theme.columns_added), ("dropped", theme.columns_removed)):
        notes += [f"{word} columns: {', '.join(columns)}"] if columns else []
    return [theme.theme, *(f"{count:,}" for count in counts), ", ".join(notes)]


def _changed_in(fields: Iterable[Sequence[str]]) -> list[tuple[str, int]]:
    """(field, pairs that differ in it), commonest first."""
    counts = Counter(field for found in fields for field in found)
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def _shift_rows(diff: ReleaseDiff) -> Iterable[list[str]]:
    for theme in diff.themes:
        for shift in theme.shifts:
            before, after = shift.before, shift.after
            if before is not None and after is not None and before != after:
                values = (before.mean, after.mean, before.p50, after.p50, shift.distance or 0.0)
                yield [theme.theme, shift.column, *(f"{value:.3f}" for value in values)]


def _shard_rows(diff: ReleaseDiff) -> Iterable[list[str]]:
    from sparkle.hub.diff.release import UNTOUCHED
    from sparkle.hub.diff.theme import ShardMembers

    members = {path: found for theme in diff.themes for path, found in theme.shards.items()}
    touched = [shard for shard in diff.files.shards if shard.state != UNTOUCHED]
    for shard in touched[:_SHOWN_SHARDS]:
        found = members.get(shard.path, ShardMembers())
        parts = (("-", found.left), ("+", found.entered), ("~", found.changed))
        words = " ".join(f"{sign}{count:,}" for sign, count in parts if count)
        yield [shard.path, shard.state, words, f"{shard.after or shard.before:,}"]
    if len(touched) > _SHOWN_SHARDS:
        yield [f"... and {len(touched) - _SHOWN_SHARDS:,} more (--json lists all)", "", "", ""]


def changelog(diff: ReleaseDiff) -> str:
    """A section for a CHANGELOG.md in the form of Keep a Changelog 1.1; empty groups are left out."""
    groups = {
        "Added": [line for theme in diff.themes for line in _added(theme)],
        "Changed": [line for theme in diff.themes for line in _changed(theme)],
        "Removed": [line for theme in diff.themes for line in _removed(theme)],
    }
    sections = [f"### {word}\n\n" + "\n".join(lines) for word, lines in groups.items() if lines]
    return "\n\n".join(["## Unreleased", *(sections or ["No pair was added, changed or removed."])])


def _added(theme: ThemeDiff) -> list[str]:
    return [_pairs_line(theme.theme, theme.added)] if theme.added else []


def _removed(theme: ThemeDiff) -> list[str]:
    return [_pairs_line(theme.theme, theme.removed)] if theme.removed else []


def _changed(theme: ThemeDiff) -> list[str]:
    lines = []
    if theme.changed:
        fields = ", ".join(f"{field} of {count:,}" for field, count in _changed_in(theme.changed.values()))
        lines.append(f"{_pairs_line(theme.theme, tuple(theme.changed))[:-1]}: {fields}.")
    lines += [line for shift in theme.shifts if (line := _shift_line(theme.theme, shift))]
    for word, columns in (("New", theme.columns_added), ("Dropped", theme.columns_removed)):
        lines += [f"- {word} columns in `{theme.theme}`: {', '.join(columns)}."] if columns else []
    return lines


def _pairs_line(theme: str, ids: Sequence[str]) -> str:
    examples = ", ".join(ids[:_SHOWN_IDS]) + (", ..." if len(ids) > _SHOWN_IDS else "")
    return f"- {len(ids):,} pair{'s' if len(ids) > 1 else ''} of `{theme}` ({examples})."


def _shift_line(theme: str, shift: Shift) -> str:
    before, after = shift.before, shift.after
    if before is None or after is None:
        return ""
    means = f"{before.mean:.3f}", f"{after.mean:.3f}"
    return f"- Mean {shift.column} of `{theme}`: {' → '.join(means)}." if means[0] != means[1] else ""
