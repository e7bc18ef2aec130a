"""What moves is found, cut out and followed, and strange clips are answered calmly."""

from collections.abc import Callable, Sequence

import cv2
import numpy as np
import pytest

from sparkle.generation.backends.classical.activity import Activity, measure_activity, roams, weigh
from sparkle.generation.backends.classical.filters import bounding_box, box_iou, map_in_threads
from sparkle.generation.backends.classical.propagate import (
    carry_between,
    compute_flows,
    hard_mask,
    propagate,
    refine,
    soft_alpha,
)
from sparkle.generation.backends.classical.segment import segment_in_box
from sparkle.generation.backends.classical.subjects import find_subjects, name_colours
from sparkle.generation.backends.classical.tracker import Backend as Tracker
from sparkle.generation.backends.classical.tracker import follow
from sparkle.generation.backends.classical.vlm import Backend as Vlm
from sparkle.generation.bait import majority_vote
from sparkle.media.encode import encode

WIDTH, HEIGHT, RADIUS = 256, 144, 22
RED, BLUE = (190, 40, 40), (40, 60, 190)
Place = Callable[[int], tuple[float, float]]


def drawn(count: int, *subjects: tuple[Place, tuple[int, int, int]]) -> tuple[np.ndarray, np.ndarray]:
    """A still, softly textured scene with discs before it: frames, and masks of all discs together."""
    random = np.random.default_rng(0)
    coarse = np.repeat(random.normal(110, 22, (HEIGHT // 6, WIDTH // 6, 1)), 3, axis=2)
    scene = cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    frames, masks = [], []
    for t in range(count):
        frame, mask = scene.copy(), np.zeros((HEIGHT, WIDTH), bool)
        for place, colour in subjects:
            dx, dy = x - place(t)[0], y - place(t)[1]
            disc = dx**2 + dy**2 < RADIUS**2
            frame[disc] = colour
            frame[disc & (np.abs(dx + dy) < 5)] = 240
            mask |= disc
        frames.append(np.clip(frame + random.normal(0, 1.5, frame.shape), 0, 255).astype(np.uint8))
        masks.append(mask)
    return np.stack(frames), np.stack(masks)


def swaying(centre: float, pace: float = 0.5) -> Place:
    return lambda t: (centre + 12 * np.sin(pace * t), 75 + 5 * np.cos(pace * t))


def crossing(start: float, speed: float) -> Place:
    return lambda t: (start + speed * t, 75)


def iou(first: np.ndarray, second: np.ndarray) -> float:
    union = np.count_nonzero(first | second)
    return np.count_nonzero(first & second) / union if union else 1.0


def tracked(frames: np.ndarray, activity: Activity, anchors: Sequence[int]) -> np.ndarray | None:
    """The voted and refined masks of whatever is found; None where nothing is."""
    subjects = find_subjects(activity, frames, anchors)
    flows = compute_flows(frames)
    passes = []
    for k, t in enumerate(anchors):
        boxes = [box for subject in subjects if (box := subject.boxes[k]) is not None]
        passes.append(follow(frames, activity, flows, t, boxes, trusted=False))
    found = [masks for masks in passes if masks.any()]
    return refine(frames, majority_vote(found)) if found else None


@pytest.fixture(scope="module")
def walker() -> tuple[np.ndarray, np.ndarray, Activity]:
    """A disc that crosses the picture."""
    frames, masks = drawn(33, (crossing(40, 5), RED))
    return frames, masks, measure_activity(frames)


def test_a_change_of_light_is_not_motion():
    frames, _ = drawn(17)
    light = 1 + 0.3 * np.sin(np.arange(17))[:, None, None, None]
    lit = np.clip(frames * light + 10, 0, 255).astype(np.uint8)
    assert measure_activity(lit).std.mean() < 1.5
    assert lit.mean(axis=(1, 2, 3)).std() > 10
    assert find_subjects(measure_activity(lit), lit, [0, 8, 16]) == ()


def test_a_travelling_subject_is_boxed_where_it_is(walker):
    frames, masks, activity = walker
    anchors = [0, 8, 16, 24, 32]
    (subject,) = find_subjects(activity, frames, anchors)
    for t, box in zip(anchors, subject.boxes, strict=True):
        assert box is not None
        assert box_iou(box, bounding_box(masks[t])) > 0.65


def test_a_subject_has_no_box_where_it_is_gone():
    frames, masks = drawn(41, (crossing(100, 9), RED))
    (subject,) = find_subjects(measure_activity(frames), frames, [0, 40])
    assert subject.boxes[0] is not None
    assert not masks[40].any()
    assert subject.boxes[1] is None


def test_subjects_keep_their_index_and_get_labels_of_their_own():
    frames, _ = drawn(25, (swaying(60), RED), (swaying(190, 0.4), BLUE))
    left, right = find_subjects(measure_activity(frames), frames, [0, 8, 16, 24])
    assert "red" in left.label
    assert "blue" in right.label
    for one, other in zip(left.boxes, right.boxes, strict=True):
        assert one[2] <= other[0]


def test_like_subjects_are_numbered_from_the_left():
    frames, _ = drawn(25, (swaying(60), RED), (swaying(190, 0.4), RED))
    labels = [subject.label for subject in find_subjects(measure_activity(frames), frames, [8])]
    assert len(set(labels)) == 2
    assert [label.endswith(f"(number {place} from the left)") for place, label in enumerate(labels, 1)]


def test_what_is_found_does_not_depend_on_the_anchors(walker):
    frames, _, activity = walker
    (many,) = find_subjects(activity, frames, [0, 5, 16, 30])
    (one,) = find_subjects(activity, frames, [5])
    assert one.label == many.label
    assert one.boxes[0] == many.boxes[1]


@pytest.mark.parametrize("trusted", [True, False])
def test_a_subject_is_cut_out_of_its_box(walker, trusted):
    frames, masks, activity = walker
    box = bounding_box(masks[16])
    assert iou(segment_in_box(frames[16], box, activity, 16, trusted=trusted), masks[16]) > 0.9


@pytest.mark.parametrize("box", [(10, 10, 10, 40), (0, 0, WIDTH, HEIGHT), (250, 140, 400, 300), (3, 3, 4, 4)])
def test_any_box_gives_a_mask_of_the_frame(walker, box):
    frames, _, activity = walker
    mask = segment_in_box(frames[0], box, activity, 0, trusted=True)
    assert mask.shape == (HEIGHT, WIDTH)
    assert mask.dtype == np.bool_


def test_a_pass_follows_a_subject_both_ways():
    frames, masks = drawn(17, (swaying(120, 0.3), RED))
    followed = propagate(frames, compute_flows(frames), 8, masks[8])
    assert np.array_equal(followed[8], masks[8])
    assert min(iou(followed[t], masks[t]) for t in range(17)) > 0.85


def test_an_empty_mask_stays_empty():
    frames, _ = drawn(5, (swaying(120), RED))
    assert not propagate(frames, compute_flows(frames), 2, np.zeros((HEIGHT, WIDTH), bool)).any()


def test_a_voted_subject_fits_the_truth():
    frames, masks = drawn(33, (swaying(120, 0.3), BLUE))
    voted = tracked(frames, measure_activity(frames), range(0, 33, 8))
    assert np.mean([iou(voted[t], masks[t]) for t in range(33)]) > 0.85


def test_background_is_seen_beside_a_subject_that_crosses_it(walker):
    _, masks, activity = walker
    evidence = weigh(activity.luma)
    crossed = masks.any(axis=0)
    assert np.count_nonzero(evidence.visible & masks) < 0.01 * np.count_nonzero(masks)
    assert np.count_nonzero(evidence.visible[16] & crossed) > 0.3 * np.count_nonzero(crossed & ~masks[16])
    assert np.count_nonzero(evidence.covered & masks) > 0.9 * np.count_nonzero(evidence.covered) > 0
    assert not (evidence.visible & evidence.covered).any()


def test_a_still_surface_behind_a_waving_hand_is_not_taken_away():
    frames, masks = drawn(33, (swaying(120), RED))
    body = np.zeros((HEIGHT, WIDTH), bool)
    body[60:, 60:190] = True  # stands still, cut off by the frame, behind the disc
    frames[:, body] = np.where(masks[:, body, None], frames[:, body], (60, 120, 90))
    activity = measure_activity(frames)
    box = (60, 40, 190, HEIGHT)
    assert not roams(activity.luma, 8, box)
    cut = segment_in_box(frames[8], box, activity, 8, trusted=True)
    assert np.count_nonzero(cut & body) > 0.95 * np.count_nonzero(body)


def test_a_plain_surface_behind_its_own_pattern_is_no_background():
    frames, masks = drawn(33, (swaying(120, 0.3), BLUE))  # its stripe uncovers plain blue again and again
    assert np.count_nonzero(weigh(measure_activity(frames).luma).visible & masks) < 0.01 * masks.sum()


@pytest.mark.parametrize("box", [(50, 50, 50, 90), (10, 90, 60, 90)])
def test_nothing_roams_in_an_empty_box(walker, box):
    assert not roams(walker[2].luma, 0, box)


def test_a_fast_subject_leaves_no_trail():
    frames, masks = drawn(33, (crossing(30, 6), BLUE))
    voted = tracked(frames, measure_activity(frames), range(0, 33, 8))
    trail = masks.any(axis=0) & ~masks
    assert np.count_nonzero(voted & trail) < 0.02 * np.count_nonzero(trail)
    assert np.mean([iou(voted[t], masks[t]) for t in range(33)]) > 0.9


def test_refining_snaps_a_ragged_outline_to_the_image():
    frames, masks = drawn(1, (swaying(120), RED))
    ragged = masks.copy()
    ragged[:, ::2] = np.roll(ragged[:, ::2], 2, axis=2)
    assert iou(refine(frames, ragged), masks) > iou(ragged, masks)


@pytest.mark.parametrize("size", [(512, 288), (640, 360), (256, 144)])
def test_a_mask_is_brought_to_full_size_along_the_edges(size):
    frames, masks = drawn(1, (swaying(120), RED))
    full = cv2.resize(frames[0], size, interpolation=cv2.INTER_CUBIC)
    truth = cv2.resize(masks[0].astype(np.uint8), size, interpolation=cv2.INTER_LINEAR) > 0
    alpha = soft_alpha(full, masks[0])
    assert alpha.shape == size[::-1]
    assert alpha.dtype == np.float32
    assert alpha.min() >= 0
    assert alpha.max() <= 1
    assert iou(hard_mask(full, masks[0]), truth) > 0.93
    assert not soft_alpha(full, np.zeros_like(masks[0])).any()


def test_any_number_of_threads_finds_the_same(tmp_path):
    frames, _ = drawn(17, (swaying(120), RED))
    clip = tmp_path / "clip.mp4"
    encode(frames, clip)
    anchors = [0, 8, 16]
    threads = cv2.getNumThreads()
    try:
        results = []
        for count in (1, 2, 4):
            cv2.setNumThreads(count)
            cv2.setRNGSeed(count)  # the result must not depend on what drew from it before
            first = Vlm().ground_first(clip, clip, clip, "")
            boxes = Vlm().ground_frames(clip, first, anchors).frame_objects
            tracker = Tracker()
            passes = list(tracker.passes(clip, list(zip(anchors, boxes, strict=True))))
            results.append((first, boxes, passes, tracker.finish(clip, majority_vote(passes))))
        assert results[0][-1].any()
        for other in results[1:]:
            assert other[:2] == results[0][:2]
            assert all(np.array_equal(*pair) for pair in zip(other[2], results[0][2], strict=True))
            assert np.array_equal(other[3], results[0][3])
    finally:
        cv2.setNumThreads(threads)


@pytest.mark.parametrize("threads", [1, 3])
def test_mapping_in_threads_keeps_the_order_and_reads_little_ahead(threads):
    before = cv2.getNumThreads()
    cv2.setNumThreads(threads)
    try:
        read = []
        squares = map_in_threads(lambda number: number**2, (read.append(n) or n for n in range(50)))
        assert next(squares) == 0
        assert len(read) <= threads + 1
        assert [*squares] == [number**2 for number in range(1, 50)]
        with pytest.raises(ZeroDivisionError):
            list(map_in_threads(lambda number: 1 / number, [2, 1, 0]))
    finally:
        cv2.setNumThreads(before)


@pytest.mark.parametrize(
    ("colour", "name"),
    [
        ((255, 255, 255), "white"),
        ((5, 5, 5), "black"),
        ((128, 128, 128), "gray"),
        ((220, 20, 30), "red"),
        ((20, 30, 90), "dark blue"),
        ((40, 160, 50), "green"),
        ((240, 220, 40), "yellow"),
        ((90, 55, 25), "brown"),
    ],
)
def test_colours_go_by_their_usual_names(colour, name):
    assert name_colours(np.full((50, 3), colour, np.uint8)) == name


def test_a_second_colour_is_named_when_there_is_enough_of_it():
    pixels = np.full((100, 3), (220, 20, 30), np.uint8)
    pixels[:10] = 255
    assert name_colours(pixels) == "red"
    pixels[:40] = 255
    assert name_colours(pixels) == "red and white"


def moving() -> np.ndarray:
    return drawn(17, (crossing(70, 5), RED))[0]


def flashing() -> np.ndarray:
    frames = moving()
    frames[5], frames[11] = 0, 255
    return frames


NOTHING_STANDS_OUT = {
    "no motion": lambda: drawn(17)[0],
    "black": lambda: np.zeros((17, HEIGHT, WIDTH, 3), np.uint8),
    "white": lambda: np.full((17, HEIGHT, WIDTH, 3), 255, np.uint8),
    "noise": lambda: np.random.default_rng(0).integers(0, 256, (9, HEIGHT, WIDTH, 3), np.uint8),
    "all moves": lambda: np.stack([np.roll(drawn(1)[0][0], 6 * t, axis=1) for t in range(17)]),
    "one frame": lambda: moving()[:1],
}
STRANGE = {
    "cut": lambda: np.concatenate([moving()[:9], 255 - moving()[9:, ::-1]]),
    "near black": lambda: moving() // 40,
    "over-exposed": lambda: np.clip(moving().astype(int) + 160, 0, 255).astype(np.uint8),
    "flashes": flashing,
    "five frames": lambda: moving()[:5],
    "tiny": lambda: np.stack([cv2.resize(frame, (128, 96)) for frame in moving()]),
    "64x64": lambda: np.stack([cv2.resize(frame, (64, 64)) for frame in moving()]),
    "one frame": lambda: moving()[:1],
    "leaves": lambda: drawn(25, (crossing(150, 9), RED))[0],
    "a crowd": lambda: drawn(17, *((swaying(x, 0.3 + x / 400), (x, 40, 90)) for x in (40, 110, 180)))[0],
    "thin": lambda: np.stack([cv2.resize(frame, (320, 16)) for frame in moving()]),
    "macroblock": lambda: np.stack([cv2.resize(frame, (16, 16)) for frame in moving()]),
}


@pytest.mark.parametrize("name", NOTHING_STANDS_OUT)
def test_where_nothing_stands_out_there_is_no_subject(name):
    frames = NOTHING_STANDS_OUT[name]()
    activity = measure_activity(frames)
    assert np.isfinite(activity.luma).all()
    assert find_subjects(activity, frames, range(0, len(frames), 8)) == ()


@pytest.mark.parametrize("name", STRANGE)
def test_a_strange_clip_is_no_crash_and_no_nan(name):
    frames = STRANGE[name]()
    count, height, width = frames.shape[:3]
    activity = measure_activity(frames)
    assert np.isfinite(activity.luma).all()
    for subject in find_subjects(activity, frames, range(0, count, 8)):
        for box in subject.boxes:
            assert box is None or (0 <= box[0] < box[2] <= width and 0 <= box[1] < box[3] <= height)
    flows = compute_flows(frames)
    mask = segment_in_box(frames[0], (0, 0, width // 2, height // 2), activity, 0, trusted=True)
    mask[: height // 2, : width // 2] = True
    for evidence in (None, activity.evidence):
        followed = refine(frames, propagate(frames, flows, 0, mask, evidence))
        assert followed.shape == (count, height, width)
    full = cv2.resize(frames[0], (width * 2, height * 2))
    assert np.isfinite(soft_alpha(full, followed[-1])).all()


def test_surer_masks_are_carried_to_the_frames_between_them(walker):
    frames, masks, _ = walker
    flows = compute_flows(frames, fast=True)
    carried = carry_between(frames, flows, {t: masks[t] for t in (4, 12, 20, 28)}, None)
    assert min(iou(carried[t], masks[t]) for t in range(33)) > 0.8
    alone = carry_between(frames, flows, {28: masks[28]}, None)
    assert np.array_equal(alone, propagate(frames, flows, 28, masks[28]))


def test_a_mask_that_its_neighbours_do_not_confirm_is_left_out(walker):
    frames, masks, _ = walker
    flows = compute_flows(frames, fast=True)
    right = {t: masks[t] for t in (8, 24)}
    elsewhere, half = np.roll(masks[16], 60, axis=0), masks[16].copy()
    half[75:] = False
    for wrong in (elsewhere, half):
        carried = carry_between(frames, flows, {**right, 16: wrong}, None)
        assert np.array_equal(carried, carry_between(frames, flows, right, None))


def test_where_motion_loses_something_the_frame_between_is_cut_out_too():
    frames, masks = drawn(33, (crossing(100, 1), RED))
    flows = compute_flows(frames, fast=True)
    asked = []

    def cut(t: int) -> np.ndarray:
        asked.append(t)
        return masks[t]

    carry_between(frames, flows, {t: masks[t] for t in (0, 16, 32)}, None, cut)
    assert asked == []
    chair = np.zeros_like(masks[0])
    chair[5:40, 10:80] = True
    seen = {t: masks[t] | chair for t in (0, 16)}  # and no more at 32
    lost = carry_between(frames, flows, {**seen, 32: masks[32]}, None, cut)
    assert asked == [24]
    assert np.array_equal(lost[24], masks[24])
    carry_between(frames, flows, {**seen, 24: masks[24], 32: masks[32]}, None, cut)
    assert asked == [24]  # nearer ones cost more than they bring


def test_a_mask_that_grows_because_somebody_joins_is_kept(walker):
    frames, masks, _ = walker
    flows = compute_flows(frames, fast=True)
    other = np.zeros_like(masks[0])
    other[5:40, 10:80] = True
    cuts = {t: masks[t] | (other & (t >= 24)) for t in (0, 4, 8, 12, 24, 28, 32)}
    carried = carry_between(frames, flows, cuts, None)
    assert (carried[30] & other).sum() > 0.8 * other.sum()


def test_a_mask_that_lacks_a_part_which_its_neighbours_agree_on_is_left_out():
    frames, masks = drawn(33, (crossing(100, 1), RED))
    flows = compute_flows(frames, fast=True)
    right = {t: masks[t] for t in (0, 8, 24, 32)}
    part = masks[16].copy()
    part[85:] = False
    assert 0.7 * masks[16].sum() < part.sum() < 0.8 * masks[16].sum()  # no unusual size
    carried = carry_between(frames, flows, {**right, 16: part}, None)
    assert np.array_equal(carried, carry_between(frames, flows, right, None))
