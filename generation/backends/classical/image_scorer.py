"""The classical `image_scorer`, a stand-in for EditScore that only measures, on a scale of its own.

How it works
- A measure becomes a grade by a straight line between a worst and a best value, 0 and 10 outside. Most best
  values lie where good edits are, so that a good edit gains nothing by being unusual.
- Grades that judge one thing are averaged geometrically: one failure is not made up for.
- The overall score is sqrt(min(SC parts) * PQ), as in EditScore. SC: was the background replaced, is the
  subject, and only the subject, still there, does the new scene live. PQ: edges, sharpness, noise, exposure.
- Whether the new scene is the one asked for can be told where it was drawn by a recipe, which is known: the
  option `drawn` says so. Of a painted one it cannot, and the instruction is not read.
- Scores are rounded to four decimals, so that their bytes are stable.

Grades were set on twelve real clips, eight to tune and four held out; `benchmarks/ranking.py` checks that
good edits rank above the same edits degraded.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from sparkle.generation.backend import Identity
from sparkle.generation.backends.classical.filters import read_working, to_pixel_box
from sparkle.generation.backends.classical.image_editor import first_frame_mask
from sparkle.generation.backends.classical.propagate import hard_mask
from sparkle.generation.backends.classical.quality import (
    EditMeasures,
    RemovalMeasures,
    later_index,
    measure_edit,
    measure_removal,
    scene_motion,
)
from sparkle.generation.backends.classical.subjects import ByMotion
from sparkle.generation.backends.drawing.truth import scene_agreement
from sparkle.media import Mask, Pixels
from sparkle.media.decode import iter_frames, next_frame
from sparkle.media.images import read_png
from sparkle.media.mask import load_mask
from sparkle.schemas import records as r
from sparkle.schemas.canonical import canonical_json
from sparkle.schemas.errors import MediaError

Grades = dict[str, tuple[float, float, float]]
"""For each measure its worst value, its best value, and its weight among the others."""

DECIMALS = 4

LEAST_GRADE = 0.1
"""Stands for 0 in geometric means: what fails in one way may still fail in another, and rank lower."""

REPLACED: Grades = {"replaced": (0.15, 0.65, 1)}
"""Good edits 0.81 to 0.99, half replaced ones about 0.45; tables and benches may stay."""

SCENE: Grades = {"agreement": (0.2, 0.4, 1)}
"""Of 618 drawings of 103 scenes (640x360, 160x96 and 270x480, two moments each) all agree with their own text
by 0.37 and more, and 0.3 % of them with another one's by 0.36 and more, below which an edit is rejected."""

MOTION: Grades = {"motion": (0.03, 0.09, 1)}
"""Real edits 0.13 to 4.4, the weakest being slow mist; drawn scenes 0.2 to 3.6, small ones of 128 rows from
0.09; frozen scenes, encoded and with grain, 0 to 0.03."""

SUBJECT: Grades = {
    "identity": (-0.3, 0.5, 0.5),
    "lost": (0.6, 0.05, 1),
    "contour": (-0.1, 0.6, 1),
    "gaps": (0.55, 0.08, 1),
    "drift": (36.0, 3.0, 2),
    "remnants": (0.4, 0.0, 1),
}
"""Re-synthesised subjects: identity 0.3 to 0.9, lost to 0.38, contour 0.4 to 0.7, drift 4 to 25. Composites:
0.9 and more, 0, 0.6 and more, at most 8. Most best values lie in the better half of the former."""

CLEAN: Grades = {"remnants": (0.5, 0.06, 1)}
"""Good edits 0 to 0.06; the source pasted by a mask that is shifted by 20 pixels at 720p 0.3 and more. It
stands alone, for such a subject is kept to perfection."""

WHOLE = (0.021, 0.012)
LEAST_WHOLE = 0.5
"""Unfounded outline from which a mask lacks a part or holds old background, and up to which it does not. What
follows from the mask is believed by half in the first case, wholly in the second: it is a factor, so that an
edit with such a mask still ranks below the same edit without a flaw. On two frames each of five drawn clips
and twelve real ones, 16 of 17 good masks have .0143 at most; of those with 5 to 20 % missing, and of those
that hold a strip of old background of 8 to 40 pixels at 720p, 97 % have more."""

