"""The `image_scorer` capability on EditScore, whatever model answers: the package's words and arithmetic.

- An image is asked about twice per pass: SC (is the edit what was asked for, and nothing else) on the pair,
  and PQ (does it look right) on the edited image alone. `overall` is the package's: the mean over passes of
  sqrt(min(SC) * min(PQ)), recorded as it comes.
- Frames of a video go through the package's `batch_evaluate`, which shows PQ both images; here it sees the
  edited one, as in `evaluate` and as its prompt says.
- The package never refuses: of an answer that it cannot read it makes a random score (`evaluate`) or the
  middle of the scale (`batch_evaluate`), it takes numbers out of prose, and scores outside of the scale pass.
  So every answer is read here first, with both of its parsers. They must agree on a reasoning and exactly two
  scores within the scale; anything else is an `AnswerError` that keeps the answer, and fails the sample.
- Importing the package puts `editscore` in front of `sys.path`, and its parsers print what they cannot read:
  neither reaches anything else. With a backbone that it does not know it loads no model: what answers is
  given to it.
- It asks for torchvision, which nothing here needs: it is installed without, and so it is in no extra.
"""

from __future__ import annotations

import io
import json
import math
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sparkle.generation.backend import require_range
from sparkle.generation.backends.vlm.questions import (
    REMOVAL_FILE,
    LookingModel,
    Question,
    pick_frames,
    prompt_hashes,
    read_image,
    removal_prompt,
)
from sparkle.generation.backends.vlm.reading import answer_error
from sparkle.generation.needs import Estimate, package_versions
from sparkle.media import Pixels
from sparkle.schemas import records as r
from sparkle.schemas.canonical import sha256_bytes
from sparkle.schemas.errors import AnswerError, ConfigError

if TYPE_CHECKING:
    from types import ModuleType


INSTALL = "pip install --no-deps editscore==0.2 && pip install json-repair regex"
PACKAGES = ("editscore", "json-repair")  # what decides how an answer is read

# Raise it when the same answer is judged in another way: it is part of the fingerprint.
READING_VERSION = "1"

SAMPLING = {"top_p": 0.9, "top_k": 20}  # EditScore's own settings (package `editscore`)

SC, PQ = "SC", "PQ"
_SCORES = 2  # SC: prompt following, consistency; PQ: naturalness, artifacts

_NOTED_SECONDS, _NOTED_PASSES = 0.63, 4  # an image on one H200, Qwen3-VL-8B; a quarter of 2.5 for four frames
_FRAMES = 4  # of a video are scored


