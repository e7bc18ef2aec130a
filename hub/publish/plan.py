"""What there is to publish: each file of a release compared with what the place has, and in which commits.

How it works
- A file is the same when the place has its sha256; of a text file that a Hub keeps in git, when it has the
  git hash of ours. It is neither read nor sent then, and need not be here.
- What the previous release listed and this one does not is deleted; so is data that a publish which ended
  early left. Other files of the place stay as they are. Nothing but a release, or what an unfinished publish
  of this one left, is published over.
- What a Hub does not take is refused before anything is sent; what it advises against is said.
- A reader of a branch must never see a card or a table that promises what is not there, nor a tar that is not
  the one which the table beside it was made of. So everything becomes visible in one commit, as far as a Hub
  takes that many files in one (`Limits.commit_files`).
- When there are more, data at new paths goes ahead, loose samples before shards: no table that readers have
  names those paths yet. The last commit has what readers go by (card, csv and JSON lines, tables, manifest),
  everything that is replaced or deleted, and as much of the rest as fits. A change that replaces more than a
  Hub advises stays one commit all the same: half of it would be wrong.
- Size, time of change and inode of each file are noted at the start, before anything is checked or hashed,
  and compared again before and after it is sent (`Parcel.refuse_changed`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from sparkle._files import safe_join, stamp
from sparkle._folders import is_no_part, is_stray_link
from sparkle._progress import size_text
from sparkle.builders.release.manifest import FileEntry, parse_manifest, read_manifest
from sparkle.hub.targets.target import Limits, Parcel, Standing, Target
from sparkle.schemas import layout
from sparkle.schemas.canonical import sha256_bytes
from sparkle.schemas.errors import ReleaseError
from sparkle.schemas.layout import What, parse


@dataclass(frozen=True)
class PublishPlan:
    """What a publish does.

    Attributes:
        where: The place.
        exists: Whether it is there already.
        new: Files at paths where nothing stands.
        replaced: Files at paths where something else stands.
        same: Files that stand there already.
        deletes: Paths that go.
        others: Paths of the place that are no part of a release, and stay.
        sent: Bytes, of those to put there, that an earlier publish sent.
        batches: The commits.
        notes: What a Hub advises against, and how long its quotas take.
    """

    where: str
    exists: bool
    new: tuple[FileEntry, ...]
    replaced: tuple[FileEntry, ...]
    same: tuple[FileEntry, ...]
    deletes: tuple[str, ...]
    others: tuple[str, ...]
    sent: int
    batches: tuple[Batch, ...]
    notes: tuple[str, ...]

    @property
    def puts(self) -> tuple[FileEntry, ...]:
        """Everything that is new or replaced."""
        return (*self.new, *self.replaced)

    @property
    def bytes(self) -> int:
        """Bytes of everything that is new or replaced."""
        return sum(entry.size for entry in self.puts)

    def __str__(self) -> str:
        kind = "" if self.exists else " (is made)"
        rest = f", {size_text(self.sent)} of it sent before" if self.sent else ""
        commits = len(self.batches)
        put = f"{len(self.new)} new files, {len(self.replaced)} replaced"
        lines = [
            f"plan: {self.where}{kind}",
            f"  put     {put}: {size_text(self.bytes)}{rest}",
            f"  delete  {len(self.deletes)} files",
            f"  same    {len(self.same)} files, {size_text(sum(entry.size for entry in self.same))}",
            f"  commits {commits}" + (": everything becomes visible at once" if commits == 1 else ""),
        ]
        if self.others:
            lines.append(f"  stays   {len(self.others)} files that are no part of a release")
        return "\n".join([*lines, *(f"  note: {note}" for note in self.notes)])


def make_plan(parcels: Mapping[str, Parcel], standing: Standing, target: Target) -> PublishPlan:
    """Compare a release with what stands in a place.

    Raises:
        ReleaseError: something else stands there, a file is neither there nor here, or a Hub does not take
            it.
    """
    entries = [parcel.entry for parcel in parcels.values()]
    found = {path: stored for path, stored in standing.files.items() if path in parcels}
    same = {path for path, stored in found.items() if _same(parcels[path], stored, target)}
    before = published_before(standing, target.name, same)
    if before and (layout.MODEL in before) != (layout.MODEL in parcels):
        raise _other_dataset("a release in place of a model, or a model in place of a release", target.name)
    puts = [entry for entry in entries if entry.path not in same]
    for entry in puts:
        parcel = parcels[entry.path]
        if parcel.file is None and not target.sent(parcel):
            raise ReleaseError(
                "a file of the release is neither here nor there",
                got=entry.path,
                wanted=f"sha256 {entry.sha256}",
                where=target.name,
            )
    gone = [path for path in before if path in standing.files and path not in parcels]
    gone += leftovers(standing, {*before, *parcels})
    limits = target.limits
    new = [entry for entry in puts if entry.path not in found]
    replaced = [entry for entry in puts if entry.path in found]
    commits = batches(new, replaced, gone, limits.commit_files if limits else None)
    others = [path for path in standing.files if path not in parcels and path not in gone]
    return PublishPlan(
        where=target.name,
        exists=standing.head is not None,
        new=tuple(new),
        replaced=tuple(replaced),
        same=tuple(entry for entry in entries if entry.path in same),
        deletes=tuple(sorted(gone)),
        others=tuple(others),
        sent=sum(entry.size for entry in puts if target.sent(parcels[entry.path])),
        batches=tuple(commits),
        notes=tuple(_notes(entries, [*parcels, *others], commits, limits)) if limits else (),
    )


def _same(parcel: Parcel, stored: FileEntry, target: Target) -> bool:
    """Whether a place has a file already."""
    if parcel.file is None and not stored.sha256 and stored.size == parcel.entry.size:
        return sha256_bytes(target.read(parcel.entry.path)) == parcel.entry.sha256
    return parcel.is_stored(stored)


def _notes(
    entries: Sequence[FileEntry], paths: Sequence[str], commits: Sequence[Batch], limits: Limits
) -> Iterator[str]:
    """Yield what a Hub advises against; raises ReleaseError for what it does not take."""
    for entry in entries:
        if entry.size > limits.file_bytes:
            raise ReleaseError(
                "a file is larger than the Hub takes",
                got=f"{entry.size:,} bytes",
                wanted=f"at most {limits.file_bytes:,}",
                where=entry.path,
                fix="`sparkle build --max-shard-size 5GB --repack`",
            )
    folders = Counter(str(PurePosixPath(path).parent) for path in paths)
    for folder, count in folders.items():
        if count > limits.folder_files:
            raise ReleaseError(
                "a folder has more files than the Hub takes",
                got=f"{count:,} files",
                wanted=f"at most {limits.folder_files:,}",
                where=folder,
                fix="`sparkle build` with a smaller --preview or a larger --max-shard-size",
            )
    if len(paths) > limits.files:
        yield f"{len(paths):,} files; the Hub advises at most {limits.files:,} a repository"
    large = sum(entry.size > limits.advised_bytes for entry in entries)
    if large:
        yield f"{large} files are larger than {size_text(limits.advised_bytes)}: downloads get slow"
    if len(commits) > 1:
        yield (
            f"more than {limits.commit_files} files, which is what a commit should hold: data that nothing "
            "names yet goes ahead, and all that readers go by comes with the last commit"
        )
    if commits and len(commits[-1].puts) + len(commits[-1].deletes) > limits.commit_files:
        yield "the last commit is larger than the Hub advises: what is replaced must change at once"
    if len(commits) > limits.hourly_commits:
        yield f"{len(commits)} commits take hours: the Hub takes about {limits.hourly_commits} an hour"


# --- in which commits ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Batch:
    """What one commit holds.

    Attributes:
        puts: Files that are new or replaced, sorted by path.
        deletes: Paths that go, sorted.
    """

    puts: tuple[FileEntry, ...]
    deletes: tuple[str, ...] = ()


def is_shard(path: str) -> bool:
    """Whether a path of a release is a tar."""
    return path.endswith(".tar")


def is_data(path: str) -> bool:
    """Whether a path of a release is one that readers find by tables, not one that they go by."""
    return is_shard(path) or is_ours(path)


def is_ours(path: str) -> bool:
    """Whether a path is one where nothing but a release has data."""
    return parse(path).what in (What.TAR, What.PAIRED, What.FILE)


def batches(
    new: Sequence[FileEntry], replaced: Sequence[FileEntry], deletes: Sequence[str], limit: int | None
) -> list[Batch]:
    """The commits that a release takes, in order; none when there is nothing to do.

    Args:
        new: Files at paths where nothing stands.
        replaced: Files at paths where something else stands.
        deletes: Paths that go.
        limit: Files a commit; None for as many as there are.
    """
    if not (new or replaced or deletes):
        return []
    data = sorted((entry for entry in new if is_data(entry.path)), key=_early)
    last = [entry for entry in new if not is_data(entry.path)] + list(replaced)
    room = len(data) if limit is None else max(0, limit - len(last) - len(deletes))
    ahead, rest = data[: max(0, len(data) - room)], data[max(0, len(data) - room) :]
    step = limit or len(data) or 1
    early = [Batch(_by_path(ahead[start : start + step])) for start in range(0, len(ahead), step)]
    return [*early, Batch(_by_path([*last, *rest]), tuple(sorted(deletes)))]


def sending_order(entries: Sequence[FileEntry]) -> list[FileEntry]:
    """Files in the order in which they are sent: shards, loose samples, then what readers go by."""
    rank = {True: 0, False: 1}
    return sorted(
        entries, key=lambda entry: (rank[is_data(entry.path)], rank[is_shard(entry.path)], entry.path)
    )


def _early(entry: FileEntry) -> tuple[bool, str]:
    return is_shard(entry.path), entry.path


def _by_path(entries: Sequence[FileEntry]) -> tuple[FileEntry, ...]:
    return tuple(sorted(entries, key=lambda entry: entry.path))


# --- what may be published over --------------------------------------------------------------------


_SHOWN = 3  # paths in a message


def published_before(standing: Standing, where: str, same: Collection[str]) -> Mapping[str, FileEntry]:
    """The files that the release which stands in a place lists; none when the place is empty.

    Args:
        standing: What stands there.
        where: The place, for messages.
        same: Paths there that hold what is about to be published.

    Raises:
        ReleaseError: something else stands there.
    """
    if standing.manifest is not None:
        try:
            return {entry.path: entry for entry in parse_manifest(standing.manifest, where)}
        except ReleaseError as error:
            raise _other_dataset(f"a {layout.MANIFEST} of another kind: {error.problem}", where) from None
    others = [path for path in standing.files if path not in same and not is_no_part(path)]
    if others and others != [layout.CARD]:
        raise _other_dataset(", ".join(others[:_SHOWN]), where)
    return {}


def refuse_other(standing: Standing, where: str) -> None:
    """Raise ReleaseError when something else stands in a place; what is to be published is not known yet."""
    published_before(standing, where, {path for path in standing.files if is_ours(path)})


def leftovers(standing: Standing, listed: Collection[str]) -> list[str]:
    """Data of a publish that ended early: paths that are a release's own, and that no manifest lists."""
    return [path for path in standing.files if path not in listed and is_ours(path)]


