"""What it costs to know that a release is whole, on a Hub and in a folder, beside the Hub's own client.

    python benchmarks/verify.py [--size 200MB] [--shards 8] [--rounds 3] [--json]

- Draws a release of random bytes with as much text as upstream's samples have (12 kB each), and the loose
  files of its first samples, and puts it on a staging hub with the stock client.
- Remote: `sparkle verify REPO --level integrity` by a client that has nothing yet. The peer downloads the
  repository and verifies the download (`snapshot_download`, `HfApi.verify_repo_checksums`), which is how one
  knows with `huggingface_hub`. The hub counts the bytes that it sends.
- Local: the same level on the folder. The peers are `verify_repo_checksums` on the folder, which asks the hub
  for what is right, and one sha256 pass over all files by one process.

The issue asks for `--size 2GB --shards 40`.

JSON keys: `remote_bytes`, `peer_bytes`, `to_peer_bytes` (theirs over ours), `remote_seconds`, `peer_seconds`,
`local_gb_s`, `to_client` (their seconds over ours), `to_sha256_pass` (the pass's seconds over ours), `size`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from sparkle._progress import parse_size
from sparkle.builders.release.manifest import describe_file, dump_manifest, list_files
from sparkle.schemas import layout
from sparkle.schemas.ids import format_id
from sparkle.schemas.layout import KINDS

REPOSITORY, THEME = "owner/release", "location"
SAMPLE_BYTES = 5_000_000  # of a sample's eight artifacts in upstream's release
TEXT_BYTES = 1700  # of a sample in each of its seven text files: 12 kB in all
PREVIEW, LOOSE_BYTES = 100, 2000  # samples that stand loose; bytes of such a file, which nobody reads
BLOCK = 8 << 20  # bytes drawn, or hashed, at a time

OURS = """
import sys
from sparkle.hub.verify.report import VerifyOptions
from sparkle.hub.verify.levels import verify_release
report = verify_release(sys.argv[1], VerifyOptions(levels=("integrity",)))
assert report.ok and report.levels[0].status == "proved", report
"""
UPLOAD = """
import sys
from huggingface_hub import HfApi
HfApi().create_repo(sys.argv[1], repo_type="dataset")
HfApi().upload_folder(repo_id=sys.argv[1], repo_type="dataset", folder_path=sys.argv[2])
"""
DOWNLOAD = """
import sys
from huggingface_hub import HfApi, snapshot_download
snapshot_download(sys.argv[1], repo_type="dataset", local_dir=sys.argv[2])
found = HfApi().verify_repo_checksums(sys.argv[1], repo_type="dataset", local_dir=sys.argv[2])
assert not found.mismatches and not found.missing_paths, found
"""
CHECKSUMS = """
import sys
from huggingface_hub import HfApi
found = HfApi().verify_repo_checksums(sys.argv[1], repo_type="dataset", local_dir=sys.argv[2])
assert not found.mismatches and set(found.missing_paths) <= {".gitattributes"}, found
"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", type=parse_size, default="200MB", help="Bytes of the tars in all.")
    parser.add_argument("--shards", type=int, default=8, help="How many tars.")
    parser.add_argument("--rounds", type=int, default=3, help="How often everybody reads the folder.")
    parser.add_argument("--json", action="store_true", help="Print one JSON object.")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        figures = measure(Path(work), options.size, options.shards, options.rounds)
    print(json.dumps(figures) if options.json else "\n".join(f"{k:16} {v}" for k, v in figures.items()))


