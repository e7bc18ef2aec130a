"""Decoupled edges: each side from its own clip, none along the mask, dense, small, there after decoding."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from drawn_clips.synthetic import draw_clip
from sparkle.generation.backends.drawing.render import Scene
from sparkle.generation.steps.canny import (
    HIGHEST_THRESHOLD,
    LINE_WIDTH,
    LOWEST_THRESHOLD,
    EdgeThresholds,
    decoupled_edges,
    edge_encoding,
    edge_view,
    fit_thresholds,
)
from sparkle.media.decode import decode, iter_frames
from sparkle.media.encode import encode
from sparkle.media.frames import resize

WIDTH, HEIGHT = 320, 192
VIEW = (WIDTH // LINE_WIDTH, HEIGHT // LINE_WIDTH)
PLAIN = EdgeThresholds(100, 100)
PROMPTS = (
    "a prairie, tall golden grass swaying vigorously in a strong wind",
    "a twilight landscape with drifting clouds",
    "a neon street at night in the rain",
)


def picture(seed: int) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(0, 256, (HEIGHT // 16, WIDTH // 16, 3), np.uint8)
    return cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_NEAREST)


def disc() -> np.ndarray:
    y, x = np.mgrid[: VIEW[1], : VIEW[0]]
    return (x - VIEW[0] // 2) ** 2 + (y - VIEW[1] // 2) ** 2 < 30**2


def enlarged(mask: np.ndarray) -> np.ndarray:
    return mask.repeat(LINE_WIDTH, axis=0).repeat(LINE_WIDTH, axis=1)


def test_each_side_of_the_mask_has_the_edges_of_its_own_frame():
    source, background, mask = edge_view(picture(0)), edge_view(picture(1)), disc()
    none, everything = np.zeros_like(mask), np.ones_like(mask)
    edges = decoupled_edges(source, background, mask, PLAIN)
    assert edges.shape == (HEIGHT, WIDTH)
    assert set(np.unique(edges)) == {0, 255}
    inside = enlarged(mask)
    assert np.array_equal(edges[inside], decoupled_edges(source, background, everything, PLAIN)[inside])
    assert np.array_equal(edges[~inside], decoupled_edges(source, background, none, PLAIN)[~inside])
    assert edges[inside].any()
    assert edges[~inside].any()


def test_edges_lie_where_the_pictures_change():
    source, background = np.zeros((96, 96, 3), np.uint8), np.zeros((96, 96, 3), np.uint8)
    source[:, 40:], background[48:] = 255, 255
    mask = np.zeros((48, 48), bool)
    mask[:, 10:30] = True
    edges = decoupled_edges(edge_view(source), edge_view(background), mask, PLAIN) > 0
    inside, outside = np.argwhere(edges & enlarged(mask)), np.argwhere(edges & ~enlarged(mask))
    assert np.abs(inside[:, 1] - 40).max() <= LINE_WIDTH
    assert np.abs(outside[:, 0] - 48).max() <= LINE_WIDTH


def test_the_outline_of_the_mask_is_no_edge():
    black, white = (edge_view(np.full((HEIGHT, WIDTH, 3), level, np.uint8)) for level in (0, 255))
    assert not decoupled_edges(black, white, disc(), PLAIN).any()


def test_without_a_background_only_the_subject_has_edges():
    edges = decoupled_edges(edge_view(picture(0)), None, disc(), PLAIN)
    assert edges[enlarged(disc())].any()
    assert not edges[~enlarged(disc())].any()


def test_noise_makes_no_edges_however_little_else_there_is():
    rng = np.random.default_rng(0)
    grain = np.clip(rng.normal(120, 6, (3, HEIGHT, WIDTH, 3)), 0, 255).astype(np.uint8)
    views, masks = [edge_view(frame) for frame in grain], np.stack([disc()] * 3)
    thresholds = fit_thresholds(views, views, masks)
    assert thresholds == EdgeThresholds(LOWEST_THRESHOLD, LOWEST_THRESHOLD)
    assert not any(decoupled_edges(view, view, disc(), thresholds).any() for view in views)


def test_thresholds_rise_with_the_contrast_and_the_density_stays():
    masks = np.stack([disc()] * 2)
    densities, fitted = [], []
    for gain in (0.4, 0.8):
        noise = cv2.GaussianBlur(np.random.default_rng(1).normal(0, 255, (HEIGHT, WIDTH, 3)), (0, 0), 2.0)
        view = edge_view(np.clip(128 + gain * noise, 0, 255).astype(np.uint8))
        fitted.append(fit_thresholds([view] * 2, [view] * 2, masks))
        densities.append(np.mean(decoupled_edges(view, view, disc(), fitted[-1]) > 0))
    assert fitted[0].background < fitted[1].background < HIGHEST_THRESHOLD
    assert fitted[0].foreground < fitted[1].foreground < HIGHEST_THRESHOLD
    assert densities == pytest.approx([0.053, 0.053], abs=0.003)


def test_a_plain_subject_leaves_its_share_to_the_background():
    plain = edge_view(np.full((HEIGHT, WIDTH, 3), 90, np.uint8))
    noise = cv2.GaussianBlur(np.random.default_rng(1).normal(0, 200, (HEIGHT, WIDTH, 3)), (0, 0), 2.0)
    rich = edge_view(np.clip(128 + noise, 0, 255).astype(np.uint8))
    masks = disc()[None]
    edges = decoupled_edges(plain, rich, disc(), fit_thresholds([plain], [rich], masks))
    assert 0.05 <= np.mean(edges > 0) <= 0.056


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """Views of a drawn source of half upstream's size, and its masks at their size."""
    path = tmp_path_factory.mktemp("drawn") / "clip.mp4"
    masks = draw_clip(path, seed=3, width=640, height=360, frames=9)
    return [edge_view(frame) for frame in decode(path)], resize(masks, (320, 180))


@pytest.mark.parametrize("prompt", PROMPTS)
def test_a_scene_has_dense_edges_that_survive_a_small_file(drawn, prompt: str, tmp_path: Path):
    sources, masks = drawn
    scene = Scene.from_prompt(prompt, seed=2, width=640, height=360)
    backgrounds = [edge_view(frame) for frame in scene.frames(9)]
    thresholds = fit_thresholds(sources, backgrounds, masks)
    clip = [
        decoupled_edges(source, background, mask, thresholds)
        for source, background, mask in zip(sources, backgrounds, masks, strict=True)
    ]
    assert 0.05 <= np.mean([edges > 0 for edges in clip]) <= 0.08
    encode(clip, tmp_path / "edges.mp4", encoding=edge_encoding("veryfast"))
    decoded = [frame[..., 1] > 127 for frame in iter_frames(tmp_path / "edges.mp4")]
    lines = [edges > 0 for edges in clip]
    kept = sum(np.count_nonzero(seen & line) for seen, line in zip(decoded, lines, strict=True))
    assert kept >= 0.98 * np.count_nonzero(lines)
    assert kept >= 0.98 * np.count_nonzero(decoded)
    # .5 MB for 81 frames of 720p; a smaller picture has more structure a pixel, and the first frame is dear.
    share = 9 * 640 * 360 / (81 * 1280 * 720)
    assert (tmp_path / "edges.mp4").stat().st_size < 2 * 500_000 * share
