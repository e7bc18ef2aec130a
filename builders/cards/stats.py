"""What a run or a release holds, in numbers: funnel, distributions, subthemes and scenes, sizes.

- Of a run every score and measure is counted that its samples came to, kept or not: that is what thresholds
  are chosen by. Of a release those of its pairs, from the tables alone.
- Bins are as wide as 1, 2 or 5 times a power of ten, at most `_MOST_BINS` of them, and start at a multiple of
  that: two runs can be laid beside each other.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sparkle.builders.release.read_tables import read_columns
from sparkle.builders.release.removed import read_provenance
from sparkle.builders.release.sample import SCORES
from sparkle.builders.release.tables import MEASURE_COLUMNS, pairs_schema
from sparkle.schemas import layout
from sparkle.schemas.errors import ReleaseError
from sparkle.schemas.funnel import merge_funnels
from sparkle.schemas.ids import THEMES, theme_of
from sparkle.schemas.layout import KINDS

_MOST_BINS = 24
_SAME = 1e-9  # values that differ by a smaller share of themselves go into one bin
# Scores and measures by the names that their thresholds have, where there is one.
_NUMBERS = (
    *SCORES.values(),
    *(name for name in MEASURE_COLUMNS if pairs_schema().field(name).type == "double"),
)
# What numbers are taken of, by the names of the tables' columns.
COLUMNS = (
    "task",
    "subtheme",
    "scene",
    "frames",
    *(f"{name}_score" if name in SCORES.values() else name for name in _NUMBERS),
    *(f"{kind.name}_size" for kind in KINDS),
)
Columns = dict[str, list[Any]]
"""The columns of `COLUMNS` by name."""


@dataclass(frozen=True)
class Distribution:
    """The values of a score or measure.

    Attributes:
        name: Its name.
        count: How many values.
        low: The least.
        median: The middle one.
        mean: Their mean.
        high: The greatest.
        threshold: What samples had to reach; None where there is no such limit, or runs differ in it.
        edges: Limits of the bins, one more than bins.
        bins: How many values each has; a bin has its lower limit, the last one both.
    """

    name: str
    count: int
    low: float
    median: float
    mean: float
    high: float
    threshold: float | None
    edges: tuple[float, ...]
    bins: tuple[int, ...]


@dataclass(frozen=True)
class Stats:
    """What a run or a release holds.

    Attributes:
        kind: "run" or "release".
        pairs: How many pairs, by theme.
        frames: Frames of the edited videos in all.
        funnel: One row a step, as the `funnel` schema has it, with `stage`; empty where it is not known.
        numbers: The distribution of every score and measure that has values.
        scenes: How many pairs, by theme, subtheme and scene; a free prompt has neither and is left out.
        sizes: Bytes by kind.
    """

    kind: str
    pairs: Mapping[str, int]
    frames: int
    funnel: Sequence[Mapping[str, Any]]
    numbers: Sequence[Distribution]
    scenes: Mapping[str, Mapping[str, Mapping[str, int]]]
    sizes: Mapping[str, int]

    def to_json(self) -> dict[str, Any]:
        """All of it as JSON values."""
        return asdict(self)


def read_stats(folder: Path) -> Stats:
    """The numbers of a release.

    Raises:
        ReleaseError: its tables or provenance cannot be read.
    """
    columns = _read_tables(folder)
    runs = read_provenance(folder / layout.PROVENANCE).document["runs"]
    try:
        funnels = [run["funnel"] for run in runs]
        limits = [run["config"]["thresholds"] for run in runs]
    except (LookupError, TypeError) as error:
        raise ReleaseError(
            "the release's provenance cannot be read", got=error, where=folder / layout.PROVENANCE
        ) from None
    return summarise("release", columns, numbers_of(columns), limits, funnels)


def _read_tables(folder: Path) -> Columns:
    files = sorted((folder / layout.DATA).glob("*/[!.]*.parquet"))
    if not files:
        raise ReleaseError("the release has no tables", where=folder / layout.DATA)
    columns: Columns = {name: [] for name in COLUMNS}
    for file in files:
        table = read_columns(file, COLUMNS)
        for name in COLUMNS:
            columns[name] += table[name].to_pylist()
    return columns


def numbers_of(columns: Columns) -> dict[str, list[float]]:
    """Every score and measure by its name; what was not recorded is left out."""
    found = {}
    for name in _NUMBERS:
        column = f"{name}_score" if name in SCORES.values() else name
        found[name] = [value for value in columns[column] if value is not None]
    return found


def summarise(
    kind: str,
    columns: Columns,
    numbers: Mapping[str, Sequence[float]],
    limits: Sequence[Mapping[str, float]],
    funnels: Sequence[Sequence[Mapping[str, Any]]],
) -> Stats:
    """Put the numbers together.

    Args:
        kind: "run" or "release".
        columns: One value per pair.
        numbers: The values of every score and measure, by its name.
        limits: The thresholds of each run.
        funnels: The funnel of each run.
    """
    themes = [theme_of(sample_id) for sample_id in columns["task"]]
    counts = Counter(themes)
    return Stats(
        kind=kind,
        pairs={theme: counts[theme] for theme in THEMES if theme in counts},
        frames=_total(columns["frames"]),
        funnel=merge_funnels(funnels),
        numbers=[
            _distribution(name, np.array(numbers[name]), _agreed(limits, name))
            for name in _NUMBERS
            if len(numbers.get(name, ()))
        ],
        scenes=_scenes(zip(themes, columns["subtheme"], columns["scene"], strict=True)),
        sizes={found.name: _total(columns[f"{found.name}_size"]) for found in KINDS},
    )


def _total(values: Sequence[int | None]) -> int:
    """The sum of what is known: an imported release may lack artifacts."""
    return sum(value for value in values if value is not None)


def _agreed(limits: Sequence[Mapping[str, float]], name: str) -> float | None:
    """The limit that all runs have; None where there is none, or another."""
    found = {limit.get(name) for limit in limits}
    return found.pop() if len(found) == 1 else None


def _scenes(
    rows: Iterable[tuple[str, str | None, str | None]],
) -> dict[str, dict[str, dict[str, int]]]:
    """How many pairs by theme, subtheme and scene, names sorted."""
    found: dict[str, dict[str, dict[str, int]]] = {}
    counts = Counter((theme, subtheme, scene) for theme, subtheme, scene in rows if subtheme and scene)
    for (theme, subtheme, scene), count in sorted(counts.items(), key=_scene_order):
        found.setdefault(theme, {}).setdefault(subtheme or "", {})[scene or ""] = count
    return found


def _scene_order(item: tuple[tuple[str, str | None, str | None], int]) -> tuple[int, str, str]:
    (theme, subtheme, scene), _ = item
    return THEMES.index(theme), subtheme or "", scene or ""


def _distribution(name: str, values: npt.NDArray[np.float64], threshold: float | None) -> Distribution:
    edges = bin_edges(float(values.min()), float(values.max()))
    bins, _ = np.histogram(values, edges)
    return Distribution(
        name=name,
        count=len(values),
        low=float(values.min()),
        median=float(np.median(values)),
        mean=math.fsum(values) / len(values),
        high=float(values.max()),
        threshold=threshold,
        edges=tuple(edges),
        bins=tuple(bins.tolist()),
    )


def bin_edges(low: float, high: float) -> list[float]:
    """Limits of bins that cover a range, each a multiple of 1, 2 or 5 times a power of ten."""
    spread = high - low
    same = spread <= _SAME * max(abs(low), abs(high))
    power = -1 if same else math.floor(math.log10(spread / _MOST_BINS))
    # One more bin than the range needs where it starts or ends inside one.
    for factor, exponent in ((factor, power + more) for more in (0, 1) for factor in (1, 2, 5)):
        width = factor * 10.0**exponent
        first, last = math.floor(low / width), max(math.ceil(high / width), math.floor(low / width) + 1)
        if last - first <= _MOST_BINS:
            break
    return [round(index * width, max(0, -exponent)) for index in range(first, last + 1)]
