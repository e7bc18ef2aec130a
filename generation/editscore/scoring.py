"""The `image_scorer` capability on EditScore, whatever model answers.

- An image is asked about twice a pass: SC (is the edit what was asked for, and nothing else) on the pair, and
  PQ (does it look right) on the edited image alone. `overall` is the package's: the mean over passes of
  sqrt(min(SC) * min(PQ)), recorded as it comes.
- Frames of a video go through the package's `batch_evaluate`, which shows PQ both images; here it sees the
  edited one, as in `evaluate` and as its prompt says.
- One answer that cannot be counted fails the sample (see `reading`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sparkle.generation.capabilities import Image
from sparkle.generation.editscore import package
from sparkle.generation.editscore.reading import READING_VERSION, require_readable
from sparkle.generation.options import require_range
from sparkle.generation.requirements import Span
from sparkle.generation.vlm import prompt_files
from sparkle.generation.vlm.edit_prompts import REMOVAL_FILE, removal_prompt
from sparkle.generation.vlm.pictures import pick_frames, read_image
from sparkle.generation.vlm.question import Answer, Question
from sparkle.schemas import records as r

SC, PQ = "SC", "PQ"

_NOTED_SECONDS, _NOTED_PASSES = 0.63, 4  # an image on one H200, Qwen3-VL-8B; a quarter of 2.5 for four frames
_FRAMES = 4  # of a video are scored


@dataclass(kw_only=True)
class EditScoring(ABC):
    """Base of the EditScore backends.

    Args:
        passes: How often each question is asked (EditScore's self-ensembling; its paper's best is 4).
        score_range: The model scores from 0 to this, and records say it from 0 to 10 (EditScore: 25).
        seed: Of the first pass; each further one adds 1 (EditScore: 42).
        temperature: Of the model's words; 0 takes the likeliest, and makes every pass the same (EditScore:
            0.7).
        most_pixels: Pixels of a picture; a larger one is made smaller before it is shown (720p).
        max_tokens: The longest answer (EditScore: 512).
    """

    passes: int = 4
    score_range: int = 25
    seed: int = 42
    temperature: float = 0.7
    most_pixels: int = 1280 * 720
    max_tokens: int = 512

    def __post_init__(self) -> None:
        require_range(self, "passes", 1, 64)
        require_range(self, "score_range", 1, 1000)
        require_range(self, "seed", 0, 2**31 - 1)
        require_range(self, "temperature", 0, 2)
        require_range(self, "most_pixels", 64 * 64, 8192 * 8192)
        require_range(self, "max_tokens", 1, 1_000_000)
        self._scorer: Any = None

    @abstractmethod
    def ask(self, questions: Sequence[Question]) -> list[Answer]:
        """The model's answers, in the order of the questions, which have one seed.

        Raises:
            AnswerError: it refused, said nothing, or was cut short.
            ServiceError: it could not answer this time.
        """

    def seconds(self) -> dict[str, Span]:
        """Estimated seconds a sample for `Requirements`; they grow with the passes."""
        image = _NOTED_SECONDS * self.passes / _NOTED_PASSES
        by_step = {"edit_score": image, "remove_score": image, "video_score": image * _FRAMES}
        return {step: Span(seconds, seconds) for step, seconds in by_step.items()}

    def prompts(self, step: str) -> dict[str, str]:
        """The package's words, and how answers are judged; for a removal also the instruction's template."""
        words = {**package.prompt_hashes(self.score_range), "reading": READING_VERSION}
        return {**words, **(prompt_files.prompt_hashes(REMOVAL_FILE) if step == "remove_score" else {})}

    def setup(self) -> None:
        """Make the package's scorer.

        Raises:
            ConfigError: the package is missing.
        """
        self._scorer = package.make_scorer(score_range=self.score_range, passes=self.passes, seed=self.seed)

    def score_edit(self, source: Path, edited: Path, prompt: str, *, clip: Path) -> r.ImageScore:
        """How well the first frame was edited, 0 to 10 each."""
        return self._score_pair(source, edited, prompt)

    def score_removal(
        self, edited: Path, removed: Path, objects: Sequence[r.GroundedObject], prompt: str
    ) -> r.ImageScore:
        """How well the objects were removed, by the instruction that the editor was given."""
        return self._score_pair(edited, removed, removal_prompt(objects))

    def score_frames(
        self, source: Path, edited: Path, mask: Path, prompt: str, indices: Sequence[int]
    ) -> tuple[r.FrameScore, ...]:
        """How well each of some frames was edited."""
        frames = (pick_frames(clip, indices, self.most_pixels) for clip in (source, edited))
        pairs = [list(pair) for pair in zip(*frames, strict=True)]
        places = [f"frame {index}" for index in indices]
        found = self._with_model(places).batch_evaluate(pairs, [prompt] * len(pairs))
        return tuple(r.FrameScore(**_plain(values)) for values in found)

    def _score_pair(self, before: Path, after: Path, prompt: str) -> r.ImageScore:
        pair = [read_image(path, self.most_pixels) for path in (before, after)]
        return r.ImageScore(**_plain(self._with_model([""]).evaluate(pair, prompt)))

    def _with_model(self, places: Sequence[str]) -> Any:
        if self._scorer is None:
            raise RuntimeError("setup() comes before the first score")
        self._scorer.model = _Model(self, places, self._scorer.PQ_prompt)
        return self._scorer


class _Model:
    """What the package takes for a model: questions through `ask`, and only answers that can be counted."""

    def __init__(self, scoring: EditScoring, places: Sequence[str], pq_prompt: str) -> None:
        self._scoring, self._places, self._pq_prompt = scoring, places, pq_prompt
        self._prepared = 0

    def prepare_input(self, images: Image | list[Image], text_prompt: str) -> Question:
        """A question of the package: all SC questions of a call come first, in the order of its images."""
        shown = images if isinstance(images, list) else [images]
        place = self._places[self._prepared % len(self._places)]
        self._prepared += 1
        if text_prompt == self._pq_prompt:
            return Question(PQ, text_prompt, (shown[-1],), {}, place=place)
        return Question(SC, text_prompt, tuple(shown), {}, place=place)

    def inference(self, question: Question, seed: int) -> str:
        """The answer to one question."""
        return self.batch_inference([question], seed)[0]

    def batch_inference(self, questions: Sequence[Question], seed: int) -> list[str]:
        """The answers to several."""
        asked = [
            Question(each.job, each.text, each.images, each.shape, seed, each.place) for each in questions
        ]
        texts = [answer.text for answer in self._scoring.ask(asked)]
        for question, text in zip(asked, texts, strict=True):
            which = f"{question.name}, seed {seed}"
            require_readable(text, self._scoring.score_range, asked=which)
        return texts


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    """Numbers as floats: the package's are numpy's."""
    return {name: value if isinstance(value, str) else float(value) for name, value in values.items()}
