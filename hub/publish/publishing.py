"""A release is published: checked, compared with what the place has, sent, made visible, named.

How it works
- The release is checked first and never touched. Its files are noted before that, and compared again around
  every upload: one that changes meanwhile ends the publish.
- What was taken down of the release in the place does not come back by a publish: a release that has such a
  pair, or another pair of such a source, was built without knowing of that, and is refused.
- Contents are sent before anything is visible, a few shards at once, each noted durably when the place has
  acknowledged it. A rerun after a kill goes on with what is missing: it compares the release with the place
  anew, and takes from the place's journal what was sent and is not yet visible.
- Then come the commits (`plan.batches`): what readers go by changes in one. Each names its parent, so that
  two publishers cannot mix their releases; one whose answer was lost is looked for before it is repeated.
- At the end the place is looked at once more: every file must be there, or the tag is not set.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

from sparkle._progress import Progress, silent
from sparkle.builders.cards.model import is_model
from sparkle.builders.cards.room import is_edited_inside, words_of
from sparkle.builders.checks.release import CheckOptions, check_release
from sparkle.builders.release.manifest import parse_manifest
from sparkle.builders.release.read_tables import read_columns
from sparkle.builders.release.removed import Removed
from sparkle.hub.publish.plan import PublishPlan, list_release, make_plan, note_files, sending_order
from sparkle.hub.targets.target import Change, Parcel, Standing, Target
from sparkle.schemas import layout
from sparkle.schemas.canonical import sha256_bytes
from sparkle.schemas.errors import RecordError, ReleaseError, command
from sparkle.schemas.validate import parse_strict

_ALONE = 16 << 20  # bytes from which a file is sent by itself, and noted by itself
_GROUP_FILES = 256  # smaller files sent together: the client's batch
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
        address: Where people find it: a page or a folder.
    """

    plan: PublishPlan
    head: str | None
    sent: int
    commits: int
    tag: str | None
    address: str


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
    if options.tag is not None:
        target.check_tag(options.tag)
    if is_model(folder) and not (folder / layout.MANIFEST).is_file():
        raise ReleaseError(
            "the model has no manifest",
            where=folder,
            fix=f"`{command('sparkle', 'card', folder, '--update')}` writes its card and manifest",
        )
    parcels = note_files(folder, list_release(folder))
    if options.check:
        _refuse_broken(folder, progress)
    with target.session():
        return publish_listed(parcels, target, options, progress, say)


def publish_listed(
    parcels: Mapping[str, Parcel],
    target: Target,
    options: PublishOptions,
    progress: Progress,
    say: Callable[[str], None],
) -> PublishReport:
    """Publish the files of a release, inside a session of the place; raises as `publish_release` does."""
    standing = target.look()
    plan = make_plan(parcels, standing, target)
    _refuse_tag(options.tag, standing, plan)
    refuse_returned(parcels, standing, target, say)
    if layout.CARD in {entry.path for entry in plan.replaced}:
        _refuse_edited(parcels[layout.CARD], standing, target)
    say(str(plan))
    if options.dry_run:
        return PublishReport(plan, None, 0, 0, options.tag, target.address)
    head, sent = standing.head or "", 0
    if plan.batches:
        target.check_card(_card(parcels[layout.CARD], target))
        head = target.prepare(standing)
        puts = [parcels[entry.path] for entry in sending_order(plan.puts)]
        sent = send_files(puts, target, progress)
        for change in _changes(plan, parcels, options.tag):
            head = target.commit(head, change)
        _refuse_different(parcels, target)
    if options.tag is not None and standing.tags.get(options.tag) != head:
        target.tag(options.tag, head)
    target.finish()
    return PublishReport(plan, head, sent, len(plan.batches), options.tag, target.address)


def _refuse_broken(folder: Path, progress: Progress) -> None:
    """Raise ReleaseError when a release is not whole: names, tables, text, headers of tars.

    Contents of tars are left out: they are hashed while they are sent.
    """
    options = CheckOptions(contents=False, workers=None)
    found = check_release(folder, progress, options).findings
    if [finding.file for finding in found] == [layout.CARD]:
        renew = command("sparkle", "card", folder, "--update")
        raise ReleaseError(
            "the card was edited, and the release does not know it",
            got=found[0].problem,
            where=folder / layout.CARD,
            fix=f"`{renew}` takes an edit in that room into the release, and says where any other belongs",
        )
    if found:
        more = f" and {len(found) - 1} more" if len(found) > 1 else ""
        imported = (folder / layout.IMPORT_REPORT).is_file()
        again = (
            "mend what was imported, and import it again" if imported else "build it, or download it, again"
        )
        if is_model(folder):
            again = f"`{command('sparkle', 'card', folder, '--update')}` writes its card and manifest"
        raise ReleaseError(
            f"the {'model' if is_model(folder) else 'release'} is not whole",
            got=f"{found[0]}{more}",
            where=folder,
            fix=f"`{command('sparkle', 'validate', folder)}` shows everything; {again}",
        )


