"""The five jobs of a VLM, whatever model answers: make the question, ask, read the answer.

- A backend adds `ask`, which carries questions to its model, and nothing else about the jobs.
- The camera is judged from the pictures alone: a second opinion is not told the first one.
- Round 2 is one question per frame; the questions of a clip are handed over together, for backends that can
  ask several at once.
- An instruction is composed from a few scenes of the theme, drawn by the seed. A model that sees the whole
  taxonomy chooses its favourites for every clip; a drawn few, each of another subtheme as far as there are
  enough, leave it the choice of what suits the clip and spread the dataset over the taxonomy.
- The shape of each answer is JSON Schema, for models that can be held to one. Boxes come from the published
  schemas, so that what a model is held to is what a record can be. What strict decoders do not know is left
  out (patterns, `oneOf`, lengths of texts): `reading` checks all of it again. Every object is closed and
  every key required, as strict structured output wants it, and the answer is always an object.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np

from sparkle.generation.backend import require_range
from sparkle.generation.backends.vlm.questions import (
    LookingModel,
    Question,
    Reply,
    fill_prompt,
    pick_frames,
    prompt_hashes,
    read_image,
    spread_frames,
)
from sparkle.generation.backends.vlm.reading import (
    MOST_OBJECTS,
    READING_VERSION,
    AnswerReader,
    read_camera,
    read_composition,
    read_description,
    read_first,
    read_frame,
)
from sparkle.generation.needs import Estimate
from sparkle.generation.taxonomy import TaxonomyScene, load_taxonomy, match_prompt
from sparkle.media import Pixels
from sparkle.schemas import records as r
from sparkle.schemas.canonical import canonical_json
from sparkle.schemas.errors import ConfigError
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


# Seconds per sample of Qwen3-VL-32B in bfloat16 on one H200. Noted are 2.5 for flow and camera check, 3.4 for
# grounding, removal and its score, and 2.7 for 11 frames; what is left of the first two without the others is
# split by the pictures and words of the jobs.
_SECONDS = {
    "camera": Estimate(1.5, 1.5),  # eight small frames and a reasoning
    "compose": Estimate(0.7, 0.7),  # one frame and an instruction of a hundred words
    "ground1": Estimate(0.5, 0.5),  # two frames and a few boxes
    "ground2": Estimate(2.7, 2.7),
}


@dataclass(kw_only=True)
class AskingVlm(LookingModel):
    """The `vlm` capability on top of a model that answers questions.

    Args:
        camera_frames: Frames of a clip on which the camera is judged.
        choices: Scenes of the taxonomy that an instruction is composed from.
    """

    camera_frames: int = 8
    choices: int = 8

    def __post_init__(self) -> None:
        super().__post_init__()
        require_range(self, "camera_frames", 2, 81)
        require_range(self, "choices", 1, 1000)

    def seconds(self) -> dict[str, Estimate]:
        """Return those of Qwen3-VL-32B."""
        return _SECONDS

    def prompts(self, step: str) -> dict[str, str]:
        """Return what a step asks with, and how its answers are read, for its fingerprint."""
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
        """Return labels and boxes of the foreground, from the pair of first frames."""
        images = tuple(read_image(path, self.most_pixels) for path in (source, edited))
        text = fill_prompt("ground1", instruction=prompt, most=MOST_OBJECTS)
        reading = self._read(Question("ground1", text, images, first_shape()))
        objects = read_first(reading)
        return r.Ground1Record(tuple(item.label for item in objects), objects, _repairs([reading]))

    def ground_frames(self, clip: Path, first: r.Ground1Record, anchors: Sequence[int]) -> r.Ground2Record:
        """Return every label of round 1 on each anchor frame."""
        labels = first.round1_labels
        listed = "\n".join(f"- {canonical_json(label).decode()}" for label in labels)
        text, shape = fill_prompt("ground2", labels=listed), frame_shape(labels)
        frames = pick_frames(clip, anchors, self.most_pixels)
        questions = [
            Question("ground2", text, (image,), shape, place=f"frame {index}")
            for index, image in zip(anchors, frames, strict=True)
        ]
        readings = list(map(_reader, questions, self.ask(questions)))
        objects = tuple(read_frame(reading, labels) for reading in readings)
        return r.Ground2Record(objects, _repairs(readings))

    def _describe(self, image: Pixels, theme: str, prompt: str) -> r.ComposeRecord:
        """Describe the frame; the scene that a given prompt is about is found in its words."""
        reading = self._read(Question("describe", fill_prompt("describe"), (image,), description_shape()))
        scene = match_prompt(theme, prompt) if theme in TAXONOMY_THEMES else None
        keyword = scene.keyword if scene is not None else None
        metadata = r.SceneMetadata(
            edit_type=edit_type(theme), original_scene=read_description(reading), chosen_keyword=keyword
        )
        return r.ComposeRecord(prompt, metadata, _repairs([reading]))

    def _read(self, question: Question) -> AnswerReader:
        (reply,) = self.ask([question])
        return _reader(question, reply)


def _reader(question: Question, reply: Reply) -> AnswerReader:
    reader = AnswerReader(reply.text, question.name)
    for repair in reply.repairs:
        reader.repaired(repair)
    return reader


def _repairs(readings: Iterable[AnswerReader]) -> tuple[str, ...] | None:
    """Return the repairs of some answers, or None: a record is as short as it can be."""
    return tuple(f"{reading.asked}: {repair}" for reading in readings for repair in reading.repairs) or None


# --- scenes to choose from -------------------------------------------------------------------------


def offer_scenes(theme: str, count: int, *, seed: int) -> tuple[TaxonomyScene, ...]:
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
    by_subtheme: dict[str, list[TaxonomyScene]] = {}
    for scene in shuffled:
        by_subtheme.setdefault(scene.subtheme, []).append(scene)
    rounds = zip_longest(*by_subtheme.values())
    return tuple(scene for group in rounds for scene in group if scene is not None)[:count]


def list_scenes(scenes: tuple[TaxonomyScene, ...]) -> str:
    """Return the scenes as the prompt lists them, one per line."""
    return "\n".join(f"- {scene.keyword} ({scene.setting})" for scene in scenes)


# --- the shape of each answer ----------------------------------------------------------------------

_TEXT = {"type": "string"}


def camera_shape() -> dict[str, Any]:
    """Return reasoning before the verdict, so that the verdict follows it."""
    return _closed({"reasoning": _TEXT, "fixed": {"type": "boolean"}})


def description_shape() -> dict[str, Any]:
    """Return the scene alone."""
    return _closed({"original_scene": _TEXT})


def composition_shape(keywords: Sequence[str]) -> dict[str, Any]:
    """Scene, keyword, prompt; the keyword is one of those offered."""
    chosen = {"type": "string", "enum": list(keywords)}
    return _closed({"original_scene": _TEXT, "chosen_keyword": chosen, "prompt": _TEXT})


def first_shape() -> dict[str, Any]:
    """Return objects with four coordinates and a label each."""
    return _objects(_box(fewest=4), _TEXT, most=MOST_OBJECTS)


def frame_shape(labels: Sequence[str]) -> dict[str, Any]:
    """Return objects with a label of round 1 and four coordinates, or none."""
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
