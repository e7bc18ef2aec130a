"""The house stands: imports go down only, without a circle, and nothing heavy comes with `--help`."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import click
import pytest

from harness import ROOT

FOLDERS = ("schemas", "generation", "builders", "hub")
# A floor may import those before it. Two of the same number do not know each other.
FLOORS = {
    "schemas": 1,
    "configs": 1,
    "_": 2,
    "media": 3,
    "generation": 4,
    "builders": 4,
    "hub": 5,
    "commands": 6,
}
# Within a floor: the sub-packages in the order in which they may import each other, later from earlier.
ORDER = {
    "generation": ("backends", "judges", "steps", "run"),
    "builders": (
        "release",
        "reading",
        "bench",
        "cards",
        "building",
        "training",
        "checks",
        "upstream",
        "takedown",
    ),
    "hub": ("targets", "publish", "diff", "pull", "takedown", "verify", "preview"),
    "hub.staging": ("store", "routes"),
}
# The modules that stand beside sub-packages. Those of `generation` come before them, those of the staging hub
# (which put everything together) after.
LOOSE = {
    "generation": {"config", "layers", "taxonomy", "backend", "needs", "weights", "bait"},
    "builders": set(),
    "hub": set(),
    "hub.staging": {"app", "faults", "server"},
}
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
    "scipy",
    "krippendorff",
    "ray",
)


def verbs(group: click.Group) -> Iterator[click.Command]:
    """Every verb of a command, those of a verb that is a group itself behind it."""
    for name in group.list_commands(None):
        verb = group.get_command(None, name)
        yield verb
        if isinstance(verb, click.Group):
            yield from verbs(verb)


@cache
def modules() -> dict[str, Path]:
    """Every module of the package, by its dotted name."""
    files = [file for folder in FOLDERS for file in (ROOT / folder).rglob("*.py")]
    linked = {ROOT / "sparkle" / folder for folder in FOLDERS}
    files += [file for file in (ROOT / "sparkle").rglob("*.py") if not linked & {*file.parents}]
    found = {}
    for file in files:
        parts = file.relative_to(ROOT).with_suffix("").parts
        parts = parts if parts[0] == "sparkle" else ("sparkle", *parts)
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    return found


@cache
def nodes(file: Path) -> tuple[ast.AST, ...]:
    """The syntax tree of a file, flat."""
    return tuple(ast.walk(ast.parse(file.read_text("utf-8"))))


def imported_names(file: Path) -> Iterator[str]:
    """Absolute names that a file imports, also inside functions."""
    for node in nodes(file):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}:{node.lineno}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@cache
def edges() -> frozenset[tuple[str, str]]:
    """Which module imports which other."""
    found = set()
    for module, file in modules().items():
        for name in imported_names(file):
            target = name if name in modules() else name.rpartition(".")[0]
            if target in modules() and target != module:
                found.add((module, target))
    return frozenset(found)


def floor_of(module: str) -> int:
    """The number of a module's floor; the package itself, with the public names, is the last."""
    name = module.split(".")[1] if "." in module else "sparkle"
    if name in ("sparkle", "__main__"):
        return 7
    return FLOORS["_" if name.startswith("_") else name]


def test_every_module_is_seen():
    assert {"sparkle", "sparkle._files", "sparkle.schemas.layout", "sparkle.hub.staging.app"} <= {*modules()}


def test_imports_go_down_only():
    def goes_up(module: str, target: str) -> bool:
        if floor_of(module) == floor_of(target):
            return module.split(".")[1] != target.split(".")[1] and floor_of(module) != FLOORS["_"]
        return floor_of(module) < floor_of(target)

    # `import sparkle` gives names and the version; modules do not take them from there.
    assert [f"{module} imports {target}" for module, target in edges() if goes_up(module, target)] == []


@pytest.mark.parametrize("floor", ORDER)
def test_imports_go_down_inside_a_floor(floor):
    order, inside = ORDER[floor], f"sparkle.{floor}."

    def place(module: str) -> int | None:
        name = module.removeprefix(inside).split(".")[0]
        if name in order:
            return order.index(name)
        return None if name not in LOOSE[floor] else -1 if floor == "generation" else len(order)

    wrong = []
    for module, target in edges():
        if module.startswith(inside) and target.startswith(inside):
            ours, theirs = place(module), place(target)
            if ours is not None and theirs is not None and ours < theirs:
                wrong.append(f"{module} imports {target}")
    assert wrong == []


@pytest.mark.parametrize("floor", LOOSE)
def test_modules_stand_in_the_folders_that_are_named(floor):
    folder = ROOT / floor.replace(".", "/")
    names = {
        path.stem for path in folder.iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file()
    }
    others = {"staging"} if floor == "hub" else set()
    assert names - {"__init__"} == {*ORDER[floor], *LOOSE[floor], *others}


def test_no_import_circle():
    graph: dict[str, set[str]] = {module: set() for module in modules()}
    for module, target in edges():
        graph[module].add(target)
    while leaves := [module for module, targets in graph.items() if not targets & graph.keys()]:
        for module in leaves:
            del graph[module]
    assert graph == {}


