"""A release in a repository, as a removal reads it: at one commit, into a folder of its own.

- Files go into a cache of this takedown alone, which is deleted with it: what is taken down does not stay
  behind in the user's cache.
- Tars are read by range (`sparkle.builders.source.ranges`). What the client does not wait out itself is
  waited out here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from huggingface_hub import HfApi
from huggingface_hub.errors import EntryNotFoundError

from sparkle.builders.source.ranges import Ranges
from sparkle.hub.remotes.patience import Patience
from sparkle.schemas import layout
from sparkle.schemas.errors import ReleaseError

_REMEDY = "see what was published there, then run the same command again"


class HubStore:
    """A release at a commit.

    Args:
        repo: `owner/name`.
        commit: The commit.
        cache: Where what is fetched stays for now.
        say: Told of waits.
    """

    def __init__(self, repo: str, commit: str, cache: Path, say: Callable[[str], None]) -> None:
        self._repo = repo
        self._commit = commit
        self._cache = cache
        self._patience = Patience(repo, say)
        self._api = HfApi()
        self._ranges = Ranges(repo, commit)

    def file(self, path: str) -> Path:
        """The file, downloaded if need be; raises ReleaseError."""

        def fetch() -> Path:
            try:
                return Path(
                    self._api.hf_hub_download(
                        self._repo,
                        path,
                        repo_type="dataset",
                        revision=self._commit,
                        cache_dir=self._cache,
                    )
                )
            except EntryNotFoundError:
                problem = "not a release" if path == layout.MANIFEST else "the release has no such file"
                where = f"{self._repo}@{self._commit[:12]}"
                raise ReleaseError(problem, wanted=path, where=where) from None

        return self._patience.run(fetch)

    def read(self, path: str, start: int, size: int) -> Iterator[bytes]:
        """Yield some bytes of a file in blocks; raises ReleaseError when the answer is another length."""
        return self._ranges.blocks(path, start, start + size, None, _REMEDY)
