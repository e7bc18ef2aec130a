"""Stage 5: decoupled guidance. Edges of the background outside the mask, of the source inside."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from sparkle.generation.edges import EDGE_ENCODING_CRF, decoupled_edges
from sparkle.generation.step import Step, Work
from sparkle.media.decode import iter_frames, next_frame
from sparkle.media.encode import Encoding, encode
from sparkle.media.mask import load_mask
from sparkle.schemas import records as r
from sparkle.schemas.layout import BACKGROUND_VIDEO, SOURCE_VIDEO, SOURCE_VIDEO_MASK, VIDEO_CANNY
from sparkle.schemas.record import dump_fields


@dataclass
class Edges(Step):
    """source_video, source_video_mask, edited_background_video -> edited_video_canny."""

    name: ClassVar[str] = "edges"
    reads = (SOURCE_VIDEO, SOURCE_VIDEO_MASK, BACKGROUND_VIDEO)

    @property
    def encoding(self) -> Encoding:
        """White lines on black keep at a stronger compression than pictures."""
        return Encoding(crf=EDGE_ENCODING_CRF, preset=self.config.encoding.preset)

    def settings(self) -> dict[str, Any]:
        """The encoding."""
        return {"encoding": dump_fields(self.encoding)}

    def measure(self, work: Work) -> r.EdgesRecord:
        """Draw the edges."""
        densities: list[float] = []

        def frames() -> Iterator[npt.NDArray[np.uint8]]:
            sources, masks = iter_frames(work.read(SOURCE_VIDEO)), load_mask(work.read(SOURCE_VIDEO_MASK))
            # An imported background may be longer than the source: its first frames count.
            backgrounds = iter_frames(work.read(BACKGROUND_VIDEO))
            for source, mask in zip(sources, masks, strict=True):
                background = next_frame(backgrounds, work.read(BACKGROUND_VIDEO))
                edges = decoupled_edges(source, background, mask)
                densities.append(float(np.count_nonzero(edges)) / edges.size)
                yield edges

        with work.write(VIDEO_CANNY) as path:
            encode(frames(), path, fps=self.config.source.fps, encoding=self.encoding)
        return r.EdgesRecord(round(sum(densities) / len(densities), 6))
