"""Verdicts of other programs are read from the judge's words, checked against the bench, and written."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from sparkle.builders.bench.folder import read_bench
from sparkle.builders.bench.verdicts import read_verdicts
from sparkle.builders.release.formats import csv_line
from sparkle.commands import main
from sparkle.schemas import layout
from sparkle.schemas.errors import ReleaseError
from sparkle.schemas.rubric import OPENVE, OPENVE_HEADINGS, OPENVE_KIWI, SPARKLE_6, Rubric

PROMPT = "Put them on pier {}, please."
SCENE = "coast: a windy pier"


def words(scores: list[int], rubric: Rubric = SPARKLE_6, headings: tuple[str, ...] = ()) -> str:
    names = headings or [dimension.heading for dimension in rubric.dimensions]
    lines = [f"{name}: {score}" for name, score in zip(names, scores, strict=True)]
    return "\n".join(["Brief reasoning: fine: 3 boats.", *lines])


@pytest.fixture
def bench(tmp_path: Path) -> Path:
    """Five samples of location and one of season; the videos are not looked into."""
    folder = tmp_path / "bench"
    for theme, count in (("location", 5), ("season", 1)):
        rows, lines = [csv_line(list(layout.BENCH_CSV_COLUMNS))], []
        for index in range(count):
            sample_id = f"Sparkle_{theme}_{index:06d}"
            video = folder / layout.bench_source(theme, sample_id)
            video.parent.mkdir(parents=True, exist_ok=True)
            video.write_bytes(sample_id.encode())
            rows.append(csv_line([theme, PROMPT.format(index), layout.bench_source(theme, sample_id)]))
            metadata = {"edit_type": theme, "chosen_keyword": SCENE, "original_scene": "A wall."}
            line = {"id": sample_id, "prompt": PROMPT.format(index), "metadata": metadata}
            lines.append(json.dumps(line) + "\n")
        (folder / layout.bench_csv(theme)).write_text("".join(rows))
        (folder / layout.bench_metadata(theme)).write_text("".join(lines))
    return folder


def upstream_line(index: int, theme: str = "location", **changes: Any) -> dict[str, Any]:
    raw = [3, 4, 2, 3, 5, 1]
    line = {
        "id": f"Sparkle_{theme}_{index:06d}",
        "prompt": PROMPT.format(index),
        "edit_type": theme,
        "subtheme": "coast",
        "scene": "a windy pier",
        "scores": [3, 3, 2, 3, 3, 1],
        "result": words(raw),
    }
    return line | changes


def write_lines(path: Path, lines: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))
    return path


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["bench", *map(str, arguments)])


def import_(files: list[Path], form: str, bench: Path, out: Path) -> Result:
    named = ["--from", form, "--model", "kiwi", "--judge", "gemini-2.5-pro", "--bench", bench, "--out", out]
    return run("import", *files, *named)


def test_upstreams_files_come_in_raw_and_go_out_as_they_were(bench: Path, tmp_path: Path) -> None:
    names = [f"{theme}_gemini-2.5-pro_sparkle_score.jsonl" for theme in ("location", "season")]
    files = [
        write_lines(tmp_path / names[0], [upstream_line(index) for index in range(5)]),
        write_lines(tmp_path / names[1], [upstream_line(0, "season")]),
    ]
    done = import_(files, "upstream", bench, tmp_path / "v.jsonl")
    assert done.exit_code == 0, done.output
    file = read_verdicts(tmp_path / "v.jsonl")
    assert file.head.bench == read_bench(bench)[0]
    assert [verdict.raw for verdict in file.verdicts] == [(3, 4, 2, 3, 5, 1)] * 6
    assert [verdict.scores for verdict in file.verdicts] == [(3, 3, 2, 3, 3, 1)] * 6
    done = run("export", tmp_path / "v.jsonl", "--to", "upstream", "--out", tmp_path / "out")
    assert done.exit_code == 0, done.output
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == {
        path.name: path.read_bytes() for path in files
    }


def test_what_upstreams_program_let_pass_is_found(bench: Path, tmp_path: Path) -> None:
    """4.7 that became 4, a sample twice, another bench's, one judged otherwise than it says, gaps."""
    lines = [
        upstream_line(0, result=words([3, 4, 2, 3, 5, 1]).replace(": 4", ": 4.7")),
        upstream_line(1),
        upstream_line(1),
        upstream_line(2),
        upstream_line(2, result=words([1, 1, 1, 1, 1, 1]), scores=[1, 1, 1, 1, 1, 1]),
        upstream_line(3, scores=[5, 5, 5, 5, 5, 5]),
        upstream_line(77),
        upstream_line(4, prompt="Another one."),
        upstream_line(4, scores=[0, 3, 2, 3, 3, 1]),
    ]
    path = write_lines(tmp_path / "location_x_sparkle_score.jsonl", lines)
    done = import_([path], "upstream", bench, tmp_path / "v.jsonl")
    assert done.exit_code == 1
    told = "\n".join(line for line in done.output.splitlines() if line.startswith(str(path)))
    for number, problem in (
        (1, "out of the scale"),
        (3, "a sample stands twice"),
        (5, "two verdicts on one edit: neither counts"),
        (6, "the scores are not those of the answer"),
        (7, "an id that the bench does not have"),
        (8, "not what the bench says of this id"),
        (9, "too small"),
    ):
        assert any(f":{number}" in line and problem in line for line in told.splitlines()), (number, told)
    file = read_verdicts(tmp_path / "v.jsonl")
    assert file.findings == ()
    found = {verdict.id: verdict.status for verdict in file.verdicts}
    assert found == {
        "Sparkle_location_000000": "failed",
        "Sparkle_location_000001": "ok",
        "Sparkle_location_000002": "failed",
        "Sparkle_location_000003": "failed",
    }
    for absent in ("Sparkle_location_000004", "Sparkle_season_000000"):
        assert any(absent in line and "without a verdict" in line for line in done.output.splitlines())


