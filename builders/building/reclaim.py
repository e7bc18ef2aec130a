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
from sparkle._run_folder import ReclaimedArtifact
from sparkle.builders.building.pack import ShardPlan
from sparkle.builders.building.run import Run
from sparkle.builders.release.sample import Sample
from sparkle.builders.release.tar import Shard
from sparkle.schemas import layout
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
        members: dict[Path, dict[str, ReclaimedArtifact]] = {}
        for sample_id, offset in plan.offsets():
            sample = self._samples[sample_id]
            ref = sample.artifacts[plan.kind.name]
            held = ReclaimedArtifact(shard.sha256, offset, ref.size, ref.sha256)
            members.setdefault(sample.folder, {})[sample_id] = held
        for found in members.values():
            run = self._samples[next(iter(found))]
            with self._lock:
                run.reclaimed.add(self._folder / plan.path, plan.kind, found)
            for sample_id in found.keys() - self._loose:
                (run.folder / plan.kind.path(sample_id)).unlink(missing_ok=True)


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
    for shard, members in run.reclaimed.shards().items():
        path = run.reclaimed.path(shard)
        if not path.exists() or path.stat().st_nlink > 1:
            continue
        for kind, sample_id, _ in members:
            if not (run.folder / kind.path(sample_id)).exists():
                run.reclaimed.restore(kind, sample_id)
        gone.append(shard)
    if gone:
        run.reclaimed.forget(gone)
