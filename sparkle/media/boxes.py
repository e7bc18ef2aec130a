"""What the boxes of an mp4 (ISO/IEC 14496-12) say of the video that it shows, where they say it plainly.

- Boxes count samples. Those are the frames that are shown where there is one video track, upright, not in
  fragments, whose first sample needs no other and comes first, and of which no edit hides one. Of any other
  video the boxes do not tell.
- Nothing is trusted: lengths are checked before anything is read or allocated.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from sparkle.media.container import MAX_FRAMES
from sparkle.media.timing import worst_offset
from sparkle.schemas.errors import MediaError

_MOST_BOXES = 10_000  # side by side; a clip in a fragment per frame has some two hundred

_Inside = Mapping[bytes, memoryview]  # the first box of each kind
_Times = npt.NDArray[np.int64]

# A matrix that shows pictures as they are stored (8.2.2): 16.16, the last column 2.30.
_UPRIGHT = b"".join(value.to_bytes(4, "big") for value in (1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30))


def told(data: bytes) -> tuple[int, int, int, float, float] | None:
    """Return the values of an mp4's `Shape`; None where the boxes do not tell.

    Raises:
        MediaError: it is no mp4, has no video track, or is not whole.
    """
    boxes = list(_boxes(memoryview(data)))
    moov = next((body for kind, body in boxes if kind == b"moov"), None)
    if not boxes or boxes[0][0] != b"ftyp" or moov is None:
        raise MediaError("not an mp4 video", got=f"{len(data)} bytes, the first {data[:8]!r}")
    tracks = []
    for track in (_inside(body) for kind, body in _boxes(moov) if kind == b"trak"):
        media = _inside(track.get(b"mdia", memoryview(b"")))
        if bytes(media.get(b"hdlr", memoryview(b""))[8:12]) == b"vide":
            tracks.append((track, media))
    if not tracks:
        raise MediaError("the mp4 has no video track")
    (track, media), *others = tracks
    movie = _inside(moov)
    header, place = movie.get(b"mvhd"), track.get(b"tkhd")
    if others or b"mvex" in movie or header is None or place is None:
        return None
    if _matrix(header, 36, 48) != _UPRIGHT or _matrix(place, 40, 52) != _UPRIGHT:
        return None
    return _track(track, media, _scale(header))


def _track(track: _Inside, media: _Inside, movie_scale: int) -> tuple[int, int, int, float, float] | None:
    table = _inside(_inside(media.get(b"minf", memoryview(b""))).get(b"stbl", memoryview(b"")))
    try:
        description, lasting, sizes = (table[kind] for kind in (b"stsd", b"stts", b"stsz"))
        scale = _scale(media[b"mdhd"])
    except KeyError:
        raise MediaError("the mp4's video track is not whole") from None
    if len(description) < 44:
        raise MediaError("the mp4's video track is not whole")
    frames = _number(sizes, 8, 4)
    lasts = _runs(lasting, frames)
    delays = _runs(table[b"ctts"], frames) if b"ctts" in table else np.zeros(1, np.int64)
    if lasts is None or delays is None or _number(description, 4, 4) != 1:
        return None
    shown_at, duration = np.cumsum(lasts) - lasts + delays, int(lasts.sum())
    first_is_key = b"stss" not in table or _number(table[b"stss"], 8, 4) == 1
    if not first_is_key or shown_at[0] != shown_at.min():
        return None
    edits = _inside(track.get(b"edts", memoryview(b""))).get(b"elst")
    if edits is not None and not _hides_none(edits, shown_at, Fraction(scale, movie_scale or 1)):
        return None
    # stsd: 8 bytes, then the first sample entry, whose width and height are at bytes 32 and 34 (12.1.3.2).
    width, height = _number(description, 40, 2), _number(description, 42, 2)
    rate = frames * scale / duration if duration > 0 else 0.0
    return frames, width, height, rate, worst_offset(np.sort(shown_at) / scale) if scale else 0.0


def _hides_none(edits: memoryview, shown_at: _Times, scale: Fraction) -> bool:
    """Return whether a list of edits is one that shows every sample.

    Args:
        edits: The list.
        shown_at: When samples are shown, in units of the track.
        scale: Such units per unit of the movie.
    """
    long = 8 if bytes(edits[:1]) == b"\1" else 4
    lasts, start = _number(edits, 8, long), _number(edits, 8 + long, long)
    if _number(edits, 4, 4) != 1 or _number(edits, 8 + 2 * long, 4) != 1 << 16 or start > shown_at[0]:
        return False
    return start + lasts * scale > int(shown_at.max())


def _runs(box: memoryview, frames: int) -> _Times | None:
    """The values of an stts or ctts box, one a sample; None where they are of another number of samples."""
    entries = _number(box, 4, 4)
    if len(box) < 8 + 8 * entries:
        raise MediaError("the mp4's video track is not whole")
    runs = np.frombuffer(box[8 : 8 + 8 * entries], ">u4").reshape(entries, 2).astype(np.int64)
    counts, values = runs[:, 0], runs[:, 1]
    if not 0 < frames <= MAX_FRAMES or int(counts.sum()) != frames:
        return None
    if box[0] == 1:  # signed
        values = values.astype(np.int32).astype(np.int64)
    return np.repeat(values, counts)


def _scale(header: memoryview) -> int:
    """Units per second of a mvhd or mdhd box."""
    return _number(header, 20, 4) if bytes(header[:1]) == b"\1" else _number(header, 12, 4)


def _matrix(box: memoryview, start: int, start_of_version_1: int) -> bytes:
    place = start_of_version_1 if bytes(box[:1]) == b"\1" else start
    return bytes(box[place : place + 36])


def _inside(view: memoryview) -> _Inside:
    found: dict[bytes, memoryview] = {}
    for kind, body in _boxes(view):
        found.setdefault(kind, body)
    return found


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


def _number(view: memoryview, start: int, count: int) -> int:
    return int.from_bytes(view[start : start + count], "big")
