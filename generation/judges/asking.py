"""Judges that ask a model: the question, its answer read, and one further try.

- The rubric's words are a text file with `$instruction` and `$form`, whose hash is part of who the judge is.
- An answer that was refused, cut or cannot be read is asked for once more, with the form repeated; what is
  wrong with the second one is why the judge failed. A model that answers so is broken, and asking it twenty
  times does not mend it.
- Where the endpoint takes a schema, the answer is an object; otherwise lines. Both are read by one reader.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any, ClassVar

from sparkle.generation.backend import operational, require_range
from sparkle.generation.backends.vlm.endpoint import Completion
from sparkle.generation.backends.vlm.questions import Question
from sparkle.generation.backends.vlm.reading import Repair
from sparkle.generation.judges.judge import JudgedEdit, Opinion, settings_of
from sparkle.generation.judges.showing import SHOWING_VERSION
from sparkle.schemas.answer_text import AnswerRepair
from sparkle.schemas.canonical import sha256_bytes
from sparkle.schemas.errors import AnswerError, ConfigError
from sparkle.schemas.judge_answer import JudgeAnswer, read_judge_answer
from sparkle.schemas.rubric import SPARKLE_6, Rubric
from sparkle.schemas.verdicts import JudgeIdentity

# Raise it when the same words are asked otherwise, or the same answer is read otherwise.
ASKING_VERSION = 1

REASONING = "Brief reasoning"
JOB = "judge"
_AGAIN = "Your last answer could not be read. Answer once more, in the form below and in no other.\n\n"
_PIXELS_PER_TOKEN = 32 * 32  # Qwen3-VL's; others are of that order
LETTERS_PER_TOKEN, ANSWER_TOKENS = 4, 120
_BYTES_PER_PIXEL = 1.8  # of a PNG of footage, in base64


def _words_of(rubric: Rubric) -> str:
    """The package's words of a rubric."""
    return resources.files(__package__).joinpath("prompts", f"{rubric.name}.txt").read_text("utf-8")


def words_for_people(rubric: Rubric) -> str:
    """Return the same for people, who see instruction and form beside it."""
    paragraphs = _words_of(rubric).split("\n\n")
    return "\n\n".join(text for text in paragraphs if "$" not in text)


def form_of(rubric: Rubric) -> str:
    """Return the form of an answer, in words."""
    scale = f"{rubric.lowest}-{rubric.highest}"
    lines = [f"{REASONING}: at most 30 words"]
    lines += [f"{dimension.heading}: {scale}" for dimension in rubric.dimensions]
    return (
        "Answer in this form, with one whole number for each dimension and nothing behind it. If you are to "
        "answer in JSON, the words before the colons are its keys.\n\n" + "\n".join(lines)
    )


def shape_of(rubric: Rubric) -> dict[str, Any]:
    """Return the same as JSON Schema: reasons before scores, so that these follow from them."""
    scores = {"type": "integer", "enum": list(range(int(rubric.lowest), int(rubric.highest) + 1))}
    properties: dict[str, Any] = {REASONING: {"type": "string"}}
    properties |= {dimension.heading: scores for dimension in rubric.dimensions}
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


