"""Windows of a video: the frames of the whole clip, cut, mirrored and resized."""

from __future__ import annotations

import numpy as np
import pytest

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


@pytest.mark.parametrize("pix_fmt", ["yuv444p", "yuv420p10le"])
def test_any_pixel_format_is_cut(tmp_path, pix_fmt):
    path = videos.write_video(tmp_path / "clip.mp4", videos.quadrants(count=3), pix_fmt=pix_fmt)
    found = read(path, 0, 3, rules={"multiple_of": 32})
    assert np.array_equal(found, decode(path)[:, 8:40])


def test_resizing_is_pils(clip):
    torch = pytest.importorskip("torch")
    image_module = pytest.importorskip("PIL.Image")
    assert torch.get_num_threads() > 0
    for frame in decode(clip)[:2]:
        for size in ((40, 30), (33, 25), (100, 60)):
            ours = resize_as_pil(frame, size).astype(int)
            image = image_module.fromarray(frame).resize(size, image_module.Resampling.BILINEAR)
            assert np.abs(ours - np.asarray(image)).max() <= 1


def test_resized_windows_are_resized_frames(clip):
    pytest.importorskip("torch")
    found = read(clip, 4, 2, rules={"height": 24, "width": 24}, place=(0.9, 0.0), mirrored=True)
    expected = [resize_as_pil(frame, (32, 24))[:, 8:][:, ::-1] for frame in decode(clip)[4:6]]
    assert np.array_equal(found, np.stack(expected))


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
