"""Reports: numbers of verdicts whose numbers are known, partial rows, pairs, judges, and the same bytes."""

from __future__ import annotations

import csv
import importlib
import json
import math
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from msgspec.structs import replace

from harness import judged
from sparkle.builders.bench.report import make_report
from sparkle.builders.bench.resampling import holm
from sparkle.builders.bench.verdicts import write_verdicts
from sparkle.commands import main
from sparkle.schemas.rubric import SPARKLE_6, Dimension, Rubric
from sparkle.schemas.verdicts import BASELINES, BenchIdentity, JudgeIdentity, Verdict

FREE = Rubric("free", (Dimension("quality", "Quality", "Q"),), 0, 1, whole=False, capped=False)
FEW = 500  # draws: enough for what is tested


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["bench", "report", *map(str, arguments)])


def report(*paths: Path, **options: Any) -> dict[str, Any]:
    return make_report(paths, resamples=FEW, **options).document


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def without(found: list[Verdict], count: int, status: str | None) -> list[Verdict]:
    """Verdicts of which the first have no scores, or are not there at all."""
    if status is None:
        return found[count:]
    lost = [replace(one, status=status, reason="because", raw=None, scores=None) for one in found[:count]]
    return [*lost, *found[count:]]


def free(
    path: Path, scores: dict[str, list[float]], model: str, judge: str = "free", scenes: int | None = None
) -> Path:
    """Verdicts with one dimension from 0 to 1, a list of scores per theme."""
    found = [
        Verdict(
            id=f"{theme}-{number}",
            theme=theme,
            subtheme="",
            scene="" if scenes is None else f"scene {number % scenes}",
            repeat=1,
            status="ok",
            raw=(score,),
            scores=(score,),
        )
        for theme, values in scores.items()
        for number, score in enumerate(values)
    ]
    expected = {theme: len(values) for theme, values in scores.items()}
    return judged.write(
        path,
        found,
        model=model,
        rubric=FREE,
        judge=judge,
        bench=BenchIdentity("drawn", "b" * 64, expected),
    )


def test_a_table_has_the_means_of_upstreams_script(tmp_path: Path) -> None:
    found = judged.verdicts(judged.level(2))
    row = report(judged.write(tmp_path / "a.jsonl", found))["tables"][0]["rows"][0]
    overall = []
    for theme in judged.THEMES:
        scores = [verdict.scores or () for verdict in found if verdict.theme == theme]
        means = [fmean(column) for column in zip(*scores, strict=True)]
        entry = row["themes"][theme]
        assert list(entry["mean"].values()) == pytest.approx([fmean(means), *means])
        assert entry["n"] == entry["expected"] == len(scores)
        raw = [verdict.raw or () for verdict in found if verdict.theme == theme]
        assert list(entry["raw"].values())[1:] == pytest.approx([fmean(c) for c in zip(*raw, strict=True)])
        overall.append(fmean(means))
    assert row["macro"]["overall"] == pytest.approx(fmean(overall))
    assert not row["partial"]
    low, high = row["interval"]["overall"]
    assert low < row["macro"]["overall"] < high


def test_the_published_rows_add_up() -> None:
    """Each published overall is the mean of its six dimensions, as far as two decimals can say."""
    rows = {2.54: (2.92, 2.15, 2.86, 2.90, 1.57, 2.84), 2.74: (3.06, 2.23, 2.78, 3.04, 2.46, 2.83)}
    rows[3.81] = (4.10, 3.40, 3.77, 4.05, 3.54, 3.99)
    for overall, scores in rows.items():
        assert abs(fmean(scores) - overall) <= 0.01
        assert all(score <= scores[0] for score in scores)