QUALITY: Grades = {
    "edge": (0.25, 0.55, 1.5),
    "sharpness": (-1.1, 0.0, 1),
    "scene_sharpness": (-1.2, -0.7, 1),
    "noise": (2.5, 0.4, 0.5),
    "clipped": (0.5, 0.1, 0.5),
    "tonal_range": (20.0, 65.0, 0.5),
}
"""Good edits: sharpness -0.2 to 0.1 (a blur of 2 pixels at 720p: -0.4), scene_sharpness -0.7 to -0.2 (a blur
of 3 pixels: -1.0 and less), noise 0.1 to 0.8, clipped to 0.18."""

GONE: Grades = {"left": (0.95, 0.2, 1)}
"""Clean removals 0.1 to 0.65, for boxes hold background, too; a subject still there 0.98 and more."""

UNTOUCHED: Grades = {"outside": (8.0, 0.6, 1)}
"""A frame encoded again moves by 0.5 to 1.7."""

FILLING: Grades = {"smooth": (-2.5, -0.4, 1), "rough": (2.5, 0.7, 1), "seam": (0.75, 0.3, 1.5)}
"""Clean removals -0.5 to 0.6 and 0.2 to 0.45; diffusion inpainting -2.8 to -1.3, for it is smooth."""


@dataclass(kw_only=True)
class Backend(ByMotion):
    """The classical `image_scorer`.

    Args:
        drawn: Whether the editor draws scenes by recipes, as `classical` and `u2netp` do: their pictures are
            then compared with other drawings of what the instruction asks for.
    """

    drawn: bool = False

    identity: ClassVar[Identity] = Identity(
        "sparkle/classical-score", "3", "measured, not judged: on a scale of its own, not EditScore's"
    )
    founded: ClassVar[bool] = False  # masks by motion alone seldom would pass

    def score_edit(self, source: Path, edited: Path, prompt: str, *, clip: Path) -> r.ImageScore:
        """Score the first frame, with the subject found by its motion."""
        image = read_png(source)
        mask = hard_mask(image, first_frame_mask(read_working(clip), self.maps))
        return score_edit(
            image, read_png(edited), mask, founded=self.founded, recipe=prompt if self.drawn else None
        )

    def score_removal(
        self, edited: Path, removed: Path, objects: Sequence[r.GroundedObject], prompt: str
    ) -> r.ImageScore:
        """Score the removal inside the objects' boxes and outside."""
        image = read_png(edited)
        height, width = image.shape[:2]
        boxes = np.zeros((height, width), bool)
        for item in objects:
            x0, y0, x1, y1 = to_pixel_box(item.bbox_2d, (height, width))
            boxes[y0:y1, x0:x1] = True
        return score_removal(image, read_png(removed), boxes)

    def score_frames(
        self, source: Path, edited: Path, mask: Path, prompt: str, indices: Sequence[int]
    ) -> tuple[r.FrameScore, ...]:
        """Score some frames, each beside one that shows whether the scene behind it lives."""
        masks = load_mask(mask)
        if max(indices) >= len(masks):
            raise MediaError("the clip has no such frame", got=max(indices), wanted=len(masks), where=mask)
        later = {index: later_index(index, len(masks)) for index in indices}
        sources, edits = _pick(source, indices), _pick(edited, (*indices, *later.values()))
        recipe = prompt if self.drawn else None
        parts = {t: ScoredFrame(sources[t], edits[t], masks[t], edits[k], masks[k]) for t, k in later.items()}
        return tuple(score_frame(part, founded=self.founded, recipe=recipe) for part in parts.values())


def _pick(clip: Path, indices: Sequence[int]) -> dict[int, Pixels]:
    """Return the frames of these indices; raises MediaError where the clip ends before."""
    frames = iter_frames(clip)
    found = {}
    for index in range(max(indices) + 1):
        frame = next_frame(frames, clip)
        if index in indices:
            found[index] = frame
    return found


