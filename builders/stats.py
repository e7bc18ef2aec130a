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
import pyarrow as pa
import pyarrow.parquet as pq

from sparkle.builders.catalog import MEASURE_COLUMNS, facts, pairs_schema
from sparkle.builders.run_folder import read_run
from sparkle.builders.sample import SCORES, Sample
from sparkle.builders.select import Replay, replay
from sparkle.schemas import layout
from sparkle.schemas.errors import RecordError, ReleaseError
from sparkle.schemas.ids import THEMES, theme_of
from sparkle.schemas.layout import KINDS
from sparkle.schemas.stages import STEP_BY_NAME
from sparkle.schemas.strict_json import parse_strict

_MOST_BINS = 24
_SAME = 1e-9  # values that differ by a smaller share of themselves go into one bin
# Scores and measures by the names that their thresholds have, where there is one.
_NUMBERS = (
    *SCORES.values(),
    *(name for name in MEASURE_COLUMNS if pairs_schema().field(name).type == "double"),
)
# What numbers are taken of, by the names of the tables' columns.
_COLUMNS = (
    "task",
    "subtheme",
    "scene",
    "frames",
    *(f"{name}_score" if name in SCORES.values() else name for name in _NUMBERS),
    *(f"{kind.name}_size" for kind in KINDS),
)
_Columns = dict[str, list[Any]]


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
    """The numbers of a run or a release.

    Raises:
        RunError: the folder is neither, or a run that is not finished.
        RecordError: a line of a run is bad.
        ReleaseError: the release's tables or provenance cannot be read.
    """
    if not (folder / layout.MANIFEST).is_file():
        found = replay(read_run(folder))
        return _stats("run", _columns(found.samples), found.measured, [found])
    columns = _read_tables(folder)
    try:
        document = parse_strict((folder / layout.PROVENANCE).read_bytes())
        runs = document["runs"]
        funnels = [run["funnel"] for run in runs]
        limits = [run["config"]["thresholds"] for run in runs]
    except (OSError, RecordError, LookupError, TypeError) as error:
        raise ReleaseError(
            "the release's provenance cannot be read", got=error, where=folder / layout.PROVENANCE
        ) from None
    return _summarise("release", columns, _numbers(columns), limits, funnels)


def stats_of(replays: Sequence[Replay], samples: Sequence[Sample]) -> Stats:
    """The numbers of a release that is being built: its runs' funnels, and its own samples."""
    columns = _columns(samples)
    return _stats("release", columns, _numbers(columns), replays)


def _stats(
    kind: str, columns: _Columns, numbers: Mapping[str, Sequence[float]], replays: Sequence[Replay]
) -> Stats:
    limits = [found.thresholds.to_json() for found in replays]
    funnels = [[count.to_json() for count in found.funnel] for found in replays]
    return _summarise(kind, columns, numbers, limits, funnels)


def _columns(samples: Sequence[Sample]) -> _Columns:
    """The columns of the tables that numbers are taken of."""
    rows = [{"task": sample.id, **facts(sample)} for sample in samples]
    columns = {name: [row[name] for row in rows] for name in _COLUMNS if not name.endswith("_size")}
    sizes = {f"{kind.name}_size": [sample.artifacts[kind.name].size for sample in samples] for kind in KINDS}
    return columns | sizes


def _read_tables(folder: Path) -> _Columns:
    files = sorted((folder / "data").glob("*/*.parquet"))
    if not files:
        raise ReleaseError("the release has no tables", where=folder / "data")
    columns: _Columns = {name: [] for name in _COLUMNS}
    for file in files:
        try:
            table = pq.ParquetFile(file).read(columns=list(_COLUMNS))
            for name in _COLUMNS:
                columns[name] += table[name].to_pylist()
        except (pa.ArrowException, OSError, KeyError) as error:
            raise ReleaseError("a table cannot be read", got=error, where=file) from None
    return columns


def _numbers(columns: _Columns) -> dict[str, list[float]]:
    """Every score and measure by its name; what was not recorded is left out."""
    found = {}
    for name in _NUMBERS:
        column = f"{name}_score" if name in SCORES.values() else name
        found[name] = [value for value in columns[column] if value is not None]
    return found


def _summarise(
    kind: str,
    columns: _Columns,
    numbers: Mapping[str, Sequence[float]],
    limits: Sequence[Mapping[str, float]],
    funnels: Sequence[Sequence[Mapping[str, Any]]],
) -> Stats:
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


def merge_funnels(funnels: Sequence[Sequence[Mapping[str, Any]]]) -> list[dict[str, Any]]:
    """One row a step with its stage, summed over runs."""
    merged = []
    for rows in zip(*funnels, strict=True):
        fallen: dict[str, Counter[str]] = {"rejected": Counter(), "failed": Counter()}
        for row in rows:
            for name, counter in fallen.items():
                counter.update(row[name])
        merged.append(
            {
                "step": rows[0]["step"],
                "stage": STEP_BY_NAME[rows[0]["step"]].stage,
                "in": sum(row["in"] for row in rows),
                "kept": sum(row["kept"] for row in rows),
                **{name: dict(sorted(counter.items())) for name, counter in fallen.items()},
            }
        )
    return merged


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
