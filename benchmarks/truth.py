"""Whether what is written is what is drawn: every clause of every recipe, and pictures against other texts.

    python benchmarks/truth.py [--seeds 5] [--json]

A clause counts as shown when the pixels of its layer are there and move as it says
(`backends/drawing/truth.py`), against the same scene without the layer. For the gate, a picture of each
recipe is compared with its own text and with those of `OTHERS` other recipes.

JSON keys: `recipes`, `subthemes`, `clauses`, `clauses_shown` (share over all recipes and seeds), `not_shown`
(the clauses that were not, with their seeds), `right_agrees` (the 10th percentile of the agreement of
pictures with their own text), `wrong_scene_told` (share of pairs of a picture and a wrong text that agree
less than that).
"""

from __future__ import annotations

import argparse
import json
from concurrent.futures import ProcessPoolExecutor

import cv2
import numpy as np

from sparkle.generation.backends.classical.compose import compose_prompt
from sparkle.generation.backends.drawing.render import Scene
from sparkle.generation.backends.drawing.truth import SIZE, scene_agreement, shown_clauses
from sparkle.generation.taxonomy import TaxonomyScene, load_taxonomy

OTHERS = 6  # wrong texts per picture


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=5, help="Seeds per recipe.")
    parser.add_argument("--json", action="store_true", help="Print one JSON object.")
    options = parser.parse_args()
    scenes = [scene for scene in load_taxonomy().all_scenes if scene.is_drawn]
    figures = {
        "recipes": len(scenes),
        "subthemes": len({(scene.theme, scene.subtheme) for scene in scenes}),
        **_clauses(scenes, options.seeds),
        **_agreement(scenes),
    }
    if options.json:
        print(json.dumps(figures))
        return
    for name, value in figures.items():
        print(f"{name:18} {value}")


def _clauses(scenes: list[TaxonomyScene], seeds: int) -> dict[str, object]:
    tasks = [(scene, seed) for scene in scenes for seed in range(seeds)]
    with ProcessPoolExecutor(initializer=cv2.setNumThreads, initargs=(1,)) as pool:
        found = list(pool.map(shown_clauses, *zip(*tasks, strict=True)))
    total = sum(len(each) for each in found)
    missing = [
        f"{scene.keyword} / {words} / seed {seed}"
        for (scene, seed), each in zip(tasks, found, strict=True)
        for words, shown in each.items()
        if not shown
    ]
    return {"clauses": total, "clauses_shown": round(1 - len(missing) / total, 4), "not_shown": missing}


def _agreement(scenes: list[TaxonomyScene]) -> dict[str, object]:
    prompts = [compose_prompt(scene, seed=3) for scene in scenes]
    frames = [Scene(scene, seed=7, width=2 * SIZE[0], height=2 * SIZE[1]).frame(0.0) for scene in scenes]
    right, wrong = [], []
    for place, frame in enumerate(frames):
        own = scene_agreement(frame, prompts[place])
        right.append(0.0 if own is None else own)
        for step in range(1, OTHERS + 1):
            other = scene_agreement(frame, prompts[(place + 17 * step) % len(scenes)])
            wrong.append(0.0 if other is None else other)
    least = float(np.quantile(right, 0.1))
    return {
        "right_agrees": round(least, 4),
        "wrong_scene_told": round(float(np.mean(np.array(wrong) < least)), 4),
    }


if __name__ == "__main__":
    main()
