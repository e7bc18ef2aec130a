"""The moving picture of a pair: what it shows, how long, and that it is always the same."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sparkle.builders.building.pictures import make_strip
from sparkle.media.encode import encode
from sparkle.schemas.errors import MediaError, ReleaseError

# Four seconds at 16 fps in which no frame is like the one before: what is alike is put together.
LEVELS = (30 + 37 * np.arange(65) % 190).astype(np.uint8)


def clip(path: Path, levels: np.ndarray, size: tuple[int, int] = (640, 352)) -> Path:
    """A clip whose k-th frame is of one gray level."""
    encode((np.full((size[1], size[0], 3), level, np.uint8) for level in levels), path)
    return path


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("pair")
    return clip(folder / "source.mp4", LEVELS), clip(folder / "edited.mp4", 250 - LEVELS)


def test_source_is_left_edited_right_and_both_at_the_same_moment(pair):
    image = Image.open(io.BytesIO(make_strip(*pair)))
    assert image.format == "WEBP"
    assert image.info["loop"] == 0
    assert image.size == (2 * 290 + 4, 160)
    for index in range(image.n_frames):
        image.seek(index)
        frame = np.asarray(image.convert("L"), int)
        wanted = int(LEVELS[2 * index])  # eight frames a second of sixteen
        assert abs(frame[80, 100] - wanted) < 8
        assert abs(frame[80, 480] - (250 - wanted)) < 8


def test_three_seconds_at_eight_frames_a_second(pair):
    image = Image.open(io.BytesIO(make_strip(*pair)))
    durations = []
    for index in range(image.n_frames):
        image.seek(index)
        image.load()
        durations.append(image.info["duration"])
    assert image.n_frames == 24
    assert sum(durations) == pytest.approx(3000, abs=130)


def test_the_same_pair_gives_the_same_bytes(pair):
    assert make_strip(*pair) == make_strip(*pair)


def test_a_pair_of_different_lengths_is_refused(tmp_path):
    levels = np.arange(40, 60, dtype=np.uint8)
    with pytest.raises(ReleaseError, match="differ in length"):
        make_strip(clip(tmp_path / "a.mp4", levels), clip(tmp_path / "b.mp4", levels[:9]))


def test_a_clip_of_five_frames_and_one_of_portrait_are_shown_whole(tmp_path):
    levels = np.arange(40, 240, 40, dtype=np.uint8)
    tall = [clip(tmp_path / f"{name}.mp4", levels, (360, 640)) for name in "ab"]
    image = Image.open(io.BytesIO(make_strip(*tall)))
    assert image.size == (2 * 160 + 4, 284)
    assert image.n_frames == 3


def test_what_is_no_video_is_named(tmp_path):
    (tmp_path / "b.mp4").write_bytes(b"no video")
    with pytest.raises(MediaError, match=r"."):
        make_strip(clip(tmp_path / "a.mp4", np.arange(5, dtype=np.uint8)), tmp_path / "b.mp4")
