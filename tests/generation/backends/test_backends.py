"""Each classical backend does its work: replace its answer by a constant and a test here fails."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import cv2
import numpy as np
import pytest

from sparkle.generation.backend import Guidance
from sparkle.generation.backends import make_backend
from sparkle.generation.backends.classical.copy_paste import Backend as CopyPaste
from sparkle.generation.config import CAPABILITIES, load_config
from sparkle.generation.taxonomy import load_taxonomy
from sparkle.media.decode import decode, iter_frames
from sparkle.media.encode import encode
from sparkle.media.frames import anchor_indices
from sparkle.media.images import read_png, write_png
from sparkle.media.mask import save_mask
from sparkle.schemas import records as r
from sparkle.schemas.errors import MediaError, SampleError
from sparkle.schemas.rules import Thresholds, judge

BEACH = "Place the subject on a sunny tropical beach with gentle waves rolling in and palm fronds swaying."
CITY = "Move the subject to a neon city street at night, with flickering signs and rain falling steadily."


@pytest.fixture(scope="module")
def backends():
    config = load_config(None)
    return {capability: make_backend(config, capability) for capability in CAPABILITIES}


@pytest.fixture
def frame0(clips, tmp_path):
    """The first frame of the first clip, as a file."""
    path = tmp_path / "frame0.png"
    write_png(path, next(iter_frames(clips["first"].path)))
    return path


def box_of(mask) -> list[int]:
    """The bounding box of a mask in [0, 1000]."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    height, width = mask.shape
    scale = (1000 / width, 1000 / height) * 2
    corners = (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)
    return [round(corner * factor) for corner, factor in zip(corners, scale, strict=True)]


def box_iou(first, second) -> float:
    wide = max(0, min(first[2], second[2]) - max(first[0], second[0]))
    high = max(0, min(first[3], second[3]) - max(first[1], second[1]))
    areas = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (first, second))
    return wide * high / (areas - wide * high)


def iou(first, second) -> float:
    return float((first & second).sum() / (first | second).sum())


def difference(first, second) -> float:
    return float(np.abs(first.astype(np.float32) - second).mean())


# --- flow -------------------------------------------------------------------------------------


def test_flow_tells_a_fixed_camera_from_a_moving_one(backends, clips):
    fixed = backends["flow"].camera_motion(clips["first"].path)
    moving = backends["flow"].camera_motion(clips["moving"].path)
    assert judge("flow", fixed, Thresholds()) is None
    assert judge("flow", moving, Thresholds()) is not None
    assert moving.short > fixed.short


# --- vlm --------------------------------------------------------------------------------------


def test_camera_finds_a_cut(backends, clips, tmp_path):
    joined = tmp_path / "cut.mp4"
    halves = [decode(clips["first"].path)[:10], decode(clips["second"].path)[:11]]
    encode(np.concatenate(halves), joined)
    motion = r.FlowRecord(0.0, 0.0)
    cut = backends["vlm"].check_camera(joined, motion)
    assert not cut.fixed
    assert "frame 10" in cut.reasoning
    assert backends["vlm"].check_camera(clips["first"].path, motion).fixed


def test_compose_chooses_from_the_taxonomy_by_the_seed(backends, frame0):
    composed = [backends["vlm"].compose(frame0, "season", None, seed) for seed in range(6)]
    keywords = {record.metadata.chosen_keyword for record in composed}
    assert len(keywords) > 1
    for record in composed:
        assert record.metadata.chosen_keyword in {scene.keyword for scene in load_taxonomy().scenes("season")}
        assert record.metadata.edit_type == "season"


def test_compose_describes_the_frame_and_keeps_a_given_prompt(backends, frame0, tmp_path):
    white = tmp_path / "white.png"
    write_png(white, np.full((64, 96, 3), 250, np.uint8))
    given = backends["vlm"].compose(frame0, "openve3m", BEACH, 1)
    assert given.prompt == BEACH
    assert given.metadata.chosen_keyword is None
    other = backends["vlm"].compose(white, "openve3m", BEACH, 1)
    assert given.metadata.original_scene != other.metadata.original_scene


@pytest.mark.parametrize("name", ["first", "second"])
def test_grounding_boxes_the_subject_on_every_anchor(backends, clips, frame0, name):
    clip = clips[name]
    first = backends["vlm"].ground_first(clip.path, frame0, frame0, BEACH)
    assert len(first.round1_labels) == 1
    assert box_iou(first.round1_objects[0].bbox_2d, box_of(clip.masks[0])) > 0.5
    anchors = anchor_indices(len(clip.masks))
    found = backends["vlm"].ground_frames(clip.path, first, anchors)
    for t, objects in zip(anchors, found.frame_objects, strict=True):
        assert [item.label for item in objects] == list(first.round1_labels)
        assert box_iou(objects[0].bbox_2d, box_of(clip.masks[t])) > 0.5


