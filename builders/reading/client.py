"""What the client of a Hub raises, as errors that say what to do next.

No secret is in them: a signed address is a key to what it names, so addresses lose what stands after `?`.

What the Hub's clients raise: whether waiting helps and how long, and what to tell a person.

- The clients wrap errors in others; the first in the chain that says something decides.
- Nothing secret passes: a signed address is a key to what it names, so addresses lose what stands after `?`,
  and everything that looks like a token is blotted out. `quiet_clients` does the same to the clients' log.

Doing something at a Hub until it is done: outages are waited out, within bounds; nothing is done twice.

- The client repeats some requests itself, five times in about 30 s; `create_commit`, `create_repo` and others
  it does not. This goes around all of them.
- An answer can be lost: what asked for it may have been done. Before a request that changes something is
  repeated, `settled` looks whether it has been.
- Waits are the Hub's own (`Retry-After`, `RateLimit`), or double from one second to thirty.

Asking a Hub for something until it answers: a busy Hub is waited for, a few minutes and no longer.

The client repeats some requests itself and others not (a download that is answered 503, for one). Asking does
no harm, so here all are repeated alike. A Hub that cannot be reached at all is not waited for: that is said
at once.
"""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    LocalTokenNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from sparkle.schemas.errors import ConfigError, ReleaseError, SparkleError, UnreachableError

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


# --- what the Hub's clients raise ------------------------------------------------------------------


# The client's HTTP library changed its name between versions; the base of its own error is the library's.
_LibraryError: type[Exception] = HfHubHTTPError.__mro__[1]

# Everything that the clients raise; those of hf_xet and of uploads by LFS are plain Python errors.
CLIENT_ERRORS: tuple[type[Exception], ...] = (_LibraryError, OSError, RuntimeError, ValueError)

_BUSY = frozenset({408, 425, 429, 500, 502, 503, 504})
_TOO_MANY = 429
CONFLICT = 409
# hf_xet tells its errors by words; a status stands in them as "503 Service Unavailable" or "(503)".
_STATUS = re.compile(r"\b([45]\d\d)\b")
_CONNECTION = re.compile(r"connect|timed? ?out|reset|broken pipe|sending request|incomplete message", re.I)

_USER = re.compile(r"(https?://)[^/\s@]+@")
_TOKEN = re.compile(r"\bhf_[A-Za-z0-9_]{3,}|(?i:bearer)\s+\S+")


def scrub(text: object) -> str:
    """A text without signatures, passwords in addresses and tokens."""
    without = _USER.sub(r"\1", _QUERY.sub(r"\1?...", str(text)))
    return _TOKEN.sub("(token)", without)


_LOG_IN = "`hf auth login`, or set HF_TOKEN, with a token that may write"


class HubRefusal(ReleaseError):
    """The Hub answered that it does not do what it was asked for."""


