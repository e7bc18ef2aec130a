"""The steps, one file each; their order is that of `sparkle.schemas.stages`."""

from __future__ import annotations

from sparkle.generation.config import RunConfig
from sparkle.generation.steps.background import Animate, Ground1, Remove, RemoveScore
from sparkle.generation.steps.base import Step
from sparkle.generation.steps.first_frame import Compose, Edit, EditScore
from sparkle.generation.steps.source import Camera, Flow, Normalise
from sparkle.generation.steps.synthesis import Edges, Measure, Synthesize, VideoScore
from sparkle.generation.steps.tracking import Ground2, Track

_STEPS: dict[str, type[Step]] = {
    step.name: step
    for step in (
        Normalise,
        Flow,
        Camera,
        Compose,
        Edit,
        EditScore,
        Ground1,
        Remove,
        RemoveScore,
        Animate,
        Ground2,
        Track,
        Edges,
        Synthesize,
        VideoScore,
        Measure,
    )
}


def make_step(name: str, config: RunConfig) -> Step:
    """A step of a configuration; its backend is made but nothing is loaded."""
    return _STEPS[name](config)
