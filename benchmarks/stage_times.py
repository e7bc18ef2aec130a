"""How long the whole classical chain takes on one 720p clip of 81 frames, and how much memory.

    python benchmarks/stage_times.py [--clip FILE] [--config FILE] [--json]

Without a clip it draws one, in another process. From the listing of the source to the measures of the
edited video everything runs in this process, one step after the other, with OpenCV on every processor, as
`sparkle generate --workers 1` does it; only the driver's bookkeeping (some files a step) is left out. A
figure is good on a quiet machine: `cpu_s` says how much of the time was work.

JSON keys: `clip_s` (seconds for everything), `cpu_s` (of processors, all threads), `rss_mb` (peak resident
memory of the process), `steps` (seconds a step), `rejected` (steps whose rules would have ended it early).
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import resource
import tempfile
from pathlib import Path

from chain import DRAWN, Chain, Clip, drawn_clips, run_chain


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clip", type=Path, help="A clip; without it, one is drawn.")
    parser.add_argument("--config", help="A configuration's name or file; without it, `classical`.")
    parser.add_argument("--json", action="store_true", help="Print one JSON object.")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = options.clip or _drawn(Path(folder))
        os.environ["SPARKLE_CACHE"] = folder  # what an earlier run kept does not count
        clip = Clip("Sparkle_location_000000", path)
        chain = run_chain(clip, Path(folder) / "run", config_name=options.config)
    _report(chain, as_json=options.json)


def _report(chain: Chain, *, as_json: bool) -> None:
    figures = {
        "clip_s": round(sum(chain.wall.values()), 2),
        "cpu_s": round(sum(chain.cpu.values()), 2),
        "rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "steps": {name: round(seconds, 2) for name, seconds in chain.wall.items()},
        "rejected": chain.rejected,
    }
    if as_json:
        print(json.dumps(figures))
        return
    for name, seconds in chain.wall.items():
        print(f"{name:14} {seconds:6.2f} s    {chain.cpu[name]:6.2f} s of processors")
    print(f"{'all':14} {figures['clip_s']:6.2f} s    {figures['cpu_s']:6.2f} s of processors")
    print(f"peak memory {figures['rss_mb']} MB; rejected by: {', '.join(chain.rejected) or 'nothing'}")


def _drawn(folder: Path) -> Path:
    """A drawn clip; another process draws it, so that its memory does not count."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_draw, (folder,))


def _draw(folder: Path) -> Path:
    return next(drawn_clips(folder, DRAWN[:1])).path


if __name__ == "__main__":
    main()