@pytest.mark.parametrize("status", ["failed", "missing", "unusable", None])
def test_a_row_without_all_verdicts_is_partial_and_has_bounds(tmp_path: Path, status: str | None) -> None:
    found = judged.verdicts(judged.level(2))
    path = judged.write(tmp_path / "a.jsonl", without(found, 4, status))
    row = report(path)["tables"][0]["rows"][0]
    assert row["partial"]
    assert row["macro"] is row["interval"] is None
    assert (row["n"], row["expected"]) == (len(found) - 4, len(found))
    for lost, side in ((1, 0), (5, 1)):
        scores = {theme: [] for theme in judged.THEMES}
        for number, verdict in enumerate(found):
            scores[verdict.theme].append(lost if number < 4 else fmean(verdict.scores or ()))
        assert row["bounds"]["overall"][side] == pytest.approx(fmean(map(fmean, scores.values())))
    whole = row["themes"]["style"]
    assert "bounds" not in whole
    assert "bounds" in row["themes"]["location"]
    done = run(path)
    assert done.exit_code == 0
    assert f"partial, {len(found) - 4}/{len(found)}: no MACRO, which may be" in done.output
    assert "MACRO    " not in done.output


def test_what_is_the_models_fault_may_count_as_the_lowest_score(tmp_path: Path) -> None:
    found = judged.verdicts(judged.level(2))
    missing = judged.write(tmp_path / "a.jsonl", without(found, 4, "missing"))
    row = report(missing, lowest=True)["tables"][0]["rows"][0]
    assert not row["partial"]
    least = report(missing)["tables"][0]["rows"][0]["bounds"]["overall"][0]
    assert row["macro"]["overall"] == pytest.approx(least)
    failed = judged.write(tmp_path / "b.jsonl", without(found, 4, "failed"))
    assert report(failed, lowest=True)["tables"][0]["rows"][0]["partial"]


def test_a_theme_without_any_verdict_leaves_a_row_partial(tmp_path: Path) -> None:
    found = [verdict for verdict in judged.verdicts(judged.level(2)) if verdict.theme == "style"]
    row = report(judged.write(tmp_path / "a.jsonl", found))["tables"][0]["rows"][0]
    assert row["macro"] is None
    assert row["themes"]["location"] == {
        "n": 0,
        "expected": judged.EXPECTED["location"],
        "bounds": {key: [1.0, 5.0] for key in ("overall", *(d.key for d in SPARKLE_6.dimensions))},
    }


def test_a_judge_that_cannot_say_a_dimension_has_no_overall(tmp_path: Path) -> None:
    found = judged.verdicts(lambda number: (None, None, None, None, 1 + number % 5, None))
    row = report(judged.write(tmp_path / "a.jsonl", found))["tables"][0]["rows"][0]
    assert row["macro"]["overall"] is row["macro"]["visual"] is None
    assert row["macro"]["bg_dynamics"] == pytest.approx(fmean(1 + number % 5 for number in range(36)))
    assert row["interval"]["overall"] == [None, None]
    assert None not in row["interval"]["bg_dynamics"]
    assert run(tmp_path / "a.jsonl", "--out", tmp_path / "out").exit_code == 0


def test_rows_of_another_judge_rubric_or_bench_stand_in_another_table(tmp_path: Path) -> None:
    pytest.importorskip("scipy")
    pytest.importorskip("krippendorff")
    judged.write(tmp_path / "a.jsonl")
    judged.write(tmp_path / "b.jsonl", model="other")
    settings = JudgeIdentity("someone", "scripted", {"seed": 43})
    bench = BenchIdentity("drawn", "c" * 64, judged.EXPECTED)
    rubric = replace(SPARKLE_6, name="another")
    changes: list[dict[str, Any]] = [{"judge": settings}, {"bench": bench}, {"rubric": rubric}]
    head = judged.head(model="other")
    for number, change in enumerate(changes):
        found = judged.verdicts(judged.level(2))
        write_verdicts(tmp_path / f"{number}.jsonl", replace(head, **change), found)
    document = report(*sorted(tmp_path.glob("*.jsonl")))
    assert sorted(len(table["rows"]) for table in document["tables"]) == [1, 1, 1, 2]


def test_the_same_model_twice_by_one_judge_is_refused(tmp_path: Path) -> None:
    for name in ("a", "b"):
        judged.write(tmp_path / f"{name}.jsonl")
    done = run(tmp_path / "a.jsonl", tmp_path / "b.jsonl")
    assert done.exit_code == 2
    assert "two files have verdicts on the same model" in done.output


