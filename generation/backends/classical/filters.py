"""What the classical perception shares: components, boxes, the guided filter, threads, the working size.

- Clips are seen at about 320 x 180. Larger working sizes gain .003 to .006 IoU for 4 to 15 times the time
  (measured on 20 real clips). Boxes come and go in [0, 1000].
- OpenCV and NumPy let go of the interpreter while they compute, so frames and passes are worked on in as many
  threads as OpenCV may use (`cv2.setNumThreads`): all processors when one process works, one in each of
  several workers. Every item is computed on its own, and answers come in the items' order: nothing depends on
  the number of threads.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeVar

import cv2
import numpy as np
import numpy.typing as npt

from sparkle.media import Floats, Mask, Pixels
from sparkle.media.decode import decode, iter_frames

Box = tuple[int, int, int, int]
"""x0, y0, x1, y1 in working pixels; x1 and y1 are one past the last pixel."""


class Components(NamedTuple):
    """8-connected components of a mask; index 0 is the background.

    Attributes:
        labels: int32 (h, w).
        areas: int64 (n,) pixels.
        boxes: One `Box` per component.
    """

    labels: npt.NDArray[np.int32]
    areas: npt.NDArray[np.int64]
    boxes: list[Box]


def components(mask: Mask, *, connectivity: int = 8) -> Components:
    """Return the connected components of a mask, in raster order of their first pixel."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.view(np.uint8), connectivity=connectivity)
    boxes = [
        (int(x), int(y), int(x + w), int(y + h)) for x, y, w, h in stats[:count, : cv2.CC_STAT_AREA].tolist()
    ]
    return Components(np.asarray(labels, np.int32), stats[:, cv2.CC_STAT_AREA].astype(np.int64), boxes)


def keep_components(mask: Mask, minimum_area: float) -> Mask:
    """Return the mask without components of fewer than `minimum_area` pixels."""
    found = components(mask)
    keep = found.areas >= minimum_area
    keep[0] = False
    return np.asarray(keep[found.labels], bool)


def bounding_box(mask: Mask, *, trim: float = 0.0) -> Box | None:
    """Return the box around a mask, or None when it is empty.

    Args:
        mask: bool (h, w).
        trim: Share of the mask's pixels that may stick out on each of the four sides, so that a few stray
            pixels do not decide the box.
    """
    total = int(np.count_nonzero(mask))
    if total == 0:
        return None
    edges = []
    for axis in (0, 1):
        reached = np.cumsum(np.count_nonzero(mask, axis=axis)) / total
        first = int(np.searchsorted(reached, trim, side="right"))
        last = int(np.searchsorted(reached, 1.0 - trim, side="left"))
        edges.append((first, min(last, reached.size - 1) + 1))
    (x0, x1), (y0, y1) = edges
    return x0, y0, x1, y1


def box_mask(shape: tuple[int, int], box: Box) -> Mask:
    """Return a bool image (h, w) that is true inside the box."""
    x0, y0, x1, y1 = box
    mask = np.zeros(shape, bool)
    mask[y0:y1, x0:x1] = True
    return mask


def grow_box(box: Box, shape: tuple[int, int], dx: int, dy: int) -> Box:
    """Return the box grown by dx and dy pixels on each side, inside a frame of `shape` (h, w)."""
    x0, y0, x1, y1 = box
    return max(0, x0 - dx), max(0, y0 - dy), min(shape[1], x1 + dx), min(shape[0], y1 + dy)


def box_iou(first: Box, second: Box) -> float:
    """Return the intersection over union of two boxes, 0 to 1."""
    width = min(first[2], second[2]) - max(first[0], second[0])
    height = min(first[3], second[3]) - max(first[1], second[1])
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    areas = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (first, second))
    return shared / (areas - shared)


@dataclass(frozen=True)
class ColourGuide:
    """A colour image as the guide of He et al.'s guided filter ("Guided Image Filtering", PAMI 2013).

    What the filter needs to know of the guide alone is computed once, for any number of images filtered
    along it: around every pixel, the image is modelled as a linear function of the guide's three channels.

    Attributes:
        radius: Of the square window, in pixels.
        planes: float32 (3, h, w), the guide, 0 to 1.
        mean: float32 (3, h, w), its mean in the window.
        inverse: float32 (6, h, w), the upper triangle of the inverse covariance of its channels, by rows.
    """

    radius: int
    planes: Floats
    mean: Floats
    inverse: Floats

    @classmethod
    def of(cls, image: Pixels, radius: int, eps: float) -> ColourGuide:
        """Prepare a guide.

        Args:
            image: uint8 RGB (h, w, 3).
            radius: Of the window, in pixels.
            eps: Regularisation, in squared units of an image from 0 to 1: edges weaker than sqrt(eps) are
                smoothed over.
        """
        planes = _unit_planes(image)
        mean = _plane_means(planes, radius)

        def covariance(i: int, j: int) -> Floats:
            return np.asarray(box_mean(planes[i] * planes[j], radius) - mean[i] * mean[j], np.float32)

        rr, rg, rb = covariance(0, 0) + np.float32(eps), covariance(0, 1), covariance(0, 2)
        gg, gb = covariance(1, 1) + np.float32(eps), covariance(1, 2)
        bb = covariance(2, 2) + np.float32(eps)
        inverse = np.stack(
            (
                gg * bb - gb * gb,
                rb * gb - rg * bb,
                rg * gb - rb * gg,
                rr * bb - rb * rb,
                rb * rg - rr * gb,
                rr * gg - rg * rg,
            )
        )
        inverse /= rr * inverse[0] + rg * inverse[1] + rb * inverse[2]
        return cls(radius, planes, mean, inverse)

    def within(self, box: Box) -> ColourGuide:
        """Return the part of the guide in a box: views, no copies."""
        x0, y0, x1, y1 = box
        here = np.s_[:, y0:y1, x0:x1]
        return ColourGuide(self.radius, self.planes[here], self.mean[here], self.inverse[here])

    def coefficients(self, image: Floats) -> Floats:
        """Return the averaged linear model of an image: three slopes and an offset, float32 (4, h, w).

        `image` is float32 (h, w). The model is zero where the image is zero within twice the radius.
        """
        mean = box_mean(image, self.radius)
        red, green, blue = _plane_means(self.planes * image, self.radius) - self.mean * mean
        rr, rg, rb, gg, gb, bb = self.inverse
        model = np.empty((4, *image.shape), np.float32)
        model[0] = rr * red + rg * green + rb * blue
        model[1] = rg * red + gg * green + gb * blue
        model[2] = rb * red + gb * green + bb * blue
        model[3] = mean - (model[:3] * self.mean).sum(axis=0)
        return _plane_means(model, self.radius)

    def filter(self, image: Floats) -> Floats:
        """Return an image float32 (h, w) smoothed along the guide's edges, float32 (h, w)."""
        model = self.coefficients(image)
        model[:3] *= self.planes
        return np.asarray(model.sum(axis=0))


