"""The judge behind an endpoint that speaks the OpenAI protocol: vLLM or SGLang with Qwen3-VL, gateways.

- Answers are kept in the cache by their content: words, sha256 of the pictures, parameters, the model that
  answered, repeat. A run that was killed asks nothing twice, and another model's edit of the same bytes is
  not asked about again. What was refused, empty or cut is not kept.
- What pictures two videos give is kept by the sha256 of both, so that an answer is found without decoding.
- An answer of another model than the one that was asked stops the run before anything is written.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import version
from typing import Any, ClassVar

import msgspec

from sparkle._cache import CacheDatabase
from sparkle.generation.backend import operational, require_choice, require_range
from sparkle.generation.backends.vlm.endpoint import Completion
from sparkle.generation.backends.vlm.openai import EndpointModel
from sparkle.generation.backends.vlm.questions import Question
from sparkle.generation.backends.vlm.reading import Repair
from sparkle.generation.judges.asking import (
    ANSWER_TOKENS,
    JOB,
    LETTERS_PER_TOKEN,
    AskingJudge,
    shape_of,
)
from sparkle.generation.judges.judge import JudgedEdit
from sparkle.generation.judges.showing import SHOWING_VERSION, Exhibits, show_frames, show_videos
from sparkle.generation.needs import Estimate
from sparkle.schemas.canonical import fingerprint, sha256_bytes
from sparkle.schemas.errors import AnswerError, RunError

FRAMES, VIDEO = "frames", "video"
VIDEO_SECONDS, TOKENS_PER_FRAME = 5, 258  # of a clip of 81 frames; of a frame for Gemini

_SHOWN = "CREATE TABLE IF NOT EXISTS shown (key TEXT PRIMARY KEY, shown TEXT) WITHOUT ROWID"


class _Noted(msgspec.Struct, frozen=True):
    """What is kept of what was shown."""

    hashes: list[str]
    captions: list[str]
    sent: str | None = None


@dataclass(frozen=True)
class _ShownQuestion(Question):
    """A question whose pictures are made when they are sent, and whose hashes may be known before."""

    make: Callable[[], Sequence[tuple[str, bytes]]] = field(default=tuple, kw_only=True)
    known: Sequence[str] = field(default=(), kw_only=True)

    @cached_property
    def attached(self) -> Sequence[tuple[str, bytes]]:
        """What goes with the words."""
        return self.make()

    @property
    def hashes(self) -> Sequence[str]:
        """Their sha256, as noted."""
        return self.known


@dataclass(kw_only=True)
class EndpointJudge(AskingJudge, EndpointModel):
    """Base of the judges behind an endpoint; `EndpointModel` has the options of how it is reached.

    Args:
        transport: `frames`: matched ones, with words; `video`: both files as they are.
        most_bytes: Of pictures or videos of a request; what is more is sent smaller, and the verdict says so.
        structured: Ask for an object by a schema, where the endpoint takes one.
        price_in: Of a million tokens of questions, in any currency; for `--max-cost`.
        price_out: Of a million tokens of answers.
        requests_per_minute: The most that are sent.
        tokens_per_minute: The most that they and their answers take.
    """

    capability: ClassVar[str] = "judge"

    transport: str = FRAMES
    most_bytes: int = 14_000_000  # base64 makes 19 MB of it; Gemini takes 20 in a request
    structured: bool = True
    price_in: float = operational(0.0)
    price_out: float = operational(0.0)
    requests_per_minute: float | None = operational(None)
    tokens_per_minute: float | None = operational(None)

    def __post_init__(self) -> None:
        super().__post_init__()
        require_choice(self, "transport", (FRAMES, VIDEO))
        require_range(self, "most_bytes", 100_000, 2_000_000_000)
        for rate in ("requests_per_minute", "tokens_per_minute"):
            if getattr(self, rate) is not None:
                require_range(self, rate, 0.001, 1e9)
        self.budget.price_in, self.budget.price_out = self.price_in, self.price_out
        self.budget.requests_per_minute = self.requests_per_minute
        self.budget.tokens_per_minute = self.tokens_per_minute
        self.accepted: str | None = None
        self._shown: CacheDatabase | None = None

    @property
    def table(self) -> str:
        """The judge's file, for errors."""
        return "the judge's file"

    @property
    def asks_for_shapes(self) -> bool:
        """As configured."""
        return self.structured

    @property
    def workers(self) -> int:
        """As many as are asked at once."""
        return self.concurrency

    @property
    def answers_as(self) -> str:
        """The model that was asked, or the one that is accepted in its place."""
        return self.accepted or self.model

    @property
    def most_tokens(self) -> int:
        """The longest answer."""
        return self.max_tokens

    def seconds(self) -> dict[str, Estimate]:
        """Return nothing: how long an endpoint takes is not known."""
        return {}

    def open_kept(self) -> None:
        """Open the cache."""
        self._shown = CacheDatabase("answers.sqlite", _SHOWN)
        self.open_cache()

    def setup(self, *, offline: bool = False) -> None:
        """Open the cache and, unless it is to do without, the client; nothing is sent."""
        self.open_kept()
        if not offline:
            super().setup()

    def accept(self, model: str) -> None:
        """Let a model answer in place of the one that is asked."""
        self.accepted = model

    def check(self, completion: Completion) -> None:
        """Stop where another model answers than the one whose verdicts these are."""
        if completion.model == self.answers_as:
            return
        again = f"--accept-model {completion.model} judges on under that name" if completion.model else None
        raise RunError(
            "another model answered than the one that was asked",
            got=completion.model or "the endpoint does not say which",
            wanted=self.answers_as,
            where=self.base_url,
            fix=again,
        )

    def knows(self, edit: JudgedEdit, repeat: int) -> bool:
        """Whether the answers are in the cache."""
        if self._noted(edit) is None:
            return False
        for attempt in (1, 2):
            question, _ = self.question(edit, repeat, attempt)
            found = self.find(question, self._context(repeat, attempt))
            if found is None:
                return False
            with suppress(AnswerError):
                self.read(*found, question)
                break
        return True

    @property
    def video_tokens(self) -> int:
        """About how many tokens two whole videos take: what Gemini's do, by its own choice of frames."""
        return 2 * VIDEO_SECONDS * TOKENS_PER_FRAME

    def tokens(self, edit: JudgedEdit) -> tuple[int, int, int]:
        """Return an estimate: tokens of question and answer, bytes of the request."""
        if self.transport == FRAMES:
            return super().tokens(edit)
        words = len(self.ask_words(edit, 1)) // LETTERS_PER_TOKEN
        size = sum(path.stat().st_size for path in (edit.source, edit.edited))
        return self.video_tokens + words, ANSWER_TOKENS, size * 4 // 3  # base64

    def question(self, edit: JudgedEdit, repeat: int, attempt: int) -> tuple[Question, str | None]:
        """Return what is asked of an edit; its pictures are made when they are sent."""
        made: list[Exhibits] = []

        def make() -> Exhibits:
            if not made:
                edit.require_unchanged()
                made.append(self.show(edit))
            return made[0]

        noted = self._noted(edit)
        if noted is None:
            shown = make()
            noted = _Noted([sha256_bytes(data) for _, data in shown.attached], shown.captions, shown.sent)
            self._note(edit, noted)
        question = _ShownQuestion(
            JOB,
            self.ask_words(edit, attempt),
            (),
            shape_of(self.rubric),
            self.seed + repeat - 1,
            edit.id,
            tuple(noted.captions),
            known=noted.hashes,
            make=lambda: make().attached,
        )
        return question, noted.sent

    def show(self, edit: JudgedEdit) -> Exhibits:
        """Return what goes with the question about an edit."""
        if self.transport == VIDEO:
            shown = show_videos(edit.source, edit.edited, most_bytes=self.most_bytes)
            if shown is not None:
                return shown
        shown = show_frames(
            edit.source,
            edit.edited,
            count=self.frames,
            width=self.width,
            most_bytes=self.most_bytes,
        )
        if self.transport == FRAMES:
            return shown
        sent = shown.sent or f"{self.frames} frames"
        return Exhibits(
            shown.attached, shown.captions, f"{sent}: the videos are more than {self.most_bytes:,} bytes"
        )

    def answer(
        self, question: Question, edit: JudgedEdit, repeat: int, attempt: int
    ) -> tuple[Completion, tuple[Repair, ...]]:
        """Ask, or find the answer in the cache."""
        return self.complete(question, self._context(repeat, attempt))

    def _context(self, repeat: int, attempt: int) -> dict[str, Any]:
        return {"answered": self.answers_as, "repeat": repeat, "attempt": attempt}

    # --- what videos were shown as

    def _noted(self, edit: JudgedEdit) -> _Noted | None:
        known = self._database().query("SELECT shown FROM shown WHERE key = ?", self._place(edit))
        return None if known is None else msgspec.json.decode(known, type=_Noted)

    def _note(self, edit: JudgedEdit, noted: _Noted) -> None:
        text = msgspec.json.encode(noted).decode()
        statement = "REPLACE INTO shown (key, shown) VALUES (?, ?)"
        self._database().query(statement, self._place(edit), text)

    def _database(self) -> CacheDatabase:
        if self._shown is None:
            raise RuntimeError("setup() comes before the first question")
        return self._shown

    def _place(self, edit: JudgedEdit) -> str:
        how = [self.transport, self.frames, self.width, self.most_bytes, SHOWING_VERSION, version("av")]
        return fingerprint([edit.source_sha256, edit.edited_sha256, *how])


@dataclass(kw_only=True)
class ChatJudge(EndpointJudge):
    """The judge `openai`; the base classes have its options."""

    kind: ClassVar[str] = "openai"
