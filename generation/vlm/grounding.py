"""Labels and boxes out of an answer: round 1 on the first-frame pair, round 2 on a frame.

A box is [x1, y1, x2, y2] in thousandths of the picture's width and height. What Gemini answers by itself,
`box_2d` with y first, is refused by its key.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from sparkle.generation.vlm.reading import Reading, Rule
from sparkle.schemas.records import GroundedObject

BOX_RANGE = 1000  # Qwen's convention (upstream card)
CLIP_TOLERANCE = 10  # thousandths: models' boxes run over an edge by so much; more is another scale
MOST_OBJECTS = 16  # the tracker's cost grows with them; upstream's example has 4
LONGEST_LABEL = 80  # characters; upstream's longest example has 27


def read_first(reading: Reading) -> tuple[GroundedObject, ...]:
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
            reading.repaired(Rule.SAME_TWICE, place)
        found[label] = corners
    if len(found) > MOST_OBJECTS:
        raise reading.bad("too many objects", wanted=f"at most {MOST_OBJECTS}")
    return tuple(GroundedObject(box, label) for label, box in found.items())


def read_frame(reading: Reading, labels: Sequence[str]) -> tuple[GroundedObject, ...]:
    """Every label of round 1, in its order, with its box on this frame or an empty one.

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
            reading.repaired(Rule.SAME_TWICE, place)
        found[label] = corners
    for label in labels:
        if label not in found:
            reading.repaired(Rule.OMITTED, label)
    return tuple(GroundedObject(found.get(label, ()), label) for label in labels)


def _items(reading: Reading) -> list[tuple[str, Any, Any]]:
    """Place, label and box of each object, unread."""
    value = reading.json()
    if isinstance(value, list):
        reading.repaired(Rule.BARE_LIST)
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


def _box(reading: Reading, value: Any, place: str) -> tuple[int, ...]:
    """A box of four whole numbers with x1 < x2 and y1 < y2, or the empty one."""
    if value is None:
        reading.repaired(Rule.NULL_BOX, place)
        return ()
    if value == []:
        return ()
    if not isinstance(value, list) or len(value) != 4 or any(type(x) not in (int, float) for x in value):
        raise reading.bad("not a box", wanted="[x1, y1, x2, y2] or []", place=place)
    whole = [math.floor(x + 0.5) for x in value]
    if any(type(x) is float for x in value):
        reading.repaired(Rule.ROUNDED, place)
    inside = [min(max(x, 0), BOX_RANGE) for x in whole]
    if max(abs(x - y) for x, y in zip(whole, inside, strict=True)) > CLIP_TOLERANCE:
        raise reading.bad(
            "a box outside the picture", wanted=f"coordinates from 0 to {BOX_RANGE}", place=place
        )
    if inside != whole:
        reading.repaired(Rule.CLIPPED, place)
    x1, y1, x2, y2 = inside
    if x1 == x2 or y1 == y2:
        raise reading.bad("a box without area", wanted="x1 < x2 and y1 < y2", place=place)
    if x1 > x2 or y1 > y2:
        reading.repaired(Rule.SWAPPED, place)
    return min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)
