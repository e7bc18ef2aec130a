"""Source and edited, and whatever else is compared, are at the same frame; overlays are where they belong."""

import numpy as np
import pytest

from harness import reviewer

FRAMES = 49  # of the coded clips


@pytest.mark.slow
def test_source_and_edited_are_at_the_same_frame_while_playing(visit, coded_page):
    see = visit(coded_page)
    see.open_first()
    seen = [see.numbers() for _ in range(12)]
    assert all(left == right for left, right in seen)
    assert len({left for left, _ in seen}) > 3  # it plays


def test_they_are_at_the_frame_that_was_asked_for(visit, coded_page):
    see = visit(coded_page)
    see.open_first()
    for target in (0, FRAMES - 1, 17, 24, 23, 1):
        see.seek(target)
        assert see.numbers() == (target, target)
    see.keyboard.press(".")
    see.at_frame(2)
    see.keyboard.press(",")
    see.keyboard.press(",")
    see.at_frame(0)
    assert see.numbers() == (0, 0)


def test_a_frame_that_is_asked_for_while_the_clip_starts_again_is_shown(visit, built_page):
    see = visit(built_page)
    see.open_first()
    for target in (3, 7, 1, 8, 0, 5):  # of nine frames: it starts again twice a second
        see.stage("video().play()")
        see.page.wait_for_timeout(300)
        see.seek(target)


def test_the_timeline_moves_both(visit, coded_page):
    see = visit(coded_page)
    see.open_first()
    see.keyboard.press(" ")
    timeline = see.page.get_by_role("slider", name="Frame")
    timeline.focus()
    timeline.fill("30")
    see.at_frame(30)
    assert see.numbers() == (30, 30)


@pytest.mark.slow
def test_a_browser_that_tells_no_frames_is_in_step_as_well(visit, coded_page):
    see = visit(coded_page, script="delete HTMLVideoElement.prototype.requestVideoFrameCallback")
    see.open_first()
    seen = [see.numbers() for _ in range(6)]
    assert all(left == right for left, right in seen)
    assert len({left for left, _ in seen}) > 1
    see.seek(31)
    assert see.numbers() == (31, 31)


def test_colours_are_those_of_the_release(visit, coded_page):
    see = visit(coded_page)
    see.open_first()
    see.seek(12)
    picture = see.shot()
    for column, colour in ((60, reviewer.SOURCE_COLOUR), (-60, reviewer.EDITED_COLOUR)):
        assert np.abs(picture[-40, column].astype(int) - colour).max() < 8


def test_what_is_compared_can_be_chosen_and_stays_in_step(visit, coded_page):
    see = visit(coded_page)
    see.open_first()
    see.seek(21)
    see.keyboard.press("Shift+3")  # the background on the right
    assert see.numbers() == (21, 21)
    right = see.shot()[-40, -60]
    assert right[1] > right[0] + 60  # its green
    see.keyboard.press("Alt+2")
    left = see.shot()[-40, 60]
    assert left[2] > left[0] + 60  # the edited video's blue
    assert see.page.get_by_label("Left picture", exact=True).input_value() == "edited_video"


def test_stacked_pictures_fill_the_room_and_are_in_step(visit, coded_page):
    see = visit(coded_page)
    see.open_first()
    see.seek(11)
    side = see.page.locator(".stage__canvas").bounding_box()
    see.keyboard.press("v")
    see.until("document.querySelector('.stage__canvas').clientHeight > 400")
    picture = see.shot()
    middle, gap = picture.shape[0] // 2, 4
    assert (reviewer.read_code(picture[: middle - gap]), reviewer.read_code(picture[middle + gap :])) == (
        11,
        11,
    )
    see.keyboard.press("f")
    see.until("document.querySelector('.stage__canvas').clientHeight > 560")  # of 800
    assert see.page.locator("button.verdict").first.is_visible()
    see.keyboard.press("s")
    see.until(f"document.querySelector('.stage__canvas').clientWidth > {1.4 * side['width']}")
    assert see.numbers() == (11, 11)
    see.keyboard.press("f")
    see.until(f"document.querySelector('.stage__canvas').clientWidth === {round(side['width'])}")


def test_both_sides_are_zoomed_and_moved_alike(visit, coded_page):
    see = visit(coded_page)
    see.open_first()
    see.seek(1)
    box = see.page.locator(".stage__canvas").bounding_box()
    # The lower right corner of the source, at which the wheel zooms, has no bars.
    see.page.mouse.move(box["x"] + 0.49 * box["width"], box["y"] + 0.97 * box["height"])
    see.page.mouse.wheel(0, -600)
    see.until("SPARKLE.detail.stage().zoom.scale > 3")
    picture = see.shot()
    width = picture.shape[1] // 2
    for half, colour in (
        (picture[40:-8, 8 : width - 12], reviewer.SOURCE_COLOUR),
        (picture[40:-8, width + 12 : -8], reviewer.EDITED_COLOUR),
    ):
        assert np.abs(half.astype(int) - colour).max() < 30
    see.page.mouse.down()
    see.page.mouse.move(box["x"] + 2 * box["width"], box["y"] + 3 * box["height"], steps=4)
    see.page.mouse.up()
    assert see.stage("zoom")["x"] < 0.2  # at the upper left corner, where the bars are
    assert see.stage("zoom")["y"] < 0.3
    left, right = (see.shot()[:, part] for part in (slice(0, width - 4), slice(-width + 4, None)))
    bars = [(half.min(axis=2) > 200).mean() for half in (left, right)]
    assert bars[0] == pytest.approx(bars[1], abs=0.02)
    assert bars[0] > 0.1
    see.keyboard.press("0")
    assert see.numbers() == (1, 1)
    see.keyboard.press("+")
    assert see.stage("zoom")["scale"] == 1.5
    see.keyboard.press("ArrowRight")
    assert see.stage("zoom")["scale"] == 1


