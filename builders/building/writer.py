"""The writer of a release: whatever it is made of, the same files in the same order.

How it works
- An `Origin` says which files stay and what there is to write. Tars come first (`pack`), then theme by theme
  loose files, text and tables, then paired shards, and at last the pages, which follow from all of it:
  provenance, pictures, card, Croissant, manifest.
- Each file is whole or not there. Where the folder goes then is the caller's: in the place of a release
  (`staging`), or to a Hub.
- The first samples of a theme also get files of their own, which the Hub shows and people open. They are hard
  links to the run's files where the file system allows it, and copies elsewhere; compared with the recorded
  hash in every case.
- A file that stays is a further name of the one that it was (`whole`). Where only what changes is wanted,
  as for a Hub, none but those are fetched that pages are made of.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from sparkle._files import atomic_path, link_or_copy, safe_join, try_link, write_atomic
from sparkle._processes import collector_off, cpus
from sparkle._progress import Progress, silent
from sparkle.builders.building.origin import Origin, OriginTheme, Piece
from sparkle.builders.building.pack import Journal, OnShard, ShardPlan, pack
from sparkle.builders.building.pictures import make_strip, side_by_side
from sparkle.builders.cards.card import render_card
from sparkle.builders.cards.croissant import dump_croissant
from sparkle.builders.cards.plots import draw_plots
from sparkle.builders.cards.stats import read_stats
from sparkle.builders.release.manifest import FileEntry, describe_file, dump_manifest
from sparkle.builders.release.tables import RECORDS_SCHEMA, table_writer, write_pairs
from sparkle.media.probe import look
from sparkle.schemas import layout
from sparkle.schemas.artifact import Artifact
from sparkle.schemas.layout import EDITED_VIDEO, SOURCE_VIDEO, What

# What pages are made of, besides provenance.
_SHOWN = (What.PAIRS, What.ASSET)


@dataclass(frozen=True)
class Written:
    """What a release has now.

    Attributes:
        entries: Every file by path, the manifest among them.
        changed: Paths whose content the release before did not have there, sorted.
        deleted: Paths that the release no longer has, sorted.
    """

    entries: dict[str, FileEntry]
    changed: tuple[str, ...]
    deleted: tuple[str, ...]

    @property
    def bytes(self) -> int:
        """The size of all of it."""
        return sum(entry.size for entry in self.entries.values())


def write_release(
    origin: Origin,
    folder: Path,
    journal: Journal,
    progress: Progress = silent,
    *,
    whole: bool = True,
    workers: int | None = None,
    on_shard: OnShard | None = None,
) -> Written:
    """Write a release below a folder, in which nothing lies but tars that the journal lists.

    Args:
        origin: What it is made of.
        folder: The folder.
        journal: Which tars are finished.
        progress: Reports progress.
        whole: Whether files that stay get a name in the folder as well.
        workers: Number of tars that are written at a time; None is one per CPU.
        on_shard: See `OnShard`; not called for paired shards.

    Raises:
        ReleaseError: something that it is made of cannot be read, or is not what was recorded.
        RecordError: a line or document does not follow its schema.
    """
    writer = _Writer(origin, folder, progress)
    writer.pack("packing artifacts", origin.shards(), journal, workers, on_shard)
    for _ in map(writer.write_theme, origin.themes()):
        pass  # nothing holds a theme while the next one is read
    writer.pack("pairing streams", origin.paired(), journal, workers)
    writer.write_pages(whole)
    before, entries = origin.before, writer.entries
    return Written(
        entries,
        changed=tuple(sorted(path for path in entries if entries[path] != before.get(path))),
        deleted=tuple(sorted(before.keys() - entries.keys())),
    )


class _Writer:
    """Writes files into a folder and keeps the list of what the release has."""

    def __init__(self, origin: Origin, folder: Path, progress: Progress) -> None:
        self.origin = origin
        self.folder = folder
        self.progress = progress
        self.preview = origin.options.preview
        self.entries = dict(origin.kept)

    def pack(
        self,
        title: str,
        plans: Sequence[ShardPlan],
        journal: Journal,
        workers: int | None,
        on_shard: OnShard | None = None,
    ) -> None:
        """Write tars."""
        with self.progress(title, sum(len(plan.ids) for plan in plans)) as advance:
            shards = pack(self.folder, plans, journal, advance, on_shard=on_shard, workers=workers)
        self._add(FileEntry(path, shard.size, shard.sha256) for path, shard in shards.items())

    def write_theme(self, theme: OriginTheme) -> None:
        """Write loose files, text, tables and the strip of a theme."""
        self._loose(theme)
        self._add(write_text(self.folder, theme.text()))
        shown = theme.rows(0, min(self.preview, theme.count))
        previews = self._previews(theme, shown["task"].to_pylist())
        paths = write_pairs(self.folder, theme.name, theme.rows, theme.count, previews, packed=theme.packed)
        self._add(describe_file(self.folder, path) for path in paths)
        if self.origin.options.plots and shown.num_rows:
            scores = shown["edited_video_score"].to_pylist()
            best = shown["task"][scores.index(max(scores))].as_py()  # of equals the first
            self._put(layout.strip(theme.name), make_strip(*self._pair(best)))

    def write_pages(self, whole: bool) -> None:
        """Write what follows from the rest, the manifest last."""
        for path, data in self.origin.pages():
            self._put(path, data)
        self._link_kept(whole)
        if self.origin.options.plots:
            for name, data in draw_plots(read_stats(self.folder)).items():
                self._put(layout.plot(name), data)
        card = render_card(self.folder, self.origin.words)
        self._put(layout.CARD, card.encode())
        self._put(layout.CROISSANT, dump_croissant(self.folder, self.entries.values(), card))
        self._put(layout.MANIFEST, dump_manifest(self.entries.values()))

    def _loose(self, theme: OriginTheme) -> None:
        artifacts = theme.loose()
        with self.progress(f"first samples of {theme.name} as files", len(artifacts)) as advance:
            for artifact in artifacts:
                self._take_out(artifact, self.folder / artifact.path)
                self._add([FileEntry(artifact.path, artifact.size, artifact.hex)])
                advance()

    def _take_out(self, artifact: Artifact, target: Path) -> None:
        """Give an artifact a file of its own."""
        target.parent.mkdir(parents=True, exist_ok=True)
        if not artifact.offset and try_link(Path(artifact.file), target):
            for _ in self.origin.read(artifact):
                pass
            return
        with atomic_path(target) as temporary, temporary.open("wb") as file:
            file.writelines(self.origin.read(artifact))

    def _previews(self, theme: OriginTheme, ids: Sequence[str]) -> list[bytes]:
        known = theme.previews() if ids else {}
        # Threads do: decoding, resizing and encoding all run outside Python's lock.
        with (
            self.progress(f"making previews of {theme.name}", len(ids)) as advance,
            ThreadPoolExecutor(cpus()) as pool,
        ):
            previews = []
            for preview in pool.map(lambda name: known.get(name) or self._preview(name), ids):
                previews.append(preview)
                advance()
        return previews

    def _preview(self, sample_id: str) -> bytes:
        source, edited = self._pair(sample_id)
        clip = look(source)
        return side_by_side(source, edited, width=clip.width, height=clip.height, fps=clip.fps)

    def _pair(self, sample_id: str) -> tuple[Path, Path]:
        """The videos of a first sample on this machine."""
        source, edited = (
            self.origin.fetch(path) if path in self.origin.kept else self.folder / path
            for path in (SOURCE_VIDEO.path(sample_id), EDITED_VIDEO.path(sample_id))
        )
        return source, edited

    def _link_kept(self, whole: bool) -> None:
        """Give files that stay a name in the folder: all of them, or those that pages are made of."""
        for path in self.origin.kept:
            if whole or path == layout.UPSTREAM_CARD or layout.parse(path).what in _SHOWN:
                link_or_copy(self.origin.fetch(path), safe_join(self.folder, path))

    def _put(self, path: str, data: bytes) -> None:
        write_atomic(self.folder / path, data)
        self._add([describe_file(self.folder, path)])

    def _add(self, entries: Iterable[FileEntry]) -> None:
        self.entries.update((entry.path, entry) for entry in entries)


# --- text ------------------------------------------------------------------------------------------


@collector_off()
def write_text(folder: Path, pieces: Iterable[Piece]) -> list[FileEntry]:
    """Write files that come in pieces below a release's folder.

    They are hashed while they are written, and take their names when all of them are done: a kill before that
    leaves none.

    Args:
        folder: The release.
        pieces: What the files are made of.

    Returns:
        The files, in the order in which they began.
    """
    hashes: dict[str, hashlib._Hash] = {}
    write: dict[str, Callable[[Any], object]] = {}
    with ExitStack() as stack:
        for path, piece in pieces:
            if path not in write and isinstance(piece, pa.Table):
                table = stack.enter_context(table_writer(folder / path, RECORDS_SCHEMA))
                write[path] = table.write_table
            elif path not in write:
                temporary = stack.enter_context(atomic_path(folder / path))
                write[path] = stack.enter_context(temporary.open("wb")).write
                hashes[path] = hashlib.sha256()
            write[path](piece)
            if path in hashes:
                hashes[path].update(piece)
    known = {path: digest.hexdigest() for path, digest in hashes.items()}
    return [describe_file(folder, path, sha256=known.get(path)) for path in write]
