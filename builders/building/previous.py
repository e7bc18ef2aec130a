"""The previous release: what a build keeps of it, and what it must leave out.

- Which ids lie in which of its parts is read from its tables, one column per kind; nothing that they say of
  contents is believed (`pack` reads an old tar before it uses it). An order or an id that is wrong there
  costs a rewritten tar.
- A number is used when a tar has it, or when provenance.json says that one had it.
- Samples that were removed from it stay out, whatever the runs contain.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sparkle._progress import count_text
from sparkle.builders.cards.room import read_words
from sparkle.builders.release.about import About
from sparkle.builders.release.manifest import FileEntry, read_manifest
from sparkle.builders.release.read_tables import read_columns
from sparkle.builders.release.removed import Removed, read_provenance
from sparkle.builders.release.sample import Sample
from sparkle.schemas import layout
from sparkle.schemas.errors import ReleaseError
from sparkle.schemas.ids import THEMES
from sparkle.schemas.layout import KINDS, Kind

NextNumbers = Mapping[str, Mapping[str, int]]  # theme -> name of a kind -> first number that no tar ever had


@dataclass(frozen=True)
class PreviousRelease:
    """What a release hands down to the next one.

    Attributes:
        folder: Where its tars are; None where none is kept.
        entries: Its files by path, the manifest aside.
        parts: By theme and kind name, the ids of each part by its number.
        next_numbers: See `NextNumbers`.
        removed: What was removed from it.
        changelog: Its CHANGELOG.md; None where it has none.
        about: What its publisher said of it.
        words: What was written into the room of its card.
    """

    folder: Path | None = None
    entries: Mapping[str, FileEntry] = field(default_factory=dict)
    parts: Mapping[tuple[str, str], Mapping[int, tuple[str, ...]]] = field(default_factory=dict)
    next_numbers: NextNumbers = field(default_factory=dict)
    removed: Removed = field(default_factory=Removed)
    changelog: bytes | None = None
    about: About = field(default_factory=About)
    words: str = ""

    def keep_out(self, samples: Sequence[Sample], say: Callable[[str], None]) -> list[Sample]:
        """Return the samples that were not removed.

        Raises:
            ReleaseError: none is left.
        """
        gone = self.removed
        left = [
            sample
            for sample in samples
            if not gone.has_id(sample.id) and not gone.has_source(sample.source.sha256)
        ]
        if len(left) < len(samples):
            count = len(samples) - len(left)
            say(f"note: taken down from the previous release, and left out: {count_text(count, 'sample')}")
        if samples and not left:
            raise ReleaseError(
                "every sample was taken down from the previous release, so there is nothing to release",
                got=f"{len(samples)} samples",
                fix="build into a new folder to start afresh",
            )
        return left


def read_previous(folder: Path, *, repack: bool = False) -> PreviousRelease:
    """Read what a release hands down.

    Args:
        folder: The release.
        repack: Whether nothing is asked of its parts.

    Raises:
        ReleaseError: it is no release, its manifest, provenance or tables cannot be read, or its card was
            edited outside the publisher's room.
    """
    entries = {entry.path: entry for entry in read_manifest(folder)}
    try:
        provenance = read_provenance(folder / layout.PROVENANCE)
    except ReleaseError as error:
        raise ReleaseError(
            f"{error.problem}, so it is not known what was taken down of it",
            got=error.got,
            where=error.where,
            fix=f"{error.fix}; a build into a new folder starts afresh",
        ) from None
    parts: dict[tuple[str, str], dict[int, tuple[str, ...]]] = {}
    numbers: NextNumbers = {}
    if not repack:
        numbers = next_numbers(entries, provenance.document.get("next_parts", {}))
        for theme in THEMES:
            if tables := layout.tables_of(theme, entries):
                parts |= _read_parts(folder, theme, tables)
    changelog = folder / layout.CHANGELOG
    return PreviousRelease(
        folder=None if repack else folder,
        entries=entries,
        parts=parts,
        next_numbers=numbers,
        removed=provenance.removed,
        changelog=changelog.read_bytes() if changelog.is_file() else None,
        about=provenance.about,
        words=read_words(folder),
    )


def next_numbers(paths: Iterable[str], recorded: NextNumbers) -> dict[str, dict[str, int]]:
    """Return the first number that no tar ever had, by theme and kind.

    Args:
        paths: The files of a release.
        recorded: What its provenance says.
    """
    used: dict[tuple[str | None, Kind | None], int] = {}
    for tar in map(layout.parse, paths):
        if tar.what is layout.What.TAR and tar.part is not None:
            used[tar.theme, tar.kind] = max(used.get((tar.theme, tar.kind), 0), 1 + tar.part)
    numbers = {theme: dict(recorded.get(theme, {})) for theme in THEMES}
    for theme, known in numbers.items():
        for kind in KINDS:
            if (theme, kind) in used:
                known[kind.name] = max(known.get(kind.name, 0), used[theme, kind])
    return {theme: known for theme, known in numbers.items() if known}


def _read_parts(
    folder: Path, theme: str, tables: list[str]
) -> dict[tuple[str, str], dict[int, tuple[str, ...]]]:
    columns = ["task", *(f"{kind.name}_shard" for kind in KINDS)]
    values: dict[str, list[Any]] = {name: [] for name in columns}
    for path in tables:
        try:
            table = read_columns(folder / path, columns)
        except ReleaseError as error:
            raise _unreadable(error) from None
        for name in columns:
            values[name] += table[name].to_pylist()
    parts: dict[tuple[str, str], dict[int, tuple[str, ...]]] = {}
    for kind in KINDS:
        shards = values[f"{kind.name}_shard"]
        named = {path: layout.parse(path or "") for path in set(shards)}
        numbers = {
            path: at.part if (at.theme, at.kind) == (theme, kind) else None for path, at in named.items()
        }
        ids: dict[int, list[str]] = {}
        for sample_id, path in zip(values["task"], shards, strict=True):
            number = numbers[path]
            if number is not None and sample_id is not None:
                ids.setdefault(number, []).append(sample_id)
        parts[theme, kind.name] = {number: tuple(sorted(found)) for number, found in ids.items()}
    return parts


def _unreadable(error: ReleaseError) -> ReleaseError:
    return ReleaseError(
        "the previous release cannot be read, so its parts are not known",
        got=error.got,
        where=error.where,
        fix="`--repack` assigns every sample afresh; `sparkle validate` says what is wrong with the release",
    )
