"""Verdicts: kept in the browser, saved to a file that a build takes, loaded again."""

import json

import pytest
from click.testing import CliRunner

from sparkle.builders.building.run import read_run
from sparkle.builders.building.selection import read_dropped
from sparkle.builders.release.manifest import read_manifest
from sparkle.commands.build import build


def test_saved_verdicts_are_what_build_leaves_out(visit, built_page, built_run, tmp_path):
    see = visit(built_page)
    see.open_first()
    see.keyboard.press("d")  # and on to the next
    see.keyboard.press("k")
    see.keyboard.press("n")
    see.keyboard.type("the hand flickers")
    see.keyboard.press("Escape")
    see.keyboard.press("d")
    see.keyboard.press("Escape")
    see.page.locator(".card").nth(4).hover()
    see.page.locator(".card").nth(4).get_by_role("button", name="drop").click()
    see.page.locator(".card").nth(4).get_by_role("button", name="drop").click()  # taken back
    file = see.save(tmp_path)
    seen = read_run(built_run)
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert {line.pop("release") for line in lines} == {"release"}
    assert {line.pop("reviewer") for line in lines} == {"Ann"}
    for line in lines:
        assert line.pop("source") == seen.candidates[line["id"]].source
    assert lines == [
        {"id": "Sparkle_location_000000", "verdict": "drop"},
        {"id": "Sparkle_location_000003", "verdict": "keep"},
        {"id": "Sparkle_location_000006", "verdict": "drop", "note": "the hand flickers"},
    ]
    result = CliRunner().invoke(
        build, [str(built_run), "--out", str(tmp_path / "next"), "--preview", "2", "--exclude", str(file)]
    )
    assert result.exit_code == 0, result.output
    paths = "\n".join(entry.path for entry in read_manifest(tmp_path / "next"))
    table = (tmp_path / "next/prompts/location_train.csv").read_text()
    assert "Sparkle_location_000003" in table
    assert "Sparkle_location_000003" in paths
    assert not any(gone in table + paths for gone in ("Sparkle_location_000000", "Sparkle_location_000006"))


def test_verdicts_survive_a_reload_and_another_tab_sees_them(visit, built_page, tmp_path):
    see = visit(built_page)
    see.page.locator(".card__link").first.focus()
    see.keyboard.press("k")
    see.keyboard.press("ArrowRight")
    see.keyboard.press("d")
    see.page.reload()
    see.page.wait_for_selector(".card[data-verdict=keep]")
    other = see.page.context.new_page()
    other.goto(see.page.url)
    other.wait_for_selector(".card[data-verdict=drop]")
    other.locator(".card__link").first.focus()
    other.keyboard.press("u")
    see.page.wait_for_selector(".card[data-verdict=keep]", state="detached")
    see.page.get_by_role("button", name="Drop 1", exact=True).click()
    assert see.ids() == ["Sparkle_location_000003"]
    see.page.get_by_role("button", name="Drop 1", exact=True).click()
    see.page.get_by_role("button", name="Not decided").click()
    assert len(see.ids()) == 10


def test_a_file_of_verdicts_is_loaded_and_what_it_says_of_others_is_kept(visit, built_page, tmp_path):
    lines = [
        '{"id": "Sparkle_location_000003", "verdict": "drop"}',
        '{"id": "Sparkle_location_000003", "verdict": "note", "note": "blurred"}',
        '{"id": "Sparkle_time_000007", "verdict": "drop"}',  # of no sample here
        "Sparkle_season_000003",  # a plain id is to be left out
    ]
    (tmp_path / "before.jsonl").write_text("\n".join(lines) + "\n")
    see = visit(built_page)
    see.page.locator("#file").set_input_files(tmp_path / "before.jsonl")
    see.page.get_by_text("3 verdicts loaded").wait_for()
    see.page.wait_for_selector('.card[data-id="Sparkle_season_000003"][data-verdict=drop]')
    saved = [json.loads(line) for line in see.save(tmp_path).read_text().splitlines()]
    assert saved == [
        {"id": "Sparkle_location_000003", "verdict": "drop", "note": "blurred"},
        {"id": "Sparkle_season_000003", "verdict": "drop"},
        {"id": "Sparkle_time_000007", "verdict": "drop"},
    ]  # and not as Ann's, who gave none of them


def test_verdicts_on_another_runs_clip_are_refused(visit, built_page, tmp_path):
    line = {"id": "Sparkle_location_000003", "verdict": "drop", "source": "0" * 64}
    (tmp_path / "others.jsonl").write_text(json.dumps(line) + "\n")
    see = visit(built_page)
    see.page.locator("#file").set_input_files(tmp_path / "others.jsonl")
    message = see.page.locator(".toast--bad")
    message.wait_for()
    assert "Sparkle_location_000003 is another clip here" in message.inner_text()
    assert see.page.evaluate("SPARKLE.verdicts.counts().all") == 0


def test_tags_are_saved_and_build_looks_at_the_verdict_alone(visit, built_page, tmp_path):
    see = visit(built_page)
    see.open_first()
    see.keyboard.press("4")
    see.keyboard.press("1")
    see.keyboard.press("2")
    see.keyboard.press("2")  # taken back
    see.keyboard.press("d")
    see.page.locator(".decide").get_by_role("button", name="still").click()
    see.leave()
    lines = see.save(tmp_path).read_text().splitlines()
    first, second = (json.loads(line) for line in lines)
    assert (first["verdict"], first["tags"]) == ("drop", ["halo", "wrong scene"])
    assert (second["verdict"], second["tags"]) == ("note", ["still"])
    assert "date" not in first
    assert list(read_dropped(tmp_path / "verdicts.jsonl")) == [first["id"]]
    see.chip("wrong scene").click()
    assert see.ids() == [first["id"]]


