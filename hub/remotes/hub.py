"""A release in a dataset repository of a Hub.

- The revision is resolved once, to a commit: everything that is read belongs together, even when somebody
  publishes meanwhile.
- Files are downloaded whole into the cache of `huggingface_hub`, so a rerun transfers nothing. Which Hub it
  is and who asks is the client's own business: `HF_ENDPOINT`, `HF_TOKEN`, `hf auth login`.
- What the client raises becomes a `ReleaseError` with the next thing to do.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from huggingface_hub import HfApi, hf_hub_download
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from sparkle.hub.remotes.reading import patiently
from sparkle.schemas.errors import ReleaseError

# The client's HTTP library changed its name between versions; the base of its own error is the library's.
_HttpError: type[Exception] = HfHubHTTPError.__mro__[1]


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
        with client_errors(self.name):
            commit = patiently(lambda: HfApi().dataset_info(repo, revision=revision)).sha
        if commit is None:
            raise ReleaseError("the Hub names no commit of this repository", where=self.name)
        self.commit: str = commit

    @property
    def name(self) -> str:
        """`owner/name` or `owner/name@revision`."""
        return self.repo if self.revision is None else f"{self.repo}@{self.revision}"

    def fetch(self, path: str) -> Path:
        """The file in the client's cache, downloaded if need be; raises ReleaseError."""
        with client_errors(f"{self.name} {path}"):
            return Path(
                patiently(lambda: hf_hub_download(self.repo, path, repo_type="dataset", revision=self.commit))
            )


@contextmanager
def client_errors(where: str) -> Iterator[None]:
    """Turn the client's errors into a `ReleaseError`."""
    try:
        yield
    except HFValidationError as error:
        raise ReleaseError("not the name of a repository", got=error, where=where) from None
    except GatedRepoError:  # before RepositoryNotFoundError, which it is as well
        raise ReleaseError(
            "the repository wants its terms accepted first",
            where=where,
            fix="accept them on its page, then `hf auth login`",
        ) from None
    except RepositoryNotFoundError:
        raise ReleaseError(
            "no such folder, and no dataset repository of this name that you may read",
            where=where,
            fix="check the spelling; for a private repository `hf auth login`",
        ) from None
    except RevisionNotFoundError:
        raise ReleaseError("the repository has no such revision", where=where) from None
    except (LocalEntryNotFoundError, OfflineModeIsEnabled) as error:
        raise ReleaseError(
            "no such folder, and the Hub cannot be reached", got=error, where=where, fix="check the network"
        ) from None
    except EntryNotFoundError:
        raise ReleaseError("the release has no such file", where=where) from None
    except _HttpError as error:
        raise ReleaseError(
            "no such folder, and the Hub does not answer as it should", got=error, where=where
        ) from None
