"""How well the classical backend finds, cuts out and tracks the subject.

    python benchmarks/masks.py [--clips DIR] [--config FILE] [--json]

- With DIR: its clips (clips.jsonl) against its subject_masks.npz: packed bits, one key `ID/frame`, and
  `shape`. Those masks are a person-segmentation net's, so the clips in `UNRELIABLE` are left out. Without:
  drawn clips against their true masks.
- `--config`: whose `vlm` and `tracker` say what stands out on frames, such as `small`; each clip is looked at
  anew.
- One pass an anchor (every 8th frame), majority vote (or one pass for all, with --config small), refinement,
  up to the masks' size; IoU is the mean over a clip's masks, then over the clips.

JSON keys: `own_iou` (boxes found by the backend), `given_iou` (boxes around the true masks),
`gain_over_frame0` (given boxes: the vote's IoU above the pass of frame 0), `own_gain_over_frame0`,
`corruption_loss` (given boxes: IoU lost when 30 % of the anchors get a box somewhere else), `clip_s` (seconds
for flow, grounding and tracking of a clip), `clips`.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from drawn_clips.synthetic import SubjectName, draw_clip
from sparkle.generation.backend import Loadable
from sparkle.generation.backends import make_backend
from sparkle.generation.backends.classical.activity import Activity, measure_activity
from sparkle.generation.backends.classical.filters import Box, bounding_box, read_working
from sparkle.generation.backends.classical.propagate import Flows, compute_flows, hard_mask, refine
from sparkle.generation.backends.classical.subjects import Look, find_subjects
from sparkle.generation.backends.classical.tracker import follow, follow_seen
from sparkle.generation.bait import majority_vote
from sparkle.generation.config import load_config
from sparkle.media.decode import decode
from sparkle.media.morphology import opened

Image = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]

ANCHOR_STEP = 8  # 2 frames a second at 16 fps
TRUTH_STEP = 16
WRONG_SHARE = 0.3
WRONG_DRAWS = 5
UNRELIABLE = frozenset({"Sparkle_style_000737"})  # the net marks furniture there
DRAWN_SUBJECTS: tuple[SubjectName, ...] = ("figure", "ball", "fish")
DRAWN = [(subject, seed) for seed in (1, 2) for subject in DRAWN_SUBJECTS]


@dataclass(frozen=True)
class Clip:
    """A clip and what is true of it: masks bool (H, W) by frame."""

    name: str
    path: Path
    truth: Mapping[int, Mask]


@dataclass(frozen=True)
class Figures:
    """What is measured on one clip; the docstring of this file has the meanings."""

    own_iou: float
    given_iou: float
    gain_over_frame0: float
    own_gain_over_frame0: float
    corruption_loss: float
    clip_s: float


class Tracker:
    """Everything about one clip that its passes share."""

    def __init__(self, clip: Clip, look: Look) -> None:
        self.truth = clip.truth
        height, width = next(iter(clip.truth.values())).shape
        self.full: Image = decode(clip.path, size=(width, height))
        self.frames: Image = read_working(clip.path)
        self.shape = (self.frames.shape[1], self.frames.shape[2])
        self.anchors = range(0, len(self.frames), ANCHOR_STEP)
        self.activity: Activity = measure_activity(self.frames)
        self.kept: dict[tuple[int, tuple[Box, ...], bool], Mask] = {}  # passes, that several figures share
        self.look = look
        self.seen = bool(look(self.frames, self.anchors[:1]))
        self.flows: Flows = compute_flows(self.frames, fast=self.seen)

    def pass_of(self, t: int, boxes: Sequence[Box], *, trusted: bool) -> Mask:
        """One pass from the boxes of frame t; empty where they hold nothing."""
        key = (t, tuple(boxes), trusted)
        if key not in self.kept:
            self.kept[key] = follow(self.frames, self.activity, self.flows, t, boxes, trusted=trusted)
        return self.kept[key]

    def iou(self, boxed: Mapping[int, Sequence[Box]], *, trusted: bool) -> float:
        """Mean IoU with the true masks of what is followed from these anchors' boxes."""
        if self.seen:
            parts = (self.frames, self.activity, self.flows, boxed, self.look)
            voted = follow_seen(*parts, trusted=trusted)
        else:
            passes = [self.pass_of(t, boxes, trusted=trusted) for t, boxes in boxed.items()]
            votes = [mask for mask in passes if mask.any()]
            voted = majority_vote(votes) if votes else np.zeros(self.frames.shape[:3], bool)
        values = []
        refined = refine(self.frames, voted)
        for t, true in self.truth.items():
            found = hard_mask(self.full[t], refined[t])
            union = np.count_nonzero(found | true)
            values.append(np.count_nonzero(found & true) / union if union else 1.0)
        return float(np.mean(values))


