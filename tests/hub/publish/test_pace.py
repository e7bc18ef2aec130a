"""How contents are sent: several at once, by LFS in parts, after a kill in small steps."""

from __future__ import annotations

import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from harness import staging_server
from sparkle.hub.targets.hub import HubTarget
from sparkle.hub.targets.target import Standing

pytestmark = pytest.mark.slow

SHARD = 17_000_000  # bytes: large enough to be sent by itself, from the disk
PART = 8 << 20  # bytes of a part of the staging hub
_PUBLISH = """
import sys
from pathlib import Path
from sparkle.hub.publish.publishing import PublishOptions, publish_release
from sparkle.hub.targets.opening import open_target
from sparkle.schemas.errors import SparkleError
try:
    publish_release(Path(sys.argv[1]), open_target(sys.argv[2], "hub"), PublishOptions(check=False))
except SparkleError as error:
    raise SystemExit(f"refused: {error}")
"""
# Requests that send content: by Xet, by LFS in one piece or in parts.
SENDING = {True: "POST .*/xorbs/", False: "PUT .*_uploads"}


def _done(process: subprocess.Popen[str]) -> None:
    _, err = process.communicate(timeout=200)
    assert process.returncode == 0, err


def _wait_for(process: subprocess.Popen[str], hub: Any, happened: Any) -> None:
    """Wait until the hub's counters say that something happened."""
    while not happened(hub.counters()):
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)


@pytest.mark.parametrize("xet", [True, False], ids=["xet", "lfs"])
def test_a_shard_that_takes_long_holds_up_no_other(
    publisher: Any, rough_release: Any, hashes: Any, tmp_path: Path, xet: bool
) -> None:
    repo, end = f"owner/lanes-{xet}", "shard" if xet else "lfs_complete"
    folder = rough_release(tmp_path / "release", [SHARD + xet, SHARD + 2, SHARD + 4])
    publisher.hub.reset_counters()
    publisher.hub.faults({"action": "delay", "wait": 600, "match": SENDING[xet], "next": 1})
    process = publisher.python(_PUBLISH, folder, repo, xet=xet)
    _wait_for(process, publisher.hub, lambda seen: seen["requests"].get(end) == 2)
    process.kill()
    process.communicate()

    publisher.hub.faults()
    publisher.hub.reset_counters()
    _done(publisher.python(_PUBLISH, folder, repo, xet=xet))
    assert publisher.tree(repo) == hashes(folder)
    assert publisher.hub.counters()["bytes_in"] < 1.1 * SHARD  # the two that had arrived were noted


def test_what_arrives_while_another_fails_is_noted(
    publisher: Any, rough_release: Any, hashes: Any, tmp_path: Path
) -> None:
    folder = rough_release(tmp_path / "release", [SHARD + 10, SHARD + 12, SHARD + 14])
    publisher.hub.faults({"action": "status", "status": 507, "match": SENDING[False], "next": 1})
    process = publisher.python(_PUBLISH, folder, "owner/one-fails", xet=False)
    assert "refused: the Hub's disk is full" in process.communicate(timeout=200)[1]
    assert publisher.history("owner/one-fails") == []

    publisher.hub.reset_counters()
    _done(publisher.python(_PUBLISH, folder, "owner/one-fails", xet=False))
    assert publisher.tree("owner/one-fails") == hashes(folder)
    assert publisher.hub.counters()["bytes_in"] < 1.1 * SHARD


@pytest.mark.parametrize("xet", [True, False], ids=["xet", "lfs"])
def test_an_interrupt_waits_for_nothing_that_is_under_way(
    publisher: Any, releases: tuple[Path, Path], xet: bool
) -> None:
    before = publisher.hub.counters()["faults"].get("delay", 0)
    publisher.hub.faults({"action": "delay", "wait": 600, "match": SENDING[xet]})
    process = publisher.start(releases[xet], f"owner/interrupted-{xet}", xet=xet)
    _wait_for(process, publisher.hub, lambda seen: seen["faults"].get("delay", 0) > before)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=200)
    assert process.returncode == 130, err


def _cut_off(publisher: Any, folder: Path, repo: str) -> None:
    """Publish a shard of three parts by LFS, and kill that when two of them have arrived."""
    publisher.hub.reset_counters()
    publisher.hub.faults({"action": "delay", "wait": 600, "match": r"PUT .*_uploads/\w+/\d+/3\?"})
    process = publisher.python(_PUBLISH, folder, repo, xet=False)
    _wait_for(process, publisher.hub, lambda seen: seen["faults"].get("delay") == 1)
    process.kill()
    process.communicate()
    publisher.hub.faults()
    publisher.hub.reset_counters()


def test_by_lfs_a_kill_costs_the_part_under_way(
    publisher: Any, rough_release: Any, hashes: Any, tmp_path: Path
) -> None:
    folder = rough_release(tmp_path / "release", [2 * PART + 1_000_000])
    _cut_off(publisher, folder, "owner/parts")
    _done(publisher.python(_PUBLISH, folder, "owner/parts", xet=False))
    assert publisher.tree("owner/parts") == hashes(folder)
    counted = publisher.hub.counters()
    assert counted["requests"]["lfs_part"] == 1
    assert counted["bytes_in"] < 1_100_000


def test_parts_of_a_shard_that_changed_since_are_not_taken_for_its_own(
    publisher: Any, rough_release: Any, hashes: Any, tmp_path: Path
) -> None:
    folder = rough_release(tmp_path / "release", [2 * PART + 1_000_002])
    _cut_off(publisher, folder, "owner/touched")
    for shard in folder.glob("*.tar"):
        shutil.copy(shard, tmp_path / "copy")
        (tmp_path / "copy").replace(shard)
    _done(publisher.python(_PUBLISH, folder, "owner/touched", xet=False))
    assert publisher.tree("owner/touched") == hashes(folder)
    assert publisher.hub.counters()["requests"]["lfs_part"] == 3


def test_a_hub_that_cleared_parts_away_gets_them_again(
    publisher: Any, rough_release: Any, hashes: Any, tmp_path: Path
) -> None:
    folder = rough_release(tmp_path / "release", [2 * PART + 1_000_004])
    with staging_server.staging(tmp_path / "hub") as hub:
        publisher.hub = hub
        _cut_off(publisher, folder, "owner/cleared-parts")
        (first,) = (tmp_path / "hub" / "parts").glob("*/1-*")
        first.unlink()
        _done(publisher.python(_PUBLISH, folder, "owner/cleared-parts", xet=False))
        assert publisher.tree("owner/cleared-parts") == hashes(folder)


def test_a_publish_that_did_not_end_is_followed_by_a_careful_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPARKLE_CACHE", str(tmp_path))
    first = HubTarget("owner/demo")
    assert first.pace.lanes > 1
    first.prepare(Standing("1" * 40))
    assert first.pace.lanes > 1
    again = HubTarget("owner/demo")
    assert again.pace.lanes == 1
    assert again.pace.step < first.pace.step
    again.finish()
    assert HubTarget("owner/demo").pace == first.pace
    assert HubTarget("owner/demo", checkpoint=1000).pace == (1, 1000)
