"""What a plan comes to on a number of GPUs: hours on the clock, and which models each of them holds.

- The schedule is simulated with some of the candidates, as many as a share of the bound is sure from; a
  longer run has no lower one, and its hours are the bound at that share.
- A schedule that does not fit is not promised: with fewer GPUs than hold every model it goes by step.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from sparkle._progress import Progress, silent
from sparkle.generation.needs import GIGABYTE, Estimate
from sparkle.generation.run.placement import PROCESSORS, Role, Workload, fewest_gpus
from sparkle.generation.run.plan import GPU, CostPlan
from sparkle.generation.run.schedules import AUTO, BY_STEP, STREAMING, ByStep, make_schedule
from sparkle.generation.run.simulate import draw, simulate
from sparkle.schemas.errors import ConfigError

GPU_BYTES = 141 * GIGABYTE  # an H200
PROCESSORS_PER_GPU = 8

_HOUR = 3600.0
_LEAST, _PER_GPU, _MOST = 10_000, 1000, 100_000  # candidates that are simulated


@dataclass(frozen=True)
class FleetPlan:
    """A plan on some GPUs.

    Args:
        gpus: How many.
        vram_bytes: Of one.
        processors: CPU cores.
        schedule: "streaming" or "by-step".
        fewest: GPUs that streaming needs; None where a model is larger than a GPU.
        roles: Models that a GPU holds, and how many do; empty by step.
        hours: On the clock.
        first_pair_hours: Until the first pair is finished; None where none is.
        share: Of the bound: 1 where no GPU ever waited.
        simulated: Candidates from which the share is known.
    """

    gpus: int
    vram_bytes: int
    processors: int
    schedule: str
    fewest: int | None
    roles: tuple[tuple[Role, int], ...]
    hours: Estimate
    first_pair_hours: float | None
    share: float
    simulated: int


def plan_fleet(
    plan: CostPlan,
    work: Workload,
    gpus: int,
    vram_bytes: int = GPU_BYTES,
    wanted: str = AUTO,
    progress: Progress = silent,
) -> FleetPlan:
    """Return what a plan comes to on some GPUs.

    Args:
        plan: What the run costs.
        work: What its candidates ask for.
        gpus: How many there are.
        vram_bytes: Of one.
        wanted: One of SCHEDULES.
        progress: Told of candidates that are simulated.

    Raises:
        ConfigError: nothing needs a GPU, a model is larger than one, or streaming does not fit.
    """
    if not work.models:
        raise ConfigError("no step of this configuration needs a GPU", where=plan.configuration)
    largest = max(work.models, key=lambda model: work.vram_bytes[model])
    if work.vram_bytes[largest] > vram_bytes:
        raise ConfigError(
            "a model does not fit on a GPU",
            got=f"{vram_bytes / GIGABYTE:,.1f} GB",
            wanted=f"{work.vram_bytes[largest] / GIGABYTE:,.1f} GB, for {largest}",
            where=plan.configuration,
            fix="plan with larger GPUs, or configure another backend for it",
        )
    processors = PROCESSORS_PER_GPU * gpus
    simulated = min(plan.sources, max(_LEAST, min(_MOST, _PER_GPU * gpus)))
    schedule = make_schedule(work, gpus, vram_bytes, wanted)
    by_step = isinstance(schedule, ByStep)
    found = simulate(schedule, draw(work, simulated), gpus, processors, progress=progress)
    on_gpus = sum(map(work.seconds_of, work.models)) / gpus
    elsewhere = work.seconds_of(PROCESSORS) / processors
    hours = plan.sources * max(on_gpus, elsewhere) / found.share / _HOUR
    costs = [cost for device, cost in plan.hours.items() if (device == GPU) == (on_gpus >= elsewhere)]
    low, high = sum(cost.low for cost in costs), sum(cost.high for cost in costs)
    first = found.first_pair_seconds
    if first is not None:
        first = first / found.seconds * hours if by_step else first / _HOUR
    return FleetPlan(
        gpus,
        vram_bytes,
        processors,
        BY_STEP if by_step else STREAMING,
        fewest_gpus(work, vram_bytes),
        tuple(Counter(schedule.roles).items()),
        Estimate(low, high).times(hours * 2 / (low + high)),
        first,
        found.share,
        simulated,
    )
