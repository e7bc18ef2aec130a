"""A release is built and published shard by shard, for a disk that cannot hold it.

How it works
- Runs are built as `sparkle build` does it, with as many threads as tars may be on the disk. A tar that is
  finished is sent to the place, noted there as sent, and deleted; then the thread writes the next one.
- The rest of the release (text, tables, card, first samples, manifest) stays in its folder and is published
  at the end, together with the tars that the place has.
- The release that stands in the place is the one before: its tables say which tar a pair stays in, and what
  was taken down there stays out.
- A rerun after a kill neither packs nor sends again what was sent: the build's journal has a tar's size and
  sha256 and what it is made of, the place's journal that it is there.
- Between the end of the build and the first commit, a kill makes the rerun pack once more, to know what the
  tars are; it sends nothing twice.
"""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from sparkle._files import safe_join, write_atomic
from sparkle._progress import Progress, silent
from sparkle.builders.building.provenance import ReleaseOptions
from sparkle.builders.building.writer import BuildMode, build_release
from sparkle.builders.release.manifest import FileEntry
from sparkle.builders.release.tar import Shard
from sparkle.hub.publish.plan import is_shard, list_release, note_files, refuse_other
from sparkle.hub.publish.publishing import PublishOptions, PublishReport, publish_listed
from sparkle.hub.targets.target import Parcel, Standing, Target
from sparkle.schemas import layout
from sparkle.schemas.errors import ReleaseError


class TargetSpool:
    """Sends finished tars to a place, one at a time, and deletes them.

    Args:
        target: The place, inside a session, prepared.
        standing: What stands there.
    """

    def __init__(self, target: Target, standing: Standing) -> None:
        self._target = target
        self._standing = standing
        self._turn = threading.Lock()
        self.sent = 0

    def has(self, path: str, shard: Shard) -> bool:
        """Whether the place has a tar: visible already, or sent."""
        stored = self._standing.files.get(path)
        if stored is not None and (stored.size, stored.sha256) == (shard.size, shard.sha256):
            return True
        return self._target.sent(Parcel(FileEntry(path, shard.size, shard.sha256), None))

    def take(self, file: Path, path: str, shard: Shard) -> None:
        """Send a tar where the place does not have it, then delete it."""
        with self._turn:
            if not self.has(path, shard):
                self._target.send([Parcel(FileEntry(path, shard.size, shard.sha256), file)])
                self.sent += shard.size
        file.unlink(missing_ok=True)


def publish_spooled(
    runs: Sequence[Path],
    folder: Path,
    target: Target,
    build: ReleaseOptions,
    tars: int,
    tag: str | None = None,
    progress: Progress = silent,
    say: Callable[[str], None] = lambda text: None,
) -> PublishReport:
    """Build a release of runs and publish it, with few tars on the disk at a time.

    Args:
        runs: Finished runs.
        folder: Where the rest of the release goes: new, empty, or what an earlier call left.
        target: The place.
        build: What the release is.
        tars: The most tars on the disk at a time, 1 or more.
        tag: The name that the result gets.
        progress: Told how the work goes on.
        say: Told of the plans.

    Raises:
        RunError, RecordError: as `build_release` raises them.
        ConfigError, ReleaseError: as `publish_release` raises them; or `folder` holds a whole release.
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
            mode = BuildMode(previous=previous, spool=spool, workers=tars, say=say)
            build_release(runs, folder, build, progress, mode)
        parcels = note_files(folder, list_release(folder))
        report = publish_listed(parcels, target, PublishOptions(tag), progress, say)
    return replace(report, sent=report.sent + spool.sent)


@contextmanager
def _published(target: Target, standing: Standing) -> Iterator[Path | None]:
    """What a build asks of the release that stands in a place, in a folder for now; None where none does."""
    if standing.manifest is None:
        yield None
        return
    with tempfile.TemporaryDirectory() as name:
        for path in standing.files:
            pages = (layout.MANIFEST, layout.PROVENANCE, layout.CHANGELOG)
            if path in pages or layout.parse(path).what is layout.What.PAIRS:
                write_atomic(safe_join(Path(name), path), target.read(path))
        yield Path(name)


def _refuse_whole(folder: Path) -> None:
    """Raise ReleaseError when a folder holds a release with its tars: a build would put one without there."""
    if not (folder / layout.MANIFEST).is_file():
        return
    if any(is_shard(entry.path) and (folder / entry.path).exists() for entry in list_release(folder)):
        raise ReleaseError(
            "the release is whole, and --spool leaves one without tars in its place",
            where=folder,
            fix="publish it without --spool, or give another folder",
        )
