"""A bench, edits of it, and an endpoint that judges."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from harness import judge_answers
from harness.benches import write_bench, write_edits
from harness.endpoint import LocalEndpoint
from sparkle.builders.bench.folder import BenchItem, read_bench
from sparkle.builders.bench.verdicts import VerdictFile, read_verdicts
from sparkle.commands import main


class JudgedBench:
    """A bench, a model's edits, and `sparkle bench judge` on them."""

    def __init__(self, folder: Path, endpoint: LocalEndpoint) -> None:
        self.bench, self.results, self.out = (
            folder / "bench",
            folder / "kiwi",
            folder / "verdicts" / "v.jsonl",
        )
        self.endpoint = endpoint
        self.items: dict[str, BenchItem] = read_bench(self.bench)[1]
        self.edits = {path.name.removesuffix("_edited.mp4"): path for path in self.results.rglob("*.mp4")}
        self.file = folder / "judge.toml"
        self.configure()

    def configure(self, **options: Any) -> None:
        """Write the judge's file."""
        table = {
            "kind": "openai",
            "model": judge_answers.MODEL,
            "revision": "1",
            "base_url": self.endpoint.url,
            "frames": 3,
            "backoff": 0.01,
            "retries": 1,
            "concurrency": 1,
            **options,
        }
        text = "".join(
            f"{name} = {json.dumps(value)}\n" for name, value in table.items() if value is not None
        )
        self.file.write_text(text, "utf-8")

    def words(self, *more: object) -> list[str]:
        """The command line."""
        paths = ["--results", self.results, "--judge", self.file, "--out", self.out]
        return [*map(str, ["bench", "judge", self.bench, *paths, *more])]

    def judge(self, *more: object) -> Result:
        """Run the command."""
        return CliRunner().invoke(main, self.words(*more))

    def verdicts(self) -> VerdictFile:
        """What was written; without a finding."""
        found = read_verdicts(self.out)
        assert found.findings == ()
        return found


@pytest.fixture(scope="session")
def drawn_bench(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a bench and edits of it."""
    folder = tmp_path_factory.mktemp("drawn")
    write_edits(folder / "bench", folder / "kiwi", write_bench(folder / "bench"))
    return folder


@pytest.fixture
def judged_bench(drawn_bench: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[JudgedBench]:
    """The bench, with a cache and an endpoint of this test's own."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("SPARKLE_CACHE", str(tmp_path / "cache"))
    shutil.copytree(drawn_bench, tmp_path / "here")
    endpoint = LocalEndpoint()
    endpoint.answer = judge_answers.judged_by_prompt
    endpoint.about = {"usage": judge_answers.USAGE, "system_fingerprint": "fp_1"}
    yield JudgedBench(tmp_path / "here", endpoint)
    endpoint.close()
