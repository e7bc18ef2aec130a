"""The five jobs of a VLM, whatever model answers: make the question, ask, read the answer.

- A backend adds `ask`, which carries questions to its model, and nothing else about the jobs.
- The camera is judged from the pictures alone: a second opinion is not told the first one.
- Round 2 is one question a frame; the questions of a clip are handed over together, for backends that can
  ask several at once.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sparkle.generation.capabilities import Image
from sparkle.generation.options import require_range
from sparkle.generation.vlm import shapes
from sparkle.generation.vlm.answers import read_camera, read_composition, read_description
from sparkle.generation.vlm.choices import list_scenes, offer_scenes
from sparkle.generation.vlm.grounding import MOST_OBJECTS, read_first, read_frame
from sparkle.generation.vlm.pictures import pick_frames, read_image, spread_frames
from sparkle.generation.vlm.prompt_files import fill_prompt, prompt_hashes
from sparkle.generation.vlm.question import Answer, Question
from sparkle.generation.vlm.reading import READING_VERSION, Reading
from sparkle.schemas import records as r
from sparkle.schemas.canonical import canonical_json
from sparkle.schemas.ids import TAXONOMY_THEMES, edit_type
from sparkle.schemas.taxonomy import match_prompt

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
        reading = self._read(Question("camera", text, images, shapes.camera_shape()))
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
        reading = self._read(Question("compose", text, (image,), shapes.composition_shape(keywords), seed))
        found = read_composition(reading, keywords)
        metadata = r.SceneMetadata(edit_type(theme), found.original_scene, found.chosen_keyword)
        return r.ComposeRecord(found.prompt, metadata, _repairs([reading]))

    def ground_first(self, clip: Path, source: Path, edited: Path, prompt: str) -> r.Ground1Record:
        """Labels and boxes of the foreground, from the pair of first frames."""
        images = tuple(read_image(path, self.most_pixels) for path in (source, edited))
        text = fill_prompt("ground1", instruction=prompt, most=MOST_OBJECTS)
        reading = self._read(Question("ground1", text, images, shapes.first_shape()))
        objects = read_first(reading)
        return r.Ground1Record(tuple(item.label for item in objects), objects, _repairs([reading]))

    def ground_frames(self, clip: Path, first: r.Ground1Record, anchors: Sequence[int]) -> r.Ground2Record:
        """Every label of round 1 on each anchor frame."""
        labels = first.round1_labels
        listed = "\n".join(f"- {canonical_json(label).decode()}" for label in labels)
        text, shape = fill_prompt("ground2", labels=listed), shapes.frame_shape(labels)
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
        reading = self._read(
            Question("describe", fill_prompt("describe"), (image,), shapes.description_shape())
        )
        scene = match_prompt(theme, prompt) if theme in TAXONOMY_THEMES else None
        keyword = scene.keyword if scene is not None else None
        metadata = r.SceneMetadata(edit_type(theme), read_description(reading), keyword)
        return r.ComposeRecord(prompt, metadata, _repairs([reading]))

    def _read(self, question: Question) -> Reading:
        (answer,) = self.ask([question])
        return answer.read(question)


def _repairs(readings: Iterable[Reading]) -> tuple[str, ...] | None:
    """The repairs of some answers, or None: a record is as short as it can be."""
    return tuple(f"{reading.asked}: {repair}" for reading in readings for repair in reading.repairs) or None
