"""The classical `image_to_video`: the procedural scene of the prompt and seed, from its first frame on.

What the picture holds beside the scene (a remnant of the foreground) stays where it is, still.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import cv2
import numpy as np

from sparkle.generation.backend import Identity
from sparkle.generation.backends.classical.filters import map_in_threads
from sparkle.generation.backends.drawing.render import Scene
from sparkle.media import Pixels
from sparkle.media.images import read_png

_SAME = 8  # levels a channel: the picture and the scene's first frame are the same below it


@dataclass
class Backend:
    """The classical `image_to_video`."""

    identity: ClassVar[Identity] = Identity("sparkle/procedural-scenes", "4", "drawn, not generated")

    def animate(self, image: Path, prompt: str, frames: int, fps: float, seed: int) -> Iterator[Pixels]:
        """Yield the scene's frames, with the picture's remnants."""
        picture = read_png(image)
        height, width = picture.shape[:2]
        scene = Scene.from_prompt(prompt, seed=seed, width=width, height=height)
        first = scene.frame(0.0)
        remnant = np.asarray((cv2.absdiff(picture, first) > _SAME).any(axis=2)).view(np.uint8)

        def draw(index: int) -> Pixels:
            return np.asarray(cv2.copyTo(picture, remnant, scene.frame(index / fps)), np.uint8)

        yield from map_in_threads(draw, range(frames))
