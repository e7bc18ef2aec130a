"""Subject masks in upstream's npz: `mask` = packed bits of the flattened masks, `shape` = (T, H, W).

How it works
- Upstream's users read a file with numpy alone:
  `bits = np.unpackbits(d["mask"])[: np.prod(d["shape"])].reshape(d["shape"])`. So do files written here;
  they are deflated (0.1 MB instead of 9.3 MB for 81 frames of 720p) and always have the same bytes.
- `shape` may be of any type and byte order of whole numbers: the snippet does not care.
- Reading trusts nothing. An npy header must match a pattern: numpy's own reader gives it to Python's parser,
  which raises whatever it likes. Members, types and sizes are checked before anything is allocated, and no
  pickle is ever opened.
"""

from __future__ import annotations

import io
import math
import re
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from sparkle.media import Mask
from sparkle.schemas.errors import MediaError
from sparkle.schemas.misplaced import refuse_misplaced

# Pixels of all masks of a clip: 81 frames of 4K UHD are 6.7e8.
MAX_MASK_PIXELS = 2**30
MAX_MASK_FRAMES = 2**19  # more than a video may have

_UNREADABLE = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    OSError,
    ValueError,
    NotImplementedError,  # a compression or a zip version that zipfile does not know
    RuntimeError,  # an encrypted member
)
"""What `zipfile` raises for a damaged or foreign file: none of it is our bug."""

IN_MEMORY = "a mask in memory"
"""What errors call bytes; whoever has them knows where they are from."""

_BYTES = "u1"
_INTEGERS = "[iu][1248]"

_UNFIT = "the mask's shape and bits do not fit each other"

_MAGIC = b"\x93NUMPY"
_LENGTHS = {(1, 0): 2, (2, 0): 4}  # npy version -> bytes of a header's length
_HEADER_BYTES = 512  # more than numpy writes for a one-dimensional array
_HEADER = re.compile(
    rb"\{'descr': *'([<>|=]?[a-zA-Z]\d{1,9})', *'fortran_order': *(?:True|False), *"
    rb"'shape': *\(([ \dL,]{0,99})\),? *\} *\n?"
)
_ONE_SIDE = re.compile(rb" *(\d{1,18})L? *, *")  # Python 2 wrote the L

_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # the two in which numpy writes
_LIST_BYTES = 1 << 17  # of an archive's list of members, which `zipfile` makes objects of


def save_mask(path: Path, masks: Mask) -> None:
    """Write the masks of a clip.

    Args:
        path: The npz file to write; replaced if it is there.
        masks: bool (T, H, W), every side at least 1.

    Raises:
        MediaError: The array is no such masks.
    """
    if masks.dtype != np.bool_ or masks.ndim != 3 or not 0 < masks.size <= MAX_MASK_PIXELS:
        raise MediaError(
            "not the masks of a clip", got=f"{masks.dtype} {masks.shape}", wanted="bool (T, H, W)", where=path
        )
    with path.open("wb") as file:
        np.savez_compressed(file, mask=np.packbits(masks), shape=np.array(masks.shape, np.int64))


def load_mask(source: str | Path | bytes) -> Mask:
    """Read the masks of a clip, upstream's or ours.

    Example:
        >>> path = sparkle.SOURCE_VIDEO_MASK.path("Sparkle_location_000000")
        >>> sparkle.load_mask(f"releases/demo/{path}").shape
        (9, 48, 64)

    Args:
        source: The npz file, or its bytes.

    Returns:
        bool (T, H, W).

    Raises:
        MediaError: The file is missing, damaged, holds other members, types or shapes, claims more than
            `MAX_MASK_PIXELS`, or its shape does not fit its bits.
    """
    shape, bits = _read_bits(source)
    return np.unpackbits(bits, count=math.prod(shape)).reshape(shape).view(np.bool_)


def mask_shape(data: bytes) -> tuple[int, int, int]:
    """Return (T, H, W) of an npz file by its headers, without unpacking the masks; raises as `load_mask`."""
    with _members(data) as (archive, where):
        shape = _read_shape(archive, where)
        with archive.open("mask.npy") as member:
            _read_header(member, "mask.npy", _BYTES, _packed_size(shape), _UNFIT, where)
    return shape


def empty_frames(source: Path) -> tuple[tuple[int, int, int], int]:
    """Return (T, H, W) of masks, and on how many of the frames there is no subject; raises as `load_mask`.

    Nothing is unpacked: a file of 130 KB may stand for a gigabyte of pixels.
    """
    shape, bits = _read_bits(source)
    pixels = shape[1] * shape[2]
    there = (_any_bit(bits, frame * pixels, (frame + 1) * pixels) for frame in range(shape[0]))
    return shape, shape[0] - sum(there)


