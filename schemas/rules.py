"""Verdict = f(record, thresholds): the one place where a sample is judged.

- Steps call `judge` when they have measured; builders call it again on what was recorded. A looser
  or stricter release needs no model, and changing a threshold changes no fingerprint.
- Scores are replayed as recorded, never recomputed: upstream's `overall` is a mean over passes.
- The defaults are upstream's published thresholds for EditScore; `configs/classical.toml` has those
  calibrated for the classical scorer.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from msgspec import Struct

from sparkle.schemas import records as r
from sparkle.schemas.errors import RecordError
from sparkle.schemas.records import Record


class Thresholds(Struct, frozen=True, forbid_unknown_fields=True):
    """What a sample must reach. Scores are 0 to 10; displacements are px a frame at 720p.

    Sources: `edited_frame0`, `foreground_removed`, `edited_video` from the paper (arXiv 2605.06535)
    and the upstream card; the camera's from a study on 20 real clips and 320 synthetic movers; the
    others keep out what cannot be a pair (an empty mask, a frozen background, a lost foreground).

    Attributes:
        camera_short: Most that the picture moves between neighbouring frames.
        camera_long: Most that it moves per frame between frames far apart.
        edited_frame0: Least score of the edited first frame.
        foreground_removed: Least score of the first frame without its foreground.
        edited_video: Least score of the edited video, the mean of its frames.
        mask_coverage_min: Least share of the picture that the foreground covers.
        mask_coverage_max: Most of it.
        background_motion: Least motion of a background that should live.
        foreground_psnr: Least fidelity of the foreground, in dB.
    """

    camera_short: float = 0.70
    camera_long: float = 0.20
    edited_frame0: float = 8.0
    foreground_removed: float = 8.5
    edited_video: float = 8.0
    mask_coverage_min: float = 0.01
    mask_coverage_max: float = 0.85
    background_motion: float = 0.0
    foreground_psnr: float = 0.0


def video_score(score: r.VideoScore) -> float:
    """The score of an edited video: the mean `O_score` of its frames (upstream card), 0 to 10.

    The sum is rounded once: what Python's `sum` gives for floats differs between 3.11 and 3.12.
    """
    return math.fsum(frame.O_score for frame in score.editscore) / len(score.editscore)


_ROUNDED = 1e-4  # scores: a backend may give four decimals of them


def misfit_scores(record: Record, *, one_pass: bool) -> list[tuple[str, float, str]]:
    """Return (pointer, score, what it may be) of every overall score that its parts cannot give.

    A pass gives sqrt(min(SC) * PQ), and what is recorded are means over passes. So one pass decides the
    score, and of several it is at most that of the means: the mean of a root of a product is.
    """
    parts: list[tuple[float, float, float, float]] = []  # overall, least SC, PQ, and the least of many passes
    if isinstance(record, r.ImageScore):
        followed, kept, quality = record.prompt_following, record.consistency, record.perceptual_quality
        parts = [(record.overall, min(followed, kept), quality, followed + kept + quality - 20)]
    elif isinstance(record, r.VideoScore):
        parts = [
            (one.O_score, one.SC_score, one.PQ_score, one.SC_score + one.PQ_score - 10)
            for one in record.editscore
        ]
    found = []
    for index, (overall, least, quality, low) in enumerate(parts):
        high = math.sqrt((least + _ROUNDED) * (quality + _ROUNDED)) + _ROUNDED
        if one_pass:
            low = math.sqrt(max(0, least - _ROUNDED) * max(0, quality - _ROUNDED))
        if not low - _ROUNDED <= overall <= high:
            single = isinstance(record, r.ImageScore)
            pointer = "/editscore/overall" if single else f"/editscore/{index}/O_score"
            found.append((pointer, overall, f"{max(0, low):.4f} to {high:.4f}"))
    return found


# What the steps' rules ask of numbers, for whoever shows them: step -> number -> thresholds, least and most.
ASKED: dict[str, dict[str, tuple[str | None, str | None]]] = {
    "flow": {"short": (None, "camera_short"), "long": (None, "camera_long")},
    "edit_score": {"overall": ("edited_frame0", None)},
    "remove_score": {"overall": ("foreground_removed", None)},
    "track": {"coverage": ("mask_coverage_min", "mask_coverage_max")},
    "video_score": {"overall": ("edited_video", None)},
    "measure": {
        "background_motion": ("background_motion", None),
        "foreground_psnr": ("foreground_psnr", None),
    },
}


def judge(step: str, record: Record, thresholds: Thresholds) -> str | None:
    """None when a step's record passes, else the reason of the rejection.

    The part before the colon is the same for every sample that falls to one rule: funnels count by it.
    """
    rule = _RULES.get(step)
    if rule is None:
        return None
    if not isinstance(record, r.STEP_RECORDS[step]):
        raise RecordError("not this step's record", got=type(record).__name__, wanted=step)
    return rule(record, thresholds)


def _normalise(record: r.NormaliseRecord, _: Thresholds) -> str | None:
    if record.frames < record.min_frames:
        return f"too short: {record.frames} frames at {record.fps:g} fps, wanted {record.min_frames} or more"
    return None


def _flow(record: r.FlowRecord, limits: Thresholds) -> str | None:
    if record.long > limits.camera_long or record.short > limits.camera_short:
        return (
            f"moving camera: {record.long:.2f} px a frame over far frames, {record.short:.2f} over near, "
            f"wanted at most {limits.camera_long:g} and {limits.camera_short:g}"
        )
    return None


def _camera(record: r.CameraRecord, _: Thresholds) -> str | None:
    return None if record.fixed else f"camera judged moving: {record.reasoning}"


def _made(record: r.MadeRecord, _: Thresholds) -> str | None:
    reason = record.details.get("not_drawn")
    return None if reason is None else f"the instruction cannot be drawn: {reason}"


def _image_score(name: str, field: str) -> Callable[[r.ImageScore, Thresholds], str | None]:
    def rule(record: r.ImageScore, limits: Thresholds) -> str | None:
        wanted: float = getattr(limits, field)
        return _below(f"{name} score too low", record.overall, wanted)

    return rule


def _ground1(record: r.Ground1Record, _: Thresholds) -> str | None:
    return None if record.round1_objects else "no foreground found: nothing, or almost everything, moves"


def _ground2(record: r.Ground2Record, _: Thresholds) -> str | None:
    spoke = any(item.bbox_2d for frame in record.frame_objects for item in frame)
    return None if spoke else "foreground lost: no label has a box on any anchor frame"


def _track(record: r.TrackRecord, limits: Thresholds) -> str | None:
    if record.empty_frames:
        return f"empty mask: on {record.empty_frames} frames"
    if not limits.mask_coverage_min <= record.coverage <= limits.mask_coverage_max:
        wanted = f"{limits.mask_coverage_min:g} to {limits.mask_coverage_max:g}"
        return f"mask of unlikely size: {record.coverage:.3f} of the frame, wanted {wanted}"
    return None


def _video_score(record: r.VideoScore, limits: Thresholds) -> str | None:
    return _below("video score too low", video_score(record), limits.edited_video)


def _measure(record: r.MeasureRecord, limits: Thresholds) -> str | None:
    still = _below("background too still", record.background_motion, limits.background_motion)
    return still or _below("foreground changed", record.foreground_psnr, limits.foreground_psnr)


def _below(name: str, got: float, wanted: float) -> str | None:
    return f"{name}: {got:.3f}, wanted {wanted:g} or more" if got < wanted else None


_RULES: dict[str, Callable[..., str | None]] = {
    "normalise": _normalise,
    "flow": _flow,
    "camera": _camera,
    "edit": _made,
    "edit_score": _image_score("edited frame 0", "edited_frame0"),
    "ground1": _ground1,
    "remove_score": _image_score("foreground removal", "foreground_removed"),
    "ground2": _ground2,
    "track": _track,
    "video_score": _video_score,
    "measure": _measure,
}
