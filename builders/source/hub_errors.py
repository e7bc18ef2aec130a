"""What the client of a Hub raises, as errors that say what to do next.

No secret is in them: a signed address is a key to what it names, so addresses lose what stands after `?`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

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

from sparkle.schemas.errors import ReleaseError, UnreachableError

# The client's HTTP library changed its name between versions; the base of its own error is the library's,
# and covers refused connections, time-outs and answers that break off.
HttpError: type[Exception] = HfHubHTTPError.__mro__[1]

_QUERY = re.compile(r"(https?://[^\s?'\"]+)\?[^\s'\"]*")


@contextmanager
def client_errors(where: str) -> Iterator[None]:
    """Turn the client's errors into a `ReleaseError`; `where` is the repository, or a file of it."""
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
        raise UnreachableError(
            "no such folder, and the Hub cannot be reached",
            got=_shown(error),
            where=where,
            fix="check the network",
        ) from None
    except EntryNotFoundError:
        raise ReleaseError("the repository has no such file", where=where) from None
    except HttpError as error:
        raise UnreachableError(
            "the Hub does not answer as it should", got=_shown(error), where=where, fix="try again later"
        ) from None


def _shown(error: Exception) -> str:
    return _QUERY.sub(r"\1", str(error))
