"""What a backend needs before it can work: models with size and licence, packages, memory, time.

- A backend says it as its property `requirements`, from its options and without loading anything or asking
  the Hub, so that `sparkle models` and `sparkle plan` answer anywhere and before a licence is accepted.
- A repository that is in `KNOWN_MODELS` comes with size, licence and gating; of another nothing is known but
  its name, and the answer says so. A folder's size is that of its files.
- Figures of time and memory are estimates, and say where they come from.
- A missing package is an error that says how to install it; versions are recorded.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Protocol, runtime_checkable

from sparkle.generation.weights import Weights
from sparkle.schemas.errors import ConfigError

GIGABYTE = 10**9

APACHE = "Apache-2.0"
UNKNOWN_LICENCE = "unknown"
NON_COMMERCIAL = "non-commercial"


@dataclass(frozen=True)
class KnownModel:
    """What is known of a published model.

    Args:
        bytes: Of its files that are loaded, as published; None where that is not known.
        licence: Its SPDX name, or the name that it gives itself.
        gated: Whether the licence must be accepted before it can be fetched.
        note: What a reader of a card must know; empty for a permissive licence.
    """

    bytes: int | None
    licence: str
    gated: bool = False
    note: str = ""


# Sizes: bfloat16 parameters x 2 bytes from the models' cards, where no other dtype is said.
KNOWN_MODELS: dict[str, KnownModel] = {
    "black-forest-labs/FLUX.2-klein-9B": KnownModel(  # transformer 18, text encoder 16
        34 * GIGABYTE,
        "FLUX Non-Commercial License",
        gated=True,
        note="FLUX Non-Commercial License: what the model makes is for non-commercial use",
    ),
    "black-forest-labs/FLUX.2-klein-4B": KnownModel(16 * GIGABYTE, APACHE),  # transformer 8, text encoder 8
    # Two transformers of 14B (57 together) and the text encoder UMT5 (13.5).
    "Wan-AI/Wan2.2-I2V-A14B-Diffusers": KnownModel(71 * GIGABYTE, APACHE),
    "alibaba-pai/Wan2.2-Fun-A14B-Control": KnownModel(71 * GIGABYTE, APACHE),
    "alibaba-pai/Wan2.2-VACE-Fun-A14B": KnownModel(84 * GIGABYTE, APACHE),  # VACE's blocks: 35 each
    "linoyts/Wan2.2-VACE-Fun-14B-diffusers": KnownModel(84 * GIGABYTE, APACHE),
    "lightx2v/Wan2.2-Lightning": KnownModel(5 * GIGABYTE, APACHE),  # rank 64, a pair for each task
    "facebook/sam3": KnownModel(  # 848M parameters in float32
        int(3.4 * GIGABYTE), "SAM License", gated=True, note="SAM License: see its terms of use"
    ),
    "Qwen/Qwen3-VL-32B-Instruct": KnownModel(66 * GIGABYTE, APACHE),
    "Qwen/Qwen3-VL-8B-Instruct": KnownModel(int(17.5 * GIGABYTE), APACHE),
    "EditScore/EditScore-Qwen3-VL-8B-Instruct": KnownModel(int(0.4 * GIGABYTE), APACHE),  # a LoRA
}
_UNKNOWN = KnownModel(None, UNKNOWN_LICENCE)


@dataclass(frozen=True)
class ModelNeed:
    """A model that a backend loads, or that an endpoint serves to it.

    Args:
        model: The repository, or the folder's path.
        revision: As it is configured; None is a repository's default branch, or a folder.
        licence: Its name; "unknown" for a repository or folder that nothing is known of.
        gated: Whether the licence must be accepted before it can be fetched.
        bytes: What is fetched, or what the folder holds; None where nothing is known.
        page: Where its licence is; None for a folder.
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
class Estimate:
    """A low and a high figure."""

    low: float
    high: float

    def times(self, factor: float) -> Estimate:
        """Return it scaled."""
        return Estimate(self.low * factor, self.high * factor)

    def plus(self, other: Estimate) -> Estimate:
        """Return the sum of two."""
        return Estimate(self.low + other.low, self.high + other.high)


@dataclass(frozen=True)
class Requirements:
    """What a backend needs, with its options as they are.

    Args:
        models: Everything that it loads or asks.
        vram_bytes: Peak memory of one GPU at 720p and 81 frames; 0 where it needs no GPU here.
        seconds: For each of its steps, seconds per sample (720p, 81 frames) on one H200, or of one CPU core
            where it needs no GPU. A step that is not named costs nothing worth counting.
        source: Where the figures come from.
    """

    models: tuple[ModelNeed, ...] = ()
    vram_bytes: int = 0
    seconds: dict[str, Estimate] = field(default_factory=dict)
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
    """Return a model of a configuration with what is known of it.

    Args:
        weights: Where it is.
        served: An endpoint serves it.
        note: The configuration's own words about it, in place of those that are known.
    """
    if not served and weights.is_folder:
        folder = Path(weights.model).expanduser()
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        return ModelNeed(weights.model, bytes=size, note=note)
    page = f"https://huggingface.co/{weights.model}" if "/" in weights.model else None
    facts = KNOWN_MODELS.get(weights.model, _UNKNOWN)
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
    """Return a backend's note for the card: the configuration's, else what the licence asks to be said."""
    return note or KNOWN_MODELS.get(model, _UNKNOWN).note


def package_versions(names: Iterable[str], *, fix: str) -> dict[str, str]:
    """Return the installed versions of packages by name, without importing any.

    Args:
        names: Names of distributions, such as `torch`.
        fix: What installs them, for the error.

    Raises:
        ConfigError: one is not installed.
    """
    found = {}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            raise ConfigError("a package is not installed", wanted=name, fix=fix) from None
    return found
