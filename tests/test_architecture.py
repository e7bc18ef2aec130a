"""The house stands: imports go down only, without a circle, and nothing heavy comes with `--help`."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FLOORS = {"schemas": 1, "media": 2, "generation": 3, "builders": 3, "hub": 4, "front": 5}
HEAVY = (
    "numpy",
    "cv2",
    "av",
    "pyarrow",
    "datasets",
    "torch",
    "pandas",
    "huggingface_hub",
    "jsonschema_rs",
    "rich",
    "starlette",
    "uvicorn",
    "jinja2",
    "yaml",
)


def module_files() -> dict[str, Path]:
    """Every module of the package, by its dotted name."""
    found = {}
    for floor in FLOORS:
        for file in (ROOT / floor).rglob("*.py"):
            parts = list(file.relative_to(ROOT).with_suffix("").parts)
            parts = ["sparkle", *(parts[1:] if floor == "front" else parts)]
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    return found


def imported_names(file: Path) -> Iterator[str]:
    """Absolute names that a file imports, also inside functions."""
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}:{node.lineno}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def floor_of(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and parts[1] in FLOORS else "front"


def edges(modules: dict[str, Path]) -> Iterator[tuple[str, str]]:
    for module, file in modules.items():
        for name in imported_names(file):
            target = name if name in modules else name.rpartition(".")[0]
            if target in modules:
                yield module, target


def test_every_floor_is_seen():
    modules = module_files()
    assert "sparkle.cli" in modules
    assert "sparkle.schemas.layout" in modules
    assert {floor_of(module) for module in modules} == set(FLOORS)


def test_imports_go_down_only():
    wrong = [
        f"{module} imports {target}"
        for module, target in edges(module_files())
        if floor_of(module) != floor_of(target) and FLOORS[floor_of(target)] >= FLOORS[floor_of(module)]
    ]
    assert wrong == []


def test_no_import_circle():
    graph: dict[str, set[str]] = {module: set() for module in module_files()}
    for module, target in edges(module_files()):
        if module != target:
            graph[module].add(target)
    while leaves := [module for module, targets in graph.items() if not targets & graph.keys()]:
        for module in leaves:
            del graph[module]
    assert graph == {}


@pytest.mark.parametrize("folder", [*FLOORS, "tests", "benchmarks", "examples"])
def test_folders_are_never_imported_by_their_own_name(folder):
    for file in (ROOT / folder).rglob("*.py"):
        for name in imported_names(file):
            assert name.split(".")[0] not in FLOORS, f"{file} imports {name}: write sparkle.{name}"


# Command -> the module whose `main` it is.
_MAINS = {"sparkle": "sparkle.cli", "sparkle-hub": "sparkle.hub.cli"}


@pytest.mark.parametrize("command", _MAINS)
def test_help_imports_nothing_heavy(command):
    code = (
        "import sys\n"
        f"from {_MAINS[command]} import main\n"
        "from click.testing import CliRunner\n"
        "runner = CliRunner()\n"
        "words = [[name, '--help'] for name in main.list_commands(None)]\n"
        "for line in [['--help'], ['--version'], *words]:\n"
        "    result = runner.invoke(main, line)\n"
        "    assert result.exit_code == 0, (line, result.output)\n"
        f"    print(line, [name for name in {HEAVY!r} if name in sys.modules])\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert len(lines) > 2
    assert [line for line in lines if not line.endswith(" []")] == []
