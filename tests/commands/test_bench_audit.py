"""`sparkle bench audit --judge`: controls made, judged by a real client, and looked at, in one command."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from harness.audited import SUBJECT, write_bench, write_edits
from harness.endpoint import LocalEndpoint, pictures
from harness.judge_answers import as_object
from sparkle.builders.bench.audited import JudgeAudit, read_audit
from sparkle.commands import main

pytest.importorskip("openai", reason="needs the extra vlm: pip install 'sparkle-dataset[vlm]'")
pytestmark = pytest.mark.slow

CONTROLS, SAMPLES = 40, 3


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[LocalEndpoint]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("SPARKLE_CACHE", str(tmp_path / "cache"))
    found = LocalEndpoint()
    yield found
    found.close()


@pytest.fixture
def audit(endpoint: LocalEndpoint, tmp_path: Path) -> Callable[..., Result]:
    """The command, on a bench with good edits."""
    write_bench(tmp_path / "bench")
    write_edits(tmp_path / "edits")
    options = {"kind": "openai", "model": "m", "revision": "1", "base_url": endpoint.url, "frames": 5}
    text = "".join(f"{name} = {json.dumps(value)}\n" for name, value in options.items())
    (tmp_path / "judge.toml").write_text(text, "utf-8")
    words = ["bench", "audit", tmp_path / "bench", "--edits", tmp_path / "edits", "--out", tmp_path / "audit"]
    words += ["--samples", SAMPLES, "--workers", 1, "--judge", tmp_path / "judge.toml"]
    return lambda *more: CliRunner().invoke(main, [*map(str, [*words, *more])])


def by_what_it_sees(frames: slice) -> Callable[[dict], str]:
    """A judge of motion that looks at some of the matched frames, and knows nothing but these."""

    def answer(body: dict) -> str:
        shown = [picture.astype(float) for picture in pictures(body)]
        pairs = [*zip(shown[::2], shown[1::2], strict=True)][frames]
        subjects = [[np.abs(image - SUBJECT).max(axis=2) < 100 for image in pair] for pair in pairs]
        apart = np.mean([np.hypot(*(middle(a) - middle(b))) for a, b in subjects])
        scene = ~np.any(subjects, axis=(0, 1))
        edits = [edit[scene] for _, edit in pairs]
        still = np.mean([np.abs(a - b).mean() < 6 for a, b in pairwise(edits)] or [0])
        unedited = np.mean([np.abs((a - b)[scene]).mean() for a, b in pairs]) < 3
        return as_object((1 if unedited else 5, 5, 5, down(apart / 4), down(4 * still), 5))

    return answer


def middle(mask: np.ndarray) -> np.ndarray:
    return np.argwhere(mask).mean(axis=0) if mask.any() else np.zeros(2)


def down(by: float) -> int:
    return 5 - min(4, round(float(by)))


def found(folder: Path) -> JudgeAudit:
    (judge,) = read_audit(folder / "audit").judges
    return judge


def test_a_judge_that_looks_at_one_frame_is_not_fit_for_motion(
    audit: Callable[..., Result], endpoint: LocalEndpoint, tmp_path: Path
) -> None:
    endpoint.answer = by_what_it_sees(slice(0, 1))
    done = audit()
    assert done.exit_code == 1, done.output
    assert len(endpoint.requests) <= CONTROLS * SAMPLES
    assert "not fit for FgMo: " in done.stdout
    assert "does not see held (Spearman 0.00, AUC 0.50)" in done.stdout
    assert "not fit for BgDy: does not see still" in done.stdout
    judge = found(tmp_path)
    assert judge.asked == CONTROLS * SAMPLES
    assert judge.not_judged == ()
    assert judge.failed == 0
    asked = len(endpoint.requests)
    assert audit().stdout == done.stdout
    assert len(endpoint.requests) == asked  # nothing is paid twice


def test_a_judge_that_watches_is(
    audit: Callable[..., Result], endpoint: LocalEndpoint, tmp_path: Path
) -> None:
    endpoint.answer = by_what_it_sees(slice(None))
    done = audit()
    judge = found(tmp_path)
    assert judge.dimensions["fg_motion"].fit, done.stdout
    assert judge.dimensions["bg_dynamics"].fit, done.stdout
    assert judge.checks["source"].share == 1
    assert judge.unfit == ["Ins", "Vis", "FgIn", "BgVi"]  # of other prompts it knows nothing


def test_a_plan_asks_nobody(audit: Callable[..., Result], endpoint: LocalEndpoint) -> None:
    done = audit("--plan")
    assert done.exit_code == 0, done.output
    assert f"{CONTROLS * SAMPLES} verdicts to come" in done.stdout
    assert endpoint.requests == []


def test_a_mistake_in_the_judges_file_is_found_before_anything_is_made(
    audit: Callable[..., Result], tmp_path: Path
) -> None:
    (tmp_path / "judge.toml").write_text('kind = "openai"\nmodle = "m"\n', "utf-8")
    assert audit().exit_code == 2
    assert not (tmp_path / "audit").exists()
