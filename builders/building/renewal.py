"""A release whose pages are written again: card, Croissant, provenance and manifest; all else stays as it is.

So a publisher's words get into a release that is there, built or imported, without its runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sparkle.builders.building.origin import OriginTheme
from sparkle.builders.building.pack import Journal, ShardPlan
from sparkle.builders.building.provenance import ReleaseOptions
from sparkle.builders.building.writer import Written, write_release
from sparkle.builders.cards.room import read_words
from sparkle.builders.release.about import KEY, About
from sparkle.builders.release.manifest import FileEntry, read_manifest
from sparkle.builders.release.removed import Provenance, read_provenance
from sparkle.builders.release.staging import refuse_foreign, remove_others, staged
from sparkle.schemas import layout
from sparkle.schemas.artifact import Artifact
from sparkle.schemas.canonical import dump_document
from sparkle.schemas.errors import ReleaseError
from sparkle.schemas.validate import check


def renew_pages(folder: Path, about: About | None = None) -> Written:
    """Write the pages of a release again; what is written in the room of its card stays.

    The release is replaced in one go, by one whose other files are links to the old ones.

    Args:
        folder: The release.
        about: What the publisher says of it; None for what it records.

    Raises:
        ReleaseError: it is no release or not whole, its card was edited outside the room, or another process
            works on it. The folder is as it was.
    """
    folder = folder.resolve()
    read_manifest(folder)
    with staged(folder, lambda: refuse_foreign(folder)) as target:
        remove_others(target, ())
        return write_release(_pages_of(folder, about), target, Journal(None, target))


def _pages_of(folder: Path, about: About | None) -> _Pages:
    before = {entry.path: entry for entry in read_manifest(folder)}
    provenance = read_provenance(folder / layout.PROVENANCE)
    pages = (layout.CARD, layout.CROISSANT, layout.PROVENANCE)
    kept = {path: entry for path, entry in before.items() if path not in pages}
    missing = [path for path in kept if not (folder / path).is_file()]
    if missing:
        raise ReleaseError(
            "the release is not whole, so it cannot be written again",
            got=f"{len(missing)} files are missing: {', '.join(missing[:3])}",
            where=folder,
        )
    return _Pages(folder, before, kept, provenance, about, read_words(folder))


@dataclass(frozen=True)
class _Pages:
    """A release of which all but the pages stays, as an `Origin`."""

    folder: Path
    before: dict[str, FileEntry]
    kept: dict[str, FileEntry]
    provenance: Provenance
    about: About | None
    words: str

    @property
    def options(self) -> ReleaseOptions:
        """Pictures stay, too."""
        return ReleaseOptions(preview=self.provenance.preview)

    def fetch(self, path: str) -> Path:
        return self.folder / path

    def shards(self) -> list[ShardPlan]:
        return []

    def paired(self) -> list[ShardPlan]:
        return []

    def themes(self) -> Iterator[OriginTheme]:
        return iter(())

    def read(self, artifact: Artifact) -> Iterator[bytes]:
        raise KeyError(artifact.path)

    def pages(self) -> Iterator[tuple[str, bytes]]:
        document = dict(self.provenance.document)
        if self.about is not None:
            document.pop(KEY, None)
            document = self.about.record(document)
        check("provenance", document, where=layout.PROVENANCE)
        yield layout.PROVENANCE, dump_document(document)
