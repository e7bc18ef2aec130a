"""How long the whole classical chain takes on one 720p clip of 81 frames, and how much memory.

    python benchmarks/stage_times.py [--clip FILE] [--json]

Without a clip it draws one. The steps run in this process one after the other, with OpenCV on every
processor, as `sparkle generate --workers 1` does. JSON keys: `clip_s` (seconds for all steps), `rss_mb` (peak
resident memory, decoding and encoding included), `steps` (seconds a step).
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from sparkle.generation.config import RunConfig, load_config
from sparkle.generation.sources import inspect_source
from sparkle.generation.step import Failed, Sample, Work
from sparkle.generation.steps import make_step
from sparkle.media.synthetic import draw_clip
from sparkle.schemas.canonical import sha256_file
from sparkle.schemas.records import Candidate
from sparkle.schemas.stages import STEP_NAMES

WIDTH, HEIGHT, FRAMES = 1280, 720, 81  # upstream's clips


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clip", type=Path, help="A clip; without it, one is drawn.")
    parser.add_argument("--json", action="store_true", help="Print one JSON object.")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        clip = options.clip or _drawn(Path(folder))
        steps = measure(clip, Path(folder) / "run")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    figures = {"clip_s": round(sum(steps.values()), 2), "rss_mb": round(peak), "steps": steps}
    if options.json:
        print(json.dumps(figures))
        return
    for name, seconds in steps.items():
        print(f"{name:14} {seconds:6.2f} s")
    print(f"{'all':14} {figures['clip_s']:6.2f} s    peak memory {figures['rss_mb']} MB")


def measure(clip: Path, run: Path) -> dict[str, float]:
    """Seconds a step, for one clip through the whole chain."""
    config: RunConfig = load_config(None)
    source = inspect_source(clip, sha256_file(clip))
    sample = Sample(Candidate("Sparkle_location_000000", source.sha256, "location"), source)
    times = {}
    for name in STEP_NAMES:
        step = make_step(name, config)
        step.setup()
        start = time.perf_counter()
        work = Work(run, config, step, sample)
        answer = step.process(work)
        times[name] = round(time.perf_counter() - start, 2)
        if isinstance(answer, Failed):
            raise SystemExit(f"{name} failed: {answer.error}")
        sample = replace(
            sample,
            records={**sample.records, name: answer.record},
            artifacts={**sample.artifacts, **work.committed},
        )
    return times


def _drawn(folder: Path) -> Path:
    path = folder / "clip.mp4"
    draw_clip(path, seed=0, width=WIDTH, height=HEIGHT, frames=FRAMES)
    return path


if __name__ == "__main__":
    main()
