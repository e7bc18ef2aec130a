"""The shape of each answer as JSON Schema, for models that can be held to one.

- Boxes, labels, keywords and descriptions are taken from the published schemas, so that what a model is held
  to is what a record can be. What strict decoders do not know is left out: patterns, `oneOf`, and lengths of
  texts. The parsers check all of it again.
- Every object is closed and every key required, as strict structured output wants it, and the answer is
  always an object.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sparkle.generation.vlm.grounding import MOST_OBJECTS
from sparkle.schemas.validate import load_schema

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
