"""What a backend needs before it can work: models with size and licence, memory, time.

- A backend says it as its property `requirements`, from its options and without loading anything or asking
  the Hub, so that `sparkle models` and `sparkle plan` answer anywhere and before a licence is accepted.
- A repository that is in `KNOWN_MODELS` comes with size, licence and gating; of another nothing is known but
  its name, and it is said so. A folder's size is that of its files.
- Figures of time and memory are estimates, and say where they come from.

Packages that come with an extra: missing is an error that names the extra, and versions are recorded.

Is the device that a configuration names there?

When the device's memory is full: what is cached is freed and the sample alone is tried once more.

A second time is the sample's failure, and the run goes on.

Options of a backend: what they may be, and which of them decide what it makes.

- Options are the fields of the backend's dataclass; `require_range` and `require_choice` say what a value
  may be, when the configuration is read.
- An option made by `operational` decides how a backend works (an address, a time limit, how much at once),
  not what it makes: it is no part of a fingerprint, so changing it makes nothing again.

What a VLM's jobs cost: seconds a sample of Qwen3-VL-32B in bfloat16 on one H200, for `Requirements`.

Noted are 2.5 for flow and camera check, 3.4 for grounding, removal and its score, and 2.7 for 11 frames; what
is left of the first two without the others is split by the pictures and words of the jobs.
"""

from __future__ import annotations

import dataclasses
import gc
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, runtime_checkable

from sparkle.generation.weights import Weights
from sparkle.schemas.errors import ConfigError, SampleError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


GIGABYTE = 10**9

APACHE = "Apache-2.0"
UNKNOWN_LICENCE = "unknown"
NON_COMMERCIAL = "non-commercial"


@dataclass(frozen=True)
class ModelFacts:
    """What is known of a published model.

    Args:
        bytes: Of its files that are loaded, as published.
        licence: Its SPDX name, or the name that it gives itself.
        gated: Whether the licence must be accepted before it can be fetched.
        note: What a reader of a card must know; empty for a permissive licence.
    """

    bytes: int
    licence: str
    gated: bool = False
    note: str = ""


# Sizes: bfloat16 parameters x 2 bytes from the models' cards, where no other dtype is said.
KNOWN_MODELS: dict[str, ModelFacts] = {
    "black-forest-labs/FLUX.2-klein-9B": ModelFacts(  # transformer 18, text encoder 16
        34 * GIGABYTE,
        "FLUX Non-Commercial License",
        gated=True,
        note="FLUX Non-Commercial License: what the model makes is for non-commercial use",
    ),
    "black-forest-labs/FLUX.2-klein-4B": ModelFacts(16 * GIGABYTE, APACHE),  # transformer 8, text encoder 8
    # Two transformers of 14B (57 together) and the text encoder UMT5 (13.5).
    "Wan-AI/Wan2.2-I2V-A14B-Diffusers": ModelFacts(71 * GIGABYTE, APACHE),
    "alibaba-pai/Wan2.2-Fun-A14B-Control": ModelFacts(71 * GIGABYTE, APACHE),
    "alibaba-pai/Wan2.2-VACE-Fun-A14B": ModelFacts(84 * GIGABYTE, APACHE),  # VACE's blocks: 35 each
    "linoyts/Wan2.2-VACE-Fun-14B-diffusers": ModelFacts(84 * GIGABYTE, APACHE),
    "lightx2v/Wan2.2-Lightning": ModelFacts(5 * GIGABYTE, APACHE),  # rank 64, a pair for each task
    "facebook/sam3": ModelFacts(  # 848M parameters in float32
        int(3.4 * GIGABYTE), "SAM License", gated=True, note="SAM License: see its terms of use"
    ),
    "Qwen/Qwen3-VL-32B-Instruct": ModelFacts(66 * GIGABYTE, APACHE),
    "Qwen/Qwen3-VL-8B-Instruct": ModelFacts(int(17.5 * GIGABYTE), APACHE),
    "EditScore/EditScore-Qwen3-VL-8B-Instruct": ModelFacts(int(0.4 * GIGABYTE), APACHE),  # a LoRA
}


@dataclass(frozen=True)
class ModelNeed:
    """A model that a backend loads, or that an endpoint serves to it.

    Args:
        model: The repository, or the folder's path.
        revision: As it is configured; None is a repository's default branch, or a folder.
        licence: Its name; "unknown" for a repository or folder that nothing is known of.
        gated: Whether the licence must be accepted before it can be fetched.
        bytes: What is fetched, or what the folder holds; None where nothing is known.
        page: Where its licence stands; None for a folder.
        served: By an endpoint: nothing is fetched, and no GPU of this machine holds it.
        note: What a reader of a card must know.
    """

    model: str
    revision: str | None = None
    licence: str = UNKNOWN_LICENCE
    gated: bool = False
    bytes: int | None = None
    page: str | None = None
    served: bool = False
    note: str = ""

    @property
    def non_commercial(self) -> bool:
        """Whether its licence forbids commercial use."""
        return NON_COMMERCIAL in self.licence.lower()


