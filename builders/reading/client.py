"""What the Hub's client raises: whether waiting helps, and what to tell a person.

How it works
- The client wraps errors in others; the first in the chain that says something decides.
- What waiting does not mend is not waited for, and nobody is told to try again later: a token, a
  certificate, a proxy, a page of HTML where a Hub should be.
- Nothing secret passes: a signed address is a key to what it names, so addresses lose what follows `?`, and
  everything that looks like a token is blotted out. `quiet_clients` does the same to the client's log.
"""

from __future__ import annotations

import json
import logging
import os
import re
import socket
import ssl
from collections.abc import Iterator
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

from sparkle._patience import BUSY
from sparkle.builders.reading.session import PASSING, HttpError, ProxyError
from sparkle.schemas.errors import (
    ConfigError,
    MissingFileError,
    ReleaseError,
    SparkleError,
    UnreachableError,
)

# Everything that the client raises; errors of hf_xet and of uploads by LFS are plain Python errors.
CLIENT_ERRORS: tuple[type[Exception], ...] = (HttpError, OSError, RuntimeError, ValueError)

CONFLICT = 409
_UNAUTHORIZED = 401

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


class HubRefusal(ReleaseError):
    """The Hub answered that it does not do what it was asked for."""


def host() -> str:
    """Return the address of the Hub that is asked."""
    return scrub(constants.ENDPOINT)


def require_address() -> None:
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


def answered(error: BaseException) -> Iterator[HfHubHTTPError]:
    """Yield those of a chain that come with an answer; before version 1 of the client, not all do."""
    yield from (
        found for found in chain(error) if isinstance(found, HfHubHTTPError) and found.response is not None
    )


def status_of(error: BaseException) -> int | None:
    """Return the HTTP status that an error comes from, where it comes from one."""
    for found in answered(error):
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


def is_of_this_machine(error: BaseException) -> bool:
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
    own = next((found.server_message for found in answered(error)), None)
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
