"""FLUX.2-klein edits a picture as it is told, in four steps, through diffusers.

- `edit` gives it the first frame and the instruction; `remove` the edited frame and the template of
  `removal_prompt`, which names the labels of the grounding's first round. No box and no mask: what is to go
  is said in words (paper, stage 3).
- A picture is edited at its own size (see `Padding`). Of one with more than 1024 x 1024 pixels the model sees
  a reduced copy, as its pipeline does for every reference.
- One picture per call: a list of pictures is several references to one edit, not a batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from sparkle.generation.backend import Made
from sparkle.generation.backends.diffusion.base import (
    DiffusionBackend,
    ModelCosts,
    Padding,
    check_prompt_length,
    cpu_generator,
    to_frames,
    to_pil,
)
from sparkle.generation.backends.local_model import retry_out_of_memory
from sparkle.generation.backends.vlm.questions import REMOVAL_FILE, prompt_hashes, removal_prompt
from sparkle.generation.needs import Estimate
from sparkle.media import Pixels
from sparkle.media.images import read_png
from sparkle.schemas import records as r
from sparkle.schemas.errors import ConfigError

_PARTS = ("scheduler", "text_encoder", "tokenizer", "transformer", "vae")
_LEAST_SIDE = 64  # pixels; the pipeline refuses a reference that is smaller


@dataclass(kw_only=True)
class Backend(DiffusionBackend):
    """The `image_editor` FLUX.2-klein; the base class has the options of weights and device.

    Args:
        steps: Of denoising; the distilled model is made for 4, the base model for 50.
        guidance: How much the prompt is followed; 1 for the distilled model, which has it built in, 4 for the
            base model.
    """

    capability: ClassVar[str] = "image_editor"
    steps_served: ClassVar[tuple[str, ...]] = ("edit", "remove")
    costs: ClassVar[ModelCosts] = ModelCosts(  # 7,700 tokens: picture, reference, words
        34, 18, 4, Estimate(0.2, 0.4), Estimate(0.1, 0.2)
    )

    steps: int = 4
    guidance: float = 1.0

    def prompts(self, step: str) -> dict[str, str]:
        """Return the hash of the removal's template; an edit's prompt is the instruction as it is."""
        return prompt_hashes(REMOVAL_FILE) if step == "remove" else {}

    def load_pipeline(self) -> Any:
        """Return the pipeline of diffusers."""
        import torch
        from diffusers import AutoencoderKLFlux2, Flux2KleinPipeline, Flux2Transformer2DModel

        checkpoint = self.fetch_pipeline("Flux2KleinPipeline", _PARTS)
        if checkpoint.index.get("is_distilled") and self.guidance > 1:
            raise ConfigError(
                "a distilled model takes no guidance", got=self.guidance, wanted="1", where=self.table
            )
        dtype = getattr(torch, self.dtype)
        return checkpoint.load(
            Flux2KleinPipeline.from_pretrained,
            transformer=checkpoint.load_part(Flux2Transformer2DModel, "transformer", dtype),
            vae=checkpoint.load_part(AutoencoderKLFlux2, "vae", dtype),
            dtype=dtype,
            use_safetensors=True,
        )

    def edit(self, image: Path, prompt: str, seed: int, *, clip: Path) -> Made:
        """Replace the background as the prompt says."""
        return self._follow(read_png(image), prompt, seed)

    def remove(self, image: Path, objects: Sequence[r.GroundedObject], prompt: str, seed: int) -> Made:
        """Take the labelled objects out."""
        return self._follow(read_png(image), removal_prompt(objects), seed)

    def _follow(self, picture: Pixels, prompt: str, seed: int) -> Made:
        tokenizer = self._model.tokenizer
        turn = [{"role": "user", "content": prompt}]
        asked = tokenizer.apply_chat_template(
            turn, tokenize=False, add_generation_prompt=True, enable_thinking=False
        )
        check_prompt_length(tokenizer, asked, where=self.capability)
        padding = Padding.of(picture, least=_LEAST_SIDE)
        call = partial(self._denoise, padding.pad(picture), prompt, seed)
        made = next(to_frames(retry_out_of_memory(call, what=self.capability)))
        return Made(padding.crop(made), {"prompt": prompt, "size": list(padding.size)})

    def _denoise(self, picture: Pixels, prompt: str, seed: int) -> Any:
        """Return the picture that is made, a float tensor (1, 3, H, W) in [0, 1]."""
        return self._model(
            image=to_pil(picture),
            prompt=prompt,
            width=picture.shape[1],
            height=picture.shape[0],
            num_inference_steps=self.steps,
            guidance_scale=self.guidance,
            generator=cpu_generator(seed),
            output_type="pt",
        ).images
