"""What the Hub's client raises: whether waiting helps and how long, and what to tell a person.

How it works
- The client wraps errors in others; the first in the chain that says something decides.
- The client repeats some requests itself, five times in about 30 s; others, such as `create_commit` or a
  download that is answered 503, it does not. `Patience` goes around all of them. It waits as long as the Hub
  asks (`Retry-After`, `RateLimit`), else from half a second on, doubling up to half a minute.
- Asking for something does no harm, so it is simply repeated, for a few minutes; a Hub that cannot be
  reached at all is said at once. What changes something may have been done although its answer was lost:
  before it is repeated, `settled` looks whether it has been.
- Nothing secret passes: a signed address is a key to what it names, so addresses lose what follows `?`, and
  everything that looks like a token is blotted out. `quiet_clients` does the same to the client's log.
"""

from __future__ import annotations

import json
import logging
import re
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple, TypeVar
from urllib.parse import urlsplit

from huggingface_hub import constants
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

from sparkle._patience import BUSY, seconds_asked, waiting_time
from sparkle.builders.reading.session import HttpError
from sparkle.schemas.errors import (
    ConfigError,
    MissingFileError,
    ReleaseError,
    SparkleError,
    UnreachableError,
)

# Everything that the client raises; errors of hf_xet and of uploads by LFS are plain Python errors.
_CLIENT_ERRORS: tuple[type[Exception], ...] = (HttpError, OSError, RuntimeError, ValueError)

CONFLICT = 409
_TOO_MANY = 429

_SAID_WAIT = 5.0  # seconds of a wait that a person wonders about

# hf_xet tells its errors by words; a status appears in them as "503 Service Unavailable" or "(503)".
_STATUS = re.compile(r"\b([45]\d\d)\b")
_CONNECTION = re.compile(r"connect|timed? ?out|reset|broken pipe|sending request|incomplete message", re.I)

_REQUEST = re.compile(r"\(Request ID: [^)]*\)")
_ADVICE = "For more information check:"  # a page on what a status means
_QUERY = re.compile(r"(https?://[^\s?'\"]+)\?[^\s'\"]*")
_USER = re.compile(r"(https?://)[^/\s@]+@")
_TOKEN = re.compile(r"\bhf_[A-Za-z0-9_]{3,}|(?i:bearer)\s+\S+")

_LOG_IN = "`hf auth login`, or set HF_TOKEN, with a token that may write"

Answer = TypeVar("Answer")


class HubRefusal(ReleaseError):
    """The Hub answered that it does not do what it was asked for."""


# --- asking until there is an answer ---------------------------------------------------------------


class Bound(NamedTuple):
    """Seconds of failing after which one gives up: a busy Hub, a quota, no answer at all."""

    busy: float
    quota: float
    silent: float


READING = Bound(300.0, 300.0, 0.0)  # the Hub's quotas of requests are counted over five minutes
# An outage of a quarter of an hour is somebody's to look at. Quotas (commits an hour) end by themselves.
WRITING = Bound(900.0, 7200.0, 900.0)


class Patience:
    """How long one waits for a Hub.

    Args:
        where: The place, for messages.
        say: Told of waits.
        bound: When one gives up.
    """

    def __init__(
        self, where: str, say: Callable[[str], None] = lambda text: None, bound: Bound = READING
    ) -> None:
        self._where = where
        self._say = say
        self._bound = bound

    def run(self, action: Callable[[], Answer], settled: Callable[[], Answer | None] | None = None) -> Answer:
        """Do something; returns what it answers.

        Args:
            action: What to do.
            settled: Asked after a failure: what `action` would have answered, when it was done all the same.

        Raises:
            SparkleError: the Hub refuses, or fails for too long.
            ConfigError: the Hub's address is none.
            OSError: something of this machine failed, such as a full disk.
        """
        _require_address()
        started, failures = time.monotonic(), 0
        while True:
            try:
                return action()
            except SparkleError:
                raise
            except _CLIENT_ERRORS as error:
                if _is_of_this_machine(error):
                    raise
                failure, failures = error, failures + 1
            if settled is not None and (found := self.run(settled)) is not None:
                return found
            pause = waiting_time(failures, _seconds_asked(failure))
            if not is_busy(failure) or time.monotonic() - started + pause > self._longest(failure):
                raise explain(failure, self._where) from None
            if pause >= _SAID_WAIT:
                left = self._longest(failure) - (time.monotonic() - started)
                bound = f"giving up in {left / 60:.0f} min"
                self._say(f"waiting {pause:.0f} s for {host()} ({bound}): {words_of(failure)}")
            time.sleep(pause)

    def _longest(self, failure: BaseException) -> float:
        status = status_of(failure)
        if status is None:
            return self._bound.silent
        return self._bound.quota if status == _TOO_MANY else self._bound.busy


def _seconds_asked(error: BaseException) -> float | None:
    return next((seconds_asked(found.response.headers) for found in _answered(error)), None)


def _answered(error: BaseException) -> Iterator[HfHubHTTPError]:
    """Yield those of a chain that come with an answer; before version 1 of the client, not all do."""
    yield from (
        found for found in chain(error) if isinstance(found, HfHubHTTPError) and found.response is not None
    )


def host() -> str:
    """Return the address of the Hub that is asked."""
    return scrub(constants.ENDPOINT)