def test_two_verdicts_that_differ_below_the_cap_only_do_not_count(bench: Path, tmp_path: Path) -> None:
    lines = [upstream_line(0), upstream_line(0, result=words([3, 3, 2, 3, 3, 1]))]
    path = write_lines(tmp_path / "location_x_sparkle_score.jsonl", lines)
    done = import_([path], "upstream", bench, tmp_path / "v.jsonl")
    assert f"{path}:2 /id | two verdicts on one edit: neither counts" in done.output
    assert [verdict.status for verdict in read_verdicts(tmp_path / "v.jsonl").verdicts] == ["failed"]


ODD = {
    "a byte order mark": (lambda good, bad: b"\xef\xbb\xbf" + bad + good, 1, "a byte order mark"),
    "line ends of Windows": (lambda good, bad: good.replace(b"\n", b"\r\n") + b"{\r\n", 2, "not JSON"),
    "NaN": (lambda good, bad: good + bad.replace(b"[3", b"[NaN"), 2, "not a finite number"),
    "six": (lambda good, bad: good + bad.replace(b"[3", b"[6"), 2, "too large"),
    "nothing": (lambda good, bad: good + b"\n" + good, 2, "the line is blank"),
    "torn": (lambda good, bad: good + bad[:-40], 2, "not JSON"),
    "not capped": (
        lambda good, bad: good + bad.replace(b"[3, 3", b"[3, 4"),
        2,
        "the scores are not those of the answer",
    ),
}


@pytest.mark.parametrize("case", ODD)
def test_an_odd_line_is_a_finding_and_the_others_count(case: str, bench: Path, tmp_path: Path) -> None:
    make, number, problem = ODD[case]
    good, bad = (json.dumps(upstream_line(index)).encode() + b"\n" for index in range(2))
    path = tmp_path / "location_x_sparkle_score.jsonl"
    path.write_bytes(make(good, bad))
    done = import_([path], "upstream", bench, tmp_path / "v.jsonl")
    assert done.exit_code == 1
    assert f"{path}:{number} " in done.output
    assert problem in done.output
    verdicts = read_verdicts(tmp_path / "v.jsonl").verdicts
    scored = [verdict.id for verdict in verdicts if verdict.status == "ok"]
    assert scored == ["Sparkle_location_000000"]


