"""Wan2.2-I2V-A14B brings a picture to life, through diffusers.

- The prompt is the template of `animation_prompt` around the instruction that made the background.
- Wan's motion is at 16 fps, the dataset's rate; the rate that is asked for is not told to the model.
- The first frame is the picture as the autoencoder gives it back.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from sparkle.generation.backends.diffusion.base import ModelCosts, Padding, to_pil
from sparkle.generation.backends.diffusion.wan import WanBackend
from sparkle.generation.backends.vlm.questions import ANIMATION_FILE, animation_prompt, prompt_hashes
from sparkle.generation.needs import Estimate
from sparkle.media import Pixels
from sparkle.media.images import read_png


@dataclass(kw_only=True)
class Backend(WanBackend):
    """The `image_to_video` Wan2.2-I2V; `WanBackend` has its options."""

    capability: ClassVar[str] = "image_to_video"
    steps_served: ClassVar[tuple[str, ...]] = ("animate",)
    costs: ClassVar[ModelCosts] = ModelCosts(  # 75,600 tokens
        71, 29, 15, Estimate(10.5, 19), Estimate(15, 18)
    )

    steps: int = 40  # steps and guidance: Wan's own for this model
    guidance: float = 3.5

    def prompts(self, step: str) -> dict[str, str]:
        """Return the hash of the template around the instruction."""
        return prompt_hashes(ANIMATION_FILE)

    def load_published(self) -> Any:
        """Return the pipeline of diffusers."""
        from diffusers import WanImageToVideoPipeline, WanTransformer3DModel

        return self.load_diffusers(WanImageToVideoPipeline, WanTransformer3DModel)

    def animate(self, image: Path, prompt: str, frames: int, fps: float, seed: int) -> Iterator[Pixels]:
        """Yield the frames."""
        picture = read_png(image)
        padding = Padding.of(picture)
        start = to_pil(padding.pad(picture))
        return self.make_video(padding, frames, prompt=animation_prompt(prompt), seed=seed, image=start)
