"""The two schedules: by step, and streaming.

- `ByStep`: a step begins when the one before it is over; a GPU holds the model of that step alone.
- `Streaming`: a sample moves on at once. Of what a worker may do it does what most seconds wait for, per GPU
  that holds the model; in there later steps come first, then ids. A GPU holds what its role says, and loads
  while it has nothing else to do. It leaves its role only where that is worth several loads, or where nobody
  holds what is waited for. A worker that joins takes over the role of one that was lost.
"""

from __future__ import annotations

import sys
from collections import Counter, deque
from collections.abc import Iterator, Sequence

from sparkle._progress import count_text, size_text
from sparkle.generation.run.placement import PROCESSORS, Role, Workload, fewest_gpus, place
from sparkle.generation.run.schedule import INDEX, Schedule, Task, Worker
from sparkle.schemas.errors import ConfigError
from sparkle.schemas.stages import STEP_NAMES

AUTO, BY_STEP, STREAMING = SCHEDULES = ("auto", "by-step", "streaming")

_WORTH = 3.0  # loads that a wait must be worth before a GPU leaves its role


class ByStep(Schedule):
    """One step after the other, over all samples."""

    def __init__(self, work: Workload) -> None:
        super().__init__(work, sys.maxsize)
        self._at = 0

    def _queue(self, task: Task) -> None:
        self._at = min(self._at, INDEX[task.step])
        super()._queue(task)

    def _rank(self, step: str) -> int:
        return INDEX[step]

    def _open(self) -> Iterator[str]:
        while self._at < len(STEP_NAMES):
            step = STEP_NAMES[self._at]
            if self.waiting[step]:
                yield self.work.pool[step]
                return
            if self.working[step]:
                return
            self._at += 1

    def _choose(self, worker: Worker) -> str | None:
        pool = next(self._open(), None)
        if pool not in worker.pools or (
            worker.hands and (pool not in worker.loaded or self._for_one_alone(pool))
        ):
            return None
        return pool

    def _leaves_no_room(self, worker: Worker, pool: str) -> bool:
        return bool(worker.loaded)

    def _role(self) -> Role:
        return self.work.models

    def _leave(self, worker: Worker) -> None:
        pass


class Streaming(Schedule):
    """Every sample moves on at once, over GPUs that hold several models.

    Args:
        work: What is known of the steps.
        window: Samples that may be under way; None is enough that no worker waits.
        roles: The models of each GPU; see `place`.
        vram_bytes: Of one GPU.
    """

    def __init__(
        self, work: Workload, window: int | None, roles: Sequence[Role] = (), vram_bytes: int = 0
    ) -> None:
        super().__init__(work, window)
        self.roles = tuple(roles)
        self._vacant = list(roles)
        self._vram_bytes = vram_bytes
        self._holders: Counter[str] = Counter()  # GPUs in whose role a model is
        self._holders[PROCESSORS] = 1

    def _rank(self, step: str) -> int:
        return -INDEX[step]

    def _open(self) -> Iterator[str]:
        return (pool for pool, queue in self._queues.items() if queue)

    def _empty_handed(self, further: deque[Worker]) -> Worker | None:
        return super()._empty_handed(further) or self._mover()

    def _choose(self, worker: Worker) -> str | None:
        best, most = None, float("-inf")
        for pool in worker.pools:
            if not self._queues[pool]:
                continue
            pressure = self._wait[pool] / self._holders[pool]
            if pool not in worker.loaded:
                if worker.hands:
                    continue
                pressure -= self.work.load_seconds[pool]
            elif worker.hands and self._for_one_alone(pool):
                continue
            if pressure > most:
                best, most = pool, pressure
        if best is None and not worker.hands:
            return next((pool for pool in worker.pools if pool not in worker.loaded), None)
        return best

    def _mover(self) -> Worker | None:
        """A GPU that has nothing to do, in another role, where something waits long enough for that."""
        idle = next((worker for model in self.work.models for worker in self._idle[model]), None)
        if idle is None:
            return None
        waiting = [model for model in self.work.models if self._queues[model]]
        model = max(waiting, key=lambda model: self._wait[model] / (self._holders[model] + 1), default=None)
        if model is None:
            return None
        gain = self._wait[model] / (self._holders[model] + 1)
        if self._holders[model] and gain < _WORTH * self.work.load_seconds[model]:
            model = next((model for model in waiting if not self._holders[model]), None)
        if model is not None:
            self._withdraw(idle)
            self._holders.subtract(idle.pools)
            idle.pools = self._role_with(model, idle.pools)
            self._holders.update(idle.pools)
        return None if model is None else idle

    def _role_with(self, model: str, others: Role) -> Role:
        """A role of a model, and what of another role finds room beside it."""
        names, need = {model}, self.work.vram_bytes
        for other in sorted(others, key=lambda other: -self._wait[other]):
            if sum(need[name] for name in names) + need[other] <= self._vram_bytes:
                names.add(other)
        return tuple(name for name in self.work.models if name in names)

    def _leaves_no_room(self, worker: Worker, pool: str) -> bool:
        return not worker.loaded <= set(worker.pools)

    def _role(self) -> Role:
        if self._vacant:
            role = max(self._vacant, key=lambda role: sum(not self._holders[model] for model in role))
            self._vacant.remove(role)
        else:  # more GPUs than were planned
            role = self.roles[len(self._workers) % len(self.roles)]
        self._holders.update(role)
        return role

    def _leave(self, worker: Worker) -> None:
        self._holders.subtract(worker.pools)
        self._vacant.append(worker.pools)


def make_schedule(
    work: Workload, gpus: int, vram_bytes: int, wanted: str = AUTO, window: int | None = None
) -> Schedule:
    """Return the schedule for some GPUs, without workers yet.

    Args:
        work: What there is to do.
        gpus: How many there are.
        vram_bytes: Of one.
        wanted: One of SCHEDULES; "auto" streams where every model finds room.
        window: Samples that may be under way while it streams; None is enough that no worker waits.

    Raises:
        ConfigError: it is to stream, and the models do not fit.
    """
    roles = None if wanted == BY_STEP else place(work, gpus, vram_bytes)
    if roles is not None:
        return Streaming(work, window, roles, vram_bytes)
    if wanted == STREAMING:
        fewest = fewest_gpus(work, vram_bytes)
        raise ConfigError(
            "the models do not fit on the GPUs at once, which streaming needs",
            got=f"{count_text(gpus, 'GPU')} of {size_text(vram_bytes)}",
            wanted="larger ones" if fewest is None else f"{fewest} of them",
            fix="go by step, one model at a time",
        )
    return ByStep(work)
