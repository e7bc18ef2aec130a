"""The judge `human`: people, by what they saved on the page of `sparkle bench review`.

- A rater is a repeat: raters are numbered by their names. Who has not rated an edit says nothing of it.
- Ratings by another rubric or outside of the scale, and two of one rater on one edit that differ, are errors
  with file and line; so are ratings of another bench alone. Those of other models' edits are passed over: one
  page may have the edits of several.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar

from sparkle._files import read_jsonl
from sparkle.generation.backend import operational
from sparkle.generation.backends.vlm.budget import Budget
from sparkle.generation.backends.vlm.openai import NotKeptError
from sparkle.generation.judges.judge import JudgedEdit, Opinion
from sparkle.schemas.errors import ConfigError, RecordError
from sparkle.schemas.load import load
from sparkle.schemas.ratings import Rating, edit_token
from sparkle.schemas.rubric import SPARKLE_6, Rubric
from sparkle.schemas.verdicts import JudgeIdentity

_MOST_BYTES = 1 << 26  # ten thousand ratings are about 3 MB


@dataclass(kw_only=True)
class HumanJudge:
    """The judge `human`.

    Args:
        ratings: The files that raters saved.
    """

    kind: ClassVar[str] = "human"

    ratings: tuple[str, ...] = operational()

    def __post_init__(self) -> None:
        self.budget = Budget()
        if not self.ratings:
            fix = "sparkle bench review makes the page on which they are made; --ratings names what it saved"
            raise ConfigError("there are no ratings", wanted="at least one file", fix=fix)

    @property
    def rubric(self) -> Rubric:
        """Upstream's six dimensions."""
        return SPARKLE_6

    @property
    def who(self) -> JudgeIdentity:
        """People; which ones say the repeats."""
        return JudgeIdentity("people", self.kind)

    @property
    def repeats(self) -> int:
        """One per rater."""
        return len(self._raters)

    @property
    def workers(self) -> int:
        """Nothing is to be done."""
        return 1

    @cached_property
    def _lines(self) -> list[tuple[str, Rating]]:
        return [line for path in self.ratings for line in self._read(Path(path))]

    @cached_property
    def _raters(self) -> list[str]:
        return sorted({rating.rater for _, rating in self._lines})

    @cached_property
    def _benches(self) -> set[str]:
        return {rating.bench for _, rating in self._lines}

    @cached_property
    def _found(self) -> dict[tuple[str, str], Rating]:
        found: dict[tuple[str, str], Rating] = {}
        for where, rating in self._lines:
            earlier = found.setdefault((rating.rater, rating.edit), rating)
            if earlier.raw != rating.raw:
                raise ConfigError(
                    "one rater has rated an edit twice, and differently",
                    got=f"{list(earlier.raw)} and {list(rating.raw)}",
                    where=where,
                    fix="leave out the file that was saved before",
                )
        return found

    def _read(self, path: Path) -> Iterator[tuple[str, Rating]]:
        lowest, highest, count = self.rubric.lowest, self.rubric.highest, len(self.rubric.dimensions)
        try:
            if path.stat().st_size > _MOST_BYTES:
                wanted = f"at most {_MOST_BYTES:,} bytes"
                raise ConfigError("the file is too large for ratings", wanted=wanted, where=path)
            for number, value in read_jsonl(path):
                where = f"{path}:{number}"
                rating = load(Rating, value, f"{where} ")
                if rating.rubric != self.rubric.name or len(rating.raw) != count:
                    wanted = f"{count} scores by {self.rubric.name}"
                    raise ConfigError(
                        "ratings by another rubric", got=rating.rubric, wanted=wanted, where=where
                    )
                if not all(lowest <= score <= highest for score in rating.raw):
                    wanted = f"{lowest} to {highest}"
                    got = list(rating.raw)
                    raise ConfigError("a rating outside of the scale", got=got, wanted=wanted, where=where)
                yield where, rating
        except OSError as error:
            raise ConfigError("the ratings cannot be read", got=error.strerror, where=path) from None
        except RecordError as error:
            raise ConfigError(
                f"not ratings: {error.problem}", got=error.got, wanted=error.wanted, where=error.where
            ) from None

    def accept(self, model: str) -> None:
        """Refuse: nobody is asked."""
        raise ConfigError("no model can answer", got=model, wanted="a judge that asks one")

    def open_kept(self) -> None:
        """Read the ratings."""
        _ = self._found

    def setup(self, *, offline: bool = False) -> None:
        """Read the ratings."""
        self.open_kept()

    def knows(self, edit: JudgedEdit, repeat: int) -> bool:
        """Whether this rater has rated it."""
        return self._rating(edit, repeat) is not None

    def tokens(self, edit: JudgedEdit) -> tuple[int, int, int]:
        """Return zeros: nothing is sent."""
        return 0, 0, 0

    def judge(self, edit: JudgedEdit, repeat: int) -> Opinion:
        """Return what a rater has said."""
        rating = self._rating(edit, repeat)
        if rating is None:
            raise NotKeptError("nobody has rated the edit", where=edit.id)
        return Opinion(raw=rating.raw, answer=rating.note)

    def _rating(self, edit: JudgedEdit, repeat: int) -> Rating | None:
        if repeat > len(self._raters):
            return None
        if edit.bench not in self._benches:
            raise ConfigError(
                "ratings of another bench, or of another revision of it",
                got=", ".join(sorted(self._benches)) or "none",
                wanted=edit.bench,
                where=", ".join(self.ratings),
            )
        token = edit_token(edit.bench, edit.id, edit.edited_sha256)
        return self._found.get((self._raters[repeat - 1], token))
