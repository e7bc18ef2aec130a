"""The notebook runs from top to bottom, without Jupyter: its code cells in order, in one namespace."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest

import sparkle
from harness import ROOT, factories

CELLS = json.loads((ROOT / "examples" / "notebook.ipynb").read_text("utf-8"))["cells"]


def run(cell: str, names: dict[str, object]) -> object:
    """Run a cell; returns what Jupyter would show: the value of its last expression."""
    body = ast.parse(cell)
    last = body.body.pop() if isinstance(body.body[-1], ast.Expr) else None
    exec(compile(body, "cell", "exec"), names)  # noqa: S102
    if not isinstance(last, ast.Expr):
        return None
    return eval(compile(ast.Expression(last.value), "cell", "eval"), names)  # noqa: S307


def test_it_is_saved_without_outputs() -> None:
    assert {cell["cell_type"] for cell in CELLS} == {"markdown", "code"}
    code = [cell for cell in CELLS if cell["cell_type"] == "code"]
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)
    assert len({cell["id"] for cell in CELLS}) == len(CELLS)


def test_every_cell_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    images = pytest.importorskip("PIL.Image")
    factories.write_run(tmp_path / "run", factories.specs("location", 4))
    sparkle.build(tmp_path / "run", tmp_path / "releases" / "demo")
    monkeypatch.chdir(tmp_path)
    capsys.readouterr()
    names: dict[str, object] = {}
    shown = [run("".join(cell["source"]), names) for cell in CELLS if cell["cell_type"] == "code"]
    pictures = [value.size for value in shown if isinstance(value, images.Image)]
    assert pictures == [(960, 480)] * 4
    told = capsys.readouterr().out
    assert "4 pairs of location" in told
    assert "foreground" in told
