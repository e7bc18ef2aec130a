from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from sparkle.commands.build import build


def test_the_commands_import_nothing_heavy() -> None:
    code = (
        "import sys, sparkle.commands.build;"
        "print([n for n in ('pyarrow', 'datasets', 'av', 'cv2', 'numpy', 'jinja2') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_build_says_what_it_wrote_and_what_to_do_next(shared_run: Path, tmp_path: Path) -> None:
    out = tmp_path / "release"
    done = CliRunner().invoke(build, [str(shared_run), "--out", str(out), "--preview", "1"])
    assert done.exit_code == 0, done.output
    assert f"sparkle validate {out}" in done.stdout
    assert f'load_dataset("{out}", "location", split="train")' in done.stdout


def test_build_as_json_is_one_object(shared_run: Path, tmp_path: Path) -> None:
    out = tmp_path / "release"
    done = CliRunner().invoke(build, [str(shared_run), "--out", str(out), "--preview", "0", "--json"])
    answer = json.loads(done.stdout)
    assert done.exit_code == 0
    assert answer["out"] == str(out)
    assert answer["samples"] == {"location": 6, "openve3m": 3}
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["{tmp}/none", "--out", "{tmp}/out"], "not a run folder"),
        (["{run}", "--out", "{run}/out"], "must not be inside"),
    ],
)
def test_what_cannot_be_built_is_exit_code_2(
    shared_run: Path, tmp_path: Path, words: list[str], problem: str
) -> None:
    done = CliRunner().invoke(build, [word.format(tmp=tmp_path, run=shared_run) for word in words])
    assert done.exit_code == 2
    assert problem in done.stderr


@pytest.mark.parametrize("words", [[], ["run"], ["run", "--out", "x", "--preview", "-1"]])
def test_wrong_usage_is_exit_code_2(words: list[str]) -> None:
    assert CliRunner().invoke(build, words).exit_code == 2


def test_a_size_that_is_none_is_wrong_usage(shared_run: Path, tmp_path: Path) -> None:
    words = [str(shared_run), "--out", str(tmp_path / "out"), "--max-shard-size", "big"]
    done = CliRunner().invoke(build, words)
    assert done.exit_code == 2
    assert "such as 5GB" in done.stderr
