"""What is done to good edits to audit judges: each damage harms one dimension, by grades.

A grade is: levels per channel, gain of the light, shares of the subject, pixels of 720 rows, shares of the
clip, speed. What harms Instruction Compliance is no damage to a clip: see `OTHER_PROMPT` of `controls`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np

from sparkle.media import Pixels
from sparkle.media.damage import (
    banded,
    blurred,
    frozen,
    haloed,
    holed,
    reversed_,
    shifted,
    slowed,
    tinted,
    warped,
)
from sparkle.media.layers import Layers, put_together
from sparkle.schemas.seeds import derive_seed

GRADES = 3


@dataclass
class HarmedClip:
    """What damages are made of."""

    layers: Layers
    seed: int

    def random(self, name: str) -> np.random.Generator:
        """The same for every grade, so that a stronger one has more of the same."""
        return np.random.Generator(np.random.PCG64(derive_seed(self.seed, name)))

    def again(
        self, subjects: Iterable[int] | None = None, background: Iterable[Pixels] | None = None
    ) -> Iterator[Pixels]:
        """The clip with its subject at other times, or before another background."""
        count = len(self.layers.frames)
        scene = self.layers.background if background is None else background
        return put_together(self.layers, subjects or range(count), scene)


Make = Callable[[HarmedClip, float], Iterator[Pixels]]
Times = Callable[[int, float], list[int]]


@dataclass(frozen=True)
class Damage:
    """A damage: the dimension that it harms, where it shows, and its grades from weak to strong."""

    name: str
    dimension: str
    region: Literal["subject", "background", "frame"]
    grades: tuple[float, float, float]
    make: Make


def _retimed(times: Times, clip: HarmedClip, grade: float) -> Iterator[Pixels]:
    return clip.again(times(len(clip.layers.frames), grade))


def _background_at(
    times: Callable[[int, float], list[int]], clip: HarmedClip, grade: float
) -> Iterator[Pixels]:
    background = clip.layers.background
    return clip.again(background=(background[now] for now in times(len(background), grade)))


DAMAGES = (
    Damage("banding", "visual", "frame", (24, 10, 5), lambda clip, grade: banded(clip.again(), grade)),
    Damage(
        "cast_light",
        "visual",
        "frame",
        (0.15, 0.35, 0.7),
        lambda clip, grade: tinted(clip.again(), grade, clip.random("cast_light")),
    ),
    Damage(
        "holes",
        "fg_integrity",
        "subject",
        (0.05, 0.15, 0.4),
        lambda clip, grade: holed(clip.layers, clip.again(), grade, clip.random("holes")),
    ),
    Damage(
        "halo",
        "fg_integrity",
        "subject",
        (3, 7, 14),
        lambda clip, grade: haloed(clip.layers, clip.again(), grade),
    ),
    Damage("late", "fg_motion", "subject", (1 / 16, 1 / 8, 1 / 4), partial(_retimed, shifted)),
    Damage("held", "fg_motion", "subject", (1 / 3, 2 / 3, 1), partial(_retimed, frozen)),
    Damage("backwards", "fg_motion", "subject", (1 / 3, 2 / 3, 1), partial(_retimed, reversed_)),
    Damage("still", "bg_dynamics", "background", (1 / 3, 2 / 3, 1), partial(_background_at, frozen)),
    Damage("slow", "bg_dynamics", "background", (1 / 2, 1 / 4, 1 / 8), partial(_background_at, slowed)),
    Damage(
        "blur",
        "bg_visual",
        "background",
        (2, 5, 12),
        lambda clip, grade: clip.again(background=blurred(clip.layers.background, grade)),
    ),
    Damage(
        "warp",
        "bg_visual",
        "background",
        (4, 10, 24),
        lambda clip, grade: clip.again(background=warped(clip.layers.background, grade, clip.random("warp"))),
    ),
)
