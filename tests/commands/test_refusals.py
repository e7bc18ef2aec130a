"""What the system refuses is told with the option or variable that resolves it."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from sparkle.commands.refusals import refusal


def fix_of(number: int, file: Path | None, paths: dict[str, Path]) -> str | None:
    error = OSError(number, os.strerror(number), None if file is None else str(file))
    told = refusal(error, paths)
    return None if told is None else told.fix


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("SPARKLE_CACHE", "HF_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.mark.parametrize(
    ("file", "place"),
    [
        ("home", "folder with SPARKLE_CACHE and HF_HOME"),
        ("home/.cache", "folder with SPARKLE_CACHE and HF_HOME"),
        ("home/.cache/huggingface/hub/x", "folder with HF_HOME"),
        ("home/.cache/sparkle/hashes.sqlite", "folder with SPARKLE_CACHE"),
        ("data/out", "--out"),
        ("data", "--out"),
        ("data/out/below/it", "--out"),
        ("data/.out.building", "--out"),
        ("clips/a.mp4", "--sources"),
        ("/elsewhere/x", "path"),
    ],
)
def test_the_fix_names_what_decides_where_a_file_is(tmp_path: Path, file: str, place: str) -> None:
    paths = {"--sources": tmp_path / "clips", "--out": tmp_path / "data" / "out"}
    fix = fix_of(errno.EACCES, tmp_path / file, paths)
    assert fix == f"check the permissions, or choose another {place}"


def test_variables_that_are_set_are_what_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPARKLE_CACHE", str(tmp_path / "mine"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "theirs"))
    for folder, name in (("mine", "SPARKLE_CACHE"), ("theirs", "HF_HOME")):
        fix = fix_of(errno.EROFS, tmp_path / folder / "x", {})
        assert fix == f"choose another folder with {name}: this one cannot be written to"


def test_a_full_disk_without_a_file_names_what_lies_on_it(tmp_path: Path) -> None:
    # Linux has a file system that is always full: it has no room at all.
    fix = fix_of(errno.ENOSPC, None, {"--out": Path("/proc/out"), "RELEASE": tmp_path})
    assert fix == "make room or choose another --out, then run the same command again"


def test_a_missing_file_that_nobody_named_is_a_bug(tmp_path: Path) -> None:
    assert fix_of(errno.ENOENT, tmp_path / "ours", {"--out": tmp_path / "out"}) is None
    assert fix_of(errno.ENOENT, tmp_path / "out", {"--out": tmp_path / "out"}) == "check the path"
