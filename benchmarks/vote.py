"""How fast the majority vote is at full size: 11 passes of 81 frames of 720p, beside two plain NumPy ways.

    python benchmarks/vote.py [--json]

JSON keys: `seconds` (from packed passes to the packed majority, its own copy of the passes included), `mb`
(peak memory of that, the copy included), `uint8_seconds` and `uint8_ratio` (adding bool passes into a uint8
count), `naive_seconds` and `naive_ratio` (`sum(axis=0)` over the stacked bool passes). Ratios are peer / ours
and all three must agree, or it stops.
"""

from __future__ import annotations

import argparse
import json
import time
import tracemalloc
from collections.abc import Callable
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from sparkle.generation.bait import packed_majority

PASSES = 11
SHAPE = (81, 720, 1280)
REPEATS = 5
Result = TypeVar("Result")

Bits = npt.NDArray[np.uint8]
Masks = npt.NDArray[np.bool_]


def packed_passes() -> list[Bits]:
    """A disc in every frame; each pass has it a little elsewhere, as `np.packbits` gives it."""
    _, height, width = SHAPE
    y, x = np.ogrid[:height, :width]
    disc = (x - width // 2) ** 2 + (y - height // 2) ** 2 < 200**2
    bits = np.packbits(np.broadcast_to(disc, SHAPE))
    return [np.roll(bits, shift * width // 8 + shift % 3) for shift in range(PASSES)]


def uint8_vote(passes: list[Masks]) -> Masks:
    """A count in uint8."""
    count = np.zeros(SHAPE, np.uint8)
    for mask in passes:
        np.add(count, mask.view(np.uint8), out=count)
    return count > len(passes) // 2


def naive_vote(passes: Masks) -> Masks:
    """A default sum over the stack."""
    return np.asarray(passes.sum(axis=0) * 2 > len(passes))


def _best(function: Callable[[], Result], repeats: int) -> tuple[float, Result]:
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        result = function()
        seconds.append(time.perf_counter() - start)
    return min(seconds), result


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="Print one JSON object.")
    options = parser.parse_args()
    packed = packed_passes()
    tracemalloc.start()
    packed_majority(packed)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    seconds, ours = _best(lambda: packed_majority(packed), REPEATS)
    stack = np.stack([np.unpackbits(bits).reshape(SHAPE).view(np.bool_) for bits in packed])
    uint8_seconds, counted = _best(lambda: uint8_vote(list(stack)), REPEATS)
    naive_seconds, summed = _best(lambda: naive_vote(stack), 1)
    ours_unpacked = np.unpackbits(ours).reshape(SHAPE).view(np.bool_)
    if not (np.array_equal(ours_unpacked, counted) and np.array_equal(ours_unpacked, summed)):
        raise SystemExit("The three votes differ.")
    figures = {
        "seconds": round(seconds, 4),
        "mb": round(peak / 1e6, 1),
        "uint8_seconds": round(uint8_seconds, 4),
        "uint8_ratio": round(uint8_seconds / seconds, 2),
        "naive_seconds": round(naive_seconds, 3),
        "naive_ratio": round(naive_seconds / seconds, 1),
    }
    print(
        json.dumps(figures) if options.json else "  ".join(f"{key} {value}" for key, value in figures.items())
    )


if __name__ == "__main__":
    main()
