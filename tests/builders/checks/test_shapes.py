"""What headers say is what decoding tells, and nothing that is wrong with them gets through."""

from __future__ import annotations

import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparkle.media.encode import Encoding, VideoWriter
from sparkle.media.images import write_png
from sparkle.media.mask import save_mask
from sparkle.media.probe import Shape, probe, read_shape
from sparkle.schemas.errors import MediaError


def draw(path: Path, frames: int, width: int, height: int, fps: int) -> None:
    random = np.random.Generator(np.random.PCG64(0))
    with VideoWriter(path, width=width, height=height, fps=fps, encoding=Encoding()) as writer:
        for _ in range(frames):
            writer.write(random.integers(0, 255, (height, width, 3), np.uint8))


@pytest.mark.parametrize(
    ("frames", "width", "height", "fps"), [(9, 64, 48, 16), (1, 32, 32, 30), (13, 96, 64, 25)]
)
def test_a_video_says_what_it_holds(tmp_path: Path, frames: int, width: int, height: int, fps: int) -> None:
    path = tmp_path / "clip.mp4"
    draw(path, frames, width, height, fps)
    found, told = read_shape(path.read_bytes(), ".mp4"), probe(path)
    assert found[:3] == (told.frames, told.width, told.height) == (frames, width, height)
    assert found.fps == pytest.approx(fps)


def test_an_image_and_a_mask_say_what_they_hold(tmp_path: Path) -> None:
    write_png(tmp_path / "image.png", np.zeros((48, 64, 3), np.uint8))
    save_mask(tmp_path / "mask.npz", np.zeros((9, 48, 64), np.bool_))
    assert read_shape((tmp_path / "image.png").read_bytes(), ".png") == Shape(1, 64, 48)
    assert read_shape((tmp_path / "mask.npz").read_bytes(), ".npz") == Shape(9, 64, 48)


@given(st.data())
@settings(max_examples=150)
def test_damage_is_an_error_or_does_not_matter(
    tmp_path_factory: pytest.TempPathFactory, whole_release: Path, data: st.DataObject
) -> None:
    """No other error than MediaError, and no absurd shape, whatever the bytes are."""
    suffix = data.draw(st.sampled_from([".mp4", ".png", ".npz"]))
    path = sorted(whole_release.rglob(f"Sparkle_location_000000{suffix}"))[0]
    bad = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        bad[data.draw(st.integers(0, min(len(bad) - 1, 4000)))] = data.draw(st.integers(0, 255))
    if data.draw(st.booleans()):
        del bad[data.draw(st.integers(0, len(bad))) :]
    try:
        shape = read_shape(bytes(bad), suffix)
    except MediaError:
        return
    assert min(shape) >= 0
    assert suffix != ".npz" or shape.frames * shape.width * shape.height <= 2**30


def test_a_mask_that_unpacks_to_gigabytes_is_not_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "bomb.npz"
    header = b"\x93NUMPY\x01\x00\x76\x00{'descr': '<i8', 'fortran_order': False, 'shape': (3,), }"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("mask.npy", "shape.npy"):
            archive.writestr(name, header.ljust(127) + b"\n" + bytes(100_000_000))
    with pytest.raises(MediaError):
        read_shape(path.read_bytes(), ".npz")


@pytest.mark.parametrize("inside", [False, True])
def test_a_million_boxes_are_too_many(tmp_path: Path, inside: bool) -> None:
    """Each of them is worth eight bytes; what was kept of them was forty times as much."""
    draw(tmp_path / "clip.mp4", 1, 32, 32, 16)
    boxes = (b"\0\0\0\x08trak" if inside else b"\0\0\0\x08free") * 1_000_000
    if inside:
        boxes = (8 + len(boxes)).to_bytes(4, "big") + b"moov" + boxes
    data = (tmp_path / "clip.mp4").read_bytes()
    start = data.index(b"moov") - 4
    tracemalloc.start()
    with pytest.raises(MediaError, match="too many boxes"):
        read_shape(data[:start] + boxes + data[start:], ".mp4")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20 << 20


def test_a_duration_that_does_not_fit_into_64_bits_is_one(tmp_path: Path) -> None:
    draw(tmp_path / "clip.mp4", 1, 32, 32, 16)
    data = (tmp_path / "clip.mp4").read_bytes()
    times = data.index(b"stts") + 12
    shape = read_shape(data[:times] + b"\xff" * 8 + data[times + 8 :], ".mp4")
    assert 0 < shape.fps < 1
