"""Source clips: what is copied, what is shown when, and which shapes come out."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness import videos
from sparkle.media.decode import decode, iter_frames
from sparkle.media.encode import Encoding, encode
from sparkle.media.normalise import Normalised, SourceSpec, normalise
from sparkle.media.probe import probe
from sparkle.schemas.errors import ConfigError, MediaError


def whole_groups(frames: int) -> int:
    """The largest 4k + 1 that is no more."""
    return frames - (frames - 1) % 4


SPEC = SourceSpec()
EXACT = Encoding(crf=1, preset="ultrafast")  # so that flat frames keep their level


def conforms(path) -> bool:
    """Normalising what conforms copies it."""
    again = path.with_name("again.mp4")
    return normalise(path, again, SPEC, EXACT).copied and again.read_bytes() == path.read_bytes()


@pytest.mark.parametrize("count", [5, 9, 81])
def test_a_source_clip_is_copied(tmp_path, count):
    source, target = tmp_path / "source.mp4", tmp_path / "target.mp4"
    encode(videos.levels(count), source)
    assert normalise(source, target, SPEC, EXACT) == Normalised(
        64, 48, count, 16, True, source_width=64, source_height=48, source_frames=count, source_fps=16.0
    )
    assert target.read_bytes() == source.read_bytes()


def test_a_second_run_writes_the_same_bytes(tmp_path):
    source = videos.write_video(tmp_path / "source.mkv", videos.levels(40), rate=30)
    for name in ("a.mp4", "b.mp4"):
        normalise(source, tmp_path / name, SPEC, Encoding())
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()
    assert conforms(tmp_path / "a.mp4")


NOT_CONFORMING = {
    "another rate": {"rate": 25},
    "another codec": {"codec": "mpeg4", "options": {}},
    "another pixel format": {"pix_fmt": "yuv444p"},
    "turned": {"orientation": (90, False, False)},
    "mirrored": {"orientation": (0, True, False)},
    "sound": {"audio": True},
    "wide pixels": {"pixel_aspect": Fraction(4, 3)},
}


@pytest.mark.parametrize("reason", NOT_CONFORMING)
def test_anything_else_is_made_a_source_clip(tmp_path, reason):
    source, target = tmp_path / "source.mp4", tmp_path / "target.mp4"
    videos.write_video(source, videos.quadrants(count=17), **NOT_CONFORMING[reason])
    made = normalise(source, target, SPEC, EXACT)
    assert not made.copied
    info = probe(target)
    assert (info.width, info.height, info.frames, info.fps) == (made.width, made.height, made.frames, 16.0)
    assert conforms(target)


@pytest.mark.parametrize("name", ["source.mov", "source.mkv"])
def test_another_container_is_not_copied_and_loses_no_frame(tmp_path, name):
    source = videos.write_video(tmp_path / name, videos.levels(9))
    assert not normalise(source, tmp_path / "target.mp4", SPEC, EXACT).copied
    assert [videos.index_of(f) for f in decode(tmp_path / "target.mp4")] == list(range(9))


@pytest.mark.parametrize(("count", "kept"), [(6, 5), (8, 5), (80, 77), (85, 81), (97, 81)])
def test_the_first_4k_plus_1_frames_are_kept(tmp_path, count, kept):
    source = videos.write_video(tmp_path / "source.mp4", videos.levels(count, 32, 32))
    made = normalise(source, tmp_path / "target.mp4", SPEC, EXACT)
    assert (made.frames, made.copied, made.source_frames) == (kept, False, count)
    assert [videos.index_of(f) for f in decode(tmp_path / "target.mp4")] == list(range(kept))


@pytest.mark.parametrize("count", [1, 2, 4])
def test_too_short_a_source_writes_nothing_and_says_how_short(tmp_path, count):
    source = videos.write_video(tmp_path / "source.mp4", videos.levels(count))
    made = normalise(source, tmp_path / "target.mp4", SPEC, EXACT)
    assert (made.frames, made.copied) == (count, False)
    assert not (tmp_path / "target.mp4").exists()


@pytest.mark.parametrize("rate", [10, 12, 24, 25, Fraction(30000, 1001), 30, 60])
def test_frames_are_chosen_by_time(tmp_path, rate):
    source = videos.write_video(tmp_path / "source.mkv", videos.levels(70, 32, 32), rate=rate)
    made = normalise(source, tmp_path / "target.mp4", SPEC, EXACT)
    shown = [videos.index_of(frame) for frame in decode(tmp_path / "target.mp4")]
    # Matroska rounds timestamps to milliseconds, and a frame that starts within one counts as there.
    slack = Fraction(2, 1000)
    for k, index in enumerate(shown):
        assert Fraction(index) / rate - slack <= Fraction(k, 16) <= Fraction(index + 1) / rate + slack
    whole = int(Fraction(70 * 16) / rate)
    assert made.frames in {whole_groups(min(n, 81)) for n in (whole, whole + 1)}


@settings(max_examples=10)
@given(steps=st.lists(st.integers(1, 250), min_size=7, max_size=16), start=st.sampled_from([0, 40, 1000]))
def test_variable_frame_rate_shows_what_is_on_screen(tmp_path, steps, start):
    times = [start + sum(steps[:k]) for k in range(len(steps))]
    source = tmp_path / "source.mkv"
    videos.write_video(source, videos.levels(len(times), 32, 32), times=times, options={"qp": "0", "bf": "0"})
    made = normalise(source, tmp_path / "target.mp4", SPEC, EXACT)
    expected = [
        max(i for i, time in enumerate(times) if (time - start - 1) * 16 <= k * 1000)
        for k in range(81)
        if k * 1000 < (times[-1] - start - 1) * 16
    ]
    if len(expected) < 5:  # how long the last frame stays is the container's guess
        return
    shown = [videos.index_of(frame) for frame in decode(tmp_path / "target.mp4")]
    certain = min(len(expected), len(shown))
    assert shown[:certain] == expected[:certain]
    assert len(shown) == made.frames >= whole_groups(len(expected))


@pytest.mark.parametrize(
    ("width", "height", "expected"),
    [
        (65, 48, (64, 48)),
        (64, 47, (64, 46)),
        (1290, 60, (1280, 60)),
        (1920, 1080, (1280, 720)),
        (200, 1400, (182, 1280)),
        (1280, 720, (1280, 720)),
    ],
)
def test_sides_become_even_and_fit(tmp_path, width, height, expected):
    frames = videos.quadrants(width, height, 5)
    source = videos.write_video(
        tmp_path / "s.mp4", frames, pix_fmt="yuv444p", options={"preset": "ultrafast"}
    )
    made = normalise(source, tmp_path / "target.mp4", SPEC, EXACT)
    assert (made.width, made.height) == expected
    assert (made.source_width, made.source_height) == (width, height)
    image = next(iter_frames(tmp_path / "target.mp4"))
    assert image.shape[:2] == expected[::-1]
    corners = image[:: image.shape[0] - 1, :: image.shape[1] - 1].reshape(4, 3)
    assert np.abs(corners.astype(int) - videos.QUADRANTS).max() < 25


def test_an_odd_side_is_cropped_without_blur(tmp_path):
    rng = np.random.Generator(np.random.PCG64(0))
    noise = rng.integers(0, 255, (5, 49, 65, 3), np.uint8)
    source = videos.write_video(tmp_path / "source.avi", noise, codec="rawvideo", options={})
    normalise(source, tmp_path / "target.mp4", SPEC, EXACT)
    gray = decode(tmp_path / "target.mp4")[0].mean(-1) - decode(source)[0, :48, :64].mean(-1)
    assert np.abs(gray).mean() < 2


def test_wide_pixels_become_square_and_a_turned_video_upright(tmp_path):
    frames = videos.quadrants(64, 48, 5)
    wide = {"pixel_aspect": Fraction(2), "orientation": (90, False, False)}
    source = videos.write_video(tmp_path / "source.mp4", frames, **wide)
    made = normalise(source, tmp_path / "target.mp4", SPEC, EXACT)
    assert (made.width, made.height) == (48, 128)
    image = decode(tmp_path / "target.mp4")[0]
    corners = image[:: image.shape[0] - 1, :: image.shape[1] - 1].reshape(4, 3)
    assert np.abs(corners.astype(int) - np.asarray(videos.QUADRANTS)[[1, 3, 0, 2]]).max() < 25


def test_ten_bits_become_eight(tmp_path):
    source = videos.write_video(tmp_path / "source.mp4", videos.quadrants(count=9), pix_fmt="yuv420p10le")
    normalise(source, tmp_path / "target.mp4", SPEC, EXACT)
    assert videos.stored_form(tmp_path / "target.mp4") == ("yuv420p", 0)
    assert np.abs(decode(tmp_path / "target.mp4")[0][5, 5].astype(int) - videos.QUADRANTS[0]).max() < 8


def test_what_comes_after_the_clip_is_not_decoded(tmp_path):
    rng = np.random.Generator(np.random.PCG64(0))
    noise = rng.integers(0, 255, (400, 32, 32, 3), np.uint8)
    source = videos.write_video(tmp_path / "long.mp4", noise, options={"preset": "ultrafast", "crf": "10"})
    data = bytearray(source.read_bytes())
    place = len(data) * 7 // 10
    data[place : place + 3000] = bytes(3000)
    source.write_bytes(data)
    with pytest.raises(MediaError):
        probe(source)
    made = normalise(source, tmp_path / "target.mp4", SPEC, EXACT)
    assert (made.frames, made.source_frames) == (81, 400)


def test_frames_are_counted_where_the_container_does_not_say(tmp_path):
    source = videos.write_video(tmp_path / "source.mkv", videos.levels(100, 32, 32))
    assert normalise(source, tmp_path / "target.mp4", SPEC, EXACT).source_frames == 100


def test_bad_files_are_named_and_nothing_is_written(bad_video, tmp_path):
    with pytest.raises(MediaError) as caught:
        normalise(bad_video, tmp_path / "target.mp4", SPEC, EXACT)
    assert caught.value.where == str(bad_video)
    assert not (tmp_path / "target.mp4").exists()


def test_a_strip_is_refused(tmp_path):
    source = videos.write_video(tmp_path / "source.mp4", videos.quadrants(128, 8, 9))
    with pytest.raises(MediaError, match="too thin"):
        normalise(source, tmp_path / "target.mp4", SPEC, EXACT)


@pytest.mark.parametrize("lengths", [{"max_frames": 80}, {"min_frames": 4}, {"min_frames": 0}])
def test_a_spec_of_a_wrong_length_is_refused(lengths):
    with pytest.raises(ConfigError, match="wrong length"):
        SourceSpec(**lengths)
