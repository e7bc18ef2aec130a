"""A video that begins between key frames: a recording that was joined late, or a file that was cut in pieces.

How it works
- It begins late when its first packet is no key frame, or when pictures follow that are shown before the
  first key frame: those of an open group, which need frames of the group before.
- As players do, it is shown from the first picture that can be. What is shown before that may fail to decode;
  it is passed over and counted. A key frame must not fail, nor anything that is shown later.
- One thread decodes, since with several an error is not that of the packet that was given.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterable, Sequence
from itertools import chain
from pathlib import Path

import av
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from sparkle.schemas.errors import MediaError

HEAD = 8
"""Packets that show whether a video begins late: more than are ever reordered."""

_EARLIEST = -(2**63)  # libav's "no timestamp"

# What begins an H.264 picture that needs no other (an IDR slice), or the parameters before one (SPS), in a
# stream with start codes. Without the parameters, libav takes any picture for a key frame.
_H264_START = re.compile(rb"\x00\x00\x01[\x05\x25\x45\x65\x07\x27\x47\x67]")


def begins_late(head: Sequence[Packet[VideoStream]]) -> bool:
    """Return whether a video begins between key frames, by its first packets."""
    if not head or not _is_start(head[0]):
        return bool(head)
    first = head[0].pts
    return first is not None and any(packet.pts is None or packet.pts < first for packet in head[1:])


def decode_late(
    stream: VideoStream,
    packets: Iterable[Packet[VideoStream]],
    pass_over: Callable[[int], None],
    where: Path | str,
) -> Generator[VideoFrame, None, None]:
    """Decode such a video, of which nothing was decoded yet.

    Args:
        stream: The stream.
        packets: Its packets.
        pass_over: Told how many pictures come before the first that is shown.
        where: The file, for errors.

    Raises:
        MediaError: A frame that is to be shown does not decode.
        av.FFmpegError: The same.
    """
    stream.codec_context.thread_count = 1
    fed: list[int] = []
    failed: list[int] = []
    missing: set[int] = set()
    first: int | None = None
    packet: Packet[VideoStream] | None = None
    try:
        for packet in chain(packets, (None,)):
            try:
                frames = stream.decode(packet)
            except av.FFmpegError:
                opened = stream.codec_context.is_open  # or the decoder refuses all of it, and would again
                if not opened or first is not None or (packet is not None and _is_start(packet)):
                    raise
                failed += [] if packet is None else [_when(packet)]
                frames = []
            if packet is not None and first is None and not packet.is_discard:
                fed.append(_when(packet))
            for frame in frames:
                if first is None:
                    first = _when(frame)
                    pass_over(sum(when < first for when in fed))
                    # What a packet says of frames that are not there may fail, and its own frame be shown.
                    missing = {when for when in failed if when >= first}
                missing.discard(_when(frame))
                if missing and min(missing) < _when(frame):
                    raise MediaError("a frame does not decode", got="one of the first", where=where)
                yield frame
    finally:  # a traceback keeps what is in here, and these keep the decoder
        del stream, packets, packet


def _when(shown: Packet[VideoStream] | VideoFrame) -> int:
    """When something is shown; before all others where it does not say, as pictures before the first."""
    return _EARLIEST if shown.pts is None else shown.pts


def _is_start(packet: Packet[VideoStream]) -> bool:
    """Return whether a packet needs no other before it."""
    if not packet.is_keyframe or packet.stream.codec_context.name != "h264":
        return packet.is_keyframe
    data = bytes(packet)
    return b"\x00\x00\x01" not in data[:4] or _H264_START.search(data) is not None
