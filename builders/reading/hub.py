"""A repository of a Hub at a commit, of a dataset or a model, as a place to read.

How it works
- A revision is resolved once, to a commit: everything that is read belongs together, even when somebody
  publishes meanwhile.
- Whole files are downloaded into the client's own cache, so a rerun transfers nothing; parts are read by HTTP
  range (`ranges`), as is a stream, which is never stored and goes on where it was when its connection breaks.
- Which Hub it is and who asks is the client's own business: `HF_ENDPOINT`, `HF_TOKEN`, `hf auth login`.
- A busy Hub is waited for, and what the client raises becomes an error that says what to do next (`client`);
  where no Hub is reached and the client's cache has the whole release, that is one thing to do.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, TypeVar, cast

from huggingface_hub import HfApi, hf_hub_download, try_to_load_from_cache
from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError
from huggingface_hub.hf_api import RepoFile, RepoFolder

from sparkle._files import BLOCK_BYTES
from sparkle.builders.reading.patience import READING, Bound, Patience, tell
from sparkle.builders.reading.ranges import Ranges
from sparkle.builders.reading.repository import DATASET, MODEL, RepoKind, Repository
from sparkle.builders.release.manifest import FileEntry, read_manifest
from sparkle.schemas import layout
from sparkle.schemas.errors import MissingFileError, ReleaseError, SparkleError, UnreachableError

_HUBS_OWN = ".gitattributes"  # written by the Hub itself when a repository is created
_REMEDY = "see what was published there, then run the same command again"

Answer = TypeVar("Answer")


def open_repository(repository: Repository) -> HubPlace:
    """Return a repository at the commit that its revision has now.

    Raises:
        ReleaseError: there is no such repository or revision.
        UnreachableError: the Hub does not answer.
    """
    commit = repository.commit
    if commit is None or repository.kind is None:
        with _naming_the_copy(repository):
            kind, commit = Patience(str(repository)).run(lambda: _resolve(repository))
        repository = replace(repository, kind=kind)
    if commit is None:
        raise ReleaseError("the Hub names no commit of this repository", where=repository)
    return HubPlace(repository.name, commit, name=str(repository), kind=repository.kind or DATASET)


def _resolve(repository: Repository) -> tuple[RepoKind, str | None]:
    """Ask what a name means, a dataset first where it does not say; raises what the client raises."""

    def ask(kind: RepoKind) -> tuple[RepoKind, str | None]:
        found = HfApi().repo_info(repository.name, revision=repository.revision, repo_type=kind)
        return kind, found.sha

    if repository.kind is not None:
        return ask(repository.kind)
    try:
        return ask(DATASET)
    except GatedRepoError:
        raise
    except RepositoryNotFoundError as no_dataset:
        try:
            return ask(MODEL)
        except GatedRepoError:
            raise
        except RepositoryNotFoundError:
            raise no_dataset from None


class HubPlace:
    """A repository at a commit.

    Args:
        repo: `owner/name`.
        commit: The commit.
        name: What to call it in messages; None is `owner/name@commit`.
        kind: Whether it is a dataset's or a model's.
        cache: A folder for whole files; None is the client's own cache.
        say: Told of waits; the default writes to standard error.
        bound: How long one waits.
        expected: Files that must be those where they are read in parts, by path; see `expecting`.
        remedy: What to do when one is another.

    Attributes:
        ranges: Parts of its files.
    """

    folder: Path | None = None

    def __init__(
        self,
        repo: str,
        commit: str,
        *,
        name: str | None = None,
        kind: RepoKind = DATASET,
        cache: Path | None = None,
        say: Callable[[str], None] = tell,
        bound: Bound = READING,
        expected: Mapping[str, FileEntry] | None = None,
        remedy: str = _REMEDY,
    ) -> None:
        self.repo, self.commit, self.kind = repo, commit, kind
        self._repository = Repository(repo, commit, kind)
        self.name = str(self._repository) if name is None else name
        self.ranges = Ranges(repo, commit, say, kind)
        self._cache, self._say, self._bound = cache, say, bound
        self._expected, self._remedy = expected or {}, remedy
        self._listed: Mapping[str, FileEntry] | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        """Connections, who is told of waits, and what was asked stay in their process."""
        make = partial(
            HubPlace,
            name=self.name,
            kind=self.kind,
            cache=self._cache,
            bound=self._bound,
            expected=self._expected,
            remedy=self._remedy,
        )
        return (make, (self.repo, self.commit))

    @property
    def where(self) -> str:
        """The repository at this commit."""
        return f"{self._repository.address}@{self.commit}"

    @property
    def requests(self) -> int:
        """How many requests were made for parts of files."""
        return self.ranges.requests

    @property
    def bytes_read(self) -> int:
        """How many bytes of parts of files arrived."""
        return self.ranges.bytes_received

    def refuse_changed(self) -> None:
        """Do nothing: a commit stays what it is."""

    def expecting(self, entries: Iterable[FileEntry], remedy: str) -> HubPlace:
        """Return the same repository, whose files must be those; see `Place.expecting`."""
        place = HubPlace(
            self.repo,
            self.commit,
            name=self.name,
            kind=self.kind,
            cache=self._cache,
            say=self._say,
            bound=self._bound,
            expected={entry.path: entry for entry in entries},
            remedy=remedy,
        )
        place._listed = self._listed
        return place

    def list(self) -> Mapping[str, FileEntry]:
        """Return every file by its path, without what the Hub puts there itself; it is asked once."""
        if self._listed is None:
            self._listed = self._ask("", lambda: list_tree(self.repo, self.commit, kind=self.kind))
        return self._listed

    def fetch(self, path: str) -> Path:
        """Return the file in the cache, downloaded if need be."""
        return self._ask(
            path,
            lambda: Path(
                hf_hub_download(
                    self.repo, path, repo_type=self.kind, revision=self.commit, cache_dir=self._cache
                )
            ),
        )

    def read(self, path: str, start: int, size: int) -> Iterator[bytes]:
        """Yield a range of a file as it arrives."""
        with _naming_the_copy(self._repository):
            yield from self.ranges.blocks(path, start, start + size, self._expected.get(path), self._remedy)

    @contextmanager
    def open(self, path: str) -> Iterator[BinaryIO]:
        """Open a file as it arrives, from front to back."""
        blocks = self.read(path, 0, self._entry(path).size)
        with io.BufferedReader(_Stream(blocks), BLOCK_BYTES) as stream:
            yield cast(BinaryIO, stream)

    def stamp(self, path: str) -> Sequence[Any]:
        """Return size and hash of a file, and its path."""
        entry = self._entry(path)
        return [entry.size, entry.sha256 or entry.git_sha1, path]

    def _entry(self, path: str) -> FileEntry:
        """What the Hub knows of a file, without listing the others for it."""
        if self._listed is not None:
            found = self._listed.get(path)
        else:
            ask = HfApi().get_paths_info
            items = self._ask(path, lambda: ask(self.repo, path, revision=self.commit, repo_type=self.kind))
            found = next((_entry_of(item) for item in items if isinstance(item, RepoFile)), None)
        if found is None:
            raise MissingFileError("the repository has no such file", where=f"{self.name} {path}")
        return found

    def _ask(self, path: str, action: Callable[[], Answer]) -> Answer:
        with _naming_the_copy(self._repository):
            return Patience(f"{self.name} {path}".strip(), self._say, self._bound).run(action)


@contextmanager
def _naming_the_copy(repository: Repository) -> Iterator[None]:
    """Let an error say where the client's cache has a whole copy of a release whose Hub is not reached."""
    try:
        yield
    except UnreachableError as error:
        manifest = try_to_load_from_cache(
            repository.name,
            layout.MANIFEST,
            repo_type=repository.kind or DATASET,
            revision=repository.revision,
        )
        if isinstance(manifest, str) and _is_whole(folder := Path(manifest).parent):
            copy = f"give the copy that the client's cache has: {folder}"
            error.fix = f"{error.fix}; or {copy}" if error.fix else copy
        raise


