"""Which share of the bound the schedules reach, on a virtual clock.

    python benchmarks/schedule.py [--seed 0] [--json]

The bound is the seconds of useful work on GPUs over the number of GPUs: no schedule can be faster. Costs are
those of `sparkle plan --config paper-fast`, in the middle of their spans; a sample takes 15 % more or less
(lognormal), one task in a thousand four times as long; a load takes 10 s and 2 s per GB of its weights. A GPU
has 141 GB, and eight CPU cores with it.

JSON keys: `s100k_64` (the share for 100,000 candidates on 64 GPUs), `s30k_64`, `s10k_8`; `lost_8_an_hour`
(100,000 on 64, of which 8 are lost every hour and replaced after five minutes; of the bound of 64 that are
never lost); `s10k_1` (on one GPU, by step). Then `by_step_100k_64`, for comparison; `first_pair_min` (minutes
until the first pair is finished, 100,000 on 64); `tasks_per_s` (simulated, of the processor's time).
"""

from __future__ import annotations

import argparse
import json
import time
from functools import partial

from sparkle.generation.config import load_config
from sparkle.generation.run.fleet import GPU_BYTES, PROCESSORS_PER_GPU
from sparkle.generation.run.plan import workload
from sparkle.generation.run.schedules import AUTO, BY_STEP, make_schedule
from sparkle.generation.run.simulate import Forecast, Losses, draw, simulate

WORK = workload(load_config("paper-fast"))
LOST = Losses(gpus=8, every=3600, back_after=300)


def forecast(
    seed: int, candidates: int, gpus: int, wanted: str = AUTO, losses: Losses | None = None
) -> Forecast:
    """Simulate some candidates on some GPUs."""
    schedule = make_schedule(WORK, gpus, GPU_BYTES, wanted)
    return simulate(schedule, draw(WORK, candidates, seed), gpus, PROCESSORS_PER_GPU * gpus, losses)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=0, help="Of what the samples take.")
    parser.add_argument("--json", action="store_true", help="Print one JSON object.")
    options = parser.parse_args()
    on = partial(forecast, options.seed)
    began = time.process_time()
    long = on(100_000, 64)
    took = time.process_time() - began
    figures = {
        "s100k_64": long.share,
        "s30k_64": on(30_000, 64).share,
        "s10k_8": on(10_000, 8).share,
        "lost_8_an_hour": on(100_000, 64, losses=LOST).share,
        "s10k_1": on(10_000, 1).share,
        "by_step_100k_64": on(100_000, 64, BY_STEP).share,
    }
    figures = {name: round(share, 4) for name, share in figures.items()}
    figures["first_pair_min"] = round((long.first_pair_seconds or 0.0) / 60, 1)
    figures["tasks_per_s"] = round(100_000 * sum(WORK.reached.values()) / took)
    if options.json:
        print(json.dumps(figures))
        return
    for name, figure in figures.items():
        print(f"{name:16} {figure:,}")


if __name__ == "__main__":
    main()
