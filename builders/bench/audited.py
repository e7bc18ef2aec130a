"""What an audit's file says of judges, and the bars that they must reach."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, TypeVar

from sparkle._files import read_document
from sparkle.schemas.canonical import fingerprint, plain
from sparkle.schemas.errors import RecordError, ReleaseError
from sparkle.schemas.load import load
from sparkle.schemas.records import Count, Record, Sha256, Text
from sparkle.schemas.rubric import Rubric
from sparkle.schemas.validate import parse_strict
from sparkle.schemas.verdicts import JudgeIdentity, VerdictsHead

FORMAT: Literal["sparkle-bench-audit"] = "sparkle-bench-audit"
VERSION: Literal[1] = 1
AUDIT = "audit.json"

T = TypeVar("T")


class Bars(Record, frozen=True, kw_only=True):
    """What a judge must reach. Who answers by chance has Spearman 0, AUC .5 and leak 1.

    Attributes:
        spearman, auc: At least, of each damage.
        samples: At least, in which a damage is judged.
        leak: At most, of a dimension.
        failed: At most, of all verdicts.
        checks: At least, of samples in which what is no edit is not taken for one.
    """

    spearman: float
    auc: float
    samples: int
    leak: float
    failed: float
    checks: float


BARS = Bars(spearman=0.5, auc=0.75, samples=3, leak=0.8, failed=0.05, checks=0.9)


class Response(Record, frozen=True, kw_only=True):
    """How a judge answers to damage of one dimension.

    Attributes:
        samples: In how many samples it is judged.
        spearman: Rank correlation of strength and how far the score fell.
        interval: Its interval of 95 %, over scenes.
        auc: How likely an untouched edit scores above one that is harmed most.
        leak: How far the other dimensions fell, as a share of how far this one did.
        fell: By how much each dimension fell at the strongest grade.
    """

    samples: Count
    spearman: float | None = None
    interval: tuple[float | None, float | None] | None = None
    auc: float | None = None
    leak: float | None = None
    fell: dict[str, float | None]


class DamageSeen(Record, frozen=True):
    """How a judge answers to one damage, and which dimension that harms."""

    dimension: Text
    response: Response


class Fitness(Record, frozen=True):
    """Whether a judge is fit for a dimension, why not, and how it answers to all damage of it."""

    fit: bool
    reasons: tuple[Text, ...]
    response: Response | None = None


class Check(Record, frozen=True):
    """In how many samples a judge passes a check."""

    passed: Count
    of: Count

    @property
    def share(self) -> float | None:
        """The share of samples; None of none."""
        return self.passed / self.of if self.of else None


class RepeatSpread(Record, frozen=True):
    """How much raw scores differ when a judge is asked again: of how many clips, sd, share that moved."""

    clips: Count
    sd: dict[str, float | None]
    moved: float


class JudgeAudit(Record, frozen=True, kw_only=True):
    """An audit of one judge.

    Attributes:
        judge, rubric: Who, and by what.
        verdicts: sha256 of its files, by control.
        not_judged: Controls without a file.
        asked: How many verdicts there are.
        failed: How many of them have no readable answer.
        reasons: Why verdicts have no scores, commonest first.
        checks: `source` has the lowest Instruction Compliance, `swapped` less than the untouched edit, and in
            `twice` the subject scores at least as much as there.
        repeats: None for one repeat.
        damages, dimensions: What it can see.
    """

    judge: JudgeIdentity
    rubric: Rubric
    verdicts: dict[str, Sha256]
    not_judged: tuple[Text, ...]
    asked: Count
    failed: Count
    reasons: dict[str, Count]
    checks: dict[str, Check]
    repeats: RepeatSpread | None = None
    damages: dict[str, DamageSeen]
    dimensions: dict[str, Fitness]

    @property
    def unfit(self) -> list[str]:
        """The dimensions that it is not fit for, as columns are called."""
        return [
            dimension.short for dimension in self.rubric.dimensions if not self.dimensions[dimension.key].fit
        ]


class Audit(Record, frozen=True, kw_only=True):
    """An audit's file.

    Attributes:
        made_of: The revision of the bench that the controls are of.
        seed, samples: Of the controls.
        bars: What judges must reach.
        judges: The judges.
    """

    format: Literal["sparkle-bench-audit"]
    version: Literal[1]
    made_of: Sha256
    seed: int
    samples: tuple[Text, ...]
    bars: Bars
    judges: tuple[JudgeAudit, ...]


def judge_key(head: VerdictsHead | JudgeAudit) -> str:
    """What files of verdicts and audits have in common when they are of the same judge."""
    return fingerprint([plain(head.judge), plain(head.rubric)])


def read_audit(path: Path) -> Audit:
    """Read an audit's file, or that of its folder.

    Raises:
        ReleaseError: it cannot be read, or is none.
    """
    path = path / AUDIT if path.is_dir() else path
    found = read_as(Audit, path, "an audit")
    for judge in found.judges:
        keys = {dimension.key for dimension in judge.rubric.dimensions}
        if judge.dimensions.keys() != keys:
            got, wanted = ", ".join(judge.dimensions), ", ".join(sorted(keys))
            problem = "not an audit: its dimensions are not those of the rubric"
            raise ReleaseError(problem, got=got, wanted=wanted, where=path)
    return found


def read_as(kind: type[T], path: Path, what: str) -> T:
    """Read a JSON document of a kind.

    Raises:
        ReleaseError: it cannot be read, or is something else.
    """
    try:
        return load(kind, parse_strict(read_document(path)))
    except OSError as error:
        raise ReleaseError(f"{what} cannot be read", got=error.strerror, where=path) from None
    except RecordError as error:
        where = f"{path}: {error.where}" if error.where else path
        problem = f"not {what}: {error.problem}"
        raise ReleaseError(problem, got=error.got, wanted=error.wanted, where=where) from None