class _Scrubbing(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = scrub(record.getMessage()), None
        return True


def quiet_clients() -> None:
    """Let the clients draw no bars of their own, and log no secret."""
    from huggingface_hub.utils.tqdm import disable_progress_bars

    disable_progress_bars()
    for handler in logging.getLogger("huggingface_hub").handlers:
        if not any(isinstance(found, _Scrubbing) for found in handler.filters):
            handler.addFilter(_Scrubbing())


def chain(error: BaseException) -> Iterator[BaseException]:
    """An error, then what caused it, and so on."""
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        seen = seen.__cause__ or seen.__context__


def status_of(error: BaseException) -> int | None:
    """The HTTP status that an error comes from, where it comes from one."""
    for found in chain(error):
        if isinstance(found, HfHubHTTPError):
            return int(found.response.status_code)
    match = _STATUS.search(str(error)) if _of_xet(error) else None
    return int(match[1]) if match else None


def is_busy(error: BaseException) -> bool:
    """Whether the same request may succeed later: the Hub is busy, or the network failed."""
    status = status_of(error)
    if status is not None:
        return status in _BUSY
    # No answer at all, or one that is no JSON: a page that something between us and the Hub answers with.
    if any(isinstance(found, (_LibraryError, json.JSONDecodeError)) for found in chain(error)):
        return True
    return _of_xet(error) and bool(_CONNECTION.search(str(error)))


def asked_to_wait(error: BaseException) -> float | None:
    """The seconds that the Hub asks to wait, where it does."""
    for found in chain(error):
        if isinstance(found, HfHubHTTPError):
            value = found.response.headers.get("Retry-After", "")
            if value.isdecimal():
                return float(value)
            # RateLimit: "api";r=0;t=55 (the Hub's documentation of rate limits)
            limit = re.search(r"\bt=(\d+)", found.response.headers.get("RateLimit", ""))
            return float(limit[1]) if limit and status_of(found) == _TOO_MANY else None
    return None


def is_quota(error: BaseException) -> bool:
    """Whether the Hub says that there were too many requests."""
    return status_of(error) == _TOO_MANY


def _of_xet(error: BaseException) -> bool:
    """Whether an error is hf_xet's: plain Python errors that the Rust side raises."""
    return not isinstance(error, (HfHubHTTPError, SparkleError, _LibraryError)) and isinstance(
        error, (RuntimeError, OSError, ValueError)
    )


def explain(error: BaseException, where: str) -> SparkleError:
    """What to tell a person about an error of a client while publishing."""
    for kind, made in _KINDS.items():
        for found in chain(error):
            if isinstance(found, kind):
                return made(found, where)
    status = status_of(error)
    got = scrub(error).splitlines()[0] if str(error) else type(error).__name__
    if status in _STATUSES:
        problem, fix = _STATUSES[status]
        return ReleaseError(problem, got=got, where=where, fix=fix)
    if is_busy(error):
        return ReleaseError(
            "the Hub cannot be reached, or does not answer as it should",
            got=got,
            where=where,
            fix="run the same command again later: it goes on where this ended",
        )
    return HubRefusal("the Hub refuses", got=got, where=where)


def _no_token(error: BaseException, where: str) -> SparkleError:
    return ConfigError("publishing needs a token", where=where, fix=_LOG_IN)


def _bad_name(error: BaseException, where: str) -> SparkleError:
    return ConfigError("not the name of a repository", got=scrub(error).splitlines()[0], wanted="owner/name")


def _offline(error: BaseException, where: str) -> SparkleError:
    return ConfigError("HF_HUB_OFFLINE is set: the Hub is not asked", where=where, fix="unset it")


def _no_repository(error: BaseException, where: str) -> SparkleError:
    fix = "check the spelling, and that the token may write there"
    return ReleaseError("no dataset repository of this name that you may see", where=where, fix=fix)


def _no_revision(error: BaseException, where: str) -> SparkleError:
    return ReleaseError("the repository has no such branch", where=where)


_KINDS = {
    LocalTokenNotFoundError: _no_token,
    HFValidationError: _bad_name,
    OfflineModeIsEnabled: _offline,
    GatedRepoError: _no_repository,
    RepositoryNotFoundError: _no_repository,
    RevisionNotFoundError: _no_revision,
}
_STATUSES = {
    401: ("the Hub does not know this token", _LOG_IN),
    403: (
        "this token may not do that",
        "take one that may write to this owner's repositories (`hf auth login`), or another owner",
    ),
    413: ("the Hub takes no file of this size", "build with a smaller --max-shard-size"),
    507: (
        "the Hub's disk is full: nothing of this became visible",
        "make room there and run the same command again: what was sent is not sent twice",
    ),
}


# --- doing something at a Hub until it is done -----------------------------------------------------


# An outage of a quarter of an hour is somebody's to look at. Quotas (commits an hour) end by themselves.
_OUTAGE_SECONDS, _QUOTA_SECONDS = 900.0, 7200.0
_FIRST_WAIT, _LONGEST_WAIT = 1.0, 30.0  # seconds
_SAID_WAIT = 5.0  # seconds of a wait that a person wonders about

Answer = TypeVar("Answer")


class Patience:
    """How long one waits for a Hub.

    Args:
        where: The place, for messages.
        say: Told of waits.
        outage: Seconds of failing after which it is given up.
    """

    def __init__(self, where: str, say: Callable[[str], None], outage: float = _OUTAGE_SECONDS) -> None:
        self._where = where
        self._say = say
        self._outage = outage

    def run(self, action: Callable[[], Answer], settled: Callable[[], Answer | None] | None = None) -> Answer:
        """Do something; returns what it answers.

        Args:
            action: What to do.
            settled: Asked after a failure: what `action` would have answered, when it was done all the same.

        Raises:
            SparkleError: the Hub refuses, or fails for too long.
        """
        started, wait = time.monotonic(), _FIRST_WAIT
        while True:
            try:
                return action()
            except SparkleError:
                raise
            except CLIENT_ERRORS as error:
                failure = error
            if settled is not None and (found := self.run(settled)) is not None:
                return found
            if not is_busy(failure):
                raise explain(failure, self._where) from None
            pause = asked_to_wait(failure) or wait
            bound = _QUOTA_SECONDS if is_quota(failure) else self._outage
            if time.monotonic() - started + pause > bound:
                raise explain(failure, self._where) from None
            if pause >= _SAID_WAIT:
                self._say(f"waiting {pause:.0f} s for the Hub: {scrub(failure).splitlines()[0]}")
            time.sleep(pause)
            wait = min(2 * wait, _LONGEST_WAIT)


# --- asking a Hub for something until it answers ---------------------------------------------------


_PATIENCE = 300.0  # seconds: the Hub's quotas of requests are counted over five minutes


def patiently(ask: Callable[[], Answer]) -> Answer:
    """What a Hub answers; raises what the client raises."""
    started, wait = time.monotonic(), _FIRST_WAIT
    while True:
        try:
            return ask()
        except CLIENT_ERRORS as error:
            if status_of(error) is None or not is_busy(error):
                raise
            pause = asked_to_wait(error) or wait
            if time.monotonic() - started + pause > _PATIENCE:
                raise
        time.sleep(pause)
        wait = min(2 * wait, _LONGEST_WAIT)