def _any_bit(bits: npt.NDArray[Any], start: int, end: int) -> bool:
    """Whether one of some bits, which follow each other in bytes, is set."""
    first, last = -(-start // 8), end // 8  # the whole bytes
    before, behind = 0xFF >> start % 8, 0xFF00 >> end % 8 & 0xFF
    if first > last:  # all of them are in one byte
        return bool(bits[last] & before & behind)
    inside = bool(bits[first:last].any())
    return inside or bool(start % 8 and bits[first - 1] & before) or bool(end % 8 and bits[last] & behind)


def _read_bits(source: str | Path | bytes) -> tuple[tuple[int, int, int], npt.NDArray[Any]]:
    with _members(source) as (archive, where):
        shape = _read_shape(archive, where)
        return shape, _read_vector(archive, "mask.npy", _BYTES, _packed_size(shape), _UNFIT, where)


class _Bounded(io.BufferedReader):
    """A file of which no more is read at once than a short list of members has, for as long as that is read.

    An archive of 100 MB may list two million members, of which `zipfile` makes as many objects at once.
    """

    most: int | None = _LIST_BYTES

    def read(self, size: int | None = -1, /) -> bytes:
        if self.most is not None and size is not None and size > self.most:
            raise zipfile.BadZipFile("a list of too many members")
        return super().read(size)


@contextmanager
def _members(source: str | Path | bytes) -> Iterator[tuple[zipfile.ZipFile, Path | str]]:
    """Yield the archive of a mask, whose members are those of one, and what errors call it."""
    where = IN_MEMORY if isinstance(source, bytes) else Path(source)
    if isinstance(where, Path) and not where.is_file():
        raise MediaError("there is no such mask", where=where)
    try:
        raw: Any = io.BytesIO(source) if isinstance(source, bytes) else io.FileIO(source)
        with _Bounded(raw) as file, zipfile.ZipFile(file) as archive:
            file.most = None
            names = sorted(archive.namelist())
            if names != ["mask.npy", "shape.npy"]:
                got, wanted = ", ".join(names)[:200], "mask.npy and shape.npy"
                raise MediaError("not a mask file", got=got, wanted=wanted, where=where)
            for member in archive.infolist():
                if member.compress_type not in _METHODS:
                    got, wanted = f"method {member.compress_type}", "stored or deflated, as numpy writes it"
                    raise MediaError("a mask packed in an unknown way", got=got, wanted=wanted, where=where)
            yield archive, where
    except _UNREADABLE as error:
        refuse_misplaced(source, MediaError, where)
        raise MediaError("the mask cannot be read", got=error, where=where) from error


def _read_shape(archive: zipfile.ZipFile, where: Path | str) -> tuple[int, int, int]:
    problem = "the mask's shape is not three whole numbers"
    sides = _read_vector(archive, "shape.npy", _INTEGERS, 3, problem, where)
    frames, height, width = (int(side) for side in sides)
    pixels = frames * height * width
    if min(frames, height, width) < 1 or frames > MAX_MASK_FRAMES or pixels > MAX_MASK_PIXELS:
        raise MediaError(
            "the mask has an impossible shape",
            got=(frames, height, width),
            wanted=f"positive sides, at most {MAX_MASK_FRAMES} frames and {MAX_MASK_PIXELS} pixels in all",
            where=where,
        )
    return frames, height, width


def _read_vector(
    archive: zipfile.ZipFile, name: str, types: str, length: int, problem: str, where: Path | str
) -> npt.NDArray[Any]:
    """Return an npy member that must have one dimension, `length` items and one of `types`, a pattern."""
    with archive.open(name) as member:
        dtype, start = _read_header(member, name, types, length, problem, where)
        data = start[: length * dtype.itemsize]
        return np.frombuffer(data + member.read(length * dtype.itemsize - len(data)), dtype, length)


def _read_header(
    member: IO[bytes], name: str, types: str, length: int, problem: str, where: Path | str
) -> tuple[np.dtype[Any], bytes]:
    """Return the type of such a member, and the first bytes of its data; no more is unpacked."""
    start, where = member.read(_HEADER_BYTES), f"{where}: {name}"
    if not start.startswith(_MAGIC) or len(start) < 12:
        raise MediaError("the mask has a member that is no npy array", got=start[:8], where=where)
    digits = _LENGTHS.get((start[6], start[7]))
    if digits is None:
        raise MediaError("the mask has an unknown npy version", got=f"{start[6]}.{start[7]}", where=where)
    end = 8 + digits + int.from_bytes(start[8 : 8 + digits], "little")
    header = start[8 + digits : end]
    found = _HEADER.fullmatch(header) if end <= len(start) else None
    if found is None:
        wanted = "{'descr': '|u1', 'fortran_order': False, 'shape': (1,), }"
        raise MediaError(
            "the mask has an npy header that cannot be read", got=header, wanted=wanted, where=where
        )
    kind, side = found[1].decode(), _ONE_SIDE.fullmatch(found[2])
    if not re.fullmatch(f"[<>|=]?{types}", kind) or side is None or int(side[1]) != length:
        raise MediaError(
            problem,
            got=f"{kind} ({found[2].decode()})",
            wanted=f"{'bytes' if types == _BYTES else 'whole numbers'} ({length},)",
            where=where,
        )
    return np.dtype(kind), start[end:]


def _packed_size(shape: tuple[int, int, int]) -> int:
    return (math.prod(shape) + 7) // 8
