"""Themes and sample ids.

- A theme is one of the five of the public Sparkle release (upstream card).
- A sample id is `Sparkle_<theme>_<index:06d>`. It is given to a candidate before any filter, so the
  ids of a release are sparse, and it is never given twice.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from sparkle.schemas.errors import RecordError

THEMES: tuple[str, ...] = ("location", "season", "time", "style", "openve3m")
TAXONOMY_THEMES: tuple[str, ...] = THEMES[:4]  # openve3m has free prompts and no taxonomy (upstream card)

ID_PATTERN = r"^Sparkle_(location|season|time|style|openve3m)_[0-9]{6,9}$"
_ID = re.compile(ID_PATTERN)
_SHOWN = 80  # characters of what is no id: it may be a line of any file


def format_id(theme: str, index: int) -> str:
    """The sample id of the `index`-th candidate of a theme."""
    if theme not in THEMES or index < 0:
        raise RecordError(
            "not a theme and index", got=(theme, index), wanted=f"one of {THEMES} and 0 or more"
        )
    return f"Sparkle_{theme}_{index:06d}"


def parse_id(sample_id: str) -> tuple[str, int]:
    """Theme and index of a sample id; raises RecordError when it is not one."""
    match = _ID.fullmatch(sample_id)
    index = int(sample_id.rpartition("_")[2]) if match else -1
    if match is None or format_id(match[1], index) != sample_id:
        raise RecordError(
            "not a sample id", got=repr(sample_id[:_SHOWN]), wanted="Sparkle_<theme>_<six digits>"
        )
    return match[1], index


def is_id(text: str) -> bool:
    """Return whether a text is a sample id."""
    try:
        parse_id(text)
    except RecordError:
        return False
    return True


def theme_of(sample_id: str) -> str:
    """The theme in a sample id."""
    return parse_id(sample_id)[0]


def index_reader(theme: str) -> Callable[[str], int | None]:
    """Return a quick function from an id to its index; None for what is no id of the theme."""
    match = re.compile(f"Sparkle_{re.escape(theme)}_([0-9]{{6}}|[1-9][0-9]{{6,8}})").fullmatch

    def read(sample_id: str) -> int | None:
        found = match(sample_id)
        return int(found[1]) if found else None

    return read


def edit_type(theme: str, *, grounding: bool = False) -> str:
    """The `edit_type` of a theme's records.

    Upstream writes `openve3m_background_change` in the training metadata and `openve3m` in grounding;
    the other themes are written as they are in both.
    """
    if theme == "openve3m" and not grounding:
        return "openve3m_background_change"
    return theme
