"""Bad days: a Hub that is busy or full, a network that drops, lost answers, two publishers at once."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from sparkle.builders.reading.client import scrub
from sparkle.schemas import layout

pytestmark = pytest.mark.slow

_ROUGHLY = """
import sys
from pathlib import Path
from sparkle.hub.publish.publishing import PublishOptions, publish_release
from sparkle.hub.targets.hub import HubTarget
from sparkle.hub.targets.target import Limits
from sparkle.schemas.errors import SparkleError
limits = Limits(commit_files=int(sys.argv[3]))
try:
    publish_release(Path(sys.argv[1]), HubTarget(sys.argv[2], limits=limits), PublishOptions(check=False))
except SparkleError as error:
    raise SystemExit(f"refused: {error}")
"""


@contextmanager
def _held(publisher: Any, process: subprocess.Popen[str]) -> Iterator[None]:
    """Stop a publisher when it has planned and asks how to send, and let it go on after the block.

    Until it has stopped the hub is busy: however late that is, it has not gone on.
    """
    before = publisher.hub.counters()["faults"].get("status", 0)
    publisher.hub.faults({"action": "status", "status": 503, "match": "POST .*/preupload/"})
    while publisher.hub.counters()["faults"].get("status", 0) == before:
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
    publisher.hub.faults()
    yield
    process.send_signal(signal.SIGCONT)


@pytest.mark.parametrize("xet", [True, False], ids=["xet", "lfs"])
def test_a_line_that_drops_every_tenth_request_is_enough(
    publisher: Any, releases: tuple[Path, Path], hashes: Any, xet: bool
) -> None:
    publisher.hub.faults(
        {"action": "drop", "every": 10}, {"action": "status", "status": 503, "every": 10, "skip": 5}
    )
    repo = f"owner/dropping-{xet}"
    publisher.run(releases[0], repo, "--tag", "v1.0", xet=xet)
    publisher.hub.faults()
    assert publisher.tree(repo, "v1.0") == hashes(releases[0])
    assert len(publisher.history(repo)) == 1


def test_an_outage_is_waited_out(publisher: Any, releases: tuple[Path, Path], hashes: Any) -> None:
    publisher.hub.faults({"action": "status", "status": 503, "seconds": 5})
    publisher.run(releases[0], "owner/outage")
    assert publisher.tree("owner/outage") == hashes(releases[0])


def test_from_python_a_wait_is_told_though_nobody_asked(publisher: Any, releases: tuple[Path, Path]) -> None:
    publisher.hub.faults({"action": "status", "status": 429, "retry_after": 2, "match": "POST", "next": 1})
    code = "import sys, sparkle; print(sparkle.publish(sys.argv[1], 'owner/waiting').commits)"
    process = publisher.python(code, releases[0])
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    assert "waiting 2 s for" in err
    assert out.strip() == "1"
    assert len(err.splitlines()) == 1, err  # no plan


def test_a_quota_is_waited_for_as_long_as_the_hub_asks(
    publisher: Any, releases: tuple[Path, Path], hashes: Any
) -> None:
    publisher.hub.faults(
        {"action": "status", "status": 429, "retry_after": 4, "match": "POST .*/commit/", "next": 1}
    )
    began = time.monotonic()
    publisher.run(releases[0], "owner/quota")
    assert time.monotonic() - began > 4
    assert publisher.tree("owner/quota") == hashes(releases[0])
    assert len(publisher.history("owner/quota")) == 1


def test_answers_that_are_lost_make_no_second_commit(
    publisher: Any, releases: tuple[Path, Path], hashes: Any
) -> None:
    publisher.hub.faults(
        {"action": "lose", "match": "POST .*/commit/", "next": 1},
        {"action": "lose", "match": "POST .*/repos/create", "next": 1},
        {"action": "lose", "match": "POST .*/tag/", "next": 1},
        {"action": "lose", "match": "POST .*/branch/", "next": 1},
    )
    publisher.run(releases[0], "owner/lost", "--tag", "v1.0", "--revision", "next")
    assert publisher.hub.counters()["faults"]["lose"] == 4
    commits = publisher.api.list_repo_commits("owner/lost", repo_type="dataset", revision="next")
    assert [commit.title for commit in commits][:-1] == ["Sparkle release v1.0"]
    assert publisher.tree("owner/lost", "v1.0") == hashes(releases[0])


def test_a_branch_that_moved_is_not_written_over(
    publisher: Any, releases: tuple[Path, Path], hashes: Any
) -> None:
    repo = "owner/moved"
    publisher.run(releases[0], repo)
    process = publisher.start(releases[1], repo)
    with _held(publisher, process):
        publisher.api.upload_file(
            path_or_fileobj=b"mine", path_in_repo="mine.txt", repo_id=repo, repo_type="dataset"
        )
    status, said = publisher.outcome(process)
    assert status == 2
    assert "branch moved" in said["error"]["problem"]
    tree = publisher.tree(repo)
    assert tree.pop("mine.txt")
    assert tree == hashes(releases[0])

    publisher.hub.reset_counters()
    publisher.run(releases[1], repo)
    requests = publisher.hub.counters()["requests"]
    assert not requests.keys() & {"xorb", "shard"}  # nothing is sent again
    assert {**publisher.tree(repo)}.pop("mine.txt")
    assert publisher.whole_at(repo, "main")


@pytest.mark.parametrize("xet", [True, False], ids=["xet", "lfs"])
def test_a_full_disk_there_is_said_and_nothing_becomes_visible(
    publisher: Any, rough_release: Any, hashes: Any, tmp_path: Path, xet: bool
) -> None:
    repo = f"owner/full-{xet}"
    folder = rough_release(tmp_path / "release", [100_000 + xet, 200_000])
    for place in (r"(POST .*/xorbs/|PUT .*_uploads)", "POST .*/commit/"):
        publisher.hub.faults({"action": "status", "status": 507, "match": place})
        process = publisher.python(_ROUGHLY, folder, repo, 100, xet=xet)
        _, err = process.communicate(timeout=200)
        assert "refused: the Hub's disk is full" in err
        assert publisher.history(repo) == []
    publisher.hub.faults()
    publisher.hub.reset_counters()
    process = publisher.python(_ROUGHLY, folder, repo, 100, xet=xet)
    _, err = process.communicate(timeout=200)
    assert process.returncode == 0, err
    assert publisher.tree(repo) == hashes(folder)
    assert publisher.hub.counters()["bytes_in"] < 10_000  # the data was there


def test_two_publishers_on_a_machine_take_turns(
    publisher: Any, releases: tuple[Path, Path], hashes: Any
) -> None:
    first = publisher.start(releases[0], "owner/two")
    with _held(publisher, first):
        assert "another process publishes" in publisher.refused(releases[1], "owner/two")["problem"]
    assert publisher.outcome(first)[0] == 0
    assert publisher.tree("owner/two") == hashes(releases[0])


def test_two_publishers_on_two_machines_never_mix(
    publisher: Any, releases: tuple[Path, Path], hashes: Any, tmp_path: Path
) -> None:
    other = type(publisher)(publisher.hub, tmp_path / "elsewhere")
    slow = publisher.start(releases[0], "owner/race")
    with _held(publisher, slow):
        other.run(releases[1], "owner/race")
    status, said = publisher.outcome(slow)
    assert status == 2
    assert "branch moved" in said["error"]["problem"]
    assert publisher.tree("owner/race") == hashes(releases[1])


def test_a_release_that_changes_meanwhile_is_refused(
    publisher: Any, rough_release: Any, tmp_path: Path
) -> None:
    folder = rough_release(tmp_path / "release", [17 << 20, 17 << 20])
    shard = folder / layout.SOURCE_VIDEO.shard("location", 1)
    process = publisher.python(_ROUGHLY, folder, "owner/changing", 100)
    with _held(publisher, process):
        data = bytearray(shard.read_bytes())
        data[5] ^= 1
        shard.write_bytes(data)
    _, err = process.communicate(timeout=200)
    assert "refused: the release changes while it is being published" in err
    assert publisher.history("owner/changing") == []


def test_more_files_than_a_commit_takes_become_visible_before_anything_names_them(
    publisher: Any, releases: tuple[Path, Path], hashes: Any
) -> None:
    repo = "owner/batches"
    for release in releases:
        process = publisher.python(_ROUGHLY, release, repo, 30)
        _, err = process.communicate(timeout=200)
        assert process.returncode == 0, err
        assert publisher.tree(repo) == hashes(release)
    history = publisher.history(repo)
    whole = [publisher.whole_at(repo, commit) for commit in history]
    first = whole.index(True)
    assert first > 0
    assert all(whole[first:])
    for commit in history[:first]:
        tree = publisher.tree(repo, commit)
        assert not [path for path in tree if path.endswith((".md", ".csv", ".parquet", ".json", ".jsonl"))]


def test_what_an_unfinished_publish_left_goes_with_the_next_release(
    publisher: Any, releases: tuple[Path, Path], hashes: Any
) -> None:
    repo = "owner/left"
    publisher.run(releases[0], repo)
    publisher.hub.faults(
        {"action": "status", "status": 400, "match": "POST .*/commit/", "skip": 1, "next": 1}
    )
    process = publisher.python(_ROUGHLY, releases[1], repo, 23)
    _, err = process.communicate(timeout=200)
    assert "refused" in err
    assert publisher.whole_at(repo, "main")
    left = publisher.tree(repo).keys() - hashes(releases[0]).keys()
    assert left
    publisher.hub.faults()
    said = publisher.run(releases[0], repo)
    assert set(said["deleted"]) == left
    assert publisher.tree(repo) == hashes(releases[0])


@pytest.mark.parametrize("place", ["PUT .*_uploads", "POST .*/commit/"], ids=["signed address", "commit"])
def test_no_secret_is_kept_or_said(publisher: Any, rough_release: Any, tmp_path: Path, place: str) -> None:
    folder = rough_release(tmp_path / "release", [100_000 + len(place)])
    publisher.hub.faults({"action": "status", "status": 507, "match": place})
    process = publisher.python(_ROUGHLY, folder, "owner/secrets", 100, xet=False)
    _, err = process.communicate(timeout=200)
    assert "disk is full" in err
    assert publisher.hub.write_token not in err
    assert not re.search(r"https?://[^ ]*\?(?!\.\.\.)", err)  # what signs an address stands after its `?`
    for path in (publisher.home / "sparkle").rglob("*"):
        assert path.is_dir() or not re.search(rf"http|{publisher.hub.write_token}", path.read_text())


def test_an_error_is_said_without_what_signs_and_who_asks() -> None:
    text = "PUT https://me:word@h/a/b?X-Amz-Signature=0a&x=1 with Bearer hf_abcDEF123 and hf_abcDEF123"
    said = scrub(text)
    assert said == "PUT https://h/a/b?... with (token) and (token)"
