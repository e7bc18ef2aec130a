"""What a video file holds, found by decoding it.

- `probe` decodes every frame of a clip, so a `VideoInfo` also says that the clip is whole.
- Of a long file only the first `DECODED_FRAMES` are decoded; the rest is counted by its packets.
- `look` decodes one frame only: enough to draw what is known to be a clip.

Perceptual hash of a clip: near-duplicates differ in few bits.

The difference hash (dHash: Krawetz, "Kind of Like That", 2013) of the first frame: 9 x 8 grey pixels,
one bit for each pair of horizontal neighbours. First frames are what upstream's editing starts from.

What an artifact's header says of its size, without decoding it: a tar of thousands is read in one pass.

- mp4: the boxes of its first video track (ISO/IEC 14496-12); png: its IHDR chunk; npz: upstream's `shape`.
- Nothing is trusted: lengths are checked before anything is read or allocated. What only decoding can tell
  (`check_media`) is not asked here.
"""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from sparkle.media.container import open_video
from sparkle.media.decode import iter_frames, upright_size
from sparkle.media.mask import MAX_MASK_PIXELS, UNREADABLE
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
    """What a video looks like, by its first frame.

    Args:
        path: The video file.

    Raises:
        MediaError: The file is missing, no video, or its first frame does not decode.
    """
    with open_video(path) as video:
        width, height = upright_size(next(video.frames()))
        rate = video.stream.average_rate or video.stream.guessed_rate
    return Look(width, height, max(1, round(rate or _UPSTREAM_FPS)))


# --- perceptual hash of a clip ---------------------------------------------------------------------


def perceptual_hash(path: Path) -> str:
    """The 64-bit difference hash of a clip's first frame, as 16 hexadecimal digits.

    Raises:
        MediaError: the clip cannot be decoded.
    """
    frame = next(iter_frames(path))
    gray = cv2.resize(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), (9, 8), interpolation=cv2.INTER_AREA)
    bits = gray[:, 1:] > gray[:, :-1]
    return np.packbits(bits).tobytes().hex()


# --- what an artifact's header says of its size ----------------------------------------------------


_PNG = b"\x89PNG\r\n\x1a\n"
_NPY_HEADER_BYTES = 512  # more than numpy writes for a one-dimensional array
_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


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
    """The size of an artifact.

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


# --- masks ------------------------------------------------------------------------------------


def _npz(data: bytes) -> Shape:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = sorted(archive.namelist())
            if names != ["mask.npy", "shape.npy"]:
                raise MediaError("not a mask file", got=", ".join(names)[:200], wanted="mask.npy, shape.npy")
            (sides,), types, start = _npy(archive, "shape.npy")
            if sides != 3 or types not in ("<i8", "<i4"):
                raise MediaError("the mask's shape is no three numbers", got=f"{types} {sides}")
            shape = [int(side) for side in np.frombuffer(start, types, 3)]
            (bits,), types, _ = _npy(archive, "mask.npy")
    except UNREADABLE as error:
        raise MediaError("the mask cannot be read", got=error) from None
    pixels = math.prod(shape)
    if min(shape) < 1 or pixels > MAX_MASK_PIXELS:
        wanted = f"positive sides, at most {MAX_MASK_PIXELS} pixels in all"
        raise MediaError("the mask has an impossible shape", got=shape, wanted=wanted)
    if types != "|u1" or bits != (pixels + 7) // 8:
        raise MediaError(
            "the mask's shape and bits do not fit each other",
            got=f"{types} {bits}",
            wanted=f"|u1 {(pixels + 7) // 8}",
        )
    frames, height, width = shape
    return Shape(frames, width, height)


def _npy(archive: zipfile.ZipFile, name: str) -> tuple[tuple[int], str, bytes]:
    """Shape and type of a one-dimensional member, and the first bytes of its data."""
    with archive.open(name) as member:
        start = io.BytesIO(member.read(_NPY_HEADER_BYTES))
    version = np.lib.format.read_magic(start)
    if version not in _HEADERS:
        raise MediaError("the mask has an unknown npy version", got=version)
    shape, _, dtype = _HEADERS[version](start)
    if len(shape) != 1:
        raise MediaError("the mask's arrays have one dimension", got=f"{name} {shape}")
    return shape, dtype.str, start.read()


# --- videos -----------------------------------------------------------------------------------


def _mp4(data: bytes) -> Shape:
    view = memoryview(data)
    boxes = list(_boxes(view))
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
    runs = np.frombuffer(times[8 : 8 + 8 * entries], ">u4").reshape(entries, 2).astype(np.int64)
    duration = int((runs[:, 0] * runs[:, 1]).sum())
    scale = _number(media, 20, 4) if media[0] == 1 else _number(media, 12, 4)
    # stsd: 8 bytes, then the first sample entry, whose width and height stand at bytes 32 and 34 (12.1.3.2).
    width, height = _number(description, 40, 2), _number(description, 42, 2)
    return Shape(frames, width, height, frames * scale / duration if duration else 0.0)


def _boxes(view: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    """Yield (kind, body) of the boxes in a row."""
    position = 0
    while position + 8 <= len(view):
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
