"""What `kills.py` kills, where it works, what it leaves, and what it has promised."""

from __future__ import annotations

import hashlib
import importlib
import json
import multiprocessing
import os
import random
import shutil
import signal
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "examples"))

from drawn_clips.synthetic import draw_clip
from harness import factories, staging_server, upstream_folder
from sparkle.commands import main as sparkle
from sparkle.schemas.canonical import sha256_file
from sparkle.schemas.layout import KINDS

INTERRUPTED = 130
REPOSITORY = "owner/killed"
MODULES = (  # what the commands import when they are called
    "sparkle.builders.building.from_runs",
    "sparkle.builders.training.export",
    "sparkle.builders.training.hf",
    "sparkle.builders.upstream.import_",
    "sparkle.builders.upstream.indexing",
    "sparkle.generation.run",
    "sparkle.hub.preview.make",
    "sparkle.hub.publish.publishing",
    "sparkle.hub.pull.pulling",
    "sparkle.hub.targets.hub",
    *(
        f"sparkle.commands.{name}"
        for name in ("build", "export", "generate", "import_", "index", "preview", "publish", "pull")
    ),
)
_OURS = "of-the-bench"  # in the questions of this process, which do not fail
FAULTS = ("status", "drop", "lose", "cut")  # each of every 80th request
HANG = 300.0  # seconds: only ends a hang


@dataclass(frozen=True)
class Ending:
    """How a command ended: its exit code, negative for a signal; the seconds it took; whether it was late."""

    code: int | None
    seconds: float
    late: bool


@dataclass(frozen=True)
class Command:
    """What is killed.

    Attributes:
        run: Does it; its words, for `sparkle`, or a function.
        share: How many of the kills it gets, beside others.
        promised: What it has promised by now.
        publishes: Whether it writes to the hub.
        lfs: Whether that is by LFS.
    """

    run: Sequence[object] | Callable[[], None]
    share: int
    promised: Callable[[], set[str]]
    publishes: bool = False
    lfs: bool = False


