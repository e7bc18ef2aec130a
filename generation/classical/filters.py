"""Small image filters that the classical perception shares: discs, components and the guided filter.

- Masks are bool (h, w); OpenCV wants uint8, so the conversions live here and nowhere else.
- Erosion takes everything beyond the frame as foreground: a subject that the frame cuts off keeps its
  core at the border.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

Box = tuple[int, int, int, int]
"""x0, y0, x1, y1 in working pixels; x1 and y1 are one past the last pixel."""

BoolImage = npt.NDArray[np.bool_]
FloatImage = npt.NDArray[np.float32]


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


def _disc(radius: int) -> npt.NDArray[np.uint8]:
    side = 2 * radius + 1
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)), np.uint8)


def dilate(mask: BoolImage, radius: int) -> BoolImage:
    """The mask grown by a disc of `radius` pixels."""
    return np.asarray(cv2.dilate(mask.view(np.uint8), _disc(radius)), np.uint8).astype(bool)


def erode(mask: BoolImage, radius: int) -> BoolImage:
    """The mask shrunk by a disc of `radius` pixels; outside the frame counts as foreground."""
    shrunk = cv2.erode(mask.view(np.uint8), _disc(radius), borderType=cv2.BORDER_CONSTANT, borderValue=(1,))
    return np.asarray(shrunk, np.uint8).astype(bool)


def opened(mask: BoolImage, radius: int) -> BoolImage:
    """The mask without what a disc of `radius` pixels does not fit into."""
    return np.asarray(cv2.morphologyEx(mask.view(np.uint8), cv2.MORPH_OPEN, _disc(radius))).astype(bool)


def closed(mask: BoolImage, radius: int) -> BoolImage:
    """The mask with gaps narrower than a disc of `radius` pixels filled."""
    return np.asarray(cv2.morphologyEx(mask.view(np.uint8), cv2.MORPH_CLOSE, _disc(radius))).astype(bool)


def components(mask: BoolImage, *, connectivity: int = 8) -> Components:
    """The connected components of a mask, in raster order of their first pixel."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.view(np.uint8), connectivity=connectivity)
    boxes = [
        (int(x), int(y), int(x + w), int(y + h)) for x, y, w, h in stats[:count, : cv2.CC_STAT_AREA].tolist()
    ]
    return Components(np.asarray(labels, np.int32), stats[:, cv2.CC_STAT_AREA].astype(np.int64), boxes)


def keep_components(mask: BoolImage, minimum_area: float) -> BoolImage:
    """The mask without components of fewer than `minimum_area` pixels."""
    found = components(mask)
    keep = found.areas >= minimum_area
    keep[0] = False
    return np.asarray(keep[found.labels], bool)


def bounding_box(mask: BoolImage, *, trim: float = 0.0) -> Box | None:
    """The box around a mask, or None when it is empty.

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


def box_mask(shape: tuple[int, int], box: Box) -> BoolImage:
    """A bool image (h, w) that is true inside the box."""
    x0, y0, x1, y1 = box
    mask = np.zeros(shape, bool)
    mask[y0:y1, x0:x1] = True
    return mask


def grow_box(box: Box, shape: tuple[int, int], dx: int, dy: int) -> Box:
    """The box grown by dx and dy pixels on each side, inside a frame of `shape` (h, w)."""
    x0, y0, x1, y1 = box
    return max(0, x0 - dx), max(0, y0 - dy), min(shape[1], x1 + dx), min(shape[0], y1 + dy)


def box_iou(first: Box, second: Box) -> float:
    """Intersection over union of two boxes, 0 to 1."""
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
        mean: float32 (h, w, 3), the guide's mean in the window.
        inverse: float32 (6, h, w), the upper triangle of the inverse covariance of its channels, by rows.
    """

    radius: int
    mean: FloatImage
    inverse: FloatImage

    @classmethod
    def of(cls, image: npt.NDArray[np.uint8], radius: int, eps: float) -> ColourGuide:
        """Prepare a guide.

        Args:
            image: uint8 RGB (h, w, 3).
            radius: Of the window, in pixels.
            eps: Regularisation, in squared units of an image from 0 to 1: edges weaker than sqrt(eps) are
                smoothed over.
        """
        unit = _unit(image)
        mean = box_mean(unit, radius)
        red, green, blue = (np.ascontiguousarray(unit[..., channel]) for channel in range(3))
        mean_red, mean_green, mean_blue = (np.ascontiguousarray(mean[..., channel]) for channel in range(3))
        rr = box_mean(red * red, radius) - mean_red * mean_red + np.float32(eps)
        rg = box_mean(red * green, radius) - mean_red * mean_green
        rb = box_mean(red * blue, radius) - mean_red * mean_blue
        gg = box_mean(green * green, radius) - mean_green * mean_green + np.float32(eps)
        gb = box_mean(green * blue, radius) - mean_green * mean_blue
        bb = box_mean(blue * blue, radius) - mean_blue * mean_blue + np.float32(eps)
        cofactors = [gg * bb - gb * gb, rb * gb - rg * bb, rg * gb - rb * gg]
        determinant = rr * cofactors[0] + rg * cofactors[1] + rb * cofactors[2]
        cofactors += [rr * bb - rb * rb, rb * rg - rr * gb, rr * gg - rg * rg]
        return cls(radius=radius, mean=mean, inverse=np.stack(cofactors) / determinant)

    def coefficients(self, guide: npt.NDArray[np.uint8], image: FloatImage) -> FloatImage:
        """The averaged linear model: float32 (h, w, 4), three slopes and an offset.

        Args:
            guide: uint8 RGB (h, w, 3), the image that this was made of.
            image: float32 (h, w), what to filter.
        """
        mean = box_mean(image, self.radius)
        shared = box_mean(_unit(guide) * image[..., None], self.radius) - self.mean * mean[..., None]
        red, green, blue = (shared[..., channel] for channel in range(3))
        rr, rg, rb, gg, gb, bb = self.inverse
        model = np.empty((*image.shape, 4), np.float32)
        model[..., 0] = rr * red + rg * green + rb * blue
        model[..., 1] = rg * red + gg * green + gb * blue
        model[..., 2] = rb * red + gb * green + bb * blue
        model[..., 3] = mean - np.einsum("hwc,hwc->hw", model[..., :3], self.mean)
        return box_mean(model, self.radius)

    def filter(self, guide: npt.NDArray[np.uint8], image: FloatImage) -> FloatImage:
        """The image smoothed along the guide's edges, float32 (h, w); arguments as `coefficients`."""
        return apply_model(self.coefficients(guide, image), guide)


def apply_model(model: FloatImage, guide: npt.NDArray[np.uint8]) -> FloatImage:
    """A linear model (h, w, 4) of `ColourGuide.coefficients` on a uint8 RGB (h, w, 3) guide."""
    return np.asarray(np.einsum("hwc,hwc->hw", model[..., :3], _unit(guide)) + model[..., 3], np.float32)


def _unit(image: npt.NDArray[np.uint8]) -> FloatImage:
    return image.astype(np.float32) / np.float32(255)


def box_mean(values: FloatImage, radius: int) -> FloatImage:
    """Mean over the square window around every pixel; float32 (h, w) or (h, w, n), as `values`."""
    return np.asarray(cv2.boxFilter(values, -1, (2 * radius + 1, 2 * radius + 1)), np.float32)


def gray_frames(frames: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """RGB frames uint8 (T, h, w, 3) as luma uint8 (T, h, w)."""
    return np.stack([cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames])
