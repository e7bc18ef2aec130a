"""Garbage is collected on request: what a reference leads to stays, all else goes."""

from __future__ import annotations

import json
import subprocess
from dataclasses import asdict

import pytest

from harness import staging_server
from sparkle.hub.staging.store.root import collect, open_root

pytestmark = pytest.mark.slow

CLIENT = """
kind = {"repo_type": "dataset"}
noise = lambda seed, size=300_000: __import__("random").Random(seed).randbytes(size)
for repo in ("keep/a", "drop/a"):
    api.create_repo(repo, **kind)
put = lambda repo, path, data: api.upload_file(path_or_fileobj=data, path_in_repo=path, repo_id=repo, **kind)
put("keep/a", "shared.bin", noise(1)); put("drop/a", "shared.bin", noise(1))
put("drop/a", "own.bin", noise(2)); put("drop/a", "own.txt", b"small and dropped")
put("keep/a", "changed.bin", noise(3)); put("keep/a", "changed.bin", noise(4))
put("keep/a", "tagged.bin", noise(5)); api.create_tag("keep/a", tag="v1", **kind)
put("keep/a", "part.bin", noise(6) + noise(7)); put("keep/a", "half.bin", noise(6))
api.delete_file("tagged.bin", "keep/a", **kind); api.delete_file("part.bin", "keep/a", **kind)
"""


def collect_here(root):
    with open_root(root) as opened:
        return asdict(collect(opened))


def collect_by_the_command(root):
    command = [*staging_server.HUB, "serve", "--root", str(root), "--collect", "--json"]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(result.stdout)


def test_garbage_goes_and_the_rest_stays(run_client, tmp_path):
    root = tmp_path / "root"
    with staging_server.staging(root) as hub:
        run_client(hub, CLIENT)
        hub.stop()
        assert collect_here(root)["blobs"] == 0  # history leads to everything
        assert len([path for path in (root / "blobs").rglob("*") if path.is_file()]) == 7
        hub.start()
        run_client(
            hub,
            """
import os
api.delete_repo("drop/a", repo_type="dataset")
api.super_squash_history("keep/a", repo_type="dataset")
never = [CommitOperationAdd("never.bin", os.urandom(200_000))]
api.preupload_lfs_files("keep/a", never, repo_type="dataset")  # and no commit follows
""",
            xet=False,
        )
        hub.stop()
        found = collect_by_the_command(root)
        # What only the deleted repository had, the part, and what no commit followed; the tag holds the rest.
        assert (found["blobs"], found["bytes"] > 1_000_000) == (3, True)
        assert found["commits"] > 3
        again = collect_here(root)
        assert (again["commits"], again["blobs"], again["xorbs"]) == (0, 0, 0)
        hub.start()
        answer = run_client(
            hub,
            """
noise = lambda seed: __import__("random").Random(seed).randbytes(300_000)
get = lambda path, revision="main": Path(hf_hub_download("keep/a", path, revision=revision,
                                         repo_type="dataset")).read_bytes()
answer = [get("shared.bin") == noise(1), get("changed.bin") == noise(4), get("half.bin") == noise(6),
          get("tagged.bin", "v1") == noise(5), get("changed.bin", "v1") == noise(4)]
api.upload_file(path_or_fileobj=noise(6) + noise(7), path_in_repo="part.bin", repo_id="keep/a",
                repo_type="dataset")
answer.append(get("part.bin") == noise(6) + noise(7))
""",
            xet=False,
        )
        assert answer == [True] * 6
