"""A release in a dataset repository of a Hub.

- The revision is resolved once, to a commit: everything that is read belongs together, even when somebody
  publishes meanwhile.
- Files are downloaded whole into the cache of `huggingface_hub`, so a rerun transfers nothing. Which Hub it
  is and who asks is the client's own business: `HF_ENDPOINT`, `HF_TOKEN`, `hf auth login`.
- What the client raises becomes a `ReleaseError` with the next thing to do.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

from huggingface_hub import HfApi, hf_hub_download

from sparkle.builders.source.hub_errors import client_errors
from sparkle.builders.source.ranges import Ranges
from sparkle.hub.remotes.reading import patiently
from sparkle.schemas.errors import ReleaseError, UnreachableError


class HubRemote:
    """A release in a dataset repository.

    Args:
        repo: `owner/name`.
        revision: A branch, tag or commit; None is the main branch.

    Raises:
        ReleaseError: there is no such repository or revision, or the Hub cannot be reached.
    """

    def __init__(self, repo: str, revision: str | None = None) -> None:
        self.repo = repo
        self.revision = revision
        try:
            with client_errors(self.name):
                commit = patiently(lambda: HfApi().dataset_info(repo, revision=revision)).sha
        except UnreachableError as error:  # a folder may have been meant
            raise UnreachableError(
                "no such folder, and the Hub does not answer", got=error.got, where=self.name, fix=error.fix
            ) from None
        if commit is None:
            raise ReleaseError("the Hub names no commit of this repository", where=self.name)
        self.commit: str = commit

    def __getstate__(self) -> dict[str, str | None]:
        """Where it is; requests stay in their process."""
        return {"repo": self.repo, "revision": self.revision, "commit": self.commit}

    @property
    def name(self) -> str:
        """`owner/name` or `owner/name@revision`."""
        return self.repo if self.revision is None else f"{self.repo}@{self.revision}"

    @cached_property
    def ranges(self) -> Ranges:
        """Its files by ranges, where only a part of one is wanted."""
        return Ranges(self.repo, self.commit)

    def fetch(self, path: str) -> Path:
        """The file in the client's cache, downloaded if need be; raises ReleaseError."""
        with client_errors(f"{self.name} {path}"):
            return Path(
                patiently(lambda: hf_hub_download(self.repo, path, repo_type="dataset", revision=self.commit))
            )
