"""Wan2.2-Fun-A14B-Control makes the video that follows the edges, on diffusers (see `fun_control`).

- Which role upstream gave the edited first frame is not published: it can be the video's first frame, the
  reference for its looks, or both.
- Of the checkpoint only the transformers are read; text encoder, tokenizer and autoencoder are Wan2.2's, from
  `base`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from sparkle.generation.backend import Guidance
from sparkle.generation.backends.diffusion.base import WAN_FUN_CONTROL, Costs
from sparkle.generation.backends.diffusion.checkpoint import fetch
from sparkle.generation.backends.diffusion.wan import TEXT_AND_VIDEO, WanBackend
from sparkle.generation.backends.diffusion.wan_vace import read_control
from sparkle.generation.needs import GIGABYTE, Requirements, operational, require_range
from sparkle.generation.weights import Weights
from sparkle.media import Pixels
from sparkle.schemas.errors import ConfigError

_BASE_BYTES = 14 * GIGABYTE  # text encoder 13.5, autoencoder .5
_IN_CHANNELS = 52  # noisy 16, control 16, mask 4, first frame 16


@dataclass(kw_only=True)
class Backend(WanBackend):
    """The `control_to_video` Wan2.2-Fun-Control; `WanBackend` has its further options.

    Args:
        base: A folder or repository in diffusers' layout with text encoder, tokenizer and autoencoder.
        base_revision: Commit, branch or tag of that repository; None for a folder.
        boundary: Share of the noise from which the high-noise transformer works; .9 is VideoX-Fun's.
        start_frame: The edited first frame is the video's first frame.
        reference: The edited first frame is the reference picture.
    """

    capability: ClassVar[str] = "control_to_video"
    steps_served: ClassVar[tuple[str, ...]] = ("synthesize",)
    costs: ClassVar[Costs] = WAN_FUN_CONTROL

    steps: int = 50  # steps and guidance: VideoX-Fun's examples of this model
    guidance: float = 6.0
    base: str = operational("Wan-AI/Wan2.2-I2V-A14B-Diffusers")
    base_revision: str | None = operational(None)
    boundary: float = 0.9
    start_frame: bool = True
    reference: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        require_range(self, "boundary", 0, 1)
        if not (self.start_frame or self.reference):
            wanted = "start_frame or reference"
            raise ConfigError("the edited first frame is given no role", got="neither", wanted=wanted)
        self._base = Weights(self.base, self.base_revision)

    @property
    def weights(self) -> dict[str, Weights]:
        """The transformers', the base's, and the LoRAs'."""
        return {**super().weights, "base_revision": self._base}

    @property
    def requirements(self) -> Requirements:
        """As of every backend; of the base only its smaller parts are fetched."""
        found = super().requirements
        models = tuple(
            replace(need, bytes=_BASE_BYTES) if need.model == self.base and need.page else need
            for need in found.models
        )
        return replace(found, models=models)

    def load_pipeline(self) -> Any:
        """The pipeline, put together: diffusers cannot read one of a class that is not its own."""
        import torch
        from transformers import AutoTokenizer, UMT5EncoderModel

        from sparkle.generation.backends.diffusion.fun_control import FunControlPipeline, load_transformers
        from sparkle.generation.backends.diffusion.schedule import wan_schedule

        dtype = getattr(torch, self.dtype)
        high, low = load_transformers(self._weights, dtype)
        for transformer in (high, low):
            if transformer.config.in_channels != _IN_CHANNELS:
                got = f"{transformer.config.in_channels} channels"
                wanted = f"{_IN_CHANNELS}: Wan2.2-Fun-A14B-Control"
                raise ConfigError("another kind of model", got=got, wanted=wanted, where=self.model)
        base = fetch(self._base, TEXT_AND_VIDEO)
        return FunControlPipeline(
            tokenizer=base.load(AutoTokenizer.from_pretrained, subfolder="tokenizer"),
            text_encoder=base.load(UMT5EncoderModel.from_pretrained, subfolder="text_encoder", dtype=dtype),
            vae=self.load_autoencoder(base),
            transformer=high,
            transformer_2=low,
            scheduler=wan_schedule(self.flow_shift),
            boundary_ratio=self.boundary,
        )

    def synthesize(self, guidance: Guidance, seed: int) -> Iterator[Pixels]:
        """Yield the edited video's frames."""
        control = read_control(guidance)
        return self.make_video(
            control.canvas,
            control.frames,
            prompt=guidance.prompt,
            seed=seed,
            image=control.first,
            control_video=control.edges,
            start_frame=self.start_frame,
            reference=self.reference,
        )