def test_files_that_place_a_sample_differently_are_refused(tmp_path: Path) -> None:
    found = judged.verdicts(judged.level(2))
    judged.write(tmp_path / "a.jsonl", found)
    judged.write(tmp_path / "b.jsonl", [replace(found[0], scene="elsewhere"), *found[1:]], model="other")
    done = run(tmp_path / "a.jsonl", tmp_path / "b.jsonl")
    assert done.exit_code == 2
    assert "two files place a sample differently" in done.output


def test_a_line_that_does_not_count_is_told_and_the_row_is_partial(tmp_path: Path) -> None:
    path = judged.write(tmp_path / "a.jsonl")
    lines = path.read_text().splitlines()
    lines[3] = lines[3].replace('"repeat": 1', '"repeat": 0')
    path.write_text("\n".join(lines) + "\n")
    done = run(path, "--report", tmp_path / "findings.jsonl")
    assert done.exit_code == 1
    assert f"{path}:4" in done.output
    assert "partial, 35/36" in done.output
    assert json.loads((tmp_path / "findings.jsonl").read_text())["line"] == 4


# --- pairs of models -------------------------------------------------------------------------------


def test_a_pair_has_its_difference_error_and_wins(tmp_path: Path) -> None:
    draw = np.random.default_rng(3)
    first = [draw.random() for _ in range(40)]
    second = [score if number % 4 == 0 else draw.random() for number, score in enumerate(first)]
    paths = [
        free(tmp_path / f"{name}.jsonl", {"edit": values}, name)
        for name, values in (("a", first), ("b", second))
    ]
    (pair,) = report(*paths)["tables"][0]["pairs"]
    off = [x - y for x, y in zip(first, second, strict=True)]
    assert pair["difference"] == pytest.approx(fmean(off))
    assert pair["standard_error"] == pytest.approx(stdev(off) / math.sqrt(len(off)))
    assert pair["wins"] == sum(one > 0 for one in off)
    assert pair["ties"] == 10
    assert pair["losses"] == sum(one < 0 for one in off)
    assert pair["superiority"] == pytest.approx((pair["wins"] + 5) / 40)
    assert pair["interval"][0] < pair["difference"] < pair["interval"][1]


def test_samples_of_a_scene_count_as_one(tmp_path: Path) -> None:
    """Scenes that agree within themselves give the error of as many samples as there are scenes."""
    shifts = [0.1, 0.3, 0.2, 0.4]
    first = [0.5 + shifts[number % 4] for number in range(40)]
    paths = [
        free(tmp_path / f"{name}.jsonl", {"edit": values}, name, scenes=4)
        for name, values in (("a", first), ("b", [0.5] * 40))
    ]
    (pair,) = report(*paths)["tables"][0]["pairs"]
    assert pair["standard_error"] == pytest.approx(stdev(shifts) / 2)
    assert pair["p"] == pytest.approx(2 / 16, abs=0.06)  # of sixteen signs, two are as large


def test_models_that_differ_are_told_apart_and_others_are_not(tmp_path: Path) -> None:
    draw = np.random.default_rng(5)
    base = [draw.uniform(0.3, 0.6) for _ in range(60)]
    models = {
        "a": base,
        "like a": [score + draw.uniform(-0.1, 0.1) for score in base],
        "better": [score + draw.uniform(0.1, 0.3) for score in base],
    }
    paths = [free(tmp_path / f"{name}.jsonl", {"edit": values}, name) for name, values in models.items()]
    done = run(*paths, "--json")
    pairs = {(pair["a"], pair["b"]): pair for pair in json.loads(done.output)["tables"][0]["pairs"]}
    assert not pairs["a", "like a"]["told_apart"]
    assert pairs["a", "better"]["told_apart"]
    assert all(pair["holm"] >= pair["p"] for pair in pairs.values())
    assert "cannot be told apart" in run(*paths).output