def _other_dataset(got: str, where: str) -> ReleaseError:
    return ReleaseError(
        "something else stands there, and it would be mixed with the release",
        got=got,
        wanted=f"an empty place, or a release (a {layout.MANIFEST} as `sparkle build` writes it)",
        where=where,
        fix="choose another name; or empty the place yourself, if what is there may go",
    )


# --- the files of a release ------------------------------------------------------------------------


def list_release(folder: Path) -> list[FileEntry]:
    """Every file of a release, its manifest included, sorted by path.

    Raises:
        ReleaseError: it is not a release, or its manifest cannot be read.
    """
    entries = read_manifest(folder)
    manifest = (folder / layout.MANIFEST).read_bytes()
    own = FileEntry(layout.MANIFEST, len(manifest), sha256_bytes(manifest))
    return sorted([*entries, own], key=lambda entry: entry.path)


def note_files(folder: Path, entries: Sequence[FileEntry]) -> dict[str, Parcel]:
    """Return the files of a release by their paths, as far as they are here, and what they are like now.

    Args:
        folder: The release.
        entries: Its files.

    Raises:
        UnsafePathError: a path of the manifest leaves the folder.
        ReleaseError: a path of it is a link or no file.
    """
    parcels = {}
    for entry in entries:
        file = safe_join(folder, entry.path)
        if is_stray_link(file, folder) or (file.exists() and not file.is_file()):
            raise ReleaseError("a path of the release is no plain file", where=file)
        noted = stamp(file)
        parcels[entry.path] = Parcel(entry, None if noted is None else file, noted)
    return parcels
