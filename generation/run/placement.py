"""Which models each GPU holds, so that samples move on and no model is loaded twice.

How it works:
- A pool is what a step waits for: a capability whose backend is on a GPU, however many steps it serves, or
  the processors, which do every other step.
- One copy of each model is placed first, large before small, where it fits. If one fits nowhere there is no
  placement: the run goes step by step.
- What memory is left goes to further copies, each time of the model with the most work per copy. A small one
  with much work is then nearly everywhere, and evens out what whole GPUs of the large ones cannot.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from sparkle.schemas.stages import STEP_NAMES

PROCESSORS = "processors"

Role = tuple[str, ...]  # the models that one GPU holds, in the order in which samples need them


@dataclass(frozen=True)
class Workload:
    """What the candidates of a run ask for.

    Args:
        pool: By step, what it waits for.
        seconds: By step, of one sample.
        reached: By step, the share of the candidates that come to it.
        vram_bytes: By pool on a GPU, what its model takes there at its peak.
        load_seconds: By pool on a GPU, how long its model takes to load.
    """

    pool: Mapping[str, str]
    seconds: Mapping[str, float]
    reached: Mapping[str, float]
    vram_bytes: Mapping[str, int]
    load_seconds: Mapping[str, float]

    @cached_property
    def models(self) -> Role:
        """The pools on a GPU, in the order in which samples need them."""
        return tuple(dict.fromkeys(self.pool[step] for step in STEP_NAMES if self.pool[step] != PROCESSORS))

    def seconds_of(self, pool: str) -> float:
        """Seconds of a pool per candidate."""
        return sum(self.seconds[step] * self.reached[step] for step in STEP_NAMES if self.pool[step] == pool)


def place(work: Workload, gpus: int, vram_bytes: int) -> list[Role] | None:
    """Return the models of each GPU; None where not every model finds room.

    Args:
        work: What there is to do.
        gpus: How many there are.
        vram_bytes: Of one.
    """
    models = work.models
    free = [vram_bytes] * gpus
    held: list[set[str]] = [set() for _ in range(gpus)]
    need, share = work.vram_bytes, {model: work.seconds_of(model) for model in models}
    for model in sorted(models, key=lambda model: -need[model]):
        home = next((gpu for gpu in range(gpus) if free[gpu] >= need[model]), None)
        if home is None:
            return None
        held[home].add(model)
        free[home] -= need[model]
    copies = dict.fromkeys(models, 1)
    growing = list(models)
    while growing:
        model = max(growing, key=lambda model: share[model] / copies[model])
        fits = (gpu for gpu in range(gpus) if model not in held[gpu] and free[gpu] >= need[model])
        home = max(fits, key=lambda gpu: free[gpu], default=None)
        if home is None:
            growing.remove(model)
            continue
        held[home].add(model)
        free[home] -= need[model]
        copies[model] += 1
    return [tuple(model for model in models if model in names) for names in held]


def fewest_gpus(work: Workload, vram_bytes: int) -> int | None:
    """Return how many GPUs hold every model at once; None where one is larger than a GPU."""
    return next((n for n in range(len(work.models) + 1) if place(work, n, vram_bytes) is not None), None)
