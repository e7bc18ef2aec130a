"""What a judge behind an endpoint says: good answers, and each way in which one can be bad."""

from __future__ import annotations

import json
from typing import Any

from harness.endpoint import completion
from sparkle.schemas.rubric import SPARKLE_6

HEADINGS = tuple(dimension.heading for dimension in SPARKLE_6.dimensions)
GOOD = (4, 3, 3, 4, 5, 2)
CAPPED = (4, 3, 3, 4, 4, 2)
MODEL = "a-judge"
USAGE = {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100}


def lines(scores: tuple[Any, ...] = GOOD) -> str:
    """An answer in the form of lines."""
    said = zip(HEADINGS, scores, strict=True)
    return "\n".join(["Brief reasoning: Fine.", *(f"{name}: {score}" for name, score in said)])


def as_object(scores: tuple[Any, ...] = GOOD) -> str:
    """The same as the object that a schema asks for."""
    return json.dumps({"Brief reasoning": "Fine.", **dict(zip(HEADINGS, scores, strict=True))})


def about(model: str = MODEL) -> dict[str, Any]:
    """What stands beside an answer."""
    return {"model": model, "usage": USAGE, "system_fingerprint": "fp_1"}


def says(
    text: str | None, finish_reason: str = "stop", *, model: str = MODEL, **message: Any
) -> tuple[int, dict, bytes]:
    """A reply of the endpoint."""
    return completion(text, finish_reason, about(model), **message)


def judged_by_prompt(body: dict) -> str:
    """Scores that depend on the words of the request alone."""
    words = body["messages"][0]["content"][-1]["text"]
    first = 1 + sum(words.encode()) % 5
    return as_object((first, *GOOD[1:]))


BAD = {
    "nothing": (says(None), "the judge answered nothing"),
    "empty": (says("  "), "the judge answered nothing"),
    "refusal": (says(None, refusal="I cannot judge this."), "the model refused"),
    "filter": (says("", "content_filter"), "the model refused"),
    "cut": (says(lines()[:40], "length"), "the model's answer was cut short"),
    "prose": (says("A lovely edit, well done."), "the answer has no scores"),
    "4.7": (says(lines((4.7, *GOOD[1:]))), "out of the scale: not a whole number"),
    "6": (says(lines((6, *GOOD[1:]))), "out of the scale"),
    "two values": (says(lines() + "\nOverall Visual Quality: 1"), "two answers"),
}
