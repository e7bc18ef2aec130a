"""Finished runs become a release.

How it works
- Kept samples are selected by replay (`select`), then everything is written into a folder beside the
  target, which takes the target's place at the end (`staging`): a build that fails or is killed leaves
  the release that was there. A rerun starts again and gives the same bytes.
- A release is a function of its runs and options. Nothing in it knows paths, hosts or times.
- Every artifact is hashed while it is packed and compared with what its run recorded.
- The first samples of a theme stand loose as well: hard links to the run's files where the file system
  allows it, copies elsewhere, compared with the recorded hash in both cases.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from sparkle.builders import annotate, catalog
from sparkle.builders.assign import assign
from sparkle.builders.card import render_card
from sparkle.builders.catalog import Placement, Placements
from sparkle.builders.manifest import FileEntry, dump_manifest, list_files, read_manifest
from sparkle.builders.preview import side_by_side
from sparkle.builders.progress import Progress, silent
from sparkle.builders.provenance import ReleaseOptions, provenance
from sparkle.builders.run_folder import read_run
from sparkle.builders.select import Replay, Sample, kept_samples, replay
from sparkle.builders.staging import staged
from sparkle.builders.tar import Content, check_content, write_tar
from sparkle.schemas import layout
from sparkle.schemas.canonical import dump_document, sha256_file
from sparkle.schemas.errors import ReleaseError
from sparkle.schemas.fsio import atomic_path
from sparkle.schemas.ids import THEMES
from sparkle.schemas.layout import KINDS
from sparkle.schemas.records import ArtifactRef
from sparkle.schemas.terminal import Advance


@dataclass(frozen=True)
class ReleaseSummary:
    """What a build wrote.

    Attributes:
        out: The release's folder.
        files: How many files it has.
        bytes: Their size in all.
        samples: How many samples each theme has.
        pending: Samples that pass as far as their run took them but were not taken to the end.
    """

    out: Path
    files: int
    bytes: int
    samples: dict[str, int]
    pending: int


def build_release(
    runs: Sequence[Path], out: Path, options: ReleaseOptions, progress: Progress = silent
) -> ReleaseSummary:
    """Write a release of one or more finished runs, in place of the release that is at `out`.

    Args:
        runs: Run folders.
        out: Where the release goes: an empty or new folder, or a release that it replaces.
        options: See `ReleaseOptions`.
        progress: Told how the work goes on.

    Raises:
        RunError: a folder is not a finished run, or runs gave the same ids.
        RecordError: a line of a run is bad.
        ReleaseError: nothing is kept, an artifact is not what was recorded, or `out` holds something else.
    """
    out = out.resolve()
    _refuse_overlap(runs, out)
    replays = []
    with progress("reading runs", len(runs)) as advance:
        for folder in runs:
            replays.append(replay(read_run(folder)))
            advance()
    samples = kept_samples(replays)
    with staged(out, lambda: _refuse_foreign(out)) as folder:
        entries = _Writer(folder, options, progress).write(replays, samples)
    return ReleaseSummary(
        out=out,
        files=len(entries),
        bytes=sum(entry.size for entry in entries),
        samples={theme: len(found) for theme, found in by_theme(samples).items()},
        pending=sum(found.pending for found in replays),
    )


def by_theme(samples: Sequence[Sample]) -> dict[str, list[Sample]]:
    """Samples sorted by id, split by theme, themes in the order of `THEMES`."""
    groups = {theme: list(found) for theme, found in groupby(samples, key=lambda sample: sample.theme)}
    return {theme: groups[theme] for theme in THEMES if theme in groups}


class _Writer:
    """Writes a release's files into a folder and keeps the list of them."""

    def __init__(self, folder: Path, options: ReleaseOptions, progress: Progress) -> None:
        self.folder = folder
        self.options = options
        self.progress = progress
        self.entries: list[FileEntry] = []

    def write(self, replays: Sequence[Replay], samples: Sequence[Sample]) -> list[FileEntry]:
        """Write everything; returns every file, the manifest included."""
        themes = by_theme(samples)
        placements = self._pack(themes)
        self._loose(themes)
        for theme, found in themes.items():
            self._annotate(theme, found)
            self._catalog(theme, found, placements)
        document = provenance(replays, self.options)
        self._write(layout.PROVENANCE, [dump_document(document)])
        self._write(layout.CARD, [render_card(document, themes).encode()])
        self._write(layout.MANIFEST, [dump_manifest(self.entries)])
        return self.entries

    def _pack(self, themes: dict[str, list[Sample]]) -> Placements:
        placements: dict[str, dict[str, Placement]] = {kind.name: {} for kind in KINDS}
        total = len(KINDS) * sum(map(len, themes.values()))
        with self.progress("packing artifacts", total) as advance:
            for theme, samples in themes.items():
                for kind in KINDS:
                    placements[kind.name].update(self._pack_kind(theme, kind, samples, advance))
        return placements

    def _pack_kind(
        self, theme: str, kind: layout.Kind, samples: Sequence[Sample], advance: Advance
    ) -> dict[str, Placement]:
        by_id = {sample.id: sample for sample in samples}
        sizes = [(sample.id, sample.artifacts[kind.name].size) for sample in samples]
        placements = {}
        for part, ids in enumerate(assign(sizes, self.options.max_shard_size)):
            path = kind.shard(theme, part)
            contents = [
                Content(
                    kind.member(sample_id), by_id[sample_id].path(kind), by_id[sample_id].artifacts[kind.name]
                )
                for sample_id in ids
            ]
            shard = write_tar(self.folder / path, contents, advance)
            self.entries.append(FileEntry(path, shard.size, shard.sha256))
            for sample_id, member in zip(ids, shard.members, strict=True):
                placements[sample_id] = Placement(path, member.offset)
        return placements

    def _loose(self, themes: dict[str, list[Sample]]) -> None:
        for samples in themes.values():
            for sample in samples[: self.options.preview]:
                for kind in KINDS:
                    ref = sample.artifacts[kind.name]
                    _link(sample.path(kind), self.folder / kind.path(sample.id), ref)
                    self.entries.append(FileEntry(kind.path(sample.id), ref.size, ref.sha256))

    def _previews(self, theme: str, samples: Sequence[Sample]) -> list[bytes]:
        shown = samples[: self.options.preview]
        previews = []
        # Threads do: decoding, resizing and encoding all run outside Python's lock.
        with (
            self.progress(f"making previews of {theme}", len(shown)) as advance,
            ThreadPoolExecutor(os.cpu_count()) as pool,
        ):
            for preview in pool.map(_preview, shown):
                previews.append(preview)
                advance()
        return previews

    def _annotate(self, theme: str, samples: Sequence[Sample]) -> None:
        self._write(layout.prompts_csv(theme), annotate.csv_lines(samples))
        for file in annotate.jsonl_files(theme):
            self._write(file.path, annotate.jsonl_lines(file, samples))

    def _catalog(self, theme: str, samples: Sequence[Sample], placements: Placements) -> None:
        previews = self._previews(theme, samples)
        parts = 2 if 0 < len(previews) < len(samples) else 1
        paths = [layout.data_parquet(theme, part, parts) for part in range(parts)]
        catalog.write_pairs([self.folder / path for path in paths], samples, placements, previews)
        records = layout.records_parquet(theme)
        catalog.write_records(self.folder / records, samples)
        for path in (*paths, records):
            self._list(path)

    def _write(self, path: str, lines: Iterable[bytes]) -> None:
        with atomic_path(self.folder / path) as temporary, temporary.open("wb") as file:
            file.writelines(lines)
        self._list(path)

    def _list(self, path: str) -> None:
        target = self.folder / path
        self.entries.append(FileEntry(path, target.stat().st_size, sha256_file(target)))


