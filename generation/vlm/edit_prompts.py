"""What the image editor and the animator are told: templates around labels and the instruction.

- Removal is driven by labels: the editor is told what to take out in the words of the grounding's first
  round (paper, stage 3), not where it is.
- Animation is driven by the instruction that made the background, so that what it sets in motion moves.
- They are templates, not a model's words: the same labels and instruction give the same text, for nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from sparkle.generation.vlm.prompt_files import fill_prompt
from sparkle.schemas.records import GroundedObject

REMOVAL_FILE, ANIMATION_FILE = "removal", "animation"


def removal_prompt(objects: Sequence[GroundedObject]) -> str:
    """The instruction that removes labelled objects; each label once, in the order of round 1."""
    return fill_prompt(REMOVAL_FILE, labels="; ".join(dict.fromkeys(item.label for item in objects)))


def animation_prompt(instruction: str) -> str:
    """The prompt that brings the background of an edit instruction to life."""
    return fill_prompt(ANIMATION_FILE, instruction=instruction)
