"""What every diffusion backend is: a pipeline of diffusers, where its weights are and how it is placed.

- `device` and `offload` decide where the weights are kept. `none`: all on the device. `model`: the part that
  works (text encoder, transformer, autoencoder). `sequential`: the layer that works; slow, least memory.
- A seed draws the same noise on every device: it is drawn on the CPU.
- A prompt must fit the text encoder: pipelines cut what is too long, and say so in a log at best.
- A pipeline gives floats in [0, 1]; half precision can overflow, and NaN would be written as black.
- Costs are for 720p and 81 frames on one H200 in bfloat16. Time is FLOPs (2 per parameter and token, and
  attention) over 350 to 645 TFLOP/s. The memory beside the weights is an estimate, not measured.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from sparkle.generation.backend import operational, require_choice, require_range
from sparkle.generation.backends.diffusion.checkpoint import Checkpoint, fetch
from sparkle.generation.backends.local_model import PretrainedModel
from sparkle.generation.needs import GIGABYTE, Estimate
from sparkle.media import Pixels
from sparkle.schemas.errors import ConfigError, SampleError

OFFLOADS = ("none", "model", "sequential")

MOST_TOKENS = 512
"""What FLUX.2's and Wan's pipelines read of a prompt."""


@dataclass(frozen=True)
class ModelCosts:
    """What a diffusion model costs: memory by how it is placed, time by how often its transformer runs.

    Args:
        weights: Of all parts, GB.
        largest: Of the largest part, GB.
        working: Beside the weights at its peak, GB.
        run: Seconds that a transformer runs once.
        around: Seconds of text encoder and autoencoder, per sample.
    """

    weights: float
    largest: float
    working: float
    run: Estimate
    around: Estimate


@dataclass(kw_only=True)
class DiffusionBackend(PretrainedModel):
    """Base of the diffusion backends; the base class has the options of weights and device.

    Args:
        attention: A name of diffusers: torch's own, or of `flash-attn` and `sageattention`.
        offload: What leaves the device while it does not work: none, model or sequential.
        steps: Of denoising.
        guidance: How much the prompt is followed; 1 is without guidance, at half the cost.
    """

    steps_served: ClassVar[tuple[str, ...]]
    costs: ClassVar[ModelCosts]
    required_packages: ClassVar[tuple[str, ...]] = (
        "torch",
        "diffusers",
        "transformers",
        "accelerate",
        "pillow",
    )
    attentions: ClassVar[tuple[str, ...]] = (
        "native",
        "_native_flash",
        "_native_cudnn",
        "_native_math",
        "flash",
        "_flash_3",
        "sage",
    )
    fits_better: ClassVar[str] = 'offload = "model" or "sequential"'

    attention: str = "native"
    offload: str = operational("none")
    steps: int = 50
    guidance: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require_choice(self, "offload", OFFLOADS)
        require_range(self, "steps", 1, 1000)
        require_range(self, "guidance", 1, 30)

    @property
    def vram_bytes(self) -> int:
        """Peak memory of the device, by what leaves it."""
        held = {"none": self.costs.weights, "model": self.costs.largest, "sequential": 0.0}[self.offload]
        width = 2 if self.dtype == "float32" else 1
        return int((held * width + self.costs.working) * GIGABYTE)

    def seconds(self) -> dict[str, Estimate]:
        """Return seconds per sample; guidance runs the transformer twice per step."""
        runs = self.steps * (2 if self.guidance > 1 else 1)
        return dict.fromkeys(self.steps_served, self.costs.run.times(runs).plus(self.costs.around))

    def load(self) -> Any:
        """Return the pipeline, placed as configured."""
        if self.device == "cpu" and self.offload != "none":
            got = f"offload = {self.offload!r}"
            raise ConfigError(
                "a model on the CPU has nowhere to go", got=got, wanted="none", where=self.table
            )
        pipeline = self.load_pipeline()
        pipeline.set_progress_bar_config(disable=True)
        self._choose_attention(pipeline)
        if self.offload == "model":
            pipeline.enable_model_cpu_offload(device=self.device)
        elif self.offload == "sequential":
            pipeline.enable_sequential_cpu_offload(device=self.device)
        else:
            pipeline.to(self.device)
        return pipeline

    @abstractmethod
    def load_pipeline(self) -> Any:
        """Return the pipeline, on the CPU; raises ConfigError as `setup` does."""

    def fetch_pipeline(self, wanted: str, parts: Sequence[str]) -> Checkpoint:
        """Return the model's folder; raises ConfigError unless it is a pipeline of a class."""
        checkpoint = fetch(self._weights, parts)
        got = checkpoint.index.get("_class_name")
        if got != wanted:
            raise ConfigError("another kind of model", got=got, wanted=wanted, where=self.model)
        return checkpoint

    def _choose_attention(self, pipeline: Any) -> None:
        for name in ("transformer", "transformer_2"):
            part = getattr(pipeline, name, None)
            if part is None:
                continue
            try:
                part.set_attention_backend(self.attention)
            except (RuntimeError, ValueError, ImportError) as error:
                raise ConfigError(
                    "this attention cannot be had here", got=error, wanted=self.attention, where=self.table
                ) from None


