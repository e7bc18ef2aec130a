"""The five jobs of a VLM, whatever model answers: make the question, ask, read the answer.

- A backend adds `ask`, which carries questions to its model, and nothing else about the jobs.
- The camera is judged from the pictures alone: a second opinion is not told the first one.
- Round 2 is one question a frame; the questions of a clip are handed over together, for backends that can
  ask several at once.

Which backgrounds a model may choose from: a few scenes of the theme, drawn by the seed.

A model that sees the whole taxonomy chooses its favourites for every clip. A drawn few, each of another
subtheme as far as there are enough, leave it the choice of what suits the clip and spread the dataset over
the taxonomy.

The shape of each answer as JSON Schema, for models that can be held to one.

- Boxes, labels, keywords and descriptions are taken from the published schemas, so that what a model is held
  to is what a record can be. What strict decoders do not know is left out: patterns, `oneOf`, and lengths of
  texts. The parsers check all of it again.
- Every object is closed and every key required, as strict structured output wants it, and the answer is
  always an object.

The pictures of a question: frames of a clip and images, no larger than the model is to see.

Boxes are in thousandths of the picture, so a picture may be made smaller without a word.

The prompt files: plain text with `$slots`, versioned with the package.

A file's hash is part of the fingerprint of the step that asks with it: when its words change, the step is
done again.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from itertools import zip_longest
from pathlib import Path
from string import Template
from typing import Any

import numpy as np

from sparkle.generation.backend import Image
from sparkle.generation.backends.vlm.reading import (
    MOST_OBJECTS,
    READING_VERSION,
    Answer,
    Question,
    Reading,
    read_camera,
    read_composition,
    read_description,
    read_first,
    read_frame,
)
from sparkle.generation.needs import require_range
from sparkle.generation.taxonomy import Scene, load_taxonomy, match_prompt
from sparkle.media.decode import iter_frames
from sparkle.media.frames import resize
from sparkle.media.images import read_png
from sparkle.media.probe import probe
from sparkle.schemas import records as r
from sparkle.schemas.canonical import canonical_json, sha256_bytes
from sparkle.schemas.errors import ConfigError, MediaError
from sparkle.schemas.ids import TAXONOMY_THEMES, edit_type
from sparkle.schemas.validate import load_schema

# Pixels of a frame on which a camera's movement is judged: a quarter of 720p, so that eight frames of a clip
# weigh no more than two full ones. A pan of 1% of the width is still six pixels.
_CAMERA_PIXELS = 640 * 360

_PROMPTS = {
    "camera": ("camera",),
    "compose": ("compose", "describe"),
    "ground1": ("ground1",),
    "ground2": ("ground2",),
}


@dataclass(kw_only=True)
class AskingVlm(ABC):
    """The `vlm` capability on top of a model that answers questions.

    Args:
        camera_frames: Frames of a clip on which the camera is judged.
        most_pixels: Pixels of a picture; a larger one is made smaller before it is shown (720p).
        choices: Scenes of the taxonomy that an instruction is composed from.
        max_tokens: The longest answer. Sixteen boxes take about 700 tokens.
    """

    camera_frames: int = 8
    most_pixels: int = 1280 * 720
    choices: int = 8
    max_tokens: int = 1024

    def __post_init__(self) -> None:
        require_range(self, "camera_frames", 2, 81)
        require_range(self, "most_pixels", 64 * 64, 8192 * 8192)
        require_range(self, "choices", 1, 1000)
        require_range(self, "max_tokens", 1, 1_000_000)

    @abstractmethod
    def ask(self, questions: Sequence[Question]) -> list[Answer]:
        """The model's answers, in the order of the questions.

        Raises:
            AnswerError: it refused, said nothing, or was cut short.
            ServiceError: it could not answer this time.
        """

    def prompts(self, step: str) -> dict[str, str]:
        """What a step asks with, and how its answers are read, for its fingerprint."""
        return {**prompt_hashes(*_PROMPTS[step]), "reading": READING_VERSION}

    def check_camera(self, clip: Path, motion: r.FlowRecord) -> r.CameraRecord:
        """Is the camera fixed, and why."""
        images = tuple(spread_frames(clip, self.camera_frames, min(_CAMERA_PIXELS, self.most_pixels)))
        text = fill_prompt("camera", count=len(images))
        reading = self._read(Question("camera", text, images, camera_shape()))
        fixed, reasoning = read_camera(reading)
        return r.CameraRecord(fixed, reasoning, _repairs([reading]))

    def compose(self, frame: Path, theme: str, prompt: str | None, seed: int) -> r.ComposeRecord:
        """Describe the frame, and write an instruction for it where none is given.

        Raises:
            ConfigError: there is neither a prompt nor a taxonomy for the theme.
        """
        image = read_image(frame, self.most_pixels)
        if prompt is not None:
            return self._describe(image, theme, prompt)
        scenes = offer_scenes(theme, self.choices, seed=seed)
        keywords = [scene.keyword for scene in scenes]
        text = fill_prompt("compose", theme=theme, choices=list_scenes(scenes))
        reading = self._read(Question("compose", text, (image,), composition_shape(keywords), seed))
        found = read_composition(reading, keywords)
        metadata = r.SceneMetadata(
            edit_type=edit_type(theme),
            original_scene=found.original_scene,
            chosen_keyword=found.chosen_keyword,
        )
        return r.ComposeRecord(found.prompt, metadata, _repairs([reading]))

    def ground_first(self, clip: Path, source: Path, edited: Path, prompt: str) -> r.Ground1Record:
        """Labels and boxes of the foreground, from the pair of first frames."""
        images = tuple(read_image(path, self.most_pixels) for path in (source, edited))
        text = fill_prompt("ground1", instruction=prompt, most=MOST_OBJECTS)
        reading = self._read(Question("ground1", text, images, first_shape()))
        objects = read_first(reading)
        return r.Ground1Record(tuple(item.label for item in objects), objects, _repairs([reading]))

    def ground_frames(self, clip: Path, first: r.Ground1Record, anchors: Sequence[int]) -> r.Ground2Record:
        """Every label of round 1 on each anchor frame."""
        labels = first.round1_labels
        listed = "\n".join(f"- {canonical_json(label).decode()}" for label in labels)
        text, shape = fill_prompt("ground2", labels=listed), frame_shape(labels)
        frames = pick_frames(clip, anchors, self.most_pixels)
        questions = [
            Question("ground2", text, (image,), shape, place=f"frame {index}")
            for index, image in zip(anchors, frames, strict=True)
        ]
        readings = [
            answer.read(question) for question, answer in zip(questions, self.ask(questions), strict=True)
        ]
        objects = tuple(read_frame(reading, labels) for reading in readings)
        return r.Ground2Record(objects, _repairs(readings))

    def _describe(self, image: Image, theme: str, prompt: str) -> r.ComposeRecord:
        """Describe the frame; the scene that a given prompt is about is found in its words."""
        reading = self._read(Question("describe", fill_prompt("describe"), (image,), description_shape()))
        scene = match_prompt(theme, prompt) if theme in TAXONOMY_THEMES else None
        keyword = scene.keyword if scene is not None else None
        metadata = r.SceneMetadata(
            edit_type=edit_type(theme), original_scene=read_description(reading), chosen_keyword=keyword
        )
        return r.ComposeRecord(prompt, metadata, _repairs([reading]))

    def _read(self, question: Question) -> Reading:
        (answer,) = self.ask([question])
        return answer.read(question)


def _repairs(readings: Iterable[Reading]) -> tuple[str, ...] | None:
    """The repairs of some answers, or None: a record is as short as it can be."""
    return tuple(f"{reading.asked}: {repair}" for reading in readings for repair in reading.repairs) or None


# --- which backgrounds a model may choose from -----------------------------------------------------


def offer_scenes(theme: str, count: int, *, seed: int) -> tuple[Scene, ...]:
    """`count` scenes of a theme, or all where it has fewer; the same seed offers the same in the same order.

    Raises:
        ConfigError: the theme has no scenes (`openve3m`).
    """
    scenes = load_taxonomy().scenes(theme)
    if not scenes:
        raise ConfigError(
            "the theme has no taxonomy", got=theme, fix="give each of its candidates a prompt of its own"
        )
    rng = np.random.Generator(np.random.PCG64(seed))
    shuffled = [scenes[index] for index in rng.permutation(len(scenes))]
    by_subtheme: dict[str, list[Scene]] = {}
    for scene in shuffled:
        by_subtheme.setdefault(scene.subtheme, []).append(scene)
    rounds = zip_longest(*by_subtheme.values())
    return tuple(scene for group in rounds for scene in group if scene is not None)[:count]


def list_scenes(scenes: tuple[Scene, ...]) -> str:
    """The scenes as the prompt lists them, one a line."""
    return "\n".join(f"- {scene.keyword} ({scene.setting})" for scene in scenes)


# --- the shape of each answer as JSON Schema -------------------------------------------------------


_TEXT = {"type": "string"}


def camera_shape() -> dict[str, Any]:
    """Reasoning before the verdict, so that the verdict follows it."""
    return _closed({"reasoning": _TEXT, "fixed": {"type": "boolean"}})


def description_shape() -> dict[str, Any]:
    """The scene alone."""
    return _closed({"original_scene": _TEXT})


def composition_shape(keywords: Sequence[str]) -> dict[str, Any]:
    """Scene, keyword, prompt; the keyword is one of those offered."""
    chosen = {"type": "string", "enum": list(keywords)}
    return _closed({"original_scene": _TEXT, "chosen_keyword": chosen, "prompt": _TEXT})


def first_shape() -> dict[str, Any]:
    """Objects with four coordinates and a label each."""
    return _objects(_box(fewest=4), _TEXT, most=MOST_OBJECTS)


def frame_shape(labels: Sequence[str]) -> dict[str, Any]:
    """Objects with a label of round 1 and four coordinates, or none."""
    return _objects(_box(fewest=0), {"type": "string", "enum": list(labels)}, most=len(labels))


def _box(*, fewest: int) -> dict[str, Any]:
    published = load_schema("grounding_r1")["properties"]["round1_objects"]["items"]["properties"]["bbox_2d"]
    return {**published, "minItems": fewest}


def _objects(box: dict[str, Any], label: dict[str, Any], *, most: int) -> dict[str, Any]:
    item = _closed({"bbox_2d": box, "label": label})
    return _closed({"objects": {"type": "array", "items": item, "maxItems": most}})


def _closed(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


# --- the pictures of a question --------------------------------------------------------------------


def read_image(path: Path, most_pixels: int) -> Image:
    """A PNG, uint8 (H, W, 3) RGB, made smaller where it has more pixels than `most_pixels`."""
    return fit(read_png(path), most_pixels)


def pick_frames(clip: Path, indices: Sequence[int], most_pixels: int) -> list[Image]:
    """Frames of a clip by index (ascending), each as `read_image` gives it.

    Raises:
        MediaError: the clip is shorter than the last index says, or does not decode.
    """
    wanted = set(indices)
    found = []
    for index, frame in enumerate(iter_frames(clip)):
        if index in wanted:
            found.append(fit(frame, most_pixels))
        if len(found) == len(wanted):
            return found
    raise MediaError("the clip is too short", got=f"{len(found)} of {len(wanted)} frames", where=clip)


def spread_frames(clip: Path, count: int, most_pixels: int) -> list[Image]:
    """Up to `count` frames, evenly spaced from the first to the last."""
    frames = probe(clip).frames
    count = min(count, frames)
    return pick_frames(clip, spread_indices(frames, count), most_pixels)


def spread_indices(frames: int, count: int) -> tuple[int, ...]:
    """`count` (at least 1) indices from 0 to `frames - 1`, both ends included where there are two or more."""
    return tuple(index * (frames - 1) // max(1, count - 1) for index in range(count))


def fit(image: Image, most_pixels: int) -> Image:
    """An image in its aspect with at most `most_pixels` pixels, resized by pixel area; never larger."""
    height, width = image.shape[:2]
    scale = math.sqrt(most_pixels / (width * height))
    if scale >= 1:
        return image
    size = (max(1, math.floor(width * scale)), max(1, math.floor(height * scale)))
    smaller: Image = resize(image[None], size)[0]
    return smaller


# --- the prompt files ------------------------------------------------------------------------------


def fill_prompt(name: str, **slots: object) -> str:
    """The text of a prompt file with its slots filled, without the newline at its end.

    Args:
        name: The file's name without `.txt`, such as `ground1`.
        slots: A value for each `$slot` of the file.
    """
    return Template(_read(name).decode("utf-8")).substitute(slots).strip()


def prompt_hashes(*names: str) -> dict[str, str]:
    """sha256 of prompt files by name, for a fingerprint."""
    return {name: sha256_bytes(_read(name)) for name in names}


@cache
def _read(name: str) -> bytes:
    return resources.files("sparkle.generation.backends.vlm").joinpath("prompts", f"{name}.txt").read_bytes()