def _refuse_tag(tag: str | None, standing: Standing, plan: PublishPlan) -> None:
    named = None if tag is None else standing.tags.get(tag)
    if named is not None and (plan.batches or named != standing.head):
        raise ReleaseError(
            "the tag is taken by another state, and tags stay",
            got=f"{tag} = {named}",
            where=plan.where,
            fix="choose another --tag",
        )


def _refuse_edited(own: Parcel, standing: Standing, target: Target) -> None:
    """Raise ReleaseError when somebody wrote or edited the card in the place, and that is not in ours."""
    if standing.files[layout.CARD].size < 0:  # a folder where somebody deleted it
        return
    card, where = target.read(layout.CARD), f"{target.name} {layout.CARD}"
    if standing.manifest is None:
        if _says_something(card) and not is_edited_inside(card):  # a publish that ended early left its own
            raise ReleaseError(
                "somebody wrote a card there, and it would be lost",
                got=card.decode("utf-8", "replace").strip().splitlines()[-1][:100],
                wanted=f"no {layout.CARD}, or one that has a YAML head only",
                where=where,
                fix="take what it says into release.toml, or into the card here between the lines `your "
                "words begin` and `your words end`, and delete it there",
            )
        return
    listed = {entry.path: entry for entry in parse_manifest(standing.manifest, target.name)}.get(layout.CARD)
    if listed is None or sha256_bytes(card) == listed.sha256:
        return
    words = words_of(card, listed, where)
    if words != words_of(own.read(), own.entry, own.entry.path):
        raise ReleaseError(
            "the card was edited where the release is published, and that edit would be lost",
            got=words or "nothing is in its room any more",
            where=where,
            fix="write the same between the lines `your words begin` and `your words end` of the card here, "
            "run `sparkle card RELEASE --update`, and publish again",
        )


def _says_something(card: bytes) -> bool:
    """Whether a card has more than the YAML head that a Hub writes when a repository is made."""
    return bool(re.sub(rb"\A\s*---\r?\n.*?^---\s*$", b"", card, flags=re.DOTALL | re.MULTILINE).strip())


def _card(parcel: Parcel, target: Target) -> bytes:
    return parcel.read() if parcel.file is not None else target.read(layout.CARD)


def send_files(parcels: Sequence[Parcel], target: Target, progress: Progress) -> int:
    """Send what was not sent before, several groups at once; returns the bytes of it."""
    todo = [parcel for parcel in parcels if not target.sent(parcel)]
    size = sum(parcel.entry.size for parcel in todo)
    with progress("sending (MB)", _units(size)) as advance:
        done = 0
        for group in _sent(target, _groups(todo, target)):
            before, done = done, done + sum(parcel.entry.size for parcel in group)
            advance(_units(done) - _units(before))
    return size


def _sent(target: Target, groups: Iterator[list[Parcel]]) -> Iterator[list[Parcel]]:
    """Send groups in as many threads as the target's pace says; yield each when it is there.

    When one fails, those under way come to their end, so that they are noted, and no other begins. An
    interrupt does not wait for them: threads that do not keep the process from ending are made for that.
    """
    ended: SimpleQueue[list[Parcel] | BaseException] = SimpleQueue()

    def send(group: list[Parcel]) -> None:
        try:
            _send(target, group)
            ended.put(group)
        except BaseException as error:
            ended.put(error)

    running, failure, group = 0, None, next(groups, None)
    while running or (group is not None and failure is None):
        if group is not None and failure is None and running < target.pace.lanes:
            threading.Thread(target=send, args=(group,), daemon=True).start()
            running, group = running + 1, next(groups, None)
            continue
        end, running = ended.get(), running - 1
        if isinstance(end, BaseException):
            failure = failure or end
        else:
            yield end
    if failure is not None:
        raise failure