def test_the_last_decisions_are_taken_back_one_by_one(visit, built_page):
    see = visit(built_page)
    see.open_first()
    see.keyboard.press("d")
    see.keyboard.press("3")
    see.keyboard.press("z")
    see.keyboard.press("z")
    assert see.page.locator("#detail-id").inner_text() == "Sparkle_location_000000"
    assert see.page.evaluate("SPARKLE.verdicts.counts().all") == 0
    see.keyboard.press("z")
    see.page.get_by_text("There is nothing to take back").wait_for()


def test_all_that_is_filtered_is_dropped_after_a_question_that_says_how_many(visit, built_page):
    see = visit(built_page)
    assert see.page.locator("#drop-all").is_hidden()  # without a filter
    see.page.locator('.card[data-id="Sparkle_location_000000"] .card__link').focus()
    see.keyboard.press("k")
    see.chip("season").click()
    see.page.locator("#drop-all").click()
    see.page.get_by_role("heading", name="Drop 3 samples?").wait_for()
    see.page.locator("#ask").get_by_role("button", name="Cancel").click()
    assert see.page.evaluate("SPARKLE.verdicts.counts().drop") == 0
    see.page.locator("#drop-all").click()
    see.page.locator("#ask").get_by_role("button", name="Drop").click()
    see.page.get_by_text("3 dropped").wait_for()
    counts = "(({ keep, drop }) => [keep, drop])(SPARKLE.verdicts.counts())"
    assert see.page.evaluate(counts) == [1, 3]
    see.page.get_by_role("button", name="Undo").click()
    see.page.get_by_text("Taken back: 3 verdicts").wait_for()
    assert see.page.evaluate(counts) == [1, 0]


def test_a_question_that_follows_at_once_gets_its_own_answer(visit, built_page):
    """The dialog tells that it was closed only later, when the next question is there already."""
    see = visit(built_page)
    answers = see.page.evaluate(
        """async () => {
            const ask = (title) => SPARKLE.ask({ title, text: '', yes: 'Yes' });
            const press = (name) => [...document.querySelectorAll('#ask button')]
                .find((button) => button.textContent === name).click();
            const first = ask('First?');
            press('Cancel');
            const second = ask('Second?');
            await new Promise((resolve) => setTimeout(resolve, 200));
            press('Yes');
            return Promise.all([first, second]);
        }"""
    )
    assert answers == [None, True]


def test_files_of_several_reviewers_are_merged_and_say_where_they_differ(visit, built_page, tmp_path):
    shared, alone = "Sparkle_location_000000", "Sparkle_location_000003"
    files = {
        "ann": [{"id": shared, "verdict": "keep", "note": "fine"}, {"id": alone, "verdict": "drop"}],
        "bob": [
            {"id": shared, "verdict": "drop", "tags": ["halo"]},
            {"id": alone, "verdict": "note", "note": "dark"},
        ],
    }
    for name, lines in files.items():
        text = "".join(json.dumps(line | {"reviewer": name}) + "\n" for line in lines)
        (tmp_path / f"{name}.jsonl").write_text(text)
    see = visit(built_page)
    see.page.locator("#file").set_input_files([tmp_path / f"{name}.jsonl" for name in files])
    see.page.get_by_text(f"Reviewers differ on {shared}").wait_for()
    see.chip("Reviewers differ").click()
    assert see.ids() == [shared]
    saved = [json.loads(line) for line in see.save(tmp_path).read_text().splitlines()]
    assert saved == [
        {"id": shared, "verdict": "drop", "tags": ["halo"], "note": "fine", "reviewer": "bob"},
        {"id": alone, "verdict": "drop", "note": "dark", "reviewer": "ann"},
    ]
    see.page.reload()
    see.page.wait_for_selector(".card")
    see.open_first()
    assert "ann keep, bob drop" in see.page.locator(".differ").inner_text()
    see.keyboard.press("k")
    see.leave()
    assert see.page.evaluate("SPARKLE.verdicts.anyDiffer()") is False


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"id": "Sparkle_location_000003", "verdict": "perhaps"}', "neither keep, drop nor note"),
        ('{"id": "Sparkle_location_000003", "verdict": "drop", "tags": "halo"}', "tags are a list"),
        ('{"id": "../../etc", "verdict": "drop"}', "no id of a sample"),
        ('{"id": "Sparkle_loca', "no JSON"),
        ("", "no JSON"),
    ],
)
def test_a_bad_file_of_verdicts_changes_nothing_and_is_told_by_line(visit, built_page, tmp_path, line, said):
    good = '{"id": "Sparkle_location_000000", "verdict": "drop"}'
    (tmp_path / "bad.jsonl").write_text(f"{good}\n{line}\n{good}\n")
    see = visit(built_page)
    see.page.locator("#file").set_input_files(tmp_path / "bad.jsonl")
    message = see.page.locator(".toast--bad")
    message.wait_for()
    assert "line 2" in message.inner_text()
    assert said in message.inner_text()
    assert see.page.evaluate("SPARKLE.verdicts.counts().all") == 0
