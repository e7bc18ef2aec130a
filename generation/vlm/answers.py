"""The answers that are words: the camera's verdict, a scene's description, a composed instruction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sparkle.generation.vlm.reading import Reading

# Characters. Upstream's prompts run from 151 to 466 (its card); a third more or less is still one.
SHORTEST_PROMPT, LONGEST_PROMPT = 100, 620
LONGEST_DESCRIPTION = 800  # upstream's example has 101
LONGEST_REASONING = 2000


@dataclass(frozen=True)
class Composition:
    """What a model wrote for a frame: its scene, the keyword that it chose and the instruction."""

    original_scene: str
    chosen_keyword: str
    prompt: str


def read_camera(reading: Reading) -> tuple[bool, str]:
    """Whether the camera is fixed, and why; raises AnswerError where the answer does not say."""
    table = reading.object_with("reasoning", "fixed")
    if not isinstance(table["fixed"], bool):
        raise reading.bad("the model's answer has another shape", wanted="true or false", place="/fixed")
    return table["fixed"], reading.text(table["reasoning"], "/reasoning", longest=LONGEST_REASONING)


def read_description(reading: Reading) -> str:
    """The `original_scene`; raises AnswerError where there is none."""
    table = reading.object_with("original_scene")
    return _scene(reading, table["original_scene"])


def read_composition(reading: Reading, keywords: Sequence[str]) -> Composition:
    """Scene, keyword and instruction; raises AnswerError for a keyword that was not offered."""
    table = reading.object_with("original_scene", "chosen_keyword", "prompt")
    return Composition(
        _scene(reading, table["original_scene"]),
        reading.one_of(table["chosen_keyword"], keywords, "/chosen_keyword"),
        reading.text(table["prompt"], "/prompt", shortest=SHORTEST_PROMPT, longest=LONGEST_PROMPT),
    )


def _scene(reading: Reading, value: object) -> str:
    return reading.text(value, "/original_scene", longest=LONGEST_DESCRIPTION)