@dataclass(kw_only=True)
class EditScoring(LookingModel):
    """Base of the EditScore backends.

    Args:
        passes: How often each question is asked (EditScore's self-ensembling; its paper's best is 4).
        score_range: The model scores from 0 to this, and records say it from 0 to 10 (EditScore: 25).
        seed: Of the first pass; each further one adds 1 (EditScore: 42).
        temperature: Of the model's words; 0 takes the likeliest, and makes every pass the same (EditScore:
            0.7).
        max_tokens: The longest answer (EditScore: 512).
    """

    passes: int = 4
    score_range: int = 25
    seed: int = 42
    temperature: float = 0.7
    max_tokens: int = 512

    def __post_init__(self) -> None:
        super().__post_init__()
        require_range(self, "passes", 1, 64)
        require_range(self, "score_range", 1, 1000)
        require_range(self, "seed", 0, 2**31 - 1)
        require_range(self, "temperature", 0, 2)

    def seconds(self) -> dict[str, Estimate]:
        """Return estimated seconds per sample; they grow with the passes."""
        image = _NOTED_SECONDS * self.passes / _NOTED_PASSES
        by_step = {"edit_score": image, "remove_score": image, "video_score": image * _FRAMES}
        return {step: Estimate(seconds, seconds) for step, seconds in by_step.items()}

    def packages(self) -> dict[str, str]:
        """Return the versions of the package and of what it reads answers with."""
        return package_versions(PACKAGES, fix=INSTALL)

    def prompts(self, step: str) -> dict[str, str]:
        """Return hashes of the words that a step asks with, and how answers are judged."""
        words = {SC: self._scorer.SC_prompt, PQ: self._scorer.PQ_prompt}
        hashes = {name: sha256_bytes(text.encode()) for name, text in words.items()}
        removal = prompt_hashes(REMOVAL_FILE) if step == "remove_score" else {}
        return {**hashes, "reading": READING_VERSION, **removal}

    @cached_property
    def _scorer(self) -> Any:
        """The package's scorer; what answers is set before each use."""
        return import_package().EditScore(
            backbone="custom",
            score_range=self.score_range,
            num_pass=self.passes,
            seed=self.seed,
            reduction="average_last",
        )

    def score_edit(self, source: Path, edited: Path, prompt: str, *, clip: Path) -> r.ImageScore:
        """Return how well the first frame was edited, 0 to 10 each."""
        return self._score_pair(source, edited, prompt)

    def score_removal(
        self, edited: Path, removed: Path, objects: Sequence[r.GroundedObject], prompt: str
    ) -> r.ImageScore:
        """Return how well the objects were removed, by the instruction that the editor was given."""
        return self._score_pair(edited, removed, removal_prompt(objects))

    def score_frames(
        self, source: Path, edited: Path, mask: Path, prompt: str, indices: Sequence[int]
    ) -> tuple[r.FrameScore, ...]:
        """Return how well each of some frames was edited."""
        frames = (pick_frames(clip, indices, self.most_pixels) for clip in (source, edited))
        pairs = [list(pair) for pair in zip(*frames, strict=True)]
        places = [f"frame {index}" for index in indices]
        found = self._with_model(places).batch_evaluate(pairs, [prompt] * len(pairs))
        return tuple(r.FrameScore(**_plain(values)) for values in found)

    def _score_pair(self, before: Path, after: Path, prompt: str) -> r.ImageScore:
        pair = [read_image(path, self.most_pixels) for path in (before, after)]
        return r.ImageScore(**_plain(self._with_model([""]).evaluate(pair, prompt)))

    def _with_model(self, places: Sequence[str]) -> Any:
        self._scorer.model = _Model(self, places, self._scorer.PQ_prompt)
        return self._scorer


class _Model:
    """What the package takes for a model: questions through `ask`, and only answers that can be counted."""

    def __init__(self, scoring: EditScoring, places: Sequence[str], pq_prompt: str) -> None:
        self._scoring, self._places, self._pq_prompt = scoring, places, pq_prompt
        self._prepared = 0

    def prepare_input(self, images: Pixels | list[Pixels], text_prompt: str) -> Question:
        """A question of the package: all SC questions of a call come first, in the order of its images."""
        shown = images if isinstance(images, list) else [images]
        place = self._places[self._prepared % len(self._places)]
        self._prepared += 1
        if text_prompt == self._pq_prompt:
            return Question(PQ, text_prompt, (shown[-1],), {}, place=place)
        return Question(SC, text_prompt, tuple(shown), {}, place=place)

    def inference(self, question: Question, seed: int) -> str:
        """Return the answer to one question."""
        return self.batch_inference([question], seed)[0]

    def batch_inference(self, questions: Sequence[Question], seed: int) -> list[str]:
        """Return the answers to several."""
        asked = [replace(question, seed=seed) for question in questions]
        texts = [reply.text for reply in self._scoring.ask(asked)]
        for question, text in zip(asked, texts, strict=True):
            which = f"{question.name}, seed {seed}"
            require_readable(text, self._scoring.score_range, asked=which)
        return texts


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    """Numbers as floats: the package's are numpy's."""
    return {name: value if isinstance(value, str) else float(value) for name, value in values.items()}


# --- is an answer one that may be counted? ---------------------------------------------------------


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
    """Return the answer as `evaluate` reads it, and as `batch_evaluate` does."""
    if "{" not in answer:
        raise _bad("the answer is no object with reasoning and score", answer, asked)
    package = import_package()
    try:
        with redirect_stdout(io.StringIO()):  # standard output is for results
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


def import_package() -> ModuleType:
    """Return the package; raises ConfigError where it is missing."""
    package_versions(PACKAGES, fix=INSTALL)
    before = list(sys.path)
    try:
        import editscore
    except ImportError as error:
        raise ConfigError("a package is not installed", wanted=error.name, fix=INSTALL) from None
    finally:
        sys.path[:] = before
    module: ModuleType = editscore
    return module
