"""What a finished run contains, in numbers: of every sample that came to a score or measure, kept or not."""

from __future__ import annotations

from pathlib import Path

from sparkle.builders.building.replay import replay
from sparkle.builders.building.run import read_run
from sparkle.builders.cards.stats import COLUMNS, Stats, read_stats, summarise
from sparkle.builders.release.tables import facts
from sparkle.schemas import layout
from sparkle.schemas.canonical import plain
from sparkle.schemas.errors import RunError
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
    if not (folder / layout.RUN_CONFIG).is_file():
        raise RunError(
            "neither a run folder nor a release",
            got=folder,
            wanted=f"a folder with {layout.RUN_CONFIG} or {layout.MANIFEST}",
            fix="check the path",
        )
    found = replay(read_run(folder))
    rows = [{"task": sample.id, **facts(sample)} for sample in found.samples]
    columns = {name: [row[name] for row in rows] for name in COLUMNS if not name.endswith("_size")}
    for kind in KINDS:
        columns[f"{kind.name}_size"] = [sample.artifacts[kind.name].size for sample in found.samples]
    funnel = [count.to_json() for count in found.funnel]
    return summarise("run", columns, found.measured, [plain(found.thresholds)], [funnel])
