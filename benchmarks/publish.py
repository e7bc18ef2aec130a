"""How long a publish takes, and what one sends that is killed again and again, beside `upload_folder`.

    python benchmarks/publish.py [--size 2GB] [--shards 40] [--kills 20] [--faults 0.05] [--lfs] [--json]

- Makes a release of random bytes (no codec could shrink them), and publishes it undisturbed, in turn with the
  peer, `--repeat` times, each time to a staging hub of its own.
- Then a share of all requests to a hub fails: half of them are answered 503, half lose their connection.
- Publishes the release there in processes that are killed with SIGKILL at random moments while they send, so
  that each gets its share of the release up; the last may finish. The hub counts the bytes of bodies that
  came in.
- The peer is `huggingface_hub.HfApi.upload_folder` on another hub, with as many faults and kills.
- Then every file of the repository is compared with the release, and the history is read: a commit whose
  files do not differ from those of its parent is a duplicate.

It takes three minutes. Of a smaller release, what each request and each kill costs is a larger share.

JSON keys: `to_upload_folder` (seconds of an undisturbed publish over the peer's: the median of all turns),
`bytes_sent_ratio` (bytes in / bytes of the release), `peer_ratio`, `to_peer` (peer's bytes over ours),
`commits`, `duplicate_commits`, `equal`, `killed` (processes that a kill ended), `failed` (those that gave up
by themselves), `clean_seconds` (the median of those undisturbed), `seconds`, `mode`; with `peer_` before
them, the peer's.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from sparkle._progress import parse_size
from sparkle.builders.release.manifest import FileEntry, dump_manifest, read_manifest
from sparkle.schemas import layout
from sparkle.schemas.canonical import sha256_file

REPOSITORY = "owner/release"
THEME = "location"
CARD = b"---\nlicense: apache-2.0\n---\n# Random bytes\n"
MAX_FAILED = 10  # publishes that give up before the figures are given up
BLOCK = 8 << 20  # bytes drawn at a time
_BEGINNING = {"preupload", "lfs_batch"}  # the hub's names of requests of which the first begins an upload

OURS = """
import sys
from pathlib import Path
from sparkle.hub.publish.publishing import PublishOptions, publish_release
from sparkle.hub.targets.opening import open_target
target = open_target(sys.argv[2], "hub", checkpoint=int(sys.argv[3]) or None)
print("begins", flush=True)
publish_release(Path(sys.argv[1]), target, PublishOptions(tag="v1.0", check=False))
"""
PEER = """
import sys
from huggingface_hub import HfApi
api = HfApi()
print("begins", flush=True)
api.create_repo(sys.argv[2], repo_type="dataset", exist_ok=True)
api.upload_folder(repo_id=sys.argv[2], repo_type="dataset", folder_path=sys.argv[1])
"""


@dataclass
class Hub:
    """A staging hub in a process of its own."""

    url: str
    token: str

    def operate(self, method: str, name: str, body: object = None) -> Any:
        """One of the operator's requests."""
        request = urllib.request.Request(  # noqa: S310
            f"{self.url}/_staging/{name}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
            return json.load(answer)

    def fail(self, share: float) -> None:
        """Let a share of all requests fail, half of them each way."""
        every = round(2 / share) if share else 0
        rules = [
            {"action": "status", "status": 503, "every": every},
            {"action": "drop", "every": every, "skip": every // 2},
        ]
        self.operate("PUT", "faults", rules if every else [])

    def bytes_in(self) -> int:
        """Bytes of bodies that came in."""
        return int(self.operate("GET", "counters")["bytes_in"])


@contextmanager
def serving(root: Path) -> Iterator[Hub]:
    """Serve a hub from a folder."""
    command = [sys.executable, "-c", "from sparkle.commands import hub; hub()", "serve", "--json"]
    command += ["--allow-faults", "--port", "0", "--root", str(root)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = json.loads(process.stdout.readline())
        try:
            yield Hub(said["url"], said["write_token"])
        finally:
            process.terminate()


def make_release(folder: Path, size: int, shards: int) -> int:
    """A release of random bytes; returns its bytes."""
    draw = np.random.default_rng(0)
    paths = [layout.SOURCE_VIDEO.shard(THEME, part) for part in range(shards)]
    entries = []
    folder.mkdir()
    for path in paths:
        with (folder / path).open("wb") as file:
            left = size // shards
            while left:
                left -= file.write(draw.bytes(min(left, BLOCK)))
    (folder / layout.CARD).write_bytes(CARD)
    for path in [*paths, layout.CARD]:
        entries.append(FileEntry(path, (folder / path).stat().st_size, sha256_file(folder / path)))
    (folder / layout.MANIFEST).write_bytes(dump_manifest(entries))
    return sum(entry.size for entry in entries) + (folder / layout.MANIFEST).stat().st_size


def client(hub: Hub, home: Path, *, lfs: bool) -> dict[str, str]:
    """The environment of a client."""
    return {
        **os.environ,
        "HF_ENDPOINT": hub.url,
        "HF_TOKEN": hub.token,
        "HF_HOME": str(home),
        "SPARKLE_CACHE": str(home / "sparkle"),
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "HF_HUB_DISABLE_XET": "1" if lfs else "0",
    }


@dataclass(frozen=True)
class Clean:
    """A publish without kills and faults: seconds until it began to send, and in all."""

    begins: float
    ends: float


def start(code: str, arguments: list[str], env: dict[str, str]) -> subprocess.Popen[str]:
    """Start a publish; returns when its imports are done."""
    with log_of(env).open("ab") as log:
        command = [sys.executable, "-c", code, *arguments]
        process = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=log, text=True)
    assert process.stdout is not None
    process.stdout.readline()
    return process


def log_of(env: dict[str, str]) -> Path:
    """Where a client's errors go."""
    home = Path(env["HF_HOME"])
    home.mkdir(exist_ok=True)
    return home / "client.log"


def finish(process: subprocess.Popen[str], kill_after: float | None = None) -> str:
    """Wait for a publish; returns how it ended: `done`, `killed` or `failed`."""
    try:
        return "failed" if process.wait(kill_after) else "done"
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.wait()
        return "killed"


def clean_publish(work: Path, name: str, code: str, arguments: list[str], *, lfs: bool) -> Clean:
    """Publish once on a hub of its own, and see how long that takes."""
    root, home = work / f"{name}-clean", work / f"{name}-clean-home"
    with serving(root) as hub:
        env = client(hub, home, lfs=lfs)
        process = start(code, arguments, env)
        began, begins = time.monotonic(), 0.0
        while process.poll() is None:
            if not begins and _BEGINNING & hub.operate("GET", "counters")["requests"].keys():
                begins = time.monotonic() - began
            time.sleep(0.02)
        ended = time.monotonic() - began
        if finish(process) != "done":
            raise SystemExit(f"{name} fails:\n{log_of(env).read_text()[-2000:]}")
    for folder in (root, home):
        shutil.rmtree(folder)
    return Clean(begins, ended)


def killed_publish(
    work: Path, name: str, code: str, arguments: list[str], clean: Clean, options: argparse.Namespace
) -> dict[str, Any]:
    """Publish under kills and faults on a hub of its own."""
    draw = np.random.default_rng(options.seed)
    # Of the time of a clean publish: what is sent within a kill's time goes on; nearly all kills find work.
    share = (clean.ends - clean.begins) / max(1, options.kills)
    with serving(work / f"{name}-hub") as hub:
        env = client(hub, work / f"{name}-home", lfs=options.lfs)
        hub.fail(options.faults)
        began = time.monotonic()
        ended = [
            finish(start(code, arguments, env), clean.begins + moment)
            for moment in draw.uniform(0, 1.5 * share, options.kills)
        ]
        while ended[-1:] != ["done"]:
            if ended.count("failed") > MAX_FAILED:
                raise SystemExit(f"{name} fails again and again:\n{log_of(env).read_text()[-2000:]}")
            ended.append(finish(start(code, arguments, env)))
        seconds = time.monotonic() - began
        hub.fail(0)
        figures: dict[str, Any] = {"bytes": hub.bytes_in(), "seconds": seconds}
        figures |= {"killed": ended.count("killed"), "failed": ended.count("failed")}
        return {**figures, **outcome(hub, Path(arguments[0]))}


def outcome(hub: Hub, folder: Path) -> dict[str, Any]:
    """What stands on a hub, read by the unmodified client."""
    from huggingface_hub import HfApi

    api = HfApi(endpoint=hub.url, token=hub.token)
    states = []
    for commit in api.list_repo_commits(REPOSITORY, repo_type="dataset"):
        tree = api.list_repo_tree(REPOSITORY, repo_type="dataset", revision=commit.commit_id, recursive=True)
        states.append({item.path: getattr(item, "blob_id", None) for item in tree})
    wanted = {entry.path: entry.sha256 for entry in read_manifest(folder)}
    wanted[layout.MANIFEST] = sha256_file(folder / layout.MANIFEST)
    found = {}
    for path in states[0].keys() - {".gitattributes"}:
        got = api.hf_hub_download(REPOSITORY, path, repo_type="dataset", local_dir=folder.parent / "got")
        found[path] = sha256_file(Path(got))
    return {
        "commits": len(states) - 1,
        "duplicate_commits": sum(after == before for after, before in pairwise(states)),
        "equal": found == wanted,
    }


def measure(work: Path, options: argparse.Namespace) -> dict[str, Any]:
    """The figures."""
    folder = work / "release"
    total = make_release(folder, options.size, options.shards)
    arguments = [str(folder), REPOSITORY, str(options.checkpoint)]
    ways = {"peer": (PEER, arguments[:2]), "ours": (OURS, arguments)}
    clean: dict[str, list[Clean]] = {name: [] for name in ways}
    for _ in range(options.repeat):
        for name, (code, given) in ways.items():
            clean[name].append(clean_publish(work, name, code, given, lfs=options.lfs))
            print(f"{name} undisturbed: {clean[name][-1].ends:.1f} s", file=sys.stderr, flush=True)
    pairs = zip(clean["ours"], clean["peer"], strict=True)
    figures = {}
    for name, (code, given) in ways.items():
        usual = sorted(clean[name], key=lambda each: each.ends)[options.repeat // 2]
        figures[name] = killed_publish(work, name, code, given, usual, options)
        figures[name]["clean_seconds"] = usual.ends
    ours, peer = figures["ours"], figures["peer"]
    sent, peer_sent = ours.pop("bytes"), peer.pop("bytes")
    return {
        "to_upload_folder": statistics.median(own.ends / other.ends for own, other in pairs),
        "bytes_sent_ratio": sent / total,
        "peer_ratio": peer_sent / total,
        "to_peer": peer_sent / sent,
        **ours,
        **{f"peer_{key}": value for key, value in peer.items()},
        "mode": "lfs" if options.lfs else "xet",
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", type=parse_size, default=2_000_000_000)
    parser.add_argument("--shards", type=int, default=40)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--repeat", type=int, default=3, help="undisturbed publishes of each")
    parser.add_argument("--faults", type=float, default=0.05, help="share of requests that fail")
    parser.add_argument("--checkpoint", type=parse_size, default=0)
    parser.add_argument("--lfs", action="store_true", help="send by LFS, not by Xet")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", type=Path, help="where to work; a temporary folder without it")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.work) as name:
        figures = measure(Path(name), options)
    if options.json:
        print(json.dumps(figures))
    else:
        for key, value in figures.items():
            print(f"{key:18} {value:.3f}" if isinstance(value, float) else f"{key:18} {value}")


if __name__ == "__main__":
    main()
