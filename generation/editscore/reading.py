"""Is an answer one that the package may count? Its own parsers, and no guess of theirs.

The package never refuses: of an answer that it cannot read it makes a random score (`evaluate`) or the middle
of the scale (`batch_evaluate`), it takes numbers out of prose, and scores outside of the scale pass. So every
answer is read here first, with both of its parsers. They must agree on a reasoning and exactly two scores
within the scale; anything else is an `AnswerError` that keeps the answer.
"""

from __future__ import annotations

import json
import math
from typing import Any

from sparkle.generation.editscore.package import import_package, silent
from sparkle.generation.vlm.reading import answer_error
from sparkle.schemas.errors import AnswerError

# Raise it when the same answer is judged in another way: it is part of the fingerprint.
READING_VERSION = "1"

_SCORES = 2  # SC: prompt following, consistency; PQ: naturalness, artifacts


def require_readable(answer: str, score_range: int, *, asked: str) -> None:
    """Raise AnswerError unless both parsers of the package read the same good scores.

    Args:
        answer: What the model said.
        score_range: The largest score.
        asked: The question in an error.
    """
    first, second = _parse(answer, score_range, asked)
    for found in (first, second):
        reasoning = found.get("reasoning") if isinstance(found, dict) else None
        if not (isinstance(reasoning, str) and reasoning.strip()):
            raise _bad("the answer holds no reasoning", answer, asked)
        _require_scores(found.get("score"), answer, score_range, asked)
    if [float(value) for value in first["score"]] != [float(value) for value in second["score"]]:
        raise _bad("the answer can be read in two ways", answer, asked)


def _parse(answer: str, score_range: int, asked: str) -> tuple[Any, Any]:
    """The answer as `evaluate` reads it, and as `batch_evaluate` does."""
    if "{" not in answer:
        raise _bad("the answer is no object with reasoning and score", answer, asked)
    package = import_package()
    try:
        with silent():
            return (
                package.mllm_output_to_dict(answer, score_range=score_range),
                package.parse_vlm_output_to_dict(answer),
            )
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        problem = f"the answer cannot be parsed ({type(error).__name__})"
        raise _bad(problem, answer, asked) from None


def _require_scores(scores: Any, answer: str, score_range: int, asked: str) -> None:
    if not isinstance(scores, list) or len(scores) != _SCORES:
        count = len(scores) if isinstance(scores, list) else 0
        raise _bad(f"the answer holds {count} scores", answer, asked)
    for value in scores:
        if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
            raise _bad("a score of the answer is no number", answer, asked)
        if not 0 <= value <= score_range:
            raise answer_error(
                "a score of the answer is out of range",
                answer,
                wanted=f"0 to {score_range}",
                where=asked,
            )


def _bad(problem: str, answer: str, asked: str) -> AnswerError:
    example = json.dumps({"reasoning": "...", "score": [20, 21]})
    return answer_error(problem, answer, wanted=example, where=asked)
