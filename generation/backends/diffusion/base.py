"""What every diffusion backend is: a pipeline of diffusers, where its weights are and how it is placed.

- `device` and `offload` decide where the weights are kept. `none`: all on the device. `model`: the part that
  works (text encoder, transformer, autoencoder). `sequential`: the layer that works; slow, least memory.
- `dtype` and `attention` decide the last bits of pixels, and so belong to fingerprints.
- A seed draws the same noise on every device: it is drawn on the CPU.

What a diffusion model costs: memory by how it is placed, time by how often its transformer runs.

Figures are for 720p and 81 frames on one H200 in bfloat16. Time is FLOPs (2 a parameter and token, and
attention) over 350 to 645 TFLOP/s. The memory beside the weights is an estimate, not measured.

Between uint8 frames and what pipelines take and give.

A pipeline gives floats in [0, 1]; half precision can overflow, and NaN would be written as black.

A prompt must fit the text encoder: pipelines cut what is too long, and say so in a log at best.

What the image editor and the animator are told: templates around labels and the instruction.

- Removal is driven by labels: the editor is told what to take out in the words of the grounding's first
  round (paper, stage 3), not where it is.
- Animation is driven by the instruction that made the background, so that what it sets in motion moves.
- They are templates, not a model's words: the same labels and instruction give the same text, for nothing.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from sparkle.generation.backend import Identity
from sparkle.generation.backends.diffusion.checkpoint import Checkpoint, fetch
from sparkle.generation.backends.vlm.asking import fill_prompt
from sparkle.generation.needs import (
    ESTIMATED,
    GIGABYTE,
    Requirements,
    Span,
    card_note,
    needed,
    operational,
    package_versions,
    require_choice,
    require_range,
)
from sparkle.generation.weights import Weights
from sparkle.media import Pixels
from sparkle.schemas.errors import ConfigError, SampleError
from sparkle.schemas.records import GroundedObject

DTYPES = ("bfloat16", "float16", "float32")
OFFLOADS = ("none", "model", "sequential")
ATTENTIONS = ("native", "_native_flash", "_native_cudnn", "_native_math", "flash", "_flash_3", "sage")
"""Names of diffusers' attention backends: torch's own, and those of `flash-attn` and `sageattention`."""


@dataclass(kw_only=True)
class DiffusionBackend(ABC):
    """Base of the diffusion backends.

    Args:
        model: A folder, or a repository of the Hugging Face Hub.
        revision: Commit, branch or tag of the repository; None for a folder.
        note: What a reader of the card must know of the model, such as its licence.
        dtype: Of the weights: bfloat16, float16 or float32.
        attention: One of `ATTENTIONS`.
        device: Where the model works: `cuda`, `cuda:1` or `cpu`.
        offload: What leaves the device while it does not work: none, model or sequential.
        steps: Of denoising.
        guidance: How much the prompt is followed; 1 is without guidance, at half the cost.
    """

    capability: ClassVar[str]
    steps_served: ClassVar[tuple[str, ...]]
    costs: ClassVar[Costs]
    required_packages: ClassVar[tuple[str, ...]] = (
        "torch",
        "diffusers",
        "transformers",
        "accelerate",
        "pillow",
    )

    model: str = operational()  # which weights: the identity says it, by their content
    revision: str | None = operational(None)
    note: str = ""
    dtype: str = "bfloat16"
    attention: str = "native"
    device: str = operational("cuda")
    offload: str = operational("none")
    steps: int = 50
    guidance: float = 1.0

    def __post_init__(self) -> None:
        require_choice(self, "dtype", DTYPES)
        require_choice(self, "attention", ATTENTIONS)
        require_choice(self, "offload", OFFLOADS)
        require_range(self, "steps", 1, 1000)
        require_range(self, "guidance", 1, 30)
        self._weights = Weights(self.model, self.revision)
        self._pipeline: Any = None

    @property
    def weights(self) -> dict[str, Weights]:
        """Everything that is loaded, by the option that names its revision."""
        return {"revision": self._weights}

    @property
    def identity(self) -> Identity:
        """Repositories and their commits, or names of folders and hashes of their content."""
        parts = self.weights.values()
        names, commits = (part.name for part in parts), (part.commit for part in parts)
        notes = dict.fromkeys(card_note(part.model, self.note) for part in self.weights.values())
        return Identity(" + ".join(names), " + ".join(commits), "; ".join(filter(None, notes)))

    @property
    def requirements(self) -> Requirements:
        """Models, memory and time."""
        models = tuple(needed(part, note=self.note) for part in self.weights.values())
        if self.device == "cpu":
            return Requirements(models)  # what runs there is a tiny model
        vram = self.costs.vram_bytes(offload=self.offload, dtype=self.dtype)
        seconds = self.costs.seconds(steps=self.steps, guided=self.guidance > 1)
        return Requirements(models, vram, dict.fromkeys(self.steps_served, seconds), ESTIMATED)

    def pinned(self) -> dict[str, Any]:
        """The revisions as commits."""
        found: dict[str, Any] = {}
        for option, weights in self.weights.items():
            found.update(weights.pinned(option))
        return found

    def packages(self) -> dict[str, str]:
        """What the model runs on."""
        return package_versions(self.required_packages, extra="gpu")

    def setup(self) -> None:
        """Load the weights and place them.

        Raises:
            ConfigError: a package or the device is missing, or the model cannot be had or does not fit.
        """
        self.packages()
        self._check_device()
        pipeline = self.load()
        pipeline.set_progress_bar_config(disable=True)
        self._choose_attention(pipeline)
        self._place(pipeline)
        self._pipeline = pipeline

    @abstractmethod
    def load(self) -> Any:
        """The pipeline, on the CPU; raises ConfigError as `setup` does."""

    def fetch_pipeline(self, wanted: str, parts: Sequence[str]) -> Checkpoint:
        """The model's folder; raises ConfigError unless it is a pipeline of a class."""
        checkpoint = fetch(self._weights, parts)
        got = checkpoint.index.get("_class_name")
        if got != wanted:
            raise ConfigError("another kind of model", got=got, wanted=wanted, where=self.model)
        return checkpoint

    @property
    def table(self) -> str:
        """The configuration's table, for errors."""
        return f"[backends.{self.capability}]"

    def _check_device(self) -> None:
        import torch

        if self.device.startswith("cuda") and not torch.cuda.is_available():
            raise ConfigError(
                "there is no such device", got=self.device, where=self.table, fix='device = "cpu"'
            )
        if self.device == "cpu" and self.offload != "none":
            got = f"offload = {self.offload!r}"
            raise ConfigError(
                "a model on the CPU has nowhere to go", got=got, wanted="none", where=self.table
            )

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

    def _place(self, pipeline: Any) -> None:
        import torch

        try:
            if self.offload == "model":
                pipeline.enable_model_cpu_offload(device=self.device)
            elif self.offload == "sequential":
                pipeline.enable_sequential_cpu_offload(device=self.device)
            else:
                pipeline.to(self.device)
        except torch.OutOfMemoryError as error:
            raise ConfigError(
                "the model does not fit into the device's memory",
                got=str(error).partition(". ")[0],
                where=self.table,
                fix='offload = "model" or "sequential"',
            ) from None


