"""The steps, one file per stage; their order is that of `sparkle.schemas.stages`."""

from __future__ import annotations

from sparkle.generation.config import RunConfig
from sparkle.generation.steps.background import Animate, Ground1, Remove, ScoreRemoval
from sparkle.generation.steps.base import AnyStep
from sparkle.generation.steps.first_frame import Compose, Edit, ScoreEdit
from sparkle.generation.steps.source import Camera, Flow, Normalise
from sparkle.generation.steps.synthesis import Edges, Measure, ScoreVideo, Synthesize
from sparkle.generation.steps.tracking import Ground2, Track

_STEPS: dict[str, type[AnyStep]] = {
    step.name: step
    for step in (
        Normalise,
        Flow,
        Camera,
        Compose,
        Edit,
        ScoreEdit,
        Ground1,
        Remove,
        ScoreRemoval,
        Animate,
        Ground2,
        Track,
        Edges,
        Synthesize,
        ScoreVideo,
        Measure,
    )
}


def make_step(name: str, config: RunConfig) -> AnyStep:
    """Return a step of a configuration; its backend is made but nothing is loaded."""
    return _STEPS[name](config)