@pytest.mark.parametrize("folder", [*FOLDERS, "sparkle", "tests", "benchmarks", "examples"])
def test_folders_are_never_imported_by_their_own_name(folder):
    for file in (ROOT / folder).rglob("*.py"):
        for name in imported_names(file):
            assert name.split(".")[0] not in FOLDERS, f"{file} imports {name}: write sparkle.{name}"


# What is outside of the package, and the modules that alone may use it, by prefixes of their names.
HOMES = {
    "fcntl": ("sparkle._files",),
    "pyarrow.parquet": ("sparkle.builders.release.tables", "sparkle.builders.release.read_tables"),
    "huggingface_hub.HfApi": (
        "sparkle.builders.reading.hub",
        "sparkle.hub.targets.hub",
        "sparkle.hub.targets.parts",
        "sparkle.hub.publish.index",
        "sparkle.hub.takedown",
    ),
    "huggingface_hub.errors.HfHubHTTPError": (
        "sparkle.builders.reading.client",
        "sparkle.builders.reading.session",
    ),
    "huggingface_hub.HfFileSystem": (),
}
# The staging hub takes the part of the Hub: it has paths and locks of its own.
STAGING = "sparkle.hub.staging"


@pytest.mark.parametrize("name", HOMES)
def test_what_is_outside_has_one_home(name):
    wrong = [
        module
        for module, file in modules().items()
        if name in imported_names(file) and not module.startswith((*HOMES[name], STAGING))
    ]
    assert wrong == []


def test_paths_of_a_release_are_spelt_out_in_the_layout_alone():
    folders = ("data/", "records/", "prompts/", "webdataset/")
    wrong = []
    for module, file in modules().items():
        if module == "sparkle.schemas.layout" or module.startswith(STAGING):
            continue
        constants = (node.value for node in nodes(file) if isinstance(node, ast.Constant))
        texts = [value for value in constants if isinstance(value, str)]
        wrong += [f"{module}: {text!r}" for text in texts if text.startswith(folders)]
    assert wrong == []


def test_only_commands_print():
    """The scripts that verify runs in processes of their own answer by printing, too."""
    wrong = []
    for module, file in modules().items():
        if module.startswith(("sparkle.commands", "sparkle.hub.verify.readers.")):
            continue
        calls = (node.func for node in nodes(file) if isinstance(node, ast.Call))
        if any(isinstance(called, ast.Name) and called.id == "print" for called in calls):
            wrong.append(f"{module} prints")
        libraries = {name.split(".")[0] for name in imported_names(file)} & {"rich", "click"}
        wrong += [f"{module} imports {library}" for library in libraries]
    assert wrong == []


def test_a_class_name_exists_once():
    """Each model's class is called Backend, in a module of its own."""
    homes: dict[str, list[str]] = {}
    for module, file in modules().items():
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.ClassDef):
                homes.setdefault(node.name, []).append(module)
    assert {name: found for name, found in homes.items() if len(found) > 1 and name != "Backend"} == {}


def test_every_field_of_options_is_read_outside_its_class():
    fields: set[str] = set()
    read: set[str] = set()
    for file in modules().values():
        tree = ast.parse(file.read_text("utf-8"))
        inside: set[ast.AST] = set()
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and node.name.endswith("Options"):
                inside |= {*ast.walk(node)}
                fields |= {line.target.id for line in node.body if isinstance(line, ast.AnnAssign)}
        read |= {
            node.attr
            for node in ast.walk(tree)
            if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load) and node not in inside
        }
    assert len(fields) > 10
    assert fields - read == set()


def test_every_option_of_a_command_is_used():
    for file in (ROOT / "sparkle" / "commands").glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef) and any(
                "option" in ast.dump(d) for d in node.decorator_list
            ):
                loaded = {name.id for name in ast.walk(node) if isinstance(name, ast.Name)}
                given = {argument.arg for argument in [*node.args.args, *node.args.kwonlyargs]}
                assert given <= loaded, f"{file.name}: {node.name} does not use {given - loaded}"


@pytest.mark.parametrize("command", ["main", "hub"])
def test_every_option_of_a_command_has_a_help_text(command):
    from sparkle import commands

    for verb in verbs(getattr(commands, command)):
        assert re.search("Example: (accelerate launch -m )?sparkle", verb.help), verb.name
        for option in verb.params:
            if option.param_type_name == "option" and option.name != "help":
                assert option.help, f"{verb.name} {option.name}"
                assert option.help[0].isupper(), f"{verb.name} {option.name}"


@pytest.mark.parametrize("command", ["main", "hub"])
def test_help_imports_nothing_heavy(command):
    code = (
        "import sys\n"
        f"from sparkle.commands import {command} as command\n"
        "from click.testing import CliRunner\n"
        "runner = CliRunner()\n"
        "def lines(group, *before):\n"
        "    for name in group.list_commands(None):\n"
        "        yield [*before, name, '--help']\n"
        "        verb = group.get_command(None, name)\n"
        "        yield from lines(verb, *before, name) if hasattr(verb, 'list_commands') else ()\n"
        "words = list(lines(command))\n"
        "for line in [['--help'], ['--version'], *words]:\n"
        "    result = runner.invoke(command, line)\n"
        "    assert result.exit_code == 0, (line, result.output)\n"
        f"    print(line, [name for name in {HEAVY!r} if name in sys.modules])\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert len(lines) > 2
    assert [line for line in lines if not line.endswith(" []")] == []
