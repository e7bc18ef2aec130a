"""Baselines of a bench: edits that no model made, which tell what a judge's scores are worth.

- `source`: nothing is edited. A judge that does not give its Instruction Compliance the lowest score is not
  fit.
- `frozen`: the edited first frame, held. Nothing moves.
- `copy_paste`: the subject is cut out and pasted over a still background, unblended. The subject moves.
- `classical`: the subject over the drawn, moving scene of the prompt, blended: the whole CPU backend.

Clips are cropped as upstream's test script crops them. The still background is the bench's reference image
where it has one, else the first frame of the drawn scene. The subject is the bench's mask where it has one,
else what moves; where nothing does, the background stands alone. An instruction that cannot be drawn has no
`classical`, and without a reference image no other edit either.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice, repeat
from pathlib import Path

import cv2
import numpy as np

from sparkle._files import atomic_path
from sparkle._scratch import scratch_folder
from sparkle.generation.backend import Guidance
from sparkle.generation.backends.classical import control_to_video, copy_paste, tracker, vlm
from sparkle.generation.backends.classical.composite import backdrops
from sparkle.generation.backends.drawing.render import Scene
from sparkle.generation.bait import majority_vote
from sparkle.media import Mask, Pixels
from sparkle.media.container import open_video
from sparkle.media.decode import iter_frames
from sparkle.media.encode import Encoding, encode
from sparkle.media.frames import anchor_indices
from sparkle.media.images import read_png, write_png
from sparkle.media.mask import load_mask, save_mask
from sparkle.media.threads import own_thread_only
from sparkle.media.view import SizeRules, View, fit, look, read_window
from sparkle.schemas.errors import MediaError, SampleError
from sparkle.schemas.seeds import derive_seed

_FPS = 16  # where a source does not say
_LOSSLESS = Encoding(crf=0)


@dataclass(frozen=True)
class BaselineJob:
    """Makes baselines of a sample, in a worker.

    Attributes:
        sample_id: The sample.
        source: Its source video.
        prompt: The instruction.
        frames: How many of the source's frames are used.
        size: (width, height) in pixels that they are cropped to.
        mask: The subject's masks; None where the bench has none.
        reference: The background without the subject; None where the bench has none.
        outs: Where each baseline goes, by its name, one of `sparkle.schemas.verdicts.BASELINES`.
    """

    sample_id: str
    source: Path
    prompt: str
    frames: int
    size: tuple[int, int]
    mask: Path | None
    reference: Path | None
    outs: dict[str, Path]

    def __call__(self) -> dict[str, str]:
        """Make them; returns why some cannot be made, by the baseline's name."""
        problems = {}
        with own_thread_only(), scratch_folder() as folder:
            try:
                clip, fps = self._clip()
            except SampleError as error:
                return dict.fromkeys(self.outs, _words(error))
            for name, out in self.outs.items():
                try:
                    self._make(name, out, clip, fps, folder)
                except SampleError as error:
                    problems[name] = _words(error)
        return problems

    def _make(self, name: str, out: Path, clip: Pixels, fps: int, folder: Path) -> None:
        frames = iter(clip) if name == "source" else self._edited(name, clip, fps, folder)
        with atomic_path(out) as path:
            encode(islice(frames, self.frames), path, fps=fps)

    def _clip(self) -> tuple[Pixels, int]:
        """The source as a model is given it, and its rate."""
        with open_video(self.source) as video:
            return read_window(video, 0, self.frames, self._view), max(1, round(video.rate or _FPS))

    def _view(self, width: int, height: int) -> View:
        return fit(width, height, SizeRules(width=self.size[0], height=self.size[1]))

    def _guidance(self, clip: Pixels, fps: int, folder: Path) -> Guidance:
        """What every edit is made of, with a background that stands still; made once."""
        source, mask, still = folder / "source.mp4", folder / "mask.npz", folder / "still.png"
        if not still.exists():
            background = self._still()
            encode(clip, source, fps=fps, encoding=_LOSSLESS)
            save_mask(mask, self._masks() if self.mask is not None else _moving(source, len(clip), fps))
            write_png(still, background)
        return Guidance(source, mask, None, source, still, still, self.prompt)

    def _masks(self) -> Mask:
        """The bench's masks, cropped as the clip is."""
        masks = load_mask(self.mask or "")
        if len(masks) < self.frames:
            wanted = f"{self.frames} or more"
            raise MediaError("the masks are shorter than the clip", got=f"{len(masks)} frames", wanted=wanted)
        return look(masks[: self.frames], self._view(*masks.shape[:0:-1]))

    def _still(self) -> Pixels:
        if self.reference is None:
            return self._scene().frame(0.0)
        picture = read_png(self.reference)
        view = self._view(*picture.shape[1::-1])
        scaled = cv2.resize(picture, (view.scaled_width, view.scaled_height), interpolation=cv2.INTER_AREA)[
            view.top : view.top + view.height, view.left : view.left + view.width
        ]
        return np.ascontiguousarray(scaled, np.uint8)

    def _scene(self) -> Scene:
        width, height = self.size
        return Scene.from_prompt(
            self.prompt, seed=derive_seed(0, "baseline", self.sample_id), width=width, height=height
        )

    def _edited(self, name: str, clip: Pixels, fps: int, folder: Path) -> Iterator[Pixels]:
        still = self._guidance(clip, fps, folder)
        if name == "copy_paste":
            return copy_paste.Backend().synthesize(still, 0)
        if name == "frozen":
            return repeat(next(_composited(still)), self.frames)
        scene, drawn, background = self._scene(), folder / "drawn.png", folder / "background.mp4"
        write_png(drawn, scene.frame(0.0))
        frames = (scene.frame(index / fps) for index in range(self.frames))
        encode(frames, background, fps=fps, encoding=_LOSSLESS)
        return _composited(replace(still, background=background, edited_frame0=drawn, empty_frame0=drawn))


def _words(error: SampleError) -> str:
    return f"{error.problem}: {error.got}" if error.got else error.problem


def _composited(guidance: Guidance) -> Iterator[Pixels]:
    """The subject blended into its new background; where there is none, the background alone."""
    if load_mask(guidance.mask).any():
        return control_to_video.Backend().synthesize(guidance, 0)
    return backdrops(guidance)


def _moving(clip: Path, frames: int, fps: int) -> Mask:
    """What moves before a background that does not, as the CPU backend finds it; perhaps nothing."""
    finder, follower = vlm.Backend(), tracker.Backend()
    anchors = anchor_indices(frames, fps)
    found = finder.ground_frames(clip, finder.ground_first(clip, clip, clip, ""), anchors).frame_objects
    boxed = [
        (index, [item for item in objects if item.bbox_2d])
        for index, objects in zip(anchors, found, strict=True)
    ]
    passes = follower.passes(clip, [anchor for anchor in boxed if anchor[1]])
    spoken = [masks for masks in passes if masks.any()]
    if not spoken:
        height, width = next(iter_frames(clip)).shape[:2]
        return np.zeros((frames, height, width), bool)
    return follower.finish(clip, majority_vote(spoken))
