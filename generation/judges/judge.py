"""What a judge is: it is shown a source video and an edit of it, and says what it thinks of the edit.

- A judge is one file here and one line in the table of `sparkle.generation.judges`. Its class is a dataclass
  whose fields are the options of its file; those made by `operational` decide how it works, not what it says.
- What it says is an `Opinion`. `Failed` is one without scores: the judge's fault, never a score.
- Its identity is everything that decides its answers, and who answered. Verdicts of two identities are never
  in one file.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from sparkle.generation.backend import decisive_options
from sparkle.generation.backends.vlm.budget import Budget
from sparkle.schemas.canonical import canonical_json, sha256_file
from sparkle.schemas.errors import RunError
from sparkle.schemas.rubric import Rubric
from sparkle.schemas.verdicts import JudgeIdentity, Score, Setting


@dataclass(frozen=True)
class JudgedEdit:
    """What is judged.

    Attributes:
        bench: The bench's revision.
        id: The sample of the bench.
        prompt: The instruction.
        source: The source video.
        edited: A model's edit of it.
        source_sha256: Of the source's bytes, as they were when judging began.
        edited_sha256: Of the edit's.
        masks: The subject's masks, npz; None where the bench has none.
    """

    bench: str
    id: str
    prompt: str
    source: Path
    edited: Path
    source_sha256: str
    edited_sha256: str
    masks: Path | None = None

    def require_unchanged(self) -> None:
        """Raise RunError where a video is not what it was."""
        for path, before in ((self.source, self.source_sha256), (self.edited, self.edited_sha256)):
            if sha256_file(path) != before:
                raise RunError(
                    "a video was changed while it was judged",
                    where=path,
                    fix="run the same command again: it judges what is there now",
                )


@dataclass(frozen=True, kw_only=True)
class Opinion:
    """What a judge says of an edit; the fields are those of a verdict.

    Attributes:
        raw: The scores as they were given; None where the judge failed.
        reason: Why it did.
        answer: Its words.
        repairs: What was mended in them.
        measures: What it measured.
        finish_reason: Why it stopped.
        attempts: How many answers it took; 0 where none came, so that another run asks again.
        usage: Tokens of all of them.
        system_fingerprint: Of the endpoint that answered.
        sent: What was sent in place of what the judge's settings say.
    """

    raw: tuple[Score, ...] | None = None
    reason: str | None = None
    answer: str | None = None
    repairs: tuple[str, ...] | None = None
    measures: dict[str, float] | None = None
    finish_reason: str | None = None
    attempts: int | None = None
    usage: dict[str, int] | None = None
    system_fingerprint: str | None = None
    sent: str | None = None


class Judge(Protocol):
    """What every judge has.

    Attributes:
        budget: What it may ask; a judge that asks nobody does not look at it.
    """

    budget: Budget

    @property
    def rubric(self) -> Rubric:
        """What it judges by."""
        ...

    @property
    def repeats(self) -> int:
        """How often it judges each edit, unless that is said."""
        ...

    @property
    def workers(self) -> int:
        """How many edits are judged at once."""
        ...

    @property
    def who(self) -> JudgeIdentity:
        """Who it is; known without loading anything."""
        ...

    def accept(self, model: str) -> None:
        """Let a model answer in place of the one that is asked.

        Raises:
            ConfigError: no other can answer.
        """
        ...

    def open_kept(self) -> None:
        """Open the answers that are kept: enough for a plan, and nothing is loaded."""
        ...

    def setup(self, *, offline: bool) -> None:
        """Load what it needs; offline it answers from what is kept, and asks nobody."""
        ...

    def knows(self, edit: JudgedEdit, repeat: int) -> bool:
        """Whether it can answer without asking."""
        ...

    def tokens(self, edit: JudgedEdit) -> tuple[int, int, int]:
        """Return about how many tokens question and answer take, and bytes the request."""
        ...

    def judge(self, edit: JudgedEdit, repeat: int) -> Opinion:
        """Judge an edit.

        Raises:
            SampleError: it cannot, this time.
            SparkleError: it cannot go on.
        """
        ...


def settings_of(judge: Any, **others: Setting) -> dict[str, Setting]:
    """Return what decides a judge's answers: its options but those of how it works, and others."""
    values = {field.name: getattr(judge, field.name) for field in dataclasses.fields(judge)}
    found = {**decisive_options(judge, values), **others}
    return {name: _setting(value) for name, value in sorted(found.items()) if value not in (None, "", {}, ())}


def _setting(value: Any) -> Setting:
    return value if isinstance(value, str | int | float | bool) else canonical_json(value).decode()
