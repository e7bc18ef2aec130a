"""Reading an answer: strict, with a few repairs that are written down, and never a guess.

- An answer is one JSON object with the keys that were asked for and no other. What does not fit is an
  `AnswerError` that keeps the raw answer and says where it went wrong.
- A repair is made where one reading alone is possible, by one of the rules of `Repair`; the sample's record
  lists it with its place.
- A box is [x1, y1, x2, y2] in thousandths of the picture's width and height. What Gemini answers by itself,
  `box_2d` with y first, is refused by its key.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from sparkle.schemas.errors import AnswerError, RecordError
from sparkle.schemas.records import GroundedObject
from sparkle.schemas.validate import parse_strict

# Raise it when the same answer is read in another way, or another question is asked with the same prompts:
# it is part of the fingerprint.
READING_VERSION = "1"

_KEPT_CHARACTERS = 20_000  # of a raw answer; 1,024 tokens are about 4,000
_FENCE = re.compile(r"```[a-zA-Z]*[ \t]*\n(.*?)```", re.DOTALL)
_END_OF_THOUGHT = "</think>"


class Repair(StrEnum):
    """What may be mended, by the name that records give it."""

    ASKED_FREELY = "asked without a schema"  # the endpoint refuses response_format
    THOUGHT = "thought left out"  # what comes before </think>
    FENCE = "fence"  # the one ``` block of the answer is taken, and the words around it are left out
    BARE_LIST = "bare list"  # the list of objects is alone, without {"objects": ...}
    ONE_LINE = "one line"  # line breaks and runs of spaces in a text become one space
    ROUNDED = "rounded"  # a coordinate with decimals
    CLIPPED = "clipped"  # a coordinate outside [0, 1000] by `CLIP_TOLERANCE` at most
    SWAPPED = "swapped"  # the two corners of a box change places, so that x1 < x2 and y1 < y2
    SAME_TWICE = "same twice"  # an object that occurs twice, with the same label and box, is one
    SPELLING = "spelling"  # a label or keyword of the list, in other case or with other spaces
    OMITTED = "omitted"  # a label of round 1 that the answer leaves out on a frame abstains there
    NULL_BOX = "null box"  # null in place of the empty box


@dataclass
class AnswerReader:
    """One answer while it is read.

    Attributes:
        answer: What the model said, as it said it.
        asked: The job, and the frame where there are several.
        repairs: What was mended, each with its place.
    """

    answer: str
    asked: str
    repairs: list[str] = field(default_factory=list)

    def repaired(self, repair: Repair, place: str = "") -> None:
        """Write a repair down."""
        self.repairs.append(": ".join(part for part in (repair.value, place) if part))

    def bad(self, problem: str, *, wanted: object = None, place: str = "") -> AnswerError:
        """Return the error of an answer that cannot be used; it keeps the raw answer."""
        return answer_error(problem, self.answer, wanted=wanted, where=f"{self.asked} {place}".strip())

    def object_with(self, *keys: str) -> dict[str, Any]:
        """Return the answer as an object with exactly these keys."""
        return self.exactly(self.json(), keys)

    def json(self) -> Any:
        """Return the answer as JSON, out of its fence and behind its thoughts where it has them."""
        text = self.answer.strip()
        if not text:
            raise self.bad("the model answered nothing", wanted="one JSON object")
        if _END_OF_THOUGHT in text:
            text = text.rpartition(_END_OF_THOUGHT)[2].strip()
            self.repaired(Repair.THOUGHT)
        blocks = _FENCE.findall(text)
        if len(blocks) == 1 and text.count("```") == 2:
            text = blocks[0]
            self.repaired(Repair.FENCE)
        try:
            return parse_strict(text.encode())
        except RecordError as error:
            place = f"({error.problem}{f', {error.got}' if error.got else ''})"
            raise self.bad("the model's answer is not JSON", wanted="one JSON object", place=place) from None

    def exactly(self, value: Any, keys: Sequence[str], place: str = "") -> dict[str, Any]:
        """Return an object with exactly these keys."""
        if not isinstance(value, dict) or set(value) != set(keys):
            wanted = f"an object with {', '.join(keys)} and nothing else"
            raise self.bad("the model's answer has another shape", wanted=wanted, place=place)
        return value

    def text(self, value: Any, place: str, *, shortest: int = 1, longest: int) -> str:
        """Return a text on one line, of so many characters."""
        if not isinstance(value, str):
            raise self.bad("the model's answer has another shape", wanted="a text", place=place)
        line = " ".join(value.split())
        if not shortest <= len(line) <= longest or not line.isprintable():
            wanted = f"{shortest} to {longest} printable characters"
            raise self.bad("a text of the model's answer cannot be used", wanted=wanted, place=place)
        if line != value:
            self.repaired(Repair.ONE_LINE, place)
        return line

    def one_of(self, value: Any, options: Sequence[str], place: str) -> str:
        """Return one of some texts, whatever its case and spaces."""
        if isinstance(value, str):
            if value in options:
                return value
            alike = [option for option in options if _plain(option) == _plain(value)]
            if len(alike) == 1:
                self.repaired(Repair.SPELLING, place)
                return alike[0]
        raise self.bad("the model chose what was not offered", wanted="; ".join(options), place=place)


def answer_error(
    problem: str, answer: str, *, wanted: object = None, where: str, fix: str | None = None
) -> AnswerError:
    """Return an `AnswerError` that keeps a raw answer (its first 20,000 characters)."""
    return AnswerError(problem, got=answer[:_KEPT_CHARACTERS], wanted=wanted, where=where, fix=fix)


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())


# --- words -----------------------------------------------------------------------------------------


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


def read_camera(reading: AnswerReader) -> tuple[bool, str]:
    """Return whether the camera is fixed, and why; raises AnswerError where the answer does not say."""
    table = reading.object_with("reasoning", "fixed")
    if not isinstance(table["fixed"], bool):
        raise reading.bad("the model's answer has another shape", wanted="true or false", place="/fixed")
    return table["fixed"], reading.text(table["reasoning"], "/reasoning", longest=LONGEST_REASONING)


def read_description(reading: AnswerReader) -> str:
    """Return the `original_scene`; raises AnswerError where there is none."""
    table = reading.object_with("original_scene")
    return _scene(reading, table["original_scene"])


def read_composition(reading: AnswerReader, keywords: Sequence[str]) -> Composition:
    """Scene, keyword and instruction; raises AnswerError for a keyword that was not offered."""
    table = reading.object_with("original_scene", "chosen_keyword", "prompt")
    return Composition(
        _scene(reading, table["original_scene"]),
        reading.one_of(table["chosen_keyword"], keywords, "/chosen_keyword"),
        reading.text(table["prompt"], "/prompt", shortest=SHORTEST_PROMPT, longest=LONGEST_PROMPT),
    )


def _scene(reading: AnswerReader, value: object) -> str:
    return reading.text(value, "/original_scene", longest=LONGEST_DESCRIPTION)


# --- labels and boxes ------------------------------------------------------------------------------


BOX_RANGE = 1000  # Qwen's convention (upstream card)
CLIP_TOLERANCE = 10  # thousandths: models' boxes run over an edge by so much; more is another scale
MOST_OBJECTS = 16  # the tracker's cost grows with them; upstream's example has 4
LONGEST_LABEL = 80  # characters; upstream's longest example has 27


def read_first(reading: AnswerReader) -> tuple[GroundedObject, ...]:
    """The objects of round 1: each with a label of its own and a box; none where nothing is foreground.

    Raises:
        AnswerError: a label stands for two boxes, a box is empty or impossible, or another shape.
    """
    found: dict[str, tuple[int, ...]] = {}
    for place, label, box in _items(reading):
        label = reading.text(label, f"{place}/label", longest=LONGEST_LABEL)
        corners = _box(reading, box, f"{place}/bbox_2d")
        if not corners:
            raise reading.bad("an object has no box", wanted="[x1, y1, x2, y2]", place=place)
        if label in found and found[label] != corners:
            wanted = "another label for each object"
            raise reading.bad("a label stands for two boxes", wanted=wanted, place=f"{place}/label")
        if label in found:
            reading.repaired(Repair.SAME_TWICE, place)
        found[label] = corners
    if len(found) > MOST_OBJECTS:
        raise reading.bad("too many objects", wanted=f"at most {MOST_OBJECTS}")
    return tuple(GroundedObject(box, label) for label, box in found.items())


def read_frame(reading: AnswerReader, labels: Sequence[str]) -> tuple[GroundedObject, ...]:
    """Return every label of round 1, in its order, with its box on this frame or an empty one.

    Raises:
        AnswerError: a label is unknown or stands for two boxes, a box is impossible, or another shape.
    """
    found: dict[str, tuple[int, ...]] = {}
    for place, label, box in _items(reading):
        label = reading.one_of(label, labels, f"{place}/label")
        corners = _box(reading, box, f"{place}/bbox_2d")
        if label in found and found[label] != corners:
            wanted = "each label once"
            raise reading.bad("a label stands for two boxes", wanted=wanted, place=f"{place}/label")
        if label in found:
            reading.repaired(Repair.SAME_TWICE, place)
        found[label] = corners
    for label in labels:
        if label not in found:
            reading.repaired(Repair.OMITTED, label)
    return tuple(GroundedObject(found.get(label, ()), label) for label in labels)


def _items(reading: AnswerReader) -> list[tuple[str, Any, Any]]:
    """Place, label and box of each object, unread."""
    value = reading.json()
    if isinstance(value, list):
        reading.repaired(Repair.BARE_LIST)
    else:
        value = reading.exactly(value, ["objects"])["objects"]
    if not isinstance(value, list):
        raise reading.bad("the model's answer has another shape", wanted="a list", place="/objects")
    items = []
    for index, item in enumerate(value):
        place = f"/objects/{index}"
        item = reading.exactly(item, ["bbox_2d", "label"], place)
        items.append((place, item["label"], item["bbox_2d"]))
    return items


def _box(reading: AnswerReader, value: Any, place: str) -> tuple[int, ...]:
    """Return a box of four whole numbers with x1 < x2 and y1 < y2, or the empty one."""
    if value is None:
        reading.repaired(Repair.NULL_BOX, place)
        return ()
    if value == []:
        return ()
    if not isinstance(value, list) or len(value) != 4 or any(type(x) not in (int, float) for x in value):
        raise reading.bad("not a box", wanted="[x1, y1, x2, y2] or []", place=place)
    whole = [math.floor(x + 0.5) for x in value]
    if any(type(x) is float for x in value):
        reading.repaired(Repair.ROUNDED, place)
    inside = [min(max(x, 0), BOX_RANGE) for x in whole]
    if max(abs(x - y) for x, y in zip(whole, inside, strict=True)) > CLIP_TOLERANCE:
        raise reading.bad(
            "a box outside the picture", wanted=f"coordinates from 0 to {BOX_RANGE}", place=place
        )
    if inside != whole:
        reading.repaired(Repair.CLIPPED, place)
    x1, y1, x2, y2 = inside
    if x1 == x2 or y1 == y2:
        raise reading.bad("a box without area", wanted="x1 < x2 and y1 < y2", place=place)
    if x1 > x2 or y1 > y2:
        reading.repaired(Repair.SWAPPED, place)
    return min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)
