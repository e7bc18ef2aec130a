"""Tars of a release, written side by side; those that exist already are used again.

How it works
- A `ShardPlan` says what a tar holds. Its bytes follow from that alone (`tar`), so a tar of the same names,
  sizes and hashes is the same tar, whichever run or options it was planned for.
- A tar that a killed build finished is used again when the journal lists it with the same inputs and the
  file is the one that was listed: the journal is written after the tar is durable.
- A tar of the previous release, or one that a run holds, is read through: every header and every member's
  hash must be what the plan says. Then it is linked; a damaged one is written anew.
- The rest is written, each tar by one thread, or by two where there are fewer tars than processors: reading,
  hashing and writing run outside Python's lock. Bytes do not depend on the number of threads, and memory is
  two buffers a thread.
- A spool takes tars away as they get finished (`Spool`), for a release that is larger than the disk.
- The first error stops the others at their next member. What was finished stays for the next build.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from sparkle._files import append_lines, fsync_folder, read_jsonl, recover_jsonl, stamp, try_link
from sparkle._processes import cpus
from sparkle._progress import Advance
from sparkle.builders.release.assign import data_offsets, tar_bytes
from sparkle.builders.release.staging import remove_others
from sparkle.builders.release.tar import Shard, check_tar, write_tar
from sparkle.schemas.artifact import Artifact
from sparkle.schemas.canonical import fingerprint
from sparkle.schemas.errors import ReleaseError
from sparkle.schemas.layout import Kind
from sparkle.schemas.records import ArtifactRef


@dataclass(frozen=True)
class ShardPlan:
    """A tar to be, of one kind.

    Attributes:
        path: Its path in the release.
        kind: What its members are.
        ids: Its samples in order.
        refs: What each sample's member must be.
        source: Where a sample's member is read, found when it is asked for: a full release has a million.
        old: A tar that should have the same bytes, of the previous release or held by a run.
    """

    path: str
    kind: Kind
    ids: tuple[str, ...]
    refs: tuple[ArtifactRef, ...]
    source: Callable[[str], Artifact]
    old: Path | None = None

    def sources(self) -> Iterator[tuple[str, Artifact]]:
        """Yield the name of each member, in order, and where it is read."""
        return ((artifact.member, artifact) for artifact in map(self.source, self.ids))

    @property
    def size(self) -> int:
        """The tar's bytes."""
        return tar_bytes([ref.size for ref in self.refs])

    @cached_property
    def inputs(self) -> str:
        """A hash of its members' kind, ids, sizes and hashes."""
        members = [
            [sample_id, ref.size, ref.sha256] for sample_id, ref in zip(self.ids, self.refs, strict=True)
        ]
        return fingerprint([self.kind.name, members])

    def members(self, file: str) -> Iterator[Artifact]:
        """Yield where each sample's artifact lies in the tar, whose path in its place is `file`."""
        offsets = data_offsets([ref.size for ref in self.refs])
        for sample_id, ref, offset in zip(self.ids, self.refs, offsets, strict=True):
            yield Artifact(sample_id, self.kind, file, offset, ref.size, bytes.fromhex(ref.sha256))

    def make(self, target: Path, advance: Advance, *, threads: int) -> Shard:
        """Link the old tar where it is right, else write the tar."""
        if self.old is not None:
            shard = check_tar(self.old, self.sources(), lambda done=1, dropped=0: advance(0))
            target.unlink(missing_ok=True)
            if shard is not None and try_link(self.old, target):
                fsync_folder(target.parent)
                advance(len(self.ids))
                return shard
        return write_tar(target, self.sources(), advance, threads=threads)


class Spool(Protocol):
    """Takes finished tars away from a disk that cannot hold them all."""

    def has(self, path: str, shard: Shard) -> bool:
        """Whether a tar of the release was taken: then it need not be here."""
        ...

    def take(self, file: Path, path: str, shard: Shard) -> None:
        """Take a tar, which is durable, and delete its file; one that was taken before is fine."""
        ...


