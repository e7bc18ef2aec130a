"""Which of the kept samples a release takes: themes, ids from files, ids left out, a core set.

- A file of ids has one id a line. A file of verdicts, as a previewer writes it, has JSON lines with `id` and
  `verdict`: an id whose last verdict is "drop" is left out; "keep" takes a drop back, "note" changes nothing.
- A bad line or an unknown id is an error with file and line: an id that was mistyped must not stay in.
- What is published of a selection is its content: ids, never the files that they came from.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any

from sparkle.schemas.errors import ConfigError, RecordError
from sparkle.schemas.ids import THEMES, parse_id, theme_of
from sparkle.schemas.validate import parse_strict

_DROP, _KEEP, _NOTE = "drop", "keep", "note"

# Thresholds by what they ask of a sample: at least so much, or at most.
LOWER = (
    "edited_frame0",
    "foreground_removed",
    "edited_video",
    "mask_coverage_min",
    "background_motion",
    "foreground_psnr",
)
UPPER = ("camera_short", "camera_long", "mask_coverage_max")


@dataclass(frozen=True)
class Selection:
    """What a release takes of the samples that its runs hold.

    Attributes:
        thresholds: Limits that differ from those that the runs recorded, by name.
        themes: Themes to take; all when empty.
        ids: Ids to take; None for all.
        exclude: Ids to leave out.
        core: How many samples the core set has; None for everything.
        places: Where an id was named, as file:line, for errors; not published.
    """

    thresholds: dict[str, float] = field(default_factory=dict)
    themes: tuple[str, ...] = ()
    ids: tuple[str, ...] | None = None
    exclude: tuple[str, ...] = ()
    core: int | None = None
    places: dict[str, str] = field(default_factory=dict, compare=False)

    def to_json(self) -> dict[str, Any]:
        """What was chosen, in an order that does not depend on how it was said; the rest left out."""
        values = {
            "thresholds": dict(sorted(self.thresholds.items())),
            "themes": sorted(set(self.themes), key=THEMES.index),
            "ids": None if self.ids is None else sorted(set(self.ids)),
            "exclude": sorted(set(self.exclude)),
            "core": self.core,
        }
        return {name: value for name, value in values.items() if value}

    def takes(self, sample_id: str) -> bool:
        """Whether a sample is chosen, the core set aside."""
        return (
            (not self.themes or theme_of(sample_id) in self.themes)
            and (self.ids is None or sample_id in self._wanted)
            and sample_id not in self._unwanted
        )

    def check_known(self, known: Collection[str]) -> None:
        """Raise RecordError for an id that no candidate of the runs has."""
        for sample_id in (*(self.ids or ()), *self.exclude):
            if sample_id not in known:
                raise RecordError(
                    "an id that none of the runs has",
                    got=sample_id,
                    wanted="the id of a candidate",
                    where=self.places.get(sample_id),
                )

    @cached_property
    def _wanted(self) -> frozenset[str]:
        return frozenset(self.ids or ())

    @cached_property
    def _unwanted(self) -> frozenset[str]:
        return frozenset(self.exclude)


def make_selection(
    *,
    at_least: Sequence[str] = (),
    at_most: Sequence[str] = (),
    themes: Sequence[str] = (),
    ids_from: Path | None = None,
    exclude: Path | None = None,
    core: int | None = None,
) -> Selection | None:
    """A selection as a command line says it; None when it says nothing.

    Args:
        at_least: `NAME=NUMBER` of `LOWER`.
        at_most: `NAME=NUMBER` of `UPPER`.
        themes: Names of themes.
        ids_from: A file of ids to take.
        exclude: A file of ids, or of verdicts, to leave out.
        core: Size of the core set.

    Raises:
        ConfigError: a limit is not one.
        RecordError: a line of a file is bad; the error names file and line.
    """
    wanted = None if ids_from is None else dict(_ids(ids_from))
    unwanted = {} if exclude is None else _dropped(exclude)
    chosen = Selection(
        thresholds=dict(
            chain((_limit(text, LOWER) for text in at_least), (_limit(text, UPPER) for text in at_most))
        ),
        themes=tuple(themes),
        ids=None if wanted is None else tuple(wanted),
        exclude=tuple(unwanted),
        core=core,
        places={**(wanted or {}), **unwanted},
    )
    return None if chosen == Selection() else chosen


def _limit(text: str, names: tuple[str, ...]) -> tuple[str, float]:
    name, equals, digits = text.partition("=")
    try:
        number = float(digits)
    except ValueError:
        number = math.nan
    if name not in names or not equals or not math.isfinite(number):
        raise ConfigError("not a limit", got=repr(text), wanted=f"NAME=NUMBER of {', '.join(names)}")
    return name, number


def _ids(path: Path) -> Iterator[tuple[str, str]]:
    """Yield (id, file:line) of a file with an id a line."""
    for where, line in _lines(path):
        yield _checked(line.decode("utf-8", "replace"), where), where


def _dropped(path: Path) -> dict[str, str]:
    """The ids that a file of ids or of verdicts leaves out, each with file:line."""
    dropped: dict[str, str] = {}
    for where, line in _lines(path):
        if not line.startswith(b"{"):
            dropped[_checked(line.decode("utf-8", "replace"), where)] = where
            continue
        sample_id, verdict = _verdict(line, where)
        if verdict == _DROP:
            dropped[sample_id] = where
        elif verdict == _KEEP:
            dropped.pop(sample_id, None)
    return dropped


def _verdict(line: bytes, where: str) -> tuple[str, str]:
    wanted = f'{{"id": ..., "verdict": "{_DROP}", "{_KEEP}" or "{_NOTE}"}}'
    try:
        value = parse_strict(line)
    except RecordError as error:
        raise RecordError(error.problem, got=error.got, wanted=wanted, where=where) from None
    sample_id, verdict = (value.get(key) for key in ("id", "verdict"))
    if not isinstance(sample_id, str) or verdict not in (_DROP, _KEEP, _NOTE):
        raise RecordError("not a verdict", got=line.decode()[:80], wanted=wanted, where=where)
    return _checked(sample_id, where), verdict


def _lines(path: Path) -> Iterator[tuple[str, bytes]]:
    """Yield (file:line, line without its end)."""
    try:
        lines = path.read_bytes().splitlines(keepends=False)
    except OSError as error:
        raise ConfigError("the file cannot be read", got=error.strerror, where=path) from None
    for number, line in enumerate(lines, 1):
        yield f"{path}:{number}", line


def _checked(sample_id: str, where: str) -> str:
    try:
        parse_id(sample_id)
    except RecordError as error:
        raise RecordError(error.problem, got=error.got, wanted=error.wanted, where=where) from None
    return sample_id
