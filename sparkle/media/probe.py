"""What a file holds: a video by decoding it, any artifact by its header where that tells.

- `probe` decodes every frame of a clip, so a `VideoInfo` also says that the clip is whole. Of a long file
  only the first `DECODED_FRAMES` are decoded; the rest is counted by the packets that are shown.
- `look` decodes one frame only: enough to draw what is known to be a clip.
- `perceptual_hash` is the difference hash (dHash: Krawetz, "Kind of Like That", 2013) of the first frame:
  9 x 8 grey pixels, one bit for each pair of horizontal neighbours. Near-duplicates differ in few bits; first
  frames are what upstream's editing starts from.
- `read_shape` reads what an artifact's header says of its size, so that a tar of thousands is read in one
  pass: the boxes of an mp4's video track (ISO/IEC 14496-12), a PNG's IHDR chunk, upstream's `shape` in an
  npz. Nothing is trusted: lengths are checked before anything is read or allocated.
- An mp4's boxes count samples. Where those are not plainly the frames that are shown (an edit list hides
  some, fragments follow, the picture is turned, there are several tracks), the video is decoded and counted.
  So is a video of another container under an mp4's name: players and trainers show it. `require_mp4` says it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from sparkle.media.container import MAX_FRAMES, open_video
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
# A matrix that shows pictures as they are stored (ISO/IEC 14496-12, 8.2.2): 16.16, the last column 2.30.
_UPRIGHT = b"".join(value.to_bytes(4, "big") for value in (1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30))


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
    """Return the size of an artifact; of a video as it is shown.

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
    view = memoryview(data)
    boxes = list(_boxes(view))
    moov = next((body for kind, body in boxes if kind == b"moov"), None)
    if not boxes or boxes[0][0] != b"ftyp" or moov is None:
        raise MediaError("not an mp4 video", got=f"{len(data)} bytes, the first {data[:8]!r}")
    tracks = [track for track in _all(moov, b"trak") if _handler(track) == b"vide"]
    if not tracks:
        raise MediaError("the mp4 has no video track")
    return _plain(moov, tracks) or _shown(data)


def _shown(data: bytes) -> Shape:
    frames = width = height = 0
    with open_video(data, threads=1) as video:
        for frame in video.frames():
            width, height = upright_size(frame)
            frames += 1
        rate = float(video.rate)  # asked while it is open
    return Shape(frames, width, height, rate)


def _handler(track: memoryview) -> bytes:
    handler = _first(track, b"mdia", b"hdlr")
    return b"" if handler is None else bytes(handler[8:12])


def _plain(moov: memoryview, tracks: list[memoryview]) -> Shape | None:
    """What the boxes say of a video whose samples are the frames that are shown; None of any other."""
    movie, header = _first(moov, b"mvhd"), _first(tracks[0], b"tkhd")
    fragmented = _first(moov, b"mvex") is not None
    if len(tracks) > 1 or fragmented or movie is None or header is None:
        return None
    upright = _matrix(movie, 36, 48) == _matrix(header, 40, 52) == _UPRIGHT
    return _track(tracks[0], movie) if upright else None


def _matrix(box: memoryview, *places: int) -> bytes:
    """A box's matrix, at one place in its version 0 and at another in version 1."""
    start = places[box[0] == 1] if len(box) else 0
    return bytes(box[start : start + 36])


def _track(track: memoryview, movie: memoryview) -> Shape | None:
    parts = {name: _first(track, b"mdia", b"minf", b"stbl", name) for name in (b"stsd", b"stts", b"stsz")}
    media = _first(track, b"mdia", b"mdhd")
    description, times, sizes = parts.values()
    if description is None or times is None or sizes is None or media is None or len(description) < 44:
        raise MediaError("the mp4's video track is not whole")
    frames = _number(sizes, 8, 4)
    lasting = _runs(times, frames)
    if lasting is None:
        return None
    duration, scale = int(lasting.sum()), _scale(media)
    shown_at = np.cumsum(lasting) - lasting
    if (delays := _first(track, b"mdia", b"minf", b"stbl", b"ctts")) is not None:
        delayed = _runs(delays, frames)
        if delayed is None:
            return None
        shown_at += delayed
    if (
        not _shows_all(track, shown_at, Fraction(scale, _scale(movie) or 1))
        or _number(description, 4, 4) != 1
    ):
        return None
    # stsd: 8 bytes, then the first sample entry, whose width and height are at bytes 32 and 34 (12.1.3.2).
    width, height = _number(description, 40, 2), _number(description, 42, 2)
    return Shape(frames, width, height, frames * scale / duration if duration > 0 else 0.0)


def _scale(header: memoryview) -> int:
    """Units per second of a mvhd or mdhd box."""
    return _number(header, 20, 4) if len(header) and header[0] == 1 else _number(header, 12, 4)


def _runs(box: memoryview, frames: int) -> npt.NDArray[np.int64] | None:
    """The values of an stts or ctts box, one a sample; None where they are of another number of samples."""
    entries = _number(box, 4, 4)
    if len(box) < 8 + 8 * entries:
        raise MediaError("the mp4's video track is not whole")
    runs = np.frombuffer(box[8 : 8 + 8 * entries], ">u4").reshape(entries, 2)
    if not 0 < frames <= MAX_FRAMES or int(runs[:, 0].sum(dtype=np.uint64)) != frames:
        return None
    values = runs[:, 1].astype(np.int64)
    if box[0] == 1:  # signed
        values = values.astype(np.int32).astype(np.int64)
    return np.repeat(values, runs[:, 0].astype(np.int64))


def _shows_all(track: memoryview, shown_at: npt.NDArray[np.int64], scale: Fraction) -> bool:
    """Return whether the first sample needs no other and comes first, and no edit hides one.

    Args:
        track: The track.
        shown_at: When its samples are shown, in units of the track.
        scale: Such units per unit of the movie.
    """
    keys, edits = _first(track, b"mdia", b"minf", b"stbl", b"stss"), _first(track, b"edts", b"elst")
    if (keys is not None and _number(keys, 8, 4) != 1) or shown_at[0] != shown_at.min():
        return False
    if edits is None:
        return True
    long = 8 if bytes(edits[:1]) == b"\1" else 4
    lasts, start = _number(edits, 8, long), _number(edits, 8 + long, long)
    if _number(edits, 4, 4) != 1 or _number(edits, 8 + 2 * long, 4) != 1 << 16 or start > shown_at[0]:
        return False
    return lasts == 0 or start + lasts * scale > int(shown_at.max())


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