class Bench:
    """A folder with inputs, a hub, a place that every run has to itself, and a log."""

    def __init__(self, work: Path, hub: staging_server.Staging, draw: random.Random) -> None:
        self._draw = draw
        self.place, self.log, self.hub = work / "place", work / "log", hub
        self.made, self.out = self.place / "made", self.place / "made" / "out"
        os.environ |= hub.env(self.place / "home")  # before anything reads it, and for the children
        os.environ |= {"SPARKLE_CACHE": str(self.place / "cache"), "HF_XET_CLIENT_RETRY_BASE_DELAY": "200ms"}
        for module in MODULES:
            importlib.import_module(module)
        samples = [*factories.specs("location", 4), *factories.specs("season", 2)]
        run = factories.write_run(work / "run", samples)
        for sample_id in upstream_folder.IDS:
            for kind in KINDS:
                factories.write_artifact(work / "media", kind, sample_id)
        upstream_folder.write_folder(work / "upstream", work / "media")
        (work / "clips").mkdir()
        draw_clip(work / "clips" / "drawn.mp4", seed=1, width=224, height=128, frames=9)
        self.release, out = work / "release", ("--out", self.out)
        sizes = ("--max-shard-size", 20_000, "--preview", 1)
        self.commands = {
            "generate": Command(
                ("generate", "--sources", work / "clips", "--workers", 1, *out), 2, self._lines
            ),
            "build": Command(("build", run, *sizes, *out), 6, self._tars),
            "pull-hub": Command(("pull", "owner/source", *out), 4, self._files),
            "load-hub": Command(self._load, 4, self._kept),
            "pull": Command(("pull", self.release, *out), 3, self._files),
            "preview": Command(("preview", self.release, *out), 3, set),
            "import": Command(("import", work / "upstream", *out), 3, self._tars),
            "export": Command(("export", self.release, "--to", "kiwi", *out), 3, set),
            "index": Command(("index", work / "upstream", *out), 3, set),
            # last, as they take away what the hub has
            "publish-xet": Command((), 6, self._history, publishes=True),
            "publish-lfs": Command((), 6, self._history, publishes=True, lfs=True),
        }
        hub.stop()
        self._empty = Path(shutil.copytree(hub.root, work / "empty"))
        hub.start()
        self.made.mkdir(parents=True)
        self._prepare(Command(("build", run, *sizes, "--out", self.release), 0, set))
        self._prepare(Command(("publish", self.release, "owner/source"), 0, set))
        self.bytes = sum(path.stat().st_size for path in self.release.rglob("*") if path.is_file())

    def _prepare(self, command: Command) -> None:
        if self.run(command).code != 0:
            raise SystemExit(f"{command.run} cannot run:\n{tail(self.log)}")

    # --- what is there -----------------------------------------------------------------------------

    def clear(self, command: Command) -> None:
        """Let the next run begin with nothing: one that publishes, on a hub that has nothing."""
        shutil.rmtree(self.place, ignore_errors=True)
        self.made.mkdir(parents=True)
        self.log.write_bytes(b"")
        if command.publishes:
            self.hub.stop()
            shutil.rmtree(self.hub.root)
            shutil.copytree(self._empty, self.hub.root)
            self.hub.start()
        self.hub.reset_counters()
        rules = {"every": 80, "bytes": 100, "match": f"^(?!.*{_OURS})"}
        self.hub.faults(
            *({"action": action, "skip": -self._draw.randrange(80), **rules} for action in FAULTS)
        )

    def found(self, command: Command) -> dict[str, str]:
        """What a command left, beside its folder as well, and on the hub: path -> hash."""
        files = sorted(path for path in self.made.rglob("*") if path.is_file() or path.is_symlink())
        left = {path.relative_to(self.made).as_posix(): sha256_file(path) for path in files}
        if command.publishes:
            tree = self._ask("tree/main") or []
            left |= {f"hub: {item['path']}": item["oid"] for item in tree if item["type"] == "file"}
            left["hub: commits"] = str(sum(name.startswith("commit") for name in self._history()))
            left["hub: tags at the head"] = str(self._tags() == {"v1.0": self._head()})
        return left

    def _ask(self, question: str) -> Any:
        """Ask the hub about the repository that is published to; None where it is not there."""
        url = f"{self.hub.url}/api/datasets/{REPOSITORY}/{question}?{_OURS}&recursive=true"
        asked = urllib.request.Request(  # noqa: S310
            url, headers={"Authorization": f"Bearer {self.hub.write_token}"}
        )
        try:
            with urllib.request.urlopen(asked, timeout=60) as answer:  # noqa: S310
                return json.load(answer)
        except urllib.error.HTTPError as error:
            if error.code != 404:
                raise
            return None

    def _tags(self) -> dict[str, str]:
        refs = self._ask("refs") or {"tags": []}
        return {tag["name"]: tag["targetCommit"] for tag in refs["tags"]}

    def _head(self) -> str | None:
        commits = self._ask("commits/main")
        return commits[0]["id"] if commits else None

    # --- what was promised -------------------------------------------------------------------------

    def _history(self) -> set[str]:
        commits = self._ask("commits/main") or []
        return {f"commit {commit['id']}" for commit in commits} | {
            f"tag {name} = {commit}" for name, commit in self._tags().items()
        }

    def _lines(self) -> set[str]:
        """Whole lines of a run's outcomes."""
        whole = (path.read_bytes().rpartition(b"\n")[0] for path in self.out.glob("outcomes/*.jsonl"))
        return {line.decode() for text in whole for line in text.splitlines()}

    def _tars(self) -> set[str]:
        """Tars that are listed while they are packed, or stand in the release."""
        journal, building = self.made / ".out.packed.jsonl", self.made / ".out.building"
        text = journal.read_bytes().rpartition(b"\n")[0] if journal.exists() else b""
        listed = [json.loads(line)["path"] for line in text.splitlines()]
        found = {path: building / path for path in listed}
        found |= {path.relative_to(self.out).as_posix(): path for path in self.out.rglob("*.tar")}
        return {f"{name}, inode {path.stat().st_ino}" for name, path in found.items() if path.exists()}

    def _files(self) -> set[str]:
        """Artifacts that were pulled."""
        return _inodes(self.out, ("*.mp4", "*.npz", "*.png", "*.jpg"))

    def _kept(self) -> set[str]:
        """What the cache of artifacts keeps."""
        return _inodes(self.place / "cache" / "artifacts", ("??/*",))

    # --- running -----------------------------------------------------------------------------------

    def _load(self) -> None:
        """Read pairs from the hub through the cache of artifacts, and leave what was read."""
        import sparkle

        rows = sparkle.load("owner/source", "location", streaming=True)
        pairs = [(row["task"], row["source_video"]["bytes"], row["edited_video"]["bytes"]) for row in rows]
        self.out.write_text("\n".join(f"{task} {hash_of(one)} {hash_of(two)}" for task, one, two in pairs))

    def run(
        self, command: Command, number: signal.Signals | None = None, after: float | None = None
    ) -> Ending:
        """Run a command; send it a signal after some seconds."""
        context = multiprocessing.get_context("fork")
        here, there = context.Pipe(duplex=False)
        words = ("publish", self.release, REPOSITORY, "--tag", "v1.0") if command.publishes else command.run
        process = context.Process(target=_run, args=(words, self.log, there, command.lfs))
        process.start()
        there.close()
        with suppress(EOFError):
            here.recv()
        began = time.monotonic()
        process.join(HANG if after is None else after)
        late = process.exitcode is not None
        if number is not None and process.pid is not None and not late:
            whom = os.kill if number is signal.SIGKILL else os.killpg
            with suppress(ProcessLookupError):
                whom(process.pid, number)
            process.join(HANG)
        ending = Ending(process.exitcode, time.monotonic() - began, late)
        if process.exitcode is None:
            process.kill()
        process.join()
        return ending


def hash_of(data: bytes) -> str:
    """A hash of bytes that a row has."""
    return hashlib.sha256(data).hexdigest()


def _inodes(folder: Path, patterns: Sequence[str]) -> set[str]:
    """Files that have their names; what is being written has a dot before it."""
    files = {path for pattern in patterns for path in folder.rglob(pattern)}
    return {
        f"{path.relative_to(folder)}, inode {path.stat().st_ino}"
        for path in files
        if path.is_file() and not path.name.startswith(".")
    }


def _run(work: Sequence[object] | Callable[[], None], log: Path, ready: Connection, lfs: bool) -> None:
    from huggingface_hub import constants

    os.setsid()
    with log.open("ab") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    constants.HF_HUB_DISABLE_XET = lfs  # read from the environment when the client was imported
    ready.send("begins")
    ready.close()
    if not callable(work):
        sparkle([str(word) for word in work], prog_name="sparkle")
    else:
        try:
            work()
        except KeyboardInterrupt:
            raise SystemExit(INTERRUPTED) from None


def tail(log: Path) -> str:
    """The end of what was printed."""
    return log.read_text("utf-8", "replace")[-3000:]
