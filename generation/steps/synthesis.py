"""Stage 5: decoupled guidance, the edited video that follows it, and how good it is.

- `edges`: those of the background outside the mask, of the source inside.
- `synthesize`: the edited video from its guidance.
- `video_score`: how well four frames were edited (EditScore; upstream keeps the mean >= 8).
- `measure`: what four scored frames cannot see: liveness, inside and outside what is asked for; fidelity.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np

from sparkle.generation.backend import ControlToVideoBackend, Guidance, ImageScorerBackend
from sparkle.generation.steps.base import Step, Work
from sparkle.generation.steps.canny import (
    LINE_WIDTH,
    decoupled_edges,
    edge_encoding,
    edge_view,
    fit_thresholds,
)
from sparkle.media import Pixels
from sparkle.media.decode import iter_frames, next_frame
from sparkle.media.encode import encode
from sparkle.media.frames import resize, score_indices
from sparkle.media.mask import load_mask
from sparkle.media.measure_clip import measure_clip
from sparkle.schemas import records as r
from sparkle.schemas.canonical import plain
from sparkle.schemas.layout import (
    BACKGROUND_VIDEO,
    EDITED_FRAME0,
    EDITED_VIDEO,
    FOREGROUND_REMOVED,
    SOURCE_VIDEO,
    SOURCE_VIDEO_MASK,
    VIDEO_CANNY,
)


class Edges(Step[None]):
    """source_video, source_video_mask, edited_background_video -> edited_video_canny."""

    name = "edges"
    version = 2
    reads = (SOURCE_VIDEO, SOURCE_VIDEO_MASK, BACKGROUND_VIDEO)

    def settings(self) -> dict[str, Any]:
        """Return what the edges speak of, and their encoding."""
        encoding = edge_encoding(self.config.encoding.preset)
        return {"guidance": plain(self.config.guidance), "encoding": plain(encoding)}

    def measure(self, work: Work) -> r.EdgesRecord:
        """Fit the thresholds and draw the edges."""
        masks = load_mask(work.read(SOURCE_VIDEO_MASK))
        count, height, width = masks.shape
        masks = resize(masks, (width // LINE_WIDTH, height // LINE_WIDTH))
        sources, backgrounds = self._views(work, count)
        thresholds = fit_thresholds(sources, backgrounds, masks)
        densities: list[float] = []

        def frames() -> Iterator[Pixels]:
            outside = repeat(None, count) if backgrounds is None else backgrounds
            for source, background, mask in zip(sources, outside, masks, strict=True):
                edges = decoupled_edges(source, background, mask, thresholds)
                densities.append(float(np.count_nonzero(edges)) / edges.size)
                yield edges

        encoding = edge_encoding(self.config.encoding.preset)
        with work.write(VIDEO_CANNY) as path:
            encode(frames(), path, fps=self.config.source.fps, encoding=encoding)
        density = round(math.fsum(densities) / count, 6)
        return r.EdgesRecord(density, thresholds.foreground, thresholds.background)

    def _views(self, work: Work, count: int) -> tuple[list[Pixels], list[Pixels] | None]:
        """What Canny sees of the source and of the background, which foreground-only guidance has not."""
        source, background = work.read(SOURCE_VIDEO), work.read(BACKGROUND_VIDEO)
        with ThreadPoolExecutor(1) as other:  # decoding lets go of Python's lock
            backgrounds = None
            if not self.config.guidance.foreground_only:
                backgrounds = other.submit(_first_views, background, count)
            sources = [edge_view(frame) for frame in iter_frames(source)]
            return sources, None if backgrounds is None else backgrounds.result()


def _first_views(background: Path, count: int) -> list[Pixels]:
    """Return an imported background may be longer than the source."""
    frames = iter_frames(background)
    return [edge_view(next_frame(frames, background)) for _ in range(count)]


class Synthesize(Step[ControlToVideoBackend]):
    """Everything that was made -> edited_video."""

    name = "synthesize"
    capability = "control_to_video"
    needs = ("compose",)
    reads = (
        SOURCE_VIDEO,
        SOURCE_VIDEO_MASK,
        BACKGROUND_VIDEO,
        VIDEO_CANNY,
        EDITED_FRAME0,
        FOREGROUND_REMOVED,
    )
    decided_by = ("guidance", "encoding")

    def measure(self, work: Work) -> r.MadeRecord:
        """Synthesise the edited video."""
        silent = self.config.guidance.foreground_only
        guidance = Guidance(
            source=work.read(SOURCE_VIDEO),
            mask=work.read(SOURCE_VIDEO_MASK),
            background=None if silent else work.read(BACKGROUND_VIDEO),
            edges=work.read(VIDEO_CANNY),
            edited_frame0=work.read(EDITED_FRAME0),
            empty_frame0=work.read(FOREGROUND_REMOVED),
            prompt=work.prompt,
        )
        frames = self.backend.synthesize(guidance, work.seed)
        with work.write(EDITED_VIDEO) as path:
            count = encode(frames, path, fps=self.config.source.fps, encoding=self.config.encoding)
        return r.MadeRecord({"frames": count})


class ScoreVideo(Step[ImageScorerBackend]):
    """source_video, edited_video -> scores of four frames."""

    name = "video_score"
    capability = "image_scorer"
    needs = ("normalise", "compose")
    reads = (SOURCE_VIDEO, EDITED_VIDEO, SOURCE_VIDEO_MASK)

    def measure(self, work: Work) -> r.VideoScore:
        """Score the edited video."""
        indices = score_indices(work.record(r.NormaliseRecord).frames)
        scores = self.backend.score_frames(
            work.read(SOURCE_VIDEO),
            work.read(EDITED_VIDEO),
            work.read(SOURCE_VIDEO_MASK),
            work.prompt,
            indices,
        )
        return r.VideoScore(indices, scores)


class Measure(Step[None]):
    """source_video, edited_video, source_video_mask and the prompt -> measures."""

    name = "measure"
    version = 2
    needs = ("compose",)
    reads = (SOURCE_VIDEO, EDITED_VIDEO, SOURCE_VIDEO_MASK)

    def measure(self, work: Work) -> r.MeasureRecord:
        """Measure the edited video."""
        return measure_clip(
            work.read(SOURCE_VIDEO), work.read(EDITED_VIDEO), work.read(SOURCE_VIDEO_MASK), work.prompt
        )
