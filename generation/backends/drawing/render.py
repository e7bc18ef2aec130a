"""A scene as a moving picture: `Scene`.

- The layers of its recipe are painted once, at about half the size asked for; `frame(t)` moves and stacks
  them and finishes the picture. Every layer has a random stream of its own, so that one can be left out and
  all others stay as they are.
- A frame is a function of (recipe, seed, size, t) alone: the same bytes in every process, in any order, for
  any number of OpenCV threads.
"""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Iterator
from typing import Self

import cv2
import numpy as np
import numpy.typing as npt

from sparkle.generation.backends.drawing.finish import Finish
from sparkle.generation.backends.drawing.prompt import understand
from sparkle.generation.backends.drawing.recipe import read_recipe
from sparkle.generation.backends.drawing.stage import Stage, Still, make_light
from sparkle.generation.taxonomy import TaxonomyScene
from sparkle.schemas.errors import ConfigError, MediaError, SampleError

SMALLEST_SIDE, LARGEST_SIDE = 96, 4096  # pixels; below, layers vanish
LARGEST_AREA = 3840 * 2160  # pixels; a scene of this size holds about a gigabyte of layers
PAINTED_SHARE = 0.5  # of the size: the picture behind a person is out of focus anyway
PAINTED_FLOOR = 240  # rows below which nothing is saved by painting smaller


class Scene:
    """A background that moves.

    Args:
        scene: A scene of the taxonomy that has a recipe.
        seed: Places, palette and side of the light are drawn from it; 0 or more.
        width: Columns of the pictures, even, 96 to 4096.
        height: Rows of the pictures, even, 96 to 4096.
        pace: Multiplies time: how lively a prompt wants it.

    Raises:
        ConfigError: the seed is negative, or the recipe is wrong.
        MediaError: the size is odd, too small or too large.
    """

    def __init__(
        self,
        scene: TaxonomyScene,
        *,
        seed: int,
        width: int,
        height: int,
        pace: float = 1.0,
    ) -> None:
        _check(seed, width, height)
        look, layers = read_recipe(scene)
        self.scene, self._pace = scene, pace
        share = min(1.0, max(PAINTED_SHARE, PAINTED_FLOOR / min(width, height)))
        painted = (round(height * share), round(width * share))
        rng = _stream(seed, scene, "light")
        light = make_light(look, rng)
        self._mirrored = bool(rng.random() < 0.5)
        self._draws = [
            (
                layer.name,
                layer.function(Stage(*painted, light, _stream(seed, scene, f"layer {n}")), **layer.options),
            )
            for n, layer in enumerate(layers)
        ]
        self._backdrop, self._still = np.zeros((*painted, 3), np.float32), 0
        for _, draw in itertools.takewhile(lambda each: isinstance(each[1], Still), self._draws):
            draw(self._backdrop, 0.0)
            self._still += 1
        self._finish = Finish(look.style, _stream(seed, scene, "finish"), painted, (height, width))

    @classmethod
    def from_prompt(cls, prompt: str, *, seed: int, width: int, height: int) -> Self:
        """Draw the scene that a prompt is about; see `understand`.

        Raises:
            SampleError: no recipe draws what the prompt says.
            ConfigError, MediaError: as for the class.
        """
        meant = understand(prompt)
        if meant.scene is None:
            raise SampleError("the instruction cannot be drawn", got=meant.reason)
        return cls(meant.scene, seed=seed, width=width, height=height, pace=meant.pace)

    @property
    def description(self) -> dict[str, str | float]:
        """Return what is drawn, for records."""
        names = " ".join(layer.name for layer in read_recipe(self.scene)[1])
        return {"scene": self.scene.keyword, "layers": names, "pace": round(self._pace, 3)}

    def frame(self, t: float, *, without: str = "") -> npt.NDArray[np.uint8]:
        """Return the picture at t seconds, uint8 (height, width, 3) RGB; `frame(0)` is a clip's first.

        `without` is the name of a layer that is left out.
        """
        whole = not without
        canvas = self._backdrop.copy() if whole else np.zeros_like(self._backdrop)
        for name, draw in self._draws[self._still if whole else 0 :]:
            if whole or name != without:
                draw(canvas, t * self._pace)
        picture = self._finish.picture(canvas, t)
        return np.asarray(cv2.flip(picture, 1), np.uint8) if self._mirrored else picture

    def frames(self, count: int, fps: int = 16) -> Iterator[npt.NDArray[np.uint8]]:
        """Yield the first `count` frames at `fps` frames a second."""
        return (self.frame(k / fps) for k in range(count))


def _stream(seed: int, scene: TaxonomyScene, name: str) -> np.random.Generator:
    key = zlib.crc32(f"{scene.keyword}/{name}".encode())
    return np.random.Generator(np.random.PCG64([seed, key]))


def _check(seed: int, width: int, height: int) -> None:
    if seed < 0:
        raise ConfigError("a scene cannot be drawn from this seed", got=seed, wanted="0 or more")
    sides_fit = all(SMALLEST_SIDE <= side <= LARGEST_SIDE and side % 2 == 0 for side in (width, height))
    if not sides_fit or width * height > LARGEST_AREA:
        raise MediaError(
            "a scene cannot be painted at this size",
            got=f"{width}x{height}",
            wanted=f"even sides from {SMALLEST_SIDE} to {LARGEST_SIDE} pixels, {LARGEST_AREA} pixels at most",
        )
