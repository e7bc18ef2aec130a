"""Some frames of a video, as a view has them, straight into one array.

How it works
- Frames before the window are decoded (the clips of this dataset have one key frame, the first) but not
  drawn; after it, decoding stops.
- Where a view only cuts, the box alone is converted to RGB, in place. Where it resizes, it does as PIL's
  bilinear filter does, which Kiwi-Edit trains with: torch has that filter in vector instructions, six times
  as fast and equal to a level.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import Any, cast

import cv2
import numpy as np
import numpy.typing as npt

from sparkle.media.container import OpenVideo
from sparkle.media.decode import MAX_CLIP_BYTES, draw_part, upright_size
from sparkle.media.view import View
from sparkle.schemas.errors import ConfigError, MediaError

Pixels = npt.NDArray[np.uint8]


def read_window(video: OpenVideo, start: int, count: int, view: Callable[[int, int], View]) -> Pixels:
    """Decodes a window of a video.

    Args:
        video: An open video of which nothing has been decoded.
        start: The first frame of the window.
        count: How many frames, at least 1.
        view: Gives the view of frames that are (width, height) in pixels.

    Returns:
        uint8 (count, view.height, view.width, 3) RGB.

    Raises:
        MediaError: A frame does not decode, there are fewer frames than that, or the window comes to more
            than `MAX_CLIP_BYTES`.
        ConfigError: Frames are to be resized, and torch is not installed.
    """
    pixels: Pixels | None = None
    found = 0
    for frame in islice(video.frames(), start + count):
        if found >= start:
            if pixels is None:
                seen = view(*upright_size(frame))
                pixels = _allocate(count, seen, video)
                draw = _resizing(seen) if seen.resizes else _cutting(seen)
            draw(frame, pixels[found - start])
        found += 1
    if pixels is None or found < start + count:
        raise MediaError(
            "the video ends before its window",
            got=f"{found} frames",
            wanted=f"at least {start + count} frames",
            where=video.where,
        )
    return pixels


def _allocate(count: int, view: View, video: OpenVideo) -> Pixels:
    wanted = count * view.height * view.width * 3
    if wanted > MAX_CLIP_BYTES:
        raise MediaError(
            "the window is too large to decode at once",
            got=f"{count} frames of {view.width}x{view.height}",
            wanted=f"at most {MAX_CLIP_BYTES} bytes of pixels",
            where=video.where,
        )
    return np.empty((count, view.height, view.width, 3), np.uint8)


def _cutting(view: View) -> Callable[[Any, Pixels], None]:
    def draw(frame: Any, image: Pixels) -> None:
        draw_part(frame, image, (view.left, view.top))
        if view.mirrored:
            cv2.flip(image, 1, dst=image)

    return draw


def _resizing(view: View) -> Callable[[Any, Pixels], None]:
    whole = np.empty((view.frame_height, view.frame_width, 3), np.uint8)
    size = (view.scaled_width, view.scaled_height)
    rows = slice(view.top, view.top + view.height)
    columns = slice(view.left, view.left + view.width)

    def draw(frame: Any, image: Pixels) -> None:
        draw_part(frame, whole)
        part = resize_as_pil(whole, size)[rows, columns]
        # torch gives a plane a colour: merging them takes a tenth of the time of copying pixel by pixel.
        cv2.merge([part[..., colour] for colour in range(3)], dst=image)
        if view.mirrored:
            cv2.flip(image, 1, dst=image)

    return draw


def resize_as_pil(image: Pixels, size: tuple[int, int]) -> Pixels:
    """An image resized as `PIL.Image.resize(size, BILINEAR)` does it, within a level.

    Args:
        image: uint8 (H, W, 3), contiguous.
        size: (width, height) in pixels.

    Returns:
        uint8 (height, width, 3), perhaps not contiguous.

    Raises:
        ConfigError: torch is not installed.
    """
    try:
        import torch
    except ImportError as error:
        raise ConfigError(
            "torch is not installed", wanted="torch", fix="pip install 'sparkle-dataset[train]'"
        ) from error
    planes = torch.from_numpy(image).permute(2, 0, 1)[None]
    resized = torch.nn.functional.interpolate(
        planes, size=(size[1], size[0]), mode="bilinear", antialias=True, align_corners=False
    )
    return cast(Pixels, resized[0].permute(1, 2, 0).numpy())
