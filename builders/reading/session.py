"""Requests in the session of the Hub's own client, with its proxies and certificates.

The client is built on httpx (or httpx2) since version 1, and on requests before; trainers are pinned to
either. Only here does it matter which.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from huggingface_hub import constants, get_session
from huggingface_hub.errors import HfHubHTTPError
from huggingface_hub.utils import hf_raise_for_status  # type: ignore[attr-defined] # in the package since 1

_LIBRARY = importlib.import_module(HfHubHTTPError.__mro__[1].__module__.partition(".")[0])
_BLOCK = 1 << 16

_REQUESTS = _LIBRARY.__name__ == "requests"

HttpError: type[Exception] = _LIBRARY.RequestException if _REQUESTS else _LIBRARY.HTTPError
"""What the library raises: an error of the Hub, a refused connection, a time-out, a broken answer."""

PASSING: tuple[type[Exception], ...] = (
    (_LIBRARY.ConnectionError, _LIBRARY.Timeout, _LIBRARY.exceptions.ChunkedEncodingError)
    if _REQUESTS
    else (_LIBRARY.NetworkError, _LIBRARY.TimeoutException, _LIBRARY.RemoteProtocolError, _LIBRARY.ProxyError)
)
"""Those of them after which the same may succeed; a proxy's refusals and certificates may be among them."""

ProxyError: type[Exception] = _LIBRARY.exceptions.ProxyError if _REQUESTS else _LIBRARY.ProxyError


@dataclass(frozen=True)
class Answer:
    """The beginning of an answer.

    Attributes:
        status_code: Its status.
        headers: Its headers, by names in any case.
        location: Where it sends one to; None for one that is no redirect.
    """

    status_code: int
    headers: Any
    location: str | None
    _answer: Any

    def blocks(self) -> Iterator[bytes]:
        """Yield the body as it arrives."""
        yield from self._answer.iter_content(_BLOCK) if _REQUESTS else self._answer.iter_raw()

    def raise_for_status(self) -> None:
        """Raise the client's error for a status that is one, with what the Hub says in the body."""
        if not _REQUESTS:
            self._answer.read()
        raise_for_status(self._answer)


def raise_for_status(answer: Any) -> None:
    """Raise the client's error for an answer of its library with a status that is one."""
    hf_raise_for_status(answer)


@contextmanager
def get(url: str, headers: dict[str, str]) -> Iterator[Answer]:
    """Begin a request; redirects are not followed."""
    session: Any = get_session()
    timeout = constants.HF_HUB_DOWNLOAD_TIMEOUT
    if _REQUESTS:
        asked = session.get(url, headers=headers, allow_redirects=False, timeout=timeout, stream=True)
    else:
        asked = session.stream("GET", url, headers=headers, follow_redirects=False, timeout=timeout)
    with asked as answer:
        yield Answer(answer.status_code, answer.headers, answer.headers.get("Location"), answer)