def _require_address() -> None:
    """Raise ConfigError for an address that no request can be sent to; it is no outage that ends."""
    try:
        address = urlsplit(constants.ENDPOINT)
        good = address.scheme in ("http", "https") and bool(address.hostname) and (address.port or 1) > 0
    except ValueError:
        good = False
    if not good:
        raise ConfigError(
            "HF_ENDPOINT is not the address of a Hub",
            got=host() or "nothing",
            wanted="http://HOST:PORT or https://HOST",
            fix="set HF_ENDPOINT, or unset it for https://huggingface.co",
        )


# --- what an error says ----------------------------------------------------------------------------


def chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error, then what caused it, and so on."""
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        seen = seen.__cause__ or seen.__context__


def status_of(error: BaseException) -> int | None:
    """Return the HTTP status that an error comes from, where it comes from one."""
    for found in _answered(error):
        return int(found.response.status_code)
    match = _STATUS.search(str(error)) if _is_of_xet(error) else None
    return int(match[1]) if match else None


def is_busy(error: BaseException) -> bool:
    """Return whether the same request may succeed later: the Hub is busy, or the network failed."""
    status = status_of(error)
    if status is not None:
        return status in BUSY
    if any(isinstance(found, OfflineModeIsEnabled) for found in chain(error)):
        return False
    # No answer at all, or one that is no JSON: a page that something between us and the Hub answers with.
    unanswered = (HttpError, LocalEntryNotFoundError, json.JSONDecodeError)
    if any(isinstance(found, unanswered) for found in chain(error)):
        return True
    return _is_of_xet(error) and bool(_CONNECTION.search(str(error)))


def _is_of_xet(error: BaseException) -> bool:
    """Whether an error is hf_xet's: plain Python errors that the Rust side raises."""
    return not isinstance(error, (SparkleError, HttpError)) and isinstance(
        error, (RuntimeError, OSError, ValueError)
    )


def _is_of_this_machine(error: BaseException) -> bool:
    """Whether an error is the system's about a file, a disk or a permission, and no network's."""
    network = (HttpError, ConnectionError, TimeoutError, socket.gaierror, ssl.SSLError)
    return isinstance(error, OSError) and error.errno is not None and not isinstance(error, network)


# --- what to tell a person -------------------------------------------------------------------------


# Error of the client -> what it becomes, the problem, whether the client's words are told, and what to do.
_KINDS: tuple[tuple[type[Exception], type[SparkleError], str, bool, str | None], ...] = (
    (LocalTokenNotFoundError, ConfigError, "the Hub needs a token", False, _LOG_IN),
    (HFValidationError, ReleaseError, "not the name of a repository", True, None),
    (
        OfflineModeIsEnabled,
        UnreachableError,
        "HF_HUB_OFFLINE is set: the Hub is not asked",
        False,
        "unset it",
    ),
    (  # before RepositoryNotFoundError, which it is as well
        GatedRepoError,
        ReleaseError,
        "the repository wants its terms accepted first",
        False,
        "accept them on its page, then `hf auth login`",
    ),
    (
        RepositoryNotFoundError,
        ReleaseError,
        "no dataset repository of this name that you may see",
        False,
        "check the spelling; for a private repository `hf auth login`, with a token that may use it",
    ),
    (RevisionNotFoundError, ReleaseError, "the repository has no such revision", False, None),
    (EntryNotFoundError, MissingFileError, "the repository has no such file", False, None),
)
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


def explain(error: BaseException, where: str) -> SparkleError:
    """Return what to tell a person about an error of the client; `where` is a repository, or a file of it."""
    got = words_of(error)
    # The client says LocalEntryNotFoundError when it could not ask: that is no word about the file.
    said = [found for found in chain(error) if not isinstance(found, LocalEntryNotFoundError)]
    for kind, made, problem, telling, fix in _KINDS:
        if any(isinstance(found, kind) for found in said):
            return made(problem, got=got if telling else None, where=where, fix=fix)
    status = status_of(error)
    if status in _STATUSES:
        problem, fix = _STATUSES[status]
        return ReleaseError(problem, got=got, where=where, fix=fix)
    if is_busy(error):
        asked = host()
        silent = status is None
        return UnreachableError(
            f"{asked} cannot be reached" if silent else f"{asked} does not answer as it should",
            got=got,
            where=where,
            fix="check the network and HF_ENDPOINT, or try again later: what was done is not done twice"
            if silent
            else "try again later: what was done is not done twice",
        )
    return HubRefusal("the Hub refuses", got=got, where=where)


def words_of(error: BaseException) -> str:
    """Return what an error says, in one line: the Hub's own words where there are some, else the client's."""
    own = next((found.server_message for found in _answered(error)), None)
    lines = (_REQUEST.sub("", line).strip() for line in scrub(own or error).splitlines())
    return " ".join(line for line in lines if line and not line.startswith(_ADVICE)) or type(error).__name__


def scrub(text: object) -> str:
    """Return a text without signatures, passwords in addresses and tokens."""
    without = _USER.sub(r"\1", _QUERY.sub(r"\1?...", str(text)))
    return _TOKEN.sub("(token)", without)


def quiet_clients() -> None:
    """Let the clients draw no bars of their own, and log no secret."""
    from huggingface_hub.utils.tqdm import disable_progress_bars

    disable_progress_bars()
    for handler in logging.getLogger("huggingface_hub").handlers:
        if not any(isinstance(found, _Scrubbing) for found in handler.filters):
            handler.addFilter(_Scrubbing())


class _Scrubbing(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = scrub(record.getMessage()), None
        return True
