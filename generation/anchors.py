"""Anchor frames: grounding round 2 looks at a clip at 2 FPS, and each look starts a tracking pass."""

from __future__ import annotations

from sparkle.media.frames import anchor_indices
from sparkle.schemas.records import NormaliseRecord

_ANCHORS_A_SECOND = 2  # upstream card: every 8th frame at 16 fps


def anchors_of(clip: NormaliseRecord) -> tuple[int, ...]:
    """Indices of a normalised clip's anchor frames, the first is 0."""
    return anchor_indices(clip.frames, max(1, round(clip.fps / _ANCHORS_A_SECOND)))
