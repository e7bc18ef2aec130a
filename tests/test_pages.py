"""Every code block of README and docs runs as written, against a release, a run and a staging hub."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from drawn_clips.synthetic import draw_clip
from harness import ROOT, factories, judged, upstream_folder
from harness.endpoint import LocalEndpoint
from harness.judge_answers import judged_by_prompt
from harness.pages import NO_CODE, RUN, blocks_of
from harness.staging_server import staging
from sparkle._files import write_jsonl
from sparkle.builders.release.formats import csv_line
from sparkle.schemas import layout
from sparkle.schemas.rubric import SPARKLE_6

PAGES = ["README.md", *sorted(f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md"))]
BLOCKS = {page: blocks_of((ROOT / page).read_text("utf-8")) for page in PAGES}
TO_RUN = [page for page in PAGES if any(b.language in RUN and not b.reason for b in BLOCKS[page])]
_UPLOAD = """
import sys
from huggingface_hub import HfApi

HfApi().create_repo("stdKonjac/Sparkle", repo_type="dataset")
HfApi().upload_folder(repo_id="stdKonjac/Sparkle", folder_path=sys.argv[1], repo_type="dataset")
"""
# What a page needs and the machine may lack.
NEEDS = {"README.md": ("torch",), "docs/training.md": ("torch",)}


@pytest.mark.parametrize("page", PAGES)
def test_a_block_is_run_or_says_why_not(page: str) -> None:
    for block in BLOCKS[page]:
        assert block.language in (*RUN, *NO_CODE) or block.reason, f"{page}:{block.line}"
        assert not (block.language in NO_CODE and block.reason), f"{page}:{block.line}: nothing to exempt"


@pytest.mark.parametrize("page", PAGES)
def test_a_reason_belongs_to_a_block(page: str) -> None:
    reasons = re.findall("<!-- not run: (.+) -->", (ROOT / page).read_text("utf-8"))
    assert reasons == [block.reason for block in BLOCKS[page] if block.reason is not None]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with everything that the pages name."""
    folder = tmp_path_factory.mktemp("pages") / "template"
    for seed, subject in ((13, "ball"), (11, "fish")):
        (folder / "clips").mkdir(parents=True, exist_ok=True)
        clip = folder / "clips" / f"{subject}.mp4"
        draw_clip(clip, seed=seed, subject=subject, width=224, height=128, frames=33)
    themes = ["--theme", "location", "--theme", "season"]
    _sparkle(folder, "generate", "--sources", "clips", "--out", "runs/demo", "--workers", "2", *themes)
    for name in ("demo", "v1", "v2"):
        few = ["--theme", "location"] if name == "v2" else []
        _sparkle(folder, "build", "runs/demo", "--out", f"releases/{name}", *few)
    media = factories.write_run(
        folder / "media", [factories.SampleSpec(name) for name in upstream_folder.IDS]
    )
    (folder / "downloads").mkdir()
    upstream_folder.write_folder(folder / "downloads" / "Sparkle", media)
    _sparkle(folder, "index", "downloads/Sparkle", "--out", "indexes/sparkle")
    _write_bench(folder / "bench")
    _write_scores(folder / "scores")
    about, model = (block.code for block in BLOCKS["docs/cards.md"] if block.language == "toml")
    (folder / "release.toml").write_text(about, "utf-8")
    (folder / "model.toml").write_text(model, "utf-8")
    judged.write(folder / "verdicts-kiwi.jsonl")
    (folder / "my.toml").write_text('base = "paper-fast"\n', "utf-8")
    (folder / "verdicts.jsonl").write_text("", "utf-8")
    for name in ("examples", "benchmarks"):
        (folder / name).symlink_to(ROOT / name)
    with staging(folder.parent / "hub") as hub:
        env = _environment(hub.env(folder.parent / "home"))
        _sparkle(folder, "publish", "releases/demo", "me/sparkle", "--tag", "v1.0", env=env)
        _sparkle(folder, "publish", "releases/demo", "me/sparkle", "--revision", "next", env=env)
        hub.python(_UPLOAD, folder.parent / "home", folder / "downloads" / "Sparkle")
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("page", TO_RUN)
def test_the_blocks_of_a_page_run(page: str, template: Path, tmp_path: Path) -> None:
    for module in NEEDS.get(page, ()):
        pytest.importorskip(module)
    folder = tmp_path / "here"
    shutil.copytree(template, folder, symlinks=True)
    shutil.copytree(template.parent / "hub", tmp_path / "hub")
    judge = LocalEndpoint()
    judge.answer = judged_by_prompt
    here = {"SPARKLE_CACHE": str(tmp_path / "cache"), "OPENAI_BASE_URL": judge.url, "NO_PROXY": "127.0.0.1"}
    with closing(judge), staging(tmp_path / "hub", "--reset-tokens") as hub:
        done = subprocess.run(
            [sys.executable, "-m", "harness.pages", str(ROOT / page)],
            cwd=folder,
            env=_environment(hub.env(tmp_path / "home")) | here,
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-6000:]


def _environment(env: dict[str, str]) -> dict[str, str]:
    """The same with our commands, this checkout and the harness in reach."""
    path = os.pathsep.join([str(Path(sys.executable).parent), env["PATH"]])
    return env | {"PATH": path, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])}


def _sparkle(folder: Path, *words: str, env: dict[str, str] | None = None) -> None:
    command = [sys.executable, "-m", "sparkle", *words]
    done = subprocess.run(
        command,
        cwd=folder,
        env=env or _environment(dict(os.environ)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def _write_scores(folder: Path) -> None:
    """What upstream's script wrote of that bench."""
    headings = [dimension.heading for dimension in SPARKLE_6.dimensions]
    line = {
        "id": "Sparkle_season_000009",
        "prompt": "Set the scene in a snowy pine forest.",
        "edit_type": "season",
        "subtheme": "winter",
        "scene": "a snowy field",
        "scores": [4] * len(headings),
        "result": "\n".join(["Brief reasoning: Fine.", *(f"{heading}: 4" for heading in headings)]),
    }
    folder.mkdir()
    write_jsonl(folder / "season_gemini-2.5-pro_sparkle_score.jsonl", [line])


def _write_bench(folder: Path) -> None:
    """A bench of one video, which is in no release."""
    sample_id, prompt = "Sparkle_season_000009", "Set the scene in a snowy pine forest."
    source = folder / layout.bench_source("season", sample_id)
    source.parent.mkdir(parents=True)
    draw_clip(source, seed=9, width=224, height=128, frames=33)
    rows = [list(layout.BENCH_CSV_COLUMNS), ["season", prompt, layout.bench_source("season", sample_id)]]
    (folder / layout.bench_csv("season")).write_text("".join(map(csv_line, rows)), "utf-8")
    metadata = {
        "edit_type": "season",
        "chosen_keyword": "winter: a snowy field",
        "original_scene": "A field.",
    }
    write_jsonl(
        folder / layout.bench_metadata("season"), [{"id": sample_id, "prompt": prompt, "metadata": metadata}]
    )
