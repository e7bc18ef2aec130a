"""Subject masks in upstream's npz: `mask` = packed bits of the flattened masks, `shape` = (T, H, W).

How it works
- Upstream's users read a file with numpy alone:
  `bits = np.unpackbits(d["mask"])[: np.prod(d["shape"])].reshape(d["shape"])`. So do files written here;
  they are deflated (0.1 MB instead of 9.3 MB for 81 frames of 720p) and always have the same bytes.
- Reading trusts nothing: members, types and sizes are checked before anything is allocated, and no pickle
  is ever opened.
"""

from __future__ import annotations

import io
import math
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from sparkle.media import Mask
from sparkle.schemas.errors import MediaError
from sparkle.schemas.misplaced import refuse_misplaced

# Pixels of all masks of a clip: 81 frames of 4K UHD are 6.7e8.
MAX_MASK_PIXELS = 2**30

_UNREADABLE = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    OSError,
    ValueError,
    NotImplementedError,  # a compression or a zip version that zipfile does not know
    RuntimeError,  # an encrypted member
)
"""What `zipfile` and numpy's header readers raise for a damaged or foreign file: none of it is our bug."""

IN_MEMORY = "a mask in memory"
"""What errors call bytes; whoever has them knows where they are from."""

# numpy's names of the types that upstream's two arrays may have.
_BYTES = frozenset({"|u1"})
_INTEGERS = frozenset({"<i8", "<i4"})

_UNFIT = "the mask's shape and bits do not fit each other"

_HEADER_BYTES = 512  # more than numpy writes for a one-dimensional array
_HEADER_READERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}

# numpy parses headers with `ast`, which fails now and then where two threads do it (Python 3.11: "AST
# constructor recursion depth mismatch").
_PARSING = Lock()


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
    where = IN_MEMORY if isinstance(source, bytes) else Path(source)
    if isinstance(where, Path) and not where.is_file():
        raise MediaError("there is no such mask", where=where)
    with _members(source, where) as archive:
        shape = _read_shape(archive, where)
        bits = _read_vector(archive, "mask.npy", _BYTES, _packed_size(shape), _UNFIT, where)
    return np.unpackbits(bits, count=math.prod(shape)).reshape(shape).view(np.bool_)


def mask_shape(data: bytes) -> tuple[int, int, int]:
    """Return (T, H, W) of an npz file by its headers, without unpacking the masks; raises as `load_mask`."""
    with _members(data, IN_MEMORY) as archive:
        shape = _read_shape(archive, IN_MEMORY)
        with archive.open("mask.npy") as member:
            _read_header(member, "mask.npy", _BYTES, _packed_size(shape), _UNFIT, IN_MEMORY)
    return shape


@contextmanager
def _members(source: str | Path | bytes, where: Path | str) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(io.BytesIO(source) if isinstance(source, bytes) else source) as archive:
            names = sorted(archive.namelist())
            if names != ["mask.npy", "shape.npy"]:
                got, wanted = ", ".join(names)[:200], "mask.npy and shape.npy"
                raise MediaError("not a mask file", got=got, wanted=wanted, where=where)
            yield archive
    except _UNREADABLE as error:
        refuse_misplaced(source, MediaError, where)
        raise MediaError("the mask cannot be read", got=error, where=where) from error


def _read_shape(archive: zipfile.ZipFile, where: Path | str) -> tuple[int, int, int]:
    problem = "the mask's shape is not three whole numbers"
    sides = _read_vector(archive, "shape.npy", _INTEGERS, 3, problem, where)
    frames, height, width = (int(side) for side in sides)
    if min(frames, height, width) < 1 or frames * height * width > MAX_MASK_PIXELS:
        raise MediaError(
            "the mask has an impossible shape",
            got=(frames, height, width),
            wanted=f"positive sides, at most {MAX_MASK_PIXELS} pixels in all",
            where=where,
        )
    return frames, height, width


def _read_vector(
    archive: zipfile.ZipFile,
    name: str,
    types: frozenset[str],
    length: int,
    problem: str,
    where: Path | str,
) -> npt.NDArray[Any]:
    """Return an npy member that must have one dimension, `length` items and one of `types`."""
    with archive.open(name) as member:
        dtype, start = _read_header(member, name, types, length, problem, where)
        data = start[: length * dtype.itemsize]
        return np.frombuffer(data + member.read(length * dtype.itemsize - len(data)), dtype, length)


def _read_header(
    member: IO[bytes], name: str, types: frozenset[str], length: int, problem: str, where: Path | str
) -> tuple[np.dtype[Any], bytes]:
    """Return the type of such a member, and the first bytes of its data; no more is unpacked."""
    start = io.BytesIO(member.read(_HEADER_BYTES))
    version = np.lib.format.read_magic(start)
    if version not in _HEADER_READERS:
        raise MediaError("the mask has an unknown npy version", got=version, where=f"{where}: {name}")
    with _PARSING:
        shape, _, dtype = _HEADER_READERS[version](start)
    if dtype.str not in types or shape != (length,):
        raise MediaError(
            problem,
            got=f"{dtype.str} {shape}",
            wanted=f"{' or '.join(sorted(types))} {(length,)}",
            where=f"{where}: {name}",
        )
    return dtype, start.read()


def _packed_size(shape: tuple[int, int, int]) -> int:
    return (math.prod(shape) + 7) // 8