def measure(clip: Clip, look: Look) -> Figures:
    """All figures of one clip."""
    start = time.perf_counter()
    tracker = Tracker(clip, look)
    subjects = find_subjects(tracker.activity, tracker.frames, tracker.anchors, look)
    found = {
        t: [box for subject in subjects if (box := subject.boxes[k])] for k, t in enumerate(tracker.anchors)
    }
    own = {t: boxes for t, boxes in found.items() if boxes}
    own_iou = tracker.iou(own, trusted=False)
    seconds = time.perf_counter() - start
    given = {t: [_true_box(clip.truth, t, tracker.shape)] for t in tracker.anchors}
    given_iou = tracker.iou(given, trusted=True)
    first = {t: own[t] for t in list(own)[:1]}
    return Figures(
        own_iou=own_iou,
        given_iou=given_iou,
        gain_over_frame0=given_iou - tracker.iou({0: given[0]}, trusted=True),
        own_gain_over_frame0=own_iou - tracker.iou(first, trusted=False),
        corruption_loss=given_iou - _corrupted_iou(tracker, given),
        clip_s=seconds,
    )


def _corrupted_iou(tracker: Tracker, given: Mapping[int, Sequence[Box]]) -> float:
    """Mean IoU when some anchors' boxes are of another size and anywhere."""
    generator = np.random.Generator(np.random.PCG64(0))
    height, width = tracker.shape
    wrong: dict[int, Sequence[Box]] = {}
    for t, ((x0, y0, x1, y1),) in given.items():
        w = min(int((x1 - x0) * generator.uniform(0.5, 1.2)), width - 10)
        h = min(int((y1 - y0) * generator.uniform(0.5, 1.2)), height - 10)
        x, y = int(generator.integers(width - w)), int(generator.integers(height - h))
        wrong[t] = [(x, y, x + w, y + h)]
    values = []
    for _ in range(WRONG_DRAWS):
        chosen = generator.choice(len(given), round(WRONG_SHARE * len(given)), replace=False).tolist()
        replaced = {list(given)[k]: wrong[list(given)[k]] for k in chosen}
        values.append(tracker.iou({**given, **replaced}, trusted=True))
    return float(np.mean(values))


def _true_box(truth: Mapping[int, Mask], t: int, shape: tuple[int, int]) -> Box:
    """The box around the true mask at frame t, between two masks in proportion; in pixels of `shape`."""
    before = max(key for key in truth if key <= t)
    after = min((key for key in truth if key >= t), default=before)
    share = (t - before) / (after - before) if after > before else 0.0
    first, second = (_scaled_box(truth[key], shape) for key in (before, after))
    x0, y0, x1, y1 = (round((1 - share) * a + share * b) for a, b in zip(first, second, strict=True))
    return x0, y0, x1, y1


def _scaled_box(mask: Mask, shape: tuple[int, int]) -> Box:
    """A mask's box, without specks, in pixels of `shape`; outwards where it all but touches the frame."""
    x0, y0, x1, y1 = bounding_box(opened(mask, 3), trim=0.001) or (0, 0, *mask.shape[::-1])
    height, width = shape
    right, down = width / mask.shape[1], height / mask.shape[0]
    top, bottom = round(y0 * down), round(y1 * down)
    return (
        round(x0 * right),
        0 if top < 4 else top,
        round(x1 * right),
        height if bottom > height - 5 else bottom,
    )


def _listed(folder: Path) -> Iterator[Clip]:
    with np.load(folder / "subject_masks.npz", allow_pickle=False) as archive:
        height, width = archive["shape"].tolist()
        for line in (folder / "clips.jsonl").read_text("utf-8").splitlines():
            row = json.loads(line)
            keys = sorted(key for key in archive.files if key.startswith(f"{row['id']}/"))
            truth = {
                int(key.rpartition("/")[2]): np.unpackbits(archive[key], count=height * width)
                .reshape(height, width)
                .view(bool)
                for key in keys
            }
            if truth and row["id"] not in UNRELIABLE:
                yield Clip(row["id"], folder / row["source"], truth)


def _drawn(folder: Path) -> Iterator[Clip]:
    for subject, seed in DRAWN:
        path = folder / f"{subject}_{seed}.mp4"
        masks = draw_clip(path, seed=seed, subject=subject)
        yield Clip(path.stem, path, {t: masks[t] for t in range(0, len(masks), TRUTH_STEP)})


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--clips", type=Path, help="A folder of clips and masks; without it, clips are drawn."
    )
    parser.add_argument("--config", help="A configuration's name or file; without it, `classical`.")
    parser.add_argument("--json", action="store_true", help="Print one JSON object.")
    options = parser.parse_args()
    vlm = make_backend(load_config(options.config), "vlm")
    if isinstance(vlm, Loadable):
        vlm.setup()
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["SPARKLE_CACHE"] = scratch  # what was seen in an earlier run does not count
        for clip in _listed(options.clips) if options.clips else _drawn(Path(scratch)):
            rows.append(asdict(measure(clip, vlm.maps)))
            if not options.json:
                print(f"{clip.name:28}", "  ".join(f"{key} {value:.3f}" for key, value in rows[-1].items()))
    means = {key: round(float(np.mean([row[key] for row in rows])), 4) for key in rows[0]}
    if options.json:
        print(json.dumps({**means, "clips": len(rows)}))
    else:
        print(f"{'mean':28}", "  ".join(f"{key} {value:.3f}" for key, value in means.items()))


if __name__ == "__main__":
    main()