class Journal:
    """Tars that are finished: one JSON line each, in a file beside the folder that they lie in.

    Args:
        path: The file; None where nothing is used again.
        folder: The release under way.
        spool: What takes finished tars away; None where they stay.
    """

    def __init__(self, path: Path | None, folder: Path, spool: Spool | None = None) -> None:
        self.spool = spool
        self._path = path
        self._folder = folder
        self._lock = threading.Lock()
        self._lines: dict[str, Any] = {}
        if path is not None:
            recover_jsonl(path)
            if path.exists():
                self._lines = {line["path"]: line for _, line in read_jsonl(path)}

    def clear(self, plans: Iterable[ShardPlan]) -> None:
        """Remove everything from the folder but the tars of some plans that are finished."""
        remove_others(self._folder, [plan.path for plan in plans if self.find(plan)])

    def find(self, plan: ShardPlan) -> Shard | None:
        """A tar that is finished and has this plan's bytes."""
        line = self._lines.get(plan.path)
        if line is None or line["inputs"] != plan.inputs:
            return None
        shard = Shard(line["size"], line["sha256"])
        taken = self.spool is not None and self.spool.has(plan.path, shard)
        return shard if taken or line["file"] == stamp(self._folder / plan.path) else None

    def add(self, plan: ShardPlan, shard: Shard) -> None:
        """Note a tar that is durable."""
        if self._path is None:
            return
        line = {
            "path": plan.path,
            "inputs": plan.inputs,
            "size": shard.size,
            "sha256": shard.sha256,
            "file": stamp(self._folder / plan.path),
        }
        with self._lock:
            append_lines(self._path, [line])


# Told of each tar that is durable, in the thread that finished it.
OnShard = Callable[[ShardPlan, Shard], None]


def pack(
    folder: Path,
    plans: Sequence[ShardPlan],
    journal: Journal,
    advance: Advance,
    *,
    on_shard: OnShard | None = None,
    workers: int | None = None,
) -> dict[str, Shard]:
    """Make the tars of a release.

    Args:
        folder: The release under way.
        plans: What each tar holds.
        journal: Which of them are finished, and what takes them away.
        advance: Told of each member.
        on_shard: See `OnShard`; also called for tars that were finished before.
        workers: Threads; None is one per CPU.

    Returns:
        Each tar by its path, in the order of the plans.

    Raises:
        ReleaseError: an artifact cannot be read or is not what was recorded.
        OSError: a tar cannot be written.
    """
    workers = workers or cpus()
    stop = threading.Event()
    failures: list[BaseException] = []
    lock = threading.Lock()

    def step(done: int = 1, dropped: int = 0) -> None:
        if stop.is_set():
            raise ReleaseError("packing was stopped by another error")
        with lock:
            advance(done)

    def make(plan: ShardPlan) -> Shard:
        try:
            shard = journal.find(plan)
            if shard is not None:
                step(len(plan.ids))
            else:
                shard = plan.make(folder / plan.path, step, threads=2 if len(plans) < workers else 1)
                journal.add(plan, shard)
            if on_shard is not None:
                on_shard(plan, shard)
            if journal.spool is not None:
                journal.spool.take(folder / plan.path, plan.path, shard)
        except BaseException as error:
            failures.append(error)
            stop.set()  # here, not when the error is collected: this thread takes the next plan before that
            raise
        return shard

    with ThreadPoolExecutor(workers) as pool:
        try:
            # The largest first: the end is not one thread at work on the last large tar.
            tasks = {pool.submit(make, plan): plan for plan in sorted(plans, key=lambda plan: -plan.size)}
            made = {tasks[task].path: task.result() for task in as_completed(tasks)}
        except Exception:
            raise failures[0] from None  # what stopped the others, not that they were stopped
        finally:
            stop.set()
            pool.shutdown(cancel_futures=True)
    return {plan.path: made[plan.path] for plan in plans}
