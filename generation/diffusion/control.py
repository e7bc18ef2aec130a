"""What the backends of `control_to_video` that generate read of their guidance.

They see edges and the edited first frame; how the background moves they read in the edges, and its video
itself they do not see.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sparkle.generation.capabilities import Guidance
from sparkle.generation.diffusion.canvas import Canvas, model_frames
from sparkle.generation.diffusion.pixels import to_pil
from sparkle.media.decode import decode
from sparkle.media.images import read_png
from sparkle.schemas.errors import MediaError


@dataclass(frozen=True)
class Control:
    """Guidance as a pipeline takes it.

    Args:
        canvas: The clip's size.
        frames: How many the clip has.
        edges: PIL pictures, as many as the model makes frames; the last is repeated.
        first: The edited first frame, PIL.
    """

    canvas: Canvas
    frames: int
    edges: list[Any]
    first: Any


def read_control(guidance: Guidance) -> Control:
    """Read edges and first frame.

    Raises:
        MediaError: one cannot be read, or they differ in size.
    """
    edges = decode(guidance.edges)
    first = read_png(guidance.edited_frame0)
    if first.shape != edges.shape[1:]:
        raise MediaError(
            "edges and edited first frame differ in size",
            got=f"{edges.shape[2]} x {edges.shape[1]}",
            wanted=f"{first.shape[1]} x {first.shape[0]}",
            where=guidance.edges,
        )
    canvas = Canvas.of(first)
    pictures = [to_pil(canvas.pad(frame)) for frame in edges]
    repeated = [pictures[-1]] * (model_frames(len(pictures)) - len(pictures))
    return Control(canvas, len(edges), pictures + repeated, to_pil(canvas.pad(first)))
