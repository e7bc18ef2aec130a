"""What looks alike, for people: both clips in one picture, and the pairs that turned out to be different."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import cv2
import numpy as np

from sparkle.builders.bench.contamination import Match, read_trained_source
from sparkle.media import Pixels
from sparkle.media.container import open_video
from sparkle.media.decode import to_rgb
from sparkle.media.frames import fit
from sparkle.media.images import write_png
from sparkle.schemas.errors import ConfigError, MediaError, RecordError, ReleaseError
from sparkle.schemas.ids import parse_id

_ROWS = 160  # pixels of a frame
_FRAMES = 3  # of each clip


def read_accepted(path: Path) -> frozenset[tuple[str, str]]:
    """Return the pairs of a file: a sample of the bench and one that was trained on, one pair per line.

    Raises:
        ConfigError: the file cannot be read, or a line is no pair of ids.
    """
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError("the file of accepted pairs cannot be read", got=error, where=path) from None
    found = set()
    for number, line in enumerate(lines, 1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        try:
            ours, theirs = words
            parse_id(theirs)
        except (ValueError, RecordError) as error:
            wanted = "an id of the bench and an id that was trained on, with a blank between"
            raise ConfigError(
                "not a pair of ids", got=line, wanted=wanted, where=f"{path}:{number}"
            ) from error
        found.add((ours, theirs))
    return frozenset(found)


def draw_matches(
    matches: Iterable[Match], folder: Path, say: Callable[[str], None] = lambda text: None
) -> list[Path]:
    """Write a picture per match that is to be looked at: three frames of each clip, one above the other.

    Args:
        matches: What was found.
        folder: Where pictures go: `BENCH_ID--TRAINED_ID.png`.
        say: Told of clips that are not to be had.
    """
    written = []
    for match in matches:
        if match.level == "bytes":
            continue
        try:
            rows = [_shown(match.source.path), _shown(read_trained_source(match.trained, match.row))]
        except (ReleaseError, MediaError) as error:
            say(f"{match.source.id} and {match.id} cannot be shown: {error}")
            continue
        width = max(row.shape[1] for row in rows)
        padded = [cv2.copyMakeBorder(row, 2, 2, 0, width - row.shape[1], cv2.BORDER_CONSTANT) for row in rows]
        path = folder / f"{match.source.id}--{match.id}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_png(path, np.concatenate(padded))
        written.append(path)
    return written


def _shown(source: Path | bytes) -> Pixels:
    """The first, the middle and the last frame of a clip, side by side."""
    frames = []
    with open_video(source) as video:
        for frame in video.frames():
            picture = to_rgb(frame)
            size = fit(picture.shape[1], picture.shape[0], _ROWS)
            frames.append(cv2.resize(picture, size, interpolation=cv2.INTER_AREA))
    chosen = np.linspace(0, len(frames) - 1, _FRAMES).round().astype(int)
    return np.concatenate([frames[index] for index in chosen], axis=1)
