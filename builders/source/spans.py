"""Which artifacts are read in one request: those that lie beside each other in a file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from sparkle.builders.source.artifact import Artifact

# Bytes between two artifacts that are read with them rather than making another request. Neighbours in a tar
# are 512 to 1,023 bytes apart (padding and a header), or some 3 KB with pax headers; more than that is
# another artifact, which is not worth its bytes unless the caller says so.
GAP_BYTES = 1 << 14
MAX_SPAN_BYTES = 1 << 25  # of one request: 64 clips of upstream's mean size; more is not faster


@dataclass
class Span:
    """A range of a file, and the artifacts in it by their positions in what was asked for."""

    shard: str
    start: int
    end: int
    members: list[int] = field(default_factory=list)


def plan_spans(artifacts: Sequence[Artifact], gap: int = GAP_BYTES) -> Iterator[Span]:
    """The ranges that hold some artifacts, in the order of files and offsets.

    Args:
        artifacts: What is asked for, in any order, one or more times.
        gap: Bytes between two of them that are read with them.
    """
    order = sorted(range(len(artifacts)), key=lambda at: (artifacts[at].shard, artifacts[at].offset))
    span: Span | None = None
    for at in order:
        artifact = artifacts[at]
        if (
            span is not None
            and span.shard == artifact.shard
            and artifact.offset <= span.end + gap
            and max(span.end, artifact.end) - span.start <= MAX_SPAN_BYTES
        ):
            span.end = max(span.end, artifact.end)
        else:
            if span is not None:
                yield span
            span = Span(artifact.shard, artifact.offset, artifact.end)
        span.members.append(at)
    if span is not None:
        yield span