def test_holm_adjusts_for_every_pair() -> None:
    assert holm([0.01, 0.04, 0.03, 0.2]) == pytest.approx([0.04, 0.09, 0.09, 0.2])
    assert holm([]) == []


def test_a_theme_of_one_scene_has_no_interval(tmp_path: Path) -> None:
    path = free(tmp_path / "a.jsonl", {"edit": [0.1, 0.2, 0.3]}, "a", scenes=1)
    other = free(tmp_path / "b.jsonl", {"edit": [0.3, 0.2, 0.3]}, "b", scenes=1)
    table = report(path, other)["tables"][0]
    assert table["rows"][0]["interval"] is None
    assert table["pairs"][0]["interval"] is table["pairs"][0]["standard_error"] is None
    assert run(path, other, "--out", tmp_path / "out").exit_code == 0


def test_a_pair_is_compared_on_what_both_have(tmp_path: Path) -> None:
    found = judged.verdicts(judged.level(2))
    judged.write(tmp_path / "a.jsonl", without(found, 5, "failed"))
    judged.write(tmp_path / "b.jsonl", judged.verdicts(judged.level(3)), model="better")
    (pair,) = report(tmp_path / "a.jsonl", tmp_path / "b.jsonl")["tables"][0]["pairs"]
    assert (pair["n"], pair["b"]) == (len(found) - 5, "kiwi")
    assert pair["difference"] > 0


def test_repeats_tell_how_much_the_judge_moves(tmp_path: Path) -> None:
    first, second = (judged.verdicts(judged.level(2), repeat=repeat) for repeat in (1, 2))
    moved = [*(replace(one, raw=(1,) * 6, scores=(1,) * 6) for one in second[:9]), *second[9:]]
    row = report(judged.write(tmp_path / "a.jsonl", [*first, *moved]))["tables"][0]["rows"][0]
    changed = sum(fmean(one.scores or ()) != 1 for one in first[:9])
    assert row["repeats"]["moved"] == pytest.approx(changed / len(first))
    assert row["repeats"]["repeats"] == 2
    assert 0 < row["repeats"]["icc"] < 1
    assert row["repeats"]["sd_of_macro"] > 0
    still = report(judged.write(tmp_path / "b.jsonl", [*first, *second]))["tables"][0]["rows"][0]["repeats"]
    assert (still["moved"], still["sd_within"], still["icc"]) == (0, 0, 1)


# --- judges ----------------------------------------------------------------------------------------


@pytest.fixture
def two_judges(tmp_path: Path) -> list[Path]:
    """Five models by two judges: one is precise, the other less so."""
    draw = np.random.default_rng(7)
    paths = []
    for number in range(5):
        truth = [draw.uniform(0.1 * number, 0.1 * number + 0.5) for _ in range(60)]
        for judge, spread in (("precise", 0.0), ("vague", 0.2)):
            seen = [min(1.0, max(0.0, score + draw.uniform(-spread, spread))) for score in truth]
            path = tmp_path / f"{judge}{number}.jsonl"
            paths.append(free(path, {"edit": seen}, f"model {number}", judge, scenes=20))
    return paths


def test_judges_are_compared_by_model_pooled_and_by_system(two_judges: list[Path]) -> None:
    stats = pytest.importorskip("scipy.stats")
    pytest.importorskip("krippendorff")
    (pair,) = report(*two_judges)["judges"]
    assert pair["judges"] == ["precise", "vague"]
    found = pair["dimensions"]["overall"]
    expected, pooled = [], ([], [])
    for number in range(5):
        scores: list[list[float]] = []
        for judge in ("precise", "vague"):
            file = next(path for path in two_judges if path.name == f"{judge}{number}.jsonl")
            lines = [json.loads(line) for line in file.read_text().splitlines()[1:]]
            scores.append([line["scores"][0] for line in lines])
        expected.append(float(stats.spearmanr(*scores).statistic))
        row, kendall = found["models"][f"model {number}"], stats.kendalltau(*scores).statistic
        assert (row["spearman"], row["kendall"]) == pytest.approx((expected[-1], kendall))
        for side, values in zip(pooled, scores, strict=True):
            side.extend(values)
    fisher = math.tanh(fmean(map(math.atanh, expected)))
    assert found["spearman"]["mean"] == pytest.approx(fisher)
    assert found["spearman"]["interval"][0] < fisher < found["spearman"]["interval"][1]
    assert found["pooled"]["spearman"] == pytest.approx(stats.spearmanr(*pooled).statistic)
    assert 0.5 < found["pooled"]["alpha"] < 1
    assert (pair["systems"]["n"], pair["systems"]["kendall"]) == (5, 1.0)
    assert pair["systems"]["p"] == pytest.approx(2 / math.factorial(5))
    assert pair["systems"]["ordered_differently"] == []


