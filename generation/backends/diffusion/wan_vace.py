"""Wan VACE makes the video that follows the edges, through diffusers: Wan2.2-VACE-Fun-A14B.

- The edges are the video that is to be made anew. With `start_frame` its first frame is the edited one, and a
  mask says that this one is to be kept; with `reference` the edited frame stands before the video, for its
  looks.
- As in VACE's code, the mask is brought to latent frames by its nearest frame: the first latent frame takes
  that of the second frame. What is kept is told by the latents, which hold kept and other pictures apart.

What the backends of `control_to_video` that generate read of their guidance.

They see edges and the edited first frame; how the background moves they read in the edges, and its video
itself they do not see.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from sparkle.generation.backend import Guidance
from sparkle.generation.backends.diffusion.base import WAN_VACE, Costs, to_pil
from sparkle.generation.backends.diffusion.wan import Canvas, WanBackend, model_frames
from sparkle.media import Pixels
from sparkle.media.decode import decode
from sparkle.media.images import read_png
from sparkle.schemas.errors import ConfigError, MediaError


@dataclass(kw_only=True)
class Backend(WanBackend):
    """The `control_to_video` Wan VACE; `WanBackend` has its further options.

    Args:
        start_frame: The edited first frame is the video's first frame.
        reference: The edited first frame is the reference picture.
    """

    capability: ClassVar[str] = "control_to_video"
    steps_served: ClassVar[tuple[str, ...]] = ("synthesize",)
    costs: ClassVar[Costs] = WAN_VACE

    steps: int = 50  # steps and guidance: as for Wan2.2-Fun-Control, of the same authors
    guidance: float = 5.0
    start_frame: bool = True
    reference: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (self.start_frame or self.reference):
            wanted = "start_frame or reference"
            raise ConfigError("the edited first frame is given no role", got="neither", wanted=wanted)

    def load_pipeline(self) -> Any:
        """The pipeline of diffusers."""
        from diffusers import WanVACEPipeline, WanVACETransformer3DModel

        return self.load_published(WanVACEPipeline, WanVACETransformer3DModel)

    def synthesize(self, guidance: Guidance, seed: int) -> Iterator[Pixels]:
        """Yield the edited video's frames."""
        control = read_control(guidance)
        return self.make_video(
            control.canvas,
            control.frames,
            prompt=guidance.prompt,
            seed=seed,
            **self._conditions(control),
        )

    def _conditions(self, control: Control) -> dict[str, Any]:
        from PIL import Image as PilImage

        kept, made = (PilImage.new("RGB", control.first.size, colour) for colour in ("black", "white"))
        video, mask = list(control.edges), [made] * len(control.edges)
        if self.start_frame:
            video[0], mask[0] = control.first, kept
        return {
            "video": video,
            "mask": mask,
            "reference_images": [control.first] if self.reference else None,
        }


# --- what the backends of `control_to_video` -------------------------------------------------------


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
