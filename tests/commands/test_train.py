"""`sparkle train` runs a version of Kiwi-Edit that it knows, and no other; `make test-trainers` runs that."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from sparkle.commands import main

LOOP = "class ModelLogger:\n    pass\n\n\nraise SystemExit('this was run')\n"


@pytest.mark.parametrize(
    ("utils", "problem"),
    [
        (None, "this is no checkout of Kiwi-Edit"),
        ("def launch(:", "this is no checkout of Kiwi-Edit"),
        ("", "this version of Kiwi-Edit is not known"),
        (LOOP, "this version of Kiwi-Edit is not known"),
    ],
)
def test_what_is_not_known_is_not_run(tmp_path: Path, utils: str | None, problem: str) -> None:
    (tmp_path / "train.py").write_text("raise SystemExit('this was run')")
    if utils is not None:
        folder = tmp_path / "diffsynth/trainers"
        folder.mkdir(parents=True)
        (folder / "utils.py").write_text(utils)
    words = ["train", str(tmp_path / "train.py"), "--output_path", str(tmp_path / "out"), "--json"]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 2
    assert f"error: {problem}" in done.stderr
    assert "github.com/showlab/Kiwi-Edit at 223572d" in done.stderr
    assert not (tmp_path / "out").exists()
