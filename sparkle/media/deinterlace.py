"""Interlaced frames, which hold two moments in alternate lines, as whole frames of one moment each.

How it works
- libav's `bwdif` makes one frame of a frame's two fields, the first field's moment, so that the rate is half
  of that of the fields. A frame that the codec does not mark as interlaced stays as it is.
- A video without such a frame does not go through the filter at all. The filter sees the frame before and the
  one behind, so it is one frame late; times and tags of frames stay.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from fractions import Fraction

import av
from av.filter import Graph
from av.video.frame import VideoFrame

Timed = tuple[Fraction | None, VideoFrame]


def deinterlaced(frames: Iterator[Timed]) -> Iterator[Timed]:
    """Yield frames with their times, those that are interlaced as whole frames.

    Args:
        frames: Frames of one size and format, as `OpenVideo.timed_frames` yields them.
    """
    graph: Graph | None = None
    inside: deque[tuple[Fraction | None, int | None]] = deque()  # times and durations, in order
    for index, (time, frame) in enumerate(frames):
        if graph is None and not frame.interlaced_frame:
            yield time, frame
            continue
        graph = graph or _graph(frame)
        inside.append((time, frame.duration))
        frame.pts = index  # the filter wants times that grow; the true ones wait
        graph.push(frame)
        yield from _ready(graph, inside)
    if graph is not None:
        graph.push(None)
        yield from _ready(graph, inside)


def _graph(frame: VideoFrame) -> Graph:
    graph = Graph()
    graph.threads = 1  # a pool of threads would be met by processes that are forked while it is there
    source = graph.add_buffer(
        width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base
    )
    filtered, sink = graph.add("bwdif", "mode=send_frame:deint=interlaced"), graph.add("buffersink")
    source.link_to(filtered)
    filtered.link_to(sink)
    graph.configure()
    return graph


def _ready(graph: Graph, inside: deque[tuple[Fraction | None, int | None]]) -> Iterator[Timed]:
    """Yield the frames that have come out."""
    while True:
        try:
            frame = graph.vpull()
        except (av.BlockingIOError, av.EOFError):
            return
        time, duration = inside.popleft()
        frame.duration = duration or 0
        yield time, frame