def cpu_generator(seed: int) -> Any:
    """A generator of noise that is the same on every device."""
    import torch

    return torch.Generator("cpu").manual_seed(seed)


# --- what a diffusion model costs ------------------------------------------------------------------


@dataclass(frozen=True)
class Costs:
    """What a model costs.

    Args:
        weights: Of all parts, GB.
        largest: Of the largest part, GB.
        working: Beside the weights at its peak, GB.
        run: Seconds that a transformer runs once.
        around: Seconds of text encoder and autoencoder, a sample.
    """

    weights: float
    largest: float
    working: float
    run: Span
    around: Span

    def vram_bytes(self, *, offload: str, dtype: str) -> int:
        """Peak memory of the device, by what leaves it."""
        held = {"none": self.weights, "model": self.largest, "sequential": 0.0}[offload]
        width = 2 if dtype == "float32" else 1
        return int((held * width + self.working) * GIGABYTE)

    def seconds(self, *, steps: int, guided: bool) -> Span:
        """Of a sample; guidance runs the transformer twice a step."""
        return self.run.times(steps * (2 if guided else 1)).plus(self.around)


FLUX2_KLEIN = Costs(34, 18, 4, Span(0.2, 0.4), Span(0.1, 0.2))  # 7,700 tokens: picture, reference, words
WAN_I2V = Costs(71, 29, 15, Span(10.5, 19), Span(15, 18))  # 75,600 tokens
WAN_FUN_CONTROL = Costs(
    71, 29, 15, Span(11, 20), Span(25, 26)
)  # a frame of tokens and a video to encode more
WAN_VACE = Costs(84, 35, 15, Span(13, 24), Span(30, 32))  # 8 blocks of control beside 40


# --- between uint8 frames and what pipelines take and give -----------------------------------------


def to_pil(image: Pixels) -> Any:
    """A `PIL.Image` of uint8 (H, W, 3) RGB."""
    from PIL import Image as PilImage

    return PilImage.fromarray(np.ascontiguousarray(image))


def to_frames(pictures: Any) -> Iterator[Pixels]:
    """The pictures of a pipeline with `output_type="pt"`.

    Args:
        pictures: Float tensor (T, 3, H, W) in [0, 1].

    Yields:
        uint8 (H, W, 3) RGB.

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


# --- a prompt must fit the text encoder ------------------------------------------------------------


MOST_TOKENS = 512
"""What FLUX.2's and Wan's pipelines read of a prompt."""


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


# --- what the image editor and the animator are told -----------------------------------------------


REMOVAL_FILE, ANIMATION_FILE = "removal", "animation"


def removal_prompt(objects: Sequence[GroundedObject]) -> str:
    """The instruction that removes labelled objects; each label once, in the order of round 1."""
    return fill_prompt(REMOVAL_FILE, labels="; ".join(dict.fromkeys(item.label for item in objects)))


def animation_prompt(instruction: str) -> str:
    """The prompt that brings the background of an edit instruction to life."""
    return fill_prompt(ANIMATION_FILE, instruction=instruction)
