"""Questions to a vision-language model: words from the prompt files, pictures, and the model's words back.

- A prompt file is plain text with `$slots`, versioned with the package. Its hash is part of the fingerprint
  of the step that asks with it: when its words change, the step is done again.
- Image editor and animator are told what to do by prompt files too. Removal is driven by labels: the editor
  is told what to take out in the words of the grounding's first round (paper, stage 3), not where it is.
  Animation is driven by the instruction that made the background, so that what it sets in motion moves.
- Pictures are no larger than the model is to see. Boxes are in thousandths of the picture, so that it may be
  made smaller without a word.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any

from sparkle.generation.backend import require_range
from sparkle.generation.backends.vlm.reading import Repair
from sparkle.generation.needs import Estimate
from sparkle.media import Pixels
from sparkle.media.decode import iter_frames
from sparkle.media.frames import resize
from sparkle.media.images import encode_png, read_png
from sparkle.media.probe import probe
from sparkle.schemas.canonical import sha256_bytes
from sparkle.schemas.errors import MediaError
from sparkle.schemas.records import GroundedObject


@dataclass(frozen=True)
class Question:
    """One question: pictures, then words.

    Attributes:
        job: The name of its prompt file.
        text: What is asked.
        images: uint8 (H, W, 3) RGB each, in the order in which the text speaks of them.
        shape: JSON Schema of the answer.
        seed: For models that sample.
        place: Which of several questions of the job it is, such as "frame 16".
        captions: Words before each picture; empty where they need none.
    """

    job: str
    text: str
    images: tuple[Pixels, ...]
    shape: dict[str, Any]
    seed: int = 0
    place: str = ""
    captions: tuple[str, ...] = ()

    @cached_property
    def attached(self) -> Sequence[tuple[str, bytes]]:
        """Media type and bytes of what goes with the words."""
        return [("image/png", encode_png(image)) for image in self.images]

    @property
    def hashes(self) -> Sequence[str]:
        """Their sha256."""
        return [sha256_bytes(data) for _, data in self.attached]

    @property
    def name(self) -> str:
        """The question in an error."""
        return ", ".join(part for part in (self.job, self.place) if part)


@dataclass(frozen=True)
class Reply:
    """A model's words, and what was already done to get them."""

    text: str
    repairs: tuple[Repair, ...] = ()


@dataclass(kw_only=True)
class AskedModel(ABC):
    """Base of what asks a model: which model, and how it is reached, is for subclasses.

    Args:
        max_tokens: The longest answer. Sixteen boxes take about 700 tokens.
    """

    max_tokens: int = 1024

    def __post_init__(self) -> None:
        require_range(self, "max_tokens", 1, 1_000_000)

    @abstractmethod
    def ask(self, questions: Sequence[Question]) -> list[Reply]:
        """Return the model's replies, in the order of the questions.

        Raises:
            AnswerError: it refused, said nothing, or was cut short.
            ServiceError: it could not answer this time.
        """

    @abstractmethod
    def seconds(self) -> dict[str, Estimate]:
        """Return seconds per sample by step."""


@dataclass(kw_only=True)
class LookingModel(AskedModel):
    """Base of the backends that show a model pictures of a sample.

    Args:
        most_pixels: Pixels of a picture; a larger one is made smaller before it is shown (720p).
    """

    most_pixels: int = 1280 * 720

    def __post_init__(self) -> None:
        super().__post_init__()
        require_range(self, "most_pixels", 64 * 64, 8192 * 8192)


# --- prompt files ----------------------------------------------------------------------------------

REMOVAL_FILE, ANIMATION_FILE = "removal", "animation"


def fill_prompt(name: str, **slots: object) -> str:
    """Return the text of a prompt file with its slots filled, without the newline at its end.

    Args:
        name: The file's name without `.txt`, such as `ground1`.
        slots: A value for each `$slot` of the file.
    """
    return Template(_read(name).decode("utf-8")).substitute(slots).strip()


def prompt_hashes(*names: str) -> dict[str, str]:
    """Return sha256 of prompt files by name, for a fingerprint."""
    return {name: sha256_bytes(_read(name)) for name in names}


def removal_prompt(objects: Sequence[GroundedObject]) -> str:
    """Return the instruction that removes labelled objects; each label once, in the order of round 1."""
    return fill_prompt(REMOVAL_FILE, labels="; ".join(dict.fromkeys(item.label for item in objects)))


def animation_prompt(instruction: str) -> str:
    """Return the prompt that brings the background of an edit instruction to life."""
    return fill_prompt(ANIMATION_FILE, instruction=instruction)


@cache
def _read(name: str) -> bytes:
    return resources.files("sparkle.generation.backends.vlm").joinpath("prompts", f"{name}.txt").read_bytes()


# --- pictures --------------------------------------------------------------------------------------


def read_image(path: Path, most_pixels: int) -> Pixels:
    """Return a PNG, uint8 (H, W, 3) RGB, made smaller where it has more pixels than `most_pixels`."""
    return shrink(read_png(path), most_pixels)


def pick_frames(clip: Path, indices: Sequence[int], most_pixels: int) -> list[Pixels]:
    """Return frames of a clip by index (ascending), each as `read_image` gives it.

    Raises:
        MediaError: the clip is shorter than the last index says, or does not decode.
    """
    wanted = set(indices)
    found = []
    for index, frame in enumerate(iter_frames(clip)):
        if index in wanted:
            found.append(shrink(frame, most_pixels))
        if len(found) == len(wanted):
            return found
    raise MediaError("the clip is too short", got=f"{len(found)} of {len(wanted)} frames", where=clip)


def spread_frames(clip: Path, count: int, most_pixels: int) -> list[Pixels]:
    """Return up to `count` frames, evenly spaced from the first to the last."""
    frames = probe(clip).frames
    return pick_frames(clip, spread_indices(frames, min(count, frames)), most_pixels)


def spread_indices(frames: int, count: int) -> tuple[int, ...]:
    """Return `count` (at least 1) indices from 0 to `frames - 1`, both ends included where there are two."""
    return tuple(index * (frames - 1) // max(1, count - 1) for index in range(count))


def shrink(image: Pixels, most_pixels: int) -> Pixels:
    """Return an image in its aspect with at most `most_pixels` pixels, resized by pixel area."""
    height, width = image.shape[:2]
    scale = math.sqrt(most_pixels / (width * height))
    if scale >= 1:
        return image
    size = (max(1, math.floor(width * scale)), max(1, math.floor(height * scale)))
    smaller: Pixels = resize(image[None], size)[0]
    return smaller