def test_another_source_is_another_bench(bench: Path) -> None:
    before = read_bench(bench)[0]
    (bench / layout.bench_source("season", "Sparkle_season_000000")).write_bytes(b"another clip")
    after = read_bench(bench)[0]
    assert before.expected == after.expected == {"location": 5, "season": 1}
    assert before.revision != after.revision
    (bench / layout.bench_source("season", "Sparkle_season_000000")).unlink()
    with pytest.raises(ReleaseError, match="cannot be read"):
        read_bench(bench)


# --- OpenVE-Bench ----------------------------------------------------------------------------------


@pytest.fixture
def openve(tmp_path: Path) -> Path:
    """Three rows of each type; two of local_add have one instruction."""
    rows = [csv_line(["edited_type", "prompt", "original_video"])]
    for edited_type in OPENVE_HEADINGS:
        for index in range(3):
            prompt = f"Edit {0 if edited_type == 'local_add' and index == 1 else index}, {edited_type}."
            rows.append(csv_line([edited_type, prompt, f"videos/{index:04d}_{edited_type}.mp4"]))
    path = tmp_path / "benchmark_videos.csv"
    path.write_text("".join(rows))
    return path


def kiwi_line(edited_type: str, index: int, **changes: Any) -> dict[str, Any]:
    line = {
        "scores": [4, 2, 3],
        "prompt": f"Edit {index}, {edited_type}.",
        "edited_type": edited_type,
        "result": words([4, 2, 3], OPENVE_KIWI),
    }
    return line | changes


def test_kiwi_edits_lines_find_their_row_by_instruction(openve: Path, tmp_path: Path) -> None:
    lines = [
        kiwi_line("local_change", 0),
        kiwi_line("global_style", 2),
        kiwi_line("local_add", 0),
        kiwi_line("camera_edit", 0),
        kiwi_line("local_remove", 9),
    ]
    path = write_lines(tmp_path / "openve_gemini-2.5-pro_score.jsonl", lines)
    done = import_([path], "kiwi", openve, tmp_path / "v.jsonl")
    assert done.exit_code == 1
    assert f"{path}:3 /prompt | several rows of the bench have this instruction" in done.output
    for number in (4, 5):
        assert f"{path}:{number} /prompt | no row of the bench" in done.output
    file = read_verdicts(tmp_path / "v.jsonl")
    assert [verdict.id for verdict in file.verdicts] == ["0000_local_change", "0002_global_style"]
    assert sum(file.head.bench.expected.values()) == 15  # of the five types that it judges
    done = run("export", tmp_path / "v.jsonl", "--to", "kiwi", "--out", tmp_path / "out")
    assert done.exit_code == 0, done.output
    written = (tmp_path / "out" / path.name).read_text().splitlines()
    assert [json.loads(line) for line in written] == lines[:2]


def openve_row(edited_type: str, index: int, results: str, average: str) -> list[str]:
    prompt = f"Edit {index}, {edited_type}."
    video = f"videos/{index:04d}_{edited_type}.mp4"
    return [edited_type, prompt, video, f"{index:04d}_{edited_type}_edited.mp4", results, average]


def test_openve_benchs_table_comes_in_and_goes_out(openve: Path, tmp_path: Path) -> None:
    good = words([4, 2, 3], OPENVE, OPENVE_HEADINGS["local_change"]).replace("fine: 3 boats", "fine")
    counted = words([4, 2, 3], OPENVE, OPENVE_HEADINGS["global_style"])
    rows = [
        openve_row("local_change", 0, good.replace("\n", "\\n"), "3.0"),
        openve_row("local_change", 1, "ERROR: Video file not found: x.mp4", "ERROR"),
        openve_row("local_change", 2, "ERROR: name 'logging' is not defined", "ERROR"),
        openve_row("global_style", 0, counted.replace("\n", "\\n"), "3.25"),
        openve_row("global_style", 1, "nothing to say", "ERROR"),
    ]
    path = tmp_path / "judge.csv"
    path.write_text("".join(map(csv_line, [RESULT_COLUMNS, *rows])))
    done = import_([path], "openve", openve, tmp_path / "v.jsonl")
    assert done.exit_code == 1
    assert f"{path}:5 average | the average is not that of the scores" in done.output
    file = read_verdicts(tmp_path / "v.jsonl")
    assert {verdict.id: (verdict.status, verdict.scores) for verdict in file.verdicts} == {
        "0000_local_change": ("ok", (4, 2, 3)),
        "0001_local_change": ("missing", None),
        "0002_local_change": ("failed", None),
        "0000_global_style": ("ok", (4, 2, 3)),
        "0001_global_style": ("failed", None),
    }
    done = run("export", tmp_path / "v.jsonl", "--to", "openve", "--out", tmp_path / "out")
    assert done.exit_code == 0, done.output
    with (tmp_path / "out" / "gemini-2.5-pro.csv").open(newline="") as file_:
        written = {row["original_video"]: row for row in csv.DictReader(file_)}
    assert [*written["videos/0000_local_change.mp4"].values()] == rows[0]
    assert written["videos/0001_local_change.mp4"]["average"] == "ERROR"
    stats = json.loads((tmp_path / "out" / "gemini-2.5-pro_stats.json").read_text())
    assert stats["overall_average"] == 3.0
    assert stats["total_processed"] == 2


