"""Which backgrounds a model may choose from: a few scenes of the theme, drawn by the seed.

A model that sees the whole taxonomy chooses its favourites for every clip. A drawn few, each of another
subtheme as far as there are enough, leave it the choice of what suits the clip and spread the dataset over
the taxonomy.
"""

from __future__ import annotations

from itertools import zip_longest

import numpy as np

from sparkle.schemas.errors import ConfigError
from sparkle.schemas.taxonomy import Scene, load_taxonomy


def offer_scenes(theme: str, count: int, *, seed: int) -> tuple[Scene, ...]:
    """`count` scenes of a theme, or all where it has fewer; the same seed offers the same in the same order.

    Raises:
        ConfigError: the theme has no scenes (`openve3m`).
    """
    scenes = load_taxonomy().scenes(theme)
    if not scenes:
        raise ConfigError(
            "the theme has no taxonomy", got=theme, fix="give each of its candidates a prompt of its own"
        )
    rng = np.random.Generator(np.random.PCG64(seed))
    shuffled = [scenes[index] for index in rng.permutation(len(scenes))]
    by_subtheme: dict[str, list[Scene]] = {}
    for scene in shuffled:
        by_subtheme.setdefault(scene.subtheme, []).append(scene)
    rounds = zip_longest(*by_subtheme.values())
    return tuple(scene for group in rounds for scene in group if scene is not None)[:count]


def list_scenes(scenes: tuple[Scene, ...]) -> str:
    """The scenes as the prompt lists them, one a line."""
    return "\n".join(f"- {scene.keyword} ({scene.setting})" for scene in scenes)
