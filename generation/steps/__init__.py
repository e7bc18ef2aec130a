"""The steps, one file each; their order is that of `sparkle.schemas.stages`."""

from __future__ import annotations

from sparkle.generation.config import RunConfig
from sparkle.generation.step import Step
from sparkle.generation.steps.animate import Animate
from sparkle.generation.steps.camera import Camera
from sparkle.generation.steps.compose import Compose
from sparkle.generation.steps.edges import Edges
from sparkle.generation.steps.edit import Edit
from sparkle.generation.steps.edit_score import EditScore
from sparkle.generation.steps.flow import Flow
from sparkle.generation.steps.ground1 import Ground1
from sparkle.generation.steps.ground2 import Ground2
from sparkle.generation.steps.measure import Measure
from sparkle.generation.steps.normalise import Normalise
from sparkle.generation.steps.remove import Remove
from sparkle.generation.steps.remove_score import RemoveScore
from sparkle.generation.steps.synthesize import Synthesize
from sparkle.generation.steps.track import Track
from sparkle.generation.steps.video_score import VideoScore

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
