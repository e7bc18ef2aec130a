"""What a configuration costs before anything is paid for: GPU-hours, memory, disk, and what will be left.

- A funnel says which share of the samples passes each step; a step costs its seconds per sample, times the
  samples that reach it. So what is rejected early is never paid for late.
- Seconds come from the backends (`Requirements`), and for steps without a model from the classical chain as
  it was measured; or from what was timed beside a run (`read_timings`). The funnel comes from what upstream
  published, or from a trial run, whose own bytes a sample are then taken too.
- Estimates are spans. Nothing is loaded and nobody is asked.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sparkle._files import read_records
from sparkle.generation.backends import make_backend
from sparkle.generation.config import CAPABILITIES, RunConfig
from sparkle.generation.needs import GIGABYTE, Demanding, Estimate, ModelNeed, Requirements
from sparkle.generation.run.placement import PROCESSORS, Workload
from sparkle.generation.steps import make_step
from sparkle.schemas import layout
from sparkle.schemas import records as r
from sparkle.schemas.errors import RunError
from sparkle.schemas.stages import STEP_NAMES
from sparkle.schemas.validate import check

GPU, ENDPOINT, CPU = "H200", "endpoint's H200", "CPU core"

_HOUR = 3600.0
_MEASURED = "measured: benchmarks/stage_times.py, for steps on a CPU"
_UNKNOWN_SECONDS = 1.0  # of a sample, where a backend says nothing: what waits must count for something
_LOAD_SECONDS, _LOADED_PER_SECOND = 10.0, GIGABYTE / 2  # a start, and what a shared disk gives to each GPU

# Seconds of one processor, 720p and 81 frames: benchmarks/stage_times.py, which is 30 s for the whole chain.
CPU_SECONDS: dict[str, float] = {
    "normalise": 1.2,
    "flow": 0.9,
    "camera": 0.8,
    "compose": 0.2,
    "edit": 2.3,
    "edit_score": 1.8,
    "ground1": 1.3,
    "remove": 0.3,
    "remove_score": 0.1,
    "animate": 3.4,
    "ground2": 1.1,
    "track": 6.5,
    "edges": 2.4,
    "synthesize": 4.9,
    "video_score": 1.4,
    "measure": 1.6,
}

# Bytes that a step leaves of a 720p sample of 81 frames: upstream's ~680 GB for ~140,000 samples, four fifths
# of them intermediates, split by kind.
STEP_BYTES: dict[str, int] = {
    "normalise": 1_500_000,
    "edit": 1_000_000,
    "remove": 1_000_000,
    "animate": 450_000,
    "track": 100_000,
    "edges": 350_000,
    "synthesize": 500_000,
}


@dataclass(frozen=True)
class FunnelRates:
    """Which share of the samples that reach a step passes it.

    Args:
        kept: By step; a step that is not named loses nothing.
        bytes: By step, what it leaves of each sample that reaches it.
        source: Where the figures come from.
    """

    kept: dict[str, float]
    bytes: dict[str, int]
    source: str


# Published are the ends: ~940,000 candidates, ~224,000 with a fixed camera, ~140,000 kept. How flow and VLM
# share the first cut, and the three scores the second, is an assumption (190,000 and 168,000 between them).
PUBLISHED_RATES = FunnelRates(
    {
        "flow": 0.300,
        "camera": 0.794,
        "edit_score": 0.850,
        "remove_score": 0.885,
        "video_score": 0.833,
    },
    STEP_BYTES,
    "upstream's ~940,000 candidates, ~224,000 with a fixed camera and ~140,000 kept; between them assumed",
)


@dataclass(frozen=True)
class StepPlan:
    """What a step is expected to do.

    Args:
        step: Its name.
        backend: Of its capability; None for a step without a model.
        reached: Samples that come to it.
        kept: Samples that pass it.
        on: What its hours are of.
        hours: None where the backend says nothing.
        vram_bytes: Peak memory of one GPU here.
    """

    step: str
    reached: int
    kept: int
    on: str
    vram_bytes: int
    backend: str | None = None
    hours: Estimate | None = None


@dataclass(frozen=True)
class CostPlan:
    """What a configuration is expected to need for some sources.

    Args:
        configuration: Its name.
        sources: Candidates that go in.
        kept: Samples that come out.
        hours: By what they are of.
        vram_bytes: Peak memory of one GPU: one step at a time.
        model_bytes: Of the models that are fetched.
        run_bytes: Of the run folder when it is finished.
        steps: In their order.
        funnel: Where the funnel comes from.
        times: Where the hours come from.
        unknown: Steps whose hours are not counted.
    """

    configuration: str
    sources: int
    kept: int
    hours: dict[str, Estimate]
    vram_bytes: int
    model_bytes: int
    run_bytes: int
    steps: tuple[StepPlan, ...]
    funnel: str
    times: tuple[str, ...]
    unknown: tuple[str, ...] = field(default=())


def make_plan(
    config: RunConfig,
    sources: int,
    rates: FunnelRates = PUBLISHED_RATES,
    timings: Mapping[str, float] | None = None,
) -> CostPlan:
    """Return the plan for a number of candidates.

    Args:
        config: The run's.
        sources: How many there are.
        rates: Which samples go on.
        timings: By step, the seconds that a sample took in a run.

    Raises:
        ConfigError: no such backend or option.
    """
    steps: list[StepPlan] = []
    needs: list[Requirements | None] = []
    reached, run_bytes = float(sources), 0.0
    for name in STEP_NAMES:
        step = make_step(name, config)
        kept = reached * rates.kept.get(name, 1.0)
        backend = None if step.capability is None else str(config.backend_table(step.capability)["name"])
        wanted = _requirements(step.backend)
        needs.append(wanted)
        steps.append(_plan_step(name, backend, wanted, (timings or {}).get(name), reached, kept))
        run_bytes += reached * rates.bytes.get(name, 0)
        reached = kept
    return CostPlan(
        config.name,
        sources,
        round(reached),
        _sum_hours(steps),
        max(step.vram_bytes for step in steps),
        fetched_bytes(model for need in needs if need is not None for model in need.models),
        round(run_bytes),
        tuple(steps),
        rates.source,
        _times(needs, timings or {}),
        tuple(step.step for step in steps if step.hours is None),
    )


def step_seconds(config: RunConfig, timings: Mapping[str, float] | None = None) -> dict[str, float]:
    """Return the seconds per sample that each step is expected to take; 0 where nothing is known.

    Args:
        config: The run's.
        timings: By step, the seconds that a sample took in a run.

    Raises:
        ConfigError: no such backend or option.
    """
    found = {}
    for name in STEP_NAMES:
        span = _seconds(name, _requirements(make_step(name, config).backend), (timings or {}).get(name))
        found[name] = 0.0 if span is None else (span.low + span.high) / 2
    return found


def workload(
    config: RunConfig,
    rates: FunnelRates = PUBLISHED_RATES,
    timings: Mapping[str, float] | None = None,
) -> Workload:
    """Return what the candidates of a run ask for, by which a schedule places models and hands out tasks.

    Args:
        config: The run's.
        rates: Which samples go on.
        timings: By step, the seconds that a sample took in a run.

    Raises:
        ConfigError: no such backend or option.
    """
    seconds = {name: known or _UNKNOWN_SECONDS for name, known in step_seconds(config, timings).items()}
    pool, reached, vram, load = {}, {}, {}, {}
    share = 1.0
    for name in STEP_NAMES:
        step = make_step(name, config)
        wanted = _requirements(step.backend)
        pool[name] = PROCESSORS
        if wanted is not None and step.on_gpu and step.capability is not None:
            pool[name] = step.capability
            vram[step.capability] = wanted.vram_bytes
            load[step.capability] = _LOAD_SECONDS + fetched_bytes(wanted.models) / _LOADED_PER_SECOND
        reached[name] = share
        share *= rates.kept.get(name, 1.0)
    return Workload(pool, seconds, reached, vram, load)


def trial_rates(run: Path) -> FunnelRates:
    """Return the funnel and the bytes a sample of a finished trial run.

    Raises:
        RunError: the folder is no finished run, or nothing came through to learn from.
    """
    path = run / layout.FUNNEL
    if not path.is_file():
        raise RunError(
            "there is no finished trial run",
            wanted=layout.FUNNEL,
            where=run,
            fix="sparkle generate --sources SOURCES --limit 100 --config FILE --out RUN",
        )
    try:
        funnel = json.loads(path.read_bytes())
    except ValueError as error:
        raise RunError("the trial's funnel cannot be read", got=error, where=path) from None
    check("funnel", funnel, where=str(path))
    if not funnel["candidates"]:
        raise RunError("the trial run holds no candidates", got=0, wanted="1 or more", where=run)
    kept, unseen = {}, []
    for step in funnel["steps"]:
        if step["in"]:
            kept[step["step"]] = step["kept"] / step["in"]
        elif step["step"] in PUBLISHED_RATES.kept:
            kept[step["step"]] = PUBLISHED_RATES.kept[step["step"]]
            unseen.append(step["step"])
    source = f"trial run of {funnel['candidates']} candidates, {funnel['kept']} kept"
    if unseen:
        source += f"; none reached {', '.join(unseen)}: upstream's share"
    return FunnelRates(kept, {**STEP_BYTES, **_trial_bytes(run, funnel)}, source)


def backend_needs(config: RunConfig) -> dict[str, Requirements]:
    """Return what the backend of each capability needs: nothing, where it says nothing.

    Raises:
        ConfigError: no such backend or option.
    """
    found = {}
    for capability in CAPABILITIES:
        found[capability] = _requirements(make_backend(config, capability)) or Requirements()
    return found


def fetched_bytes(models: Iterable[ModelNeed]) -> int:
    """Bytes of some models, each repository once; served ones and those nothing is known of are left out."""
    largest: dict[str, int] = {}
    for model in models:
        if not model.served and model.bytes is not None:
            largest[model.model] = max(model.bytes, largest.get(model.model, 0))
    return sum(largest.values())


def _requirements(backend: object) -> Requirements | None:
    return backend.requirements if isinstance(backend, Demanding) else None


def _plan_step(
    name: str,
    backend: str | None,
    wanted: Requirements | None,
    timed: float | None,
    reached: float,
    kept: float,
) -> StepPlan:
    on, vram = (CPU, 0) if wanted is None else (device_of(wanted), wanted.vram_bytes)
    seconds = _seconds(name, wanted, timed)
    hours = None if seconds is None else seconds.times(reached / _HOUR)
    return StepPlan(name, round(reached), round(kept), on, vram, backend, hours)


def _seconds(name: str, wanted: Requirements | None, timed: float | None) -> Estimate | None:
    if timed is not None:
        return Estimate(timed, timed)
    if wanted is None:
        return Estimate(CPU_SECONDS[name], CPU_SECONDS[name])
    return wanted.seconds.get(name)


def device_of(wanted: Requirements) -> str:
    """Return what the hours of a backend are of."""
    if wanted.vram_bytes:
        return GPU
    return ENDPOINT if any(model.served for model in wanted.models) else CPU


def _sum_hours(steps: list[StepPlan]) -> dict[str, Estimate]:
    found: dict[str, Estimate] = {}
    for step in steps:
        if step.hours is not None:
            found[step.on] = found.get(step.on, Estimate(0.0, 0.0)).plus(step.hours)
    return found


def _times(needs: Sequence[Requirements | None], timings: Mapping[str, float]) -> tuple[str, ...]:
    timed = [name for name in STEP_NAMES if name in timings]
    sources = [f"timed in a run: {', '.join(timed)}"] if timed else []
    sources += [
        _MEASURED if need is None else need.source
        for name, need in zip(STEP_NAMES, needs, strict=True)
        if name not in timings
    ]
    return tuple(dict.fromkeys(filter(None, sources)))


def _trial_bytes(run: Path, funnel: Mapping[str, Any]) -> dict[str, int]:
    """For each step that made something in a trial, its bytes for each sample that reached it."""
    found = {}
    for step in funnel["steps"]:
        path = run / layout.outcomes(step["step"])
        if not (step["in"] and path.is_file()):
            continue
        outcomes = read_records(path, r.Outcome[dict[str, Any]])
        total = sum(part.size for _, outcome in outcomes for part in outcome.artifacts.values())
        if total:
            found[step["step"]] = round(total / step["in"])
    return found
