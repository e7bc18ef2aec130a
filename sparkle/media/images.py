"""PNG files (and WebP, for pages) of RGB images, written with the same bytes every time.

- Writing fixes the compression level. Reading checks the header before any pixel is allocated and every
  chunk's checksum (the decoder would return the upper half of a damaged image without a word).
"""

from __future__ import annotations

import zlib
from pathlib import Path

import cv2
import numpy as np

from sparkle.media import Pixels
from sparkle.media.container import MAX_SIDE
from sparkle.schemas.errors import MediaError
from sparkle.schemas.misplaced import refuse_misplaced

# zlib level. On a 720p frame of the shared clips it takes under half of level 6's time for 5% more bytes.
_COMPRESSION = 3

IN_MEMORY = "an image in memory"
"""What errors call bytes; whoever has them knows where they are from."""

_SIGNATURE = b"\x89PNG\r\n\x1a\n"

# PNG colour types without transparency: gray, RGB, palette.
_OPAQUE = frozenset({0, 2, 3})

# Bytes of a file: 8192 x 8192 RGB stored without compression.
_MAX_FILE_BYTES = 256 * 2**20


def write_png(path: Path, image: Pixels) -> None:
    """Write an image.

    Args:
        path: The file to write; replaced if it is there.
        image: uint8 (H, W, 3) RGB, sides from 1 to `MAX_SIDE`.

    Raises:
        MediaError: The array is no such image.
    """
    path.write_bytes(encode_png(image, where=path))


def encode_png(image: Pixels, *, where: Path | None = None) -> bytes:
    """Return an image as the bytes of a PNG file.

    Args:
        image: uint8 (H, W, 3) RGB, sides from 1 to `MAX_SIDE`.
        where: The file that an error names.

    Raises:
        MediaError: The array is no such image.
    """
    bgr = np.ascontiguousarray(_checked(image, where)[..., ::-1])
    _, data = cv2.imencode(".png", bgr, [cv2.IMWRITE_PNG_COMPRESSION, _COMPRESSION])
    return data.tobytes()


def encode_webp(image: Pixels, *, quality: int) -> bytes:
    """Return an image as the bytes of a lossy WebP file, as browsers show it.

    Args:
        image: uint8 (H, W, 3) RGB, sides from 1 to `MAX_SIDE`.
        quality: 1 to 100.

    Raises:
        MediaError: The array is no such image.
    """
    bgr = np.ascontiguousarray(_checked(image, None)[..., ::-1])
    _, data = cv2.imencode(".webp", bgr, [cv2.IMWRITE_WEBP_QUALITY, quality])
    return data.tobytes()


def read_png(source: Path | bytes) -> Pixels:
    """Read an image.

    Args:
        source: A PNG of 8 bits a channel without transparency: its file or its bytes.

    Returns:
        uint8 (H, W, 3) RGB.

    Raises:
        MediaError: The file is missing, no PNG, damaged, transparent, not of 8 bits, or has a side over
            `MAX_SIDE`.
    """
    where = IN_MEMORY if isinstance(source, bytes) else source
    if isinstance(source, Path) and not source.is_file():
        raise MediaError("there is no such image", where=where)
    if (len(source) if isinstance(source, bytes) else source.stat().st_size) > _MAX_FILE_BYTES:
        raise MediaError(
            "the image file is too large", wanted=f"at most {_MAX_FILE_BYTES} bytes", where=where
        )
    data = source if isinstance(source, bytes) else source.read_bytes()
    refuse_misplaced(data, MediaError, where)
    _require_sound_png(data, where)
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        raise MediaError("the image cannot be decoded", where=where)
    blue = image[..., 0].copy()  # swapped in place: a large image has 200 MB
    image[..., 0], image[..., 2] = image[..., 2], blue
    return np.asarray(image, np.uint8)


def _checked(image: Pixels, where: Path | None) -> Pixels:
    fits = image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3
    if not fits or not all(0 < side <= MAX_SIDE for side in image.shape[:2]):
        raise MediaError(
            "not an RGB image", got=f"{image.dtype} {image.shape}", wanted="uint8 (H, W, 3)", where=where
        )
    return image


def _require_sound_png(data: bytes, where: Path | str) -> None:
    if not data.startswith(_SIGNATURE) or data[12:16] != b"IHDR" or len(data) < 33:
        raise MediaError("not a PNG image", got=f"{len(data)} bytes, the first {data[:8]!r}", where=where)
    width, height = int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
    if not (0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE):
        raise MediaError(
            "the image has an impossible size",
            got=f"{width}x{height}",
            wanted=f"sides from 1 to {MAX_SIDE} pixels",
            where=where,
        )
    depth, colour_type = data[24], data[25]
    if depth != 8 or colour_type not in _OPAQUE:
        raise MediaError(
            "the image is not plain RGB",
            got=f"{depth} bits, PNG colour type {colour_type}",
            wanted="8 bits, no transparency",
            where=where,
        )
    position, kind = len(_SIGNATURE), b""
    while kind != b"IEND":
        body = position + 8
        length, kind = int.from_bytes(data[position : position + 4], "big"), data[position + 4 : body]
        end = body + length
        if zlib.crc32(data[position + 4 : end]).to_bytes(4, "big") != data[end : end + 4]:
            raise MediaError(
                "the image is damaged or cut short", got=f"chunk at byte {position}", where=where
            )
        position = end + 4
