"""People rate edits on a page, without knowing whose they are, and their ratings become verdicts."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from sparkle.builders.bench.report import make_report
from sparkle.commands import main
from sparkle.schemas.canonical import sha256_file
from sparkle.schemas.ratings import edit_token
from sparkle.schemas.rubric import SPARKLE_6

KEYS = [dimension.key for dimension in SPARKLE_6.dimensions]


@pytest.fixture
def reviewed(judged_bench):
    """The bench with edits of two models, which differ in their bytes."""
    other = judged_bench.results.with_name("lucy")
    shutil.copytree(judged_bench.results, other)
    for path in other.rglob("*.mp4"):
        path.write_bytes(path.read_bytes() + (16).to_bytes(4, "big") + b"free" + bytes(8))
    judged_bench.other = other
    judged_bench.page = judged_bench.out.parent.parent / "review"
    return judged_bench


def make_page(bench, *more: object) -> Result:
    models = [f"kiwi={bench.results}", "--results", f"lucy={bench.other}"]
    words = ["bench", "review", bench.bench, "--results", *models, "--out", bench.page, *more]
    return CliRunner().invoke(main, [*map(str, words)])


def document(page: Path) -> dict:
    text = (page / "edits.js").read_text()
    return json.loads(text.removeprefix("window.REVIEW = ").removesuffix(";\n"))


def rating(page: Path, edit: str, rater: str = "Ann", **changes: Any) -> dict:
    line = {"format": "sparkle-rating", "version": 1, "bench": document(page)["bench"], "rubric": "sparkle-6"}
    return {**line, "rater": rater, "edit": edit, "raw": [4, 3, 3, 4, 5, 2], **changes}


def write(path: Path, lines: list[dict]) -> Path:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def import_ratings(bench, *files: Path, results: Path | None = None) -> Result:
    words = ["bench", "judge", bench.bench, "--results", results or bench.results, "--judge", "human"]
    words += [word for file in files for word in ("--ratings", file)]
    return CliRunner().invoke(main, [*map(str, [*words, "--out", bench.out])])


def test_the_page_does_not_tell_whose_an_edit_is(reviewed):
    done = make_page(reviewed)
    assert done.exit_code == 0, done.output
    found = document(reviewed.page)
    assert len(found["edits"]) == 2 * len(reviewed.items)
    for path in reviewed.page.rglob("*"):
        assert "kiwi" not in path.name
        assert "lucy" not in path.name
        if path.suffix in (".js", ".html", ".css"):
            assert b"kiwi" not in path.read_bytes()
    before = {path: path.read_bytes() for path in reviewed.page.rglob("*") if path.is_file()}
    make_page(reviewed)
    assert {path: path.read_bytes() for path in reviewed.page.rglob("*") if path.is_file()} == before
    make_page(reviewed, "--seed", 1)
    assert [edit["edit"] for edit in document(reviewed.page)["edits"]] != [e["edit"] for e in found["edits"]]


def test_ratings_become_verdicts_of_each_rater(reviewed, tmp_path):
    make_page(reviewed)
    tokens = [edit["edit"] for edit in document(reviewed.page)["edits"]]
    ann = write(tmp_path / "ann.jsonl", [rating(reviewed.page, token, note="Nice.") for token in tokens])
    bob = write(
        tmp_path / "bob.jsonl", [rating(reviewed.page, token, "Bob", raw=[2] * 6) for token in tokens[:5]]
    )
    done = import_ratings(reviewed, ann, bob)
    assert done.exit_code == 1, done.output
    assert "not asked" in done.output
    file = reviewed.verdicts()
    assert (file.head.judge.name, file.head.judge.kind) == ("people", "human")
    first = [verdict for verdict in file.verdicts if verdict.repeat == 1]
    assert {verdict.scores for verdict in first} == {(4, 3, 3, 4, 4, 2)}
    assert {verdict.answer for verdict in first} == {"Nice."}
    assert len(first) == len(reviewed.items)
    assert 0 < len(file.verdicts) - len(first) < len(reviewed.items)
    reviewed.out.unlink()
    assert import_ratings(reviewed, ann).exit_code == 0
    (table,) = make_report([reviewed.out], resamples=100).document["tables"]
    assert table["rows"][0]["macro"]["instruction"] == 4


def test_bad_ratings_are_refused_with_their_line(reviewed, tmp_path):
    make_page(reviewed)
    first = sorted(reviewed.items)[0]
    revision = document(reviewed.page)["bench"]
    good = rating(reviewed.page, edit_token(revision, first, sha256_file(reviewed.edits[first])))
    cases = [
        ([good, {**good, "raw": [6, 1, 1, 1, 1, 1]}], ":2", "outside of the scale"),
        ([{**good, "raw": [1.5, 1, 1, 1, 1, 1]}], ":1", "not ratings"),
        ([{**good, "raw": [None, 1, 1, 1, 1, 1]}], ":1", "not ratings"),
        ([{**good, "raw": [1] * 5}], ":1", "another rubric"),
        ([good, {**good, "raw": [1] * 6}], ":2", "twice, and differently"),
        ([{**good, "edit": "kiwi"}], ":1", "not ratings"),
        ([{**good, "bench": "0" * 64}], "", "another bench"),
    ]
    for lines, place, said in cases:
        file = write(tmp_path / "ratings.jsonl", lines)
        done = import_ratings(reviewed, file)
        assert done.exit_code == 2, (said, done.output)
        assert said in done.output
        assert f"{file}{place}" in done.output
        assert not reviewed.out.exists()
    assert "there are no ratings" in import_ratings(reviewed).output


# --- in a browser ---------------------------------------------------------------------------------


@pytest.fixture
def visit(browser: Any) -> Iterator[Callable[[Path], Any]]:
    """Opens a page; one that logs an error or asks for anything outside of its folder fails its test."""
    wrong: list[str] = []
    opened = []

    def visit(folder: Path) -> Any:
        def asked(request: Any) -> None:
            if not request.url.startswith((folder.as_uri(), "data:", "blob:")):
                wrong.append(request.url)

        page = browser.new_page()
        page.set_default_timeout(120_000)  # ms: only ends a hang
        opened.append(page)
        page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("request", asked)
        page.goto(f"{folder.as_uri()}/index.html")
        return page

    yield visit
    for page in opened:
        page.close()
    assert wrong == []


@pytest.mark.slow
def test_a_person_rates_and_saves(reviewed, visit, tmp_path):
    prompt = "<b>Change</b> the background"
    for path in reviewed.bench.glob("location*"):
        path.write_text(path.read_text().replace("Change the background", prompt))
    make_page(reviewed)
    page = visit(reviewed.page)
    edits = document(reviewed.page)["edits"]
    assert page.locator("#prompt").inner_text() == edits[0]["prompt"]
    assert page.locator("#place").inner_text() == f"Edit 1 of {len(edits)}; 0 rated"
    assert page.locator("output").all_inner_texts() == ["–"] * 6
    scores = [5, 4, 3, 3, 2, 1]
    for key, score in zip(KEYS, scores, strict=True):
        slider = page.locator(f"#slider-{key}")
        if score == 3:
            slider.click()  # in its middle, where it stands
        else:
            slider.fill(str(score))
    assert page.locator("output").all_inner_texts() == [str(score) for score in scores]
    page.locator("#note").fill("The hair flickers.")
    page.locator("#next").click()
    page.locator(f"#slider-{KEYS[0]}").fill("2")  # begun, and not ended
    page.locator("#save").click()
    assert page.locator("#rater:invalid").count() == 1
    page.locator("#rater").fill("Ann B.")
    with page.expect_download() as download:
        page.locator("#save").click()
    assert "1 of 8 saved; 1 begun, and not saved" in page.locator("#told").inner_text()
    assert download.value.suggested_filename == "ratings-Ann_B_.jsonl"
    file = tmp_path / "ratings.jsonl"
    download.value.save_as(file)
    (line,) = map(json.loads, file.read_text().splitlines())
    assert (line["raw"], line["rater"], line["note"]) == (scores, "Ann B.", "The hair flickers.")
    page.reload()  # what was rated is kept
    assert page.locator("#place").inner_text() == f"Edit 1 of {len(edits)}; 1 rated"
    page.locator("#open").click()
    assert page.locator("#place").inner_text().startswith("Edit 2")
    of_kiwi = [edit_token(line["bench"], name, sha256_file(path)) for name, path in reviewed.edits.items()]
    whose = reviewed.results if line["edit"] in of_kiwi else reviewed.other
    assert import_ratings(reviewed, file, results=whose).exit_code == 1  # the others are not rated
    (verdict,) = reviewed.verdicts().verdicts
    assert verdict.raw == tuple(scores)
