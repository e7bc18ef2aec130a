"""What the driver of a run costs by itself: time and memory, with workers that take no time.

    python benchmarks/driver.py [--candidates 100000] [--json]

- A run of N candidates from N sources is made by the real driver, in a real folder. Its workers answer at
  once, in another order than they were asked, with records of a tiny run; each step keeps the published share
  of what comes to it (4.85 outcomes per candidate). Sources are files of a few bytes, artifacts are empty.
- The workers' own time (drawing an answer, making the files) does not count.
- Then the last outcomes are taken away, as by a kill, and a process of its own goes on: it reads the run,
  finds what is there, and finishes. The most memory that it has on the way, over what it had with everything
  imported, grows with candidates: it is given for the 940,000 of the published dataset.
- The finished run is started again twice, each time in a process of its own. The first one looks through the
  run, since `generate` has not seen its end; the second time counts.

JSON keys: `candidates`, `outcomes`, `ingest_s` (the list becomes sources and candidates), `outcomes_per_s`,
`finish_s` (from the last outcome to the end of the call), `resume_s`, `mb_at_940k` (10**6 bytes), `rerun_s`.
Besides, what of it the processor worked, which others on the machine do not change: `outcomes_per_cpu_s`,
`finish_cpu_s`, `rerun_cpu_s`.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

from msgspec import structs

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from harness import factories
from sparkle._cache import HashCache
from sparkle._files import read_records, write_jsonl
from sparkle._progress import Advance
from sparkle.generation.config import resolve_config
from sparkle.generation.run.driver import Driver, generate
from sparkle.generation.run.fingerprints import run_packages, step_identity
from sparkle.generation.run.folder import open_run
from sparkle.generation.run.jobs import Done, HashFiles, Inspect, Process
from sparkle.generation.run.sources import list_sources
from sparkle.generation.steps import make_step
from sparkle.generation.steps.base import staged_path
from sparkle.schemas import layout
from sparkle.schemas import records as r
from sparkle.schemas.canonical import plain, sha256_bytes
from sparkle.schemas.load import load
from sparkle.schemas.rules import judge
from sparkle.schemas.stages import STEP_BY_NAME, STEP_NAMES

PUBLISHED = 940_000  # candidates of the published dataset
KEEPS = {"flow": 0.3, "camera": 0.794, "edit_score": 0.85, "remove_score": 0.885, "video_score": 0.833}
BAD: dict[str, dict[str, Any]] = {
    "flow": {"long": 9.0},
    "camera": {"fixed": False},
    "edit_score": {"overall": 1.0},
    "remove_score": {"overall": 1.0},
}
WORKERS = 16
LOST = 10  # outcomes that a kill took
READY = 2 * WORKERS  # answers that come back together
CONFIG = resolve_config(None, ()).config
EMPTY = r.ArtifactRef(sha256_bytes(b""), 0)


class Instant:
    """Workers that answer at once."""

    workers = WORKERS
    gpus = 0

    def __init__(self, model: Path) -> None:
        self.seconds = self.cpu_seconds = 0.0
        self._draw = random.Random(0)  # noqa: S311
        self._kept: dict[str, r.AnyOutcome] = {}
        self._out: dict[str, r.AnyOutcome] = {}
        for step in STEP_NAMES:
            [(_, kept)] = read_records(model / layout.outcomes(step), r.AnyOutcome)
            self._kept[step] = structs.replace(
                kept, artifacts={kind.name: EMPTY for kind in STEP_BY_NAME[step].makes}
            )
        for step in KEEPS:
            record = load(r.STEP_RECORDS[step], self._kept[step].record)
            if step == "video_score":
                frames = tuple(structs.replace(frame, O_score=1.0) for frame in record.editscore)
                record = structs.replace(record, editscore=frames)
            else:
                record = structs.replace(record, **BAD[step])
            reason = judge(step, record, CONFIG.thresholds)
            self._out[step] = structs.replace(
                self._kept[step], status=r.REJECTED, reason=reason, record=plain(record)
            )

    def map(self, jobs: Iterable[Any], *, on_gpu: bool = False) -> Iterator[list[Any]]:
        """Answer jobs."""
        waiting = iter(jobs)
        while ready := list(islice(waiting, READY)):
            begin, begin_cpu = time.perf_counter(), time.process_time()
            self._draw.shuffle(ready)
            answers = [self._answer(job) for job in ready]
            self.seconds += time.perf_counter() - begin
            self.cpu_seconds += time.process_time() - begin_cpu
            yield answers

    def _answer(self, job: HashFiles | Inspect | Process) -> Any:
        if isinstance(job, HashFiles):
            return job()
        if isinstance(job, Inspect):
            return r.SourceRecord(job.sha256, str(job.path), 1000, 1280, 720, 81, 16.0, "0" * 64)
        keeps = KEEPS.get(job.step, 1.0)
        kept = keeps == 1.0 or random.Random(f"{job.step} {job.sample.id}").random() < keeps  # noqa: S311
        for kind in STEP_BY_NAME[job.step].makes:
            staged_path(job.staging, "", kind, job.sample.id).touch()
        answer = (self._kept if kept else self._out)[job.step]
        return Done(job.step, structs.replace(answer, id=job.sample.id, fingerprint=job.fingerprint), "", 0.0)


def make(work: Path) -> dict[str, Any]:
    """Make the run."""
    workers, before = Instant(work / "model"), _warm(work)
    last = last_cpu = 0.0

    @contextmanager
    def progress(title: str, total: int) -> Iterator[Advance]:
        def advance(done: int = 1, dropped: int = 0) -> None:
            nonlocal last, last_cpu
            if done:
                last, last_cpu = time.perf_counter(), time.process_time()

        yield advance

    begin = time.perf_counter()
    listed = list_sources(work / "sources.jsonl", ["location"], None)
    with open_run(work / "run", shard=(0, 1)) as run, closing(HashCache()) as hashes:
        run.load()
        driver = Driver(run, CONFIG, workers, hashes, progress)
        driver.ingest(listed, (0, 1), 0)
        ingested, own = time.perf_counter(), workers.seconds
        ingested_cpu, own_cpu = time.process_time(), workers.cpu_seconds
        summary = driver.work()
    ended = time.perf_counter()
    return {
        "outcomes": summary.processed,
        "ingest_s": ingested - begin - own,
        "outcomes_per_s": summary.processed / (last - ingested - (workers.seconds - own)),
        "outcomes_per_cpu_s": summary.processed / (last_cpu - ingested_cpu - (workers.cpu_seconds - own_cpu)),
        "finish_s": ended - last,
        "finish_cpu_s": time.process_time() - last_cpu,
        "resume_s": ended - begin,
        "mb_at_940k": (_most() - before) / len(listed) * PUBLISHED / 1e6,
    }


def resume(work: Path) -> dict[str, Any]:
    """Go on with a run that lacks its last outcomes."""
    (work / "run" / layout.FUNNEL).unlink()
    path = work / "run" / layout.outcomes(STEP_NAMES[-1])
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:-LOST]))
    del lines
    found = make(work)
    if found["outcomes"] != LOST:
        raise SystemExit(f"{found['outcomes']} outcomes were made again, and not {LOST}")
    return {name: found[name] for name in ("resume_s", "mb_at_940k")}


def rerun(work: Path) -> dict[str, Any]:
    """Start the finished run again."""
    _warm(work)
    begin, begin_cpu = time.perf_counter(), time.process_time()
    listed = list_sources(work / "sources.jsonl", ["location"], None)
    summary = generate(listed, work / "run", CONFIG, workers=WORKERS, shard=(0, 1))
    if summary.processed:
        raise SystemExit(f"{summary.processed} outcomes were made again")
    return {
        "rerun_s": time.perf_counter() - begin,
        "rerun_cpu_s": time.process_time() - begin_cpu,
    }


def _warm(work: Path) -> int:
    """Import what a run needs; returns the bytes that the process has then."""
    list_sources(work / "one.jsonl", ["location"], None)
    run_packages(CONFIG)
    for name in STEP_NAMES:
        step_identity(make_step(name, CONFIG))
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def _most() -> int:
    """The most bytes that the process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def measure(work: Path, candidates: int) -> dict[str, Any]:
    """The figures."""
    folder = work / "clips"
    factories.write_run(work / "model", factories.specs("location", 1))
    for index in range(candidates):
        path = folder / f"{index // 1000:04}" / f"{index:07}.mp4"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(str(index))
    paths = sorted(folder.glob("*/*.mp4"))
    write_jsonl(work / "sources.jsonl", ({"path": str(path)} for path in paths))
    write_jsonl(work / "one.jsonl", [{"path": str(paths[0])}])
    figures: dict[str, Any] = {"candidates": candidates}
    for part in ("make", "resume", "rerun", "rerun"):
        command = [sys.executable, __file__, "--part", part, "--work", str(work)]
        env = {**os.environ, "SPARKLE_CACHE": str(work / "cache")}
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=env)
        figures |= json.loads(done.stdout)
        print(part, done.stdout.strip(), file=sys.stderr, flush=True)
    return figures


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--candidates", type=int, default=100_000)
    parser.add_argument("--work", type=Path, help="where to work; a temporary folder without it")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--part", choices=("make", "resume", "rerun"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part:
        print(json.dumps({"make": make, "resume": resume, "rerun": rerun}[options.part](options.work)))
        return
    with tempfile.TemporaryDirectory(dir=options.work) as name:
        figures = measure(Path(name), options.candidates)
    if options.json:
        print(json.dumps(figures))
        return
    for key, value in figures.items():
        print(f"{key:20}{value:,.2f}")


if __name__ == "__main__":
    main()
