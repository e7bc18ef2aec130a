"""The paper's five stages as ordered steps, each with the artifacts it makes.

A step uses one model and has its own outcome file, seed and fingerprint, so that one GPU can run
step by step. `normalise` comes before the paper's stages: it brings every source to one form.
"""

from __future__ import annotations

from dataclasses import dataclass

from sparkle.schemas import layout
from sparkle.schemas.layout import Kind


@dataclass(frozen=True)
class StepInfo:
    """A step's name, its stage in the paper (0 = before them), and the kinds of artifact it makes."""

    name: str
    stage: int
    makes: tuple[Kind, ...] = ()


STEPS: tuple[StepInfo, ...] = (
    StepInfo("normalise", 0, (layout.SOURCE_VIDEO, layout.SOURCE_FRAME0)),
    StepInfo("flow", 1),
    StepInfo("camera", 1),
    StepInfo("compose", 2),
    StepInfo("edit", 2, (layout.EDITED_FRAME0,)),
    StepInfo("edit_score", 2),
    StepInfo("ground1", 3),
    StepInfo("remove", 3, (layout.FOREGROUND_REMOVED,)),
    StepInfo("remove_score", 3),
    StepInfo("animate", 3, (layout.BACKGROUND_VIDEO,)),
    StepInfo("ground2", 4),
    StepInfo("track", 4, (layout.SOURCE_VIDEO_MASK,)),
    StepInfo("edges", 5, (layout.VIDEO_CANNY,)),
    StepInfo("synthesize", 5, (layout.EDITED_VIDEO,)),
    StepInfo("video_score", 5),
    StepInfo("measure", 5),
)
STEP_NAMES: tuple[str, ...] = tuple(step.name for step in STEPS)
STEP_BY_NAME: dict[str, StepInfo] = {step.name: step for step in STEPS}
LAST_STAGE = max(step.stage for step in STEPS)
