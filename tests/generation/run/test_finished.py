"""Whether a finished run is as it was: what its state covers, and what is kept of it."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from msgspec import structs

from sparkle.generation.config import resolve_config
from sparkle.generation.run.finished import FinishedRuns, RunSummary, state_of
from sparkle.generation.run.sources import ListedSource

CLASSICAL = resolve_config(None, ()).config
SUMMARY = RunSummary({"candidates": 1}, 7, 1, ("a é failed",), ())


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A folder with a file, one behind a link to a folder, and a link to nothing; and a source beside it."""
    (tmp_path / "disk").mkdir()
    (tmp_path / "disk" / "clip.mp4").write_bytes(b"artifact")
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "funnel.json").write_text("{}")
    (folder / "location").symlink_to(tmp_path / "disk")
    (folder / "lost").symlink_to(tmp_path / "nowhere")
    (tmp_path / "source.mp4").write_bytes(b"source")
    return folder


def state(run: Path, **changes: object) -> str:
    listed = [ListedSource(str(run.parent / "source.mp4"), "location", None)]
    said = {"config": CLASSICAL, "document": b"name = 1", "listed": listed, "id_offset": 0, **changes}
    return state_of(run, said["config"], said["document"], said["listed"], said["id_offset"])  # type: ignore[arg-type]


def rewrite(path: Path) -> None:
    """Other bytes, as many, at another time."""
    before = path.stat()
    path.write_bytes(path.read_bytes()[::-1])
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 1))


@pytest.mark.parametrize(
    "change",
    [
        lambda run: rewrite(run / "funnel.json"),
        lambda run: rewrite(run.parent / "disk" / "clip.mp4"),
        lambda run: rewrite(run.parent / "source.mp4"),
        lambda run: (run / "more.json").touch(),
        lambda run: (run / "funnel.json").unlink(),
        lambda run: (run.parent / "source.mp4").unlink(),
    ],
)
def test_a_file_that_changed_is_another_state(run: Path, change: Callable[[Path], None]) -> None:
    before = state(run)
    assert state(run) == before
    change(run)
    assert state(run) != before


@pytest.mark.parametrize(
    "changes",
    [
        {"document": b"name = 2"},
        {"id_offset": 1},
        {"listed": []},
        {"listed": [ListedSource("source.mp4", "location", "a prompt")]},
        {"config": structs.replace(CLASSICAL, encoding=structs.replace(CLASSICAL.encoding, crf=30))},
    ],
)
def test_another_question_is_another_state(run: Path, changes: dict[str, object]) -> None:
    assert state(run, **changes) != state(run)


def test_what_a_run_came_to_is_recalled_in_that_state_alone(run: Path) -> None:
    with closing(FinishedRuns()) as finished:
        assert finished.recall(run, "a") is None
        finished.remember(run, "a", SUMMARY)
        assert finished.recall(run, "a") == replace(SUMMARY, processed=0, judged_again=0)
        assert finished.recall(run, "b") is None
        assert finished.recall(run.parent, "a") is None
        finished.remember(run, "b", SUMMARY)
        assert finished.recall(run, "a") is None
