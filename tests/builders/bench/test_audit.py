"""Audits tell what a judge can see from what it cannot, by pixels and by figures that are known."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from msgspec.structs import replace

from harness.audited import FRAMES, Watcher, write_bench, write_edits
from harness.judged import head
from sparkle._files import write_atomic
from sparkle.builders.bench.audit import make_audit, verdict_files
from sparkle.builders.bench.audited import JudgeAudit, read_audit
from sparkle.builders.bench.controls import (
    BENCH,
    SOURCE,
    SWAPPED,
    TWICE,
    UNTOUCHED,
    Controls,
    bench_of,
    control_names,
    edit_place,
    read_controls,
    results_of,
)
from sparkle.builders.bench.folder import read_bench
from sparkle.builders.bench.making_controls import make_controls
from sparkle.builders.bench.report import make_report
from sparkle.builders.bench.results import read_results
from sparkle.builders.bench.verdicts import write_verdicts
from sparkle.commands import main
from sparkle.media.decode import decode
from sparkle.schemas.canonical import dump_document
from sparkle.schemas.errors import ReleaseError
from sparkle.schemas.rubric import SPARKLE_6
from sparkle.schemas.verdicts import Verdict

pytestmark = pytest.mark.slow

Scores = Callable[[str, int, int], tuple[int | None, ...]]  # by damage, strength and number of the sample


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Bench, edits and an audit's controls."""
    folder = tmp_path_factory.mktemp("audit")
    write_bench(folder / "bench")
    write_edits(folder / "edits")
    make_controls(folder / "bench", folder / "edits", folder / "audit", samples=3)
    return folder


@pytest.fixture(scope="module")
def controls(made: Path) -> Path:
    """The folder of controls."""
    return made / "audit"


def judge(folder: Path, out: Path, scores: Scores, *, repeats: int = 1, name: str = "scripted") -> list[Path]:
    """Verdicts on every control by a judge that knows what was done."""
    files = []
    for control in read_controls(folder).controls:
        identity, items = read_bench(bench_of(folder, control.name))
        verdicts = [
            Verdict(
                id=item.id,
                theme=item.theme,
                subtheme=item.subtheme,
                scene=item.scene,
                repeat=repeat,
                status="ok",
                raw=(raw := scores(control.damage or control.name, control.strength or 0, number + repeat)),
                scores=SPARKLE_6.cap(raw),
            )
            for number, item in enumerate(items.values())
            for repeat in range(1, repeats + 1)
        ]
        files.append(out / f"{control.name}.jsonl")
        write_verdicts(files[-1], head(control.name, name, bench=identity), verdicts)
    return files


AIMS = {
    "other_prompt": 0,
    "banding": 1,
    "cast_light": 1,
    "holes": 2,
    "halo": 2,
    "late": 3,
    "held": 3,
    "backwards": 3,
    "still": 4,
    "slow": 4,
    "blur": 5,
    "warp": 5,
}


def keen(damage: str, strength: int, number: int) -> tuple[int, ...]:
    """Sees everything, and nothing else."""
    scores = [5] * 6
    if damage in (SOURCE, SWAPPED):
        scores[0] = 1
    elif damage in AIMS:
        scores[AIMS[damage]] -= strength
    return tuple(scores)


def dimensions(folder: Path, files: list[Path]) -> tuple[JudgeAudit, dict[str, bool]]:
    """The audit of a judge, and what it is fit for."""
    (found,) = make_audit(folder, files).judges
    return found, {key: fitness.fit for key, fitness in found.dimensions.items()}


# --- controls --------------------------------------------------------------------------------------


def test_controls_are_results_like_a_models(controls: Path) -> None:
    for name in control_names():
        bench = bench_of(controls, name)
        identity, items = read_bench(bench)
        found = read_results(bench, results_of(controls, name), items)
        assert [edit.status for edit in found.edits.values()] == ["ok"] * 3, name
        assert found.findings() == [], name
        control = next(one for one in read_controls(controls).controls if one.name == name)
        assert control.bench == identity.revision


