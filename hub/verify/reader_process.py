"""Run a reader (`readers/`) in a process of its own, where nothing of this one can speak for the release.

It gets a fresh HF_HOME, and the token by the file that holds it; it works in a folder where no name hides a
library.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_PATIENCE = 3600.0  # seconds; a map-style load of a full release's tables takes minutes
_SHOWN_LINES = 3  # of what a library says when it fails


@dataclass(frozen=True)
class ReaderAnswer:
    """What a consumer read, or how it failed."""

    value: Any = None
    failure: str | None = None


def run_consumer(name: str, task: dict[str, Any], scratch: Path, *, offline: bool) -> ReaderAnswer:
    """Run `readers/read_<name>.py`.

    Args:
        name: The consumer.
        task: What it is told.
        scratch: A folder for its caches.
        offline: Whether it may not ask a Hub.
    """
    script = Path(__file__).parent / "readers" / f"read_{name}.py"
    home = scratch / f"home-{name}"
    home.mkdir(parents=True, exist_ok=True)
    try:
        done = subprocess.run(
            [sys.executable, "-P", str(script)],
            input=json.dumps(task),
            capture_output=True,
            text=True,
            env=_environment(home, offline=offline),
            cwd=home,
            timeout=_PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return ReaderAnswer(failure=f"no answer within {_PATIENCE:.0f} s")
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.strip()][-_SHOWN_LINES:]
        return ReaderAnswer(failure=" / ".join(said) or f"exit code {done.returncode}")
    return ReaderAnswer(json.loads(done.stdout.splitlines()[-1]))


def _environment(home: Path, *, offline: bool) -> dict[str, str]:
    from huggingface_hub.constants import HF_TOKEN_PATH

    own = {
        name: value
        for name, value in os.environ.items()
        if name not in ("HF_HOME", "HF_HUB_CACHE", "HF_DATASETS_CACHE", "HF_XET_CACHE", "XDG_CACHE_HOME")
    }
    own |= {
        "HF_HOME": str(home),
        "HF_TOKEN_PATH": os.environ.get("HF_TOKEN_PATH", HF_TOKEN_PATH),
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
    }
    return own | ({"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"} if offline else {})
