"""A live Ray cluster beside its own virtual clock, and beside Ray Data, with jobs that sleep.

    python benchmarks/cluster.py [--gpus 16] [--scale 20] [--candidates 240] [--seed 0] [--json]

Needs the extra `ray`, and pandas for Ray Data. It sleeps some four minutes, and starts some ninety processes.

- Samples take what `schedule.py` draws for them, with the costs of `sparkle plan --config paper-fast`,
  divided by the scale. GPUs are but numbers; half as many CPUs serve them, and eight at the least.
- Ours is the executor and the schedule of a run, one actor per GPU and per CPU. `simulate` runs the same
  schedule over the same samples. The live clock begins when every worker is there; a model that takes the
  place of others is a new process, whose start the virtual clock does not know.
- Ray Data does the same work by its own means (`peer_ray_data.py`): `map_batches` with a pool of actors per
  step, one sample per batch, once with the sizes that it finds and once with pools sized by hand. A pool's
  actor takes the share of a GPU that its model fills, in quarters, and loads it when it starts.
- A short run is bounded by loads and by its last samples, for everybody: shares grow with candidates. They
  vary by a few points with the order in which workers answer, so that the live clock may be the faster one.

JSON keys: `live_to_virtual` (seconds on the virtual clock over those of the live one), `driver_cpu_ms` (of
the driver's processor, per job); shares of the bound, which is the seconds of useful work on GPUs over the
number of GPUs, from the start of the first process: `share`, `ray_data_share`, `ray_data_by_hand_share`; and
without the start of processes: `live_share`, `virtual_share`. Besides `live_s`, `bound_s`, `tasks`, `loads`,
`ray_data_cpu_ms` and `ray_data_by_hand_cpu_ms` (of its driver, per task), `load_average` (of the machine,
when ours has ended) and `load_average_end`.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import closing, redirect_stdout
from pathlib import Path
from typing import Any

import ray
from asleep import drive, wait_for_workers

from sparkle.generation.config import load_config
from sparkle.generation.run.cluster import ClusterOptions
from sparkle.generation.run.epoch import RunEpoch
from sparkle.generation.run.fleet import GPU_BYTES
from sparkle.generation.run.placement import PROCESSORS
from sparkle.generation.run.plan import workload
from sparkle.generation.run.ray_executor import RayExecutor
from sparkle.generation.run.schedule import PER_GPU, PER_PROCESSOR
from sparkle.generation.run.schedules import STREAMING, ByStep, make_schedule
from sparkle.generation.run.simulate import Draws, draw, simulate
from sparkle.schemas.stages import STEP_NAMES

WORK = workload(load_config("paper-fast"))
STORE = 80 * 2**20  # bytes, the least that Ray takes
DATA_STORE = 512 * 2**20  # Ray Data begins less where there is less
QUARTERS = 4  # of a GPU


def ours(folder: Path, draws: Draws, gpus: int, processors: int, scale: float) -> dict[str, Any]:
    """The live run, and the same on the virtual clock."""
    window = PER_GPU * gpus + PER_PROCESSOR * processors
    forecast = simulate(make_schedule(WORK, gpus, GPU_BYTES, STREAMING, window), draws, gpus, processors)
    schedule = make_schedule(WORK, gpus, GPU_BYTES, STREAMING, window)
    config = load_config("classical")  # of which workers compare versions, and nothing else
    ray.init(
        num_cpus=processors,
        num_gpus=gpus,
        object_store_memory=STORE,
        include_dashboard=False,
        log_to_driver=False,
        logging_level="ERROR",
        _temp_dir=str(folder),
    )
    try:
        with (
            closing(RunEpoch(folder / "run")),
            RayExecutor(ClusterOptions(), folder / "run", config, processors, say) as executor,
        ):
            began = time.perf_counter()
            wait_for_workers(executor, ByStep(WORK), gpus, processors)
            ready, ready_cpu = time.perf_counter(), time.process_time()
            tasks, loads = drive(executor, schedule, draws, scale)
            ended, cpu = time.perf_counter(), time.process_time() - ready_cpu
    finally:
        ray.shutdown()
    bound = useful(draws) / gpus / scale
    return {
        "live_to_virtual": forecast.seconds / scale / (ended - ready),
        "driver_cpu_ms": 1000 * cpu / (tasks + loads),
        "share": bound / (ended - began),
        "live_share": bound / (ended - ready),
        "virtual_share": bound * scale / forecast.seconds,
        "live_s": ended - ready,
        "bound_s": bound,
        "tasks": tasks,
        "loads": loads,
        "load_average": os.getloadavg()[0],
    }


def say(line: str) -> None:
    """Tell what happens on the way."""
    print(line, file=sys.stderr, flush=True)


def useful(draws: Draws) -> float:
    """Seconds of work on GPUs."""
    return sum(
        draws.seconds[step][sample]
        for sample, end in enumerate(draws.ends)
        for step in STEP_NAMES[: end + 1]
        if WORK.pool[step] != PROCESSORS
    )


def fraction(step: str) -> int:
    """Quarters of a GPU that a step's model fills; 0 for a step on processors."""
    return -(-WORK.vram_bytes.get(WORK.pool[step], 0) * QUARTERS // GPU_BYTES)


def by_hand(gpus: int, processors: int) -> dict[str, int]:
    """Actors of each step: one, and further ones where most seconds wait per actor, while they fit."""
    sizes = dict.fromkeys(STEP_NAMES, 1)
    growing = list(STEP_NAMES)
    while growing:
        step = max(growing, key=lambda step: WORK.seconds[step] * WORK.reached[step] / sizes[step])
        sizes[step] += 1
        if not fit(sizes, gpus, processors):
            sizes[step] -= 1
            growing.remove(step)
    return sizes


def fit(sizes: dict[str, int], gpus: int, processors: int) -> bool:
    """Whether actors find room, each where the least is left, as Ray places them."""
    free = [QUARTERS] * gpus
    for step, size in sizes.items():
        for _ in range(size if fraction(step) else 0):
            home = min((gpu for gpu in free if gpu >= fraction(step)), default=None)
            if home is None:
                return False
            free[free.index(home)] -= fraction(step)
    return sum(size for step, size in sizes.items() if not fraction(step)) <= processors


def ray_data(
    folder: Path, draws: Draws, gpus: int, processors: int, scale: float, sizes: dict[str, int]
) -> dict[str, Any]:
    """Ray Data's seconds, from the start of its first actor, and those of its driver's processor."""
    steps = [
        {
            "seconds": [seconds / scale for seconds in draws.seconds[step]],
            "load": WORK.load_seconds.get(WORK.pool[step], 0.0) / scale,
            "gpus": fraction(step) / QUARTERS,
            "actors": sizes.get(step),
        }
        for step in STEP_NAMES
    ]
    asked = {
        "steps": steps,
        "ends": draws.ends,
        "gpus": gpus,
        "processors": processors,
        "store": DATA_STORE,
        "folder": str(folder),
    }
    command = [sys.executable, str(Path(__file__).with_name("peer_ray_data.py"))]
    subprocess.run(command, input=json.dumps(asked), stdout=sys.stderr, text=True, check=True)
    found: dict[str, Any] = json.loads((folder / "answer.json").read_bytes())
    finished = sum(end == len(STEP_NAMES) - 1 for end in draws.ends)
    if found["rows"] != finished:
        raise SystemExit(f"Ray Data finished {found['rows']} samples, and not {finished}")
    return found


def measure(candidates: int, gpus: int, scale: float, seed: int) -> dict[str, Any]:
    """The figures."""
    processors = max(len(STEP_NAMES) // 2, gpus // 2)
    draws = draw(WORK, candidates, seed)
    # Ray prints what befalls its nodes.
    with redirect_stdout(sys.stderr), tempfile.TemporaryDirectory(prefix="ray") as name:
        figures = ours(Path(name), draws, gpus, processors, scale)
    say(json.dumps(figures))
    for key, sizes in (("ray_data", {}), ("ray_data_by_hand", by_hand(gpus, processors))):
        with tempfile.TemporaryDirectory(prefix="ray") as name:
            found = ray_data(Path(name), draws, gpus, processors, scale, sizes)
        say(json.dumps({key: found, "actors": sizes}))
        figures[f"{key}_share"] = figures["bound_s"] / found["seconds"]
        figures[f"{key}_cpu_ms"] = 1000 * found["cpu_seconds"] / figures["tasks"]
    figures["load_average_end"] = os.getloadavg()[0]
    return {"candidates": candidates, "gpus": gpus} | {
        name: round(figure, 3) for name, figure in figures.items()
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--gpus", type=int, default=16, help="logical ones; Ray Data needs 7")
    parser.add_argument("--scale", type=float, default=20, help="seconds are divided by it")
    parser.add_argument("--candidates", type=int, default=240)
    parser.add_argument("--seed", type=int, default=0, help="of what the samples take")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    figures = measure(options.candidates, options.gpus, options.scale, options.seed)
    if options.json:
        print(json.dumps(figures))
        return
    for name, figure in figures.items():
        print(f"{name:24}{figure:,}")


if __name__ == "__main__":
    main()
