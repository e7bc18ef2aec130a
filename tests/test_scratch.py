"""Temporary folders: gone with the block, and after a kill with the next process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

WORK = """
import sys
from sparkle._scratch import scratch_folder
with scratch_folder() as folder:
    (folder / "large").write_bytes(bytes(1000))
    print(folder, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    return tmp_path / "temporary"


def begin() -> tuple[subprocess.Popen[str], Path]:
    """Start a process that works in a scratch folder until its input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", WORK], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    return process, Path(process.stdout.readline().strip())


def end(process: subprocess.Popen[str], *, by: int | None = None) -> None:
    if by is not None:
        process.send_signal(by)
    process.communicate(timeout=60)
    assert process.returncode == (0 if by is None else -by)


def test_it_is_gone_with_the_block(place: Path) -> None:
    process, folder = begin()
    assert (folder / "large").is_file()
    end(process)
    assert list(place.iterdir()) == []


def test_what_a_kill_leaves_is_removed_by_the_next_process_and_what_is_in_use_stays(place: Path) -> None:
    (place / "sparkle-scratch-being-made").mkdir()
    (place / "of-somebody-else").mkdir()
    (place / "sparkle-scratch-link").symlink_to(place / "of-somebody-else")
    (place / "of-somebody-else/lock").write_bytes(b"")
    using, used = begin()
    killed, left = begin()
    end(killed, by=signal.SIGKILL)
    assert (left / "large").is_file()
    end(begin()[0])
    assert not left.parent.exists()
    assert (used / "large").is_file()
    assert sorted(path.name for path in place.iterdir() if path != used.parent) == [
        "of-somebody-else",
        "sparkle-scratch-being-made",
        "sparkle-scratch-link",
    ]
    end(using)
    assert os.listdir(place / "of-somebody-else") == ["lock"]
