"""What four scored frames cannot see: whether a clip's background lives and whether its subject was kept.

- Every function takes a clip at a small working size (`sparkle.media.measure_clip` shrinks 720p to 640x360 by
  area, which also averages most codec noise away) and goes through it once, frame by frame.
- Near a mask's edge pixels belong to both sides, so the subject is measured inside the eroded mask and the
  background outside the dilated one.
- A frame without subject is left out of the subject's measures. Where nothing at all is left to measure
  there is no number: that is a `MediaError`, never a score.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import cv2
import numpy as np

from sparkle.media import Floats, Mask, Pixels
from sparkle.media.morphology import dilate, erode
from sparkle.schemas.errors import MediaError

# Pixels at working size between what counts as background and as subject, on each side of the mask's edge:
# the masks' own error (a band of +-4 pixels when they are refined) and the codec's halo around what moves.
_OUTER_MARGIN = 4
_INNER_MARGIN = 2

# Frames between compared ones: a quarter of a second at 16 fps. Slow things (mist, clouds) move in that
# time and codec noise does not grow: on the shared clips the weakest live background measures nine times as
# much as between neighbouring frames, frozen ones measure the same.
_MOTION_GAP = 4

# Gray levels that a pixel may change without having moved: what is left of film grain (sigma 4 at 720p) and
# of the codec's refreshes after the blur stays below.
_NOISE_FLOOR = 2.0
_NOISE_BLUR_SIGMA = 1.0

# Decibels. Identical pixels have an infinite PSNR, one lossless frame must not decide the mean; a decoded
# frame against itself encoded again at crf 20 has 39.
_PSNR_CAP = 60.0


def background_motion(frames: Pixels, masks: Mask) -> float:
    """Return how much the background changes in a quarter of a second.

    The mean over background pixels and pairs of frames four apart of the absolute change of the blurred gray
    level, where a change of at most 2 levels counts as 0. `benchmarks/measures.py` separates live backgrounds
    from frozen ones by it: on the shared clips live ones measure 0.6 and more, frozen ones less than 0.01.

    Args:
        frames: uint8 (T, H, W, 3) RGB, T >= 2.
        masks: bool (T, H, W), the subject.

    Returns:
        Gray levels, 0 to 255.

    Raises:
        MediaError: Shapes do not fit, there is one frame only, or the subject covers every background pixel.
    """
    pairs = background_changes(frames, masks)
    means = [change[seen].mean(dtype=np.float64) for change, seen in pairs if seen.any()]
    if not means:
        raise MediaError("there is no background to measure", got="the subject covers every frame")
    return float(np.mean(means))


def background_changes(frames: Pixels, masks: Mask) -> Iterator[tuple[Floats, Mask]]:
    """Yield what changes in a quarter of a second, for every pair of frames that far apart.

    Args:
        frames: uint8 (T, H, W, 3) RGB, T >= 2.
        masks: bool (T, H, W), the subject.

    Yields:
        float32 (H, W), gray levels, 0 for what is grain; bool (H, W), where both frames show background.

    Raises:
        MediaError: Shapes do not fit, or there is one frame only.
    """
    _require_clip(frames, masks, at_least=2)
    gap = min(_MOTION_GAP, len(frames) - 1)
    smooth = [cv2.GaussianBlur(_gray(frame), (0, 0), _NOISE_BLUR_SIGMA) for frame in frames]
    for now in range(len(frames) - gap):
        change = cv2.absdiff(smooth[now], smooth[now + gap])
        _, moved = cv2.threshold(change, _NOISE_FLOOR, 0, cv2.THRESH_TOZERO)
        yield np.asarray(moved, np.float32), ~dilate(masks[now] | masks[now + gap], _OUTER_MARGIN)


def foreground_psnr(source: Pixels, edited: Pixels, masks: Mask) -> float:
    """Return how well the edited clip keeps the subject's pixels.

    Args:
        source: uint8 (T, H, W, 3) RGB.
        edited: uint8 (T, H, W, 3) RGB.
        masks: bool (T, H, W), the subject.

    Returns:
        Mean over the frames that have a subject of the PSNR inside the eroded mask, in decibels, at most 60.

    Raises:
        MediaError: Shapes do not fit, or no frame has a subject that is thicker than the margin.
    """
    _require_clip(source, masks, at_least=1)
    _require_clip(edited, masks, at_least=1)
    values = []
    for before, after, mask in zip(source, edited, masks, strict=True):
        inside = erode(mask, _INNER_MARGIN)
        if inside.any():
            error = before[inside].astype(np.float32) - after[inside]
            mean_square = float(np.mean(error * error, dtype=np.float64))
            psnr = 10 * np.log10(255.0**2 / mean_square) if mean_square else _PSNR_CAP
            values.append(min(float(psnr), _PSNR_CAP))
    if not values:
        raise MediaError("there is no subject to measure", got="no mask that is thicker than its margin")
    return float(np.mean(values))


def flicker(frames: Pixels, masks: Mask) -> float:
    """Return how much the subject's brightness jitters where the scene's does not.

    For each three neighbouring frames: how far the middle one's mean luminance is from the mean of the other
    two, for the subject and for the background; the excess of the subject's over the background's (0 where
    it is less), averaged over the clip. Fading, moving slowly into light and torchlight that flickers over
    everything do not count.

    Args:
        frames: uint8 (T, H, W, 3) RGB, T >= 3.
        masks: bool (T, H, W), the subject.

    Returns:
        Gray levels, 0 to 255.

    Raises:
        MediaError: Shapes do not fit, there are fewer than 3 frames, or no three neighbouring frames have
            both a subject and a background.
    """
    _require_clip(frames, masks, at_least=3)
    levels = np.full((2, len(frames)), np.nan)
    for index, (frame, mask) in enumerate(zip(frames, masks, strict=True)):
        gray = _gray(frame)
        for side, region in enumerate((erode(mask, _INNER_MARGIN), ~dilate(mask, _OUTER_MARGIN))):
            if region.any():
                levels[side, index] = gray[region].mean(dtype=np.float64)
    subject, background = np.abs(levels[:, 1:-1] - (levels[:, :-2] + levels[:, 2:]) / 2)
    excess = np.maximum(subject - background, 0)
    if np.isnan(excess).all():
        raise MediaError("there is no subject to measure", got="no three frames with subject and background")
    return float(np.nanmean(excess))


def mask_stability(masks: Mask) -> float:
    """Return how well each mask agrees with the next.

    Args:
        masks: bool (T, H, W), T >= 2.

    Returns:
        Mean intersection over union of neighbouring masks, 0 to 1. A pair of empty masks agrees (1), a pair
        with one empty mask does not (0).

    Raises:
        MediaError: There is one mask only, or every mask is empty.
    """
    if masks.ndim != 3 or masks.dtype != np.bool_ or len(masks) < 2:
        raise MediaError(
            "not the masks of a clip", got=f"{masks.dtype} {masks.shape}", wanted="bool (T >= 2, H, W)"
        )
    if not masks.any():
        raise MediaError("there is no subject to measure", got="every mask is empty")
    values = []
    for mask, following in pairwise(masks):
        union = np.count_nonzero(mask | following)
        values.append(np.count_nonzero(mask & following) / union if union else 1.0)
    return float(np.mean(values))


def sharpness(frames: Pixels) -> float:
    """How sharp a clip is: the variance of the Laplacian (Pech-Pacheco et al., 2000), median over frames.

    Args:
        frames: uint8 (T, H, W, 3) RGB, T >= 1. Only clips at the same working size compare.

    Returns:
        Gray levels squared, 0 for flat frames.

    Raises:
        MediaError: The array is no clip.
    """
    if frames.ndim != 4 or frames.shape[3] != 3 or frames.dtype != np.uint8 or not frames.size:
        raise MediaError("not a clip", got=f"{frames.dtype} {frames.shape}", wanted="uint8 (T, H, W, 3)")
    return float(
        np.median([cv2.Laplacian(_gray(frame), cv2.CV_32F).var(dtype=np.float64) for frame in frames])
    )


def _gray(frame: Pixels) -> Floats:
    return np.asarray(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), np.float32)


def _require_clip(frames: Pixels, masks: Mask, *, at_least: int) -> None:
    is_clip = (
        frames.dtype == np.uint8 and frames.ndim == 4 and frames.shape[3] == 3 and masks.dtype == np.bool_
    )
    if not is_clip or frames.shape[:3] != masks.shape or len(frames) < at_least or not frames.size:
        raise MediaError(
            "not a clip with its masks",
            got=f"{frames.dtype} {frames.shape} and {masks.dtype} {masks.shape}",
            wanted=f"uint8 (T, H, W, 3) and bool (T, H, W), T >= {at_least}",
        )
