"""provenance.json: how a release was made, so that it can be made again.

- For each run its configuration, packages, models and funnel. Thresholds are those that its samples were
  judged by, which a build may have set otherwise than the run, and the funnel is the replayed one: `kept` is
  how many pass, of which `options.selection` takes some.
- No path, host name or time is in it: the same runs and options give the same bytes anywhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import Any

from sparkle.builders.building.replay import Replay
from sparkle.builders.building.selection import Selection
from sparkle.builders.building.webdataset import WebDatasetOptions
from sparkle.builders.release.about import About
from sparkle.builders.release.removed import Removed
from sparkle.media.encode import encoder_versions
from sparkle.schemas import layout
from sparkle.schemas.canonical import canonical_json, plain
from sparkle.schemas.ids import THEMES
from sparkle.schemas.validate import check

FORMAT, VERSION = "sparkle-provenance", 1
_DISTRIBUTION = "sparkle-dataset"
# Packages whose versions decide bytes of a release, besides those of the encoder.
_WRITERS = ("jinja2", "msgspec", "pyarrow")
_PLOTTER = "matplotlib"


@dataclass(frozen=True)
class ReleaseOptions:
    """What a build can be told.

    Attributes:
        max_shard_size: The most bytes of a tar; 5 GB is upstream's.
        preview: How many first samples of a theme are also there as loose files and with a preview;
            100 is upstream's.
        selection: What is taken of the kept samples; None for everything.
        webdataset: What paired shards hold; None for none.
        plots: True for a card with plots and strips; None for one without.
        about: What the publisher says of the release; None for what was said of the previous one.
    """

    max_shard_size: int = 5_000_000_000
    preview: int = 100
    selection: Selection | None = None
    webdataset: WebDatasetOptions | None = None
    plots: bool | None = None
    about: About | None = None

    def to_json(self) -> dict[str, Any]:
        """What the `provenance` schema has as options; what was not asked for is left out."""
        values = {
            "max_shard_size": self.max_shard_size,
            "preview": self.preview,
            "selection": self.selection and self.selection.to_json(),
            "webdataset": self.webdataset and asdict(self.webdataset),
            "plots": self.plots,
        }
        return {name: value for name, value in values.items() if value is not None}


def ordered(replays: Sequence[Replay]) -> list[Replay]:
    """Runs in an order that does not depend on the order in which they were named."""
    return sorted(
        replays, key=lambda found: (canonical_json(found.run.config), min(found.run.candidates, default=""))
    )


def provenance(
    replays: Sequence[Replay],
    options: ReleaseOptions,
    next_parts: Mapping[str, Mapping[str, int]],
    removed: Removed | None = None,
    about: About | None = None,
) -> dict[str, Any]:
    """The document; raises RecordError when it does not follow its schema.

    Args:
        replays: The runs.
        options: What the build was told.
        next_parts: The first number that no tar ever had, by theme and kind.
        removed: What was removed from the previous release.
        about: What the publisher says of the release.
    """
    writers = (*_WRITERS, _PLOTTER) if options.plots else _WRITERS
    packages = {name: version(name) for name in writers} | encoder_versions()
    document = document_head(options.to_json()) | {
        "next_parts": {theme: dict(next_parts[theme]) for theme in THEMES if theme in next_parts},
        "packages": dict(sorted(packages.items())),
        "runs": [_run(found) for found in ordered(replays)],
    }
    document = (about or About()).record((removed or Removed()).record(document))
    check("provenance", document, where=layout.PROVENANCE)
    return document


def document_head(options: dict[str, Any]) -> dict[str, Any]:
    """Return how every provenance begins."""
    code = {"name": _DISTRIBUTION, "version": version(_DISTRIBUTION)}
    return {"format": FORMAT, "version": VERSION, "code": code, "options": options}


def _run(found: Replay) -> dict[str, Any]:
    return {
        "config": {**found.run.config, "thresholds": plain(found.thresholds)},
        "packages": dict(sorted(found.run.packages.items())),
        "models": plain(found.run.models),
        "candidates": len(found.run.candidates),
        "kept": len(found.samples),
        "funnel": [count.to_json() for count in found.funnel],
    }
