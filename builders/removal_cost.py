"""What a removal reads and writes, counted before anything is."""

from __future__ import annotations

from dataclasses import dataclass

from sparkle.builders.annotate import jsonl_files
from sparkle.builders.removal_import import names_sample
from sparkle.builders.removal_model import Removal, ThemeCut
from sparkle.builders.removal_plan import table_paths
from sparkle.schemas import layout


@dataclass(frozen=True)
class RemovalCost:
    """What a removal takes.

    Attributes:
        samples: Pairs that leave, by theme.
        rewritten: Tars that are written again.
        deleted: Tars that disappear.
        text: Text files and tables that are written again.
        moving: Loose files of samples that move up.
        loose: Loose files that leave.
        read: Bytes that are read of the release besides what was read for the plan.
        write: Bytes that are written, from above.
    """

    samples: dict[str, int]
    rewritten: int
    deleted: int
    text: int
    moving: int
    loose: int
    read: int
    write: int

    def lines(self) -> list[str]:
        """What it comes to, for people."""
        pairs = ", ".join(f"{count:,} of {theme}" for theme, count in self.samples.items())
        return [
            f"to take down: {sum(self.samples.values()):,} pairs ({pairs})",
            f"tars: {self.rewritten:,} to write again, {self.deleted:,} to delete; the others stay",
            f"tables and text: {self.text:,} files to write again",
            f"loose files: {self.loose:,} to delete, {self.moving:,} to add of samples that move up",
        ]


def cost_of(removal: Removal) -> RemovalCost:
    """Count what a removal takes."""
    cuts = [cut for theme in removal.themes for cut in theme.cuts]
    moving = sum(held.ref.size for theme in removal.themes for held in theme.moving)
    kept = [theme for theme in removal.themes if theme.left]
    text = [path for theme in kept for path in _text(theme, removal)]
    tables = [path for theme in kept for path in table_paths(theme.theme, removal.entries)]
    paired = [path for theme in kept for path in theme.paired]
    sizes = {path: removal.entries[path].size for path in (*text, *tables, *paired)}
    foreign = [path for theme in kept for path in theme.foreign]
    tars = sum(cut.size for cut in cuts) + sum(removal.entries[path].size for path in foreign)
    whole = sum(sizes[path] for path in (*text, *paired))
    gone = frozenset(removal.ids)
    return RemovalCost(
        samples={theme.theme: len(theme.ids) for theme in removal.themes},
        rewritten=sum(bool(cut.left) for cut in cuts) + len(foreign) + len(paired),
        deleted=sum(not cut.left for cut in cuts),
        text=len(text) + len(tables),
        moving=sum(len(theme.moving) for theme in removal.themes),
        loose=sum(names_sample(path, gone) for path in removal.entries),
        read=tars + whole + moving,
        write=tars + whole + moving + sum(sizes[path] for path in tables),
    )


def _text(theme: ThemeCut, removal: Removal) -> list[str]:
    """Text and records of a theme."""
    names = [layout.prompts_csv(theme.theme), *(file.path for file in jsonl_files(theme.theme))]
    return [path for path in (*names, layout.records_parquet(theme.theme)) if path in removal.entries]
