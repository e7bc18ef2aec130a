"""Draw a sheet of every scene that the taxonomy has a recipe for, to look at.

    python benchmarks/scenes.py OUT.webp [NAME ...] [--seed 1] [--at 0.5]

One cell per scene, half a second into it; names keep the sheet to those scenes. `docs/images/scenes.webp` is
the whole one.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np

from sparkle.generation.backends.drawing.render import Scene
from sparkle.generation.taxonomy import TaxonomyScene, load_taxonomy
from sparkle.media import Pixels

DRAWN, CELL, ACROSS = (960, 540), (208, 117), 8  # drawn large, as small ones lose what is thin


def main() -> None:
    """Draw the sheet."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--at", type=float, default=0.5, help="Seconds into the scene.")
    options = parser.parse_args()
    scenes = [scene for scene in load_taxonomy().all_scenes if scene.is_drawn]
    if unknown := set(options.names) - {scene.name for scene in scenes}:
        parser.error(f"no such scene: {', '.join(sorted(unknown))}")
    cells = [
        _cell(scene, options.seed, options.at)
        for scene in scenes
        if scene.name in options.names or not options.names
    ]
    cells += [np.zeros_like(cells[0])] * (-len(cells) % min(ACROSS, len(cells)))
    across = min(ACROSS, len(cells))
    sheet = np.vstack([np.hstack(cells[row : row + across]) for row in range(0, len(cells), across)])
    cv2.imwrite(str(options.out), cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_WEBP_QUALITY, 45])


def _cell(scene: TaxonomyScene, seed: int, at: float) -> Pixels:
    picture = Scene(scene, seed=seed, width=DRAWN[0], height=DRAWN[1]).frame(at)
    cell = np.ascontiguousarray(cv2.resize(picture, CELL, interpolation=cv2.INTER_AREA))
    cell[:16] //= 3  # a dark band under the name
    cv2.putText(cell, scene.name, (4, 12), cv2.FONT_HERSHEY_SIMPLEX, 0.36, (255, 255, 255), 1, cv2.LINE_AA)
    return np.asarray(cell, np.uint8)


if __name__ == "__main__":
    main()
