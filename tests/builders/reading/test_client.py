"""What the Hub's client raises: whether waiting helps, how long, and what a person is told."""

from __future__ import annotations

import importlib
import json
import logging
import ssl
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from huggingface_hub import errors
from huggingface_hub.utils import hf_raise_for_status

from sparkle import _patience
from sparkle._patience import BUSY, waiting_time
from sparkle.builders.reading import client, patience, session
from sparkle.builders.reading.client import HubRefusal, explain, is_busy, scrub
from sparkle.builders.reading.patience import READING, WRITING, Bound, Patience
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

    monkeypatch.setattr(patience, "time", Clock)
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
    assert said == [f"waiting 7 s for {client.host()} (giving up in 10 min): {told}"]


def test_waits_of_seconds_are_told_on_standard_error(
    waited: list[float], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_patience, "FIRST_WAIT", 0.5)
    assert Patience("me/x").run(failing(*[refused(503)] * 5)) == "done"
    assert waited == [0.5, 1, 2, 4, 8]
    told = [(record.name, record.levelno, record.getMessage()) for record in caplog.records]
    assert [words[:3] for *_, words in told] == ["wai"] * 3
    assert {(name, level) for name, level, _ in told} == {("sparkle", logging.WARNING)}
    assert told[0][2].startswith(f"waiting 2 s for {client.host()} (giving up in 5 min): 503")


def test_of_a_wait_that_many_have_one_line_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    class Standing:
        now = 0.0
        sleep = staticmethod(lambda seconds: None)  # in threads that all begin to wait now

        @classmethod
        def monotonic(cls) -> float:
            return cls.now

    monkeypatch.setattr(patience, "time", Standing)
    said: list[str] = []
    waiting = Patience("me/x", said.append)
    for now, lines in ((0.0, 1), (61.0, 2)):
        Standing.now = now
        for number in range(3):
            waiting.spell(f"me/x file {number}").wait_after(refused(429, Retry_After="60"))
        assert len(said) == lines


def test_a_longer_wait_than_one_waits_is_an_error_that_says_so(waited: list[float]) -> None:
    with pytest.raises(UnreachableError, match="it asks to wait 3600 s") as caught:
        Patience("me/x").run(failing(refused(429, Retry_After="3600")))
    assert "run the same command again" in str(caught.value)
    assert waited == []


@pytest.mark.parametrize(
    ("status", "bound", "longest"),
    [(503, READING, 300), (429, READING, 600), (503, WRITING, 900), (429, WRITING, 7200)],
)
def test_patience_ends(waited: list[float], status: int, bound: Bound, longest: float) -> None:
    with pytest.raises(UnreachableError, match="does not answer as it should") as caught:
        Patience("me/x", bound=bound).run(failing(*[refused(status)] * 1000))
    assert f"(asked {len(waited) + 1} times in {sum(waited):.0f} s)" in str(caught.value)
    assert longest - 30 <= sum(waited) <= longest


@pytest.mark.parametrize(("bound", "waits"), [(READING, 0), (WRITING, 2)])
def test_a_hub_that_cannot_be_reached_is_waited_for_when_writing_only(
    waited: list[float], bound: Bound, waits: int
) -> None:
    gone = session.PASSING[0]("connection refused")
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


def raised_from(cause: Exception, error: Exception) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "problem", "fix"),
    [
        (json.JSONDecodeError("Expecting value", "<html>", 0), "no Hub answers", "in a browser"),
        (errors.FileMetadataError("no ETag"), "no Hub answers", "in a browser"),
        (
            raised_from(errors.FileMetadataError("no ETag"), errors.LocalEntryNotFoundError("offline?")),
            "no Hub answers",
            "in a browser",
        ),
        (
            raised_from(ssl.SSLCertVerificationError("self-signed"), session.PASSING[0]("tls")),
            "the certificate",
            "SSL_CERT_FILE",
        ),
        (session.PASSING[0]("[SSL: CERTIFICATE_VERIFY_FAILED] unable"), "the certificate", "SSL_CERT_FILE"),
        (session.ProxyError("407 Proxy Authentication Required"), "the proxy", "HTTPS_PROXY"),
    ],
)
@pytest.mark.parametrize("bound", [READING, WRITING])
def test_what_stays_as_it_is_is_not_waited_for(
    waited: list[float], error: Exception, problem: str, fix: str, bound: Bound
) -> None:
    with pytest.raises(UnreachableError, match=problem) as caught:
        Patience("me/x", bound=bound).run(failing(error))
    assert waited == []
    assert fix in str(caught.value.fix)
    assert "again" not in str(caught.value)


@pytest.mark.parametrize(
    "error",
    [
        session.PASSING[1]("slow"),
        session.PASSING[2]("cut"),
        session.ProxyError("503 Service Unavailable"),
        raised_from(session.PASSING[0]("refused"), errors.LocalEntryNotFoundError("no connection")),
    ],
)
def test_what_passes_is(waited: list[float], error: Exception) -> None:
    assert Patience("me/x", bound=WRITING).run(failing(error)) == "done"
    assert len(waited) == 1


@pytest.mark.parametrize("kind", [errors.HfHubHTTPError, errors.RepositoryNotFoundError])
@pytest.mark.parametrize("name", ["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", None])
def test_a_token_that_has_run_out_is_told_with_where_it_comes_from(
    monkeypatch: pytest.MonkeyPatch, kind: type[errors.HfHubHTTPError], name: str | None
) -> None:
    for variable in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.delenv(variable, raising=False)
    if name is not None:
        monkeypatch.setenv(name, "hf_abcdef")
    error = refused(401, kind)
    error.server_message = 'User Access Token "mine" is expired'
    found = explain(error, "me/x")
    assert found.problem == "the Hub does not know this token"
    assert found.got == error.server_message
    assert (name or "hf auth logout") in str(found.fix)
    assert "reading what is public needs none" in str(found.fix)


def test_a_401_without_a_word_of_the_token_may_be_a_private_repository() -> None:
    error = refused(401, errors.RepositoryNotFoundError)
    error.server_message = "Repository not found"
    assert "no dataset repository of this name" in explain(error, "me/x").problem


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
