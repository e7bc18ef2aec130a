"""What a file holds: a video by decoding it, any artifact by its header where that tells.

- `probe` decodes every frame of a clip, so a `VideoInfo` also says that the clip is whole. Of a long file
  only the first `DECODED_FRAMES` are decoded; the rest is counted by the packets that are shown.
- `look` decodes one frame only: enough to draw what is known to be a clip.
- `read_shape` reads what an artifact's header says of its size, so that a tar of thousands is read in one
  pass: an mp4's boxes, a PNG's IHDR chunk, upstream's `shape` in an npz. Nothing is trusted: lengths are
  checked before anything is read or allocated.
- Where an mp4's boxes do not tell what is shown, the video is decoded and counted. So is one of another
  container under an mp4's name: players and trainers show it. `require_mp4` says that it is none.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from sparkle.media.boxes import told
from sparkle.media.container import open_video
from sparkle.media.decode import upright_size
from sparkle.media.mask import mask_shape
from sparkle.media.timing import worst_offset_of
from sparkle.schemas.errors import MediaError
from sparkle.schemas.misplaced import refuse_misplaced

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
    """

    width: int
    height: int
    frames: int
    fps: float


def probe(path: Path) -> VideoInfo:
    """Return what a video holds, and see that its frames decode.

    Args:
        path: The video file.

    Raises:
        MediaError: The file is missing, empty, cut short, no video, or a frame does not decode.
    """
    with open_video(path) as video:
        decoding = video.frames()
        first = next(decoding)
        count = 1 + sum(1 for _ in islice(decoding, DECODED_FRAMES - 1))
        rate, passed_over = video.rate, video.passed_over
        width, height = upright_size(first)
    if count == DECODED_FRAMES:
        with open_video(path) as video:
            count = video.packet_count() - passed_over
    return VideoInfo(width, height, count, float(rate))


@dataclass(frozen=True)
class Look:
    """What a video looks like.

    Attributes:
        width: Displayed width in pixels.
        height: Displayed height in pixels.
        fps: Frames a second, rounded, at least 1.
    """

    width: int
    height: int
    fps: int


def look(path: Path) -> Look:
    """Return what a video looks like, by its first frame.

    Args:
        path: The video file.

    Raises:
        MediaError: The file is missing, no video, or its first frame does not decode.
    """
    with open_video(path) as video:
        width, height = upright_size(next(video.frames()))
        rate = video.rate
    return Look(width, height, max(1, round(rate or _UPSTREAM_FPS)))


# --- headers ---------------------------------------------------------------------------------------

_PNG = b"\x89PNG\r\n\x1a\n"

# What other videos, and pictures, begin with that are met under the name of an mp4.
_OTHER_VIDEOS = {
    "WebM": rb"\x1a\x45\xdf\xa3.{,64}webm",
    "Matroska": rb"\x1a\x45\xdf\xa3",
    "AVI": rb"RIFF....AVI ",
    "a GIF": rb"GIF8",
    "an MPEG transport stream": rb"\x47.{187}\x47",
    "an MPEG program stream": rb"\x00\x00\x01\xba",
    "FLV": rb"FLV\x01",
    "Ogg": rb"OggS",
    "ASF": rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11",
}
_PICTURES = {
    "a PNG image": re.escape(_PNG),
    "a JPEG image": rb"\xff\xd8\xff",
    "a WebP image": rb"RIFF....WEBP",
}


class Shape(NamedTuple):
    """Size of an artifact; 0 where it has none of that, or does not say.

    Attributes:
        frames: Number of frames.
        width: Pixels.
        height: Pixels.
        fps: Frames a second.
        uneven: Milliseconds by which frames are off equal distances; 0.0 where that may be rounding.
    """

    frames: int = 0
    width: int = 0
    height: int = 0
    fps: float = 0.0
    uneven: float = 0.0


def read_shape(data: bytes, suffix: str) -> Shape:
    """Return the size of an artifact; of a video as it is shown.

    Args:
        data: The whole file.
        suffix: .mp4, .png or .npz.

    Raises:
        MediaError: it is no such file, or says something impossible.
    """
    try:
        return {".mp4": _mp4, ".png": _png, ".npz": _npz}[suffix](data)
    except MediaError:
        refuse_misplaced(data, MediaError)
        raise


def _png(data: bytes) -> Shape:
    if not data.startswith(_PNG) or data[12:16] != b"IHDR" or len(data) < 33:
        raise MediaError("not a PNG image", got=f"{len(data)} bytes, the first {data[:8]!r}")
    return Shape(1, int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big"))


def _npz(data: bytes) -> Shape:
    frames, height, width = mask_shape(data)
    return Shape(frames, width, height)


def require_mp4(data: bytes) -> None:
    """Raise MediaError where a file begins as one of another kind does, whatever its name is."""
    for kinds in (_OTHER_VIDEOS, _PICTURES):
        if (kind := _kind(data, kinds)) is not None:
            raise MediaError("not an mp4", got=f"it is {kind}")


def _kind(data: bytes, kinds: Mapping[str, bytes]) -> str | None:
    return next((kind for kind, start in kinds.items() if re.match(start, data, re.DOTALL)), None)


def _mp4(data: bytes) -> Shape:
    if _kind(data, _OTHER_VIDEOS) is not None:
        return _shown(data)
    require_mp4(data)
    plain = told(data)
    return _shown(data) if plain is None else Shape(*plain)


def _shown(data: bytes) -> Shape:
    width = height = 0
    times: list[Fraction | None] = []
    with open_video(data, threads=1) as video:
        for time, frame in video.timed_frames():
            width, height = upright_size(frame)
            times.append(time)
        rate = float(video.rate)  # asked while it is open
    return Shape(len(times), width, height, rate, worst_offset_of(times))
