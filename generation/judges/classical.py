"""The judge `classical`: it measures, and gives scores only where a calibration says what a measure means.

- It knows nothing of beauty. What it can tell: whether the background moves, and where the instruction lets
  it; whether anything was edited; whether frames are blank, flicker, blur.
- A dimension without a calibration is null, so that there is no Overall. Ranks need no scale: its measures
  can be compared with any judge's scores.
- The subject is where the bench's masks say, or else where the source moves.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import cv2
import numpy as np

from sparkle._processes import cpus
from sparkle.generation.backend import operational
from sparkle.generation.backends.vlm.budget import Budget
from sparkle.generation.judges.judge import JudgedEdit, Opinion
from sparkle.generation.judges.showing import matched_views
from sparkle.media import Mask, Pixels
from sparkle.media.container import open_video
from sparkle.media.mask import load_mask
from sparkle.media.measures import background_motion, flicker, sharpness
from sparkle.media.morphology import dilate
from sparkle.media.moving import moving_subject
from sparkle.media.prompted_motion import prompted_motion
from sparkle.media.view import look, read_window
from sparkle.schemas.calibration import SETTING, Calibration, read_calibration
from sparkle.schemas.canonical import sha256_file
from sparkle.schemas.errors import ConfigError, MediaError
from sparkle.schemas.rubric import SPARKLE_6, Rubric
from sparkle.schemas.verdicts import JudgeIdentity, Score

# Raise it when the same clips measure otherwise.
VERSION = 1

_HEIGHT = 360  # pixels at which clips are measured
_OUTSIDE = 4  # pixels around the masks that are no background
_BLANK = 4.0  # levels: the standard deviation below which a frame shows nothing
_DECIMALS = 4


@dataclass(kw_only=True)
class ClassicalJudge:
    """The judge `classical`.

    Args:
        calibration: A file that says what its measures mean, by `sparkle bench calibrate`.
    """

    kind: ClassVar[str] = "classical"

    calibration: str | None = operational(None)  # whose hash is part of the identity

    def __post_init__(self) -> None:
        self.budget = Budget()

    @property
    def rubric(self) -> Rubric:
        """Upstream's six dimensions."""
        return SPARKLE_6

    @property
    def repeats(self) -> int:
        """It would measure the same again."""
        return 1

    @property
    def workers(self) -> int:
        """One edit per CPU."""
        return cpus()

    @cached_property
    def who(self) -> JudgeIdentity:
        """The method, and the calibration where there is one."""
        settings: dict[str, Any] = {"version": VERSION}
        if self.calibration is not None:
            settings[SETTING] = sha256_file(Path(self.calibration))
        return JudgeIdentity("sparkle/classical", self.kind, settings)

    @cached_property
    def _curves(self) -> Calibration | None:
        if self.calibration is None:
            return None
        found = read_calibration(Path(self.calibration))
        found.require(self.who, self.calibration)
        if found.rubric != self.rubric:
            got, wanted = found.rubric.name, self.rubric.name
            raise ConfigError(
                "a calibration by another rubric", got=got, wanted=wanted, where=self.calibration
            )
        return found

    def accept(self, model: str) -> None:
        """Refuse: nobody is asked."""
        raise ConfigError("no model can answer", got=model, wanted="a judge that asks one")

    def open_kept(self) -> None:
        """Nothing is kept but verdicts."""

    def setup(self, *, offline: bool = False) -> None:
        """Read the calibration."""
        _ = self._curves

    def knows(self, edit: JudgedEdit, repeat: int) -> bool:
        """Nothing is kept but verdicts."""
        return False

    def tokens(self, edit: JudgedEdit) -> tuple[int, int, int]:
        """Return zeros: nothing is sent."""
        return 0, 0, 0

    def judge(self, edit: JudgedEdit, repeat: int) -> Opinion:
        """Measure an edit."""
        edit.require_unchanged()
        measures = measure_edit_of_bench(edit)
        raw = tuple(self._score(dimension.key, measures) for dimension in self.rubric.dimensions)
        return Opinion(raw=raw, measures=measures)

    def _score(self, key: str, measures: dict[str, float]) -> Score:
        curve = None if self._curves is None else self._curves.dimensions.get(key)
        value = None if curve is None or curve.measure is None else measures.get(curve.measure)
        if curve is None or value is None:
            return None
        meant = curve.at(value)
        score = round(meant) if self.rubric.whole else meant
        return min(max(score, self.rubric.lowest), self.rubric.highest)


def measure_edit_of_bench(edit: JudgedEdit) -> dict[str, float]:
    """Return everything that can be measured of an edit, by name.

    Raises:
        MediaError: a video or the masks cannot be read, or there is nothing to measure.
    """
    frames, part, whole = matched_views(edit.source, edit.edited, height=_HEIGHT)
    with open_video(edit.source) as video:
        source = read_window(video, 0, frames, lambda *_: part)
    with open_video(edit.edited) as video:
        edited = read_window(video, 0, frames, lambda *_: whole)
    if edit.masks is None:
        masks = moving_subject(source)
    else:
        masks = look(load_mask(edit.masks)[:frames], part)
        if len(masks) < frames:
            wanted = f"{frames} frames"
            raise MediaError("too few masks", got=len(masks), wanted=wanted, where=edit.masks)
    prompted = prompted_motion(edited, masks, edit.prompt)
    found = {
        "background_motion": background_motion(edited, masks),
        "background_motion_inside": prompted.inside,
        "background_motion_outside": prompted.outside,
        "background_kept": background_kept(source, edited, masks),
        "blank": float(np.mean([_gray(frame).std() < _BLANK for frame in edited])),
        "flicker": flicker(edited, masks),
        "sharpness": sharpness(edited),
    }
    return {name: round(float(value), _DECIMALS) for name, value in found.items() if value is not None}


def background_kept(source: Pixels, edited: Pixels, masks: Mask) -> float:
    """Return how far the background is still the source's: the mean correlation of its grey levels.

    Eight real edits have -0.17 to 0.35; one of which the background was not edited has nearly 1.

    Args:
        source: uint8 (T, H, W, 3) RGB.
        edited: The same of the edit.
        masks: bool (T, H, W), the subject.

    Raises:
        MediaError: there is no background.
    """
    found = []
    for before, after, mask in zip(source, edited, masks, strict=True):
        seen = ~dilate(mask, _OUTSIDE)
        if seen.any():
            first, second = (image[seen] - image[seen].mean() for image in (_gray(before), _gray(after)))
            power = float(np.sqrt((first @ first) * (second @ second)))
            found.append(float(first @ second) / power if power else 0.0)
    if not found:
        raise MediaError("there is no background to measure", got="the subject covers every frame")
    return float(np.mean(found))


def _gray(frame: Pixels) -> Any:
    return cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY).astype(np.float64)
