"""Artifacts of a Hub by HTTP: how often it is asked, what is kept, and every way in which it can go wrong."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest

from sparkle.builders.reading.pairs import Pairs, open_pairs
from sparkle.builders.reading.source import open_source
from sparkle.schemas.artifact import Artifact
from sparkle.schemas.errors import ArtifactError, ReleaseError, UnreachableError
from sparkle.schemas.layout import EDITED_VIDEO, KINDS, SOURCE_VIDEO

REPO = "me/sparkle"


def artifacts_of(pairs: Pairs, *kinds: Any) -> list[Artifact]:
    return [pairs.artifact(row, kind) for row in range(len(pairs)) for kind in kinds or KINDS]


def test_a_repository_reads_like_the_folder_that_it_holds(hub: Any, repo: Path, release: Path) -> None:
    remote, local = open_pairs(REPO), open_pairs(release)
    assert list(remote.ids) == list(local.ids)
    assert remote.column("flicker").equals(local.column("flicker"))
    wanted = list(open_source(release).read_many(artifacts_of(local)))
    source = open_source(remote.where)
    assert list(source.read_many(artifacts_of(remote))) == wanted
    assert [source.read(artifact) for artifact in artifacts_of(remote)] == wanted


def test_of_a_table_only_what_is_asked_for_is_transferred(hub: Any, repo: Path) -> None:
    open_pairs(REPO)
    hub.asked.clear()
    pairs = open_pairs(REPO, kinds=[])
    assert hub.gets() == []  # it is all there
    pairs.column("flicker")
    assert hub.gets() != []
    assert all(asked.range for asked in hub.gets())


def test_the_token_goes_to_the_hub_and_nowhere_else(hub: Any, pairs: Pairs) -> None:
    list(open_source(pairs.catalog).read_many(artifacts_of(pairs)))
    signed = [asked for asked in hub.gets() if asked.path.startswith("/signed")]
    assert signed
    assert not any(asked.token for asked in signed)
    assert all(asked.token for asked in hub.gets() if asked.path.startswith("/datasets"))


def test_a_tar_is_resolved_once_and_neighbours_are_read_together(hub: Any, pairs: Pairs) -> None:
    artifacts = artifacts_of(pairs, SOURCE_VIDEO, EDITED_VIDEO)
    shards = {artifact.file for artifact in artifacts}
    source = open_source(pairs.catalog, cache_bytes=0)
    before = source.requests, source.bytes_read
    list(source.read_many(artifacts))
    assert len(hub.gets()) == 2 * len(shards)  # where it is, and all that it has in one range
    assert source.requests - before[0] == len(hub.gets())
    assert source.bytes_read - before[1] == hub.bytes_sent
    assert hub.bytes_sent < sum(artifact.size for artifact in artifacts) + 1024 * len(artifacts)
    hub.asked.clear()
    source.read(artifacts[0])
    assert len(hub.gets()) == 1  # where it is is still known


def test_what_was_read_is_not_asked_for_again(hub: Any, pairs: Pairs, tmp_path: Path) -> None:
    artifacts = artifacts_of(pairs)
    first = list(open_source(pairs.catalog, cache=tmp_path / "kept").read_many(artifacts))
    hub.asked.clear()
    again = open_source(pairs.catalog, cache=tmp_path / "kept")
    assert list(again.read_many(artifacts)) == first
    assert hub.asked == []


def test_a_source_reads_in_other_processes(pairs: Pairs, hub: Any) -> None:
    source = open_source(pairs.catalog, cache_bytes=0)
    artifacts = artifacts_of(pairs, SOURCE_VIDEO)
    wanted = list(source.read_many(artifacts))
    with get_context("fork").Pool(2) as pool:  # spawned ones would ask the public Hub
        assert pool.map(source.read, artifacts) == wanted
    assert pickle.loads(pickle.dumps(source)).read(artifacts[0]) == wanted[0]  # noqa: S301


# --- the Hub fails, and recovers ----------------------------------------------------------------


def times(count: int, fault: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    """A fault that happens to the first requests for content."""
    left = iter(range(count))  # taken from by many threads

    def maybe(handler: Any, asked: Any) -> bool:
        return asked.range is not None and next(left, None) is not None and fault(handler, asked)

    return maybe


def busy(status: int, headers: dict[str, str]) -> Callable[[Any, Any], bool]:
    def fault(handler: Any, asked: Any) -> bool:
        handler.send(status, b"later", headers)
        return True

    return fault


def cut(handler: Any, asked: Any) -> bool:
    """Break off in the middle of a body."""
    if not asked.path.startswith("/signed"):
        handler.send(503, b"", {})
        return True
    start, end = map(int, asked.range.removeprefix("bytes=").split("-"))
    data = (handler.server.root / REPO / asked.path.split(REPO + "/")[1]).read_bytes()
    headers = {"Content-Range": f"bytes {start}-{end}/{len(data)}"}
    handler.send(206, data[start : end + 1], headers, cut=(end - start) // 2)
    return True


@pytest.mark.parametrize(
    "fault",
    [
        busy(503, {}),
        busy(503, {"Retry-After": "0"}),
        busy(429, {"Retry-After": "0"}),
        busy(429, {"RateLimit": '"resolvers";r=0;t=0'}),
        busy(500, {}),
        cut,
    ],
)
def test_a_hub_that_recovers_gives_the_same_bytes(
    hub: Any, pairs: Pairs, release: Path, fault: Callable[[Any, Any], bool]
) -> None:
    hub.faults.append(times(4, fault))
    artifacts = artifacts_of(pairs, EDITED_VIDEO)
    wanted = list(open_source(release).read_many(artifacts))
    assert list(open_source(pairs.catalog, cache_bytes=0).read_many(artifacts)) == wanted


def test_an_answer_that_breaks_off_is_continued_where_it_did(hub: Any, pairs: Pairs) -> None:
    pytest.importorskip("huggingface_hub", "1.0", "requests loses the block that breaks off")
    artifact = pairs.artifact(0, SOURCE_VIDEO)
    source = open_source(pairs.catalog, cache_bytes=0)
    source.read(artifact)
    hub.asked.clear()
    hub.bytes_sent = 0
    hub.faults.append(times(3, cut))
    source.read(artifact)
    starts = [int(asked.range[6:].split("-")[0]) for asked in hub.gets() if asked.path.startswith("/signed")]
    assert len(starts) == 4
    assert starts == sorted(set(starts))
    assert hub.bytes_sent == artifact.size  # nothing came twice


def test_an_expired_address_is_asked_for_again(hub: Any, pairs: Pairs) -> None:
    source = open_source(pairs.catalog, cache_bytes=0)
    artifact = pairs.artifact(0, SOURCE_VIDEO)
    wanted = source.read(artifact)
    hub.generation += 1
    hub.asked.clear()
    assert source.read(artifact) == wanted
    assert [asked.path.split("/")[1] for asked in hub.gets()] == ["signed", "datasets", "signed"]


# --- the Hub fails for good ---------------------------------------------------------------------


@pytest.mark.parametrize("fault", [busy(503, {}), busy(429, {}), busy(504, {})])
def test_a_hub_that_stays_busy_is_an_error_after_a_bounded_time(
    hub: Any, pairs: Pairs, fault: Callable[[Any, Any], bool]
) -> None:
    hub.faults.append(fault)
    with pytest.raises(UnreachableError, match="does not answer") as caught:
        open_source(pairs.catalog, cache_bytes=0).read(pairs.artifact(0, SOURCE_VIDEO))
    assert len(hub.gets()) == 7
    assert "hf_secret" not in str(caught.value)


def test_a_hub_that_is_gone_is_an_error(hub: Any, pairs: Pairs) -> None:
    pytest.importorskip("huggingface_hub", "1.0", "requests goes on with the connection that it has")
    hub.shutdown()
    hub.server_close()
    with pytest.raises(UnreachableError, match="cannot be reached"):
        open_source(pairs.catalog, cache_bytes=0).read(pairs.artifact(0, SOURCE_VIDEO))


@pytest.mark.parametrize("whole", [True, False], ids=["whole", "a file is missing"])
def test_a_copy_in_the_clients_cache_is_named_when_no_hub_is_reached(
    hub: Any, repo: Path, monkeypatch: pytest.MonkeyPatch, whole: bool
) -> None:
    pairs = open_pairs(REPO)
    snapshot = Path(huggingface_hub.snapshot_download(REPO, repo_type="dataset"))
    if not whole:
        (snapshot / pairs.artifact(0, SOURCE_VIDEO).file).unlink()
    hub.shutdown()
    hub.server_close()
    # Connections that are open are answered still; the first name is of version 1.
    close = getattr(huggingface_hub, "close_session", None) or huggingface_hub.utils.reset_sessions
    for offline, problem in ((True, "HF_HUB_OFFLINE is set"), (False, "cannot be reached")):
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", offline)
        close()  # before version 1, a session keeps what was set when it began
        for ask in (
            lambda: open_pairs(REPO),
            lambda: open_source(pairs.catalog, cache_bytes=0).read(pairs.artifact(0, SOURCE_VIDEO)),
        ):
            with pytest.raises(UnreachableError, match=problem) as caught:
                ask()
            assert (str(snapshot) in str(caught.value.fix)) == whole
    assert not whole or len(open_pairs(snapshot)) == len(pairs)


def test_a_page_of_something_else_is_no_range(hub: Any, pairs: Pairs) -> None:
    def page(handler: Any, asked: Any) -> bool:
        if asked.range is not None:
            handler.send(200, b"<html>log in</html>", {"Content-Type": "text/html; charset=utf-8"})
        return asked.range is not None

    hub.faults.append(page)
    with pytest.raises(UnreachableError, match="no Hub answers") as caught:
        open_source(pairs.catalog, cache_bytes=0).read(pairs.artifact(0, SOURCE_VIDEO))
    assert hub.url in str(caught.value)
    assert len(hub.gets()) == 1


def test_addresses_that_always_expire_end(hub: Any, pairs: Pairs) -> None:
    def expired(handler: Any, asked: Any) -> bool:
        if asked.path.startswith("/signed"):
            handler.send(403, b"", {})
        return bool(asked.path.startswith("/signed"))

    hub.faults.append(expired)
    with pytest.raises(UnreachableError, match="without end"):
        open_source(pairs.catalog, cache_bytes=0).read(pairs.artifact(0, SOURCE_VIDEO))


def test_a_signed_address_is_in_no_error(hub: Any, pairs: Pairs) -> None:
    def fault(handler: Any, asked: Any) -> bool:
        if asked.path.startswith("/signed"):
            handler.send(451, b"", {})
        elif asked.range is not None:
            handler.send(302, b"", {"Location": "/signed/0/me/x?X-Amz-Signature=s3cret"})
        return asked.range is not None

    hub.faults.append(fault)
    with pytest.raises(ReleaseError, match="the Hub refuses") as caught:
        open_source(pairs.catalog, cache_bytes=0).read(pairs.artifact(0, SOURCE_VIDEO))
    assert "/signed/0/me/x" in str(caught.value)
    assert "s3cret" not in str(caught.value)


def test_a_file_that_is_gone_is_said(hub: Any, pairs: Pairs, repo: Path) -> None:
    artifact = pairs.artifact(0, SOURCE_VIDEO)
    (repo / artifact.file).unlink()
    with pytest.raises(ReleaseError, match="no such file") as caught:
        open_source(pairs.catalog, cache_bytes=0).read(artifact)
    assert artifact.file in str(caught.value)


def test_a_tar_that_was_replaced_is_said_by_its_sha256(hub: Any, pairs: Pairs, repo: Path) -> None:
    artifact = pairs.artifact(0, SOURCE_VIDEO)
    data = bytearray((repo / artifact.file).read_bytes())
    data[-1] ^= 1
    (repo / artifact.file).write_bytes(data)
    with pytest.raises(ReleaseError, match="changed since"):
        open_source(pairs.catalog, cache_bytes=0).read(artifact)


@pytest.mark.parametrize("cut_to", [600, 100], ids=["shorter", "before the range"])
def test_a_tar_that_was_cut_is_said(hub: Any, pairs: Pairs, repo: Path, cut_to: int) -> None:
    artifact = pairs.artifact(0, SOURCE_VIDEO)
    data = (repo / artifact.file).read_bytes()
    (repo / artifact.file).write_bytes(data[:cut_to])  # small enough to come without a sha256
    with pytest.raises(ReleaseError, match="tables speak of another file") as caught:
        open_source(pairs.catalog, cache_bytes=0).read(artifact)
    assert "sparkle verify me/sparkle" in str(caught.value)


@pytest.mark.parametrize(
    ("status", "headers", "body", "problem"),
    [
        (206, {"Content-Range": "bytes 0-9/6144"}, bytes(10), "another"),
        (206, {"Content-Range": "bytes 512-517/*"}, bytes(6), "another range"),
        (206, {}, bytes(10), "does not answer ranges"),
        (206, {"Content-Range": "nonsense"}, bytes(10), "does not answer ranges"),
        (200, {}, bytes(6144), "does not answer ranges"),
        (416, {"Content-Range": "bytes */100"}, b"", "a range that the file does not have"),
    ],
)
def test_an_answer_that_is_not_what_was_asked_for_is_refused(
    hub: Any, pairs: Pairs, status: int, headers: dict[str, str], body: bytes, problem: str
) -> None:
    def wrong(handler: Any, asked: Any) -> bool:
        if asked.range is not None:
            handler.send(status, body, headers)
        return asked.range is not None

    hub.faults.append(wrong)
    with pytest.raises(ReleaseError, match=problem):
        open_source(pairs.catalog, cache_bytes=0).read(pairs.artifact(0, SOURCE_VIDEO))
    assert len(hub.gets()) == 1  # nothing is gained by asking again


def test_an_answer_of_too_many_bytes_is_refused(hub: Any, pairs: Pairs) -> None:
    artifact = pairs.artifact(0, SOURCE_VIDEO)

    def more(handler: Any, asked: Any) -> bool:
        headers = {"Content-Range": f"bytes {artifact.offset}-{artifact.end - 1}/*"}
        handler.send(206, bytes(artifact.size + 1), headers)
        return True

    hub.faults.append(more)
    with pytest.raises(UnreachableError, match="more than was asked for"):
        open_source(pairs.catalog, cache_bytes=0).read(artifact)


def test_wrong_bytes_are_an_error_and_are_not_kept(hub: Any, pairs: Pairs, release: Path) -> None:
    artifact = pairs.artifact(0, SOURCE_VIDEO)

    def zeros(handler: Any, asked: Any) -> bool:
        headers = {"Content-Range": f"bytes {artifact.offset}-{artifact.end - 1}/*"}
        handler.send(206, bytes(artifact.size), headers)
        return True

    hub.faults.append(zeros)
    with pytest.raises(ArtifactError, match="not the one"):
        open_source(pairs.catalog).read(artifact)
    hub.faults.clear()
    assert open_source(pairs.catalog).read(artifact) == open_source(release).read(artifact)


@pytest.mark.parametrize(
    ("name", "problem"),
    [("me/other", "no dataset repository"), ("me/sparkle@v9", "no such revision"), ("me/--", "not the name")],
)
def test_what_the_hub_does_not_have_is_said(hub: Any, repo: Path, name: str, problem: str) -> None:
    with pytest.raises(ReleaseError, match=problem):
        open_pairs(name)


def test_a_repository_without_tables_is_told_how_to_get_some(hub: Any) -> None:
    (hub.root / "me" / "raw").mkdir()
    with pytest.raises(ReleaseError, match="sparkle index me/raw --out INDEX"):
        open_pairs("me/raw")
