"""How the measures separate live backgrounds from frozen ones.

    python benchmarks/measures.py [--clips DIR] [--json]

- Live: with DIR, its edited clips (clips.jsonl) and subject_masks.npz (packed bits, one key `ID/frame`, and
  `shape`; between two of them their union counts). Without, drawn subjects before moving procedural scenes.
- Frozen, three ways: the subject over the first frame; the same with film grain (sigma 4 at 720p); the same
  cut out wider than the masks that measure it, so that some of the old background moves with the subject.
  All are encoded as a run's are.

JSON keys: `separated` (share of clips whose live version reaches the default configuration's threshold and
whose frozen ones do not), `threshold`, `smallest_live`, `largest_frozen` (background motion, gray levels),
`both` (clips with motion both inside and outside what the prompt implies), `inside_above_outside` (share of
those), `clip_cpu_s` (CPU seconds a clip), `clips` (a row each).
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from drawn_clips.synthetic import SubjectName, draw_clip
from sparkle.generation.backends.drawing.render import Scene
from sparkle.generation.config import load_config
from sparkle.media.decode import decode
from sparkle.media.encode import encode
from sparkle.media.mask import save_mask
from sparkle.media.measure_clip import measure_clip
from sparkle.media.morphology import dilate
from sparkle.schemas.records import MeasureRecord

Image = npt.NDArray[np.uint8]
Masks = npt.NDArray[np.bool_]

FPS = 16
WIDTH, HEIGHT, FRAMES = 640, 360, 33  # of drawn clips
GRAIN = 4.0  # gray levels at 720p
WIDER = 8  # pixels at 720p
DRAWN: tuple[tuple[SubjectName, str], ...] = (
    ("figure", "a tropical beach where waves roll in and palm fronds sway"),
    ("ball", "a meadow of tall grass swaying in the wind below drifting clouds"),
    ("fish", "a misty mountain valley at dawn"),
    ("figure", "a snowy pine forest with falling snow"),
    ("fish", "a city street at night with flickering neon signs"),
    ("ball", "a calm mountain lake where mist peels away from the shore"),
)


@dataclass(frozen=True)
class Clip:
    """A clip with a live background: the source's file, frames of the edit and masks, (T, H, W)."""

    name: str
    source: Path
    edited: Image
    masks: Masks
    prompt: str


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clips", type=Path, help="A folder with clips.jsonl; without it, clips are drawn.")
    parser.add_argument("--json", action="store_true", help="Print one JSON object.")
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for clip in _listed(options.clips) if options.clips else _drawn(Path(folder)):
            rows.append(_row(clip, Path(folder)))
            if not options.json:
                print("  ".join(f"{key} {value}" for key, value in rows[-1].items()))
    figures = _figures(rows)
    if options.json:
        print(json.dumps({**figures, "clips": rows}))
    else:
        print("\n" + "  ".join(f"{key} {value}" for key, value in figures.items()))


def freeze(clip: Clip) -> Iterator[Image]:
    """The clip with a frozen background, in three ways; uint8 (T, H, W, 3)."""
    unit = clip.edited.shape[1] / 720
    yield _over_still(clip.edited, clip.masks)
    grain = np.random.Generator(np.random.PCG64([len(clip.edited)]))
    frames = _over_still(clip.edited, clip.masks)
    for frame in frames:
        noise = grain.standard_normal((*frame.shape[:2], 1), np.float32) * np.float32(GRAIN * unit)
        frame[:] = np.clip(np.rint(frame + noise), 0, 255)
    yield frames
    yield _over_still(
        clip.edited, np.stack([dilate(mask, max(1, round(WIDER * unit))) for mask in clip.masks])
    )


def _over_still(edited: Image, masks: Masks) -> Image:
    return np.where(masks[..., None], edited, edited[:1])


def _row(clip: Clip, folder: Path) -> dict[str, Any]:
    live, seconds = _measured(clip, clip.edited, folder)
    frozen = [_measured(clip, frames, folder)[0].background_motion for frames in freeze(clip)]
    return {
        "clip": clip.name,
        "live": live.background_motion,
        "frozen": max(frozen),
        "inside": live.background_motion_inside,
        "outside": live.background_motion_outside,
        "implied": live.implied_motion,
        "found": live.implied_motion_found,
        "cpu_s": round(seconds, 2),
    }


def _measured(clip: Clip, frames: Image, folder: Path) -> tuple[MeasureRecord, float]:
    """The measures, and the CPU seconds that they took."""
    video, mask = folder / "edited.mp4", folder / "mask.npz"
    encode(frames, video, fps=FPS)
    save_mask(mask, clip.masks)
    start = time.process_time()
    return measure_clip(clip.source, video, mask, clip.prompt), time.process_time() - start


def _figures(rows: list[dict[str, Any]]) -> dict[str, float | int | None]:
    threshold = load_config(None).thresholds.background_motion
    both = [row["inside"] > row["outside"] for row in rows if None not in (row["inside"], row["outside"])]
    separated = [row["frozen"] < threshold <= row["live"] for row in rows]
    return {
        "separated": round(float(np.mean(separated)), 4),
        "threshold": threshold,
        "smallest_live": min(row["live"] for row in rows),
        "largest_frozen": max(row["frozen"] for row in rows),
        "both": len(both),
        "inside_above_outside": round(float(np.mean(both)), 4) if both else None,
        "clip_cpu_s": round(float(np.mean([row["cpu_s"] for row in rows])), 2),
    }


def _listed(folder: Path) -> Iterator[Clip]:
    packed = np.load(folder / "subject_masks.npz", allow_pickle=False)
    height, width = (int(side) for side in packed["shape"])
    for line in (folder / "clips.jsonl").read_text("utf-8").splitlines():
        row = json.loads(line)
        edited = decode(folder / row["edited"])
        keys = sorted(key for key in packed.files if key.startswith(row["id"] + "/"))
        times = [int(key.rpartition("/")[2]) for key in keys]
        bits = [np.unpackbits(packed[key])[: height * width].reshape(height, width) for key in keys]
        size = edited.shape[2], edited.shape[1]
        known = [cv2.resize(mask.astype(np.float32), size) >= 0.5 for mask in bits]
        after = np.searchsorted(times, np.arange(len(edited))).clip(max=len(known) - 1)
        before = np.maximum(np.searchsorted(times, np.arange(len(edited)), side="right") - 1, 0)
        masks = np.stack([known[i] | known[k] for i, k in zip(before, after, strict=True)])
        yield Clip(row["id"], folder / row["source"], edited, masks, row["prompt"])


def _drawn(folder: Path) -> Iterator[Clip]:
    source = folder / "source.mp4"
    for seed, (subject, prompt) in enumerate(DRAWN):
        masks = draw_clip(source, seed=seed, subject=subject, width=WIDTH, height=HEIGHT, frames=FRAMES)
        frames = decode(source)
        scene = Scene.from_prompt(prompt, seed=seed, width=WIDTH, height=HEIGHT)
        background = np.stack([scene.frame(t / FPS) for t in range(FRAMES)])
        edited = np.where(masks[..., None], frames, background)
        yield Clip(f"{subject}: {prompt}", source, edited, masks, prompt)


if __name__ == "__main__":
    main()
