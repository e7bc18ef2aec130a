"""What a card says of a release's themes, in numbers: read from the tables alone.

- A built and an imported release have the same tables, so both get the same card's numbers; so does a release
  whose tables were changed since, by a takedown for example.
- Only narrow columns are read: 140,000 rows take 40 MB and a second.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from sparkle.builders.release.read_tables import read_columns
from sparkle.builders.release.tables import SCORE_COLUMNS
from sparkle.schemas import layout
from sparkle.schemas.errors import ReleaseError
from sparkle.schemas.ids import THEMES
from sparkle.schemas.layout import KINDS

PERCENTILES = (5, 25, 50, 75, 95)

_SIZES = tuple(f"{kind.name}_size" for kind in KINDS)
_COLUMNS = ("frames", "width", "height", "source_sha256", "licence", *SCORE_COLUMNS, *_SIZES)

# What a part of a Creative Commons licence's name asks of whoever passes on an edited video.
_TERMS = {"nc": "no commercial use", "nd": "no edited versions", "sa": "edited versions under the same terms"}
_CREATIVE_COMMONS = re.compile(r"(?i)cc[ -]by\b(?P<parts>[a-z -]*)")


@dataclass(frozen=True)
class Scores:
    """A score of a theme's pairs: how many have it, least, `PERCENTILES`, greatest, mean."""

    name: str
    count: int
    low: float
    percentiles: tuple[float, ...]
    high: float
    mean: float


@dataclass(frozen=True)
class Licence:
    """A licence that a theme's sources have.

    Attributes:
        name: As it was recorded; None where none was.
        pairs: How many pairs were made from such sources.
        sources: How many sources have it; None where sources were not told apart.
        terms: What it asks of whoever passes on an edited video, as far as its name tells.
    """

    name: str | None
    pairs: int
    sources: int | None
    terms: tuple[str, ...]


@dataclass(frozen=True)
class ThemeFacts:
    """A theme of a release.

    Attributes:
        name: The theme.
        pairs: How many pairs it has.
        sources: Of how many source files; None where that was not recorded.
        bytes: Of all artifacts.
        frames: Least and greatest number of frames; None where it was not recorded.
        sizes: Widths and heights in pixels with the number of pairs that have them, commonest first.
        licences: Of its sources, commonest first.
        scores: One a score that was recorded.
    """

    name: str
    pairs: int
    sources: int | None
    bytes: int
    frames: tuple[int, int] | None
    sizes: tuple[tuple[int, int, int], ...]
    licences: tuple[Licence, ...]
    scores: tuple[Scores, ...]


@dataclass(frozen=True)
class Facts:
    """A release.

    Attributes:
        themes: Those that it has tables of, in the order of `THEMES`.
        shared: How many pairs have a source that another pair, of any theme, has as well.
    """

    themes: tuple[ThemeFacts, ...]
    shared: int


def read_facts(folder: Path) -> Facts:
    """What the tables of a release say.

    Raises:
        ReleaseError: there are no tables, or one cannot be read.
    """
    found = [(theme, sorted((folder / layout.data_folder(theme)).glob("[!.]*.parquet"))) for theme in THEMES]
    tables = {
        theme: pa.concat_tables([read_columns(file, _COLUMNS) for file in files])
        for theme, files in found
        if files
    }
    if not tables:
        raise ReleaseError("the release has no tables", where=folder / layout.DATA)
    sources = Counter(sha256 for table in tables.values() for sha256 in table["source_sha256"].to_pylist())
    shared = sum(count for sha256, count in sources.items() if sha256 is not None and count > 1)
    return Facts(tuple(_facts(theme, table) for theme, table in tables.items()), shared)


def _facts(theme: str, table: pa.Table) -> ThemeFacts:
    frames = [count for count in table["frames"].to_pylist() if count is not None]
    sizes = Counter(zip(table["width"].to_pylist(), table["height"].to_pylist(), strict=True))
    known = [(*size, count) for size, count in sizes.items() if None not in size]
    sources = {sha256 for sha256 in table["source_sha256"].to_pylist() if sha256 is not None}
    return ThemeFacts(
        name=theme,
        pairs=table.num_rows,
        sources=len(sources) or None,
        bytes=sum(size for name in _SIZES for size in table[name].to_pylist() if size is not None),
        frames=(min(frames), max(frames)) if frames else None,
        sizes=tuple(sorted(known, key=lambda size: (-size[2], size))),
        licences=_licences(table),
        scores=tuple(_scores(table, name) for name in SCORE_COLUMNS if table[name].null_count < len(table)),
    )


def _licences(table: pa.Table) -> tuple[Licence, ...]:
    pairs: Counter[str | None] = Counter()
    sources: dict[str | None, set[str]] = {}
    for name, sha256 in zip(table["licence"].to_pylist(), table["source_sha256"].to_pylist(), strict=True):
        pairs[name] += 1
        sources.setdefault(name, set()).update([sha256] if sha256 else [])
    order = sorted(pairs, key=lambda name: (-pairs[name], name or ""))
    return tuple(Licence(name, pairs[name], len(sources[name]) or None, terms_of(name)) for name in order)


def terms_of(licence: str | None) -> tuple[str, ...]:
    """What a licence asks of whoever passes on an edited video, as far as a Creative Commons name tells."""
    match = _CREATIVE_COMMONS.match(licence or "")
    parts = re.split("[ -]", match["parts"].lower()) if match else []
    return tuple(text for part, text in _TERMS.items() if part in parts)


def _scores(table: pa.Table, column: str) -> Scores:
    values = np.array([value for value in table[column].to_pylist() if value is not None], np.float64)
    if not np.isfinite(values).all():
        raise ReleaseError("a score of the tables is not a finite number", where=column)
    return Scores(
        name=column.removesuffix("_score"),
        count=len(values),
        low=float(values.min()),
        percentiles=tuple(np.percentile(values, PERCENTILES).tolist()),
        high=float(values.max()),
        mean=math.fsum(values) / len(values),
    )
