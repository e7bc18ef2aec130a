"""What goes to a model and what comes back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sparkle.generation.capabilities import Image
from sparkle.generation.vlm.reading import Reading, Rule


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
    """

    job: str
    text: str
    images: tuple[Image, ...]
    shape: dict[str, Any]
    seed: int = 0
    place: str = ""

    @property
    def name(self) -> str:
        """The question in an error."""
        return ", ".join(part for part in (self.job, self.place) if part)


@dataclass(frozen=True)
class Answer:
    """A model's words, and what was already done to get them."""

    text: str
    repairs: tuple[Rule, ...] = field(default=())

    def read(self, question: Question) -> Reading:
        """Begin to read it."""
        reading = Reading(self.text, question.name)
        for rule in self.repairs:
            reading.repaired(rule)
        return reading