def test_a_zoomed_wipe_and_difference_show_the_same_part(visit, coded_page):
    see = visit(coded_page)
    see.open_first()
    see.seek(1)
    see.keyboard.press("w")
    see.stage("zoomTo(4, 0.95, 0.95)")
    picture = see.shot().astype(int)
    for part, colour in (
        (picture[40:-8, 8 : picture.shape[1] // 2 - 40], reviewer.SOURCE_COLOUR),
        (picture[40:-8, picture.shape[1] // 2 + 40 : -8], reviewer.EDITED_COLOUR),
    ):
        assert np.abs(part - colour).max() < 30
    see.keyboard.press("x")
    assert see.shot()[40:-8, 8:-8].min(axis=(0, 1)).max() > 200  # four times what red and blue differ by
    assert see.page.locator(".tools").get_by_role("button", name="Mask").is_disabled()


def test_the_wipe_uncovers_the_edited_video(visit, coded_page):
    see = visit(coded_page)
    see.open_first()
    see.seek(5)
    see.keyboard.press("w")
    wipe = see.page.get_by_role("slider", name="Wipe")
    for percent in (50, 20, 90):
        wipe.fill(str(percent))
        picture = see.shot()
        row, width = picture[-30].astype(int), picture.shape[1]
        reddish = row[:, 0] > row[:, 2]
        edge = width * percent // 100
        assert reddish[8 : edge - 24].all()
        assert not reddish[edge + 24 : -8].any()


def test_a_pointer_moves_the_wipe(visit, coded_page):
    see = visit(coded_page)
    see.open_first()
    see.keyboard.press("w")
    box = see.page.locator(".stage__canvas").bounding_box()
    see.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    see.page.mouse.down()
    see.page.mouse.move(box["x"] + box["width"] * 0.25, box["y"] + box["height"] / 2, steps=4)
    see.page.mouse.up()
    assert see.stage("wipe()") == pytest.approx(25, abs=3)


def test_the_difference_is_black_where_both_are_alike(visit, coded_page):
    see = visit(coded_page)
    see.open_first()
    see.seek(9)
    see.keyboard.press("x")
    picture = see.shot()
    height, width = picture.shape[:2]
    bars, below = picture[height // 8 : height // 3, width // 4 : width // 2], picture[-30, width // 2]
    assert np.median(bars) < 30
    assert below.max() > 200


def test_the_mask_tints_what_it_covers_and_nothing_else(visit, coded_page):
    see = visit(coded_page)
    see.open_first()
    see.seek(3)
    plain = see.shot().astype(int)
    see.keyboard.press("m")
    tinted = see.shot().astype(int)
    height, width = plain.shape[0], plain.shape[1] // 2
    inside = (slice(int(0.55 * height), int(0.78 * height)), slice(int(0.3 * width), int(0.7 * width)))
    outside = (slice(int(0.86 * height), int(0.98 * height)), slice(int(0.05 * width), int(0.2 * width)))
    colour = np.array([236, 72, 153])
    wanted = plain[inside] * 0.45 + colour * 0.55
    assert np.abs(tinted[inside] - wanted).mean() < 8
    assert np.abs(tinted[outside] - plain[outside]).max() < 8
    see.keyboard.press("m")
    assert np.abs(see.shot().astype(int) - plain).max() < 8


def test_boxes_are_drawn_where_they_were_found(visit, built_page):
    see = visit(built_page)
    see.open_first()
    see.until("SPARKLE.detail.stage().details.round2")
    see.seek(0)
    plain = see.shot().astype(int)
    see.keyboard.press("b")
    changed = np.abs(see.shot().astype(int) - plain).max(axis=2) > 60
    width = (changed.shape[1] - 8) // 2
    rows, columns = np.nonzero(changed[:, :width])
    # The box is [250, 250, 600, 700] in thousandths; its label stands above it.
    assert columns.min() == pytest.approx(0.25 * width, abs=5)
    assert rows.max() == pytest.approx(0.7 * changed.shape[0], abs=5)
    see.keyboard.press("b")
    see.keyboard.press("b")
    assert np.abs(see.shot().astype(int) - plain).max() < 30


def test_a_sample_without_mask_and_scores_says_so(visit, coded_page):
    see = visit(coded_page, "#Sparkle_location_000001")
    see.page.wait_for_selector(".detail[open]")
    see.wait_for_video()
    assert see.page.locator(".tools").get_by_role("button", name="Mask").is_disabled()
    assert see.page.locator(".thumb").count() == 2
    assert see.page.locator(".bars").count() == 0
    assert see.page.locator("#filters").get_by_text("Score or measure").count() == 0
