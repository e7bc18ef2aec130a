"""What part of a video a model sees: how frames are resized, which box is cut out, whether it is mirrored.

How it works
- A `View` is decided once for a sample and applied to all of its streams, so that they stay aligned.
- `fit` has the size rules of Kiwi-Edit's training script (`ImageCropAndResize` of its unified_dataset.py):
  frames over `max_pixels` shrink, both sides are cut down to a multiple, and what is over is cropped.
- Masks take the nearest pixel; nothing is ever mixed into a third value.
- `read_window` decodes frames before the window (the clips of this dataset have one key frame, the first) but
  does not draw them; after it, decoding stops.
- Where a view only cuts, the box alone is converted to RGB, in place. Where it resizes, planes are resized
  before they become RGB (`decode.part_drawer`), within two levels on average of what PIL's bilinear filter
  makes of the drawn frame, which Kiwi-Edit trains with. Images are resized by torch, which has that filter in
  vector instructions, six times as fast as PIL and equal to a level.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from typing import cast

import cv2
import numpy as np
import numpy.typing as npt

from sparkle._extras import install
from sparkle.media import Mask, Pixels
from sparkle.media.container import OpenVideo
from sparkle.media.decode import MAX_CLIP_BYTES, part_drawer, upright_size
from sparkle.schemas.errors import ConfigError, MediaError


@dataclass(frozen=True)
class SizeRules:
    """How large frames become.

    Attributes:
        max_pixels: The most pixels of a frame, before sides are cut to the multiple. Kiwi-Edit's scripts have
            921,600 (720p, becomes 704 rows) and 360,000 (600x600).
        height: Of every frame, in pixels; only together with `width`, and then nothing else counts.
        width: Of every frame, in pixels.
        multiple_of: What both sides are a multiple of; Kiwi-Edit trains with 32.
    """

    max_pixels: int = 921_600
    height: int | None = None
    width: int | None = None
    multiple_of: int = 32

    def target(self, width: int, height: int) -> tuple[int, int]:
        """Return (width, height) that a frame of some size becomes.

        Raises:
            MediaError: the frame is smaller than the multiple.
        """
        if self.height is not None and self.width is not None:
            return self.width, self.height
        target_width, target_height = width, height
        if width * height > self.max_pixels:
            scale = (width * height / self.max_pixels) ** 0.5
            target_width, target_height = int(width / scale), int(height / scale)
        target_width -= target_width % self.multiple_of
        target_height -= target_height % self.multiple_of
        if min(target_width, target_height) < 1:
            raise MediaError(
                "the frames are too small for the size rules",
                got=f"{width}x{height}",
                wanted=f"sides that leave at least {self.multiple_of} pixels in {self.max_pixels}",
            )
        return target_width, target_height


@dataclass(frozen=True)
class View:
    """Where in a video's frames a sample looks; all in pixels of the upright frame.

    Attributes:
        frame_width: Width of the video.
        frame_height: Height of the video.
        scaled_width: Width that frames are resized to before the box is cut out.
        scaled_height: Height that they are resized to.
        left: Of the box, in the resized frame.
        top: Of the box.
        width: Of the box.
        height: Of the box.
        mirrored: Whether left and right change places afterwards.
    """

    frame_width: int
    frame_height: int
    scaled_width: int
    scaled_height: int
    left: int
    top: int
    width: int
    height: int
    mirrored: bool = False

    @property
    def resizes(self) -> bool:
        """Whether frames change their size before the box is cut out."""
        return (self.scaled_width, self.scaled_height) != (self.frame_width, self.frame_height)


def fit(
    width: int,
    height: int,
    rules: SizeRules,
    *,
    place: tuple[float, float] | None = None,
    mirrored: bool = False,
) -> View:
    """Return the view of frames of some size.

    Args:
        width: Of the frames, in pixels.
        height: Of the frames, in pixels.
        rules: How large they become.
        place: Where the box lies: (from left to right, from top to bottom), each in [0, 1); None is
            the middle, rounded as torchvision's `center_crop` rounds.
        mirrored: Whether left and right change places.

    Raises:
        MediaError: the frames are too small.
    """
    target_width, target_height = rules.target(width, height)
    scale = max(target_width / width, target_height / height)
    scaled_width, scaled_height = round(width * scale), round(height * scale)
    over = (scaled_width - target_width, scaled_height - target_height)
    left, top = (
        (round(side / 2) for side in over)
        if place is None
        else (int(at * (side + 1)) for at, side in zip(place, over, strict=True))
    )
    return View(width, height, scaled_width, scaled_height, left, top, target_width, target_height, mirrored)


def look(masks: Mask, view: View) -> Mask:
    """Return masks as a view has them, by the nearest pixel.

    Args:
        masks: bool (T, H, W), as large as the view's frames.
        view: What is seen.

    Returns:
        bool (T, view.height, view.width).

    Raises:
        MediaError: the masks have another size than the video.
    """
    frames, height, width = masks.shape
    if (width, height) != (view.frame_width, view.frame_height):
        raise MediaError(
            "the masks do not fit their video",
            got=f"{width}x{height}",
            wanted=f"{view.frame_width}x{view.frame_height}",
        )
    rows = _nearest(view.top, view.height, height, view.scaled_height)
    columns = _nearest(view.left, view.width, width, view.scaled_width)
    if view.mirrored:
        columns = columns[::-1]
    seen = np.empty((frames, view.height, view.width), np.bool_)
    for mask, image in zip(masks, seen, strict=True):
        np.take(np.take(mask, rows, axis=0), columns, axis=1, out=image)
    return seen


def _nearest(start: int, count: int, side: int, scaled: int) -> npt.NDArray[np.intp]:
    """For each pixel of the box, the pixel of the frame that its middle falls on."""
    return (2 * np.arange(start, start + count) + 1) * side // (2 * scaled)


def read_window(
    video: OpenVideo, start: int, count: int, view: Callable[[int, int], View], *, or_fewer: bool = False
) -> Pixels:
    """Decode a window of a video.

    Args:
        video: An open video of which nothing has been decoded.
        start: The first frame of the window.
        count: How many frames, at least 1.
        view: Gives the view of frames that are (width, height) in pixels.
        or_fewer: Whether a video that ends inside the window gives the frames that there are.

    Returns:
        uint8 (count, view.height, view.width, 3) RGB.

    Raises:
        MediaError: A frame does not decode, there are fewer frames than that, or the window comes to more
            than `MAX_CLIP_BYTES`.
    """
    pixels: Pixels | None = None
    found = 0
    for frame in islice(video.frames(), start + count):
        if found >= start:
            if pixels is None:
                seen = view(*upright_size(frame))
                pixels = _allocate(count, seen, video)
                draw = part_drawer((seen.scaled_width, seen.scaled_height), (seen.left, seen.top))
            image = pixels[found - start]
            draw(frame, image)
            if seen.mirrored:
                cv2.flip(image, 1, dst=image)
        found += 1
    if pixels is None or (found < start + count and not or_fewer):
        raise MediaError(
            "the video ends before its window",
            got=f"{found} frames",
            wanted=f"at least {start + count} frames",
            where=video.where,
        )
    return pixels[: found - start]


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


def resize_as_pil(image: Pixels, size: tuple[int, int]) -> Pixels:
    """Return an image resized as `PIL.Image.resize(size, BILINEAR)` does it, within a level.

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
        raise ConfigError("torch is not installed", wanted="torch", fix=install("train")) from error
    planes = torch.from_numpy(image).permute(2, 0, 1)[None]
    resized = torch.nn.functional.interpolate(
        planes, size=(size[1], size[0]), mode="bilinear", antialias=True, align_corners=False
    )
    return cast(Pixels, resized[0].permute(1, 2, 0).numpy())
