"""Wan VACE makes the video that follows the edges, through diffusers: Wan2.2-VACE-Fun-A14B.

- The edges are the video that is to be made anew. With `start_frame` its first frame is the edited one, and a
  mask says that this one is to be kept; with `reference` the edited frame stands before the video, for its
  looks.
- As in VACE's code, the mask is brought to latent frames by its nearest frame: the first latent frame takes
  that of the second frame. What is kept is told by the latents, which hold kept and other pictures apart.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from sparkle.generation.capabilities import Guidance, Image
from sparkle.generation.diffusion.control import Control, read_control
from sparkle.generation.diffusion.costs import WAN_VACE, Costs
from sparkle.generation.diffusion.wan import WanBackend
from sparkle.schemas.errors import ConfigError


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

    def synthesize(self, guidance: Guidance, seed: int) -> Iterator[Image]:
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
