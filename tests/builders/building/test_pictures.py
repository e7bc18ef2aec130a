from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sparkle.builders.building.pictures import side_by_side
from sparkle.media.decode import decode
from sparkle.media.encode import encode
from sparkle.schemas.errors import MediaError, ReleaseError


def clip(path: Path, frames: int, level: int, size: tuple[int, int] = (640, 352)) -> Path:
    encode(np.full((frames, size[1], size[0], 3), level, np.uint8), path)
    return path


def test_large_clips_are_shown_at_240_rows(tmp_path: Path) -> None:
    pair = clip(tmp_path / "a.mp4", 5, 40), clip(tmp_path / "b.mp4", 5, 200)
    (tmp_path / "preview.mp4").write_bytes(side_by_side(*pair, width=640, height=352, fps=16.0))
    frames = decode(tmp_path / "preview.mp4")
    assert frames.shape == (5, 240, 872, 3)
    assert abs(int(frames[2, 120, 200, 0]) - 40) < 6
    assert abs(int(frames[2, 120, 700, 0]) - 200) < 6


def test_the_same_pair_gives_the_same_bytes(tmp_path: Path) -> None:
    pair = clip(tmp_path / "a.mp4", 5, 40, (64, 48)), clip(tmp_path / "b.mp4", 5, 200, (64, 48))
    first = side_by_side(*pair, width=64, height=48, fps=16.0)
    assert side_by_side(*pair, width=64, height=48, fps=16.0) == first


def test_a_pair_of_different_lengths_is_refused(tmp_path: Path) -> None:
    pair = clip(tmp_path / "a.mp4", 5, 40), clip(tmp_path / "b.mp4", 9, 200)
    with pytest.raises(ReleaseError, match="differ in length") as caught:
        side_by_side(*pair, width=640, height=352, fps=16.0)
    assert "a.mp4" in str(caught.value.where)


def test_what_is_no_video_is_named(tmp_path: Path) -> None:
    (tmp_path / "b.mp4").write_bytes(b"no video")
    with pytest.raises(MediaError, match=r"."):
        side_by_side(clip(tmp_path / "a.mp4", 5, 40), tmp_path / "b.mp4", width=64, height=48, fps=16.0)
