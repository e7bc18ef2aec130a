"""The streams of a sample as rows of equal frames: what is missing or breaks off is blank and is said.

A reviewer wants to see what there is of a broken pair, so a pane never stops the others: its picture goes
dark where frames are missing, and `problem` has the words.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sparkle.media.decode import iter_frames
from sparkle.media.frames import resize
from sparkle.media.mask import load_mask
from sparkle.media.probe import Shape, look
from sparkle.schemas.errors import MediaError
from sparkle.schemas.layout import BACKGROUND_VIDEO, SOURCE_VIDEO_MASK, Kind

Image = npt.NDArray[np.uint8]

_BLANK = 24  # gray level of frames that are not there: dark, yet no black frame of a video
_SET = np.uint8(255)


def say(kind: Kind, error: MediaError) -> str:
    """What is wrong with an artifact, in a line."""
    return f"{kind.name}: {error.problem}" + (f" ({error.got})" if error.got else "")


class Pane:
    """A stream of a sample, frame by frame at one size.

    Args:
        kind: A video, or the mask.
        path: Its file.
        shape: What the source video is: the others must be as large.
        size: (width, height) in pixels of the frames that are drawn.

    Attributes:
        kind: What it shows.
        problem: What is wrong with it; None while nothing is.
    """

    def __init__(self, kind: Kind, path: Path, shape: Shape, size: tuple[int, int]) -> None:
        self.kind = kind
        self.problem: str | None = None
        self._drawn = 0
        self._blank = np.full((size[1], size[0], 3), _BLANK, np.uint8)
        self._frames: Iterator[Image] = iter(())
        try:
            found, self._frames = _open(kind, path, size)
        except MediaError as error:
            self.problem = say(kind, error)
            return
        if found != (shape.width, shape.height):
            self.problem = f"{kind.name} is {found[0]}x{found[1]}, the video {shape.width}x{shape.height}"

    def next(self) -> Image | None:
        """The next frame, uint8 (height, width, 3); None at the end, or where it breaks off."""
        try:
            frame = next(self._frames, None)
        except MediaError as error:
            self.problem, self._frames = say(self.kind, error), iter(())
            return None
        self._drawn += frame is not None
        return frame

    def draw(self) -> Image:
        """The next frame, or a blank one."""
        frame = self.next()
        return self._blank if frame is None else frame

    def finish(self, frames: int) -> None:
        """Compare its length with the source's."""
        left = self.next() is not None
        # A background that was imported may be longer than its source.
        fits = self._drawn == frames or (left and self.kind is BACKGROUND_VIDEO)
        if self.problem is None and not fits:
            count = f"more than {frames}" if left else self._drawn
            self.problem = f"{self.kind.name} has {count} frames, the video {frames}"


def _open(kind: Kind, path: Path, size: tuple[int, int]) -> tuple[tuple[int, int], Iterator[Image]]:
    """(width, height) of an artifact's own frames, and its frames at `size`; raises MediaError."""
    if kind is SOURCE_VIDEO_MASK:
        masks = load_mask(path)
        return (masks.shape[2], masks.shape[1]), _levels(masks, size)
    shape = look(path)
    return (shape.width, shape.height), iter_frames(path, size=size)


def _levels(masks: npt.NDArray[np.bool_], size: tuple[int, int]) -> Iterator[Image]:
    """Masks as white on black, their edges softened by pixel area."""
    for mask in masks:
        levels = resize((mask.view(np.uint8) * _SET)[None], size)[0]
        yield np.repeat(levels[..., None], 3, axis=2)
