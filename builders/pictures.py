"""The pictures of a release's card: plots, and a moving strip of the best loose pair of each theme."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from sparkle.builders.plots import draw_plots
from sparkle.builders.sample import Sample
from sparkle.builders.select import Replay
from sparkle.builders.stats import stats_of
from sparkle.builders.strip import make_strip
from sparkle.schemas import layout
from sparkle.schemas.layout import EDITED_VIDEO, SOURCE_VIDEO


def draw_pictures(
    folder: Path, replays: Sequence[Replay], themes: Mapping[str, Sequence[Sample]], preview: int
) -> Iterator[tuple[str, bytes]]:
    """Yield path and bytes of each picture.

    Args:
        folder: The release, whose loose files are written.
        replays: Its runs.
        themes: Its samples by theme, sorted by id.
        preview: How many first samples of a theme stand loose; without any there are no strips.

    Raises:
        ConfigError: matplotlib is not installed.
    """
    samples = [sample for found in themes.values() for sample in found]
    for name, data in draw_plots(stats_of(replays, samples)).items():
        yield layout.plot(name), data
    for theme, found in themes.items():
        if loose := found[:preview]:
            best = max(loose, key=lambda sample: sample.scores["edited_video"])  # of equals the first
            source, edited = (folder / kind.path(best.id) for kind in (SOURCE_VIDEO, EDITED_VIDEO))
            yield layout.strip(theme), make_strip(source, edited)
