"""What a video file holds, found by decoding it.

- `probe` decodes every frame of a clip, so a `VideoInfo` also says that the clip is whole.
- Of a long file only the first `DECODED_FRAMES` are decoded; the rest is counted by its packets.
- `look` decodes one frame only: enough to draw what is known to be a clip.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from sparkle.media.container import open_video
from sparkle.media.decode import upright_size

# Frames. Clips of the dataset have at most 81; a minute of video at 16 fps is 960.
DECODED_FRAMES = 1000

_UPSTREAM_FPS = 16  # where a container does not say


@dataclass(frozen=True)
class VideoInfo:
    """What a video file holds.

    Attributes:
        width: Displayed width in pixels, rotation applied.
        height: Displayed height in pixels, rotation applied.
        frames: Number of frames that decode.
        fps: Average frames a second as the container has it; 0.0 where it does not say.
        codec: libavcodec's name of the codec, such as "h264".
        pix_fmt: libavutil's name of the pixel format, such as "yuv420p".
        rotation: Degrees counter-clockwise by which a stored frame is turned for display: 0, 90, 180 or 270.
    """

    width: int
    height: int
    frames: int
    fps: float
    codec: str
    pix_fmt: str
    rotation: int


def probe(path: Path) -> VideoInfo:
    """Reads what a video holds and that its frames decode.

    Args:
        path: The video file.

    Raises:
        MediaError: The file is missing, empty, cut short, no video, or a frame does not decode.
    """
    with open_video(path) as video:
        decoding = video.frames()
        first = next(decoding)
        count = 1 + sum(1 for _ in islice(decoding, DECODED_FRAMES - 1))
        stream = video.stream
        rate = stream.average_rate or stream.guessed_rate
        codec = stream.codec_context.name
        pix_fmt = stream.codec_context.pix_fmt or first.format.name
        width, height = upright_size(first)
        rotation = first.rotation % 360
    if count == DECODED_FRAMES:
        with open_video(path) as video:
            count = video.packet_count()
    return VideoInfo(width, height, count, float(rate or 0), codec, pix_fmt, rotation)


@dataclass(frozen=True)
class Shape:
    """What a video looks like.

    Attributes:
        width: Displayed width in pixels.
        height: Displayed height in pixels.
        fps: Frames a second, rounded, at least 1.
    """

    width: int
    height: int
    fps: int


def look(path: Path) -> Shape:
    """What a video looks like, by its first frame.

    Args:
        path: The video file.

    Raises:
        MediaError: The file is missing, no video, or its first frame does not decode.
    """
    with open_video(path) as video:
        width, height = upright_size(next(video.frames()))
        rate = video.stream.average_rate or video.stream.guessed_rate
    return Shape(width, height, max(1, round(rate or _UPSTREAM_FPS)))
