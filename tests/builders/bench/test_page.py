"""The page of a report in a browser: from the disk, without a request outside, words shown as words."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from harness import judged
from harness.audited import audit_of
from harness.videos import levels, write_video
from sparkle.builders.bench.audited import Fitness, Response
from sparkle.commands import main
from sparkle.schemas.calibration import Agreement, Calibration, Curve
from sparkle.schemas.canonical import dump_document
from sparkle.schemas.verdicts import JudgeIdentity

pytestmark = pytest.mark.slow

HOSTILE = "<img src=x onerror='window.hacked = 1'></script><script>window.hacked = 1</script> & \"quotes\""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three models, of which one is partial and hostile, with source and edit of the first sample."""
    work = tmp_path_factory.mktemp("report")
    better, worse = judged.verdicts(judged.level(3)), judged.verdicts(judged.level(1))
    judged.write(work / "a.jsonl", better, model="better")
    judged.write(work / "b.jsonl", worse, model="worse")
    judged.write(work / "c.jsonl", [judged.without_scores(worse[0], HOSTILE), *worse[1:]], model=HOSTILE)
    sample_id, theme, scene = judged.PLACES[0]
    places = [
        work / "bench" / "source_videos" / theme / f"{sample_id}.mp4",
        work / "edits" / theme / f"drawn---{scene.replace(' ', '_')}" / f"{sample_id}_edited.mp4",
    ]
    for place in places:
        place.parent.mkdir(parents=True)
        write_video(place, levels(9))
    words = ["--out", work / "page", "--bench", work / "bench", "--results", f"better={work / 'edits'}"]
    files = sorted(work.glob("*.jsonl"))
    done = CliRunner().invoke(main, ["bench", "report", *map(str, [*files, *words])])
    assert done.exit_code == 0, done.output
    return work / "page"


@pytest.fixture
def visit(browser: Any) -> Iterator[Callable[[Path], Any]]:
    """Opens a report; one that logs an error or asks for anything outside of its folder fails its test."""
    wrong: list[str] = []
    opened = []

    def visit(folder: Path) -> Any:
        def asked(request: Any) -> None:
            if not request.url.startswith((folder.as_uri(), "data:")):
                wrong.append(request.url)

        page = browser.new_page()
        page.set_default_timeout(120_000)  # ms: only ends a hang
        opened.append(page)
        page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("request", asked)
        page.goto(f"{folder.as_uri()}/index.html")
        page.wait_for_selector(".edit")
        return page

    yield visit
    for page in opened:
        page.close()
    assert wrong == []


@pytest.fixture
def page(folder: Path, visit: Callable[[Path], Any]) -> Any:
    return visit(folder)


def models(page: Any) -> list[str]:
    return [row.get_attribute("data-model") for row in page.query_selector_all("tr[data-model]")]


def test_the_table_is_sorted_by_any_column_and_partial_rows_have_bounds(page: Any) -> None:
    assert models(page) == ["better", "worse", HOSTILE]
    page.click("th button:text-is('Overall')")
    assert models(page) == [HOSTILE, "worse", "better"]
    page.click("th button:text-is('Model')")
    assert models(page) == sorted(["better", "worse", HOSTILE])
    cell = page.query_selector("tr[data-model='better'] .num")
    assert "95 % interval" in cell.get_attribute("title")
    partial = page.query_selector(".judge tbody tr >> text=partial, 35/36")
    assert partial is not None
    page.select_option(".judge select", "style")
    assert page.query_selector(".judge tbody tr >> text=partial") is None


def test_words_are_shown_as_words(page: Any) -> None:
    assert page.evaluate("window.hacked") is None
    assert HOSTILE in page.inner_text("#sample-view")
    assert page.query_selector_all("#sample-view img, #sample-view b") == []


def test_every_sample_is_a_click_away(page: Any) -> None:
    heading = "document.querySelector('#sample-view h3').textContent"
    first = page.inner_text("#sample-view h3")
    page.click("#next")
    page.wait_for_function(f"first => {heading} !== first", arg=first)
    page.click("#back")
    page.wait_for_function(f"first => {heading} === first", arg=first)
    page.select_option("#theme", "style")
    page.wait_for_function(f"{heading}.includes('style')")