def measure(work: Path, size: int, shards: int, rounds: int) -> dict[str, object]:
    """The figures."""
    release = work / "release"
    draw_release(release, size, shards)
    total = sum((release / path).stat().st_size for path in list_files(release))
    with serving(work / "hub") as hub:
        hub.run(work / "uploads", UPLOAD, REPOSITORY, release)
        ours = hub.cost(work / "ours", OURS, REPOSITORY)
        peer = hub.cost(work / "peer", DOWNLOAD, REPOSITORY, work / "download")
        contenders: dict[str, Callable[[], object]] = {
            "ours": lambda: hub.run(work / "ours", OURS, release),
            "client": lambda: hub.run(work / "peer", CHECKSUMS, REPOSITORY, release),
            "pass": lambda: hash_once(release),
        }
        best = {name: min(timed(run) for _ in range(rounds)) for name, run in contenders.items()}
    return {
        "remote_bytes": ours[0],
        "peer_bytes": peer[0],
        "to_peer_bytes": round(peer[0] / ours[0], 1),
        "remote_seconds": round(ours[1], 2),
        "peer_seconds": round(peer[1], 2),
        "local_gb_s": round(total / best["ours"] / 1e9, 2),
        "to_client": round(best["client"] / best["ours"], 2),
        "to_sha256_pass": round(best["pass"] / best["ours"], 2),
        "size": total,
    }


def draw_release(folder: Path, size: int, shards: int) -> None:
    """Write a release of random bytes, which says of itself what a manifest says."""
    draw = np.random.default_rng(0)
    samples = size // SAMPLE_BYTES
    written = {layout.SOURCE_VIDEO.shard(THEME, part): size // shards for part in range(shards)}
    written[layout.records_parquet(THEME)] = 4000 * samples
    for index in range(min(PREVIEW, samples)):
        written |= {kind.path(format_id(THEME, index)): LOOSE_BYTES for kind in KINDS}
    for path, count in written.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        with (folder / path).open("wb") as file:
            while count:
                count -= file.write(draw.bytes(min(count, BLOCK)))
    text = [layout.prompts_csv(THEME), layout.metadata_jsonl(THEME)]
    text += [layout.record_file(THEME, step) for step in layout.RECORD_FILES]
    for path in text:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        lines = (draw.bytes(TEXT_BYTES // 2).hex() + "\n" for _ in range(samples))
        (folder / path).write_text("".join(lines))
    (folder / layout.CARD).write_text("---\nlicense: apache-2.0\n---\n# Random bytes\n")
    (folder / layout.PROVENANCE).write_text("{}\n")
    entries = [describe_file(folder, path) for path in list_files(folder)]
    (folder / layout.MANIFEST).write_bytes(dump_manifest(entries))


def hash_once(folder: Path) -> None:
    """One sha256 pass, file by file."""
    for path in list_files(folder):
        digest = hashlib.sha256()
        with (folder / path).open("rb") as file:
            while block := file.read(BLOCK):
                digest.update(block)


def timed(run: Callable[[], object]) -> float:
    """Seconds."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


class Hub:
    """A staging hub, and clients of it in processes of their own."""

    def __init__(self, url: str, token: str) -> None:
        self.url = url
        self.token = token

    def run(self, home: Path, code: str, *arguments: object) -> None:
        """Run a client's code; raises when it fails."""
        environment = {
            **os.environ,
            "HF_ENDPOINT": self.url,
            "HF_TOKEN": self.token,
            "HF_HOME": str(home),
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        }
        command = [sys.executable, "-c", code, *map(str, arguments)]
        subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)

    def cost(self, home: Path, code: str, *arguments: object) -> tuple[int, float]:
        """Bytes that the hub sends to a client, and seconds that it takes."""
        self._operate("DELETE")
        seconds = timed(lambda: self.run(home, code, *arguments))
        return int(self._operate("GET")["bytes_out"]), seconds

    def _operate(self, method: str) -> Any:
        request = urllib.request.Request(  # noqa: S310
            f"{self.url}/_staging/counters",
            method=method,
            headers={"Authorization": f"Bearer {self.token}"},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
            return json.load(answer)


@contextmanager
def serving(root: Path) -> Iterator[Hub]:
    """Serve a hub from a folder."""
    command = [sys.executable, "-c", "from sparkle.commands import hub; hub()", "serve", "--json"]
    command += ["--port", "0", "--root", str(root)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = json.loads(process.stdout.readline())
        try:
            yield Hub(said["url"], said["write_token"])
        finally:
            process.terminate()


if __name__ == "__main__":
    main()
