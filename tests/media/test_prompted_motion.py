"""Motion inside and outside what a prompt implies: words, parts of a painted scene, and both together."""

import cv2
import numpy as np
import pytest

from sparkle.generation.taxonomy import load_taxonomy
from sparkle.media.encode import encode
from sparkle.media.mask import save_mask
from sparkle.media.measure_clip import measure_clip
from sparkle.media.prompted_motion import (
    IMPLIED_KINDS,
    background_picture,
    find_part,
    implied_motion,
    prompted_motion,
)
from sparkle.schemas.canonical import plain
from sparkle.schemas.errors import MediaError
from sparkle.schemas.load import load

WIDTH, HEIGHT, FRAMES = 320, 180, 17
# Rows of the painted scene, and the square in the middle of it that is the subject.
SKY, TREES, LAKE, FLOOR = slice(0, 60), slice(60, 105), slice(105, 150), slice(150, 180)
SUBJECT = (slice(50, 130), slice(130, 190))
LAMP = (slice(66, 98), slice(24, 56))
LAKESIDE = "Place the subject at a lake where waves ripple and trees rustle"


@pytest.mark.parametrize(
    ("prompt", "kinds"),
    [
        ("Put the subject on a beach where waves roll in and palm fronds sway", ("foliage", "water")),
        ("a vast sky with tall golden grass, creating waves of motion across the land", ("foliage",)),
        ("a street with passers-by strolling past while the subject remains still", ("passers",)),
        ("skaters on a frozen lake, drifting clouds above", ("sky",)),
        ("an empty street, with no cars or people", ()),
        ("a lavender field beside a cherry tree, petals drifting", ("blossom", "foliage", "particles")),
        ("Embers float by; torches flicker.", ("lights", "particles")),
        ("a snowy slope", ()),
        ("a slope in falling snow", ("particles",)),
        ("curtains and drifting mist", ("fixtures", "haze")),
        ("fireflies in an autumn forest", ("autumn", "foliage", "particles")),
        ("", ()),
    ],
)
def test_a_prompt_implies_what_it_names(prompt, kinds):
    assert implied_motion(prompt) == kinds


def test_most_of_what_the_taxonomy_sets_in_motion_is_known():
    clauses = [clause for scene in load_taxonomy().all_scenes for clause in scene.moves_finite]
    known = [clause for clause in clauses if implied_motion(clause)]
    assert len(known) / len(clauses) > 0.9


def blotches(rows: int, seed: int, spread: float) -> np.ndarray:
    noise = np.random.Generator(np.random.PCG64(seed)).standard_normal((rows, WIDTH + 64)).astype(np.float32)
    noise = cv2.GaussianBlur(noise, (0, 0), 2.0)
    return spread * noise / noise.std()


def scene(moving: tuple[slice, ...] = (), frames: int = FRAMES) -> np.ndarray:
    """Sky over trees over a lake over a floor, with a lamp; parts that move drift by two pixels a frame."""
    looks = ((SKY, (120, 160, 220), 2.0), (TREES, (60, 110, 40), 22.0), (LAKE, (50, 90, 150), 12.0))
    clip = np.zeros((frames, HEIGHT, WIDTH, 3), np.uint8)
    for seed, (rows, colour, spread) in enumerate((*looks, (FLOOR, (140, 120, 110), 15.0))):
        pattern = blotches(rows.stop - rows.start, seed, spread)
        for t, frame in enumerate(clip):
            start = 2 * t if rows in moving else 0
            part = np.array(colour, np.float32) + pattern[:, start : start + WIDTH, None]
            frame[rows] = np.clip(part, 0, 255)
    clip[:, LAMP[0], LAMP[1]] = (255, 240, 200)
    clip[:, SUBJECT[0], SUBJECT[1]] = (150, 60, 60)
    return clip


def masks(frames: int = FRAMES) -> np.ndarray:
    found = np.zeros((frames, HEIGHT, WIDTH), np.bool_)
    found[:, SUBJECT[0], SUBJECT[1]] = True
    return found


@pytest.mark.parametrize(("kind", "rows"), [("sky", SKY), ("foliage", TREES), ("water", LAKE)])
def test_each_part_is_found_where_it_is(kind, rows):
    picture, seen = background_picture(scene(), masks())
    found = find_part(kind, picture, seen)
    truth = np.zeros((HEIGHT, WIDTH), np.bool_)
    truth[rows] = True
    truth[LAMP] = False
    assert not found[SUBJECT[0], SUBJECT[1]].any()
    agreement = (found & truth & seen).sum() / ((found | truth) & seen).sum()
    assert agreement > 0.75


