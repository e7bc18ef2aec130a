"""Windows of a video: the frames of the whole clip, cut, mirrored and resized."""

from __future__ import annotations

import numpy as np
import pytest

from drawn_clips.synthetic import draw_clip
from harness import videos
from sparkle.media.container import open_video
from sparkle.media.decode import decode
from sparkle.media.encode import encode
from sparkle.media.view import SizeRules, View, fit, read_window, resize_as_pil
from sparkle.schemas.errors import MediaError


def read(source, start, count, **options):
    rules = SizeRules(**{"max_pixels": 10**9, "multiple_of": 2} | options.pop("rules", {}))
    with open_video(source, threads=1) as video:
        return read_window(video, start, count, lambda w, h: fit(w, h, rules, **options))


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    rng = np.random.Generator(np.random.PCG64(0))
    path = tmp_path_factory.mktemp("window") / "clip.mp4"
    encode(rng.integers(0, 255, (9, 48, 64, 3), np.uint8), path)
    return path


@pytest.fixture(scope="module")
def natural(tmp_path_factory):
    path = tmp_path_factory.mktemp("window") / "natural.mp4"
    draw_clip(path, seed=1, width=128, height=72, frames=9)
    return path


def as_pil(frames, size):
    """Frames as PIL resizes them."""
    module = pytest.importorskip("PIL.Image")
    drawn = [module.fromarray(frame).resize(size, module.Resampling.BILINEAR) for frame in frames]
    return np.stack([np.asarray(image) for image in drawn]).astype(int)


@pytest.mark.parametrize(("start", "count"), [(0, 9), (0, 1), (3, 4), (8, 1)])
@pytest.mark.parametrize("in_memory", [False, True])
def test_a_window_is_part_of_the_clip(clip, start, count, in_memory):
    source = clip.read_bytes() if in_memory else clip
    assert np.array_equal(read(source, start, count), decode(clip)[start : start + count])


@pytest.mark.parametrize("place", [(0.0, 0.0), (0.5, 0.5), (0.99, 0.3), None])
@pytest.mark.parametrize("mirrored", [False, True])
def test_a_box_is_cut_from_the_frames(clip, place, mirrored):
    def square(width, height):  # 48 rows are all there are: nothing is resized
        return View(width, height, width, height, int((place or (0.25,))[0] * 32), 0, 32, 48, mirrored)

    with open_video(clip) as video:
        found = read_window(video, 2, 5, square)
    left = square(64, 48).left
    expected = decode(clip)[2:7, :, left : left + 32]
    # An odd corner is cut from the drawn frame, an even one from the planes: chroma is that of its block.
    assert np.array_equal(found, expected[:, :, ::-1] if mirrored else expected)


@pytest.mark.parametrize(
    ("pix_fmt", "block"), [("yuv444p", 1), ("yuv444p10le", 1), ("yuv420p10le", 8), ("yuv422p", 8)]
)
@pytest.mark.parametrize("side", [None, 32])
def test_frames_keep_the_chroma_that_they_have(tmp_path, pix_fmt, block, side):
    """Columns of alternating colours, narrower than a block of 4:2:0 where the format has them."""
    drawn = np.zeros((3, 48, 64, 3), np.uint8)
    drawn[:] = np.array([(220, 60, 60), (60, 60, 220)], np.uint8)[np.arange(64) // block % 2]
    path = videos.write_video(tmp_path / "clip.mp4", drawn, pix_fmt=pix_fmt)
    rules = {"multiple_of": 32} if side is None else {"height": side, "width": side}
    found = read(path, 0, 3, rules=rules).astype(int)
    expected = drawn[:, 8:40] if side is None else as_pil(drawn, (43, 32))[:, :, 6:38]
    edges = 1 if block == 1 else 8  # levels on average: 4:2:0 blurs the edges of colours by itself
    assert np.abs(found - expected).mean() <= edges


def test_a_turned_video_is_cut_and_resized_upright(tmp_path):
    turn = (90, False, False)
    path = videos.write_video(tmp_path / "clip.mp4", videos.quadrants(count=2), orientation=turn)
    whole = decode(path)
    assert whole.shape == (2, 64, 48, 3)
    found = read(path, 0, 2, rules={"height": 32, "width": 24}, mirrored=True).astype(int)
    assert np.abs(found - as_pil(whole, (24, 32))[:, :, ::-1]).mean() <= 2


@pytest.mark.parametrize(("width", "height"), [(64, 36), (90, 50), (122, 70), (192, 108)])
def test_resized_frames_are_within_two_levels_of_pils(natural, width, height):
    found = read(natural, 3, 3, rules={"width": width, "height": height}).astype(int)
    whole = fit(128, 72, SizeRules(width=width, height=height))
    expected = as_pil(decode(natural)[3:6], (whole.scaled_width, whole.scaled_height))
    expected = expected[:, whole.top : whole.top + height, whole.left : whole.left + width]
    assert np.abs(found - expected).mean() <= 2


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_threads_change_no_byte(natural, threads):
    def view(width, height):
        return fit(width, height, SizeRules(width=90, height=50))

    with open_video(natural, threads=threads) as video:
        assert np.array_equal(
            read_window(video, 0, 9, view), read(natural, 0, 9, rules={"width": 90, "height": 50})
        )


def test_resizing_is_pils(clip):
    torch = pytest.importorskip("torch")
    image_module = pytest.importorskip("PIL.Image")
    assert torch.get_num_threads() > 0
    for frame in decode(clip)[:2]:
        for size in ((40, 30), (33, 25), (100, 60)):
            ours = resize_as_pil(frame, size).astype(int)
            image = image_module.fromarray(frame).resize(size, image_module.Resampling.BILINEAR)
            assert np.abs(ours - np.asarray(image)).max() <= 1


def test_a_window_past_the_end_is_an_error(clip):
    with pytest.raises(MediaError, match="ends before its window") as caught:
        read(clip, 5, 5)
    assert caught.value.got == "9 frames"
    assert caught.value.wanted == "at least 10 frames"


def test_a_video_that_ends_inside_the_window_gives_what_there_is(clip):
    def whole(width, height):
        return fit(width, height, SizeRules(multiple_of=2))

    with open_video(clip) as video:
        assert np.array_equal(read_window(video, 4, 99, whole, or_fewer=True), decode(clip)[4:])
    with open_video(clip) as video, pytest.raises(MediaError, match="ends before its window"):
        read_window(video, 9, 1, whole, or_fewer=True)


def test_bad_bytes_are_refused_as_bad_files_are(bad_video):
    if not bad_video.is_file():
        return
    with pytest.raises(MediaError), open_video(bad_video.read_bytes()) as video:
        for _ in video.frames():
            pass
