"""A page of a run: what it kept and what it did not, where and why, as far as each sample came."""

import shutil

import pytest
from click.testing import CliRunner

from harness import factories
from harness.factories import SampleSpec
from sparkle.builders.building.from_runs import build_release
from sparkle.builders.building.provenance import ReleaseOptions
from sparkle.commands import hub
from sparkle.hub.preview.make import make_page
from sparkle.hub.preview.rows import ReleaseRows
from sparkle.hub.preview.run_rows import RunRows
from sparkle.schemas import layout
from sparkle.schemas.errors import ReleaseError

KEPT, MOVING, LOW, FAILED = (f"Sparkle_location_{number:06d}" for number in range(4))
SPECS = [
    SampleSpec(KEPT),
    SampleSpec(MOVING, rejected_at="flow"),
    SampleSpec(LOW, scores={"video_score": 7.5}),
    SampleSpec(FAILED, failed_at="edit"),
]


@pytest.fixture(scope="module")
def mixed_run(tmp_path_factory):
    return factories.write_run(tmp_path_factory.mktemp("mixed") / "run", SPECS)


@pytest.fixture(scope="module")
def run_page(mixed_run):
    return make_page(str(mixed_run), mixed_run.parent / "page").out


def test_every_sample_says_where_it_ended_and_has_what_was_made(mixed_run):
    rows = RunRows(str(mixed_run))
    assert rows.ids == [KEPT, MOVING, LOW, FAILED]
    ended = [rows.facts(row).get("ended") for row in range(4)]
    assert ended[0] is None
    assert [(one["status"], one["step"]) for one in ended[1:]] == [
        ("rejected", "flow"),
        ("rejected", "video_score"),
        ("failed", "edit"),
    ]
    assert ended[2]["why"] == "video score too low: 7.500, wanted 8 or more"
    made = [set(rows.artifacts(row, layout.KINDS)) for row in range(4)]
    assert made[0] == made[2] == set(layout.KINDS)
    assert made[1] == {layout.SOURCE_VIDEO, layout.SOURCE_FRAME0}
    assert rows.facts(1)["camera_long"] == 9.0
    assert rows.facts(0)["source"] == f"{KEPT}.mp4"
    assert rows.limits["camera_long"] == (None, 0.2)


def test_a_kept_sample_has_the_numbers_and_words_of_its_release(mixed_run, tmp_path):
    build_release([mixed_run], tmp_path / "release", ReleaseOptions(preview=1))
    run, release = RunRows(str(mixed_run), ids=[KEPT]), ReleaseRows(str(tmp_path / "release"))
    of_run, of_release = run.facts(0), release.facts(0)
    assert of_release.items() <= of_run.items()
    assert run.details(range(1)) == release.details(range(1))
    assert run.limits == release.limits


def test_kept_and_rejected_are_filtered_and_reasons_are_on_card_and_detail(visit, run_page):
    see = visit(run_page)
    assert len(see.ids()) == 4
    see.chip("Kept").click()
    assert see.ids() == [KEPT]
    see.chip("Rejected").click()
    assert see.ids() == [MOVING, LOW]
    assert "Rejected at flow. moving camera" in see.page.locator(".card").first.inner_text()
    see.page.get_by_label("Not kept because").select_option("flow: moving camera")
    assert see.ids() == [MOVING]
    see.open_first()
    facts = see.page.locator(".detail__facts")
    assert "Rejected at flow. moving camera: 9.00 px" in facts.inner_text()
    see.until("document.querySelector('.rows')")
    assert f"{MOVING}.mp4" in facts.inner_text()
    assert "cc0-1.0" in facts.inner_text()
    measure = facts.locator(".pairs > div", has_text="Camera, far frames")
    assert measure.inner_text().split("\n")[-1] == "9.00 at most 0.2"
    assert "px per frame at 720p" in measure.get_attribute("title")
    assert see.stage("views().filter((kind) => SPARKLE.detail.stage().has(kind))") == ["source_video"]


def test_a_run_that_is_not_finished_is_shown_as_far_as_it_came(mixed_run, tmp_path):
    run = shutil.copytree(mixed_run, tmp_path / "run")
    (run / layout.FUNNEL).unlink()
    for step in ("synthesize", "video_score", "measure"):
        (run / layout.outcomes(step)).unlink()
    rows = RunRows(str(run), ids=[KEPT, LOW])
    assert {rows.facts(row)["ended"]["status"] for row in range(2)} == {"unfinished"}
    assert rows.facts(0)["ended"]["step"] == "synthesize"
    result = CliRunner().invoke(hub, ["preview", str(run), "--out", str(tmp_path / "page")])
    assert result.exit_code == 0, result.output


def test_what_the_run_does_not_have_is_named(mixed_run, tmp_path):
    with pytest.raises(ReleaseError, match="no such id") as caught:
        RunRows(str(mixed_run), ids=["Sparkle_location_000099"])
    assert caught.value.got == "Sparkle_location_000099"
    with pytest.raises(ReleaseError, match="no sample to show"):
        RunRows(str(mixed_run), themes=["style"])
    with pytest.raises(ReleaseError, match="inside what it shows"):
        make_page(str(mixed_run), mixed_run / "page")
