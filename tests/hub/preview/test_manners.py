"""Keys, light and dark, a phone, no motion, names for every control, and quick with many samples."""

import json
import shutil
import subprocess
import sys
import time

import pytest


def test_keys_move_in_the_grid_and_open_samples(visit, built_page):
    see = visit(built_page)
    see.keyboard.press("ArrowRight")
    see.keyboard.press("ArrowRight")
    see.keyboard.press("ArrowDown")
    columns = see.page.evaluate(
        "new Set([...document.querySelectorAll('.card')].map((card) => card.getBoundingClientRect().x)).size"
    )
    see.keyboard.press("Enter")
    see.page.wait_for_selector(".detail[open]")
    assert see.page.locator("#detail-id").inner_text() == see.ids()[1 + columns]
    see.keyboard.press("Escape")
    see.page.wait_for_selector(".detail[open]", state="detached")
    see.keyboard.press("/")
    assert see.page.evaluate("document.activeElement.id") == "search"
    see.keyboard.type("kdn?")  # words, not verdicts
    assert see.page.evaluate("SPARKLE.verdicts.counts().all") == 0
    see.keyboard.press("Escape")
    see.keyboard.press("Escape")
    see.keyboard.press("?")
    assert see.page.get_by_role("heading", name="Keys").is_visible()


def test_space_plays_and_pauses_also_after_a_click_on_a_button(visit, coded_page):
    see = visit(coded_page)
    see.open_first()
    see.page.locator(".tools").get_by_role("button", name="Mask").click()
    see.keyboard.press(" ")
    assert see.stage("video().paused")
    assert see.stage("mask")
    see.keyboard.press(" ")
    assert not see.stage("video().paused")


def brightness(page):
    colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
    return sum(map(int, colour[4:-1].split(",")))


def test_light_and_dark_follow_the_system_until_the_reader_chooses(visit, built_page):
    see = visit(built_page, color_scheme="dark")
    assert brightness(see.page) < 150
    see.page.emulate_media(color_scheme="light")
    assert brightness(see.page) > 700
    see.keyboard.press("t")
    see.keyboard.press("t")  # light, then dark
    assert brightness(see.page) < 150
    see.page.reload()
    see.page.wait_for_selector(".card")
    assert brightness(see.page) < 150


def test_a_phone_shows_everything_within_its_width(visit, built_page):
    see = visit(built_page, viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True)
    assert see.page.evaluate("document.documentElement.scrollWidth") == 360
    see.page.locator("#filters-open").tap()
    see.chip("season").tap()
    assert len(see.ids()) == 3
    see.page.get_by_role("button", name="Close the filters").tap()
    see.page.locator(".card__link").first.tap()
    see.wait_for_video()
    body = see.page.locator(".detail__body")
    assert body.evaluate("(body) => body.scrollWidth - body.clientWidth") == 0
    assert see.page.evaluate("document.documentElement.scrollWidth") == 360
    boxes = [button.bounding_box() for button in see.page.locator("button.verdict").all()]
    assert len(boxes) == 2
    assert all(box["height"] >= 40 and box["y"] + box["height"] <= 740 for box in boxes)


SWIPE = """([by]) => {
    const frame = document.querySelector('.stage__frame');
    const { left, top, width, height } = frame.getBoundingClientRect();
    const send = (type, x) => frame.dispatchEvent(new PointerEvent(type, {
        pointerId: 7, pointerType: 'touch', bubbles: true, clientX: x, clientY: top + height / 2,
    }));
    frame.setPointerCapture = () => {}; // of a finger that there is not
    send('pointerdown', left + width / 2);
    send('pointermove', left + width / 2 + by);
    send('pointerup', left + width / 2 + by);
}"""


def test_a_swipe_goes_to_the_next_and_the_previous_sample(visit, built_page):
    see = visit(built_page, viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True)
    see.page.locator(".card__link").first.tap()
    see.wait_for_video()
    name = see.page.locator("#detail-id")
    for by, wanted in (
        (-120, "Sparkle_location_000003"),
        (-20, "Sparkle_location_000003"),
        (120, see.ids()[0]),
    ):
        see.page.evaluate(SWIPE, [by])
        assert name.inner_text() == wanted
    see.wait_for_video()
    see.stage("zoomTo(2)")
    see.page.evaluate(SWIPE, [-120])  # moves the picture
    assert name.inner_text() == see.ids()[0]
    assert see.stage("zoom")["x"] > 0.5


@pytest.mark.parametrize("touch", [True, False])
def test_no_button_of_a_card_covers_its_pictures(visit, built_page, touch):
    see = visit(built_page, viewport={"width": 390, "height": 844}, has_touch=touch, is_mobile=touch)
    card = see.page.locator(".card").first
    card.hover()
    media = card.locator(".card__media").bounding_box()
    for button in card.get_by_role("button").all():
        assert button.is_visible()
        assert button.bounding_box()["y"] >= media["y"] + media["height"]


