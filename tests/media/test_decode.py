"""Pixels: sizes, formats, colours and orientations."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness import videos
from sparkle.media.decode import decode, iter_frames
from sparkle.media.encode import Encoding, encode
from sparkle.schemas.errors import MediaError

# Gray levels: chroma at half resolution, and 8-bit YUV together stay below this on flat colours.
TOLERANCE = 6


def corners(image: np.ndarray) -> np.ndarray:
    """The colours in the middle of the four quarters."""
    height, width = image.shape[:2]
    return image[height // 4 :: height // 2, width // 4 :: width // 2][:2, :2].astype(int)


def assert_quadrants(image: np.ndarray, expected: np.ndarray) -> None:
    assert image.shape == expected.shape
    assert np.abs(corners(image) - corners(expected)).max() <= TOLERANCE


def test_frames_one_by_one_are_those_of_the_clip(tmp_path):
    path = videos.write_video(tmp_path / "clip.mp4", videos.levels(9))
    clip = decode(path)
    assert clip.dtype == np.uint8
    assert clip.shape == (9, 48, 64, 3)
    assert [videos.index_of(frame) for frame in clip] == list(range(9))
    assert np.array_equal(clip, np.stack(list(iter_frames(path))))


def test_clips_longer_than_a_block_are_whole(tmp_path):
    path = videos.write_video(tmp_path / "long.mp4", videos.levels(110, 32, 32))
    clip = decode(path)
    assert [videos.index_of(frame) for frame in clip] == list(range(110))


def test_size_is_a_resize_by_area(tmp_path):
    rng = np.random.Generator(np.random.PCG64(0))
    encode(rng.integers(0, 255, (3, 48, 64, 3), np.uint8), tmp_path / "clip.mp4")
    expected = [cv2.resize(f, (32, 24), interpolation=cv2.INTER_AREA) for f in decode(tmp_path / "clip.mp4")]
    assert np.array_equal(decode(tmp_path / "clip.mp4", size=(32, 24)), np.stack(expected))


@pytest.mark.parametrize(
    "pix_fmt", ["yuv420p", "yuv422p", "yuv444p", "yuv420p10le", "yuv444p10le", "yuvj420p"]
)
def test_every_pixel_format_gives_the_same_colours(tmp_path, pix_fmt):
    frames = videos.quadrants(count=3)
    colour = {"dst_color_range": "JPEG"} if pix_fmt == "yuvj420p" else {}
    path = videos.write_video(tmp_path / "clip.mp4", frames, pix_fmt=pix_fmt, colour=colour)
    for frame in decode(path):
        assert_quadrants(frame, frames[0])


@pytest.mark.parametrize(("width", "height"), [(65, 48), (64, 47), (65, 47), (33, 21)])
def test_odd_sizes_keep_every_pixel(tmp_path, width, height):
    frames = videos.quadrants(width, height, 2)
    path = videos.write_video(tmp_path / "odd.mp4", frames, pix_fmt="yuv444p")
    assert_quadrants(decode(path)[0], frames[0])
    raw = videos.write_video(tmp_path / "odd.avi", frames, codec="rawvideo", options={})
    image = decode(raw)[0]
    assert_quadrants(image, frames[0])
    assert np.abs(image[-1, -1].astype(int) - frames[0, -1, -1]).max() <= TOLERANCE


def test_a_bt709_tag_is_honoured(tmp_path):
    frames = videos.quadrants(count=2)
    colour = {"dst_colorspace": "ITU709"}
    tagged = videos.write_video(
        tmp_path / "hd.mp4", frames, colour=colour, options={"qp": "0", "colorspace": "bt709"}
    )
    assert_quadrants(decode(tagged)[0], frames[0])


@pytest.mark.parametrize("horizontal", [False, True])
@pytest.mark.parametrize("vertical", [False, True])
@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_every_orientation_is_shown_upright(tmp_path, degrees, horizontal, vertical):
    frames = videos.quadrants(64, 48, 2)
    path = videos.write_video(tmp_path / "phone.mp4", frames, orientation=(degrees, horizontal, vertical))
    expected = np.rot90(frames[0], degrees // 90)
    expected = expected[:: -1 if vertical else 1, :: -1 if horizontal else 1]
    assert_quadrants(decode(path)[0], expected)
    smaller = decode(path, size=(expected.shape[1] // 2, expected.shape[0] // 2))[0]
    assert_quadrants(smaller, expected[::2, ::2])


def test_a_slanting_orientation_is_refused(tmp_path):
    path = videos.write_video(tmp_path / "tilted.mp4", videos.quadrants(), orientation=(30, False, False))
    with pytest.raises(MediaError, match="multiple of 90"):
        decode(path)


@settings(max_examples=15)
@given(
    width=st.integers(1, 40).map(lambda half: 2 * half),
    height=st.integers(1, 40).map(lambda half: 2 * half),
    count=st.integers(1, 6),
    level=st.integers(0, 255),
)
def test_flat_frames_of_any_even_size_survive(tmp_path, width, height, count, level):
    frames = np.full((count, height, width, 3), level, np.uint8)
    assert encode(frames, tmp_path / "flat.mp4", encoding=Encoding(crf=1, preset="ultrafast")) == count
    clip = decode(tmp_path / "flat.mp4")
    assert clip.shape == frames.shape
    assert np.abs(clip.astype(int) - level).max() <= 2