def test_a_damage_is_where_it_should_be_and_grows(controls: Path) -> None:
    bench = bench_of(controls, UNTOUCHED)
    _, items = read_bench(bench)
    item = next(iter(items.values()))

    def pixels(name: str) -> Any:
        return decode(edit_place(results_of(controls, name), item)).astype(float)

    plain = pixels(UNTOUCHED)
    assert len(plain) == FRAMES
    off = {name: np.abs(pixels(name) - plain).mean(axis=(1, 2, 3)) for name in control_names()[4:]}
    for name in ("banding", "cast_light", "holes", "late", "still", "warp"):
        assert off[f"{name}-1"].mean() < off[f"{name}-3"].mean(), name
    assert off["held-1"][:8].max() < 1 < off["held-1"][-1]  # the first two thirds are as they were
    assert off["still-3"][0] < 1 < off["still-3"][-1]


def test_the_same_clips_are_not_made_again_and_others_are(made: Path, tmp_path: Path) -> None:
    copy = tmp_path / "audit"
    shutil.copytree(made / "audit", copy)
    path = next(results_of(copy, "late-1").rglob("*.mp4"))
    before = path.stat().st_mtime_ns
    again = make_controls(made / "bench", made / "edits", copy, samples=3)
    assert path.stat().st_mtime_ns == before
    assert again == read_controls(made / "audit")
    path.unlink()
    make_controls(made / "bench", made / "edits", copy, samples=3)
    assert path.is_file()
    fewer = make_controls(made / "bench", made / "edits", copy, samples=2)
    assert len(read_bench(copy / BENCH)[1]) == len(fewer.samples) == 2
    assert len([*results_of(copy, UNTOUCHED).rglob("*.mp4")]) == 2


def test_who_has_no_edit_is_left_out_and_said(made: Path, tmp_path: Path) -> None:
    edits = tmp_path / "edits"
    shutil.copytree(made / "edits", edits)
    used: Controls = read_controls(made / "audit")
    next(edits.rglob(f"{used.samples[0]}_edited.mp4")).unlink()
    next(edits.rglob(f"{used.samples[1]}_edited.mp4")).write_bytes(b"")
    found = make_controls(made / "bench", edits, tmp_path / "audit", samples=2)
    assert len(found.samples) == 2
    assert not {*found.samples} & {*used.samples[:2]}
    assert found.left_out["there is no edit of it"] == 1
    assert sum(found.left_out.values()) == 2


def test_without_masks_the_subject_is_what_moves(made: Path, tmp_path: Path) -> None:
    write_bench(tmp_path / "bench", masks=False)
    found = make_controls(tmp_path / "bench", made / "edits", tmp_path / "audit", samples=1)
    assert [control.name for control in found.controls if control.damage == "held" and control.void] == []


