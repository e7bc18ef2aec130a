"""What a finished run contains, in numbers: of every sample that came to a score or measure, kept or not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from sparkle.builders.building.replay import Replay, replay
from sparkle.builders.building.run import read_run
from sparkle.builders.cards.stats import COLUMNS, Columns, Stats, numbers_of, read_stats, summarise
from sparkle.builders.release.sample import Sample
from sparkle.builders.release.tables import facts
from sparkle.schemas import layout
from sparkle.schemas.canonical import plain
from sparkle.schemas.layout import KINDS


def stats_of_folder(folder: Path) -> Stats:
    """The numbers of a run or a release.

    Raises:
        RunError: the folder is neither, or a run that is not finished.
        RecordError: a line of a run is bad.
        ReleaseError: the release's tables or provenance cannot be read.
    """
    if (folder / layout.MANIFEST).is_file():
        return read_stats(folder)
    found = replay(read_run(folder))
    return _stats("run", _columns(found.samples), found.measured, [found])


def stats_of(replays: Sequence[Replay], samples: Sequence[Sample]) -> Stats:
    """The numbers of a release that is being built: its runs' funnels, and its own samples."""
    columns = _columns(samples)
    return _stats("release", columns, numbers_of(columns), replays)


def _stats(
    kind: str, columns: Columns, numbers: Mapping[str, Sequence[float]], replays: Sequence[Replay]
) -> Stats:
    limits = [plain(found.thresholds) for found in replays]
    funnels = [[count.to_json() for count in found.funnel] for found in replays]
    return summarise(kind, columns, numbers, limits, funnels)


def _columns(samples: Sequence[Sample]) -> Columns:
    """The columns of the tables that numbers are taken of."""
    rows = [{"task": sample.id, **facts(sample)} for sample in samples]
    columns = {name: [row[name] for row in rows] for name in COLUMNS if not name.endswith("_size")}
    sizes = {f"{kind.name}_size": [sample.artifacts[kind.name].size for sample in samples] for kind in KINDS}
    return columns | sizes
