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

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sparkle._progress import Advance
from sparkle.builders.release.artifact import Content
from sparkle.builders.release.assign import BLOCK, assign, member_bytes
from sparkle.builders.release.manifest import FileEntry
from sparkle.builders.release.sample import Sample
from sparkle.builders.release.tables import Placements, facts
from sparkle.builders.release.tar import write_tar
from sparkle.schemas import layout
from sparkle.schemas.canonical import dump_line, sha256_bytes
from sparkle.schemas.layout import KIND_BY_NAME, Kind
from sparkle.schemas.records import ArtifactRef

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
    placements: Placements,
    options: WebDatasetOptions,
    advance: Advance,
) -> list[FileEntry]:
    """Write a theme's paired shards below a release's folder, whose tars are there.

    Args:
        folder: The release.
        theme: The theme.
        samples: Its samples, sorted by id.
        placements: Where their artifacts are.
        options: See `WebDatasetOptions`.
        advance: Told of each sample.

    Returns:
        The shards.

    Raises:
        ReleaseError: a tar does not hold what was recorded.
    """
    lines = _json_lines(samples)
    by_id = {sample.id: sample for sample in samples}
    # `assign` adds a header to each: what it is given is the rest of all members.
    sizes = [
        (sample.id, _sample_bytes(sample, len(line), options) - BLOCK)
        for sample, line in zip(samples, lines, strict=True)
    ]
    entries = []
    with tempfile.NamedTemporaryFile(dir=folder, prefix=".json-") as scratch:
        scratch.writelines(lines)
        scratch.flush()
        described = _described(samples, lines, Path(scratch.name))
        for part in assign(sizes, options.shard_size):
            path = layout.webdataset_shard(theme, part.number)
            contents = (
                content
                for sample_id in part.ids
                for content in (
                    *_streams(folder, by_id[sample_id], placements, options),
                    described[sample_id],
                )
            )
            members = len(options.streams) + 1
            shard = write_tar(folder / path, contents, _every(members, advance))
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


def _described(samples: Sequence[Sample], lines: Sequence[bytes], scratch: Path) -> dict[str, Content]:
    """The JSON of each sample, as parts of the file that holds all of them."""
    found, position = {}, 0
    for sample, line in zip(samples, lines, strict=True):
        ref = ArtifactRef(sha256_bytes(line), len(line))
        found[sample.id] = Content(layout.webdataset_member(sample.id, "json"), scratch, ref, position)
        position += len(line)
    return found


def _streams(
    folder: Path, sample: Sample, placements: Placements, options: WebDatasetOptions
) -> Iterator[Content]:
    for kind in options.kinds:
        place = placements[kind.name][sample.id]
        name = layout.webdataset_member(sample.id, kind.field)
        yield Content(name, folder / place.shard, sample.artifacts[kind.name], place.offset)


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


def make_options(streams: tuple[str, ...] | None, shard_size: int | None) -> WebDatasetOptions:
    """The options as a command line says them; None takes the default."""
    default = WebDatasetOptions()
    return WebDatasetOptions(
        default.streams if streams is None else streams,
        default.shard_size if shard_size is None else shard_size,
    )