def test_a_folder_with_something_else_is_left_alone(made: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(ReleaseError, match="do not belong to an audit"):
        make_controls(made / "bench", made / "edits", tmp_path, samples=1)


# --- what a judge can see --------------------------------------------------------------------------


def test_who_watches_is_told_from_who_looks_at_one_frame(controls: Path, tmp_path: Path) -> None:
    watched, fit = dimensions(controls, Watcher(controls).judge(tmp_path / "video"))
    assert fit["fg_motion"]
    assert fit["bg_dynamics"]
    assert watched.unfit == ["Ins", "Vis", "FgIn", "BgVi"]
    glanced, fit = dimensions(controls, Watcher(controls, slice(0, 1)).judge(tmp_path / "frame"))
    assert not fit["fg_motion"]
    assert not fit["bg_dynamics"]
    assert "does not see held (Spearman 0.00, AUC 0.50)" in glanced.dimensions["fg_motion"].reasons
    assert [reason.split(" (")[0] for reason in glanced.dimensions["bg_dynamics"].reasons] == [
        "does not see still",
        "does not see slow",
    ]


def test_who_sees_everything_is_fit_for_everything(controls: Path, tmp_path: Path) -> None:
    found, fit = dimensions(controls, judge(controls, tmp_path, keen))
    assert all(fit.values())
    late = found.damages["late"].response
    assert late.spearman == pytest.approx(1)
    assert late.auc == 1
    assert late.leak == 0
    assert late.fell["fg_motion"] == 3
    assert {name: check.share for name, check in found.checks.items()} == {SOURCE: 1, SWAPPED: 1, TWICE: 1}
    assert found.repeats is None
    assert found.failed == 0


def test_who_gives_one_score_to_all_does_not_tell_dimensions_apart(controls: Path, tmp_path: Path) -> None:
    found, fit = dimensions(controls, judge(controls, tmp_path, lambda *told: (min(keen(*told)),) * 6))
    assert not any(fit.values())
    assert found.damages["blur"].response.leak == pytest.approx(1)
    assert found.dimensions["bg_visual"].reasons == ("does not tell it from other dimensions (leak 1.00)",)


def test_who_answers_by_chance_sees_nothing(controls: Path, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    _, fit = dimensions(
        controls, judge(controls, tmp_path, lambda *_: tuple(map(int, random.integers(1, 6, 6))))
    )
    assert not any(fit.values())


def test_what_is_void_does_not_count(controls: Path, tmp_path: Path) -> None:
    void = {control.name: control.void for control in read_controls(controls).controls if control.void}
    assert "blur-1" in void  # of three pixels there is nothing to blur
    found, _ = dimensions(controls, judge(controls, tmp_path, keen))
    assert found.damages["blur"].response.spearman == pytest.approx(1)


def test_who_takes_an_unedited_clip_for_an_edit_is_not_fit_for_instructions(
    controls: Path, tmp_path: Path
) -> None:
    kind: Scores = lambda *told: keen("", 0, 0) if told[0] in (SOURCE, SWAPPED) else keen(*told)  # noqa: E731
    found, fit = dimensions(controls, judge(controls, tmp_path, kind))
    assert [key for key, able in fit.items() if not able] == ["instruction"]
    assert found.dimensions["instruction"].reasons == (
        "takes an unedited clip for an edit in 3 of 3 samples",
        "takes source and edit swapped for an edit in 3 of 3 samples",
    )


def test_a_dimension_that_a_judge_cannot_say_is_named(controls: Path, tmp_path: Path) -> None:
    mute: Scores = lambda *told: (*keen(*told)[:3], None, *keen(*told)[4:])  # noqa: E731
    found, fit = dimensions(controls, judge(controls, tmp_path, mute))
    assert found.unfit == ["FgMo"]
    assert found.dimensions["fg_motion"].reasons == ("says nothing of it",)
    assert fit["instruction"]


def test_failures_and_repeats_are_counted(controls: Path, tmp_path: Path) -> None:
    def moody(damage: str, strength: int, number: int) -> tuple[int, ...]:
        first, *rest = keen(damage, strength, number)
        return (max(1, first - (number % 2)), *rest)

    files = judge(controls, tmp_path, moody, repeats=2)
    found, _ = dimensions(controls, files)
    assert found.repeats is not None
    assert found.repeats.sd["instruction"] == pytest.approx(0.5**0.5, abs=0.1)
    assert found.repeats.sd["visual"] == 0
    path = tmp_path / "late-3.jsonl"
    identity, items = read_bench(bench_of(controls, "late-3"))
    failed = [
        Verdict(
            id=item.id,
            theme=item.theme,
            subtheme=item.subtheme,
            scene=item.scene,
            repeat=1,
            status="failed",
            reason="refused",
        )
        for item in items.values()
    ]
    write_verdicts(path, head("late-3", "scripted", bench=identity), failed)
    found, fit = dimensions(controls, files)
    assert (found.failed, found.reasons) == (3, {"failed: refused": 3})
    assert not fit["fg_motion"]  # the strongest grade is not judged


def test_too_few_samples_prove_nothing(made: Path, tmp_path: Path) -> None:
    make_controls(made / "bench", made / "edits", tmp_path / "audit", samples=2)
    found, fit = dimensions(tmp_path / "audit", judge(tmp_path / "audit", tmp_path / "verdicts", keen))
    assert not any(fit.values())
    assert found.dimensions["visual"].reasons[0] == "banding is judged on 2 samples, and 3 is the least"


def test_verdicts_on_something_else_are_refused(controls: Path, tmp_path: Path) -> None:
    files = judge(controls, tmp_path, keen)
    identity, _ = read_bench(bench_of(controls, SWAPPED))
    write_verdicts(tmp_path / "other.jsonl", head("kiwi", bench=identity), [])
    with pytest.raises(ReleaseError, match="on no control of this audit"):
        make_audit(controls, [tmp_path / "other.jsonl"])
    write_verdicts(tmp_path / "other.jsonl", head("late-1", bench=identity), [])  # of the other bench
    with pytest.raises(ReleaseError, match="on no control of this audit"):
        make_audit(controls, [tmp_path / "other.jsonl"])
    with pytest.raises(ReleaseError, match="same control by the same judge"):
        make_audit(controls, [*files, files[0]])
    files[0].write_bytes(files[0].read_bytes()[:-9])
    with pytest.raises(ReleaseError, match="a line of the verdicts does not count"):
        make_audit(controls, files)


# --- the command and the report --------------------------------------------------------------------


def test_the_command_makes_audits_and_tells(made: Path, tmp_path: Path) -> None:
    def run(*words: str) -> Any:
        return CliRunner().invoke(main, words)

    out = tmp_path / "audit"
    arguments = ["bench", "audit", str(made / "bench"), "--edits", str(made / "edits"), "--out", str(out)]
    first = run(*arguments, "--samples", "3", "--workers", "1")
    assert first.exit_code == 0
    assert "40 controls of 3 samples" in first.stdout
    Watcher(out, slice(0, 1)).judge(out / "verdicts")
    second = run("bench", "audit", "--out", str(out))
    assert second.exit_code == 1
    assert "not fit for FgMo: does not see held" in second.stdout
    audit = read_audit(out)
    assert audit == make_audit(out, verdict_files(out))
    before = (out / "audit.json").read_bytes()
    run("bench", "audit", "--out", str(out))
    assert (out / "audit.json").read_bytes() == before


def test_a_report_shows_the_audit_of_its_judge(controls: Path, tmp_path: Path) -> None:
    files = judge(controls, tmp_path / "audit" / "verdicts", keen)
    shutil.copy(controls / "controls.json", tmp_path / "audit")
    audit = make_audit(tmp_path / "audit", files)
    write_atomic(tmp_path / "audit" / "audit.json", dump_document(audit))
    verdicts = tmp_path / "audit" / "verdicts" / f"{UNTOUCHED}.jsonl"
    report = make_report([verdicts], audits=[tmp_path / "audit"])
    (table,) = report.document["tables"]
    assert table["audit"]["dimensions"]["fg_motion"]["fit"]
    other = replace(audit.judges[0].judge, name="somebody else")
    changed = replace(audit, judges=(replace(audit.judges[0], judge=other),))
    write_atomic(tmp_path / "other.json", dump_document(changed))
    with pytest.raises(ReleaseError, match="an audit of other judges"):
        make_report([verdicts], audits=[tmp_path / "other.json"])
    fewer = replace(audit.judges[0], dimensions={})
    write_atomic(tmp_path / "other.json", dump_document(replace(audit, judges=(fewer,))))
    with pytest.raises(ReleaseError, match="not those of the rubric"):
        make_report([verdicts], audits=[tmp_path / "other.json"])
    (tmp_path / "other.json").write_bytes(b"{}")
    with pytest.raises(ReleaseError, match="not an audit"):
        make_report([verdicts], audits=[tmp_path / "other.json"])
