"""Run the own tests of huggingface_hub and datasets, as their sdists have them, against the staging hub.

    make test-clients     # or: python tests/clients/run.py [--project NAME] [--test EXPRESSION] [--json FILE]

- pip fetches the sdists of the versions that `tests/peers/clients.txt` pins, and their tests run in
  `.venv-clients`, against a hub on loopback with a fresh root. Nothing but this machine can be reached. The
  tests' text is changed in one thing: the address of their makers' own staging hub becomes this hub's.
- What the sdists lack (`conftest.py`, fixtures, helpers) is written anew in the folders beside this file, as
  far as tests need it that reach the hub. Sample cards and a recording are not: no sdist has them.
- A test counts where it reached the hub in itself or its own fixtures: `known.toml` says which of these are
  out of scope, and which fail and why. Others say nothing of the hub: most want the public one, are replaced
  by mocks, or share a fixture that failed for the test before.
- The exit code is 0 unless a test fails that `known.toml` does not know, or passes that it says fails.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from collections import Counter
from fnmatch import fnmatchcase
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent
sys.path.insert(0, str(HERE.parent))

from harness.staging_server import Staging, staging  # noqa: E402 - a script: its folder is not a package's

PROJECTS = ("huggingface_hub", "datasets")
_THEIR_HUB = "https://hub-ci.huggingface.co"
_PINNED = re.compile(r"^(\S+)==(\S+)$", re.MULTILINE)


def main() -> int:
    """Run what was asked for, say how it went; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--python", type=Path, default=REPOSITORY / ".venv-clients/bin/python")
    parser.add_argument("--work", type=Path, default=REPOSITORY / "build/clients", help="sdists, kept")
    parser.add_argument("--project", choices=PROJECTS, help="only this one")
    parser.add_argument("--test", default="", metavar="EXPRESSION", help="only tests that pytest's -k takes")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every record there")
    asked = parser.parse_args()
    known = tomllib.loads((HERE / "known.toml").read_text("utf-8"))
    wrong = 0
    written = {}
    for project in [asked.project] if asked.project else PROJECTS:
        with (
            tempfile.TemporaryDirectory(prefix="sparkle-clients-") as name,
            staging(Path(name) / "hub") as hub,
        ):
            tests = _unpack(project, asked.work, Path(name), hub.url)
            records = _run(hub, asked.python, tests, known[project], asked.test)
        written[project] = records
        wrong += _report(project, known[project], records)
    if asked.json:
        asked.json.write_text(json.dumps(written, indent=1), encoding="utf-8")
    return 1 if wrong else 0


def _unpack(project: str, work: Path, folder: Path, url: str) -> Path:
    """Unpack the sdist of the pinned version, beside it what it lacks; returns its folder."""
    version = dict(_PINNED.findall((HERE.parent / "peers/clients.txt").read_text("utf-8")))[project]
    sdist = work / f"{project}-{version}.tar.gz"
    if not sdist.exists():
        print(f"fetching the sdist of {project} {version}", flush=True)
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:"]
        subprocess.run([*pip, "--dest", str(work), f"{project}=={version}"], check=True)
    with tarfile.open(sdist) as tar:
        tar.extractall(folder, filter="data")
    unpacked = folder / f"{project}-{version}"
    shutil.rmtree(unpacked / "src")  # what is installed is tested
    for path in (unpacked / "tests").glob("*.py"):
        path.write_text(path.read_text("utf-8").replace(_THEIR_HUB, url), encoding="utf-8")
    (unpacked / "tests/__init__.py").touch()
    shutil.copytree(HERE / project, unpacked / "tests", dirs_exist_ok=True)
    shutil.copy(HERE / "recording.py", unpacked)
    return unpacked


def _run(hub: Staging, python: Path, folder: Path, known: dict, expression: str) -> list[dict]:
    """Run the tests in scope; returns what the plugin recorded."""
    record = folder / "record.jsonl"
    env = hub.env(folder / "home", token="") | {  # the tests give their token themselves
        "HUB_TESTS_RECORD": str(record),
        "HUB_URL": hub.url,
        "HUB_TOKEN": hub.write_token,
        "TMPDIR": str(folder),
        "PYTHONPATH": str(folder),
        "PYTHONWARNINGS": "ignore",
    }
    command = [
        str(python),
        "-m",
        "pytest",
        "-p",
        "recording",
        "-q",
        "--no-header",
        "--tb=short",
        "--timeout=300",
    ]
    command += ["-o", "addopts=", "-p", "no:cacheprovider", *(["-k", expression] if expression else [])]
    files = [f"tests/{name}" for name in known["files"]]
    log = folder / "log.txt"
    with log.open("wb") as file:
        subprocess.run(
            [*command, *files], cwd=folder, env=env, stdout=file, stderr=subprocess.STDOUT, check=False
        )
    if not record.exists():
        raise SystemExit(log.read_text("utf-8", "replace"))
    return [json.loads(line) for line in record.read_text("utf-8").splitlines()]


def _report(project: str, known: dict, records: list[dict]) -> int:
    """Say what passed of what is in scope, and why the rest did not; returns how much is not as known."""
    reached = [record for record in records if record["reached"] and record["outcome"] != "skipped"]
    outside: Counter[str] = Counter()
    inside, passed, unexpected = 0, 0, 0
    lines = []
    for record in reached:
        test, good = record["test"], record["outcome"] == "passed"
        if reason := _reason(known.get("out_of_scope", []), test):
            outside[reason] += 1
            continue
        inside, passed = inside + 1, passed + good
        reason = _reason(known.get("failing", []), test)
        if not good:
            lines.append(f"failed: {test}\n    {reason or 'NOT KNOWN: ' + record['said']}")
        elif reason:
            lines.append(f"passed, take it out of known.toml: {test}")
        unexpected += good == bool(reason)
    print(f"\n{project}: {passed} passed of {inside} tests in scope that reached the hub")
    lines += [f"out of scope, {count}: {reason}" for reason, count in sorted(outside.items())]
    others = Counter(record["outcome"] for record in records if not record["reached"])
    lines.append(f"did not reach the hub: {', '.join(f'{others[name]} {name}' for name in sorted(others))}")
    print("\n".join(f"  {line}" for line in lines), flush=True)
    return unexpected


def _reason(groups: list[dict], test: str) -> str:
    """Return the reason of the first group that has a pattern for a test; empty without one."""
    patterns = ((group["reason"], pattern) for group in groups for pattern in group["tests"])
    return next((reason for reason, pattern in patterns if fnmatchcase(test, pattern)), "")


if __name__ == "__main__":
    sys.exit(main())
