"""A release is built and published tar by tar, for a disk that cannot hold it.

How it works
- Runs are built as ever, with as many threads as tars may be on the disk. A tar that is finished is sent to
  the target, noted there as sent, and deleted; then the thread writes the next one.
- The rest of the release (text, tables, card, first samples, manifest) stays in its folder and is published
  at the end, together with the tars that the target has.
- The release at the target is the previous one: its tables say which tar a pair stays in, and what was
  removed there stays out.
- A rerun after a kill neither packs nor sends again what was sent: the build's journal has a tar's size and
  sha256 and what it is made of, the target's journal that it is there.
- Between the end of the build and the first commit, a kill makes the rerun pack once more, to know what the
  tars are; it sends nothing twice.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from sparkle._files import safe_join, write_atomic
from sparkle._progress import Progress, silent
from sparkle._scratch import scratch_folder
from sparkle.builders.building.from_runs import ReleaseSummary
from sparkle.builders.building.pack import Spool
from sparkle.builders.cards.room import words_of
from sparkle.builders.release.manifest import FileEntry, read_manifest
from sparkle.builders.release.tar import Shard
from sparkle.hub.publish.plan import is_shard, list_release, note_files, refuse_other
from sparkle.hub.publish.publishing import PublishOptions, PublishReport, publish_listed
from sparkle.hub.targets.target import Parcel, Standing, Target
from sparkle.schemas import layout
from sparkle.schemas.errors import ReleaseError


class SpooledBuild(Protocol):
    """Builds a release whose tars are taken away; `sparkle.build`, all other options given."""

    def __call__(self, *, previous: Path | None, workers: int, spool: Spool) -> ReleaseSummary:
        """Build it."""
        ...


class TargetSpool:
    """Sends finished tars to a target, one at a time, and deletes them.

    Args:
        target: The target, inside a session, prepared.
        standing: What is there.
    """

    def __init__(self, target: Target, standing: Standing) -> None:
        self._target = target
        self._standing = standing
        self._turn = threading.Lock()
        self.sent = 0

    def has(self, path: str, shard: Shard) -> bool:
        """Tell whether the target has a tar: visible already, or sent."""
        stored = self._standing.files.get(path)
        if stored is not None and (stored.size, stored.sha256) == (shard.size, shard.sha256):
            return True
        return self._target.sent(Parcel(FileEntry(path, shard.size, shard.sha256), None))

    def take(self, file: Path, path: str, shard: Shard) -> None:
        """Send a tar where the target does not have it, then delete it."""
        with self._turn:
            if not self.has(path, shard):
                self._target.send([Parcel(FileEntry(path, shard.size, shard.sha256), file)])
                self.sent += shard.size
        file.unlink(missing_ok=True)


def publish_spooled(
    build: SpooledBuild,
    folder: Path,
    target: Target,
    tars: int,
    tag: str | None = None,
    progress: Progress = silent,
    say: Callable[[str], None] = lambda text: None,
) -> tuple[ReleaseSummary, PublishReport]:
    """Build a release and publish it, with few tars on the disk at a time.

    Args:
        build: Builds it.
        folder: Where the rest of the release goes: new, empty, or what an earlier call left.
        target: Where it is published.
        tars: The most tars on the disk at a time, 1 or more.
        tag: The name that the result gets.
        progress: Reports progress.
        say: Told of the plan.

    Raises:
        RunError, RecordError: as the build raises them.
        ConfigError, ReleaseError: as `publish_release` raises them; or `folder` contains a whole release.
    """
    _refuse_whole(folder)
    if tag is not None:
        target.check_tag(tag)
    with target.session():
        standing = target.look()
        refuse_other(standing, target.name)
        target.prepare(standing)
        spool = TargetSpool(target, standing)
        with _published(target, standing) as previous:
            summary = build(previous=previous, workers=tars, spool=spool)
        parcels = note_files(folder, list_release(folder))
        report = publish_listed(parcels, target, PublishOptions(tag), progress, say)
    return summary, replace(report, sent=report.sent + spool.sent)


@contextmanager
def _published(target: Target, standing: Standing) -> Iterator[Path | None]:
    """Yield a folder with what a build asks of the release at a target; None where there is none."""
    if standing.manifest is None:
        yield None
        return
    with scratch_folder() as folder:
        for path in standing.files:
            pages = (layout.MANIFEST, layout.PROVENANCE, layout.CHANGELOG, layout.CARD)
            if path in pages or layout.parse(path).what is layout.What.PAIRS:
                write_atomic(safe_join(folder, path), target.read(path))
        _refuse_edited(folder, target.name)
        yield folder


def _refuse_edited(pages: Path, where: str) -> None:
    """Raise ReleaseError when the card at a target was edited where the edit would be lost."""
    card = pages / layout.CARD
    if card.is_file():
        listed = {entry.path: entry for entry in read_manifest(pages)}
        words_of(card.read_bytes(), listed.get(layout.CARD), f"{where} {layout.CARD}")


def _refuse_whole(folder: Path) -> None:
    """Raise ReleaseError when a folder contains a release with its tars, which a build would delete."""
    if not (folder / layout.MANIFEST).is_file():
        return
    if any(is_shard(entry.path) and (folder / entry.path).exists() for entry in list_release(folder)):
        raise ReleaseError(
            "the release is whole, and --spool-to leaves one without tars in its place",
            where=folder,
            fix="`sparkle publish` publishes it as it is; or choose another --out",
        )