def _unit_planes(image: Pixels) -> Floats:
    """Return the channels of an image uint8 (h, w, 3), float32 (3, h, w) from 0 to 1."""
    planes = np.empty((3, *image.shape[:2]), np.float32)
    for plane, channel in zip(planes, cv2.split(image), strict=True):
        np.multiply(channel, np.float32(1 / 255), out=plane)
    return planes


def _plane_means(planes: Floats, radius: int) -> Floats:
    """Return `box_mean` of each of (n, h, w) planes."""
    means = np.empty_like(planes)
    for plane, mean in zip(planes, means, strict=True):
        mean[:] = box_mean(plane, radius)
    return means


def box_mean(values: Floats, radius: int) -> Floats:
    """Return the mean over the square window around every pixel; float32 (h, w) or (h, w, n), as `values`."""
    return np.asarray(cv2.boxFilter(values, -1, (2 * radius + 1, 2 * radius + 1)), np.float32)


def gray_frames(frames: Pixels) -> Pixels:
    """Return RGB frames uint8 (T, h, w, 3) as luma uint8 (T, h, w)."""
    return np.stack([cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames])


# --- threads ---------------------------------------------------------------------------------------

Item = TypeVar("Item")
Answer = TypeVar("Answer")


def map_in_threads(
    function: Callable[[Item], Answer], items: Iterable[Item], *, at_most: int | None = None
) -> Iterator[Answer]:
    """Work like `map`; read few items ahead (as many as there are threads), so that memory stays bounded.

    Args:
        function: Must not change anything that another call reads.
        items: Read in the calling thread.
        at_most: Threads, where a call takes much memory.
    """
    threads = min(cv2.getNumThreads(), at_most or cv2.getNumThreads())
    if threads <= 1:
        yield from map(function, items)
        return
    with ThreadPoolExecutor(threads) as pool:
        under_way: deque[Future[Answer]] = deque()
        try:
            for item in items:
                under_way.append(pool.submit(function, item))
                if len(under_way) > threads:
                    yield under_way.popleft().result()
            while under_way:
                yield under_way.popleft().result()
        finally:
            for future in under_way:
                future.cancel()


# --- the working size ------------------------------------------------------------------------------

WORKING_AREA = 320 * 180  # pixels
_BOX_RANGE = 1000  # boxes of records are in thousandths of width and height


def working_size(width: int, height: int) -> tuple[int, int]:
    """Return (width, height) of about `WORKING_AREA` pixels, even, in the clip's aspect, never larger."""
    scale = min(1.0, (WORKING_AREA / (width * height)) ** 0.5)
    return max(2, round(width * scale / 2) * 2), max(2, round(height * scale / 2) * 2)


def read_working(clip: Path) -> Pixels:
    """Return a clip at its working size, uint8 (T, h, w, 3)."""
    height, width = next(iter_frames(clip)).shape[:2]
    return decode(clip, size=working_size(width, height))


def to_record_box(box: Box, shape: tuple[int, int]) -> tuple[int, ...]:
    """Return a box in pixels of (height, width) to [0, 1000]; at least one unit wide and high."""
    height, width = shape
    x0, y0, x1, y1 = box
    left, top = round(x0 / width * _BOX_RANGE), round(y0 / height * _BOX_RANGE)
    right, bottom = round(x1 / width * _BOX_RANGE), round(y1 / height * _BOX_RANGE)
    left, top = min(left, _BOX_RANGE - 1), min(top, _BOX_RANGE - 1)
    return left, top, max(right, left + 1), max(bottom, top + 1)


def to_pixel_box(box: Sequence[int], shape: tuple[int, int]) -> Box:
    """Return a box in [0, 1000] to pixels of (height, width); at least one pixel wide and high."""
    height, width = shape
    x0, y0 = int(box[0] / _BOX_RANGE * width), int(box[1] / _BOX_RANGE * height)
    x0, y0 = min(x0, width - 1), min(y0, height - 1)
    x1, y1 = round(box[2] / _BOX_RANGE * width), round(box[3] / _BOX_RANGE * height)
    return x0, y0, max(x1, x0 + 1), max(y1, y0 + 1)
