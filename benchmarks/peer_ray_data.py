"""What `cluster.py` runs beside ours: the same samples, for the same seconds, by Ray Data.

    python peer_ray_data.py < WORK

WORK is one JSON object: `steps` (each with `seconds` by sample, `load`, `gpus` per actor, and `actors`, null
where Ray Data finds the size of the pool), `ends` (the last step of each sample), `gpus`, `processors`,
`store` (bytes) and `folder`. There the answer is written, since Ray prints: `answer.json` has `seconds`,
`cpu_seconds` of the driver, and how many `rows` came through.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import ray
from ray.data import ActorPoolStrategy, DataContext


class Step:
    """An actor of a step, which holds its model."""

    def __init__(self, seconds: list[float], load: float, goes_on: list[bool]) -> None:
        self._seconds = seconds
        self._goes_on = np.array(goes_on)
        time.sleep(load)

    def __call__(self, batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Sleep for each sample; return those that go on."""
        for sample in batch["sample"]:
            time.sleep(self._seconds[sample])
        return {"sample": batch["sample"][self._goes_on[batch["sample"]]]}


def run(work: dict[str, Any]) -> dict[str, Any]:
    """Take the samples through all steps."""
    began, began_cpu = time.perf_counter(), time.process_time()
    samples = [{"sample": sample} for sample in range(len(work["ends"]))]
    data = ray.data.from_items(samples, override_num_blocks=len(samples))
    for index, step in enumerate(work["steps"]):
        last = index == len(work["steps"]) - 1
        goes_on = [last or end > index for end in work["ends"]]
        data = data.map_batches(
            Step,
            fn_constructor_args=(step["seconds"], step["load"], goes_on),
            batch_size=1,
            num_cpus=0 if step["gpus"] else 1,
            num_gpus=step["gpus"],
            compute=ActorPoolStrategy(size=step["actors"]),
        )
    rows = sum(len(batch["sample"]) for batch in data.iter_batches(batch_size=None) if batch)
    return {
        "seconds": time.perf_counter() - began,
        "cpu_seconds": time.process_time() - began_cpu,
        "rows": rows,
    }


if __name__ == "__main__":
    asked = json.load(sys.stdin)
    DataContext.get_current().enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    ray.init(
        num_cpus=asked["processors"],
        num_gpus=asked["gpus"],
        object_store_memory=asked["store"],
        include_dashboard=False,
        log_to_driver=False,
        logging_level="ERROR",
        _temp_dir=asked["folder"],
    )
    try:
        Path(asked["folder"], "answer.json").write_text(json.dumps(run(asked)))
    finally:
        ray.shutdown()