def _send(target: Target, group: list[Parcel]) -> None:
    _refuse_changed(group)
    try:
        target.send(group)
    finally:
        _refuse_changed(group)  # which says more than what else went wrong by it


def _refuse_changed(parcels: Sequence[Parcel]) -> None:
    for parcel in parcels:
        parcel.refuse_changed()


def _units(size: int) -> int:
    """Bytes in units of progress, rounded up."""
    return -(-size // _UNIT)


def _groups(parcels: Sequence[Parcel], target: Target) -> Iterator[list[Parcel]]:
    """Yield files that are sent together: a large one alone, small ones as many as fit the pace."""
    group: list[Parcel] = []
    size = 0
    for parcel in parcels:
        alone = parcel.entry.size > _ALONE
        room = max(_ALONE, target.pace.step)
        if group and (alone or size + parcel.entry.size > room or len(group) == _GROUP_FILES):
            yield group
            group, size = [], 0
        if alone:
            yield [parcel]
        else:
            group.append(parcel)
            size += parcel.entry.size
    if group:
        yield group


def _changes(plan: PublishPlan, parcels: Mapping[str, Parcel], tag: str | None) -> Iterator[Change]:
    count = len(plan.batches)
    release = f"Sparkle release {tag or parcels[layout.MANIFEST].entry.sha256[:12]}"
    for number, batch in enumerate(plan.batches, 1):
        title = release if number == count else f"{release}: data, {number} of {count - 1}"
        yield Change(tuple(parcels[entry.path] for entry in batch.puts), batch.deletes, title)


def _refuse_different(parcels: Mapping[str, Parcel], target: Target) -> None:
    """Raise ReleaseError when the place does not hold what was published."""
    left = make_plan(parcels, target.look(), target)
    wrong = [*(entry.path for entry in left.puts), *left.deletes]
    if wrong:
        raise ReleaseError(
            "the place does not hold what was just published",
            got=", ".join(wrong[:3]),
            where=target.name,
            fix="see whether somebody else publishes there, then run the same command again",
        )


# --- what was taken down in a place does not come back by a publish --------------------------------


_SHOWN = 3  # ids in a message


def refuse_returned(
    parcels: Mapping[str, Parcel],
    standing: Standing,
    target: Target,
    say: Callable[[str], None],
) -> None:
    """Raise ReleaseError when a release has pairs that were taken down of the one that stands in a place.

    Args:
        parcels: The files of the release; tables that are not here are those that are there already.
        standing: What stands in the place.
        target: The place.
        say: Told when the release does not record what was taken down there.
    """
    if standing.manifest is None or layout.PROVENANCE not in standing.files:
        return
    removed = _removed(target.read(layout.PROVENANCE), target.name)
    if not removed.ids and not removed.sources:
        return
    found = [sample_id for parcel in parcels.values() for sample_id in _taken_down(parcel, removed)]
    if found:
        more = f" ... ({len(found)} in all)" if len(found) > _SHOWN else ""
        raise ReleaseError(
            "the release has pairs that were taken down where it is to be published",
            got=", ".join(found[:_SHOWN]) + more,
            where=target.name,
            fix="`sparkle takedown` on the release with these ids; or build it with --previous, given "
            "what is published there",
        )
    own = parcels[layout.PROVENANCE].file if layout.PROVENANCE in parcels else None
    if own is not None and not set(removed.ids) <= set(_removed(own.read_bytes(), str(own)).ids):
        say("note: this release does not record what was taken down there; a later build will not know of it")


def _removed(data: bytes, where: str) -> Removed:
    try:
        return Removed.of(parse_strict(data))
    except RecordError as error:
        raise ReleaseError(
            "it cannot be read what was taken down of a release",
            got=error.problem,
            where=f"{where} {layout.PROVENANCE}",
            fix="mend that file first: what was taken down must not come back",
        ) from None


def _taken_down(parcel: Parcel, removed: Removed) -> list[str]:
    """The pairs of a table that were taken down."""
    file = parcel.file
    if file is None or layout.parse(parcel.entry.path).what is not layout.What.PAIRS:
        return []
    rows = read_columns(file, ["task", "source_sha256"]).to_pylist()
    return [
        row["task"]
        for row in rows
        if removed.has_id(row["task"]) or (row["source_sha256"] and removed.has_source(row["source_sha256"]))
    ]