def test_grounding_finds_nothing_where_nothing_moves(backends, tmp_path, frame0):
    still = tmp_path / "still.mp4"
    encode([read_png(frame0)] * 17, still)
    first = backends["vlm"].ground_first(still, frame0, frame0, BEACH)
    assert first.round1_objects == ()
    assert judge("ground1", first, Thresholds()) is not None


# --- image_editor -----------------------------------------------------------------------------


def test_edit_keeps_the_subject_and_replaces_the_rest(backends, clips, frame0):
    clip, source = clips["first"], read_png(frame0)
    edited = backends["image_editor"].edit(frame0, BEACH, 7, clip=clip.path).image
    inside, outside = clip.masks[0], ~clip.masks[0]
    assert difference(edited[inside], source[inside]) < 0.6 * difference(edited[outside], source[outside])


@pytest.mark.slow
def test_edit_follows_prompt_and_seed(backends, clips, frame0):
    made = {
        (prompt, seed): backends["image_editor"].edit(frame0, prompt, seed, clip=clips["first"].path).image
        for prompt, seed in ((BEACH, 1), (BEACH, 2), (CITY, 1))
    }
    assert difference(made[BEACH, 1], made[BEACH, 2]) > 1
    assert difference(made[BEACH, 1], made[CITY, 1]) > 10
    assert made[CITY, 1].mean() < made[BEACH, 1].mean()


def test_remove_takes_out_what_is_boxed_and_nothing_else(backends, clips, frame0, tmp_path):
    edited = tmp_path / "edited.png"
    write_png(edited, backends["image_editor"].edit(frame0, BEACH, 7, clip=clips["first"].path).image)
    box = r.GroundedObject(tuple(box_of(clips["first"].masks[0])), "subject")
    removed = backends["image_editor"].remove(edited, [box], BEACH, 7).image
    subject = clips["first"].masks[0]
    empty = backends["image_editor"].remove(edited, [r.GroundedObject((0, 0, 1000, 1000), "all")], BEACH, 7)
    assert difference(removed[subject], read_png(edited)[subject]) > 10
    assert np.array_equal(removed[subject], empty.image[subject])
    corner = (slice(0, 8), slice(0, 8))
    assert np.array_equal(removed[corner], read_png(edited)[corner])


# --- image_scorer -----------------------------------------------------------------------------


@pytest.mark.slow
def test_an_instruction_that_cannot_be_drawn_is_rejected_with_its_words(backends, clips, frame0):
    prompt = f"{BEACH[:-1]}, below a castle and a dragon."
    made = backends["image_editor"].edit(frame0, prompt, 7, clip=clips["first"].path)
    assert made.image is None
    reason = judge("edit", r.MadeRecord(made.details), Thresholds())
    assert reason == "the instruction cannot be drawn: words not understood: castle, dragon"
    with pytest.raises(SampleError, match="cannot be drawn"):
        next(iter(backends["image_to_video"].animate(frame0, prompt, 2, 16, 7)))


def test_an_edit_scores_above_no_edit(backends, clips, frame0, tmp_path):
    edited = tmp_path / "edited.png"
    write_png(edited, backends["image_editor"].edit(frame0, BEACH, 7, clip=clips["first"].path).image)
    good = backends["image_scorer"].score_edit(frame0, edited, BEACH, clip=clips["first"].path)
    none = backends["image_scorer"].score_edit(frame0, frame0, BEACH, clip=clips["first"].path)
    assert good.overall > none.overall + 1


def test_a_removal_scores_above_none(backends, clips, frame0, tmp_path):
    edited, removed = tmp_path / "edited.png", tmp_path / "removed.png"
    write_png(edited, backends["image_editor"].edit(frame0, BEACH, 7, clip=clips["first"].path).image)
    objects = [r.GroundedObject(tuple(box_of(clips["first"].masks[0])), "subject")]
    write_png(removed, backends["image_editor"].remove(edited, objects, BEACH, 7).image)
    good = backends["image_scorer"].score_removal(edited, removed, objects, BEACH)
    none = backends["image_scorer"].score_removal(edited, edited, objects, BEACH)
    assert good.overall > none.overall + 1


# --- image_to_video ---------------------------------------------------------------------------


