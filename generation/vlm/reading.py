"""Reading an answer: strict, with a few repairs that are written down, and never a guess.

- An answer is one JSON object with the keys that were asked for and no other. What does not fit is an
  `AnswerError` that keeps the raw answer and says where it went wrong.
- A repair is made where one reading alone is possible, by one of the rules of `Rule`; the sample's record
  lists it with its place.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from sparkle.schemas.errors import AnswerError, RecordError
from sparkle.schemas.strict_json import parse_strict

# Raise it when the same answer is read in another way, or another question is asked with the same prompts:
# it is part of the fingerprint.
READING_VERSION = "1"

_KEPT_CHARACTERS = 20_000  # of a raw answer; 1,024 tokens are about 4,000
_FENCE = re.compile(r"```[a-zA-Z]*[ \t]*\n(.*?)```", re.DOTALL)
_END_OF_THOUGHT = "</think>"


class Rule(StrEnum):
    """The repairs, by the name that records give them."""

    ASKED_FREELY = "asked without a schema"  # the endpoint refuses response_format
    THOUGHT = "thought left out"  # what stands before </think>
    FENCE = "fence"  # the one ``` block of the answer is taken, and the words around it are left out
    BARE_LIST = "bare list"  # the list of objects stands alone, without {"objects": ...}
    ONE_LINE = "one line"  # line breaks and runs of spaces in a text become one space
    ROUNDED = "rounded"  # a coordinate with decimals
    CLIPPED = "clipped"  # a coordinate outside [0, 1000] by `grounding.CLIP_TOLERANCE` at most
    SWAPPED = "swapped"  # the two corners of a box change places, so that x1 < x2 and y1 < y2
    SAME_TWICE = "same twice"  # an object that stands twice, with the same label and box, is one
    SPELLING = "spelling"  # a label or keyword of the list, in other case or with other spaces
    OMITTED = "omitted"  # a label of round 1 that the answer leaves out on a frame abstains there
    NULL_BOX = "null box"  # null in place of the empty box


@dataclass
class Reading:
    """One answer while it is read.

    Attributes:
        answer: What the model said, as it said it.
        asked: The job, and the frame where there are several.
        repairs: The rules that were applied, each with its place.
    """

    answer: str
    asked: str
    repairs: list[str] = field(default_factory=list)

    def repaired(self, rule: Rule, place: str = "") -> None:
        """Write a repair down."""
        self.repairs.append(": ".join(part for part in (rule.value, place) if part))

    def bad(self, problem: str, *, wanted: object = None, place: str = "") -> AnswerError:
        """The error of an answer that cannot be used; it keeps the raw answer."""
        return answer_error(problem, self.answer, wanted=wanted, where=f"{self.asked} {place}".strip())

    def object_with(self, *keys: str) -> dict[str, Any]:
        """The answer as an object with exactly these keys."""
        return self.exactly(self.json(), keys)

    def json(self) -> Any:
        """The answer as JSON, out of its fence and behind its thoughts where it has them."""
        text = self.answer.strip()
        if not text:
            raise self.bad("the model answered nothing", wanted="one JSON object")
        if _END_OF_THOUGHT in text:
            text = text.rpartition(_END_OF_THOUGHT)[2].strip()
            self.repaired(Rule.THOUGHT)
        blocks = _FENCE.findall(text)
        if len(blocks) == 1 and text.count("```") == 2:
            text = blocks[0]
            self.repaired(Rule.FENCE)
        try:
            return parse_strict(text.encode())
        except RecordError as error:
            place = f"({error.problem}{f', {error.got}' if error.got else ''})"
            raise self.bad("the model's answer is not JSON", wanted="one JSON object", place=place) from None

    def exactly(self, value: Any, keys: Sequence[str], place: str = "") -> dict[str, Any]:
        """An object with exactly these keys."""
        if not isinstance(value, dict) or set(value) != set(keys):
            wanted = f"an object with {', '.join(keys)} and nothing else"
            raise self.bad("the model's answer has another shape", wanted=wanted, place=place)
        return value

    def text(self, value: Any, place: str, *, shortest: int = 1, longest: int) -> str:
        """A text on one line, of so many characters."""
        if not isinstance(value, str):
            raise self.bad("the model's answer has another shape", wanted="a text", place=place)
        line = " ".join(value.split())
        if not shortest <= len(line) <= longest or not line.isprintable():
            wanted = f"{shortest} to {longest} printable characters"
            raise self.bad("a text of the model's answer cannot be used", wanted=wanted, place=place)
        if line != value:
            self.repaired(Rule.ONE_LINE, place)
        return line

    def one_of(self, value: Any, options: Sequence[str], place: str) -> str:
        """One of some texts, whatever its case and spaces."""
        if isinstance(value, str):
            if value in options:
                return value
            alike = [option for option in options if _plain(option) == _plain(value)]
            if len(alike) == 1:
                self.repaired(Rule.SPELLING, place)
                return alike[0]
        raise self.bad("the model chose what was not offered", wanted="; ".join(options), place=place)


def answer_error(
    problem: str, answer: str, *, wanted: object = None, where: str, fix: str | None = None
) -> AnswerError:
    """An `AnswerError` that keeps a raw answer (its first 20,000 characters)."""
    return AnswerError(problem, got=answer[:_KEPT_CHARACTERS], wanted=wanted, where=where, fix=fix)


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())
