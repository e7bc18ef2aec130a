"""A publish that is killed at random moments: it goes on, sends little twice, commits nothing twice."""

from __future__ import annotations

import random
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from sparkle.schemas import layout

pytestmark = pytest.mark.slow

# Prints a line when planning is over: kills before that have nothing to interrupt.
_PUBLISH = """
import sys
from pathlib import Path
from sparkle.hub.publish.publishing import PublishOptions, publish_release
from sparkle.hub.targets.hub import HubTarget
target = HubTarget(sys.argv[2], checkpoint=1 << 20)
say = lambda text: print("planned", flush=True)
publish_release(Path(sys.argv[1]), target, PublishOptions(tag="v1.0", check=False), say=say)
"""
SHARD = 18_000_000  # bytes: large enough to be sent from the disk, in steps
SHARDS = 3
KILLS = 6


@pytest.mark.parametrize("xet", [True, False], ids=["xet", "lfs"])
def test_kills_at_random_moments_cost_little(
    publisher: Any, rough_release: Any, hashes: Any, tmp_path: Path, xet: bool
) -> None:
    draw = random.Random(xet)  # noqa: S311
    repo = f"owner/killed-{xet}"
    folder = rough_release(tmp_path / "release", [SHARD + xet] * SHARDS)
    publisher.hub.reset_counters()
    publisher.hub.faults(
        {"action": "status", "status": 503, "every": 40}, {"action": "drop", "every": 40, "skip": 20}
    )
    for _ in range(KILLS):
        process = publisher.python(_PUBLISH, folder, repo, xet=xet)
        assert process.stdout is not None
        process.stdout.readline()
        try:
            process.wait(draw.uniform(0, 1.0))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
        process.communicate(timeout=60)
    process = publisher.python(_PUBLISH, folder, repo, xet=xet)
    _, err = process.communicate(timeout=200)
    assert process.returncode == 0, err
    publisher.hub.faults()  # what follows is read once

    assert publisher.tree(repo, "v1.0") == publisher.tree(repo) == hashes(folder)
    assert len(publisher.history(repo)) == 1
    # By Xet a kill costs the step under way, here 1 MB of 54; by LFS the part under way.
    cost = 2_000_000 if xet else 9_000_000
    assert publisher.hub.counters()["bytes_in"] < SHARDS * SHARD + (KILLS + 1) * cost


def test_a_kill_between_commit_and_tag_leaves_the_tag_to_the_rerun(
    publisher: Any, rough_release: Any, hashes: Any, tmp_path: Path
) -> None:
    folder = rough_release(tmp_path / "release", [100_000])
    before = publisher.hub.counters()["faults"].get("delay", 0)
    publisher.hub.faults({"action": "delay", "wait": 600, "match": "POST .*/tag/", "next": 1})
    process = publisher.python(_PUBLISH, folder, "owner/untagged")
    while publisher.hub.counters()["faults"].get("delay", 0) == before:
        assert process.poll() is None
    process.kill()
    process.communicate()
    assert publisher.tree("owner/untagged") == hashes(folder)
    process = publisher.python(_PUBLISH, folder, "owner/untagged")
    _, err = process.communicate(timeout=200)
    assert process.returncode == 0, err
    assert publisher.tree("owner/untagged", "v1.0") == hashes(folder)
    assert len(publisher.history("owner/untagged")) == 1


def test_a_revision_that_is_killed_leaves_readers_the_old_release(
    publisher: Any, rough_release: Any, hashes: Any, tmp_path: Path
) -> None:
    """The same paths with other bytes: tar and table must never be of two releases."""
    old = rough_release(tmp_path / "old", [SHARD])
    new = rough_release(tmp_path / "new", [SHARD + 1])
    path = layout.SOURCE_VIDEO.shard("location", 0)
    process = publisher.python(_PUBLISH.replace("v1.0", "old"), old, "owner/revised")
    process.communicate(timeout=200)
    assert process.returncode == 0
    before = publisher.hub.counters()["faults"].get("delay", 0)
    publisher.hub.faults({"action": "delay", "wait": 600, "match": "POST .*/commit/", "next": 1})
    process = publisher.python(_PUBLISH, new, "owner/revised")
    while publisher.hub.counters()["faults"].get("delay", 0) == before:
        assert process.poll() is None
        tree = publisher.tree("owner/revised")
        assert tree[path] == hashes(old)[path]
        assert tree[layout.MANIFEST] == hashes(old)[layout.MANIFEST]
    process.kill()
    process.communicate()
    assert publisher.tree("owner/revised") == hashes(old)
