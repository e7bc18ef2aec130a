"""What the page says of a sample, and how samples are found: filters, search, order, links."""

import shutil

from sparkle.hub.preview.make import make_page


def test_prompt_scores_and_reasonings_are_there(visit, built_page):
    see = visit(built_page, "#Sparkle_location_000003")
    see.page.wait_for_selector(".judged")
    facts = see.page.locator(".detail__facts").inner_text()
    assert "Put the square of Sparkle_location_000003 on a rooftop." in facts
    assert "9.75" in facts
    assert "It looks clean." in see.page.locator(".detail__facts").text_content()
    assert "A grey wall." in facts
    see.page.get_by_role("button", name="Frame 4").click()
    see.at_frame(3)


def test_hostile_text_is_text(visit, built_page):
    see = visit(built_page, "#Sparkle_location_000006")
    see.page.wait_for_selector(".judged")
    assert see.page.locator(".prompt").text_content().startswith('<img src=x onerror="window.hacked')
    assert see.page.evaluate("window.hacked") is None
    assert see.page.locator(".prompt img").count() == 0


def test_what_cannot_be_shown_is_said_and_can_be_found(visit, built_release, tmp_path):
    release = shutil.copytree(built_release, tmp_path / "release")
    for path in (*release.glob("season_*_video_part*.tar"), *release.glob("season/*/*.mp4")):
        path.unlink()
    see = visit(make_page(str(release), tmp_path / "page").out)
    see.page.get_by_label("Only with a problem (3)").check()
    assert [sample_id.split("_")[1] for sample_id in see.ids()] == ["season"] * 3
    assert "source_video: an artifact is not there" in see.page.locator(".card").first.inner_text()
    see.page.locator(".card__link").first.click()
    see.page.get_by_text("There is no video to show.").wait_for()
    assert see.page.locator(".problems li").count() == 2
    see.keyboard.press("d")  # it can be judged all the same
    assert see.page.locator("#detail-id").inner_text() == "Sparkle_season_000003"
    assert see.page.evaluate("SPARKLE.verdicts.counts().drop") == 1


def test_markup_that_got_in_would_not_run(visit, built_page):
    see = visit(built_page, expect="Content Security Policy")
    see.page.evaluate(
        """() => {
            document.addEventListener('securitypolicyviolation', () => { window.refused = true; });
            const script = document.createElement('script');
            script.textContent = 'window.hacked = 1';
            document.body.append(script);
        }"""
    )
    see.until("window.refused")
    assert see.page.evaluate("window.hacked") is None


def test_themes_and_search_give_the_right_samples(visit, built_page):
    see = visit(built_page)
    assert len(see.ids()) == 11
    see.chip("season").click()
    assert see.ids() == [f"Sparkle_season_{index:06d}" for index in (0, 3, 6)]
    see.chip("openve3m").click()
    assert len(see.ids()) == 5
    see.page.get_by_role("searchbox").fill("beach SQUARE")
    assert see.ids() == ["Sparkle_season_000000"]
    see.page.get_by_role("searchbox").fill("no such words")
    assert see.ids() == []
    assert see.page.get_by_text("No sample fits these filters.").is_visible()
    see.page.locator("#clear").click()
    assert len(see.ids()) == 11


def test_subtheme_and_scores_narrow_and_sort(visit, built_page):
    see = visit(built_page)
    see.page.get_by_label("Subtheme").select_option("season/urban")
    assert len(see.ids()) == 3
    see.page.get_by_role("button", name="Clear all filters").click()
    see.page.get_by_role("slider", name="Edited video, at most").fill("8.6")
    assert see.ids() == ["Sparkle_location_000009", "Sparkle_season_000003"]
    see.page.get_by_role("slider", name="Edited video, at least").fill("8.4")
    assert see.ids() == ["Sparkle_season_000003"]
    see.page.get_by_role("button", name="Clear all filters").click()
    see.page.get_by_label("Sort").select_option("edited_video_score")
    assert see.ids()[:2] == ["Sparkle_location_000009", "Sparkle_season_000003"]
    see.page.get_by_label("Sort").select_option("edited_video_score-")
    assert see.ids()[0] == "Sparkle_location_000003"


def test_filters_stand_in_the_link(visit, built_page):
    see = visit(built_page)
    see.chip("season").click()
    see.page.get_by_role("slider", name="Edited video, at most").fill("8.6")
    link = see.page.evaluate("location.hash")
    assert visit(built_page, link).ids() == ["Sparkle_season_000003"]


def test_a_link_opens_its_sample_and_the_way_back_closes_it(visit, built_page):
    see = visit(built_page)
    see.open_first()
    assert see.page.evaluate("location.hash") == "#Sparkle_location_000000"
    see.keyboard.press("ArrowRight")
    assert see.page.evaluate("location.hash") == "#Sparkle_location_000003"
    see.page.go_back()
    see.page.wait_for_selector(".detail[open]", state="detached")
    assert see.page.evaluate("location.hash") in ("", "#")
    see.page.evaluate("location.hash = '#Sparkle_season_000006'")
    see.page.wait_for_selector(".detail[open]")
    assert see.page.locator("#detail-id").inner_text() == "Sparkle_season_000006"
    see.keyboard.press("Escape")
    see.page.wait_for_selector(".detail[open]", state="detached")
