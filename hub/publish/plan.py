"""What there is to do: each file of a release compared with what stands in the place.

- A file is the same when the place holds its sha256; of a text file that a Hub keeps in git, when it holds
  the git hash of ours. It is neither read nor sent then, and need not be here.
- What the release before listed and this one does not is deleted; so is data that a publish which ended early
  left. Other files of the place stay as they are.
- What a Hub does not take is refused before anything is sent; what it advises against is said.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from sparkle.builders.manifest import FileEntry
from sparkle.hub.publish.files import LocalFiles
from sparkle.hub.publish.occupied import leftovers, published_before
from sparkle.hub.publish.order import Batch, batches
from sparkle.hub.remotes.target import Limits, Parcel, Standing, Stored, Target, git_sha1
from sparkle.schemas.canonical import sha256_bytes
from sparkle.schemas.errors import ReleaseError


@dataclass(frozen=True)
class Plan:
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
        rest = f", {readable(self.sent)} of it sent before" if self.sent else ""
        commits = len(self.batches)
        put = f"{len(self.new)} new files, {len(self.replaced)} replaced"
        lines = [
            f"plan: {self.where}{kind}",
            f"  put     {put}: {readable(self.bytes)}{rest}",
            f"  delete  {len(self.deletes)} files",
            f"  same    {len(self.same)} files, {readable(sum(entry.size for entry in self.same))}",
            f"  commits {commits}" + (": everything becomes visible at once" if commits == 1 else ""),
        ]
        if self.others:
            lines.append(f"  stays   {len(self.others)} files that are no part of a release")
        return "\n".join([*lines, *(f"  note: {note}" for note in self.notes)])


def make_plan(entries: Sequence[FileEntry], files: LocalFiles, standing: Standing, target: Target) -> Plan:
    """Compare a release with what stands in a place.

    Raises:
        ReleaseError: something else stands there, a file is neither there nor here, or a Hub does not take
            it.
    """
    parcels = {entry.path: files.parcel(entry) for entry in entries}
    found = {path: stored for path, stored in standing.files.items() if path in parcels}
    same = {path for path, stored in found.items() if _same(parcels[path], stored, target)}
    before = published_before(standing, target.name, same)
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
    return Plan(
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


def _same(parcel: Parcel, stored: Stored, target: Target) -> bool:
    """Whether a place holds a file already."""
    if stored.size != parcel.entry.size:
        return False
    if stored.sha256 is not None:
        return stored.sha256 == parcel.entry.sha256
    if parcel.file is None:
        return sha256_bytes(target.read(parcel.entry.path)) == parcel.entry.sha256
    return stored.git_sha1 == git_sha1(parcel.read())


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
        yield f"{large} files are larger than {readable(limits.advised_bytes)}: downloads get slow"
    if len(commits) > 1:
        yield (
            f"more than {limits.commit_files} files, which is what a commit should hold: data that nothing "
            "names yet goes ahead, and all that readers go by comes with the last commit"
        )
    if commits and len(commits[-1].puts) + len(commits[-1].deletes) > limits.commit_files:
        yield "the last commit is larger than the Hub advises: what is replaced must change at once"
    if len(commits) > limits.hourly_commits:
        yield f"{len(commits)} commits take hours: the Hub takes about {limits.hourly_commits} an hour"


def readable(size: int) -> str:
    """Bytes for people."""
    return f"{size / 1e9:,.1f} GB" if size >= 1e9 else f"{size / 1e6:,.1f} MB"
