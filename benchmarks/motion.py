"""How well camera motion tells fixed cameras from moving ones.

    python benchmarks/motion.py [--clips DIR] [--json]

- Fixed clips: the source clips of DIR (its clips.jsonl names them), else drawn ones.
- Movers: every fixed clip, moved by a synthetic camera in 16 ways: pan, shake and hand-held wander of .5 to 4
  pixels a frame at 720p, zoom of .05 to .4 % a frame.

JSON keys: `kept` (share of the fixed clips that the rule keeps), `rejected` (share of the movers that it
rejects), `fixed` and `movers` (how many there were), `clip_s` (seconds a clip).
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from drawn_clips.synthetic import SubjectName, draw_clip
from sparkle.generation.backends.classical.flow import camera_motion
from sparkle.media.decode import decode
from sparkle.schemas.records import FlowRecord
from sparkle.schemas.rules import Thresholds

Frames = npt.NDArray[np.uint8]

WIDTH, HEIGHT = 480, 270  # pixels: above the measure's own 320x180, so that moving the clip blurs little
PIXELS_PER_STEP = WIDTH / 1280  # amplitudes are in pixels at 720p
DRAWN_SUBJECTS: tuple[SubjectName, ...] = ("figure", "ball", "fish")
DRAWN = [(subject, seed) for seed in (1, 2, 3) for subject in DRAWN_SUBJECTS]
MOVES = [
    *(("pan", amount) for amount in (0.5, 1.0, 2.0, 4.0)),
    *(("shake", amount) for amount in (0.5, 1.0, 2.0, 4.0)),
    *(("hand-held", amount) for amount in (0.5, 1.0, 2.0, 4.0)),
    *(("zoom", amount) for amount in (0.0005, 0.001, 0.002, 0.004)),
]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clips", type=Path, help="A folder with clips.jsonl; without it, clips are drawn.")
    parser.add_argument("--json", action="store_true", help="Print one JSON object.")
    options = parser.parse_args()
    kept, rejected, seconds = [], [], []
    for index, (name, frames) in enumerate(_listed(options.clips) if options.clips else _drawn()):
        start = time.perf_counter()
        motion = camera_motion(frames)
        seconds.append(time.perf_counter() - start)
        kept.append(not _moves(motion))
        if not options.json:
            print(
                f"{name:28} short {motion.short:.3f} long {motion.long:.3f} {'kept' if kept[-1] else 'LOST'}"
            )
        for kind, amount in MOVES:
            motion = camera_motion(move_camera(frames, kind, amount, seed=index))
            rejected.append(_moves(motion))
            if not rejected[-1] and not options.json:
                print(f"  {kind} {amount:g} not seen: short {motion.short:.3f} long {motion.long:.3f}")
    figures = {
        "kept": round(float(np.mean(kept)), 4),
        "rejected": round(float(np.mean(rejected)), 4),
        "fixed": len(kept),
        "movers": len(rejected),
        "clip_s": round(float(np.mean(seconds)), 3),
    }
    print(
        json.dumps(figures) if options.json else "  ".join(f"{key} {value}" for key, value in figures.items())
    )


def _moves(motion: FlowRecord) -> bool:
    limits = Thresholds()
    return motion.long > limits.camera_long or motion.short > limits.camera_short


def _listed(folder: Path) -> Iterator[tuple[str, Frames]]:
    for line in (folder / "clips.jsonl").read_text("utf-8").splitlines():
        row = json.loads(line)
        yield row["id"], decode(folder / row["source"], size=(WIDTH, HEIGHT))


def _drawn() -> Iterator[tuple[str, Frames]]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.mp4"
        for subject, seed in DRAWN:
            draw_clip(path, seed=seed, subject=subject)
            yield f"{subject} {seed}", decode(path, size=(WIDTH, HEIGHT))


def move_camera(frames: Frames, kind: str, amount: float, *, seed: int) -> Frames:
    """The clip as a moving camera would have seen it; the frame is scaled up so that no border shows."""
    count, height, width = frames.shape[:3]
    x, y, zoom, angle = _camera_path(kind, amount, count, np.random.Generator(np.random.PCG64(seed)))
    x, y = (x - x.mean()) * PIXELS_PER_STEP, (y - y.mean()) * PIXELS_PER_STEP
    room = 1.02 + 2 * max(np.abs(x).max() / width, np.abs(y).max() / height) - zoom.min()
    moved = np.empty_like(frames)
    for t, frame in enumerate(frames):
        transform = cv2.getRotationMatrix2D((width / 2, height / 2), angle[t], room + zoom[t])
        transform[:, 2] += x[t], y[t]
        cv2.warpAffine(frame, transform, (width, height), dst=moved[t], borderMode=cv2.BORDER_REFLECT)
    return moved


def _camera_path(
    kind: str, amount: float, count: int, generator: np.random.Generator
) -> tuple[npt.NDArray[np.float64], ...]:
    """Per frame: x and y in pixels at 720p, what to add to the scale, and rotation in degrees."""
    time_steps, still = np.arange(count), np.zeros(count)
    if kind == "pan":
        direction = generator.uniform(0, 2 * np.pi)
        return np.cos(direction) * amount * time_steps, np.sin(direction) * amount * time_steps, still, still
    if kind == "shake":
        x, y = generator.standard_normal((2, count)) * amount
        return x, y, still, still
    if kind == "zoom":
        return still, still, amount * time_steps * generator.choice((-1, 1)), still
    x, y, roll = (_wander(count, generator) for _ in range(3))
    return x * amount, y * amount * 0.6, still, roll * amount * 0.02


def _wander(count: int, generator: np.random.Generator) -> npt.NDArray[np.float64]:
    """A smooth random walk with a mean step of 1."""
    walk = np.convolve(np.cumsum(generator.standard_normal(count + 16)), np.ones(9) / 9, "valid")[:count]
    return np.asarray((walk - walk.mean()) / np.abs(np.diff(walk)).mean())


if __name__ == "__main__":
    main()
