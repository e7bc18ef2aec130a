"""The same items from a Hub as from a folder, with at most two requests a pair."""

from __future__ import annotations

import shutil

import pytest

from harness import loopback
from sparkle.builders.training.dataset import PairDataset
from sparkle.builders.training.item import Clip

pytestmark = pytest.mark.slow

torch = pytest.importorskip("torch")


def test_a_hub_is_streamed_as_a_folder_is(shared_release, tmp_path, monkeypatch):
    monkeypatch.setenv("SPARKLE_CACHE", str(tmp_path / "cache"))
    with loopback.only_hub(tmp_path, monkeypatch) as server:
        shutil.copytree(shared_release, server.root / "me" / "sparkle")
        remote = PairDataset("me/sparkle", clip=Clip(frames=5), seed=2)
        server.asked.clear()
        streamed = list(remote.stream(batch_size=2))
        asked = len(server.asked)
        local = PairDataset(shared_release, clip=Clip(frames=5), seed=2)
        for ours, theirs in zip(streamed, local.stream(batch_size=2), strict=True):
            assert ours["id"] == theirs["id"]
            assert torch.equal(ours["edited_video"], theirs["edited_video"])
            assert torch.equal(ours["start"], theirs["start"])
        shards = {remote.parts[0].artifact(row, kind).file for row in range(9) for kind in remote.kinds}
        # Each tar's address is asked for once; here tars hold two or three videos.
        assert asked <= 2 * len(remote) + len(shards)
        server.asked.clear()
        assert len(list(remote.stream(batch_size=3))) == 3
        assert not server.asked  # everything is in the cache
