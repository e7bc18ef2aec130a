"""What the Hub's client raises: whether waiting helps and how long, and what to tell a person.

How it works
- The client wraps errors in others; the first in the chain that says something decides.
- The client repeats some requests itself, five times in about 30 s; others, such as `create_commit` or a
  download that is answered 503, it does not. `Patience` goes around all of them, and around the ranges of
  files, which are asked for without the client. It waits as long as the Hub asks (`Retry-After`,
  `RateLimit`), else from half a second on, doubling up to half a minute.
- A wait of seconds is told: by `say`, or as a warning of the logger `sparkle`, which Python writes to
  standard error, also in a data loader's worker.
- What waiting does not mend is not waited for, and nobody is told to try again later: a token, a
  certificate, a proxy, a page of HTML where a Hub should be.
- Asking for something does no harm, so it is simply repeated, for a few minutes; a Hub that cannot be
  reached at all is said at once. What changes something may have been done although its answer was lost:
  before it is repeated, `settled` looks whether it has been.
- Nothing secret passes: a signed address is a key to what it names, so addresses lose what follows `?`, and
  everything that looks like a token is blotted out. `quiet_clients` does the same to the client's log.
"""

from __future__ import annotations

import json
import logging
import math
import os
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
    FileMetadataError,
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
from sparkle.builders.reading.session import PASSING, HttpError, ProxyError
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
_UNAUTHORIZED = 401
_TOO_MANY = 429

_SAID_WAIT = 2.0  # seconds of a wait that a person wonders about

_MINUTES = 120.0  # seconds from which minutes are told

# hf_xet tells its errors by words; a status appears in them as "503 Service Unavailable" or "(503)".
_STATUS = re.compile(r"\b([45]\d\d)\b")
_CONNECTION = re.compile(r"connect|timed? ?out|reset|broken pipe|sending request|incomplete message", re.I)

_REQUEST = re.compile(r"\(Request ID: [^)]*\)")
_ADVICE = "For more information check:"  # a page on what a status means
_QUERY = re.compile(r"(https?://[^\s?'\"]+)\?[^\s'\"]*")
_USER = re.compile(r"(https?://)[^/\s@]+@")
_TOKEN = re.compile(r"\bhf_[A-Za-z0-9_]{3,}|(?i:bearer)\s+\S+")

_LOG_IN = "`hf auth login`, or set HF_TOKEN, with a token that may write"
_OF_TOKEN = re.compile(r"token|credential", re.I)  # what a 401 says that is no word about the repository
_TOKEN_VARIABLES = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")

Answer = TypeVar("Answer")


class HubRefusal(ReleaseError):
    """The Hub answered that it does not do what it was asked for."""


# --- asking until there is an answer ---------------------------------------------------------------


def tell(text: str) -> None:
    """Tell of a wait where nobody else does: on standard error, unless the program has set up logging."""
    logging.getLogger("sparkle").warning("%s", text)


class Bound(NamedTuple):
    """When one gives up: after seconds of failing (busy, a quota, no answer at all), or so many times."""

    busy: float
    quota: float
    silent: float
    failures: float = math.inf


READING = Bound(300.0, 600.0, 0.0)  # the Hub's quotas of requests are counted over five minutes
# Once a file was found, a connection that breaks is no wrong address. Waits of 0.5 to 16 seconds: half a
# minute in which nothing arrives, more where the Hub asks for it.
STREAMING = Bound(1800.0, 1800.0, 1800.0, failures=6)
# An outage of a quarter of an hour is somebody's to look at. Quotas (commits an hour) end by themselves.
WRITING = Bound(900.0, 7200.0, 900.0)


# What the client's library calls an answer that broke off: somebody is there, so that it is asked again.
_BROKEN = ("RemoteProtocolError", "ReadError", "ChunkedEncodingError")
_MENDING = 10.0  # seconds: four tries


class Patience:
    """How long one waits for a Hub.

    Args:
        where: The place, for messages.
        say: Told of waits.
        bound: When one gives up.
    """

    def __init__(self, where: str, say: Callable[[str], None] = tell, bound: Bound = READING) -> None:
        self._where = where
        self._say = say
        self._bound = bound
        self._told_until = -math.inf  # by the clock: of a wait that many threads have, one line tells

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
        spell = self.spell()
        while True:
            try:
                return action()
            except SparkleError:
                raise
            except _CLIENT_ERRORS as error:
                if _is_of_this_machine(error):
                    raise
                failure = error
            if settled is not None and (found := self.run(settled)) is not None:
                return found
            spell.wait_after(failure)

    def spell(self, where: str | None = None) -> Spell:
        """Begin to count failures in a row, of the place or a part of it."""
        return Spell(where or self._where, self._tell, self._bound)

    def _tell(self, pause: float, words: str) -> None:
        until = time.monotonic() + pause
        if until > self._told_until + _SAID_WAIT:
            self._told_until = until
            self._say(words)


