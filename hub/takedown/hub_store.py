"""A release in a repository, as a removal reads it: at one commit, into a folder of its own.

- Files go into a cache of this takedown alone, which is deleted with it: what is taken down does not stay
  behind in the user's cache.
- Tars are read by range, a block at a time. What the client does not wait out itself is waited out here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from huggingface_hub import HfApi
from huggingface_hub.errors import EntryNotFoundError

from sparkle.hub.remotes.patience import Patience
from sparkle.hub.remotes.ranges import request_range
from sparkle.schemas import layout
from sparkle.schemas.errors import ReleaseError

# A 5 GB tar is 320 requests; a Hub answers 5,000 in 5 minutes, and each takes as much memory.
_BLOCK_BYTES = 16 << 20


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
        end = start + size
        while start < end:
            block = self._range(path, start, min(end - start, _BLOCK_BYTES))
            yield block
            start += len(block)

    def _range(self, path: str, start: int, size: int) -> bytes:
        found = self._patience.run(lambda: request_range(self._repo, self._commit, path, start, size))
        if len(found) != size:
            raise ReleaseError(
                "another number of bytes than asked for",
                got=len(found),
                wanted=f"{size} from byte {start}",
                where=f"{self._repo} {path}",
            )
        return found
