"""Files that are the same every time and say nothing but their frames."""

import hashlib
import subprocess
import sys
from fractions import Fraction

import av
import numpy as np
import pytest

from sparkle.media.decode import decode
from sparkle.media.encode import Encoding, VideoWriter, encode, encoder_versions
from sparkle.schemas.errors import MediaError


def moving_pattern(count: int = 17, width: int = 320, height: int = 192) -> np.ndarray:
    """Smooth coloured waves that wander."""
    y, x = np.mgrid[0:height, 0:width]
    phases = np.arange(count)[:, None, None, None] * 0.3 + np.arange(3) * 2.0
    waves = np.sin(x[None, ..., None] / 17 + phases) + np.cos(y[None, ..., None] / 23 - phases)
    return np.rint(127 + 60 * waves).astype(np.uint8)


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / np.mean((a.astype(float) - b) ** 2)))


def test_a_clip_survives(tmp_path):
    frames = moving_pattern()
    assert encode(frames, tmp_path / "clip.mp4") == 17
    clip = decode(tmp_path / "clip.mp4")
    assert clip.shape == frames.shape
    assert psnr(clip, frames) > 38


def test_less_crf_is_closer(tmp_path):
    frames = moving_pattern(9)
    found = []
    for crf in (32, 20, 8):
        encode(frames, tmp_path / "clip.mp4", encoding=Encoding(crf=crf))
        found.append(psnr(decode(tmp_path / "clip.mp4"), frames))
    assert found == sorted(found)


def test_gray_frames_are_gray(tmp_path):
    frames = moving_pattern(5)[..., 0]
    encode(frames, tmp_path / "gray.mp4", encoding=Encoding(crf=8))
    clip = decode(tmp_path / "gray.mp4")
    assert np.abs(clip.astype(int) - clip.mean(-1, keepdims=True)).max() <= 2
    assert psnr(clip, frames[..., None]) > 38


def test_chroma_is_the_mean_of_its_block(tmp_path):
    """Columns of red and blue mix to purple; taking one pixel of four would give red."""
    frames = np.zeros((2, 64, 64, 3), np.uint8)
    frames[:, :, ::2, 0] = frames[:, :, 1::2, 2] = 255
    encode(frames, tmp_path / "columns.mp4", encoding=Encoding(crf=1))
    red, _, blue = decode(tmp_path / "columns.mp4").mean((0, 1, 2))
    assert abs(red - blue) < 40


def test_the_same_bytes_twice_and_in_another_process(tmp_path):
    frames = moving_pattern(9)
    encode(frames, tmp_path / "here.mp4")
    here = (tmp_path / "here.mp4").read_bytes()
    encode(frames, tmp_path / "again.mp4")
    np.save(tmp_path / "frames.npy", frames)
    script = (
        "import sys, cv2, numpy as np; from pathlib import Path; from sparkle.media.encode import encode;"
        "cv2.setNumThreads(1); encode(np.load(sys.argv[1]), Path(sys.argv[2]))"
    )
    there = tmp_path / "there.mp4"
    subprocess.run([sys.executable, "-c", script, tmp_path / "frames.npy", there], check=True)
    assert (tmp_path / "again.mp4").read_bytes() == here
    assert hashlib.sha256(there.read_bytes()).digest() == hashlib.sha256(here).digest()


def test_the_file_is_what_upstream_s_files_are(tmp_path):
    encode(moving_pattern(9), tmp_path / "clip.mp4")
    data = (tmp_path / "clip.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")
    with av.open(str(tmp_path / "clip.mp4")) as container:
        (stream,) = container.streams
        assert (stream.codec_context.name, stream.pix_fmt) == ("h264", "yuv420p")
        assert stream.average_rate == 16
        assert "creation_time" not in container.metadata | stream.metadata
        assert "encoder" not in container.metadata | stream.metadata
        frames = list(container.decode(stream))
        assert [frame.pts * stream.time_base for frame in frames] == [Fraction(k, 16) for k in range(9)]
        assert frames[0].colorspace == 2  # unspecified


@pytest.mark.parametrize(("width", "height"), [(63, 48), (64, 47), (0, 48), (64, 8194)])
def test_impossible_sizes_are_refused(tmp_path, width, height):
    with pytest.raises(MediaError):
        VideoWriter(tmp_path / "clip.mp4", width=width, height=height)
    assert not (tmp_path / "clip.mp4").exists()


def test_no_frames_is_an_error_and_leaves_no_file(tmp_path):
    with pytest.raises(MediaError, match="at least one frame"):
        encode([], tmp_path / "clip.mp4")
    with (
        pytest.raises(MediaError, match="at least one frame"),
        VideoWriter(tmp_path / "clip.mp4", width=64, height=48),
    ):
        pass
    assert not (tmp_path / "clip.mp4").exists()


@pytest.mark.parametrize(
    "intruder",
    [np.zeros((48, 62, 3), np.uint8), np.zeros((48, 64, 4), np.uint8), np.zeros((48, 64, 3), np.float32)],
)
def test_a_frame_that_does_not_fit_leaves_no_file(tmp_path, intruder):
    with pytest.raises(MediaError, match="does not fit"):
        encode([np.zeros((48, 64, 3), np.uint8), intruder], tmp_path / "clip.mp4")
    assert not (tmp_path / "clip.mp4").exists()


def test_half_a_clip_never_stays(tmp_path):
    def failing():
        yield np.zeros((48, 64, 3), np.uint8)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        encode(failing(), tmp_path / "clip.mp4")
    assert not (tmp_path / "clip.mp4").exists()


def test_versions_name_what_decides_bytes():
    versions = encoder_versions()
    assert versions["av"] == av.__version__
    assert versions["x264"].split()[0].isdigit()
    assert {"libavcodec", "opencv", "numpy", "zlib"} <= versions.keys()
