"""What the Hub's client raises: whether waiting helps, how long, and what a person is told."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from huggingface_hub import errors
from huggingface_hub.utils import hf_raise_for_status

from sparkle.builders.reading import client, session
from sparkle.builders.reading.client import (
    BUSY,
    READING,
    WRITING,
    Bound,
    HubRefusal,
    Patience,
    explain,
    is_busy,
    scrub,
    waiting_time,
)
from sparkle.schemas.errors import (
    ConfigError,
    MissingFileError,
    ReleaseError,
    SparkleError,
    UnreachableError,
)

# Before version 1 of the client, this one had no kinds.
NO_SUCH_FILE = getattr(errors, "RemoteEntryNotFoundError", errors.EntryNotFoundError)
SIGNED = "https://cdn.example.org/blob?X-Amz-Signature=s3cret"


class Answer:
    """As much of an answer as errors keep."""

    def __init__(self, status: int, headers: dict[str, str] | None = None) -> None:
        self.status_code = status
        self.headers = headers or {}
        self.request = None


def refused(
    status: int, kind: type[errors.HfHubHTTPError] = errors.HfHubHTTPError, **headers: str
) -> errors.HfHubHTTPError:
    response: Any = Answer(status, {name.replace("_", "-"): value for name, value in headers.items()})
    return kind(f"{status} for url {SIGNED}, token hf_abcdef", response=response)


@pytest.fixture
def waited(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The waits, which take no time here but count as if they did."""
    waits: list[float] = []

    class Clock:
        @staticmethod
        def monotonic() -> float:
            return sum(waits)

        sleep = waits.append

    monkeypatch.setattr(client, "time", Clock)
    return waits


def failing(*failures: Exception) -> Callable[[], str]:
    """Something that fails so often, then works."""
    left: Iterator[Exception] = iter(failures)

    def action() -> str:
        for failure in left:
            raise failure
        return "done"

    return action


@pytest.mark.parametrize("status", sorted(BUSY))
@pytest.mark.parametrize("bound", [READING, WRITING])
def test_a_busy_hub_is_waited_for(waited: list[float], status: int, bound: Bound) -> None:
    assert Patience("me/x", bound=bound).run(failing(*[refused(status)] * 3)) == "done"
    assert waited == [waiting_time(failures, None) for failures in (1, 2, 3)]


@pytest.mark.parametrize("headers", [{"Retry_After": "7"}, {"RateLimit": '"api";r=0;t=7'}])
def test_the_hub_says_how_long(waited: list[float], headers: dict[str, str]) -> None:
    said: list[str] = []
    assert Patience("me/x", said.append).run(failing(refused(429, **headers))) == "done"
    assert waited == [7]
    told = "429 for url https://cdn.example.org/blob?... token (token)"
    assert said == [f"waiting 7 s for {client.host()} (giving up in 5 min): {told}"]


@pytest.mark.parametrize(
    ("status", "bound", "longest"),
    [(503, READING, 300), (429, READING, 300), (503, WRITING, 900), (429, WRITING, 7200)],
)
def test_patience_ends(waited: list[float], status: int, bound: Bound, longest: float) -> None:
    with pytest.raises(UnreachableError, match="does not answer as it should"):
        Patience("me/x", bound=bound).run(failing(*[refused(status)] * 1000))
    assert longest - 30 <= sum(waited) <= longest


@pytest.mark.parametrize(("bound", "waits"), [(READING, 0), (WRITING, 2)])
def test_a_hub_that_cannot_be_reached_is_waited_for_when_writing_only(
    waited: list[float], bound: Bound, waits: int
) -> None:
    gone = session.HttpError("connection refused")
    patience = Patience("me/x", bound=bound)
    if waits:
        assert patience.run(failing(*[gone] * waits)) == "done"
    else:
        with pytest.raises(UnreachableError, match="cannot be reached"):
            patience.run(failing(gone))
    assert len(waited) == waits