def score_edit(
    source: Pixels, edited: Pixels, mask: Mask, *, founded: bool = False, recipe: str | None = None
) -> r.ImageScore:
    """Scores the edit of a first frame.

    Args:
        source: uint8 RGB (H, W, 3).
        edited: uint8 RGB (H, W, 3).
        mask: bool (H, W), the subject.
        founded: Also ask whether the mask is: whether the source has an edge along its outline.
        recipe: Also ask whether the scene is the one that is drawn for this instruction.

    Raises:
        MediaError: The three do not have one size.
    """
    measures = measure_edit(source, edited, mask)
    scene = _scene(edited, mask, recipe)
    found = {**asdict(measures), **scene}
    return _image_score(
        following=min(_grade_of(grades, found) for grades in (REPLACED, *([SCENE] if scene else []))),
        consistency=min(_grade_of(grades, found) for grades in (SUBJECT, CLEAN))
        * (_wholeness(measures) if founded else 1),
        quality=_grade_of(QUALITY, found),
        reasonings=(
            _subject_reasoning(measures, founded) + _scene_reasoning(scene),
            _quality_reasoning(measures),
        ),
    )


def score_removal(edited: Pixels, removed: Pixels, boxes_mask: Mask) -> r.ImageScore:
    """Scores the removal of the subject from the edited frame.

    Args:
        edited: uint8 RGB (H, W, 3).
        removed: uint8 RGB (H, W, 3).
        boxes_mask: bool (H, W), inside the subject's boxes.

    Raises:
        MediaError: The three do not have one size.
    """
    measures = measure_removal(edited, removed, boxes_mask)
    found = {**asdict(measures), "smooth": measures.detail, "rough": measures.detail}
    return _image_score(
        following=_grade_of(GONE, found),
        consistency=_grade_of(UNTOUCHED, found),
        quality=_grade_of(FILLING, found),
        reasonings=_removal_reasonings(measures),
    )


@dataclass(frozen=True)
class ScoredFrame:
    """A frame of an edited video, and one beside it that shows whether its scene lives.

    Attributes:
        source: uint8 RGB (H, W, 3).
        edited: uint8 RGB (H, W, 3).
        mask: bool (H, W), the subject.
        later: uint8 RGB (H, W, 3), the edited video's frame of `later_index`.
        later_mask: bool (H, W), the subject in it.
    """

    source: Pixels
    edited: Pixels
    mask: Mask
    later: Pixels
    later_mask: Mask


def score_frame(frame: ScoredFrame, *, founded: bool = False, recipe: str | None = None) -> r.FrameScore:
    """Scores a frame of an edited video; `founded` and `recipe` are those of `score_edit`.

    Raises:
        MediaError: Its parts do not have one size.
    """
    measures = measure_edit(frame.source, frame.edited, frame.mask)
    motion = scene_motion(frame.edited, frame.later, frame.mask, frame.later_mask)
    scene = _scene(frame.edited, frame.mask, recipe)
    return _frame_score(measures, motion, scene, founded)


def _scene(edited: Pixels, mask: Mask, recipe: str | None) -> dict[str, float]:
    """Return how well a scene agrees with the instruction by which it was drawn, if that is asked."""
    return {} if recipe is None else {"agreement": scene_agreement(edited, recipe, mask)}


def _frame_score(
    measures: EditMeasures, motion: float, scene: dict[str, float], founded: bool
) -> r.FrameScore:
    found = {**asdict(measures), "motion": motion, **scene}
    every = (REPLACED, SUBJECT, CLEAN, MOTION, *([SCENE] if scene else []))
    consistency = min(_grade_of(grades, found) for grades in every)
    consistency *= _wholeness(measures) if founded else 1
    quality = _grade_of(QUALITY, found)
    named = ("replaced", "motion", *SUBJECT, *(["unfounded"] if founded else []), *scene)
    raw_sc = {name: found[name] for name in named}
    moves = f"; within a quarter of a second the scene changes by {motion:.2f} Lab units"
    return r.FrameScore(
        SC_score=_rounded(consistency),
        PQ_score=_rounded(quality),
        O_score=_rounded(_overall(consistency, quality)),
        SC_score_reasoning=_subject_reasoning(measures, founded) + _scene_reasoning(scene) + moves + ".",
        PQ_score_reasoning=_quality_reasoning(measures) + ".",
        SC_raw_output=_raw(raw_sc),
        PQ_raw_output=_raw({name: found[name] for name in QUALITY}),
    )