def test_source_and_edit_play_in_step(page: Any) -> None:
    videos = page.query_selector_all("#sample-view video")
    assert len(videos) == 2
    page.wait_for_function("[...document.querySelectorAll('video')].every((one) => one.readyState >= 1)")
    videos[0].evaluate("one => { one.currentTime = one.duration / 2; }")
    page.wait_for_function(
        "() => { const [a, b] = document.querySelectorAll('video');"
        " return a.currentTime > 0 && Math.abs(a.currentTime - b.currentTime) < 0.02; }"
    )


def test_the_verdicts_that_it_is_made_of_can_be_read(page: Any, folder: Path) -> None:
    links = [link.get_attribute("href") for link in page.query_selector_all(".judge a")]
    assert len(links) == 3
    assert all((folder / link).is_file() for link in links)


def test_judges_are_compared_score_by_score(tmp_path: Path, visit: Callable[[Path], Any]) -> None:
    pytest.importorskip("scipy")
    pytest.importorskip("krippendorff")
    files = [
        judged.write(tmp_path / f"{judge}.jsonl", judged.verdicts(judged.level(shift)), judge=judge)
        for judge, shift in (("strict", 1), ("lenient", 3))
    ]
    words = ["bench", "report", *map(str, files), "--out", str(tmp_path / "page")]
    assert CliRunner().invoke(main, words).exit_code == 0
    page = visit(tmp_path / "page")
    assert "lenient and strict" in page.inner_text("#judges")
    assert len(page.query_selector_all(".scatter .mean")) == 1
    told = [title.inner_html() for title in page.query_selector_all(".scatter .dot title")]
    assert sum(int(text.rpartition(": ")[2]) for text in told) == len(judged.PLACES)
    page.click("summary")
    cells = page.query_selector_all("details tbody td:not(:first-child)")
    counts = [int(cell.inner_text()) for cell in cells]
    assert sum(counts) == 6 * len(judged.PLACES)


def test_the_page_says_which_baselines_have_no_verdicts(page: Any) -> None:
    assert page.get_by_text("Baselines without verdicts: source, frozen, copy_paste, classical").count() == 1


def test_what_an_audit_and_a_calibration_found_stands_beside_the_table(
    tmp_path: Path, visit: Callable[[Path], Any]
) -> None:
    file = judged.write(tmp_path / "a.jsonl", judged.verdicts(judged.level(3)))
    head = judged.head()
    keys = [dimension.key for dimension in head.rubric.dimensions]
    response = Response(samples=3, spearman=0.9, interval=(0.8, 0.95), auc=1.0, leak=0.1, fell={})
    blind = Fitness(False, ("does not see held (Spearman 0.00, AUC 0.50)", HOSTILE), response)
    fit = {key: blind if key == "fg_motion" else Fitness(True, (), response) for key in keys}
    audit = audit_of(fit)
    (tmp_path / "audit.json").write_bytes(dump_document(audit))
    curve = Curve(
        given=(1.0, 5.0),
        meant=(1.0, 3.0),
        pairs=100,
        scenes=9,
        before=Agreement(1, 1),
        after=Agreement(0.5, 0),
    )
    calibration = Calibration(
        format="sparkle-calibration",
        version=1,
        rubric=head.rubric,
        judge=head.judge,
        reference=JudgeIdentity("people", "human"),
        folds=5,
        verdicts=((), ()),
        dimensions=dict.fromkeys(keys, curve),
    )
    (tmp_path / "calibration.json").write_bytes(dump_document(calibration))
    words = ["--audit", tmp_path / "audit.json", "--calibration", tmp_path / "calibration.json"]
    done = CliRunner().invoke(
        main, ["bench", "report", *map(str, [file, *words, "--out", tmp_path / "page"])]
    )
    assert done.exit_code == 0, done.output
    page = visit(tmp_path / "page")
    rows = {
        row.get_attribute("data-dimension"): row.inner_text()
        for row in page.query_selector_all(".audit tbody tr")
    }
    assert [*rows] == keys
    assert "not fit for FgMo" in rows["fg_motion"]
    assert "does not see held" in rows["fg_motion"]
    assert HOSTILE in rows["fg_motion"]
    assert "not fit" not in rows["visual"]
    assert "on the scale of people (human)" in page.inner_text(".judge")
    before = page.inner_text("tr[data-model] td:nth-child(3)")
    page.select_option("select.form", "calibrated")
    assert float(page.inner_text("tr[data-model] td:nth-child(3)")) < float(before)
