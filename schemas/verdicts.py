"""A file of verdicts: what one judge said of one model's edits of a bench, and by which rubric.

- The first line is a `VerdictsHead`, each further one a `Verdict`. A judge appends as it goes; the whole file
  is sorted by id and repeat, so that the same verdicts have the same bytes.
- A report is made of such files alone. Those of other judges' programs are imported
  (`sparkle.builders.bench.foreign`).
- `missing` and `unusable` are the model's fault (there is no edit, or none that can be judged), `failed` the
  judge's. None of them is a score.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from sparkle.schemas.canonical import fingerprint, plain
from sparkle.schemas.records import Count, Record, Sha256, Text
from sparkle.schemas.rubric import Rubric

Status = Literal["ok", "failed", "missing", "unusable"]
OF_THE_MODEL: tuple[Status, ...] = ("missing", "unusable")

# Models that are none; a report of a bench of ours should have them beside the others.
BASELINES = ("source", "frozen", "copy_paste", "classical")

Setting = str | int | float | bool
Score = int | float | None  # None for a dimension that the judge cannot say


class BenchIdentity(Record, frozen=True):
    """Which bench: its name, a hash of what is in it, and how many samples each theme has."""

    name: Text
    revision: Sha256
    expected: dict[Text, Count]


class JudgeIdentity(Record, frozen=True):
    """Who judged: the model that answered, what kind of judge it was, and all that decides its answers."""

    name: Text
    kind: Text
    settings: dict[str, Setting] | None = None


class VerdictsHead(Record, frozen=True, kw_only=True):
    """The first line of a file of verdicts."""

    format: Literal["sparkle-verdicts"]
    version: Literal[1]
    model: Text
    bench: BenchIdentity
    rubric: Rubric
    judge: JudgeIdentity

    def table(self) -> str:
        """Return what files must have in common to stand in one table: bench, rubric and judge."""
        same = [self.bench.revision, plain(self.bench.expected), plain(self.rubric), plain(self.judge)]
        return fingerprint(same)


class Verdict(Record, frozen=True, kw_only=True):
    """What a judge said of one edit.

    Attributes:
        id: The sample of the bench.
        theme, subtheme, scene: Where it belongs; an empty scene is one of its own.
        repeat: Which time the judge was asked, from 1; a rater's number where people judge.
        status: Whether there are scores, and whose fault it is where there are none.
        reason: Why there are none.
        raw: Scores as they were given, one per dimension.
        scores: Scores as they count: capped where the rubric does.
        prompt: The instruction.
        answer: The judge's words.
        repairs: What was mended in them.
        measures: What was measured, by name: a judge that measures can say it without a calibration.
        source, edited: sha256 of the clips that were judged.
        finish_reason, attempts, usage, system_fingerprint: How the answer came. After 0 attempts the judge is
            asked again by the next run: it could not answer.
        sent: What it was sent, where that is not what its settings say.
    """

    id: Text
    theme: Text
    subtheme: str
    scene: str
    repeat: Annotated[int, Meta(ge=1)]
    status: Status
    reason: Text | None = None
    raw: tuple[Score, ...] | None = None
    scores: tuple[Score, ...] | None = None
    prompt: str | None = None
    answer: str | None = None
    repairs: tuple[str, ...] | None = None
    measures: dict[Text, float] | None = None
    source: Sha256 | None = None
    edited: Sha256 | None = None
    finish_reason: str | None = None
    attempts: Count | None = None
    usage: dict[str, Count] | None = None
    system_fingerprint: str | None = None
    sent: str | None = None