RESULT_COLUMNS = ["edited_type", "prompt", "original_video", "edited_result_path", "results", "average"]


def test_a_torn_row_and_an_odd_average_are_findings(openve: Path, tmp_path: Path) -> None:
    good = words([4, 2, 3], OPENVE, OPENVE_HEADINGS["local_change"]).replace("fine: 3 boats", "fine")
    averages = ("3", "NaN", "3.0")  # 3 is what a spreadsheet makes of 3.0
    rows = [openve_row("local_change", index, good, average) for index, average in enumerate(averages)]
    path = tmp_path / "judge.csv"
    text = "".join(map(csv_line, [RESULT_COLUMNS, *rows]))
    path.write_text(text[: text.rindex('"') - 20])
    done = import_([path], "openve", openve, tmp_path / "v.jsonl")
    assert done.exit_code == 1
    told = [line for line in done.output.splitlines() if line.startswith(f"{path}:")]
    assert len(told) == 2
    assert "the average is not that of the scores" in told[0]
    assert f"{path}:10 | not a row of a table" in told[1]
    verdicts = read_verdicts(tmp_path / "v.jsonl").verdicts
    assert [verdict.scores for verdict in verdicts] == [(4, 2, 3)] * 2
    path.write_text(csv_line([*RESULT_COLUMNS, "average"]))
    done = import_([path], "openve", openve, tmp_path / "v.jsonl")
    assert (done.exit_code, "a column stands twice" in done.output) == (2, True)


def test_a_missing_edit_is_missing_again_behind_openve_benchs_table(openve: Path, tmp_path: Path) -> None:
    rows = [openve_row("local_change", 0, "ERROR: Video file not found: x.mp4", "ERROR")]
    (tmp_path / "judge.csv").write_text("".join(map(csv_line, [RESULT_COLUMNS, *rows])))
    import_([tmp_path / "judge.csv"], "openve", openve, tmp_path / "v.jsonl")
    text = (tmp_path / "v.jsonl").read_text().replace("ERROR: Video file not found: x.mp4", "no such file")
    (tmp_path / "v.jsonl").write_text(text)
    done = run("export", tmp_path / "v.jsonl", "--to", "openve", "--out", tmp_path / "out")
    assert done.exit_code == 0, done.output
    import_([tmp_path / "out" / "gemini-2.5-pro.csv"], "openve", openve, tmp_path / "again.jsonl")
    assert [verdict.status for verdict in read_verdicts(tmp_path / "again.jsonl").verdicts] == ["missing"]


def test_verdicts_by_another_rubric_have_no_such_form(bench: Path, tmp_path: Path) -> None:
    path = write_lines(tmp_path / "season_x_sparkle_score.jsonl", [upstream_line(0, "season")])
    import_([path], "upstream", bench, tmp_path / "v.jsonl")
    done = run("export", tmp_path / "v.jsonl", "--to", "kiwi", "--out", tmp_path / "out")
    assert done.exit_code == 2
    assert "wanted: openve-3-kiwi" in done.output
    assert not (tmp_path / "out").exists()


def test_a_table_of_a_bench_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "b.csv").write_text("edited_type,prompt\na,b\n")
    path = write_lines(tmp_path / "x.jsonl", [])
    done = import_([path], "kiwi", tmp_path / "b.csv", tmp_path / "v.jsonl")
    assert done.exit_code == 2
    assert "the table lacks columns" in done.output
