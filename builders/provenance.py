"""provenance.json: how a release was made, so that it can be made again.

- For each run its configuration (thresholds among it), packages, models and funnel; the funnel is the
  replayed one, so it always fits what is released.
- No path, host name or time is in it: the same runs and options give the same bytes anywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from sparkle.builders.select import Replay
from sparkle.media.encode import encoder_versions
from sparkle.schemas import layout
from sparkle.schemas.canonical import canonical_json
from sparkle.schemas.record import Record
from sparkle.schemas.validate import check

FORMAT, VERSION = "sparkle-provenance", 1
_DISTRIBUTION = "sparkle-dataset"
# Packages whose versions decide bytes of a release, besides those of the encoder.
_WRITERS = ("datasets", "jinja2", "pyarrow")


@dataclass(frozen=True)
class ReleaseOptions(Record):
    """What a build can be told.

    Attributes:
        max_shard_size: The most bytes of a tar; 5 GB is upstream's.
        preview: How many first samples of a theme are also there as loose files and with a preview;
            100 is upstream's.
    """

    max_shard_size: int = 5_000_000_000
    preview: int = 100


def ordered(replays: Sequence[Replay]) -> list[Replay]:
    """Runs in an order that does not depend on the order in which they were named."""
    return sorted(
        replays, key=lambda found: (canonical_json(found.run.config), min(found.run.candidates, default=""))
    )


def provenance(replays: Sequence[Replay], options: ReleaseOptions) -> dict[str, Any]:
    """The document; raises RecordError when it does not follow its schema."""
    packages = {name: version(name) for name in _WRITERS} | encoder_versions()
    document = {
        "format": FORMAT,
        "version": VERSION,
        "code": {"name": _DISTRIBUTION, "version": version(_DISTRIBUTION)},
        "options": options.to_json(),
        "packages": dict(sorted(packages.items())),
        "runs": [_run(found) for found in ordered(replays)],
    }
    check("provenance", document, where=layout.PROVENANCE)
    return document


def _run(found: Replay) -> dict[str, Any]:
    return {
        "config": dict(found.run.config),
        "packages": dict(sorted(found.run.packages.items())),
        "models": [model.to_json() for model in found.run.models],
        "candidates": len(found.run.candidates),
        "kept": len(found.samples),
        "funnel": [count.to_json() for count in found.funnel],
    }
