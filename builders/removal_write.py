"""A release without some of its samples is written: every file that changes, and the list of all of them.

How it works
- What is written is what a build of the samples that stay would write, after the same release before: tables,
  text, tars, loose files and previews alike. Only the pages say that something was taken down.
- Files are written one by one into a folder; each is whole or not there, and tars of an earlier attempt that
  are as they should be are used again. The manifest comes last.
- Where the files go then is the caller's: beside links to the rest of the release, or to a Hub.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sparkle.builders import removal_tables as tables
from sparkle.builders.annotate import jsonl_files
from sparkle.builders.card import render_card
from sparkle.builders.check_shapes import read_shape
from sparkle.builders.croissant import dump_croissant
from sparkle.builders.manifest import FileEntry, describe_file, dump_manifest
from sparkle.builders.plots import PLOTS, draw_plots
from sparkle.builders.preview import side_by_side
from sparkle.builders.previous import next_numbers
from sparkle.builders.progress import Progress, silent
from sparkle.builders.removal import add_section
from sparkle.builders.removal_import import cut_foreign, cut_report, imported, names_sample
from sparkle.builders.removal_model import Removal, ThemeCut
from sparkle.builders.removal_paired import cut_paired
from sparkle.builders.removal_plan import is_of_theme, table_paths, themes_of
from sparkle.builders.removal_store import Store, listed_file
from sparkle.builders.removal_tars import cut_tar, take_out
from sparkle.builders.removal_text import cut_csv, cut_lines
from sparkle.builders.stats import read_stats
from sparkle.builders.strip import make_strip
from sparkle.schemas import layout
from sparkle.schemas.canonical import dump_document
from sparkle.schemas.fsio import write_atomic
from sparkle.schemas.validate import check

_TARS_AT_A_TIME = 4  # of a Hub: one connection seldom fills the line; each has some buffers in memory


@dataclass(frozen=True)
class Edited:
    """What a removal wrote.

    Attributes:
        entries: Every file of the release to be by path, the manifest aside.
        changed: Paths of the files that were written, the manifest among them, sorted.
        deleted: Paths that the release no longer has, sorted.
    """

    entries: dict[str, FileEntry]
    changed: tuple[str, ...]
    deleted: tuple[str, ...]


def write_removal(removal: Removal, store: Store, target: Path, progress: Progress = silent) -> Edited:
    """Write the files that a removal changes below a folder.

    Args:
        removal: What leaves.
        store: The release as it is.
        target: The folder.
        progress: Told how the work goes on.

    Raises:
        ReleaseError: a file of the release is not as it should be, or cannot be read.
    """
    return _Writer(removal, store, target, progress).write()


class _Writer:
    """Writes what changes, and keeps the list of what the release has."""

    def __init__(self, removal: Removal, store: Store, target: Path, progress: Progress) -> None:
        self.removal = removal
        self.store = store
        self.target = target
        self.progress = progress
        self.entries = dict(removal.entries)
        self.written: set[str] = set()
        self.offsets: dict[str, dict[str, int]] = {}  # of tars that were cut: where each sample's data is

    def write(self) -> Edited:
        """Write everything, the manifest last."""
        self._tars()
        for cut in self.removal.themes:
            if cut.left:
                self._foreign(cut)
                self._loose(cut)
                self._text(cut)
                self._rows(cut)
                self._paired(cut)
            else:
                self._drop(path for path in self.entries if is_of_theme(cut.theme, path))
        self._pages()
        self._put(layout.MANIFEST, dump_manifest(self.entries.values()))
        del self.entries[layout.MANIFEST]
        before = self.removal.entries
        changed = {path for path in self.written if self.entries.get(path) != before.get(path)}
        for path in self.written - changed - {layout.MANIFEST}:  # written again as it was
            (self.target / path).unlink()
        return Edited(
            entries=self.entries,
            changed=tuple(sorted({*changed, layout.MANIFEST})),
            deleted=tuple(sorted(before.keys() - self.entries.keys())),
        )

    def _tars(self) -> None:
        cuts = [cut for found in self.removal.themes for cut in found.cuts]
        with (
            self.progress("cutting tars", len(cuts)) as advance,
            ThreadPoolExecutor(_TARS_AT_A_TIME) as pool,
        ):
            left = [cut for cut in cuts if cut.left]
            shards = pool.map(lambda cut: cut_tar(self.store, cut, self.target / cut.path), left)
            for cut, shard in zip(left, shards, strict=True):
                self.entries[cut.path] = FileEntry(cut.path, shard.size, shard.sha256)
                self.written.add(cut.path)
                advance()
            for cut in cuts:
                if cut.left:
                    self.offsets[cut.path] = cut.offsets()
                else:
                    del self.entries[cut.path]
                    advance()

    def _foreign(self, cut: ThemeCut) -> None:
        """Tars of an import: what the manifest lists, cut by names."""
        with self.progress(f"cutting tars of {cut.theme}", len(cut.foreign)) as advance:
            for path in cut.foreign:
                entry = self.entries[path]
                self.offsets[path] = cut_foreign(self.store, entry, frozenset(cut.ids), self.target / path)
                if self.offsets[path]:
                    self._list(path)
                else:
                    self._drop([path])
                advance()

    def _loose(self, cut: ThemeCut) -> None:
        """Loose files of samples that leave go; those of samples that move up come out of their tars."""
        gone = frozenset(cut.ids)
        self._drop([path for path in self.entries if names_sample(path, gone)])
        with self.progress(f"first samples of {cut.theme} as files", len(cut.moving)) as advance:
            for held in cut.moving:
                path = held.kind.path(held.id)
                take_out(self.store, held, self.target / path)
                self.entries[path] = FileEntry(path, held.ref.size, held.ref.sha256)
                self.written.add(path)
                advance()

    def _text(self, cut: ThemeCut) -> None:
        gone, theme = frozenset(cut.ids), cut.theme
        for path, write in (
            (layout.prompts_csv(theme), cut_csv),
            *((file.path, cut_lines) for file in jsonl_files(theme)),
            (layout.records_parquet(theme), tables.cut_records),
        ):
            if path in self.removal.entries:  # an import may lack it
                write(listed_file(self.store, self.removal.entries[path]), self.target / path, gone)
                self._list(path)

    def _rows(self, cut: ThemeCut) -> None:
        rows, old = tables.rows_left(cut, self.offsets), table_paths(cut.theme, self.entries)
        shown = rows["task"].slice(0, self.removal.document["options"]["preview"] or 0).to_pylist()
        known = tables.read_previews(map(self.store.file, old))
        previews = {}
        with self.progress(f"previews of {cut.theme}", len(shown)) as advance:
            for sample_id in shown:
                previews[sample_id] = known.get(sample_id) or self._preview(sample_id)
                advance()
        parts = 2 if 0 < len(previews) < rows.num_rows else 1
        paths = [layout.data_parquet(cut.theme, part, parts) for part in range(parts)]
        self._drop(path for path in old if path not in paths)
        packed = not imported(self.removal.document)
        tables.write_rows([self.target / path for path in paths], rows, previews, packed=packed)
        for path in paths:
            self._list(path)

    def _preview(self, sample_id: str) -> bytes:
        """The preview of a sample that moves up, whose loose files were written before."""
        source, edited = (
            self.target / kind.path(sample_id) for kind in (layout.SOURCE_VIDEO, layout.EDITED_VIDEO)
        )
        shape = read_shape(source.read_bytes(), layout.SOURCE_VIDEO.suffix)
        return side_by_side(source, edited, width=shape.width, height=shape.height, fps=shape.fps)

    def _paired(self, cut: ThemeCut) -> None:
        for path in cut.paired:
            if cut_paired(self.store, self.entries[path], frozenset(cut.ids), self.target / path):
                self._list(path)
            else:
                self._drop([path])

    def _pages(self) -> None:
        """Provenance, changelog, plots and card: functions of the tables as they are now."""
        removal = self.removal
        numbers = next_numbers(list(removal.entries), removal.document.get("next_parts", {}))
        document = removal.removed.record({**removal.document, "next_parts": numbers})
        if imported(document):
            report, problems = cut_report(self.store, removal.entries, frozenset(removal.ids))
            self._put(layout.IMPORT_REPORT, report)
            document["imported"] = {**document["imported"], "findings": problems}
        check("provenance", document, where=layout.PROVENANCE)
        self._put(layout.PROVENANCE, dump_document(document))
        old = removal.entries.get(layout.CHANGELOG)
        before = None if old is None else listed_file(self.store, old).read_bytes()
        changelog = add_section(before, themes_of(removal.ids))
        self._put(layout.CHANGELOG, changelog)
        pictured = document["options"].get("plots")
        for cut in removal.themes if pictured else ():
            self._strip(cut)
        with self._view() as view:
            if pictured:
                self._drop(map(layout.plot, PLOTS))
                for name, data in draw_plots(read_stats(view)).items():
                    self._put(layout.plot(name), data)
            card = render_card(view)
            croissant = dump_croissant(view, self.entries.values(), card)
        self._put(layout.CARD, card.encode())
        if layout.CROISSANT in self.entries:  # releases of before Croissant have none
            self._put(layout.CROISSANT, croissant)

    def _strip(self, cut: ThemeCut) -> None:
        """The strip of a theme's best loose pair, of equals the first, as a build makes it."""
        path = layout.strip(cut.theme)
        self._drop([path])
        columns = cut.rows.select(["task", "edited_video_score"]).filter(cut.stays)
        loose = columns.slice(0, self.removal.document["options"]["preview"]).to_pylist()
        if loose:
            best = max(loose, key=lambda row: row["edited_video_score"])["task"]
            names = [kind.path(best) for kind in (layout.SOURCE_VIDEO, layout.EDITED_VIDEO)]
            strip = make_strip(*(self._now(name) for name in names))
            self._put(path, strip)

    def _now(self, path: str) -> Path:
        """A file of the release as it is now."""
        return self.target / path if path in self.written else self.store.file(path)

    @contextmanager
    def _view(self) -> Iterator[Path]:
        """A folder of links to what pages are made of, as it is now."""
        needed = [path for path in self.entries if path.startswith(("data/", "assets/"))]
        needed += [layout.PROVENANCE, *(path for path in (layout.UPSTREAM_CARD,) if path in self.entries)]
        with tempfile.TemporaryDirectory() as name:
            view = Path(name)
            (view / layout.MANIFEST).touch()
            for path in needed:
                link = view / path
                link.parent.mkdir(parents=True, exist_ok=True)
                link.symlink_to(self._now(path))
            yield view

    def _put(self, path: str, data: bytes) -> None:
        write_atomic(self.target / path, data)
        self._list(path)

    def _list(self, path: str) -> None:
        self.entries[path] = describe_file(self.target, path)
        self.written.add(path)

    def _drop(self, paths: Iterable[str]) -> None:
        for path in list(paths):
            self.entries.pop(path, None)
