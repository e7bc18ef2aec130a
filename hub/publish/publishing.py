"""A release is published: checked, compared with what stands in the place, sent, made visible, named.

How it works
- The release is checked first and never touched. Its files are noted before that, and compared again around
  every upload: one that changes meanwhile ends the publish.
- Contents are sent before anything is visible, shard by shard, each noted durably when the place has
  acknowledged it. A rerun after a kill goes on with what is missing: it compares the release with the place
  anew, and takes from the place's journal what was sent and is not yet visible.
- Then the commits (`order`): what readers go by changes in one. Each names the one that it stands on, so that
  two publishers cannot mix their releases; one whose answer was lost is looked for before it is repeated.
- At the end the place is looked at once more: every file must be there, or the tag is not set.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from sparkle.builders.manifest import FileEntry
from sparkle.builders.progress import Progress, silent
from sparkle.builders.release_check import CheckOptions, check_release, useful_workers
from sparkle.hub.publish.files import LocalFiles, list_release
from sparkle.hub.publish.order import sending_order
from sparkle.hub.publish.plan import Plan, make_plan
from sparkle.hub.publish.returned import refuse_returned
from sparkle.hub.remotes.target import Change, Parcel, Standing, Target
from sparkle.schemas import layout
from sparkle.schemas.errors import ReleaseError

_ALONE = 16 << 20  # bytes from which a file is sent by itself, and noted by itself
_GROUP_BYTES, _GROUP_FILES = 64 << 20, 256  # of smaller files sent together: a Xet block, the client's batch
_UNIT = 1_000_000  # bytes of a unit of progress


@dataclass(frozen=True)
class PublishOptions:
    """How a release is published.

    Attributes:
        tag: The name that the result gets; None for none.
        check: Whether the release is checked first. Without, files may be missing here that the place holds.
        dry_run: Whether to plan only.
    """

    tag: str | None = None
    check: bool = True
    dry_run: bool = False


@dataclass(frozen=True)
class PublishReport:
    """What a publish did.

    Attributes:
        plan: What there was to do.
        head: What stands in the place now, a commit; None after a plan only.
        sent: Bytes that were sent by this run.
        commits: How many commits it made.
        tag: The tag that names the result.
    """

    plan: Plan
    head: str | None
    sent: int
    commits: int
    tag: str | None


def publish_release(
    folder: Path,
    target: Target,
    options: PublishOptions | None = None,
    progress: Progress = silent,
    say: Callable[[str], None] = lambda text: None,
) -> PublishReport:
    """Publish a release.

    Args:
        folder: The release. Without `check`, files may be missing whose sha256 the place holds.
        target: The place.
        options: See `PublishOptions`.
        progress: Told how the work goes on.
        say: Told of the plan before anything is sent.

    Raises:
        ConfigError: there is no token, or one that may not write.
        ReleaseError: the release is not whole or changes, something else stands in the place or was published
            there meanwhile, or the place refuses.
        UnsafePathError: a path of the manifest leaves the release.
    """
    options = options or PublishOptions()
    entries = list_release(folder)
    files = LocalFiles(folder, entries)
    if options.check:
        _refuse_broken(folder, progress)
    with target.session():
        return publish_listed(entries, files, target, options, progress, say)


def publish_listed(
    entries: Sequence[FileEntry],
    files: LocalFiles,
    target: Target,
    options: PublishOptions,
    progress: Progress,
    say: Callable[[str], None],
) -> PublishReport:
    """Publish the files of a release, inside a session of the place; raises as `publish_release` does."""
    standing = target.look()
    plan = make_plan(entries, files, standing, target)
    _refuse_tag(options.tag, standing, plan)
    refuse_returned(entries, files, standing, target, say)
    say(str(plan))
    if options.dry_run:
        return PublishReport(plan, None, 0, 0, options.tag)
    head, sent = standing.head or "", 0
    if plan.batches:
        parcels = {entry.path: files.parcel(entry) for entry in entries}
        target.check_card(_card(parcels[layout.CARD], target))
        head = target.prepare(standing)
        puts = [parcels[entry.path] for entry in sending_order(plan.puts)]
        sent = send_files(puts, files, target, progress)
        for change in _changes(plan, parcels, options.tag):
            head = target.commit(head, change)
        _refuse_different(entries, files, target)
    if options.tag is not None and standing.tags.get(options.tag) != head:
        target.tag(options.tag, head)
    target.finish()
    return PublishReport(plan, head, sent, len(plan.batches), options.tag)


def _refuse_broken(folder: Path, progress: Progress) -> None:
    """Raise ReleaseError when a release is not whole: names, tables, text, headers of tars.

    Contents of tars are left out: they are hashed while they are sent.
    """
    options = CheckOptions(contents=False, workers=useful_workers(folder))
    found = check_release(folder, progress, options).findings
    if found:
        more = f" and {len(found) - 1} more" if len(found) > 1 else ""
        raise ReleaseError(
            "the release is not whole",
            got=f"{found[0]}{more}",
            where=folder,
            fix=f"`sparkle validate {folder}` shows everything; build it again",
        )


def _refuse_tag(tag: str | None, standing: Standing, plan: Plan) -> None:
    named = None if tag is None else standing.tags.get(tag)
    if named is not None and (plan.batches or named != standing.head):
        raise ReleaseError(
            "the tag is taken by another state, and tags stay",
            got=f"{tag} = {named}",
            where=plan.where,
            fix="choose another --tag",
        )


def _card(parcel: Parcel, target: Target) -> bytes:
    return parcel.read() if parcel.file is not None else target.read(layout.CARD)


def send_files(parcels: Sequence[Parcel], files: LocalFiles, target: Target, progress: Progress) -> int:
    """Send what was not sent before; returns the bytes of it."""
    todo = [parcel for parcel in parcels if not target.sent(parcel)]
    size = sum(parcel.entry.size for parcel in todo)
    with progress("sending MB", _units(size)) as advance:
        done = 0
        for group in _groups(todo):
            files.refuse_changed(group)
            try:
                target.send(group)
            finally:
                files.refuse_changed(group)  # which says more than what else went wrong by it
            before, done = done, done + sum(parcel.entry.size for parcel in group)
            advance(_units(done) - _units(before))
    return size


def _units(size: int) -> int:
    """Bytes in units of progress, rounded up."""
    return -(-size // _UNIT)


def _groups(parcels: Sequence[Parcel]) -> Iterator[list[Parcel]]:
    """Yield files that are sent together: a large one alone, small ones as many as fit."""
    group: list[Parcel] = []
    size = 0
    for parcel in parcels:
        alone = parcel.entry.size > _ALONE
        if group and (alone or size + parcel.entry.size > _GROUP_BYTES or len(group) == _GROUP_FILES):
            yield group
            group, size = [], 0
        if alone:
            yield [parcel]
        else:
            group.append(parcel)
            size += parcel.entry.size
    if group:
        yield group


def _changes(plan: Plan, parcels: dict[str, Parcel], tag: str | None) -> Iterator[Change]:
    count = len(plan.batches)
    release = f"Sparkle release {tag or parcels[layout.MANIFEST].entry.sha256[:12]}"
    for number, batch in enumerate(plan.batches, 1):
        title = release if number == count else f"{release}: data, {number} of {count - 1}"
        yield Change(tuple(parcels[entry.path] for entry in batch.puts), batch.deletes, title)


def _refuse_different(entries: Sequence[FileEntry], files: LocalFiles, target: Target) -> None:
    """Raise ReleaseError when the place does not hold what was published."""
    left = make_plan(entries, files, target.look(), target)
    wrong = [*(entry.path for entry in left.puts), *left.deletes]
    if wrong:
        raise ReleaseError(
            "the place does not hold what was just published",
            got=", ".join(wrong[:3]),
            where=target.name,
            fix="see whether somebody else publishes there, then run the same command again",
        )
