"""Runs clips through the steps of the classical chain in this process, for the benchmarks beside it.

Steps are made and judged as `sparkle generate` does it, except that a rejected sample goes on: a benchmark
wants every figure of every clip. A step that fails ends the benchmark.
"""

from __future__ import annotations

import json
import os
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2

from drawn_clips.synthetic import SubjectName, draw_clip
from sparkle.generation.config import RunConfig, load_config
from sparkle.generation.run.epoch import RunEpoch
from sparkle.generation.run.jobs import Process
from sparkle.generation.run.sources import inspect_source
from sparkle.generation.steps.base import SampleState
from sparkle.schemas.canonical import sha256_file
from sparkle.schemas.load import load
from sparkle.schemas.records import FAILED, REJECTED, STEP_RECORDS, Candidate, Record
from sparkle.schemas.stages import STEP_NAMES

WIDTH, HEIGHT, FRAMES = 1280, 720, 81  # upstream's clips
DRAWN: tuple[SubjectName, ...] = ("figure", "ball", "fish")


@dataclass(frozen=True)
class Clip:
    """A clip to run: its id, file, theme and prompt (None: composed)."""

    id: str
    path: Path
    theme: str = "location"
    prompt: str | None = None


@dataclass
class Chain:
    """What a clip's run left: the run folder, and by step its record and its wall and CPU seconds.

    `inspect`, which lists the source before the first step, has its seconds too; `rejected` names the steps
    whose rules would have kept the sample out.
    """

    run: Path
    records: dict[str, Record] = field(default_factory=dict)
    wall: dict[str, float] = field(default_factory=dict)
    cpu: dict[str, float] = field(default_factory=dict)
    rejected: list[str] = field(default_factory=list)

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Adds up what the block takes."""
        wall, cpu = time.perf_counter(), _cpu_seconds()
        yield
        self.wall[name] = time.perf_counter() - wall
        self.cpu[name] = _cpu_seconds() - cpu


def listed_clips(folder: Path) -> Iterator[Clip]:
    """The clips of a folder with a clips.jsonl of {id, theme, prompt, source}."""
    for line in (folder / "clips.jsonl").read_text("utf-8").splitlines():
        row = json.loads(line)
        yield Clip(row["id"], folder / row["source"], row["theme"], row["prompt"])


def drawn_clips(folder: Path, subjects: tuple[SubjectName, ...] = DRAWN) -> Iterator[Clip]:
    """Drawn clips of upstream's size, one a subject."""
    for number, subject in enumerate(subjects):
        path = folder / f"{subject}.mp4"
        draw_clip(path, seed=number, width=WIDTH, height=HEIGHT, frames=FRAMES, subject=subject)
        yield Clip(f"Sparkle_location_{number:06d}", path)


def run_chain(
    clip: Clip, run: Path, *, leave_out: frozenset[str] = frozenset(), config_name: str | None = None
) -> Chain:
    """Takes a clip through the steps, with OpenCV on every processor.

    Args:
        clip: The clip.
        run: The run folder; several clips may share one.
        leave_out: Steps whose record nobody needs.
        config_name: A configuration's name or file; `classical` without it.
    """
    cv2.setNumThreads(os.cpu_count() or 1)  # as `sparkle generate --workers 1`
    config: RunConfig = load_config(config_name)
    chain = Chain(run)
    with chain.timed("inspect"):
        source = inspect_source(clip.path, sha256_file(clip.path))
    sample = SampleState(Candidate(clip.id, source.sha256, clip.theme, clip.prompt), source)
    epoch = RunEpoch(run)
    for name in STEP_NAMES:
        if name in leave_out:
            continue
        with chain.timed(name):
            done = Process(run, epoch.folder, config, name, sample, "0" * 64, [])()
            epoch.place([done])
        outcome = done.outcome
        if outcome.status == FAILED:
            raise SystemExit(f"{clip.id}: {name} failed: {outcome.error}")
        if outcome.status == REJECTED:
            chain.rejected.append(name)
        chain.records[name] = load(STEP_RECORDS[name], outcome.record)
        sample = replace(
            sample, records=dict(chain.records), artifacts={**sample.artifacts, **outcome.artifacts}
        )
    epoch.close()
    return chain


def _cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime
