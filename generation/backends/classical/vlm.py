"""The classical `vlm`: what a VLM is asked, answered by measuring, and by a grammar over the taxonomy.

- It says only what it measured: scenes are described by light and colour, subjects are labelled by colour,
  and instructions are composed from the taxonomy, not from what is in the picture.
- A fixed camera that is cut away from is no fixed camera, and the flow's medians do not see one pair of
  frames: a cut is where the picture changes at once, far more than it moves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from sparkle.generation.backend import Identity
from sparkle.generation.backends.classical.activity import measure_activity
from sparkle.generation.backends.classical.compose import choose_scene, compose_prompt, describe_frame
from sparkle.generation.backends.classical.filters import read_working, to_record_box
from sparkle.generation.backends.classical.subjects import ByMotion, Look, find_subjects
from sparkle.generation.taxonomy import match_prompt
from sparkle.media import Pixels
from sparkle.media.images import read_png
from sparkle.schemas import records as r
from sparkle.schemas.ids import TAXONOMY_THEMES, edit_type

_LEAST_CHANGE = 14.0  # grey levels on average over the picture: half of a dissolve between two rooms
_TIMES_THE_MEDIAN = 8.0  # real fixed clips stay under 4 times (shared clips), cuts are 20 and more


@dataclass
class Backend(ByMotion):
    """The classical `vlm`."""

    identity: ClassVar[Identity] = Identity(
        "sparkle/classical-vlm", "3", "measured, not seen: no language model"
    )

    def check_camera(self, clip: Path, motion: r.FlowRecord) -> r.CameraRecord:
        """Look for a cut; the flow has looked at everything else."""
        cut = find_cut(read_working(clip))
        if cut is not None:
            return r.CameraRecord(False, f"the picture changes at once at frame {cut}: a cut")
        return r.CameraRecord(
            True,
            f"no cut, and the corners move {motion.short:.2f} px a frame between neighbours and "
            f"{motion.long:.2f} over half a second",
        )

    def compose(self, frame: Path, theme: str, prompt: str | None, seed: int) -> r.ComposeRecord:
        """Compose from the taxonomy, or find the scene that a given prompt speaks of."""
        scene = None
        if prompt is None:
            scene = choose_scene(theme, seed=seed)
            prompt = compose_prompt(scene, seed=seed)
        elif theme in TAXONOMY_THEMES:
            scene = match_prompt(theme, prompt)
        metadata = r.SceneMetadata(
            edit_type=edit_type(theme),
            original_scene=describe_frame(read_png(frame)),
            chosen_keyword=scene.keyword if scene is not None else None,
        )
        return r.ComposeRecord(prompt, metadata)

    def ground_first(self, clip: Path, source: Path, edited: Path, prompt: str) -> r.Ground1Record:
        """Return the moving subjects on the first frame."""
        objects = tuple(item for item in _boxes(clip, (0,), self.maps)[0] if item.bbox_2d)
        return r.Ground1Record(tuple(item.label for item in objects), objects)

    def ground_frames(self, clip: Path, first: r.Ground1Record, anchors: Sequence[int]) -> r.Ground2Record:
        """Return the same subjects on every anchor frame, in the order of round 1."""
        by_label = [
            {item.label: item.bbox_2d for item in objects} for objects in _boxes(clip, anchors, self.maps)
        ]
        frames = (
            tuple(r.GroundedObject(found.get(label, ()), label) for label in first.round1_labels)
            for found in by_label
        )
        return r.Ground2Record(tuple(frames))


def _boxes(clip: Path, anchors: Sequence[int], look: Look) -> list[tuple[r.GroundedObject, ...]]:
    frames = read_working(clip)
    shape = (frames.shape[1], frames.shape[2])
    subjects = find_subjects(measure_activity(frames), frames, anchors, look)
    return [
        tuple(
            r.GroundedObject(to_record_box(box, shape) if box is not None else (), subject.label)
            for subject in subjects
            for box in [subject.boxes[position]]
        )
        for position in range(len(anchors))
    ]


def find_cut(frames: Pixels) -> int | None:
    """Return the first frame after a cut, or None; frames are uint8 (T, h, w, 3)."""
    luma = frames.astype(np.float32).mean(axis=3)
    # A change of exposure is not a cut: compare with the mean taken out.
    luma -= luma.mean(axis=(1, 2), keepdims=True)
    change = np.abs(np.diff(luma, axis=0)).mean(axis=(1, 2))
    if not len(change):
        return None
    limit = max(_LEAST_CHANGE, _TIMES_THE_MEDIAN * float(np.median(change)))
    above = np.flatnonzero(change > limit)
    return int(above[0]) + 1 if len(above) else None
