"""Wan VACE makes the video that follows the edges, through diffusers: Wan2.2-VACE-Fun-A14B.

- The edges are the video that is to be made anew. With `start_frame` its first frame is the edited one, and a
  mask says that this one is to be kept; with `reference` the edited frame comes before the video, for its
  looks.
- As in VACE's code, the mask is brought to latent frames by its nearest frame: the first latent frame takes
  that of the second frame. What is kept is told by the latents, which hold kept and other pictures apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from sparkle.generation.backends.diffusion.base import ModelCosts
from sparkle.generation.backends.diffusion.wan import WanControlBackend
from sparkle.generation.needs import Estimate


@dataclass(kw_only=True)
class Backend(WanControlBackend):
    """The `control_to_video` Wan VACE; the base classes have its options."""

    costs: ClassVar[ModelCosts] = ModelCosts(  # 8 blocks of control beside 40
        84, 35, 15, Estimate(13, 24), Estimate(30, 32)
    )

    guidance: float = 5.0  # steps and guidance: as for Wan2.2-Fun-Control, of the same authors

    def load_published(self) -> Any:
        """Return the pipeline of diffusers."""
        from diffusers import WanVACEPipeline, WanVACETransformer3DModel

        return self.load_diffusers(WanVACEPipeline, WanVACETransformer3DModel)

    def conditions(self, edges: list[Any], first: Any) -> dict[str, Any]:
        """Return the video, what of it is to be made, and the reference."""
        from PIL import Image

        kept, made = (Image.new("RGB", first.size, colour) for colour in ("black", "white"))
        video, mask = list(edges), [made] * len(edges)
        if self.start_frame:
            video[0], mask[0] = first, kept
        return {"video": video, "mask": mask, "reference_images": [first] if self.reference else None}
