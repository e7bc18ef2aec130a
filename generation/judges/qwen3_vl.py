"""The judge `qwen3-vl`: Qwen3-VL in this process, through transformers, which says the likeliest words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from sparkle.generation.backends.vlm.budget import Budget
from sparkle.generation.backends.vlm.endpoint import Completion
from sparkle.generation.backends.vlm.questions import Question
from sparkle.generation.backends.vlm.qwen3_vl import LocalQwen
from sparkle.generation.backends.vlm.reading import Repair
from sparkle.generation.judges.asking import JOB, AskingJudge, shape_of
from sparkle.generation.judges.judge import JudgedEdit
from sparkle.generation.judges.showing import matched_frames
from sparkle.generation.needs import GIGABYTE, Estimate
from sparkle.schemas.errors import AnswerError, ConfigError


@dataclass(kw_only=True)
class QwenJudge(AskingJudge, LocalQwen):
    """The judge `qwen3-vl`; the base classes have its options."""

    kind: ClassVar[str] = "qwen3-vl"
    capability: ClassVar[str] = "judge"
    working_memory: ClassVar[int] = 8 * GIGABYTE  # pictures, keys and values of a question: estimate

    max_tokens: int = 512

    def __post_init__(self) -> None:
        super().__post_init__()
        self.budget = Budget()

    @property
    def table(self) -> str:
        """The judge's file, for errors."""
        return "the judge's file"

    @property
    def workers(self) -> int:
        """One edit after the other."""
        return 1

    @property
    def answers_as(self) -> str:
        """The model."""
        return self.identity.model

    @property
    def most_tokens(self) -> int:
        """The longest answer."""
        return self.max_tokens

    def decides(self) -> dict[str, Any]:
        """Return the weights' commit, or the hash of their files."""
        return {"revision": self.identity.revision}

    def seconds(self) -> dict[str, Estimate]:
        """Return nothing: how long it takes depends on the device."""
        return {}

    def accept(self, model: str) -> None:
        """Refuse: the model is here."""
        raise ConfigError("no other model can answer", got=model, wanted=self.answers_as)

    def open_kept(self) -> None:
        """Nothing is kept but verdicts."""

    def setup(self, *, offline: bool = False) -> None:
        """Load the model."""
        super().setup()

    def knows(self, edit: JudgedEdit, repeat: int) -> bool:
        """Nothing is kept but verdicts."""
        return False

    def tokens(self, edit: JudgedEdit) -> tuple[int, int, int]:
        """Return zeros: nothing is sent."""
        return 0, 0, 0

    def question(self, edit: JudgedEdit, repeat: int, attempt: int) -> tuple[Question, str | None]:
        """Return what is asked, with its frames."""
        edit.require_unchanged()
        shown = matched_frames(edit.source, edit.edited, count=self.frames, width=self.width)
        question = Question(
            JOB,
            self.ask_words(edit, attempt),
            tuple(shown.images),
            shape_of(self.rubric),
            self.seed + repeat - 1,
            edit.id,
            tuple(shown.captions),
        )
        return question, None

    def answer(
        self, question: Question, edit: JudgedEdit, repeat: int, attempt: int
    ) -> tuple[Completion, tuple[Repair, ...]]:
        """Ask the model here."""
        try:
            (reply,) = self.ask([question])
        except AnswerError as error:  # cut short
            return Completion(text=error.got or "", finish_reason="length"), ()
        return Completion(text=reply.text, finish_reason="stop"), ()