@pytest.mark.parametrize(
    "address", ["localhost:8080", "", "https://", "ftp://hub", "http://hub:x", "http://[hub"]
)
def test_an_address_that_is_none_is_no_outage(
    waited: list[float], monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setattr(client.constants, "ENDPOINT", address)
    with pytest.raises(ConfigError, match="HF_ENDPOINT is not the address of a Hub"):
        Patience("me/x", bound=WRITING).run(lambda: pytest.fail("a request was sent"))
    assert waited == []


def test_the_hubs_own_words_are_told() -> None:
    pytest.importorskip("huggingface_hub", "1.0", "an answer of requests is not made in a line")
    http = importlib.import_module(session.HttpError.__module__.partition(".")[0])
    said = {"error": "Invalid reference name: 'v 1'"}
    request, headers = http.Request("POST", "http://127.0.0.1:1/"), {"X-Request-Id": "65b8"}
    answer = http.Response(400, json=said, headers=headers, request=request)
    with pytest.raises(errors.HfHubHTTPError) as caught:
        hf_raise_for_status(answer, endpoint_name="tag")
    told = client.explain(caught.value, "me/x")
    assert (told.problem, told.got) == ("the Hub refuses", "Invalid reference name: 'v 1'")


def test_what_was_done_although_the_answer_was_lost_is_not_done_again(waited: list[float]) -> None:
    done = Patience("me/x", bound=WRITING).run(failing(refused(504), refused(504)), lambda: "found")
    assert done == "found"
    assert waited == []


@pytest.mark.parametrize(
    "error", [FileNotFoundError(2, "no such file", "/x"), OSError(28, "no space left on device")]
)
def test_what_fails_on_this_machine_is_not_the_hubs(waited: list[float], error: OSError) -> None:
    with pytest.raises(OSError, match="no ") as caught:
        Patience("me/x", bound=WRITING).run(failing(error))
    assert caught.value is error
    assert waited == []


@pytest.mark.parametrize(
    ("error", "kind", "problem"),
    [
        (refused(404, errors.RepositoryNotFoundError), ReleaseError, "no dataset repository of this name"),
        (refused(403, errors.GatedRepoError), ReleaseError, "terms accepted"),
        (refused(404, errors.RevisionNotFoundError), ReleaseError, "no such revision"),
        (refused(404, NO_SUCH_FILE), MissingFileError, "no such file"),
        (errors.HFValidationError("me/--"), ReleaseError, "not the name of a repository"),
        (errors.LocalTokenNotFoundError("no token"), ConfigError, "needs a token"),
        (errors.OfflineModeIsEnabled("offline"), UnreachableError, "HF_HUB_OFFLINE is set"),
        (errors.LocalEntryNotFoundError("connection error"), UnreachableError, "cannot be reached"),
        (refused(401), ReleaseError, "does not know this token"),
        (refused(403), ReleaseError, "may not do that"),
        (refused(413), ReleaseError, "no file of this size"),
        (refused(507), ReleaseError, "disk is full"),
        (refused(503), UnreachableError, "does not answer as it should"),
        (refused(451), HubRefusal, "the Hub refuses"),
        (RuntimeError("Xet: 503 Service Unavailable"), UnreachableError, "does not answer as it should"),
        (RuntimeError("Xet: connection reset by peer"), UnreachableError, "cannot be reached"),
        (RuntimeError("Xet: no such hash"), HubRefusal, "the Hub refuses"),
    ],
)
def test_errors_become_what_to_tell_a_person(
    error: Exception, kind: type[SparkleError], problem: str
) -> None:
    wrapped = ValueError("something failed")  # the clients wrap errors in others
    wrapped.__cause__ = error
    for raised in (error,) if isinstance(error, RuntimeError) else (error, wrapped):
        found = explain(raised, "me/x file")
        assert type(found) is kind
        assert problem in found.problem
        assert found.where == "me/x file"
        assert "s3cret" not in str(found)
        assert "hf_abcdef" not in str(found)


def test_offline_is_nothing_to_wait_for() -> None:
    error = errors.LocalEntryNotFoundError("connection error")
    error.__cause__ = errors.OfflineModeIsEnabled("offline")
    assert not is_busy(error)
    assert "HF_HUB_OFFLINE" in explain(error, "me/x").problem


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"GET {SIGNED} failed", "GET https://cdn.example.org/blob?... failed"),
        ("https://me:pass@hub.example.org/api", "https://hub.example.org/api"),
        ("token hf_abcDEF123", "token (token)"),
        ("Authorization: Bearer abc.def", "Authorization: (token)"),
    ],
)
def test_no_secret_is_shown(text: str, shown: str) -> None:
    assert scrub(text) == shown
