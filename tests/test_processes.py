"""Worker processes: what a script must have for them, and what is said of one that has not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from harness import factories
from sparkle.builders.building.from_runs import build_release
from sparkle.builders.building.provenance import ReleaseOptions

pytestmark = pytest.mark.slow

CALLS = {
    "validate": "print('findings', sparkle.validate({0!r}, workers=2).findings)\n",
    "verify": "print('findings', sparkle.verify({0!r}, levels=['consistency'], workers=2).ok)\n",
}


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("processes")
    run = factories.write_run(folder / "run", factories.specs("location", 3))
    return build_release([run], folder / "release", ReleaseOptions(preview=1)).out


def run_script(path: Path, text: str) -> subprocess.CompletedProcess[str]:
    path.write_text(text)
    return subprocess.run([sys.executable, path], capture_output=True, text=True, timeout=300)


@pytest.mark.parametrize("call", CALLS)
def test_a_script_without_the_guard_is_told_of_it_and_nothing_is_said_of_the_release(
    release: Path, tmp_path: Path, call: str
) -> None:
    done = run_script(tmp_path / "check.py", "import sparkle\n" + CALLS[call].format(str(release)))
    assert done.returncode == 1
    assert "findings" not in done.stdout
    last = done.stderr.rpartition("UnguardedScriptError: ")[2]
    assert 'if __name__ == "__main__":' in last
    assert str(tmp_path / "check.py") in last


@pytest.mark.parametrize("call", CALLS)
def test_a_script_with_the_guard_has_its_answer(release: Path, tmp_path: Path, call: str) -> None:
    body = CALLS[call].format(str(release)).replace("\n", "\n    ")
    done = run_script(tmp_path / "check.py", f'import sparkle\nif __name__ == "__main__":\n    {body}')
    assert done.stdout.startswith("findings"), done.stderr


def test_a_worker_that_is_killed_is_another_matter(tmp_path: Path) -> None:
    done = run_script(
        tmp_path / "kill.py",
        "import os, signal\n"
        "from sparkle._processes import pool_of\n"
        "def job():\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        'if __name__ == "__main__":\n'
        "    with pool_of(2) as pool:\n"
        "        list(pool([job, job]))\n",
    )
    assert "a worker process died" in done.stderr
    assert "UnguardedScriptError" not in done.stderr