def test_animate_starts_from_the_picture_and_moves(backends, clips, frame0, tmp_path):
    everything = r.GroundedObject((0, 0, 1000, 1000), "all")
    still = tmp_path / "scene.png"
    write_png(still, backends["image_editor"].remove(frame0, [everything], BEACH, 7).image)
    frames = list(backends["image_to_video"].animate(still, BEACH, 9, 16.0, 7))
    assert len(frames) == 9
    assert np.array_equal(frames[0], read_png(still))
    assert all(difference(first, second) > 0.1 for first, second in pairwise(frames))


def test_animate_leaves_a_remnant_where_it_is(backends, tmp_path, frame0):
    everything = r.GroundedObject((0, 0, 1000, 1000), "all")
    scene = backends["image_editor"].remove(frame0, [everything], BEACH, 7).image.copy()
    scene[40:60, 40:60] = (255, 0, 255)
    still = tmp_path / "remnant.png"
    write_png(still, scene)
    *_, last = backends["image_to_video"].animate(still, BEACH, 9, 16.0, 7)
    assert np.array_equal(last[42:58, 42:58], scene[42:58, 42:58])


# --- tracker ----------------------------------------------------------------------------------


def test_tracking_follows_the_boxed_subject(backends, clips):
    clip = clips["first"]
    anchors = [
        (t, [r.GroundedObject(tuple(box_of(clip.masks[t])), "subject")])
        for t in anchor_indices(len(clip.masks))
    ]
    passes = list(backends["tracker"].passes(clip.path, anchors))
    assert len(passes) == len(anchors)
    masks = backends["tracker"].finish(clip.path, passes[1])
    assert masks.shape == clip.masks.shape
    assert np.mean([iou(*pair) for pair in zip(masks, clip.masks, strict=True)]) > 0.7
    nothing = [(0, [r.GroundedObject((0, 0, 20, 20), "corner")])]
    corner = list(backends["tracker"].passes(clip.path, nothing))
    assert not corner or corner[0].mean() < 0.05


# --- control_to_video -------------------------------------------------------------------------


def guidance(clip, folder, background):
    """Guidance over a background video (T, H, W, 3), whose first frame is the edited one."""
    save_mask(folder / "mask.npz", clip.masks)
    encode(background, folder / "background.mp4")
    write_png(folder / "empty.png", background[0])
    return Guidance(
        source=clip.path,
        mask=folder / "mask.npz",
        background=folder / "background.mp4",
        edges=clip.path,
        edited_frame0=folder / "empty.png",
        empty_frame0=folder / "empty.png",
        prompt=BEACH,
    )


def test_synthesis_shows_the_subject_before_the_background(backends, clips, tmp_path):
    clip = clips["first"]
    source = decode(clip.path)
    backgrounds = {}
    for name, level in (("dark", 40), ("bright", 220)):
        given = guidance(clip, tmp_path, np.full_like(source, level))
        backgrounds[name] = np.stack(list(backends["control_to_video"].synthesize(given, 1)))
    for name, level in (("dark", 40), ("bright", 220)):
        made = backgrounds[name]
        assert made.shape == source.shape
        far = ~clip.masks.any(axis=0)
        assert abs(float(made[:, far].mean()) - level) < 6
        assert difference(made[clip.masks], source[clip.masks]) < 40
    assert backgrounds["dark"][clip.masks].std() > 10


def test_a_background_that_is_too_short_is_an_error(backends, clips, tmp_path):
    clip = clips["first"]
    given = guidance(clip, tmp_path, np.full_like(decode(clip.path)[:5], 99))
    with pytest.raises(MediaError, match="shorter than the source"):
        list(backends["control_to_video"].synthesize(given, 1))


def test_the_ablation_pastes_the_very_pixels_of_source_and_background(clips, tmp_path):
    clip = clips["first"]
    source = decode(clip.path)
    given = guidance(clip, tmp_path, np.full_like(source, 220))
    pasted = np.stack(list(CopyPaste().synthesize(given, 1)))
    assert np.array_equal(pasted[clip.masks], source[clip.masks])
    assert np.array_equal(pasted[~clip.masks], decode(tmp_path / "background.mp4")[~clip.masks])


def test_guidance_that_is_silent_about_the_background_leaves_it_still(backends, clips, tmp_path):
    clip = clips["first"]
    moving = np.random.default_rng(0).integers(0, 256, decode(clip.path).shape, np.uint8)
    silent = replace(guidance(clip, tmp_path, moving), background=None)
    seen = clip.masks.any(axis=0).view(np.uint8)
    far = cv2.dilate(seen, np.ones((25, 25), np.uint8)) == 0  # where no soft edge reaches
    for backend in (backends["control_to_video"], CopyPaste()):
        made = np.stack(list(backend.synthesize(silent, 1)))
        assert made.shape == moving.shape
        assert np.array_equal(made[0][far], moving[0][far])
        assert not np.diff(made[:, far].astype(int), axis=0).any()
