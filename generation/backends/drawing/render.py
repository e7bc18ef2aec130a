"""A prompt as a moving picture: `Scene`.

- `Scene.from_prompt` reads the prompt, mixes its light, and lets the family paint its layers once, at about
  half the size asked for; `frame(t)` moves and stacks them and finishes the picture.
- A frame is a function of (prompt, seed, size, t) alone: the same bytes in every process, in any order, for
  one or two OpenCV threads.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from typing import Self

import numpy as np
import numpy.typing as npt

from sparkle.generation.backends.drawing import (
    city,
    forest,
    industrial,
    interior,
    meadow,
    mountain,
    shore,
    space,
    underwater,
    village,
)
from sparkle.generation.backends.drawing.finish import Finish
from sparkle.generation.backends.drawing.light import Fog
from sparkle.generation.backends.drawing.match import SceneSpec, match
from sparkle.generation.backends.drawing.mood import mood
from sparkle.generation.backends.drawing.particles import falling
from sparkle.generation.backends.drawing.stage import Element, Stage
from sparkle.schemas.errors import ConfigError, MediaError

FAMILIES: dict[str, Callable[[Stage], list[Element]]] = {
    "city": city.build,
    "forest": forest.build,
    "industrial": industrial.build,
    "interior": interior.build,
    "meadow": meadow.build,
    "mountain": mountain.build,
    "shore": shore.build,
    "space": space.build,
    "underwater": underwater.build,
    "village": village.build,
}
CLEAR_FAMILIES = frozenset({"city", "forest", "meadow", "shore", "village"})
SMALLEST_SIDE, LARGEST_SIDE = 96, 4096  # pixels; below, layers vanish
LARGEST_AREA = 3840 * 2160  # pixels; a scene of this size holds about a gigabyte of layers
PAINTED_SHARE = 0.5  # of the size: the picture behind a person is out of focus anyway
PAINTED_FLOOR = 240  # rows below which nothing is saved by painting smaller


class Scene:
    """A background that moves. Make one with `from_prompt`."""

    def __init__(self, spec: SceneSpec, *, seed: int, width: int, height: int) -> None:
        _check(seed, width, height)
        self.spec = spec
        share = min(1.0, max(PAINTED_SHARE, PAINTED_FLOOR / min(width, height)))
        painted = (round(height * share), round(width * share))
        rng = np.random.Generator(np.random.PCG64([seed, zlib.crc32(spec.family.encode())]))
        stage = Stage(painted[0], painted[1], spec, mood(spec, rng), rng)
        self._elements = [*FAMILIES[spec.family](stage), *_mist(stage), *falling(stage)]
        self._finish = Finish(spec, rng, painted, (height, width))
        self._painted = painted

    @classmethod
    def from_prompt(cls, prompt: str, *, seed: int, width: int, height: int) -> Self:
        """Reads a prompt and paints its scene.

        Args:
            prompt: What the background should be; any text gives some scene.
            seed: Layout, palette and places are drawn from it; 0 or more.
            width: Columns of the pictures, even, 96 to 4096.
            height: Rows of the pictures, even, 96 to 4096.

        Raises:
            ConfigError: The seed is negative.
            MediaError: The size is odd, too small or too large.
        """
        return cls(match(prompt), seed=seed, width=width, height=height)

    @property
    def description(self) -> dict[str, str | float]:
        """What was understood of the prompt, for records."""
        spec = self.spec
        return {
            "family": spec.family,
            "kind": spec.kind,
            "season": spec.season,
            "time_of_day": spec.time_of_day,
            "weather": spec.weather,
            "style": spec.style,
            "energy": round(spec.energy, 3),
            "particles": " ".join(spec.particles),
            "features": " ".join(spec.features),
        }

    def frame(self, t: float) -> npt.NDArray[np.uint8]:
        """The picture at t seconds, uint8 (height, width, 3) RGB; `frame(0)` is the clip's first frame."""
        canvas = np.zeros((*self._painted, 3), np.float32)
        for element in self._elements:
            element.draw(canvas, t)
        return self._finish.picture(canvas, t)

    def frames(self, count: int, fps: int = 16) -> Iterator[npt.NDArray[np.uint8]]:
        """The first `count` frames at `fps` frames a second."""
        return (self.frame(k / fps) for k in range(count))


def _mist(stage: Stage) -> list[Element]:
    """A bank of fog over families that paint none themselves, when the prompt asks for it."""
    if stage.spec.family not in CLEAR_FAMILIES or not (stage.spec.has("fog") or stage.spec.weather == "fog"):
        return []
    return [Fog(stage, 0.60, 0.13, 0.42, speed=0.06), Fog(stage, 0.86, 0.16, 0.22, speed=0.10)]


def _check(seed: int, width: int, height: int) -> None:
    if seed < 0:
        raise ConfigError("A scene cannot be drawn from this seed.", got=seed, wanted="0 or more")
    sides_fit = all(SMALLEST_SIDE <= side <= LARGEST_SIDE and side % 2 == 0 for side in (width, height))
    if not sides_fit or width * height > LARGEST_AREA:
        raise MediaError(
            "A scene cannot be painted at this size.",
            got=f"{width}x{height}",
            wanted=f"even sides from {SMALLEST_SIDE} to {LARGEST_SIDE} pixels, {LARGEST_AREA} pixels at most",
        )
