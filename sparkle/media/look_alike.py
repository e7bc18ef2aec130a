"""Videos that show the same scene, by a hash of what stays in the picture.

How it works
- The scene of a clip is the median of 9 of its frames: cameras of the dataset are fixed, so what moves is
  gone, and another moment of the same shot has the same scene. Of a longer video the part counts that a
  source clip is made of, its first five seconds.
- The hash is the difference hash (dHash: Krawetz, "Kind of Like That", 2013) of the scene: 17 x 16 grey
  pixels, one bit for each pair of horizontal neighbours. Every clip has one, so that it can stand in a table.
- A clip that is looked for has `variants`: centre crops of up to 12 % a side, the picture that it might be
  such a crop of, and each of these mirrored. Neighbours that hardly differ, and what lies outside of the
  picture, count for nothing: bits of black bars or of a plain wall would agree with anything's. The distance
  of the rest is given as if all 256 bits counted.
- A clip with too few bits that count has no variants: nothing can be said of it.
- Bits are +1 and -1, and 0 where they do not count, so that a matrix product gives exact distances: 26 times
  458 clips against 140,000 is a matter of seconds, in blocks, by whatever numpy calculates with.

How far it carries
- Measured on 24 clips with fixed cameras (12 sources, and their edits): re-encoded, resized, mirrored, and
  cropped by up to 11 % a side they are at most 21 apart, halves of one shot at most 49 (sources: 25), and
  528 pairs of different scenes at least 64. So many pairs bound the rate of false ones below 0.6 %, and no
  further.
- Not found are a moving camera, a heavier crop, and another shot in the same room. What is found is to be
  looked at; what is not proves nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from sparkle.media import Pixels
from sparkle.media.container import open_video
from sparkle.media.decode import part_drawer, to_rgb
from sparkle.schemas.errors import MediaError

NEAR = 40  # bits of 256 up to which two clips count as the same scene
LOOK = 60  # up to which they are worth a look

HASH_BYTES = 32
LIMITS = (
    "measured on 24 clips with fixed cameras: a moving camera, a crop of more than 12 % a side, or another "
    "shot in the same room is not found, and none of this is proof"
)

_FRAMES = 9
_SECONDS = 81 / 16  # of the longest source clip
_MOST_FRAMES = 1000  # of that time, whatever a container says of its rate
_GRID = (17, 16)
_SCENE = (272, 256)  # 16 pixels for one of the grid, so that a crop of 2 % is one of whole pixels
_CROPS = (-12, -10, -8, -6, -4, -2, 0, 2, 4, 6, 8, 10, 12)  # percent of each side; below 0 the picture around
_PLAIN = 2  # grey levels: neighbours that differ by less say nothing
_INSIDE = 0.95  # of a pixel of the grid that must lie in the picture
_FEWEST = 96  # bits that must count
_BLOCK = 1 << 14  # hashes that are compared at once
_QUERIES = 1 << 11  # variants that they are compared with at once: 128 MB of distances

Variants: TypeAlias = npt.NDArray[np.int8]
"""int8 (V, 256), a row a variant: 1 where the right neighbour is lighter, -1 where not, 0 where open."""
Hashes: TypeAlias = npt.NDArray[np.uint8]
"""uint8 (N, 32)."""


@dataclass(frozen=True)
class LookAlike:
    """Two clips that may show the same scene.

    Attributes:
        query: Which of the clips that were looked for.
        row: Which of those that it was compared with.
        distance: Bits of 256.
    """

    query: int
    row: int
    distance: int


def median_hash(source: Path | bytes, *, threads: int = 0) -> str:
    """Return the hash of a clip's scene, as 64 hexadecimal digits.

    Raises:
        MediaError: the clip cannot be decoded.
    """
    return hash_of(read_scene(source, threads=threads))


def hash_of(scene: Pixels) -> str:
    """Return the hash of a scene."""
    return np.packbits(_steps(scene).ravel() > 0).tobytes().hex()


def read_scene(source: Path | bytes, *, threads: int = 0) -> Pixels:
    """Return the median frame of a clip, uint8 (256, 272) grey whatever its proportions are.

    Args:
        source: The video: its file or its bytes.
        threads: How many threads decode; 0 is as many as there are cores.

    Raises:
        MediaError: it is missing, no video, or a frame does not decode.
    """
    with open_video(source, threads=threads) as video:
        count, rate = video.packet_count(), video.rate
    stretch = max(1, min(count, ceil(_SECONDS * rate) if rate else count, _MOST_FRAMES))
    wanted = set(np.linspace(0, stretch - 1, min(_FRAMES, stretch)).round().astype(int).tolist())
    draw, seen = part_drawer(_SCENE), []
    with open_video(source, threads=threads) as video:
        for index, frame in enumerate(video.frames()):
            if index in wanted:
                image = np.empty((_SCENE[1], _SCENE[0], 3), np.uint8)
                draw(frame, image)
                seen.append(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY))
            if index + 1 >= stretch:
                break
    return np.asarray(np.median(np.array(seen), axis=0), np.uint8)


def unpack_hashes(hashes: Sequence[str]) -> Hashes:
    """Return hashes as they are searched.

    Raises:
        MediaError: one is not 64 hexadecimal digits.
    """
    try:
        packed = [bytes.fromhex(text) for text in hashes]
    except ValueError:
        packed = [b""]
    if any(len(data) != HASH_BYTES for data in packed):
        raise MediaError("not hashes of scenes", wanted=f"{2 * HASH_BYTES} hexadecimal digits each")
    return np.frombuffer(b"".join(packed), np.uint8).reshape(len(packed), HASH_BYTES)


def variants(scene: Pixels) -> Variants:
    """Return how a scene may look in a clip of it; none where it has too little detail to be known again."""
    found = []
    for percent in _CROPS:
        cropped, inside = _cropped(scene, percent)
        for picture, seen in ((cropped, inside), (cropped[:, ::-1], inside[:, ::-1])):
            steps = _steps(picture)
            counts = (np.abs(steps) >= _PLAIN) & seen[:, 1:] & seen[:, :-1]
            found.append(np.where(counts, np.where(steps > 0, 1, -1), 0).ravel().astype(np.int8))
    whole = found[2 * _CROPS.index(0)]
    if np.count_nonzero(whole) < _FEWEST:
        return np.empty((0, whole.size), np.int8)
    return np.array([row for row in found if np.count_nonzero(row) >= _FEWEST], np.int8)


def search(queries: Sequence[Variants], hashes: Hashes, within: int = LOOK) -> Iterator[LookAlike]:
    """Yield the pairs that are within a distance, by query and row.

    Args:
        queries: Variants of the clips that are looked for.
        hashes: The clips that there are.
        within: Bits of 256.
    """
    for query, rows in _found(queries, hashes, within):
        for row in sorted(rows):
            yield LookAlike(query, row, rows[row])


def _found(queries: Sequence[Variants], hashes: Hashes, within: int) -> Iterator[tuple[int, dict[int, int]]]:
    """Yield each query with the distances of what is near to it, a few queries at a time."""
    first = 0
    while first < len(queries):
        last, size = first, 0
        while last < len(queries) and (last == first or size + len(queries[last]) <= _QUERIES):
            size += len(queries[last])
            last += 1
        found = _compare(queries[first:last], hashes, within)
        yield from ((first + query, rows) for query, rows in enumerate(found))
        first = last


def _compare(queries: Sequence[Variants], hashes: Hashes, within: int) -> list[dict[int, int]]:
    bits = np.concatenate([query.astype(np.float32) for query in queries])
    owner = np.repeat(np.arange(len(queries)), [len(query) for query in queries])
    counting = np.abs(bits).sum(axis=1, keepdims=True)
    # (counting - agreement) / 2 bits differ; scaled to 256 they are `within` where the agreement is this.
    least = counting * (1 - within / 128)
    found: list[dict[int, int]] = [{} for _ in queries]
    for start in range(0, len(hashes), _BLOCK):
        signs = np.unpackbits(hashes[start : start + _BLOCK], axis=1).astype(np.float32) * 2 - 1
        agreement = bits @ signs.T
        for variant, row in np.argwhere(agreement >= least).tolist():
            differ = (counting[variant, 0] - agreement[variant, row]) / 2
            distance = round(float(differ * 256 / counting[variant, 0]))
            rows = found[owner[variant]]
            rows[start + row] = min(distance, rows.get(start + row, distance))
    return found


def _steps(picture: Pixels) -> npt.NDArray[np.int16]:
    """How much lighter the right one of two neighbours is, int16 (16, 16)."""
    small = cv2.resize(picture, _GRID, interpolation=cv2.INTER_AREA).astype(np.int16)
    return np.asarray(small[:, 1:] - small[:, :-1], np.int16)


def _cropped(scene: Pixels, percent: int) -> tuple[Pixels, npt.NDArray[np.bool_]]:
    """A crop of the scene, or with its edges drawn out what it may be a crop of; and what of it is known."""
    height, width = scene.shape
    if percent >= 0:
        y, x = round(height * percent / 100), round(width * percent / 100)
        return np.ascontiguousarray(scene[y : height - y, x : width - x]), np.ones(_GRID[::-1], bool)
    part = -percent / (100 + 2 * percent)  # of the crop's own side
    y, x = round(height * part), round(width * part)
    border = (y, y, x, x)
    whole = np.full_like(scene, 255)
    known = cv2.copyMakeBorder(whole, *border, cv2.BORDER_CONSTANT, value=(0,))
    inside = cv2.resize(known, _GRID, interpolation=cv2.INTER_AREA) >= _INSIDE * 255
    return np.asarray(cv2.copyMakeBorder(scene, *border, cv2.BORDER_REPLICATE), np.uint8), inside


def hash_pictures(source: Path | bytes) -> str:
    """Return the sha256 of a clip's decoded frames, which a copy in another container shares.

    Raises:
        MediaError: a frame does not decode.
    """
    digest = hashlib.sha256()
    with open_video(source) as video:
        for frame in video.frames():
            picture = to_rgb(frame)
            digest.update(repr(picture.shape).encode())
            digest.update(picture.data)
    return digest.hexdigest()
