"""Wan2.2-Fun-A14B-Control makes the video that follows the edges, on diffusers (see `fun_control`).

Of the checkpoint only the transformers are read; text encoder, tokenizer and autoencoder are Wan2.2's, from
`base`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

from sparkle.generation.backend import operational, require_range
from sparkle.generation.backends.diffusion.base import ModelCosts
from sparkle.generation.backends.diffusion.checkpoint import fetch
from sparkle.generation.backends.diffusion.wan import TEXT_AND_VIDEO, WanControlBackend
from sparkle.generation.needs import GIGABYTE, Estimate, ModelNeed
from sparkle.generation.weights import Weights
from sparkle.schemas.errors import ConfigError

_BASE_BYTES = 14 * GIGABYTE  # text encoder 13.5, autoencoder .5
_IN_CHANNELS = 52  # noisy 16, control 16, mask 4, first frame 16


@dataclass(kw_only=True)
class Backend(WanControlBackend):
    """The `control_to_video` Wan2.2-Fun-Control; the base classes have its further options.

    Args:
        base: A folder or repository in diffusers' layout with text encoder, tokenizer and autoencoder.
        base_revision: Commit, branch or tag of that repository; None for a folder.
        boundary: Share of the noise from which the high-noise transformer works; .9 is VideoX-Fun's.
    """

    costs: ClassVar[ModelCosts] = ModelCosts(  # a frame of tokens and a video to encode more than Wan's own
        71, 29, 15, Estimate(11, 20), Estimate(25, 26)
    )

    guidance: float = 6.0  # steps and guidance: VideoX-Fun's examples of this model
    base: str = operational("Wan-AI/Wan2.2-I2V-A14B-Diffusers")
    base_revision: str | None = operational(None)
    boundary: float = 0.9

    def __post_init__(self) -> None:
        super().__post_init__()
        require_range(self, "boundary", 0, 1)
        self._base = Weights(self.base, self.base_revision)

    @property
    def weights(self) -> dict[str, Weights]:
        """The transformers', the base's, and the LoRAs'."""
        return {**super().weights, "base_revision": self._base}

    @property
    def models(self) -> tuple[ModelNeed, ...]:
        """The weights; of the base only its smaller parts are fetched."""
        return tuple(
            replace(need, bytes=_BASE_BYTES) if need.model == self.base and need.page else need
            for need in super().models
        )

    def load_published(self) -> Any:
        """Return the pipeline, put together: diffusers cannot read one of a class that is not its own."""
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

    def conditions(self, edges: list[Any], first: Any) -> dict[str, Any]:
        """Return the edges, the first frame and its roles."""
        return {
            "image": first,
            "control_video": edges,
            "start_frame": self.start_frame,
            "reference": self.reference,
        }
