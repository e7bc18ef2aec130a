"""Stage 5: what four scored frames cannot see: liveness and fidelity of the foreground."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from sparkle.generation.step import Step, Work
from sparkle.media import measures
from sparkle.media.decode import decode
from sparkle.media.frames import resize
from sparkle.media.mask import load_mask
from sparkle.schemas import records as r
from sparkle.schemas.layout import EDITED_VIDEO, SOURCE_VIDEO, SOURCE_VIDEO_MASK

_WORKING_HEIGHT = 360  # px: codec noise is averaged away, motion of a few pixels is not


@dataclass
class Measure(Step):
    """source_video, edited_video, source_video_mask -> measures."""

    name: ClassVar[str] = "measure"
    needs = ("normalise",)
    reads = (SOURCE_VIDEO, EDITED_VIDEO, SOURCE_VIDEO_MASK)

    def measure(self, work: Work) -> r.MeasureRecord:
        """Measure the edited video at a working size."""
        clip = work.record(r.NormaliseRecord)
        scale = min(1.0, _WORKING_HEIGHT / clip.height)
        size = (round(clip.width * scale), round(clip.height * scale))
        source = decode(work.read(SOURCE_VIDEO), size=size)
        edited = decode(work.read(EDITED_VIDEO), size=size)
        masks = resize(load_mask(work.read(SOURCE_VIDEO_MASK)), size)
        return r.MeasureRecord(
            background_motion=round(measures.background_motion(edited, masks), 4),
            foreground_psnr=round(measures.foreground_psnr(source, edited, masks), 4),
            flicker=round(measures.flicker(edited, masks), 4),
            mask_stability=round(measures.mask_stability(masks), 4),
            sharpness=round(measures.sharpness(edited), 4),
        )
