"""Paired shards for streaming: `webdataset/<theme>-NNNNNN.tar` with all that is asked for of a pair together.

How it works
- A sample is `ID.src.mp4 ID.tgt.mp4 ID.mask.npz ... ID.json`, one behind the other: what `webdataset` and the
  `webdataset` builder of `datasets` read as one row, from plain tars, in order, without an index.
- Which streams are in it is a choice: it is a second copy, and backgrounds and edges are most of the bytes.
- Data comes out of the release's own tars, which are hashed again on the way; a run may have been reclaimed.
  The JSON has the prompt and what the table says of a sample. A fact that some sample of the theme lacks is
  left out of all of them: readers take the columns from the first samples that they see.
- Shards are filled in the order of ids up to a size, headers and padding included, and numbered from 0: they
  follow from the samples and the options, not from a release before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sparkle._progress import Advance
from sparkle.builders.release.assign import BLOCK, assign, member_bytes
from sparkle.builders.release.manifest import FileEntry
from sparkle.builders.release.sample import Sample
from sparkle.builders.release.tables import Artifacts, facts
from sparkle.builders.release.tar import Contents, write_tar
from sparkle.schemas import layout
from sparkle.schemas.canonical import dump_line
from sparkle.schemas.errors import ConfigError
from sparkle.schemas.layout import KIND_BY_NAME, Kind

DEFAULT_STREAMS = (layout.SOURCE_VIDEO.name, layout.EDITED_VIDEO.name, layout.SOURCE_VIDEO_MASK.name)
_JSON_BYTES = (
    2000  # what the JSON of a sample takes at most, for the plan (upstream's prompts: 466 characters)
)


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


def estimate_bytes(samples: Sequence[Sample], options: WebDatasetOptions) -> int:
    """What the shards of some samples take, from above."""
    refs = (sample.artifacts[name] for sample in samples for name in options.streams)
    return sum(member_bytes(ref.size) for ref in refs) + len(samples) * member_bytes(_JSON_BYTES)


def write_webdataset(
    folder: Path,
    theme: str,
    samples: Sequence[Sample],
    artifacts: Artifacts,
    options: WebDatasetOptions,
    advance: Advance,
) -> list[FileEntry]:
    """Write a theme's paired shards below a release's folder, whose tars are there.

    Args:
        folder: The release.
        theme: The theme.
        samples: Its samples, sorted by id.
        artifacts: Where theirs lie.
        options: See `WebDatasetOptions`.
        advance: Told of each sample.

    Returns:
        The shards.

    Raises:
        ReleaseError: a tar does not hold what was recorded.
    """
    lines = _json_lines(samples)
    described = {sample.id: line for sample, line in zip(samples, lines, strict=True)}
    # `assign` adds a header to each: what it is given is the rest of all members.
    sizes = [
        (sample.id, _sample_bytes(sample, len(line), options) - BLOCK)
        for sample, line in zip(samples, lines, strict=True)
    ]
    entries = []
    for part in assign(sizes, options.shard_size):
        path = layout.webdataset_shard(theme, part.number)
        contents = _contents(folder, part.ids, artifacts, options, described)
        shard = write_tar(folder / path, contents, _every(len(options.streams) + 1, advance))
        entries.append(FileEntry(path, shard.size, shard.sha256))
    return entries


def describe(sample: Sample) -> dict[str, Any]:
    """A sample as its JSON has it, None where nothing was recorded."""
    return {"task": sample.id, "prompt": sample.prompt, "theme": sample.theme, **facts(sample)}


def _json_lines(samples: Sequence[Sample]) -> list[bytes]:
    described = [describe(sample) for sample in samples]
    missing = {name for values in described for name, value in values.items() if value is None}
    return [
        dump_line({name: value for name, value in values.items() if name not in missing})
        for values in described
    ]


def _contents(
    folder: Path,
    ids: Sequence[str],
    artifacts: Artifacts,
    options: WebDatasetOptions,
    described: Mapping[str, bytes],
) -> Contents:
    """Yield the members of a shard: of each sample its streams out of the release's tars, then its JSON."""
    for sample_id in ids:
        for kind in options.kinds:
            artifact = artifacts[kind.name][sample_id]
            name = layout.webdataset_member(sample_id, kind.field)
            yield name, replace(artifact, file=str(folder / artifact.file))
        yield layout.webdataset_member(sample_id, "json"), described[sample_id]


def _sample_bytes(sample: Sample, json_bytes: int, options: WebDatasetOptions) -> int:
    sizes = (sample.artifacts[name].size for name in options.streams)
    return sum(map(member_bytes, sizes)) + member_bytes(json_bytes)


def _every(count: int, advance: Advance) -> Advance:
    """Tell of every `count` members as one."""
    seen = 0

    def step(done: int = 1) -> None:
        nonlocal seen
        seen += done
        if seen == count:
            seen = 0
            advance()

    return step


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