def _image_score(
    *, following: float, consistency: float, quality: float, reasonings: tuple[str, str]
) -> r.ImageScore:
    return r.ImageScore(
        prompt_following=_rounded(following),
        consistency=_rounded(consistency),
        perceptual_quality=_rounded(quality),
        overall=_rounded(_overall(min(following, consistency), quality)),
        SC_reasoning=reasonings[0] + ".",
        PQ_reasoning=reasonings[1] + ".",
    )


def _grade(value: float, worst: float, best: float) -> float:
    """Return 0 at `worst` and beyond, 10 at `best` and beyond, a straight line between."""
    return 10.0 * min(1.0, max(0.0, (value - worst) / (best - worst)))


def _grade_of(grades: Grades, found: dict[str, float]) -> float:
    """Return the weighted geometric mean of grades; a grade that stands alone is itself."""
    values = {name: _grade(found[name], worst, best) for name, (worst, best, _) in grades.items()}
    if len(values) == 1:
        return next(iter(values.values()))
    weights = {name: weight for name, (_, _, weight) in grades.items()}
    total = sum(weights[name] * np.log(max(value, LEAST_GRADE)) for name, value in values.items())
    return float(np.exp(total / math.fsum(weights.values())))


def _wholeness(found: EditMeasures) -> float:
    """Return how far the mask is to be believed, 1 to `LEAST_WHOLE`."""
    return LEAST_WHOLE + (1 - LEAST_WHOLE) * _grade(found.unfounded, *WHOLE) / 10


def _overall(consistency: float, quality: float) -> float:
    return float(np.sqrt(consistency * quality))


def _rounded(value: float) -> float:
    return round(float(value), DECIMALS)


def _raw(values: dict[str, float]) -> str:
    return canonical_json({name: _rounded(value) for name, value in values.items()}).decode()


def _subject_reasoning(found: EditMeasures, founded: bool) -> str:
    edges = f"the source has no edge along {found.unfounded:.1%}; " if founded else ""
    return (
        f"Measured by the classical scorer: {found.replaced:.0%} of the background is new; "
        f"the subject's structure agrees by {found.identity:.2f} and {found.lost:.0%} of it is lost; "
        f"its outline agrees by {found.contour:.2f} and is broken along {found.gaps:.0%}; "
        f"the old background shows along {found.remnants:.0%} of it; {edges}"
        f"the subject's colours moved by {found.drift:.1f} Lab units"
    )


def _scene_reasoning(scene: dict[str, float]) -> str:
    return f"; the scene agrees with the instruction's by {scene['agreement']:.2f}" if scene else ""


def _quality_reasoning(found: EditMeasures) -> str:
    return (
        f"Measured by the classical scorer: the subject's edge stands out by {found.edge:.2f}; "
        f"sharpness is {found.sharpness:+.2f} against the source, the scene's {found.scene_sharpness:+.2f}; "
        f"noise is {found.noise:.2f} of 100; "
        f"{found.clipped:.0%} of the frame is black or white, its tones span {found.tonal_range:.0f} of 100"
    )


def _removal_reasonings(found: RemovalMeasures) -> tuple[str, str]:
    return (
        f"Measured by the classical scorer: {found.left:.0%} of what was in the boxes is still there; "
        f"outside them colours moved by {found.outside:.1f} Lab units",
        f"Measured by the classical scorer: detail of the filling against its surroundings is "
        f"{found.detail:+.2f}; an edge around the filling stands out by {found.seam:.2f}",
    )
