"""What backends that load a model into this process share: options, identity, needs, setup, memory.

How it works
- `LocalModel` checks packages and device, then loads, once in the process that works. A model that does not
  fit is an error that says what to change.
- `PretrainedModel` loads pinned weights: its identity is their repositories and commits (or the names of
  folders and hashes of their content), whatever device they work on.
- `dtype` and `attention` decide the last bits of what a model makes, and so belong to fingerprints.
- When the device's memory is full, what is cached is freed and the sample alone is tried once more. A second
  time is the sample's failure, and the run goes on.
- Nothing of torch is imported before `setup`: `sparkle models` answers without it.
"""

from __future__ import annotations

import gc
import re
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

from sparkle._extras import install
from sparkle.generation.backend import Identity, operational, require_choice
from sparkle.generation.needs import (
    ESTIMATED,
    Estimate,
    ModelNeed,
    Requirements,
    card_note,
    needed,
    package_versions,
)
from sparkle.generation.weights import Weights
from sparkle.schemas.errors import ConfigError, SampleError

T = TypeVar("T")

DTYPES = ("bfloat16", "float16", "float32")

_CUDA = re.compile(r"cuda(?::(\d+))?")


@dataclass(kw_only=True)
class LocalModel(ABC):
    """Base of the backends that load a model here.

    Args:
        device: Where the model works: `cuda`, `cuda:1` or `cpu`.
    """

    capability: ClassVar[str]
    required_packages: ClassVar[tuple[str, ...]]
    fits_better: ClassVar[str] = "a smaller model, or a device with more memory"

    device: str = operational("cuda")

    def __post_init__(self) -> None:
        self._model: Any = None

    @property
    def table(self) -> str:
        """The configuration's table, for errors."""
        return f"[backends.{self.capability}]"

    @property
    @abstractmethod
    def models(self) -> tuple[ModelNeed, ...]:
        """Everything that is loaded."""

    @property
    @abstractmethod
    def vram_bytes(self) -> int:
        """Peak memory of the device."""

    @abstractmethod
    def seconds(self) -> dict[str, Estimate]:
        """Return seconds per sample by step."""

    @property
    def requirements(self) -> Requirements:
        """Models, memory and time."""
        if self.device == "cpu":
            return Requirements(self.models)  # what runs there is a tiny model
        return Requirements(self.models, self.vram_bytes, self.seconds(), ESTIMATED)

    def packages(self) -> dict[str, str]:
        """Return the versions of what the model runs on; raises ConfigError where one is missing."""
        return package_versions(self.required_packages, fix=install("gpu"))

    def setup(self) -> None:
        """Load the model.

        Raises:
            ConfigError: a package or the device is missing, or the model cannot be had or does not fit.
        """
        self.packages()
        require_device(self.device, table=self.table)
        import torch

        try:
            self._model = self.load()
        except torch.OutOfMemoryError as error:
            raise ConfigError(
                "the model does not fit into the device's memory",
                got=_first_sentence(error),
                where=self.table,
                fix=self.fits_better,
            ) from None

    @abstractmethod
    def load(self) -> Any:
        """Return the model, ready to work; raises ConfigError as `setup` does."""


