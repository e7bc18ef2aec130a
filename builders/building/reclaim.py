"""Room on the disk: a run's files are deleted once they stand in a tar that the run holds.

How it works (what a run holds and how it is read: `sparkle._run_folder`)
- A tar that is durable gets a second name in each run that it has members of; then the run's list of what is
  held is appended, durably; then the members' files are deleted. A kill between two of these leaves the
  artifact in both places, and a rerun goes on.
- Files that also stand loose in the release stay: they are one file under two names.
- When the release is in its place, tars that nothing but a run names are let go: what only they hold (samples
  that the release leaves out) gets files again first.
- The run is locked meanwhile, as `sparkle generate` locks it.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import ExitStack, contextmanager
from pathlib import Path

from sparkle._files import exclusive, link
from sparkle.builders.building.pack import ShardPlan
from sparkle.builders.building.run import Run
from sparkle.builders.release.sample import Sample
from sparkle.builders.release.tar import Shard
from sparkle.schemas import layout
from sparkle.schemas.artifact import Artifact
from sparkle.schemas.errors import ReleaseError, RunError


class Reclaimer:
    """Deletes files of runs while tars of a release under way get finished."""

    def __init__(self, folder: Path, samples: Sequence[Sample], loose: Set[str]) -> None:
        """Prepare.

        Args:
            folder: The release under way.
            samples: What it holds.
            loose: Ids of the samples that also stand loose.
        """
        self._folder = folder
        self._samples: Mapping[str, Sample] = {sample.id: sample for sample in samples}
        self._loose = loose
        self._lock = threading.Lock()

    def take(self, plan: ShardPlan, shard: Shard) -> None:
        """Delete the files of a tar's members; the tar is durable."""
        members: dict[Path, list[Artifact]] = {}
        for held in plan.members(layout.held_shard(shard.sha256)):
            members.setdefault(self._samples[held.id].folder, []).append(held)
        for folder, found in members.items():
            with self._lock:
                self._samples[found[0].id].reclaimed.add(self._folder / plan.path, found)
            for held in found:
                if held.id not in self._loose:
                    (folder / held.path).unlink(missing_ok=True)


@contextmanager
def locked(runs: Sequence[Path]) -> Iterator[None]:
    """Hold run folders against other processes.

    Raises:
        RunError: another process works in a run.
    """
    with ExitStack() as stack:
        for run in runs:
            if not run.is_dir():
                raise RunError("not a run folder", where=run)
            busy = RunError("another process works in this run", where=run, fix="wait for it")
            stack.enter_context(exclusive(run, busy))
        yield


def refuse_unlinkable(run: Run, folder: Path) -> None:
    """Raise ReleaseError when the tars of a release under way cannot have names in a run."""
    probe = folder / ".tmp-link"
    try:
        link(run.folder / layout.RUN_CONFIG, probe)
    except OSError as error:
        raise ReleaseError(
            "nothing can be reclaimed: the run and the release do not share files",
            got=error,
            wanted="both on one file system that has hard links",
            where=f"{run.folder} and {folder.parent}",
            fix="choose an --out beside the run, or build without --reclaim",
        ) from None
    finally:
        probe.unlink(missing_ok=True)


def let_go(run: Run) -> None:
    """Free the tars that nothing but a run names; the run is locked, and the new release in its place."""
    for orphan in run.reclaimed.orphans():
        orphan.unlink()
    gone = []
    for tar, members in run.reclaimed.tars().items():
        path = run.folder / tar
        if not path.exists() or path.stat().st_nlink > 1:
            continue
        for held in members:
            if not (run.folder / held.path).exists():
                run.reclaimed.restore(held)
        gone.append(tar)
    if gone:
        run.reclaimed.forget(gone)
