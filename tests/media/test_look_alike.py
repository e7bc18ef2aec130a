"""Clips of one scene are found whatever was done to them, and clips of others are not."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from harness.scenes import HEIGHT, WIDTH, scene_frames, write_scene
from sparkle.media.encode import Encoding, encode
from sparkle.media.look_alike import LOOK, NEAR, hash_of, read_scene, search, unpack_hashes, variants
from sparkle.schemas.errors import MediaError

Frames = npt.NDArray[np.uint8]
TRAINED = range(8)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The hashes of eight clips."""
    folder = tmp_path_factory.mktemp("trained")
    return [hash_of(read_scene(write_scene(folder / f"{seed}.mp4", seed))) for seed in TRAINED]


def cropped(frames: Frames, percent: int) -> Frames:
    y, x = HEIGHT * percent // 100, WIDTH * percent // 100
    inner = frames[:, y : HEIGHT - y, x : WIDTH - x]
    return np.array([cv2.resize(frame, (WIDTH, HEIGHT)) for frame in inner])


CHANGES = {
    "smaller": lambda frames: np.array([cv2.resize(frame, (96, 64)) for frame in frames]),
    "brighter": lambda frames: np.minimum(frames.astype(int) + 25, 255).astype(np.uint8),
    "mirrored": lambda frames: frames[:, :, ::-1],
    "first half": lambda frames: frames[:9],
    "second half": lambda frames: frames[8:],
    "cropped": lambda frames: cropped(frames, 5),
    "cropped and mirrored": lambda frames: cropped(frames, 9)[:, :, ::-1],
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_clip_is_near_to_its_own_and_to_no_other(
    change: str, trained: list[str], tmp_path: Path
) -> None:
    clips = []
    for seed in TRAINED:
        frames = np.ascontiguousarray(CHANGES[change](scene_frames(seed)))
        encode(frames, tmp_path / f"{seed}.mp4", encoding=Encoding(crf=32))
        clips.append(variants(read_scene(tmp_path / f"{seed}.mp4")))
    found = list(search(clips, unpack_hashes(trained)))
    assert [(pair.query, pair.row) for pair in found] == [(seed, seed) for seed in TRAINED]
    assert max(pair.distance for pair in found) <= NEAR < LOOK


def test_a_crop_that_was_trained_on_is_found_by_the_whole(tmp_path: Path) -> None:
    encode(cropped(scene_frames(0), 7), tmp_path / "crop.mp4")
    whole = variants(read_scene(write_scene(tmp_path / "whole.mp4", 0)))
    (found,) = search([whole], unpack_hashes([hash_of(read_scene(tmp_path / "crop.mp4"))]))
    assert found.distance <= NEAR


def test_a_plain_picture_is_like_nothing(tmp_path: Path) -> None:
    encode(np.full((5, HEIGHT, WIDTH, 3), 90, np.uint8), tmp_path / "grey.mp4")
    grey = read_scene(tmp_path / "grey.mp4")
    assert len(variants(grey)) == 0
    assert list(search([variants(grey)], unpack_hashes([hash_of(grey)]))) == []


def test_black_bars_do_not_make_two_clips_alike(tmp_path: Path) -> None:
    scenes = []
    for seed in range(6):
        frames = scene_frames(seed)
        frames[:, :, : WIDTH // 4] = frames[:, :, WIDTH - WIDTH // 4 :] = 0
        encode(frames, tmp_path / f"{seed}.mp4")
        scenes.append(read_scene(tmp_path / f"{seed}.mp4"))
    found = search([variants(scene) for scene in scenes], unpack_hashes([hash_of(scene) for scene in scenes]))
    assert {(pair.query, pair.row) for pair in found} == {(seed, seed) for seed in range(6)}


def test_what_lies_in_blocks_is_compared_as_all_at_once() -> None:
    generator = np.random.Generator(np.random.PCG64(5))
    hashes = generator.integers(0, 256, (40_000, 32)).astype(np.uint8)
    rows = [0, 16_383, 16_384, 39_999]
    signs = np.unpackbits(hashes[rows], axis=1).astype(np.int8) * 2 - 1
    signs[:, :20] *= -1  # twenty bits differ
    signs[:, 20:30] = 0  # ten do not count
    queries = [np.repeat(row[None], 700, axis=0) for row in signs]  # more than are compared at once
    found = [(pair.query, pair.row, pair.distance) for pair in search(queries, hashes)]
    assert found == [(query, row, round(20 * 256 / 246)) for query, row in enumerate(rows)]


@pytest.mark.parametrize("text", ["", "00", "x" * 64, "0" * 63])
def test_what_is_no_hash_is_refused(text: str) -> None:
    with pytest.raises(MediaError, match="hash"):
        unpack_hashes([text])
