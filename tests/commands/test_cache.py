"""`sparkle cache`: what is in the folder, and what is deleted of it."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from harness import factories
from sparkle import open_pairs
from sparkle._cache import HashCache
from sparkle.builders.building import build
from sparkle.commands import main


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache that a release was read with, and a file of somebody else's in it."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("SPARKLE_CACHE", str(folder))
    factories.write_run(tmp_path / "run", factories.specs("location", 2))
    build(tmp_path / "run", tmp_path / "release")
    assert len(open_pairs(tmp_path / "release")) == 2
    with closing(HashCache()) as hashes:
        hashes.sha256(tmp_path / "run" / "run.toml")
    (folder / "mine.txt").write_text("keep this")
    return folder


def cache(*words: str, answer: str | None = None) -> Result:
    return CliRunner().invoke(main, ["cache", *words], input=answer)


def parts() -> dict[str, dict[str, int]]:
    found = json.loads(cache("ls", "--json").stdout)
    return {part.pop("name"): part for part in found["parts"]}


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_every_part_is_listed_with_its_size(folder: Path) -> None:
    tables = [path for path in (folder / "tables").iterdir() if path.is_file()]
    assert parts()["tables"] == {"files": len(tables), "bytes": sum(path.stat().st_size for path in tables)}
    assert parts()["hashes.sqlite"]["bytes"] >= (folder / "hashes.sqlite").stat().st_size
    assert set(parts()) == names(folder) - {"mine.txt"}
    told = cache("ls")
    assert "tables" in told.output
    assert str(folder) in told.stdout.replace("\n", "")


def test_an_empty_cache_is_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPARKLE_CACHE", str(tmp_path / "none"))
    assert parts() == {}
    assert cache("rm").exit_code == 0


def test_only_what_is_named_is_deleted(folder: Path) -> None:
    before = names(folder)
    assert cache("rm", "tables", "--yes").exit_code == 0
    assert names(folder) == before - {"tables"}


def test_nothing_of_somebody_else_is_deleted(folder: Path) -> None:
    assert cache("rm", "--yes").exit_code == 0
    assert names(folder) == {"mine.txt"}


@pytest.mark.parametrize(("answer", "code", "left"), [("n\n", 0, True), ("", 2, True), ("y\n", 0, False)])
def test_it_asks_first(folder: Path, answer: str, code: int, left: bool) -> None:
    told = cache("rm", answer=answer)
    assert told.exit_code == code, told.output
    assert (folder / "tables").exists() == left


def test_a_part_that_there_is_not_is_a_usage_error(folder: Path) -> None:
    assert cache("rm", "mine.txt", "--yes").exit_code == 2
    assert (folder / "mine.txt").exists()