def cpu_generator(seed: int) -> Any:
    """Return a generator of noise that is the same on every device."""
    import torch

    return torch.Generator("cpu").manual_seed(seed)


def check_prompt_length(tokenizer: Any, text: str, *, where: str) -> None:
    """Raise SampleError if a prompt is longer than `MOST_TOKENS`.

    Args:
        tokenizer: The pipeline's.
        text: The prompt as the tokenizer gets it.
        where: What the prompt is for.
    """
    count = len(tokenizer(text).input_ids)
    if count > MOST_TOKENS:
        wanted = f"at most {MOST_TOKENS}"
        raise SampleError(
            "the prompt is too long for the model", got=f"{count} tokens", wanted=wanted, where=where
        )


def to_pil(image: Pixels) -> Any:
    """Return a `PIL.Image` of uint8 (H, W, 3) RGB."""
    from PIL import Image

    return Image.fromarray(np.ascontiguousarray(image))


def to_frames(pictures: Any) -> Iterator[Pixels]:
    """Yield the pictures of a pipeline with `output_type="pt"`, uint8 (H, W, 3) RGB.

    Args:
        pictures: Float tensor (T, 3, H, W) in [0, 1].

    Raises:
        SampleError: a picture holds what is no number.
    """
    import torch

    for picture in pictures:
        if not torch.isfinite(picture).all():
            raise SampleError(
                "the model made no picture but NaN or infinity", fix='dtype = "bfloat16" or "float32"'
            )
        levels = (picture.float().clamp(0, 1) * 255).round().to(torch.uint8)
        yield levels.permute(1, 2, 0).contiguous().cpu().numpy()


# --- sizes -----------------------------------------------------------------------------------------

_MULTIPLE = 16  # pixels: the autoencoder's 8 times the transformer's patches of 2
_STRIDE = 4  # frames that share a latent frame; the first has one of its own


@dataclass(frozen=True)
class Padding:
    """How a picture is brought to a size that a model takes, and back, without distorting it.

    The picture is mirrored over its right and lower edge, and what was added is cut off again: nothing is
    stretched, and a pixel stays where it is. 720p needs no padding.

    Args:
        width: Of the picture, in pixels.
        height: The same.
        least: The shortest side that the model takes.
    """

    width: int
    height: int
    least: int = _MULTIPLE

    @classmethod
    def of(cls, image: Pixels, *, least: int = _MULTIPLE) -> Padding:
        """Return that of a picture, uint8 (H, W, 3)."""
        return cls(image.shape[1], image.shape[0], least)

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) that the model works at, multiples of 16."""
        return self._fit(self.width), self._fit(self.height)

    def pad(self, image: Pixels) -> Pixels:
        """Return a picture, uint8 (H, W, 3), at the model's size."""
        width, height = self.size
        border = ((0, height - self.height), (0, width - self.width), (0, 0))
        return np.pad(image, border, mode="symmetric")

    def crop(self, image: Pixels) -> Pixels:
        """Return what the model made, uint8 (H, W, 3), at the picture's size."""
        return image[: self.height, : self.width]

    def _fit(self, side: int) -> int:
        return -(-max(side, self.least) // _MULTIPLE) * _MULTIPLE


def model_frames(count: int) -> int:
    """Return the least 4k+1 that is at least `count`: the autoencoder's stride in time.

    The last frame is repeated, and what is made beyond it is cut off.
    """
    return -(-(count - 1) // _STRIDE) * _STRIDE + 1