@dataclass(kw_only=True)
class AskingJudge(ABC):
    """Base of the judges that ask a model.

    Args:
        words: A file of the rubric's words, with `$instruction` and `$form`; without it the package's.
        seed: Of the first repeat; each further one adds 1.
        frames: How many frames of each video are shown.
        width: Pixels that they are wide.
    """

    kind: ClassVar[str]

    words: str | None = operational(None)  # their hash is part of the identity
    seed: int = 42
    frames: int = 16
    width: int = 640

    def __post_init__(self) -> None:
        super().__post_init__()  # type: ignore[misc] # of the model
        require_range(self, "seed", 0, 2**31 - 1)
        require_range(self, "frames", 2, 81)
        require_range(self, "width", 160, 4096)

    @property
    def rubric(self) -> Rubric:
        """Upstream's six dimensions."""
        return SPARKLE_6

    @property
    def repeats(self) -> int:
        """Once, unless it is to be seen how much verdicts move."""
        return 1

    @property
    @abstractmethod
    def answers_as(self) -> str:
        """The name of the model that answers."""

    @property
    def who(self) -> JudgeIdentity:
        """Who answers, and everything that decides the answers."""
        versions = {"asking": ASKING_VERSION, "showing": SHOWING_VERSION}
        settings = settings_of(self, rubric_sha256=self.rubric_sha256, **self.decides(), **versions)
        return JudgeIdentity(self.answers_as, self.kind, settings)

    @property
    def asks_for_shapes(self) -> bool:
        """Whether an answer of the right shape is asked for by a schema."""
        return False

    def decides(self) -> dict[str, Any]:
        """Return what decides the answers beside options."""
        return {}

    @cached_property
    def _template(self) -> str:
        if self.words is None:
            return _words_of(self.rubric)
        try:
            text = Path(self.words).read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError("the rubric's words cannot be read", got=error, where=self.words) from None
        slots = Counter(Template(text).get_identifiers() if Template(text).is_valid() else ())
        lacking = [dimension.heading for dimension in self.rubric.dimensions if dimension.heading not in text]
        if set(slots) != {"instruction", "form"} or lacking:
            raise ConfigError(
                "the rubric's words do not fit",
                got=f"{', '.join(sorted(slots)) or 'no slots'}; not named: {', '.join(lacking) or 'none'}",
                wanted="$instruction, $form and every dimension by its heading; $$ for a dollar",
                where=self.words,
            )
        return text

    @property
    def rubric_sha256(self) -> str:
        """Of the rubric's words."""
        return sha256_bytes(self._template.encode())

    def ask_words(self, edit: JudgedEdit, attempt: int) -> str:
        """Return what is asked of an edit, the first time or again."""
        form = form_of(self.rubric)
        text = Template(self._template).substitute(
            instruction=edit.prompt, form=form if attempt == 1 else _AGAIN + form
        )
        return text.strip()

    def tokens(self, edit: JudgedEdit) -> tuple[int, int, int]:
        """Return an estimate: tokens of question and answer, bytes of the request."""
        pixels = 2 * self.frames * self.width * self.width * 9 // 16
        words = len(self.ask_words(edit, 1)) // LETTERS_PER_TOKEN
        return pixels // _PIXELS_PER_TOKEN + words, ANSWER_TOKENS, int(pixels * _BYTES_PER_PIXEL)

    @abstractmethod
    def question(self, edit: JudgedEdit, repeat: int, attempt: int) -> tuple[Question, str | None]:
        """Return what is asked, and what is sent with it where that is not what the settings say."""

    @abstractmethod
    def answer(
        self, question: Question, edit: JudgedEdit, repeat: int, attempt: int
    ) -> tuple[Completion, tuple[Repair, ...]]:
        """Return what is answered, whole or not, and what was done to get it."""

    def judge(self, edit: JudgedEdit, repeat: int) -> Opinion:
        """Ask, and once more where the answer cannot be used."""
        found: list[Completion] = []
        reason = ""
        sent = None
        for attempt in (1, 2):
            question, sent = self.question(edit, repeat, attempt)
            completion, repairs = self.answer(question, edit, repeat, attempt)
            found.append(completion)
            try:
                said = self.read(completion, repairs, question)
            except AnswerError as error:
                reason = error.problem
                continue
            return self._opinion(found, sent, raw=said.scores, repairs=said.repairs or None)
        return self._opinion(found, sent, reason=reason)

    def read(self, completion: Completion, repairs: tuple[Repair, ...], question: Question) -> JudgeAnswer:
        """Return the scores of an answer; raises AnswerError where it has none that can be read."""
        headings = [dimension.heading for dimension in self.rubric.dimensions]
        text = completion.words(question.name, self.most_tokens)
        lowest, highest = int(self.rubric.lowest), int(self.rubric.highest)
        said = read_judge_answer(text, headings, lowest=lowest, highest=highest, where=question.name)
        as_asked = self.asks_for_shapes and Repair.ASKED_FREELY not in repairs
        mended = [repair for repair in said.repairs if not (as_asked and repair == AnswerRepair.JSON)]
        return JudgeAnswer(said.scores, (*repairs, *mended))

    @property
    @abstractmethod
    def most_tokens(self) -> int:
        """The longest answer."""

    def _opinion(self, found: list[Completion], sent: str | None, **rest: Any) -> Opinion:
        last = found[-1]
        usage: Counter[str] = Counter()
        for completion in found:
            usage.update(completion.usage or {})
        return Opinion(
            answer=last.refusal or last.text,
            finish_reason=last.finish_reason,
            attempts=len(found),
            usage=dict(sorted(usage.items())) or None,
            system_fingerprint=last.fingerprint,
            sent=sent,
            **rest,
        )
