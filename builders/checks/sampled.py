"""Which frames were looked at, against the clip's length: those that were scored, and anchors of round 2.

A build has exactly the frames that its steps take. What upstream took of clips of other lengths was not
published: of an import no scored frame lies behind its clip, and there are no more anchors than frames.
"""

from __future__ import annotations

import numpy as np

from sparkle.builders.checks.rows import SampleRows, matches
from sparkle.builders.checks.theme import TABLE, Theme
from sparkle.media.frames import anchor_indices, score_indices
from sparkle.schemas.layout import SOURCE_VIDEO

_SHORTEST = 5  # frames of a clip that can be scored


def check_sampled(theme: Theme) -> None:
    """Compare the frames that lines of scores and of round 2 speak of with the clips."""
    clips = _clips(theme)
    for step, pointer in (("video_score", "/frame_indices"), ("ground2", "/frame_objects")):
        lines = theme.rows.get(step)
        if lines is None or clips is None:
            continue
        rows, others = matches(lines, clips)
        sampled, frames = lines.columns["sampled"][rows], clips.columns["frames"][others]
        known = np.flatnonzero((sampled[:, 0] >= 0) & (frames >= _SHORTEST))
        pairs = np.column_stack([sampled[known], frames[known].astype(np.int64)])
        different, which = np.unique(pairs, axis=0, return_inverse=True)
        which = which.ravel()  # numpy 2.0 has a column here
        for number, (*told, count) in enumerate(different.tolist()):
            fits, got, wanted = _compare(theme, step, told, count)
            for row in () if fits else rows[known[which == number]].tolist():
                problem = f"not the frames that are taken of a clip of {count}"
                file, line, _ = lines.at(row)
                theme.note(file, line, pointer, problem, got=got, wanted=wanted)


def _compare(theme: Theme, step: str, told: list[int], count: int) -> tuple[bool, str, str]:
    """Whether what a line speaks of can be of a clip of so many frames; what it is, and what it should be."""
    if step == "ground2":
        (got,) = told
        if theme.imported:
            return got <= count, f"{got} anchors", f"at most {count}"
        fitting = sorted({len(anchor_indices(count, fps)) for fps in theme.fps})
        return got in fitting, f"{got} anchors", " or ".join(map(str, fitting))
    if theme.imported:
        return max(told) < count, str(told), f"frames below {count}"
    return tuple(told) == score_indices(count), str(told), str([*score_indices(count)])


def _clips(theme: Theme) -> SampleRows | None:
    """The source videos, or the rows of the tables where the videos were not looked into."""
    clips = theme.rows.get(SOURCE_VIDEO.name)
    if clips is not None and not np.isnan(clips.columns["frames"]).all():
        return clips
    return theme.rows.get(TABLE)
