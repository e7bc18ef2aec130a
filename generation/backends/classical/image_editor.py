"""The classical `image_editor`: the subject is cut out by its motion and set into a procedural scene.

- The subject's mask comes before any grounding. Sources jump in tone over their first frames, so frame 0
  alone is a poor anchor: the subject is also cut out a little later, followed back, and the majority of the
  three counts. A network is not misled by tone, and looks at frame 0 alone.
- What no recipe draws is not drawn as something else: `edit` says which words were not understood, and a rule
  rejects the sample.
- `remove` draws the scene again where the boxes are, from the same prompt and seed: what a box misses of
  the subject stays in the picture, and the removal's score says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from sparkle.generation.backend import Identity, Made
from sparkle.generation.backends.classical.activity import measure_activity
from sparkle.generation.backends.classical.composite import composite_frame, fit_harmony
from sparkle.generation.backends.classical.filters import read_working, to_pixel_box
from sparkle.generation.backends.classical.propagate import compute_flows, refine, soft_alpha
from sparkle.generation.backends.classical.segment import Usual
from sparkle.generation.backends.classical.subjects import (
    LOOK_STEP,
    ByMotion,
    Look,
    by_motion,
    find_subjects,
)
from sparkle.generation.backends.classical.tracker import follow
from sparkle.generation.backends.drawing.prompt import understand
from sparkle.generation.backends.drawing.render import Scene
from sparkle.generation.bait import majority_vote
from sparkle.media import Mask, Pixels
from sparkle.media.images import read_png
from sparkle.schemas import records as r

_ANCHORS = (0, 8, 16)  # frames: the first second at 16 fps
_BOX_MARGIN = 0.02  # of the frame's sides: soft edges and light wrap reach over a box


@dataclass
class Backend(ByMotion):
    """The classical `image_editor`."""

    identity: ClassVar[Identity] = Identity("sparkle/procedural-scenes", "4", "drawn, not generated")
    draws_recipes: ClassVar[bool] = True

    def edit(self, image: Path, prompt: str, seed: int, *, clip: Path) -> Made:
        """Composite the subject over the scene's first frame."""
        meant = understand(prompt)
        if meant.scene is None:
            return Made(None, {"not_drawn": meant.reason})
        source = read_png(image)
        height, width = source.shape[:2]
        scene = Scene.from_prompt(prompt, seed=seed, width=width, height=height)
        alpha = soft_alpha(source, first_frame_mask(read_working(clip), self.maps))
        background = scene.frame(0.0)
        subject = source[alpha > 0.5]
        if not len(subject):  # nothing to keep: the score and the grounding will say so
            return Made(background, {**scene.description, "subject": 0.0})
        edited = composite_frame(source, alpha, background, fit_harmony(subject, background))
        return Made(edited, {**scene.description, "subject": round(float(alpha.mean()), 4)})

    def remove(self, image: Path, objects: Sequence[r.GroundedObject], prompt: str, seed: int) -> Made:
        """Draw the scene again where the objects' boxes are."""
        edited = read_png(image)
        height, width = edited.shape[:2]
        scene = Scene.from_prompt(prompt, seed=seed, width=width, height=height).frame(0.0)
        removed = edited.copy()
        margin_x, margin_y = round(width * _BOX_MARGIN), round(height * _BOX_MARGIN)
        for item in objects:
            x0, y0, x1, y1 = to_pixel_box(item.bbox_2d, (height, width))
            rows = slice(max(0, y0 - margin_y), y1 + margin_y)
            columns = slice(max(0, x0 - margin_x), x1 + margin_x)
            removed[rows, columns] = scene[rows, columns]
        changed = float(np.any(removed != edited, axis=2).mean())
        return Made(removed, {"changed": round(changed, 4)})


def first_frame_mask(frames: Pixels, look: Look = by_motion) -> Mask:
    """The moving subjects on frame 0, bool (h, w), from a whole clip uint8 (T, h, w, 3) at working size.

    All false where nothing stands out.
    """
    activity = measure_activity(frames)
    maps = look(frames, range(0, len(frames), LOOK_STEP))
    maps = Usual.of(maps, frames, activity).settle(maps, frames, activity)
    anchors = [t for t in _ANCHORS if t < len(frames)][: 1 if maps else None]
    subjects = find_subjects(activity, frames, anchors, look)
    start = frames[: anchors[-1] + 1]
    flows = compute_flows(start)
    passes = []
    for position, t in enumerate(anchors):
        boxes = [box for subject in subjects if (box := subject.boxes[position]) is not None]
        masks = follow(start, activity, flows, t, boxes, trusted=False, seen=maps.get(t))
        if masks.any():
            passes.append(masks)
    if not passes:
        return np.zeros(frames.shape[1:3], bool)
    return np.asarray(refine(frames[:1], majority_vote(passes)[:1])[0])
