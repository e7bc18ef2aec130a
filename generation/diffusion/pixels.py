"""Between uint8 frames and what pipelines take and give.

A pipeline gives floats in [0, 1]; half precision can overflow, and NaN would be written as black.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from sparkle.schemas.errors import SampleError

Image = npt.NDArray[np.uint8]


def to_pil(image: Image) -> Any:
    """A `PIL.Image` of uint8 (H, W, 3) RGB."""
    from PIL import Image as PilImage

    return PilImage.fromarray(np.ascontiguousarray(image))


def to_frames(pictures: Any) -> Iterator[Image]:
    """The pictures of a pipeline with `output_type="pt"`.

    Args:
        pictures: Float tensor (T, 3, H, W) in [0, 1].

    Yields:
        uint8 (H, W, 3) RGB.

    Raises:
        SampleError: a picture holds what is no number.
    """
    import torch

    for picture in pictures:
        if not torch.isfinite(picture).all():
            raise SampleError(
                "the model made no picture but NaN or infinity", fix='dtype = "bfloat16" or "float32"'
            )
        levels = (picture.float().clamp(0, 1) * 255).round().to(torch.uint8)
        yield levels.permute(1, 2, 0).contiguous().cpu().numpy()
