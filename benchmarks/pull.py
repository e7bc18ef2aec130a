"""What 200 chosen pairs cost from a Hub: bytes and requests, counted by the server.

    python benchmarks/pull.py [--samples 1000] [--bytes 200000] [--chosen 200] [--json]

- Draws a release of N pairs of random bytes, starts a staging hub, and uploads the release with the stock
  client.
- Ours is `sparkle pull` in a process of its own: pairs of a score that a fifth of them have, spread over
  all tars. Everything counts: tables, redirects, gaps between artifacts.
- The peer is the client's own file system (`HfFileSystem`): it opens the same tars and reads the same ranges,
  told by us where they are.

JSON keys: `bytes_ratio` (bytes that the server sent over those of the chosen artifacts),
`requests_per_sample`, `pull_s`, and the same of the peer: `peer_bytes_ratio`, `peer_requests_per_sample`,
`peer_s`; `whole_tars_ratio` (bytes of the tars that hold the chosen artifacts, over theirs: what it takes
without an index).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from random_access import KINDS, draw_release

from sparkle.builders.reading.pairs import open_pairs
from sparkle.builders.release.manifest import read_manifest

REPO = "me/drawn"
_SHARE = 0.2  # of the pairs that have the score: 8 to 10, drawn evenly
_SCORE = 10.0 - 2.0 * _SHARE
_COMMAND = "import sys; from sparkle.commands import hub; hub(sys.argv[1:])"
_UPLOAD = """
import sys
from huggingface_hub import HfApi
api = HfApi()
api.create_repo(sys.argv[1], repo_type="dataset")
api.upload_folder(repo_id=sys.argv[1], repo_type="dataset", folder_path=sys.argv[2])
"""
_PEER = """
import json, sys
from huggingface_hub import HfFileSystem
files = HfFileSystem()
for shard, offset, size in json.load(sys.stdin):
    with files.open(f"datasets/{sys.argv[1]}/{shard}", "rb") as file:
        file.seek(offset)
        assert len(file.read(size)) == size
"""


class Hub:
    """A running staging hub and a client that knows no other."""

    def __init__(self, said: dict[str, str], folder: Path) -> None:
        self._said = said
        self._environment = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
        self._environment |= {
            "HF_ENDPOINT": said["url"],
            "HF_TOKEN": said["write_token"],
            "HF_HOME": str(folder / "home"),
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "HF_HUB_DISABLE_XET": "1",
            "SPARKLE_CACHE": str(folder / "cache"),
            "NO_PROXY": "*",
        }

    def python(self, code: str, *words: object, given: str | None = None) -> str:
        """Run a client in a process of its own; what it prints."""
        command = [sys.executable, "-c", code, *map(str, words)]
        done = subprocess.run(
            command, env=self._environment, stdout=subprocess.PIPE, text=True, input=given, check=True
        )
        return done.stdout

    def counters(self, method: str = "GET") -> dict[str, Any]:
        """What was counted; "DELETE" begins anew."""
        request = urllib.request.Request(  # noqa: S310
            f"{self._said['url']}/_staging/counters",
            method=method,
            headers={"Authorization": f"Bearer {self._said['write_token']}"},
        )
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request) as answer:
            counted: dict[str, Any] = json.load(answer)
        return counted


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--samples", type=int, default=1000, help="Pairs in the release.")
    parser.add_argument("--bytes", type=int, default=200_000, help="Mean bytes of a video.")
    parser.add_argument("--chosen", type=int, default=200, help="Pairs to pull, at most.")
    parser.add_argument("--json", action="store_true", help="Print one JSON object.")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        os.environ["SPARKLE_CACHE"] = str(folder / "own")
        draw_release(folder / "release", options.samples, options.bytes)
        with serving(folder) as hub:
            hub.python(_UPLOAD, REPO, folder / "release")
            figures = measure(hub, folder, options.chosen)
    print(json.dumps(figures) if options.json else "\n".join(f"{k:26} {v}" for k, v in figures.items()))


def measure(hub: Hub, folder: Path, chosen: int) -> dict[str, float]:
    """The figures, for a release that is on the hub."""
    choice = ["--min", f"edited_video={_SCORE}", "--limit", chosen]
    hub.counters("DELETE")
    start = time.perf_counter()
    said = json.loads(hub.python(_COMMAND, "pull", REPO, *choice, "--out", folder / "out", "--json"))
    seconds = time.perf_counter() - start
    ours = hub.counters()

    pairs = open_pairs(folder / "release", min_scores={"edited_video": _SCORE}, limit=chosen)
    artifacts = [pairs.artifact(row, kind) for row in range(len(pairs)) for kind in KINDS]
    own = sum(artifact.size for artifact in artifacts)
    assert (len(pairs), own) == (said["pairs"], said["bytes_brought"])
    places = json.dumps([[artifact.file, artifact.offset, artifact.size] for artifact in artifacts])
    hub.counters("DELETE")
    start = time.perf_counter()
    hub.python(_PEER, REPO, given=places)
    peer_seconds = time.perf_counter() - start
    peer = hub.counters()

    shards = {artifact.file for artifact in artifacts}
    whole = sum(entry.size for entry in read_manifest(folder / "release") if entry.path in shards)
    return {
        "samples": len(pairs),
        "bytes_ratio": round(ours["bytes_out"] / own, 4),
        "requests_per_sample": round(ours["total"] / len(pairs), 3),
        "pull_s": round(seconds, 2),
        "peer_bytes_ratio": round(peer["bytes_out"] / own, 4),
        "peer_requests_per_sample": round(peer["total"] / len(pairs), 3),
        "peer_s": round(peer_seconds, 2),
        "whole_tars_ratio": round(whole / own, 2),
    }


@contextmanager
def serving(folder: Path) -> Iterator[Hub]:
    """A staging hub on a free port."""
    command = [
        sys.executable,
        "-c",
        _COMMAND,
        "serve",
        "--json",
        "--root",
        str(folder / "hub"),
        "--port",
        "0",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield Hub(json.loads(process.stdout.readline()), folder)
        finally:
            process.terminate()


if __name__ == "__main__":
    main()
