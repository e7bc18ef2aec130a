"""Which of the kept samples a release takes: themes, ids from files, ids left out, a core set.

- A file of ids has one id a line. A file of verdicts, as a previewer writes it, has JSON lines with `id` and
  `verdict`: an id whose last verdict is "drop" is left out; "keep" takes a drop back, "note" changes nothing.
- A bad line or an unknown id is an error with file and line: an id that was mistyped must not stay in.
- What is published of a selection is its content: ids, never the files that they came from.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
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
    min_scores: Mapping[str, float] | None = None,
    max_scores: Mapping[str, float] | None = None,
    themes: Sequence[str] = (),
    ids: Collection[str] | None = None,
    exclude: Collection[str] = (),
    core: int | None = None,
) -> Selection | None:
    """Make a selection; None when nothing is chosen.

    Args:
        min_scores: Limits of `LOWER`, by name.
        max_scores: Limits of `UPPER`, by name.
        themes: Names of themes.
        ids: Ids to take; of a mapping, the values say where each was named.
        exclude: Ids to leave out, likewise.
        core: Size of the core set.

    Raises:
        ConfigError: there is no such limit or theme, or a number is invalid.
        RecordError: an id is invalid.
    """
    limits = {**_checked(min_scores or {}, LOWER), **_checked(max_scores or {}, UPPER)}
    unknown = sorted(set(themes) - set(THEMES))
    if unknown:
        raise ConfigError("unknown theme", got=", ".join(unknown), wanted=f"some of {', '.join(THEMES)}")
    if core is not None and core < 1:
        raise ConfigError("invalid core", got=core, wanted="1 or more")
    places: dict[str, str] = {}
    for named in (ids or (), exclude):
        if isinstance(named, Mapping):
            places |= named
    for sample_id in (*(ids or ()), *exclude):
        _require_id(sample_id, places.get(sample_id))
    chosen = Selection(
        thresholds=limits,
        themes=tuple(themes),
        ids=None if ids is None else tuple(ids),
        exclude=tuple(exclude),
        core=core,
        places=places,
    )
    return None if chosen == Selection() else chosen


def read_ids(path: Path) -> dict[str, str]:
    """Return the ids of a file with one id per line, each with file:line.

    Raises:
        ConfigError: the file cannot be read.
        RecordError: a line is not an id; the error names file and line.
    """
    return {_require_id(line.decode("utf-8", "replace"), where): where for where, line in _lines(path)}


def read_dropped(path: Path) -> dict[str, str]:
    """Return the ids that a file of ids or of verdicts leaves out, each with file:line.

    Raises:
        ConfigError: the file cannot be read.
        RecordError: a line is neither an id nor a verdict; the error names file and line.
    """
    dropped: dict[str, str] = {}
    for where, line in _lines(path):
        if not line.startswith(b"{"):
            dropped[_require_id(line.decode("utf-8", "replace"), where)] = where
            continue
        sample_id, verdict = _verdict(line, where)
        if verdict == _DROP:
            dropped[sample_id] = where
        elif verdict == _KEEP:
            dropped.pop(sample_id, None)
    return dropped


def _checked(limits: Mapping[str, float], names: tuple[str, ...]) -> Mapping[str, float]:
    for name, number in limits.items():
        if name not in names or not math.isfinite(number):
            raise ConfigError(
                "not a limit", got=f"{name}={number}", wanted=f"a number for {', '.join(names)}"
            )
    return limits


def _verdict(line: bytes, where: str) -> tuple[str, str]:
    wanted = f'{{"id": ..., "verdict": "{_DROP}", "{_KEEP}" or "{_NOTE}"}}'
    try:
        value = parse_strict(line)
    except RecordError as error:
        raise RecordError(error.problem, got=error.got, wanted=wanted, where=where) from None
    sample_id, verdict = (value.get(key) for key in ("id", "verdict"))
    if not isinstance(sample_id, str) or verdict not in (_DROP, _KEEP, _NOTE):
        raise RecordError("not a verdict", got=line.decode()[:80], wanted=wanted, where=where)
    return _require_id(sample_id, where), verdict


def _lines(path: Path) -> Iterator[tuple[str, bytes]]:
    """Yield (file:line, line without its end)."""
    try:
        lines = path.read_bytes().splitlines(keepends=False)
    except OSError as error:
        raise ConfigError("the file cannot be read", got=error.strerror, where=path) from None
    for number, line in enumerate(lines, 1):
        yield f"{path}:{number}", line


def _require_id(sample_id: str, where: str | None) -> str:
    try:
        parse_id(sample_id)
    except RecordError as error:
        raise RecordError(error.problem, got=error.got, wanted=error.wanted, where=where) from None
    return sample_id