def _is_whole(folder: Path) -> bool:
    """Return whether a release's files are all there, by their sizes."""
    try:
        return all((folder / entry.path).stat().st_size == entry.size for entry in read_manifest(folder))
    except (SparkleError, OSError):
        return False


def list_tree(
    repo: str, commit: str, under: str | None = None, *, kind: RepoKind = DATASET
) -> dict[str, FileEntry]:
    """Ask for every file of a commit by its path, without the Hub's own; raises what the client raises.

    Args:
        repo: `owner/name`.
        commit: A commit.
        under: A folder of it; None is all of it.
        kind: Whether it is a dataset's or a model's.
    """
    tree: Iterable[RepoFile | RepoFolder] = HfApi().list_repo_tree(
        repo, under, recursive=True, revision=commit, repo_type=kind
    )
    files = [_entry_of(item) for item in tree if isinstance(item, RepoFile) and item.path != _HUBS_OWN]
    return {entry.path: entry for entry in sorted(files, key=lambda entry: entry.path)}


def _entry_of(item: RepoFile) -> FileEntry:
    if item.lfs is None:
        return FileEntry(item.path, item.size, "", item.blob_id)
    return FileEntry(item.path, item.lfs.size, item.lfs.sha256)


class _Stream(io.RawIOBase):
    """Blocks as a file that is read from front to back."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, room: Any, /) -> int:
        """Fill some of the room with the next bytes; none at the end."""
        if not self._rest:
            self._rest = memoryview(next(self._blocks, b""))
        count = min(len(room), len(self._rest))
        room[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count

    def close(self) -> None:
        """End the request."""
        close = getattr(self._blocks, "close", None)
        if not self.closed and close is not None:
            close()
        super().close()
