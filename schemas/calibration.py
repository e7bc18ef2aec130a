"""A calibration: a monotone map per dimension, from what one judge says to what another one would.

- It is made of pairs of recorded verdicts on the same edits (`sparkle.builders.bench.calibration`) and holds
  for the one judge that it names. A judge that uses one says so in its setting `calibration`, which is no
  part of what is compared.
- Between two values a map is straight, and beyond the first and the last it stays.
"""

from __future__ import annotations

from bisect import bisect_right
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta
from msgspec.structs import replace

from sparkle.schemas.canonical import plain
from sparkle.schemas.errors import ConfigError, RecordError
from sparkle.schemas.load import load
from sparkle.schemas.records import Count, Record, Sha256, Text
from sparkle.schemas.rubric import Rubric
from sparkle.schemas.validate import MAX_LINE_BYTES, parse_strict
from sparkle.schemas.verdicts import JudgeIdentity

FORMAT: Literal["sparkle-calibration"] = "sparkle-calibration"
VERSION: Literal[1] = 1
SETTING = "calibration"  # of a judge that uses one

Knots = Annotated[tuple[float, ...], Meta(min_length=1)]


class Agreement(Record, frozen=True):
    """How far a judge's scores are from the reference's: mean absolute error, bias, quadratic kappa."""

    mae: float
    bias: float
    kappa: float | None = None


class Curve(Record, frozen=True, kw_only=True):
    """The map of one dimension.

    Attributes:
        measure: The measure that is mapped; None for the judge's own score of the dimension.
        given: Its values, ascending.
        meant: What the reference is expected to say at each of them, nowhere falling where it rises and the
            other way round.
        pairs, scenes: How many pairs it is made of, and of how many scenes they are.
        before: Agreement without the map; None of a measure, which is on no such scale.
        after: Agreement out of fold.
        spearman: Rank correlation of what is given and the reference.
        spearman_interval: Its interval of 95 %, over scenes.
    """

    measure: Text | None = None
    given: Knots
    meant: Knots
    pairs: Count
    scenes: Count
    before: Agreement | None = None
    after: Agreement
    spearman: float | None = None
    spearman_interval: tuple[float, float] | None = None

    def at(self, value: float) -> float:
        """Return what a value means."""
        place = bisect_right(self.given, value)
        if place in (0, len(self.given)):
            return self.meant[max(place - 1, 0)]
        low, high = self.given[place - 1], self.given[place]
        share = (value - low) / (high - low)
        return self.meant[place - 1] + share * (self.meant[place] - self.meant[place - 1])


class Calibration(Record, frozen=True, kw_only=True):
    """A file of a calibration.

    Attributes:
        rubric: Whose scale it is.
        judge: Who is calibrated.
        reference: To whom: a judge, or people.
        folds: In how many parts scenes were left out in turn.
        verdicts: sha256 of the files that it is made of: the judge's, then the reference's.
        dimensions: The maps, by key of the dimension.
    """

    format: Literal["sparkle-calibration"]
    version: Literal[1]
    rubric: Rubric
    judge: JudgeIdentity
    reference: JudgeIdentity
    folds: Count
    verdicts: tuple[tuple[Sha256, ...], tuple[Sha256, ...]]
    dimensions: dict[Text, Curve]

    def require(self, judge: JudgeIdentity, where: object) -> None:
        """Raise ConfigError for another judge than this is of."""
        if uncalibrated(judge) != self.judge:
            raise ConfigError(
                "a calibration of another judge",
                got=plain(self.judge),
                wanted=plain(uncalibrated(judge)),
                where=where,
                fix="make one of this judge's verdicts: sparkle bench calibrate",
            )


def uncalibrated(judge: JudgeIdentity) -> JudgeIdentity:
    """Return a judge as it is without a calibration."""
    settings = {name: value for name, value in (judge.settings or {}).items() if name != SETTING}
    return replace(judge, settings=settings or None)


def read_calibration(path: Path) -> Calibration:
    """Read a calibration.

    Raises:
        ConfigError: it cannot be read, or is none.
    """
    try:
        if path.exists() and not path.is_file():
            raise ConfigError("the calibration cannot be read", got="no plain file", where=path)
        with path.open("rb") as file:
            found = load(Calibration, parse_strict(file.read(MAX_LINE_BYTES + 1)))
    except OSError as error:
        raise ConfigError("the calibration cannot be read", got=error.strerror, where=path) from None
    except RecordError as error:
        where = f"{path}: {error.where}" if error.where else path
        problem = f"not a calibration: {error.problem}"
        raise ConfigError(problem, got=error.got, wanted=error.wanted, where=where) from None
    for key, curve in found.dimensions.items():
        rises = all(low < high for low, high in zip(curve.given, curve.given[1:], strict=False))
        if not rises or len(curve.given) != len(curve.meant):
            raise ConfigError("a calibration whose values do not rise", got=key, where=path)
    return found
