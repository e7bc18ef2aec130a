"""Which of the kept samples a release takes: themes, ids from files, ids left out, a core set.

- A file of ids has one id per line. A file of verdicts, as a previewer writes it, has JSON lines with `id`
  and `verdict`: an id whose last one is "drop" is left out; "keep" takes a drop back, "note" changes nothing.
- Ids are numbers of a run. A verdict also has the sha256 of the `source` that was seen, so that it never
  falls on another run's clip.
- A bad line, an unknown id or another source is an error with file and line: a mistyped id must not stay in.
- What is published of a selection is its content: ids, never the files that they came from.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from sparkle.schemas.errors import ConfigError, RecordError
from sparkle.schemas.ids import THEMES, parse_id, theme_of
from sparkle.schemas.validate import parse_strict

_DROP, _KEEP, _NOTE = "drop", "keep", "note"
_SHA256 = re.compile(r"[0-9a-f]{64}")

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


class Mention(NamedTuple):
    """Where an id was named, as file:line, and which source was meant: its sha256, None where any is."""

    where: str
    source: str | None = None


@dataclass(frozen=True)
class Selection:
    """What a release takes of the samples that its runs hold.

    Attributes:
        thresholds: Limits that differ from those that the runs recorded, by name.
        themes: Themes to take; all when empty.
        ids: Ids to take; None for all.
        exclude: Ids to leave out.
        core: How many samples the core set has; None for everything.
        mentions: Where an id was named, and of which source; not published.
    """

    thresholds: dict[str, float] = field(default_factory=dict)
    themes: tuple[str, ...] = ()
    ids: tuple[str, ...] | None = None
    exclude: tuple[str, ...] = ()
    core: int | None = None
    mentions: Mapping[str, Mention] = field(default_factory=dict, compare=False)

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

    def why_not(self, sample_id: str) -> str | None:
        """Return why a sample is left out, the core set aside; None where it is taken."""
        if self.themes and theme_of(sample_id) not in self.themes:
            return "of other themes"
        if self.ids is not None and sample_id not in self._wanted:
            return "not among the ids"
        return "excluded" if sample_id in self._unwanted else None

    def check_known(self, sources: Mapping[str, str]) -> None:
        """Raise RecordError for an id that no candidate has, or that means another clip.

        Args:
            sources: Sha256 of the source of every candidate of the runs, by id.
        """
        for sample_id in (*(self.ids or ()), *self.exclude):
            mention = self.mentions.get(sample_id)
            where = mention and mention.where
            if sample_id not in sources:
                raise RecordError(
                    "an id that none of the runs has",
                    got=sample_id,
                    wanted="the id of a candidate",
                    where=where,
                )
            if mention and mention.source not in (None, sources[sample_id]):
                raise RecordError(
                    "a verdict on another run's clip: its id means another source here",
                    got=f"{sample_id} of source {mention.source}",
                    wanted=f"source {sources[sample_id]}",
                    where=where,
                    fix="take the verdicts that were given on a release of these runs",
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
        ids: Ids to take; of a mapping, the values say where each was named (text, or a `Mention`).
        exclude: Ids to leave out, likewise.
        core: Size of the core set.

    Raises:
        ConfigError: there is no such limit or theme, or a number is invalid.
        RecordError: an id is invalid.
    """
    limits = {**_checked(min_scores or {}, LOWER), **_checked(max_scores or {}, UPPER)}
    themes = (themes,) if isinstance(themes, str) else themes
    unknown = sorted(set(themes) - set(THEMES))
    if unknown:
        raise ConfigError("unknown theme", got=", ".join(unknown), wanted=f"some of {', '.join(THEMES)}")
    if core is not None and core < 1:
        raise ConfigError("invalid core", got=core, wanted="1 or more")
    mentions: dict[str, Mention] = {}
    for named in (ids or (), exclude):
        for sample_id in named:
            if isinstance(named, Mapping):
                value = named[sample_id]
                mentions[sample_id] = value if isinstance(value, Mention) else Mention(value)
            _require_id(sample_id, mentions[sample_id].where if sample_id in mentions else None)
    chosen = Selection(
        thresholds=limits,
        themes=tuple(themes),
        ids=None if ids is None else tuple(ids),
        exclude=tuple(exclude),
        core=core,
        mentions=mentions,
    )
    return None if chosen == Selection() else chosen


def read_ids(path: Path) -> dict[str, Mention]:
    """Return the ids of a file with one id per line, each with where it is.

    Raises:
        ConfigError: the file cannot be read.
        RecordError: a line is not an id; the error names file and line.
    """
    return {
        _require_id(line.decode("utf-8", "replace"), where): Mention(where) for where, line in _lines(path)
    }


def read_dropped(path: Path) -> dict[str, Mention]:
    """Return the ids that a file of ids or of verdicts leaves out, with where each is and its clip.

    Raises:
        ConfigError: the file cannot be read.
        RecordError: a line is neither an id nor a verdict; the error names file and line.
    """
    dropped: dict[str, Mention] = {}
    for where, line in _lines(path):
        if not line.startswith(b"{"):
            dropped[_require_id(line.decode("utf-8", "replace"), where)] = Mention(where)
            continue
        sample_id, verdict, source = _verdict(line, where)
        if verdict == _DROP:
            dropped[sample_id] = Mention(where, source)
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


def _verdict(line: bytes, where: str) -> tuple[str, str, str | None]:
    wanted = f'{{"id": ..., "verdict": "{_DROP}", "{_KEEP}" or "{_NOTE}", "source"?: sha256}}'
    try:
        value = parse_strict(line)
    except RecordError as error:
        raise RecordError(error.problem, got=error.got, wanted=wanted, where=where) from None
    sample_id, verdict, source = (value.get(key) for key in ("id", "verdict", "source"))
    known = source is None or (isinstance(source, str) and _SHA256.fullmatch(source))
    if not isinstance(sample_id, str) or verdict not in (_DROP, _KEEP, _NOTE) or not known:
        raise RecordError("not a verdict", got=line.decode()[:80], wanted=wanted, where=where)
    return _require_id(sample_id, where), verdict, source


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