class Spell:
    """Failures in a row.

    Args:
        where: The place, for messages.
        tell: Given the seconds of a wait, and what to say of it.
        bound: When one gives up.
    """

    def __init__(self, where: str, tell: Callable[[float, str], None], bound: Bound) -> None:
        self._where = where
        self._tell = tell
        self._bound = bound
        self._started = time.monotonic()
        self._failures = 0

    def wait_after(self, failure: Exception) -> None:
        """Wait until the same may succeed; raises what to tell a person where it will not, or not in time."""
        self._failures += 1
        pause = waiting_time(self._failures, _seconds_asked(failure))
        left = self._longest(failure) - (time.monotonic() - self._started)
        if not is_busy(failure) or pause > left or self._failures > self._bound.failures:
            raise self._last(failure, pause) from None
        if pause >= _SAID_WAIT:
            bound = f"giving up in {left / 60:.0f} min" if left > _MINUTES else f"giving up in {left:.0f} s"
            last = self._bound.failures - self._failures
            bound = bound if last == math.inf else f"{last + 1:.0f} more {'tries' if last else 'try'}"
            self._tell(pause, f"waiting {pause:.0f} s for {host()} ({bound}): {words_of(failure)}")
        time.sleep(pause)

    def _last(self, failure: Exception, pause: float) -> SparkleError:
        """The error for a failure that is not waited for, with what was waited before."""
        found = explain(failure, self._where)
        if is_busy(failure) and self._failures > 1:
            spent = f"asked {self._failures} times in {time.monotonic() - self._started:.0f} s"
            found.got = f"{found.got or words_of(failure)} ({spent})"
        elif is_busy(failure) and _seconds_asked(failure):
            found.got = f"{found.got or words_of(failure)} (it asks to wait {pause:.0f} s)"
        return found

    def _longest(self, failure: BaseException) -> float:
        status = status_of(failure)
        if status is None and any(type(found).__name__ in _BROKEN for found in chain(failure)):
            return max(self._bound.silent, _MENDING)
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
    if _lasting(error) is not None or any(isinstance(found, OfflineModeIsEnabled) for found in chain(error)):
        return False
    # The client says LocalEntryNotFoundError when it could not ask, for whatever reason.
    unasked = [found for found in chain(error) if isinstance(found, LocalEntryNotFoundError)]
    causes = [found for found in chain(error) if isinstance(found, HttpError) and found not in unasked]
    if causes or unasked:
        return not causes or any(isinstance(found, PASSING) for found in causes)
    return _is_of_xet(error) and bool(_CONNECTION.search(str(error)))


def _lasting(error: BaseException) -> tuple[str, str] | None:
    """Return problem and fix of what stands between us and the Hub and stays there."""
    for found in chain(error):
        if isinstance(found, (json.JSONDecodeError, FileMetadataError)):
            return no_hub()
        if isinstance(found, ssl.SSLCertVerificationError) or "CERTIFICATE_VERIFY_FAILED" in str(found):
            return (
                f"the certificate of {host()} is not one that this machine trusts",
                "where a proxy looks into connections, set SSL_CERT_FILE to a file with its certificate; "
                "else check HF_ENDPOINT and this machine's clock",
            )
        refused = _STATUS.search(str(found)) if isinstance(found, ProxyError) else None
        if refused is not None and int(refused[1]) not in BUSY:
            fix = "HTTPS_PROXY and HTTP_PROXY name it, with a user's name and password where it wants them"
            return "the proxy does not let us through", fix
    return None


def no_hub() -> tuple[str, str]:
    """Return problem and fix of an answer that no Hub gives."""
    fix = (
        "open this address in a browser: a network wants a login, or a proxy or another server answers there"
    )
    return f"no Hub answers at {host()}: what comes is a page of something else", fix


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
    status = status_of(error)
    # The client takes a token that has run out for a repository that is not there.
    if status == _UNAUTHORIZED and (_OF_TOKEN.search(got) or not _names_repository(error)):
        return ReleaseError("the Hub does not know this token", got=got, where=where, fix=_another_token())
    if status is None and (lasting := _lasting(error)) is not None:
        return UnreachableError(lasting[0], got=got, where=where, fix=lasting[1])
    # The client says LocalEntryNotFoundError when it could not ask: that is no word about the file.
    said = [found for found in chain(error) if not isinstance(found, LocalEntryNotFoundError)]
    for kind, made, problem, telling, fix in _KINDS:
        if any(isinstance(found, kind) for found in said):
            return made(problem, got=got if telling else None, where=where, fix=fix)
    if status in _STATUSES:
        problem, fix = _STATUSES[status]
        return ReleaseError(problem, got=got, where=where, fix=fix)
    if is_busy(error):
        asked, silent = host(), status is None
        first = "check the network and HF_ENDPOINT, then" if silent else "some minutes from now"
        return UnreachableError(
            f"{asked} cannot be reached" if silent else f"{asked} does not answer as it should",
            got=got,
            where=where,
            fix=f"{first} run the same command again: what was done is not done twice",
        )
    return HubRefusal("the Hub refuses", got=got, where=where)


def _names_repository(error: BaseException) -> bool:
    return any(isinstance(found, RepositoryNotFoundError) for found in chain(error))


def _another_token() -> str:
    """Say where the token that was sent comes from, and what to do."""
    name = next((name for name in _TOKEN_VARIABLES if os.environ.get(name)), None)
    if name is not None:
        return f"set {name}, which has it, to another one, or unset it: reading what is public needs none"
    return "`hf auth login` with another one, or `hf auth logout`: reading what is public needs none"


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
