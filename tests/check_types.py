"""Type-check the package as a wheel installs it, and make sure that every file was seen.

Checkers cannot follow an editable install that maps root folders to `sparkle.*`, so the package is installed
into `build/typecheck` and checked there. Exits with mypy's code, or 1 when a file was left out.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "build" / "typecheck"
FLOORS = ("schemas", "media", "generation", "builders", "hub")


def main() -> int:
    """Install, check, and compare the files that mypy found with those in the repository."""
    shutil.rmtree(TARGET, ignore_errors=True)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--no-deps", "--target", TARGET, ROOT], check=True)
    mypy = [sys.executable, "-m", "mypy", "--config-file", ROOT / "pyproject.toml", "-v", "-p", "sparkle"]
    result = subprocess.run(mypy, cwd=TARGET, capture_output=True, text=True, check=False)
    print(result.stdout, end="")
    seen = set(re.findall(r"path='[^']*typecheck/(sparkle/[\w/]+\.py)'", result.stderr))
    if missing := sorted(_wanted() - seen):
        print(f"mypy did not see: {', '.join(missing)}")
        return 1
    return result.returncode


def _wanted() -> set[str]:
    front = {f"sparkle/{file.name}" for file in (ROOT / "front").glob("*.py")}
    floors = (file.relative_to(ROOT).as_posix() for floor in FLOORS for file in (ROOT / floor).rglob("*.py"))
    return front | {f"sparkle/{file}" for file in floors}


if __name__ == "__main__":
    raise SystemExit(main())