def test_whole_scores_have_a_weighted_kappa(tmp_path: Path) -> None:
    pytest.importorskip("scipy")
    pytest.importorskip("krippendorff")
    first, second = judged.level(2), judged.level(3)
    paths = [
        judged.write(tmp_path / "a.jsonl", judged.verdicts(first), judge="a"),
        judged.write(tmp_path / "b.jsonl", judged.verdicts(second), judge="b"),
        judged.write(tmp_path / "c.jsonl", judged.verdicts(first), judge="c"),
    ]
    pairs = {tuple(pair["judges"]): pair for pair in report(*paths)["judges"]}
    same = pairs["a", "c"]["dimensions"]["instruction"]["kappa"]
    assert same["kappa"] == 1
    x = [first(number)[0] for number in range(len(judged.PLACES))]
    y = [second(number)[0] for number in range(len(judged.PLACES))]
    seen = fmean((a - b) ** 2 for a, b in zip(x, y, strict=True))
    chance = fmean((a - b) ** 2 for a in x for b in y)
    kappa = pairs["a", "b"]["dimensions"]["instruction"]["kappa"]
    assert kappa["kappa"] == pytest.approx(1 - seen / chance)
    assert sum(map(sum, kappa["counts"])) == len(judged.PLACES)
    assert pairs["a", "b"]["systems"]["n"] == 1


def test_a_judge_that_always_says_the_same_has_no_correlation(tmp_path: Path) -> None:
    pytest.importorskip("scipy")
    pytest.importorskip("krippendorff")
    paths = [
        judged.write(tmp_path / "a.jsonl", judge="a"),
        judged.write(tmp_path / "b.jsonl", judged.verdicts(lambda number: (3,) * 6), judge="b"),
    ]
    (pair,) = report(*paths)["judges"]
    assert pair["dimensions"]["overall"]["spearman"] is None
    assert pair["dimensions"]["overall"]["models"]["kiwi"]["spearman"] is None
    assert run(*paths, "--out", tmp_path / "out").exit_code == 0


def test_two_judges_without_the_extra_name_it(two_judges: list[Path]) -> None:
    try:
        importlib.import_module("krippendorff")
    except ImportError:
        done = run(*two_judges)
        assert done.exit_code == 2
        assert "comparing judges needs further libraries" in done.output
        assert "krippendorff" in done.output
    else:
        pytest.skip("the extra is installed here")


# --- the folder ------------------------------------------------------------------------------------


def test_the_same_verdicts_give_the_same_bytes_in_any_order(tmp_path: Path) -> None:
    paths = [
        judged.write(tmp_path / f"{number}.jsonl", judged.verdicts(judged.level(number)), model=f"m{number}")
        for number in (1, 2, 3)
    ]
    for name, order in (("one", paths), ("two", paths[::-1])):
        assert run(*order, "--out", tmp_path / name).exit_code == 0
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    assert run(*paths[:2], "--out", tmp_path / "one").exit_code == 0
    assert run(*paths[:2], "--out", tmp_path / "new").exit_code == 0
    assert contents(tmp_path / "one") == contents(tmp_path / "new")
    kept = [path.read_bytes() for path in (tmp_path / "one" / "verdicts").iterdir()]
    assert sorted(kept) == sorted(path.read_bytes() for path in paths[:2])


