"""Paired shards for streaming: `webdataset/<theme>-NNNNNN.tar` with all that is asked for of a pair together.

How it works
- A sample is `ID.src.mp4 ID.tgt.mp4 ID.mask.npz ... ID.json`, one behind the other: what `webdataset` and the
  `webdataset` builder of `datasets` read as one row, from plain tars, in order, without an index.
- Which streams are in it is a choice: it is a second copy, and backgrounds and edges are most of the bytes.
- They are packed as other tars are, once those are finished: a run may be reclaimed meanwhile.
- The JSON has the prompt and what the table says of a sample. A fact that some sample of the theme lacks is
  left out of all of them: readers take the columns from the first samples that they see.
- Shards are filled in the order of ids up to a size, headers and padding included, and numbered from 0: they
  follow from the samples and the options, not from the previous release.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sparkle._progress import Advance
from sparkle.builders.building.pack import ShardPlan
from sparkle.builders.release.assign import BLOCK, assign, member_bytes
from sparkle.builders.release.sample import Sample
from sparkle.builders.release.tables import facts
from sparkle.builders.release.tar import Shard, write_tar
from sparkle.schemas import layout
from sparkle.schemas.artifact import Artifact
from sparkle.schemas.canonical import dump_line, sha256_bytes
from sparkle.schemas.errors import ConfigError
from sparkle.schemas.layout import KIND_BY_NAME, Kind
from sparkle.schemas.records import ArtifactRef

DEFAULT_STREAMS = (layout.SOURCE_VIDEO.name, layout.EDITED_VIDEO.name, layout.SOURCE_VIDEO_MASK.name)
_JSON = "json"


@dataclass(frozen=True)
class WebDatasetOptions:
    """What paired shards hold.

    Attributes:
        streams: Names of kinds, in the order in which they stand in a sample.
        shard_size: The most bytes of a shard; 1 GB is what streaming readers are made for.
    """

    streams: tuple[str, ...] = DEFAULT_STREAMS
    shard_size: int = 1_000_000_000

    @property
    def kinds(self) -> list[Kind]:
        """The streams as kinds."""
        return [KIND_BY_NAME[name] for name in self.streams]


@dataclass(frozen=True, kw_only=True)
class PairedPlan(ShardPlan):
    """A paired shard to be: its ids are names of members, its kind is that of the first.

    Attributes:
        line: Makes the JSON of a sample, by its id.
    """

    line: Callable[[str], bytes]

    def make(self, target: Path, advance: Advance, *, threads: int) -> Shard:
        """Write it."""
        contents = (
            (name, self.line(sample_id) if field == _JSON else self.source(name))
            for name in self.ids
            for sample_id, _, field in [name.partition(".")]
        )
        return write_tar(target, contents, advance, threads=threads)


def plan_paired(theme: str, samples: Sequence[Sample], options: WebDatasetOptions) -> list[PairedPlan]:
    """Return a theme's paired shards.

    Args:
        theme: The theme.
        samples: Its samples, sorted by id.
        options: See `WebDatasetOptions`.
    """
    by_id, fields = {sample.id: sample for sample in samples}, {kind.field: kind for kind in options.kinds}
    missing = {name for sample in samples for name, value in _described(sample).items() if value is None}
    refs: dict[str, list[ArtifactRef]] = {}

    def line(sample_id: str) -> bytes:
        values = _described(by_id[sample_id])
        return dump_line({name: value for name, value in values.items() if name not in missing})

    def source(member: str) -> Artifact:
        sample_id, _, field = member.partition(".")
        return by_id[sample_id].artifact(fields[field])

    for sample in samples:
        data = line(sample.id)
        streams = [sample.artifacts[name] for name in options.streams]
        refs[sample.id] = [*streams, ArtifactRef(sha256_bytes(data), len(data))]
    # `assign` adds a header to each: what it is given is the rest of all members.
    sizes = [
        (sample_id, sum(member_bytes(ref.size) for ref in found) - BLOCK) for sample_id, found in refs.items()
    ]
    return [
        PairedPlan(
            path=layout.webdataset_shard(theme, part.number),
            kind=options.kinds[0],
            ids=tuple(
                layout.webdataset_member(sample_id, field)
                for sample_id in part.ids
                for field in (*fields, _JSON)
            ),
            refs=tuple(ref for sample_id in part.ids for ref in refs[sample_id]),
            source=source,
            line=line,
        )
        for part in assign(sizes, options.shard_size)
    ]


def _described(sample: Sample) -> dict[str, Any]:
    """A sample as its JSON has it, None where nothing was recorded."""
    return {"task": sample.id, "prompt": sample.prompt, "theme": sample.theme, **facts(sample)}


def make_options(streams: Sequence[str] | None, shard_size: int | None) -> WebDatasetOptions:
    """Make the options; None takes the default.

    Raises:
        ConfigError: a stream is unknown or repeated.
    """
    default = WebDatasetOptions()
    names = default.streams if streams is None else tuple(streams)
    if not set(names) <= KIND_BY_NAME.keys() or len(set(names)) != len(names) or not names:
        raise ConfigError(
            "invalid streams", got=", ".join(names), wanted=f"some of {', '.join(KIND_BY_NAME)}, each once"
        )
    return WebDatasetOptions(names, default.shard_size if shard_size is None else shard_size)