def test_numbers_say_their_unit_their_direction_and_what_was_asked(visit, built_page):
    see = visit(built_page, "#Sparkle_location_000003")
    see.page.wait_for_selector(".judged")
    facts = see.page.locator(".detail__facts")
    titles = {
        row.locator("dt").inner_text(): row.get_attribute("title")
        for row in facts.locator(".bars > div, .pairs > div[title]").all()
    }
    assert titles["Flicker"].endswith("(gray levels, 0 to 255; lower is better).")
    assert titles["Edited video"].endswith("(0 to 10; higher is better). Kept: at least 8.")
    assert see.page.locator(".clock").inner_text().endswith("/ 9")
    see.stage("video().pause()")
    see.stage("seek(8)")
    see.at_frame(8)
    assert see.page.locator(".clock").inner_text() == "9 / 9"
    see.keyboard.press("?")
    about = see.page.locator("#about").inner_text()
    assert "Subject removed" in about
    assert "at least 8.5" in about
    see.keyboard.press("Escape")
    see.leave()
    legend = see.page.locator(".legend")
    assert legend.inner_text().split() == ["8", "or", "less", "10"]


def test_nothing_moves_for_who_wants_no_motion(visit, coded_page):
    see = visit(coded_page, reduced_motion="reduce")
    see.page.wait_for_timeout(600)
    assert see.page.locator(".card video").count() == 0
    see.open_first()
    assert see.stage("video().paused")


def test_every_control_has_a_name(visit, built_page):
    see = visit(built_page)
    see.open_first()
    see.page.wait_for_selector(".judged")
    nameless = see.page.evaluate(
        """() => {
            const controls = 'button, a, input, select, textarea, canvas:not([aria-hidden])';
            const name = (one) => one.ariaLabel || one.textContent.trim() || one.labels?.length;
            const nameless = [...document.querySelectorAll(controls)].filter((one) => !name(one));
            return nameless.map((one) => one.outerHTML);
        }"""
    )
    assert nameless == []


@pytest.fixture(scope="module")
def large_page(built_page, tmp_path_factory):
    """500 samples that share the media of eleven."""
    folder = shutil.copytree(built_page, tmp_path_factory.mktemp("large") / "page")
    data = folder / "data" / "samples.js"
    document = json.loads(data.read_text("utf-8").removeprefix("SPARKLE.samples(").removesuffix(");\n"))
    few = document["samples"]
    document["samples"] = [
        {**few[index % len(few)], "id": f"Sparkle_location_{index:06d}"} for index in range(500)
    ]
    data.write_text(f"SPARKLE.samples({json.dumps(document)});\n", "utf-8")
    return folder


COUNTS = """() => {
    const cards = [...document.querySelectorAll('.card')];
    const boxes = cards.map((card) => card.getBoundingClientRect());
    const inside = boxes.filter(({ top, bottom }) => bottom > 0 && top < innerHeight);
    return { cards: cards.length, videos: document.querySelectorAll('video').length, visible: inside.length };
}"""


def test_five_hundred_samples_are_quick(visit, large_page, capsys):
    start = time.perf_counter()
    see = visit(large_page)
    opened = time.perf_counter() - start
    painted = see.page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
    see.page.wait_for_selector(".card video")
    seen = [see.page.evaluate(COUNTS)]
    for _ in range(20):
        see.page.mouse.wheel(0, 2500)
        seen.append(see.page.evaluate(COUNTS))
    see.keyboard.press("ArrowRight")
    see.keyboard.press("End")
    see.page.wait_for_selector('.card[data-id="Sparkle_location_000499"] video')
    seen.append(see.page.evaluate(COUNTS))
    with capsys.disabled():
        print(f"\n500 samples: first paint after {painted:.0f} ms, cards after {1000 * opened:.0f} ms")
    assert max(count["cards"] for count in seen) < 60
    assert max(count["videos"] for count in seen) < 40  # what just left is let go of within a frame or two


def test_only_what_is_on_the_screen_plays(visit, large_page):
    see = visit(large_page)
    see.page.wait_for_selector(".card video")
    see.page.mouse.wheel(0, 20000)
    see.until("document.querySelectorAll('.card video').length > 2")
    see.until(
        """[...document.querySelectorAll('.card video')].every((video) => {
            const { top, bottom } = video.getBoundingClientRect();
            return bottom > 0 && top < innerHeight;
        })"""
    )
    see.page.get_by_label("Play what is on screen").uncheck()
    assert see.page.locator(".card video").count() == 0


def test_a_page_that_is_not_finished_says_so(browser, built_page, tmp_path):
    folder = shutil.copytree(built_page, tmp_path / "page")
    shutil.rmtree(folder / "data")
    page = browser.new_context().new_page()
    page.set_default_timeout(120_000)  # ms: only ends a hang
    page.goto(f"{folder.as_uri()}/index.html")
    page.get_by_text("This page is not finished").wait_for()
    page.context.close()


def test_it_also_works_from_a_static_host(browser, built_page):
    server = subprocess.Popen(
        [
            sys.executable,
            "-u",
            "-m",
            "http.server",
            "0",
            "--bind",
            "127.0.0.1",
            "--directory",
            str(built_page),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        port = server.stdout.readline().split("port ")[1].split()[0]
        page = browser.new_context().new_page()
        page.set_default_timeout(120_000)  # ms: only ends a hang
        page.goto(f"http://127.0.0.1:{port}/#Sparkle_location_000003")
        page.wait_for_selector(".judged")
        page.wait_for_timeout(200)
        assert page.evaluate("SPARKLE.detail.stage().video().error") is None
        page.context.close()
    finally:
        server.terminate()
        server.wait()
        server.stdout.close()
