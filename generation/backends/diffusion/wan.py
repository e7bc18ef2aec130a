"""What the Wan 2.2 backends share: two transformers, one for high and one for low noise, and their options.

- LoRAs, such as LightX2V's that need four steps, come as one file for each transformer and are fused when the
  model is loaded. With them goes their schedule, and guidance 1, which halves the work of a step.
- The autoencoder works in float32, as Wan's card asks; everything else in `dtype`.
- The `control_to_video` backends see edges and the edited first frame; how the background moves they read in
  the edges, and its video itself they do not see. Which role upstream gave the edited first frame is not
  published: it can be the video's first frame, the reference for its looks, or both.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any, ClassVar

from sparkle.generation.backend import Guidance, operational, require_choice, require_range
from sparkle.generation.backends.diffusion.base import (
    MOST_TOKENS,
    DiffusionBackend,
    Padding,
    check_prompt_length,
    cpu_generator,
    model_frames,
    to_frames,
    to_pil,
)
from sparkle.generation.backends.diffusion.checkpoint import Checkpoint, fetch
from sparkle.generation.backends.local_model import LORA_REVISION, lora_weights, retry_out_of_memory
from sparkle.generation.weights import Weights
from sparkle.media import Pixels
from sparkle.media.decode import decode
from sparkle.media.images import read_png
from sparkle.schemas.errors import ConfigError, MediaError

UNIPC, LIGHTX2V = "unipc", "lightx2v"

NEGATIVE_PROMPT = (
    "色调艳丽，过曝，静态，细节模糊不清，字幕，风格，作品，画作，画面，静止，整体发灰，最差质量，低质量，JPEG压缩残留，"
    "丑陋的，残缺的，多余的手指，画得不好的手部，画得不好的脸部，畸形的，毁容的，形态畸形的肢体，手指融合，"
    "静止不动的画面，杂乱的背景，三条腿，背景人很多，倒着走"
)
"""Wan's own (`sample_neg_prompt` of its code): oversaturated, still, blurred, captions, deformed, ..."""

TEXT_AND_VIDEO = ("tokenizer", "text_encoder", "vae")
"""Parts that all models of the family share."""

_TRANSFORMERS = ("transformer", "transformer_2")  # for high and for low noise
_ADAPTER = "sparkle"
_ABSENT = [None, None]  # library and class of a part that a pipeline does not have