def test_a_lamp_at_night_is_found_and_little_else():
    night = scene() // 3
    night[:, LAMP[0], LAMP[1]] = (255, 240, 200)
    picture, seen = background_picture(night, masks())
    found = find_part("lights", picture, seen)
    assert found[LAMP].all()
    assert found.sum() < 2 * found[LAMP].sum()


def test_what_has_no_look_or_is_not_there_is_not_found():
    picture, seen = background_picture(np.full_like(scene(), (150, 120, 90)), masks())
    assert all(find_part(kind, picture, seen) is None for kind in IMPLIED_KINDS if kind != "sky")


@pytest.mark.parametrize(("moving", "inside", "outside"), [(LAKE, True, False), (FLOOR, False, True)])
def test_motion_is_told_by_where_it_is(moving, inside, outside):
    found = prompted_motion(scene((moving,)), masks(), LAKESIDE)
    assert found.implied == found.found == ("foliage", "water")
    assert (found.inside > 8 * found.outside) == inside
    assert (found.outside > 8 * found.inside) == outside


def test_a_frozen_scene_moves_nowhere():
    found = prompted_motion(scene(), masks(), LAKESIDE)
    assert (found.inside, found.outside) == (0, 0)


def test_the_subject_does_not_count():
    clip = scene()
    clip[::2, SUBJECT[0], SUBJECT[1]] = 255
    clip[1::3, SUBJECT[0], SUBJECT[1]] = 0
    found = prompted_motion(clip, masks(), LAKESIDE)
    assert (found.inside, found.outside) == (0, 0)


def test_what_passes_is_not_outside_but_what_stays_and_stirs_is():
    passing, stirring = scene(), scene()
    for t in range(FRAMES):
        passing[t, 155:175, 18 * t : 18 * t + 12] = 255
        stirring[t, 155:175, 20:300] = (220, 140, 60) if t // 3 % 2 else (120, 70, 30)
    prompt = f"{LAKESIDE}, passers-by strolling"
    assert prompted_motion(passing, masks(), prompt).outside < 0.05
    assert prompted_motion(stirring, masks(), prompt).outside > 1


def test_nothing_is_guessed():
    clip = scene((LAKE, TREES))
    nothing = prompted_motion(clip, masks(), "a plain studio")
    assert (nothing.implied, nothing.inside, nothing.outside) == ((), None, None)
    hidden = prompted_motion(clip, masks(), "curtains billowing by a lake")
    assert hidden.inside > 1
    assert hidden.outside is None
    missing = prompted_motion(clip, masks(), "a lake and cherry blossom")
    assert missing.found == ("water",)
    assert missing.inside > 1
    assert missing.outside is None
    absent = prompted_motion(clip, masks(), "cherry blossom")
    assert (absent.implied, absent.inside, absent.outside) == (("blossom",), None, None)
    everywhere = prompted_motion(clip, masks(), "thick fog")
    assert everywhere.inside > 1
    assert everywhere.outside is None
    drifting = prompted_motion(scene(), masks(), "petals drifting")
    assert (drifting.inside, drifting.outside) == (0, 0)


def test_files_are_measured_and_must_be_of_one_size(tmp_path):
    source, edited, mask = tmp_path / "source.mp4", tmp_path / "edited.mp4", tmp_path / "mask.npz"
    encode(scene(), source)
    encode(scene((LAKE,)), edited)
    save_mask(mask, masks())
    found = measure_clip(source, edited, mask, LAKESIDE)
    assert found.background_motion_inside > found.background_motion > 0.3 > found.background_motion_outside
    assert (found.implied_motion, found.implied_motion_found) == ("foliage, water", "foliage, water")
    assert found.foreground_psnr > 30
    assert found.mask_stability == 1
    assert load(type(found), plain(found)) == found
    still = plain(measure_clip(source, edited, mask, "a plain studio"))
    assert not {"background_motion_inside", "background_motion_outside", "implied_motion"} & still.keys()
    save_mask(mask, masks()[:, :-2])
    with pytest.raises(MediaError, match="size"):
        measure_clip(source, edited, mask, LAKESIDE)
