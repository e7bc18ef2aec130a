"""What a file holds: a video by decoding it, any artifact by its header alone.

- `probe` decodes every frame of a clip, so a `VideoInfo` also says that the clip is whole. Of a long file
  only the first `DECODED_FRAMES` are decoded; the rest is counted by its packets.
- `look` decodes one frame only: enough to draw what is known to be a clip.
- `perceptual_hash` is the difference hash (dHash: Krawetz, "Kind of Like That", 2013) of the first frame:
  9 x 8 grey pixels, one bit for each pair of horizontal neighbours. Near-duplicates differ in few bits; first
  frames are what upstream's editing starts from.
- `read_shape` reads what an artifact's header says of its size, so that a tar of thousands is read in one
  pass: the boxes of an mp4's first video track (ISO/IEC 14496-12), a PNG's IHDR chunk, upstream's `shape` in
  an npz. Nothing is trusted: lengths are checked before anything is read or allocated.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from sparkle.media.container import open_video
from sparkle.media.decode import iter_frames, upright_size
from sparkle.media.mask import mask_shape
from sparkle.schemas.errors import MediaError

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
        rate = video.rate
        width, height = upright_size(first)
    if count == DECODED_FRAMES:
        with open_video(path) as video:
            count = video.packet_count()
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


def perceptual_hash(path: Path) -> str:
    """Return the 64-bit difference hash of a clip's first frame, as 16 hexadecimal digits.

    Raises:
        MediaError: the clip cannot be decoded.
    """
    frame = next(iter_frames(path))
    gray = cv2.resize(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), (9, 8), interpolation=cv2.INTER_AREA)
    bits = gray[:, 1:] > gray[:, :-1]
    return np.packbits(bits).tobytes().hex()


# --- headers ---------------------------------------------------------------------------------------

_MOST_BOXES = 10_000  # of an mp4, side by side; a clip in a fragment per frame has some two hundred
_PNG = b"\x89PNG\r\n\x1a\n"


class Shape(NamedTuple):
    """Size of an artifact; 0 where it has none of that, or does not say.

    Attributes:
        frames: Number of frames.
        width: Pixels.
        height: Pixels.
        fps: Frames a second.
    """

    frames: int = 0
    width: int = 0
    height: int = 0
    fps: float = 0.0


def read_shape(data: bytes, suffix: str) -> Shape:
    """Return the size of an artifact.

    Args:
        data: The whole file.
        suffix: .mp4, .png or .npz.

    Raises:
        MediaError: it is no such file, or says something impossible.
    """
    return {".mp4": _mp4, ".png": _png, ".npz": _npz}[suffix](data)


def _png(data: bytes) -> Shape:
    if not data.startswith(_PNG) or data[12:16] != b"IHDR" or len(data) < 33:
        raise MediaError("not a PNG image", got=f"{len(data)} bytes, the first {data[:8]!r}")
    return Shape(1, int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big"))


def _npz(data: bytes) -> Shape:
    frames, height, width = mask_shape(data)
    return Shape(frames, width, height)


def _mp4(data: bytes) -> Shape:
    boxes = list(_boxes(memoryview(data)))
    moov = next((body for kind, body in boxes if kind == b"moov"), None)
    if not boxes or boxes[0][0] != b"ftyp" or moov is None:
        raise MediaError("not an mp4 video", got=f"{len(data)} bytes, the first {data[:8]!r}")
    for track in _all(moov, b"trak"):
        handler = _first(track, b"mdia", b"hdlr")
        if handler is not None and bytes(handler[8:12]) == b"vide":
            return _track(track)
    raise MediaError("the mp4 has no video track")


def _track(track: memoryview) -> Shape:
    parts = {name: _first(track, b"mdia", b"minf", b"stbl", name) for name in (b"stsd", b"stts", b"stsz")}
    media = _first(track, b"mdia", b"mdhd")
    description, times, sizes = parts.values()
    if description is None or times is None or sizes is None or media is None or len(description) < 44:
        raise MediaError("the mp4's video track is not whole")
    frames, entries = _number(sizes, 8, 4), _number(times, 4, 4)
    if len(times) < 8 + 8 * entries:
        raise MediaError("the mp4's video track is not whole")
    runs = np.frombuffer(times[8 : 8 + 8 * entries], ">u4").reshape(entries, 2).astype(np.float64)
    duration = float((runs[:, 0] * runs[:, 1]).sum())  # what is right is exact, and nothing overflows
    scale = _number(media, 20, 4) if media[0] == 1 else _number(media, 12, 4)
    # stsd: 8 bytes, then the first sample entry, whose width and height are at bytes 32 and 34 (12.1.3.2).
    width, height = _number(description, 40, 2), _number(description, 42, 2)
    return Shape(frames, width, height, frames * scale / duration if duration else 0.0)


def _boxes(view: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    """Yield (kind, body) of the boxes in a row."""
    position = count = 0
    while position + 8 <= len(view):
        count += 1
        if count > _MOST_BOXES:
            wanted = f"at most {_MOST_BOXES} side by side"
            raise MediaError("the mp4 has too many boxes", got=f"more at byte {position}", wanted=wanted)
        size, kind, head = _number(view, position, 4), bytes(view[position + 4 : position + 8]), 8
        if size == 1:
            size, head = _number(view, position + 8, 8), 16
        elif size == 0:  # to the end of the file
            size = len(view) - position
        if size < head or position + size > len(view):
            raise MediaError("the mp4 is cut short", got=f"a box of {size} bytes at byte {position}")
        yield kind, view[position + head : position + size]
        position += size


def _all(view: memoryview, kind: bytes) -> list[memoryview]:
    return [body for found, body in _boxes(view) if found == kind]


def _first(view: memoryview, *path: bytes) -> memoryview | None:
    for kind in path:
        inside = _all(view, kind)
        if not inside:
            return None
        view = inside[0]
    return view


def _number(view: memoryview, start: int, count: int) -> int:
    return int.from_bytes(view[start : start + count], "big")
