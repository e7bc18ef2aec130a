"""Are changed copies of a clip found, how many pairs of different clips count as near, and how long it takes.

    python benchmarks/near_duplicates.py [--clips DIR] [--json]

Twenty drawn clips, and with DIR the videos in it, are each changed in eleven ways: encoded coarsely, made
small, brighter, mirrored, cropped to 704 of 720 rows, cropped by 3, 7 and 11 % a side, a crop that is looked
for by the whole, both halves of the shot. Then the sources of a bench of upstream's size are searched among
as many as its release has.

JSON keys: `clips`, `changed` (copies), `found` (of them, near), `found_looked` (near or worth a look),
`farthest` (bits of 256 to a copy), `unrelated` (pairs of clips of different scenes), `false` (of them, near),
`false_looked`, `nearest` (bits between two of them), `seconds` (458 against 140,000), `cpu_seconds` (of all
threads), `mb` (peak memory of that). Drawn rooms and gardens are only three, in other colours and with other
furniture, and pairs of those are not unrelated: `alike` is how many there are, `alike_near` how many of them
are near.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from drawn_clips.synthetic import SubjectName, choose_scene, draw_clip
from sparkle.media.decode import decode
from sparkle.media.encode import Encoding, encode
from sparkle.media.look_alike import (
    LOOK,
    NEAR,
    Hashes,
    Variants,
    hash_of,
    read_scene,
    search,
    unpack_hashes,
    variants,
)

Frames = npt.NDArray[np.uint8]

DRAWN = 20
SUBJECTS: tuple[SubjectName, ...] = ("figure", "ball", "fish")
COARSE = Encoding(crf=38)
BENCH, RELEASE = 458, 140_000  # of upstream
_FAR = 256


def _cropped(frames: Frames, percent: int) -> Frames:
    height, width = frames.shape[1:3]
    y, x = round(height * percent / 100), round(width * percent / 100)
    inner = frames[:, y : height - y, x : width - x]
    return np.array([cv2.resize(frame, (width, height)) for frame in inner])


def _rows(frames: Frames) -> Frames:
    """As upstream's script crops 720 rows to 704."""
    rows = round(frames.shape[1] * 8 / 720 / 2) * 2
    return frames[:, rows : frames.shape[1] - rows]


def _small(frames: Frames) -> Frames:
    return np.array([cv2.resize(frame, (320, 180), interpolation=cv2.INTER_AREA) for frame in frames])


CHANGES: dict[str, Callable[[Frames], Frames]] = {
    "coarse": lambda frames: frames,
    "small": _small,
    "brighter": lambda frames: np.minimum(frames.astype(int) * 6 // 5 + 10, 255).astype(np.uint8),
    "mirrored": lambda frames: frames[:, :, ::-1],
    "704 rows": _rows,
    "cropped 3 %": lambda frames: _cropped(frames, 3),
    "cropped 7 %": lambda frames: _cropped(frames, 7),
    "cropped 11 %": lambda frames: _cropped(frames, 11),
    "first half": lambda frames: frames[: len(frames) // 2],
    "second half": lambda frames: frames[len(frames) // 2 :],
}


def draw(folder: Path) -> tuple[list[Path], list[str]]:
    """Clips of as many seeds, and what paints the scene of each."""
    paths, kinds = [], []
    for seed in range(DRAWN):
        subject = SUBJECTS[seed % len(SUBJECTS)]
        paths.append(folder / f"drawn-{seed}.mp4")
        draw_clip(paths[-1], seed=seed, subject=subject, width=480, height=272, frames=33)
        kinds.append(choose_scene(seed, subject)[0].__name__)
    return paths, kinds


def distance(query: Variants, hashes: Hashes) -> list[int]:
    """Bits between a clip and each of some others; 256 where nothing can be said."""
    found = [_FAR] * len(hashes)
    for pair in search([query], hashes, within=_FAR):
        found[pair.row] = pair.distance
    return found


def measure(paths: list[Path], kinds: list[str], scratch: Path) -> dict[str, float]:
    """Compares clips with changed copies of them, and with each other, those of a kind apart from others."""
    scenes = [read_scene(path) for path in paths]
    hashes = unpack_hashes([hash_of(scene) for scene in scenes])
    copies: list[int] = []
    apart: list[int] = []
    alike: list[int] = []
    for index, (path, scene) in enumerate(zip(paths, scenes, strict=True)):
        frames, whole = decode(path), variants(scene)
        for change in CHANGES.values():
            encode(np.ascontiguousarray(change(frames)), scratch / "changed.mp4", encoding=COARSE)
            changed = read_scene(scratch / "changed.mp4")
            copies += distance(variants(changed), hashes[index : index + 1])
        # And the other way: the crop was trained on, and the bench has the whole.
        encode(_cropped(frames, 7), scratch / "changed.mp4", encoding=COARSE)
        copies += distance(whole, unpack_hashes([hash_of(read_scene(scratch / "changed.mp4"))]))
        for row, bits in enumerate(distance(whole, hashes)):
            if row != index:
                (alike if kinds[row] == kinds[index] else apart).append(bits)
    return {
        "clips": len(paths),
        "changed": len(copies),
        "found": sum(bits <= NEAR for bits in copies),
        "found_looked": sum(bits <= LOOK for bits in copies),
        "farthest": max(copies),
        "unrelated": len(apart),
        "false": sum(bits <= NEAR for bits in apart),
        "false_looked": sum(bits <= LOOK for bits in apart),
        "nearest": min(apart),
        "alike": len(alike),
        "alike_near": sum(bits <= NEAR for bits in alike),
    }


def search_at_size(query: Variants) -> dict[str, float]:
    """Searches as many clips as a bench of upstream's size has, among as many as its release has."""
    generator = np.random.Generator(np.random.PCG64(0))
    hashes = generator.integers(0, 256, (RELEASE, 32)).astype(np.uint8)
    queries = [query] * BENCH
    tracemalloc.start()
    start, start_cpu = time.perf_counter(), time.process_time()
    for _ in search(queries, hashes):
        pass
    seconds, cpu = time.perf_counter() - start, time.process_time() - start_cpu
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return {"seconds": round(seconds, 1), "cpu_seconds": round(cpu, 1), "mb": round(peak / 1e6)}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clips", type=Path, help="A folder of videos of different scenes.")
    parser.add_argument("--json", action="store_true", help="Print one JSON object.")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        paths, kinds = draw(scratch)
        if options.clips is not None:
            given = sorted(options.clips.glob("*.mp4"))
            paths, kinds = paths + given, kinds + list(map(str, given))
        figures = measure(paths, kinds, scratch) | search_at_size(variants(read_scene(paths[0])))
    print(
        json.dumps(figures) if options.json else "  ".join(f"{key} {value}" for key, value in figures.items())
    )


if __name__ == "__main__":
    main()
