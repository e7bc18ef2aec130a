"""What every diffusion backend is: a pipeline of diffusers, where its weights are and how it is placed.

- `device` and `offload` decide where the weights are kept. `none`: all on the device. `model`: the part that
  works (text encoder, transformer, autoencoder). `sequential`: the layer that works; slow, least memory.
- `dtype` and `attention` decide the last bits of pixels, and so belong to fingerprints.
- A seed draws the same noise on every device: it is drawn on the CPU.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from sparkle.generation.capabilities import Identity
from sparkle.generation.diffusion.checkpoint import Checkpoint, fetch
from sparkle.generation.diffusion.costs import Costs
from sparkle.generation.options import operational, require_choice, require_range
from sparkle.generation.packages import package_versions
from sparkle.generation.requirements import ESTIMATED, Requirements, card_note, needed
from sparkle.generation.weights import Weights
from sparkle.schemas.errors import ConfigError

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