@dataclass(frozen=True)
class Span:
    """An estimate: a low and a high figure."""

    low: float
    high: float

    def times(self, factor: float) -> Span:
        """The span scaled."""
        return Span(self.low * factor, self.high * factor)

    def plus(self, other: Span) -> Span:
        """The sum of two."""
        return Span(self.low + other.low, self.high + other.high)


@dataclass(frozen=True)
class Requirements:
    """What a backend needs, with its options as they are.

    Args:
        models: Everything that it loads or asks.
        vram_bytes: Peak memory of one GPU at 720p and 81 frames; 0 where it needs no GPU here.
        seconds: For each of its steps, seconds a sample (720p, 81 frames) on one H200, or of one CPU core
            where it needs no GPU. A step that is not named costs nothing worth counting.
        source: Where the figures come from.
    """

    models: tuple[ModelNeed, ...] = ()
    vram_bytes: int = 0
    seconds: dict[str, Span] = field(default_factory=dict)
    source: str = ""


@runtime_checkable
class Demanding(Protocol):
    """A backend that says what it needs."""

    @property
    def requirements(self) -> Requirements:
        """Known without loading anything, and without a network."""
        ...


ESTIMATED = "estimate: the model's FLOPs over 350 to 645 TFLOP/s that an H200 reaches in bfloat16"


def needed(weights: Weights, *, served: bool = False, note: str = "") -> ModelNeed:
    """A model of a configuration with what is known of it.

    Args:
        weights: Where it is.
        served: An endpoint serves it.
        note: The configuration's own words about it, in place of those that are known.
    """
    folder = Path(weights.model).expanduser()
    if not served and folder.is_dir():
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        return ModelNeed(weights.model, bytes=size, note=note)
    facts = KNOWN_MODELS.get(weights.model)
    page = None if "/" not in weights.model else f"https://huggingface.co/{weights.model}"
    if facts is None:
        return ModelNeed(weights.model, weights.revision, page=page, served=served, note=note)
    return ModelNeed(
        weights.model,
        weights.revision,
        facts.licence,
        facts.gated,
        facts.bytes,
        page,
        served,
        note or facts.note,
    )


def card_note(model: str, note: str) -> str:
    """A backend's note for the card: the configuration's, else what the model's licence asks to be said."""
    facts = KNOWN_MODELS.get(model)
    return note or ("" if facts is None else facts.note)


# --- packages --------------------------------------------------------------------------------------


def package_versions(names: tuple[str, ...], *, extra: str) -> dict[str, str]:
    """The installed versions of packages by name, without importing any.

    Args:
        names: Names of distributions, such as `torch`.
        extra: The extra of this package that installs them.

    Raises:
        ConfigError: one is not installed; the error names the command that installs it.
    """
    found = {}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            raise ConfigError(
                "a package is not installed", wanted=name, fix=f"pip install 'sparkle-dataset[{extra}]'"
            ) from None
    return found


# --- is the device ---------------------------------------------------------------------------------


_CUDA = re.compile(r"cuda(?::(\d+))?")


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


# --- when the device's memory is full --------------------------------------------------------------


T = TypeVar("T")


def free_device_memory() -> None:
    """Give back what this process holds of a device and no longer uses; nothing where it uses none."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        gc.collect()
        torch.cuda.empty_cache()


def retry_out_of_memory(call: Callable[[], T], *, what: str) -> T:
    """What `call` gives, at the first or the second time.

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
            got=str(error).partition(". ")[0],
            where=what,
            fix="give fewer or smaller pictures at once, or a device with more memory",
        ) from None


# --- options of a backend --------------------------------------------------------------------------


_MARK = "operational"


def operational(default: Any = dataclasses.MISSING) -> Any:
    """A field that decides how a backend works and not what it makes; required without a default."""
    if default is dataclasses.MISSING:
        return dataclasses.field(metadata={_MARK: True})
    return dataclasses.field(default=default, metadata={_MARK: True})


def decisive_options(backend: DataclassInstance, table: dict[str, Any]) -> dict[str, Any]:
    """A backend's table without its operational options."""
    left_out = {field.name for field in dataclasses.fields(backend) if field.metadata.get(_MARK)}
    return {name: value for name, value in table.items() if name not in left_out}


def require_range(backend: DataclassInstance, option: str, least: float, most: float) -> None:
    """Raise ConfigError unless least <= the option's value <= most."""
    value = getattr(backend, option)
    if not least <= value <= most:
        raise ConfigError("an option is out of range", got=f"{option} = {value}", wanted=f"{least} to {most}")


def require_choice(backend: DataclassInstance, option: str, choices: Sequence[str]) -> None:
    """Raise ConfigError unless the option's value is one of the choices."""
    value = getattr(backend, option)
    if value not in choices:
        raise ConfigError("no such choice", got=f"{option} = {value!r}", wanted=", ".join(choices))


# --- what a VLM's jobs cost ------------------------------------------------------------------------


VLM_SECONDS = {
    "camera": Span(1.5, 1.5),  # eight small frames and a reasoning
    "compose": Span(0.7, 0.7),  # one frame and an instruction of a hundred words
    "ground1": Span(0.5, 0.5),  # two frames and a few boxes
    "ground2": Span(2.7, 2.7),
}