@dataclass(kw_only=True)
class WanBackend(DiffusionBackend):
    """Base of the Wan 2.2 backends; the base class has the options of weights and device.

    Args:
        guidance_low: As `guidance`, which is then that of high noise, at low noise; None is the same.
        negative_prompt: What guidance leads away from.
        schedule: unipc (Wan's own) or lightx2v.
        flow_shift: How much of the steps are spent at high noise.
        lora: A folder or a repository with LoRAs; None is without.
        lora_revision: Commit, branch or tag of that repository; None for a folder.
        lora_high: File of the LoRA of the high-noise transformer.
        lora_low: File of the LoRA of the low-noise transformer.
    """

    required_packages: ClassVar[tuple[str, ...]] = (*DiffusionBackend.required_packages, "ftfy")

    guidance_low: float | None = None
    negative_prompt: str = NEGATIVE_PROMPT
    schedule: str = UNIPC
    flow_shift: float = 5.0
    lora: str | None = operational(None)
    lora_revision: str | None = operational(None)
    lora_high: str | None = None
    lora_low: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.guidance_low is not None:
            require_range(self, "guidance_low", 1, 30)
        require_choice(self, "schedule", (UNIPC, LIGHTX2V))
        require_range(self, "flow_shift", 0.1, 100)
        given = [name for name in ("lora", "lora_high", "lora_low") if getattr(self, name) is not None]
        if len(given) not in (0, 3):
            wanted = "lora, lora_high and lora_low, or none of them"
            raise ConfigError("a LoRA is for both transformers", got=", ".join(given), wanted=wanted)
        self._lora = lora_weights(self.lora, self.lora_revision)

    @property
    def weights(self) -> dict[str, Weights]:
        """The model's, and the LoRAs'."""
        return {**super().weights, **self._lora}

    def load_pipeline(self) -> Any:
        """Return the pipeline with its schedule and LoRAs."""
        from sparkle.generation.backends.diffusion.schedule import lightx2v_schedule, wan_schedule

        pipeline = self.load_published()
        schedule = lightx2v_schedule if self.schedule == LIGHTX2V else wan_schedule
        pipeline.scheduler = schedule(self.flow_shift)
        if self.lora_high is not None and self.lora_low is not None:
            self._fuse_loras(pipeline, self._lora[LORA_REVISION], self.lora_high, self.lora_low)
        return pipeline

    @abstractmethod
    def load_published(self) -> Any:
        """Return the pipeline as it is published; raises ConfigError as `setup` does."""

    def load_autoencoder(self, checkpoint: Checkpoint) -> Any:
        """Return Wan's video autoencoder in float32."""
        import torch
        from diffusers import AutoencoderKLWan

        return checkpoint.load_part(AutoencoderKLWan, "vae", torch.float32)

    def load_diffusers(self, pipeline_class: Any, transformer_class: Any) -> Any:
        """Return a pipeline of diffusers' layout with both transformers."""
        import torch

        parts = (*TEXT_AND_VIDEO, *_TRANSFORMERS, "scheduler")
        checkpoint = self.fetch_pipeline(pipeline_class.__name__, parts)
        index = checkpoint.index
        if index.get(_TRANSFORMERS[1], _ABSENT) == _ABSENT or not index.get("boundary_ratio"):
            raise ConfigError(
                "the model has not two transformers and a boundary",
                wanted="a model of the Wan 2.2 A14B family",
                where=self.model,
            )
        dtype = getattr(torch, self.dtype)
        both = {name: checkpoint.load_part(transformer_class, name, dtype) for name in _TRANSFORMERS}
        return checkpoint.load(
            pipeline_class.from_pretrained,
            **both,
            vae=self.load_autoencoder(checkpoint),
            dtype=dtype,
            use_safetensors=True,
        )

    def make_video(
        self, padding: Padding, frames: int, *, prompt: str, seed: int, **conditions: Any
    ) -> Iterator[Pixels]:
        """Yield `frames` frames of the clip's own size, uint8 (H, W, 3) RGB.

        Args:
            padding: From the clip's size to the model's.
            frames: How many are wanted; as many as `model_frames` says are made.
            prompt: What is to be seen.
            seed: Of the noise.
            conditions: Further arguments of the pipeline.

        Raises:
            SampleError: the prompt is too long, the device's memory too small, or nothing was made.
        """
        check_prompt_length(self._model.tokenizer, prompt, where=self.capability)
        call = partial(self._denoise, padding.size, model_frames(frames), prompt, seed, conditions)
        video = retry_out_of_memory(call, what=self.capability)
        yield from map(padding.crop, islice(to_frames(video), frames))

    def _denoise(
        self, size: tuple[int, int], frames: int, prompt: str, seed: int, conditions: dict[str, Any]
    ) -> Any:
        """Return the video, a float tensor (T, 3, H, W) in [0, 1]."""
        low = self.guidance if self.guidance_low is None else self.guidance_low
        return self._model(
            prompt=prompt,
            negative_prompt=self.negative_prompt,
            width=size[0],
            height=size[1],
            num_frames=frames,
            num_inference_steps=self.steps,
            guidance_scale=self.guidance,
            guidance_scale_2=low,
            generator=cpu_generator(seed),
            max_sequence_length=MOST_TOKENS,
            output_type="pt",
            **conditions,
        ).frames[0]

    def _fuse_loras(self, pipeline: Any, lora: Weights, high: str, low: str) -> None:
        files = dict(zip(_TRANSFORMERS, (high, low), strict=True))
        checkpoint = fetch(lora, (high, low))
        for part, file in files.items():
            second = {"load_into_transformer_2": True} if part == _TRANSFORMERS[1] else {}
            checkpoint.load(pipeline.load_lora_weights, weight_name=file, adapter_name=_ADAPTER, **second)
            if _ADAPTER not in getattr(getattr(pipeline, part), "peft_config", {}):
                raise ConfigError("the LoRA has nothing for this model", got=file, where=self.lora)
        pipeline.fuse_lora(components=list(files))
        pipeline.unload_lora_weights()


@dataclass(kw_only=True)
class WanControlBackend(WanBackend):
    """Base of the `control_to_video` backends on Wan; `WanBackend` has the further options.

    Args:
        start_frame: The edited first frame is the video's first frame.
        reference: The edited first frame is the reference picture.
    """

    capability: ClassVar[str] = "control_to_video"
    steps_served: ClassVar[tuple[str, ...]] = ("synthesize",)

    steps: int = 50
    start_frame: bool = True
    reference: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (self.start_frame or self.reference):
            wanted = "start_frame or reference"
            raise ConfigError("the edited first frame is given no role", got="neither", wanted=wanted)

    def synthesize(self, guidance: Guidance, seed: int) -> Iterator[Pixels]:
        """Yield the edited video's frames.

        Raises:
            MediaError: edges or first frame cannot be read, or they differ in size.
            SampleError: as `make_video`.
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
        padding = Padding.of(first)
        pictures = [to_pil(padding.pad(frame)) for frame in edges]
        pictures += [pictures[-1]] * (model_frames(len(pictures)) - len(pictures))
        conditions = self.conditions(pictures, to_pil(padding.pad(first)))
        return self.make_video(padding, len(edges), prompt=guidance.prompt, seed=seed, **conditions)

    @abstractmethod
    def conditions(self, edges: list[Any], first: Any) -> dict[str, Any]:
        """Return the pipeline's further arguments.

        Args:
            edges: PIL pictures, as many as the model makes frames.
            first: The edited first frame, PIL.
        """