def _preview(sample: Sample) -> bytes:
    clip = sample.normalise
    source, edited = sample.path(layout.SOURCE_VIDEO), sample.path(layout.EDITED_VIDEO)
    return side_by_side(source, edited, width=clip.width, height=clip.height, fps=clip.fps)


def _link(source: Path, target: Path, ref: ArtifactRef) -> None:
    """A hard link, or a copy where links are not possible, of what the run recorded."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source.resolve(), target)
    except OSError:  # another device, no links there, or too many of them
        with atomic_path(target) as temporary:
            shutil.copyfile(source, temporary)
    check_content(source, ArtifactRef(sha256_file(target), target.stat().st_size), ref)


def _refuse_overlap(runs: Sequence[Path], out: Path) -> None:
    for run in runs:
        folder = run.resolve()
        if out.is_relative_to(folder) or folder.is_relative_to(out):
            raise ReleaseError(
                "a run and a release cannot stand in one another",
                got=out,
                wanted="a folder outside the run",
                where=folder,
                fix="choose another --out",
            )


def _refuse_foreign(out: Path) -> None:
    """Raise when a folder holds something that a build would destroy."""
    if not out.exists():
        return
    if not out.is_dir():
        raise ReleaseError("--out is not a folder", got=out, fix="choose another --out")
    found = list_files(out)
    if not found and not any(out.iterdir()):
        return
    try:
        listed = {entry.path for entry in read_manifest(out)} | {layout.MANIFEST}
    except ReleaseError as error:
        raise ReleaseError(
            "--out holds something else than a release",
            got=error.got or error.problem,
            wanted="a new or empty folder, or a release to replace",
            where=out,
            fix="choose another --out",
        ) from None
    others = [path for path in found if path not in listed]
    if others:
        raise ReleaseError(
            "--out holds files that its release does not list, and a build would delete them",
            got=", ".join(others[:3]),
            where=out,
            fix="move them away, or choose another --out",
        )