@dataclass(kw_only=True)
class PretrainedModel(LocalModel):
    """Base of the backends that load pinned weights; `LocalModel` has `device`.

    Args:
        model: A folder, or a repository of the Hugging Face Hub.
        revision: Commit, branch or tag of the repository; None for a folder.
        note: What a reader of the card must know of the model, such as its licence.
        dtype: Of the weights: bfloat16, float16 or float32.
        attention: One of the class's `attentions`.
    """

    attentions: ClassVar[tuple[str, ...]] = ("sdpa", "eager")
    working_memory: ClassVar[int]  # beside the weights

    model: str = operational()  # which weights: the identity says it, by their content
    revision: str | None = operational(None)
    note: str = ""
    dtype: str = "bfloat16"
    attention: str = "sdpa"

    def __post_init__(self) -> None:
        super().__post_init__()
        require_choice(self, "dtype", DTYPES)
        require_choice(self, "attention", self.attentions)
        self._weights = Weights(self.model, self.revision)

    @property
    def weights(self) -> dict[str, Weights]:
        """Everything that is loaded, by the option that names its revision; the model comes first."""
        return {"revision": self._weights}

    @property
    def models(self) -> tuple[ModelNeed, ...]:
        """The weights, with what is known of them."""
        return tuple(needed(part, note=self.note) for part in self.weights.values())

    @property
    def vram_bytes(self) -> int:
        """The model's own size, and what it works in."""
        return (self.models[0].bytes or 0) + self.working_memory

    @property
    def identity(self) -> Identity:
        """Repositories and their commits, or names of folders and hashes of their content."""
        parts = self.weights.values()
        names, commits = (part.name for part in parts), (part.commit for part in parts)
        notes = dict.fromkeys(card_note(part.model, self.note) for part in parts)
        return Identity(" + ".join(names), " + ".join(commits), "; ".join(filter(None, notes)))

    def pinned(self) -> dict[str, Any]:
        """Return the revisions as commits."""
        found: dict[str, Any] = {}
        for option, part in self.weights.items():
            found.update(part.pinned(option))
        return found

    def packages(self) -> dict[str, str]:
        """Return the versions of what the model, and a LoRA where there is one, runs on."""
        adapters = ("peft",) if LORA_REVISION in self.weights else ()
        return {**super().packages(), **package_versions(adapters, fix=install("gpu"))}


LORA_REVISION = "lora_revision"
"""The option that names the revision of a LoRA, in `PretrainedModel.weights`."""


def lora_weights(lora: str | None, revision: str | None) -> dict[str, Weights]:
    """Return a LoRA's part of `PretrainedModel.weights`, empty without one.

    Raises:
        ConfigError: there is a revision and no LoRA.
    """
    if lora is not None:
        return {LORA_REVISION: Weights(lora, revision)}
    if revision is not None:
        raise ConfigError("a revision of no LoRA", got=revision, wanted="lora")
    return {}


def require_device(device: str, *, table: str) -> None:
    """Raise ConfigError where a GPU is named that this process does not see.

    Args:
        device: `cuda`, `cuda:1`, or anything else, such as `cpu`, which is not looked at.
        table: Of the configuration, for the error.
    """
    import torch

    named = _CUDA.fullmatch(device)
    if named is None:
        return
    seen = torch.cuda.device_count()
    if int(named[1] or 0) < seen:
        return
    several = 'device = "cuda": each worker sees its own GPU as that; or --workers 1 to name one'
    raise ConfigError(
        "there is no such device",
        got=device,
        wanted=f"one of the {seen} GPUs that this process sees",
        where=table,
        fix=several if seen else 'device = "cpu"',
    )


def free_device_memory() -> None:
    """Give back what this process holds of a device and no longer uses; nothing where it uses none."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        gc.collect()
        torch.cuda.empty_cache()


def retry_out_of_memory(call: Callable[[], T], *, what: str) -> T:
    """Return what `call` gives, at the first or the second time.

    Args:
        call: Work on one sample, that can be done again.
        what: The work in an error, such as "the answer to ground1".

    Raises:
        SampleError: the memory did not suffice twice.
    """
    import torch

    try:
        return call()
    except torch.OutOfMemoryError:
        pass  # outside this block the traceback is gone, and with it what it held
    free_device_memory()
    try:
        return call()
    except torch.OutOfMemoryError as error:
        raise SampleError(
            "the device's memory is too small for this sample",
            got=_first_sentence(error),
            where=what,
            fix="give fewer or smaller pictures at once, or a device with more memory",
        ) from None


def _first_sentence(error: Exception) -> str:
    return str(error).partition(". ")[0]
