"""Does a picture show what its words say? Clauses against layers, pictures against recipes.

- A clause is shown where its layer is: the pixels that change when the layer is left out of the same scene.
  They must be there, look in the picture as they do in the scene, and, for a clause of motion, move more
  than what is behind them.
- `scene_agreement` knows no seed: it compares a picture's coarse colours and detail with those of a few
  drawings of the recipe, next to how far these are from one another.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from sparkle.generation.backends.drawing.noise import Field, as_field
from sparkle.generation.backends.drawing.prompt import understand
from sparkle.generation.backends.drawing.render import SMALLEST_SIDE, Scene
from sparkle.generation.taxonomy import TaxonomyScene

Picture = npt.NDArray[np.uint8]

SIZE = (256, 144)  # of drawings that are compared
TIMES = (0.0, 0.4, 0.9, 2.0)  # seconds: a flicker may stand where it was at one of them
SEEN = 5.0  # levels: what a layer changes by less is not seen
LEAST_SHARE = 0.0004  # of the picture that a layer covers, 15 pixels of it
LEAST_MOTION = 1.2  # levels on average between two times over a layer, beyond what moves behind it
# Verbs of light that say that it moves or wavers; others ("saturating") may stand still.
STILL_LIGHT = frozenset({"glows", "burns", "saturates", "gleams", "sets", "pales"})


@dataclass(frozen=True)
class Clause:
    """A clause of a scene: its words, the layer that shows it, and whether it says that something moves."""

    words: str
    layer: str
    moves: bool


def clauses_of(scene: TaxonomyScene) -> tuple[Clause, ...]:
    """Return the clauses of a scene that is drawn."""
    motion = zip(scene.moves_finite, scene.moves_shown_by, strict=True)
    light = zip(scene.light_finite, scene.light_shown_by, strict=True)
    return (
        *(Clause(words, layer, moves=True) for words, layer in motion),
        *(Clause(words, layer, moves=not STILL_LIGHT & set(words.split())) for words, layer in light),
    )


def is_shown(
    clause: Clause, picture: Sequence[Picture], drawn: Sequence[Picture], without: Sequence[Picture]
) -> bool:
    """Whether a picture shows a clause.

    Args:
        clause: What it should show.
        picture: Its frames at `TIMES`.
        drawn: Those of the scene that it should be, at the same times.
        without: Those of that scene without the clause's layer.
    """
    seen, truth, rest = (
        np.stack([frame.astype(np.float32) for frame in each]) for each in (picture, drawn, without)
    )
    own = np.abs(truth - rest).max(axis=3) > SEEN  # (times, h, w): where the layer is
    if own.mean(axis=(1, 2)).max() < LEAST_SHARE:
        return False
    unlike, absent = np.abs(seen - truth)[own].mean(), np.abs(rest - truth)[own].mean()
    if unlike > 0.5 * absent:
        return False
    if not clause.moves:
        return True
    anywhere = own.any(axis=0)
    return min(_motion(seen, anywhere), _motion(seen - rest, anywhere)) > LEAST_MOTION


def _motion(frames: Field, where: npt.NDArray[np.bool_]) -> float:
    """Return how far frames (times, h, w, 3) change at most from the first one, on average over a region."""
    return max(float(np.abs(frame - frames[0])[where].mean()) for frame in frames[1:])


def draw_frames(scene: Scene, *, without: str = "") -> list[Picture]:
    """Return a scene's frames at `TIMES`."""
    return [scene.frame(t, without=without) for t in TIMES]


def shown_clauses(scene: TaxonomyScene, seed: int) -> dict[str, bool]:
    """Return for each clause of a scene whether its own drawing, a small one, shows it."""
    made = Scene(scene, seed=seed, width=SIZE[0], height=SIZE[1])
    drawn, clauses = draw_frames(made), clauses_of(scene)
    without = {layer: draw_frames(made, without=layer) for layer in {clause.layer for clause in clauses}}
    return {clause.words: is_shown(clause, drawn, drawn, without[clause.layer]) for clause in clauses}


# --- a picture against a recipe, whatever its seed -------------------------------------------------