def test_a_folder_with_something_else_is_left_alone(tmp_path: Path) -> None:
    path = judged.write(tmp_path / "a.jsonl")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("mine")
    done = run(path, "--out", tmp_path / "out")
    assert done.exit_code == 2
    assert contents(tmp_path / "out") == {"thesis.txt": b"mine"}


def test_csv_and_latex_have_the_numbers_of_the_document(tmp_path: Path) -> None:
    found = judged.verdicts(judged.level(2))
    judged.write(tmp_path / "a.jsonl", found, model="50% & more_")
    judged.write(tmp_path / "b.jsonl", without(found, 4, "missing"), model="b")
    assert run(tmp_path / "a.jsonl", tmp_path / "b.jsonl", "--out", tmp_path / "out").exit_code == 0
    document = json.loads((tmp_path / "out" / "report.json").read_text())
    rows = {row["model"]: row for row in document["tables"][0]["rows"]}
    with (tmp_path / "out" / "tables.csv").open(newline="") as file:
        lines = [*csv.DictReader(file)]
    (line,) = [
        line
        for line in lines
        if (line["model"], line["theme"], line["key"]) == ("50% & more_", "MACRO", "visual")
    ]
    assert float(line["mean"]) == pytest.approx(rows["50% & more_"]["macro"]["visual"], rel=1e-5)
    partial = [line for line in lines if line["model"] == "b" and line["theme"] == "MACRO"]
    assert {line["mean"] for line in partial} == {""}
    assert "" not in {line["least"] for line in partial}
    with (tmp_path / "out" / "pairs.csv").open(newline="") as file:
        assert [(line["a"], line["b"]) for line in csv.DictReader(file)] == [("50% & more_", "b")]
    latex = (tmp_path / "out" / "tables.tex").read_text()
    assert rf"50\% \& more\_ & {rows['50% & more_']['macro']['overall']:.2f} " in latex
    assert "b (partial, 32/36) & " in latex


def test_videos_are_shown_where_they_are_at_hand(tmp_path: Path) -> None:
    path = judged.write(tmp_path / "a.jsonl")
    sample_id, theme, scene = judged.PLACES[0]
    edit = tmp_path / "kiwi" / theme / f"drawn---{scene.replace(' ', '_')}" / f"{sample_id}_edited.mp4"
    source = tmp_path / "bench" / "source_videos" / theme / f"{sample_id}.mp4"
    for file in (edit, source):
        file.parent.mkdir(parents=True)
        file.write_bytes(file.name.encode())
    words = ["--bench", tmp_path / "bench", "--results", f"kiwi={tmp_path / 'kiwi'}"]
    assert run(path, "--out", tmp_path / "out", *words).exit_code == 0
    videos = [data for name, data in contents(tmp_path / "out").items() if name.startswith("media/")]
    assert sorted(videos) == sorted([edit.name.encode(), source.name.encode()])
    assert run(path, "--out", tmp_path / "out").exit_code == 0
    assert not [name for name in contents(tmp_path / "out") if name.startswith("media/")]
    done = run(path, "--out", tmp_path / "out", "--results", f"nobody={tmp_path}")
    assert done.exit_code == 2
    assert "no such model" in done.output


def test_a_report_says_which_baselines_it_lacks(tmp_path: Path):
    models = ["kiwi", "source", "classical"]
    paths = [judged.write(tmp_path / f"{model}.jsonl", model=model) for model in models]
    assert report(*paths)["tables"][0]["lacks_baselines"] == ["frozen", "copy_paste"]
    assert "no baselines frozen, copy_paste" in run(*paths).output
    whole = [judged.write(tmp_path / f"{model}.jsonl", model=model) for model in ["kiwi", *BASELINES]]
    assert report(*whole)["tables"][0]["lacks_baselines"] == []
    assert "no baselines" not in run(*whole).output


def test_other_benches_have_no_baselines(tmp_path: Path):
    path = free(tmp_path / "free.jsonl", {"global_style": [0.5, 0.6]}, "kiwi")
    assert report(path)["tables"][0]["lacks_baselines"] == []
