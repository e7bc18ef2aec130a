"""Samples leave a release in a repository of a Hub, in one commit.

How it works
- The branch is read at its commit: manifest, tables, the text of the themes that lose something, and of tars
  the ranges that stay. What changes is written into a folder in the user's cache, sent, and
  made visible by one commit on top of the one that was read: readers see the old release or the new one.
  When somebody else published meanwhile, the Hub refuses it (412) and nothing has changed.
- A kill at any moment leaves the branch as it was, or done. A rerun goes on with the tars that were cut and
  the contents that were sent; when the commit was made before the kill, there is nothing left to do.
- Files are fetched into a cache of this takedown alone, which is deleted with it: what is taken down does not
  stay behind in the user's cache.
- What was fetched and written is deleted when it is published, or when it belongs to another state.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sparkle._cache import cache_folder
from sparkle._progress import Progress, silent
from sparkle.builders.building.pack import Journal
from sparkle.builders.building.writer import Written, write_release
from sparkle.builders.reading.hub import HubPlace
from sparkle.builders.reading.patience import WRITING, tell
from sparkle.builders.takedown.origin import ReleaseOrigin
from sparkle.hub.publish.plan import note_files, sending_order
from sparkle.hub.publish.publishing import send_files
from sparkle.hub.targets.hub import HubTarget
from sparkle.hub.targets.target import Change, Standing
from sparkle.schemas import layout
from sparkle.schemas.canonical import fingerprint
from sparkle.schemas.errors import ReleaseError

_TARS_AT_A_TIME = 4  # one connection seldom fills the line; each has some buffers in memory


@dataclass(frozen=True)
class HubTakedown:
    """What a takedown in a repository did.

    Attributes:
        removal: What left, and what is left.
        edited: What was written; None when there was nothing left to do, or it was planned only.
        before: The commit that was read.
        head: The commit that the branch shows now.
    """

    removal: ReleaseOrigin
    edited: Written | None
    before: str
    head: str


def take_down(
    target: HubTarget,
    ids: Sequence[str],
    sources: Sequence[str],
    progress: Progress = silent,
    *,
    dry_run: bool = False,
    plan: Callable[[ReleaseOrigin], None] = lambda removal: None,
    say: Callable[[str], None] = tell,
) -> HubTakedown:
    """Take samples out of a release in a repository.

    Args:
        target: The branch of a repository.
        ids: Ids to take down.
        sources: Sources of which every sample is taken down, as the release's tables have them.
        progress: Told how the work goes on.
        dry_run: Whether to plan only.
        plan: Told what is going to be done, before anything is transferred for it.
        say: Told of waits; the default writes to standard error.

    Raises:
        ConfigError: there is no token, or one that may not write.
        ReleaseError: it is no release, has no such id or source and never had, is not whole where it has to
            be read, something was published there meanwhile, or the Hub refuses. The branch is as it was.
    """
    with target.session():
        standing = target.look()
        if standing.head is None or standing.manifest is None:
            raise ReleaseError(
                "not a release",
                got="no such repository or branch" if standing.head is None else "no manifest",
                wanted=f"a dataset with {layout.MANIFEST}",
                where=target.name,
            )
        with _workplace(target, standing.head, ids, sources) as work:
            place = HubPlace(target.repo, standing.head, cache=work / "old", say=say, bound=WRITING)
            removal = ReleaseOrigin(place, ids, sources)
            plan(removal)
            if dry_run or not removal.ids:
                return HubTakedown(removal, None, standing.head, standing.head)
            folder = work / "new"
            journal = Journal(work / "packed.jsonl", folder)
            journal.clear(removal.shards())
            edited = write_release(removal, folder, journal, progress, whole=False, workers=_TARS_AT_A_TIME)
            head = _publish(target, standing, folder, removal, edited, progress)
    return HubTakedown(removal, edited, standing.head, head)


@contextmanager
def _workplace(target: HubTarget, head: str, ids: Sequence[str], sources: Sequence[str]) -> Iterator[Path]:
    """A folder for this takedown of this state, which an earlier attempt may have begun to fill.

    What was written stays when the block fails, so that the next attempt goes on.
    """
    place = cache_folder() / "takedown" / target.key
    work = place / fingerprint([head, sorted(set(ids)), sorted(set(sources))])[:32]
    for other in place.glob("*"):
        if other != work:
            shutil.rmtree(other)
    (work / "new").mkdir(parents=True, exist_ok=True)
    try:
        yield work
    except BaseException:
        if not any((work / "new").iterdir()):
            shutil.rmtree(place)
        raise
    shutil.rmtree(place)


def _publish(
    target: HubTarget,
    standing: Standing,
    folder: Path,
    removal: ReleaseOrigin,
    edited: Written,
    progress: Progress,
) -> str:
    """Send what was written and make it visible in one commit; returns that."""
    entries = sending_order([edited.entries[path] for path in edited.changed])
    parcels = list(note_files(folder, entries).values())
    target.check_card((folder / layout.CARD).read_bytes())
    target.prepare(standing)
    send_files(parcels, target, progress)
    deletes = tuple(path for path in edited.deleted if path in standing.files)
    count = len(removal.ids)
    title = f"Take down {count:,} pair{'s' if count > 1 else ''}"
    head = target.commit(str(standing.head), Change(tuple(parcels), deletes, title))
    target.finish()
    return head
