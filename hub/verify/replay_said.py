"""What a release says beside the steps, made again: previews of the samples that are replayed, and models.

- Where encoder, processor and version of this package are those of the record, a preview must have the bytes
  that the pair gives; elsewhere it must show what the pair shows (`compare_preview`).
- Which models a configuration means is asked of the backends, which load nothing for it; another version of
  this package may name them differently.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sparkle._scratch import scratch_folder
from sparkle.builders.building.pictures import side_by_side
from sparkle.builders.checks.previews import Misfit, compare_preview
from sparkle.builders.release.read_tables import read_columns
from sparkle.generation.backends import list_models
from sparkle.generation.config import RunConfig
from sparkle.hub.verify.recorded import Recorded
from sparkle.hub.verify.report import LevelReport
from sparkle.hub.verify.verified import Verified
from sparkle.media.encode import encoder_versions
from sparkle.media.probe import look
from sparkle.schemas import layout
from sparkle.schemas.canonical import sha256_bytes
from sparkle.schemas.errors import ConfigError, MediaError, ReleaseError
from sparkle.schemas.ids import theme_of
from sparkle.schemas.version import __version__


def check_previews(
    release: Verified, samples: Sequence[Recorded], folder: Path, report: LevelReport, *, exact: bool
) -> None:
    """Compare the previews of samples with their pairs.

    Args:
        release: The release.
        samples: The samples.
        folder: Holds their artifacts, at the paths of a release.
        report: Where findings go.
        exact: Whether the runs' libraries and processor are those here.
    """
    ours = {recorded.id: recorded for recorded in samples}
    exact = exact and _made_here(release.provenance().document)
    for theme in sorted({theme_of(sample_id) for sample_id in ours}):
        for path in layout.tables_of(theme, release.files):
            rows = read_columns(release.folder / path, ["task", "preview"], f"{release.name} {path}")
            for number, row in enumerate(rows.to_pylist()):
                if row["task"] in ours and row["preview"] is not None:
                    found = _misfit(row["preview"]["bytes"] or b"", ours[row["task"]], folder, exact=exact)
                    if found is not None:
                        problem, got, wanted = found
                        report.note(path, problem, pointer=f"/rows/{number}/preview", got=got, wanted=wanted)


def _made_here(document: Mapping[str, Any]) -> bool:
    """Whether what encodes a preview, and says how, is here what a release was built with."""
    recorded = document["packages"]
    same = all(recorded.get(name) == version for name, version in encoder_versions().items())
    return same and document["code"]["version"] == __version__


def _misfit(data: bytes, recorded: Recorded, folder: Path, *, exact: bool) -> Misfit | None:
    source, edited = (folder / kind.path(recorded.id) for kind in (layout.SOURCE_VIDEO, layout.EDITED_VIDEO))
    _, width, height = recorded.size
    with scratch_folder() as scratch:
        found = compare_preview(data, source, edited, width=width, height=height, scratch=scratch)
    if found is not None or not exact:
        return found
    try:
        made = side_by_side(source, edited, width=width, height=height, fps=look(source).fps)
    except (MediaError, ReleaseError):
        return None  # of the pair: the steps say so
    if made == data:
        return None
    return "the preview has other bytes than its pair gives", sha256_bytes(data), sha256_bytes(made)


def check_models(document: Mapping[str, Any], configs: Sequence[RunConfig], report: LevelReport) -> None:
    """Compare the recorded models of each run with those that its configuration means."""
    if document["code"]["version"] != __version__:
        return
    for number, (run, config) in enumerate(zip(document["runs"], configs, strict=True)):
        try:
            models = list_models(config)
        except ConfigError:  # a backend that is not here: its steps say so
            continue
        for index, (found, wanted) in enumerate(zip(run["models"], models, strict=False)):
            for name in wanted:
                if found.get(name) != wanted[name]:
                    problem = "not the model of the recorded configuration"
                    pointer = f"/runs/{number}/models/{index}/{name}"
                    report.note(
                        layout.PROVENANCE, problem, pointer=pointer, got=found.get(name), wanted=wanted[name]
                    )
