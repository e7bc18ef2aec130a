"""What a judge is asked: dimensions, their scale, and the cap of the first one.

- `SPARKLE_6` is upstream's: six dimensions from 1 to 5, of which none may exceed Instruction Compliance.
- OpenVE-Bench is judged under its name in two ways that cannot be compared: Kiwi-Edit's script asks for the
  same three dimensions of every type of edit, the original one for other names of each type, so that only
  their places are common. Neither enforces the cap that it asks for.
- Every file of verdicts says its rubric in full, so that a report never mixes two.
"""

from __future__ import annotations

from collections.abc import Sequence

from sparkle.schemas.records import Record, Text


class Dimension(Record, frozen=True):
    """A dimension: its key in tables, the heading that answers repeat, and the head of its column."""

    key: Text
    heading: Text
    short: Text


class Rubric(Record, frozen=True):
    """Dimensions on one scale.

    Attributes:
        name: What it is called.
        dimensions: The dimensions, in the order of scores.
        lowest, highest: The scale.
        whole: Whether scores are whole numbers.
        capped: Whether the first score is the most that any other may be.
    """

    name: Text
    dimensions: tuple[Dimension, ...]
    lowest: int | float
    highest: int | float
    whole: bool
    capped: bool

    def cap(self, raw: Sequence[int | float | None]) -> tuple[int | float | None, ...]:
        """Scores as they count."""
        most = raw[0]
        if not self.capped or most is None:
            return tuple(raw)
        return tuple(None if score is None else min(score, most) for score in raw)


SPARKLE_6 = Rubric(
    "sparkle-6",
    (
        Dimension("instruction", "Instruction Compliance", "Ins"),
        Dimension("visual", "Overall Visual Quality", "Vis"),
        Dimension("fg_integrity", "Foreground Integrity", "FgIn"),
        Dimension("fg_motion", "Foreground Motion Consistency", "FgMo"),
        Dimension("bg_dynamics", "Background Dynamics", "BgDy"),
        Dimension("bg_visual", "Background Visual Quality", "BgVi"),
    ),
    lowest=1,
    highest=5,
    whole=True,
    capped=True,
)
# Kiwi-Edit's script keeps them in this order, whatever the order in which it asks.
OPENVE_KIWI = Rubric(
    "openve-3-kiwi",
    (
        Dimension("instruction", "Instruction Compliance", "Ins"),
        Dimension("visual", "Visual Quality & Stability", "Vis"),
        Dimension("consistency", "Consistency & Detail Fidelity", "Cons"),
    ),
    lowest=1,
    highest=5,
    whole=True,
    capped=False,
)
OPENVE = Rubric(
    "openve-3",
    (
        Dimension("first", "First score", "1st"),
        Dimension("second", "Second score", "2nd"),
        Dimension("third", "Third score", "3rd"),
    ),
    lowest=1,
    highest=5,
    whole=True,
    capped=False,
)

# What the original script asks for, by type of edit.
OPENVE_HEADINGS: dict[str, tuple[str, str, str]] = {
    "global_style": ("Style Fidelity", "Content Preservation", "Temporal Stability"),
    "background_change": (
        "Instruction Compliance",
        "Visual & Temporal Seamlessness",
        "Physical Consistency",
    ),
    "local_change": (
        "Prompt Compliance",
        "Visual Naturalness & Temporal Stability",
        "Physical & Motion Integrity",
    ),
    "local_remove": (
        "Prompt Compliance",
        "Visual & Temporal Naturalness",
        "Physical & Detail Coherence",
    ),
    "local_add": (
        "Prompt Compliance",
        "Visual & Temporal Naturalness",
        "Physical & Detail Coherence",
    ),
    "subtitle_edit": (
        "Prompt Compliance",
        "Subtitle Attribute Fidelity",
        "Integrity of Unedited Content",
    ),
    "camera_edit": (
        "Prompt Compliance",
        "Visual Quality & Stability",
        "Consistency & Detail Fidelity",
    ),
    "creative_edit": (
        "Prompt Compliance",
        "Temporal & Visual Coherence",
        "Physical Plausibility & Detail Preservation",
    ),
}
