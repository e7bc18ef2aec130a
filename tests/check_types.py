"""Type-check the package as a wheel installs it, and make sure that every file is there and was seen.

Checkers cannot follow an editable install that maps root folders to `sparkle.*`, so the package is installed
into `build/typecheck` and checked there. Exits with mypy's code, or 1 when a module or a data file was left
out, or when a package of another name came along.
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
DATA = (
    "schemas/json/*.json",
    "schemas/*.toml",
    "configs/*.toml",
    "builders/*.md",
    "generation/vlm/prompts/*.txt",
    "hub/preview/page/*",
)


def main() -> int:
    """Install, check, and compare the files that mypy found with those in the repository."""
    shutil.rmtree(TARGET, ignore_errors=True)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--no-deps", "--target", TARGET, ROOT], check=True)
    if problem := _wheel_problem():
        print(problem)
        return 1
    mypy = [sys.executable, "-m", "mypy", "--config-file", ROOT / "pyproject.toml", "-v", "-p", "sparkle"]
    result = subprocess.run(mypy, cwd=TARGET, capture_output=True, text=True, check=False)
    print(result.stdout, end="")
    seen = set(re.findall(r"path='[^']*typecheck/(sparkle/[\w/]+\.py)'", result.stderr))
    if missing := sorted(_wanted() - seen):
        print(f"mypy did not see: {', '.join(missing)}")
        return 1
    return result.returncode


def _wheel_problem() -> str | None:
    packages = {path.name for path in TARGET.iterdir() if not path.name.endswith(".dist-info")} - {"bin"}
    if packages != {"sparkle"}:
        return f"the wheel installs {sorted(packages)}, wanted sparkle alone"
    data = [file.relative_to(ROOT) for pattern in DATA for file in ROOT.glob(pattern)]
    left_out = [str(file) for file in data if not (TARGET / "sparkle" / file).is_file()]
    return f"the wheel leaves out {', '.join(left_out)}" if left_out else None


def _wanted() -> set[str]:
    front = {f"sparkle/{file.name}" for file in (ROOT / "front").glob("*.py")}
    floors = (file.relative_to(ROOT).as_posix() for floor in FLOORS for file in (ROOT / floor).rglob("*.py"))
    return front | {f"sparkle/{file}" for file in floors}


if __name__ == "__main__":
    raise SystemExit(main())