GRID = (8, 6)  # cells across and down
DRAWINGS = 4  # of a recipe, that a picture is compared with


def scene_agreement(picture: Picture, prompt: str, hidden: npt.NDArray[np.bool_] | None = None) -> float:
    """Return how well a picture agrees with the scene of a prompt: about 1 for its own, less for another's.

    The picture's colours and fine detail in `GRID` cells are compared with those of `DRAWINGS` drawings of
    the prompt's recipe, mirrored and not. The nearest counts: the answer is exp(-excess), where the excess is
    how much farther off it is than those drawings are from one another. Nothing is known of the seed, of the
    subject, or of what models would paint: a picture of another style agrees with none.

    Args:
        picture: uint8 RGB (H, W, 3).
        prompt: The instruction.
        hidden: bool (H, W), what is not scene (the subject); cells that it mostly covers do not count.

    Returns:
        0 to 1: 0 where no recipe draws the prompt, 1 where nothing of the scene is seen.
    """
    scene = understand(prompt).scene
    if scene is None:
        return 0.0
    size = _size_like(picture)
    known, spread = _known(scene, size)
    small = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
    free = np.ones(GRID[0] * GRID[1], bool)
    if hidden is not None:
        covered = cv2.resize(hidden.astype(np.float32), size, interpolation=cv2.INTER_AREA)
        free = cv2.resize(covered, GRID, interpolation=cv2.INTER_AREA).ravel() < 0.5
        small = _without(small, covered > 0)
    if not free.any():
        return 1.0
    own = _looks(small)[free]
    nearest = min(float(np.abs(own - other[free]).mean()) for other in known)
    return float(np.exp(-max(0.0, nearest / spread - 1.0)))


def _size_like(picture: Picture) -> tuple[int, int]:
    """Return width and height of drawings of a picture's shape, no larger than it or than about `SIZE`."""
    height, width = picture.shape[:2]
    scale = min(1.0, math.sqrt(SIZE[0] * SIZE[1] / (width * height)))
    columns, rows = (max(SMALLEST_SIDE, 2 * round(side * scale / 2)) for side in (width, height))
    return columns, rows


def _without(picture: Picture, hidden: npt.NDArray[np.bool_]) -> Picture:
    """Return a picture with what is hidden filled by the mean around it: cells beside it are not off."""
    keep = (~hidden).astype(np.float32)
    sigma = picture.shape[0] / 24
    total = cv2.GaussianBlur(picture.astype(np.float32) * keep[..., None], (0, 0), sigma)
    weight = np.maximum(cv2.GaussianBlur(keep, (0, 0), sigma), 1e-3)[..., None]
    return np.where(hidden[..., None], np.clip(total / weight, 0, 255), picture).astype(np.uint8)


@lru_cache(maxsize=128)
def _known(scene: TaxonomyScene, size: tuple[int, int]) -> tuple[tuple[Field, ...], float]:
    """Return the looks of some drawings of a scene of this width and height, and how far apart they are."""
    looks = []
    for seed in range(DRAWINGS):
        frame = Scene(scene, seed=1_000_003 + seed, width=size[0], height=size[1]).frame(0.0)
        looks += [_looks(frame), _looks(np.ascontiguousarray(frame[:, ::-1]))]
    gaps = [
        min(float(np.abs(one - other).mean()) for k, other in enumerate(looks) if k // 2 != n // 2)
        for n, one in enumerate(looks)
    ]
    return tuple(looks), max(float(np.mean(gaps)), 1.0)


def _looks(picture: Picture) -> Field:
    """Return colour (CIELAB) and fine detail of every cell of a picture, in comparable units.

    float32 (cells, 4).
    """
    lab = cv2.cvtColor(picture.astype(np.float32) / 255.0, cv2.COLOR_RGB2LAB)
    fine = np.abs(lab[..., :1] - cv2.GaussianBlur(lab[..., 0], (0, 0), 2.0)[..., None])
    cells = cv2.resize(np.concatenate([lab, 3.0 * fine], axis=2), GRID, interpolation=cv2.INTER_AREA)
    return as_field(cells.reshape(-1, 4))
