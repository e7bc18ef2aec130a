"""`docs/configuration.md`: every table of a configuration and every backend's options, from their classes.

Types and defaults are those of the fields; what a field means is in the docstring of its class, or of the
base class that it comes from.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from typing import Any

import tomli_w
from msgspec import NODEFAULT, Struct, structs

from sparkle.generation.backends import backend_class, backend_names
from sparkle.generation.config import CAPABILITIES, RunConfig
from sparkle.generation.layers import shipped

REGENERATE = "sparkle config reference > docs/configuration.md"

_REQUIRED: Any = dataclasses.MISSING
_SECTION = re.compile(r"^(?:Args|Attributes):\n((?:    .*\n?|\n)+)", re.MULTILINE)
_ENTRY = re.compile(r"^    (\w+): (.*(?:\n {6,}.*)*)", re.MULTILINE)
_TYPES = {"str": "string", "int": "integer", "float": "number", "bool": "boolean", "dict[str, Any]": "table"}
_LONGEST = 60  # characters of a default that are shown


@dataclass(frozen=True)
class ConfigKey:
    """One key of a table.

    Args:
        name: The key.
        type: In words of TOML.
        default: As TOML; None where there is none.
        required: Whether it must be given.
        about: What it means.
    """

    name: str
    type: str
    default: str | None
    required: bool
    about: str


@dataclass(frozen=True)
class ConfigTable:
    """A table of a configuration, or one of the forms of a backend's.

    Args:
        name: The table's; empty for the keys above all tables.
        backend: The backend whose options these are; None for other tables.
        about: The first line of the class's docstring.
        keys: In the order of the class's fields.
    """

    name: str
    backend: str | None
    about: str
    keys: tuple[ConfigKey, ...]


def list_tables() -> list[ConfigTable]:
    """Return every table of a configuration, those of backends last."""
    parts = [part for part in structs.fields(RunConfig) if part.name != "backends"]
    inner = {part.name: part.type for part in parts if inspect.isclass(part.type)}
    inner = {name: kind for name, kind in inner.items() if issubclass(kind, Struct)}
    tables = [ConfigTable("", None, "", tuple(key for key in _keys(RunConfig) if key.name not in inner))]
    tables += [ConfigTable(name, None, _first_line(kind), tuple(_keys(kind))) for name, kind in inner.items()]
    for capability in CAPABILITIES:
        for backend in backend_names(capability):
            kind = backend_class(capability, backend)
            tables.append(
                ConfigTable(f"backends.{capability}", backend, _first_line(kind), tuple(_keys(kind)))
            )
    return tables


def as_markdown() -> str:
    """Return the page."""
    about = (f"- `{name}`: {text.partition(chr(10))[0].lstrip('# ')}" for name, text in shipped().items())
    head = resources.files(__package__).joinpath("templates/configuration.md").read_text("utf-8")
    lines = [head.replace("{regenerate}", REGENERATE).replace("{shipped}", "\n".join(about))]
    capability = ""
    for table in list_tables():
        if table.backend is None:
            lines.append(f"## `[{table.name}]`\n" if table.name else "## Above all tables\n")
        else:
            if table.name != capability:
                capability = table.name
                names = ", ".join(f"`{name}`" for name in backend_names(capability.partition(".")[2]))
                lines.append(f"## `[{capability}]`\n\n`name` is one of {names}.\n")
            lines.append(f"### {capability.partition('.')[2]}: `{table.backend}`\n")
        lines += [f"{table.about}\n"] if table.about else []
        lines.append("\n".join(_rows(table.keys)) + "\n" if table.keys else "It has no options.\n")
    return "\n".join(lines)


def defaults(kind: type[Any]) -> dict[str, Any]:
    """Return the defaults of a class's fields; a field that is not here has none."""
    found = {}
    for field in _fields(kind):
        missing = (_REQUIRED, NODEFAULT)
        if field.default not in missing:
            found[field.name] = field.default
        elif field.default_factory not in missing:
            found[field.name] = field.default_factory()
    return found


def toml_line(key: str, value: Any) -> str:
    """Return a key and its value as one line of TOML, which `tomli_w` makes of scalars only."""
    return f"{_toml_key(key)} = {toml_value(value)}"


def toml_value(value: Any) -> str:
    """Return a value as TOML on one line."""
    if isinstance(value, dict):
        inner = ", ".join(toml_line(key, each) for key, each in value.items())
        return f"{{ {inner} }}" if inner else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(toml_value, value))}]"
    return tomli_w.dumps({"x": value}).removeprefix("x = ").rstrip("\n")


def _toml_key(key: str) -> str:
    return tomli_w.dumps({key: 0}).removesuffix(" = 0\n")


def _fields(kind: type[Any]) -> tuple[Any, ...]:
    return structs.fields(kind) if issubclass(kind, Struct) else dataclasses.fields(kind)


def _keys(kind: type[Any]) -> Iterator[ConfigKey]:
    about, values = _documented(kind), defaults(kind)
    for field in _fields(kind):
        if field.name == "backends":
            continue
        default = values.get(field.name)
        named = field.type if isinstance(field.type, str) else field.type.__name__
        shown = toml_value(default) if _is_toml(default) else None
        yield ConfigKey(
            field.name,
            _TYPES.get(named.removesuffix(" | None"), named),
            shown,
            field.name not in values,
            about.get(field.name, ""),
        )


def _is_toml(value: Any) -> bool:
    return isinstance(value, str | int | float | dict)


def _rows(keys: tuple[ConfigKey, ...]) -> Iterator[str]:
    yield "| key | type | default | |"
    yield "|---|---|---|---|"
    for key in keys:
        text = key.default or ""
        shown = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
        default = "required" if key.required else f"`{shown}`" if shown else "unset"
        yield f"| `{key.name}` | {key.type} | {default} | {key.about} |".replace("\n", " ")


def _documented(kind: type[Any]) -> dict[str, str]:
    """Return what docstrings say of fields, those of the class before those of its bases."""
    found: dict[str, str] = {}
    for base in kind.__mro__:
        for section in _SECTION.findall(inspect.cleandoc(base.__dict__.get("__doc__") or "")):
            for name, about in _ENTRY.findall(section):
                found.setdefault(name, " ".join(about.split()).rstrip(".").replace("None", "unset"))
    return found


def _first_line(kind: type[Any]) -> str:
    """Return what a class is, without where its other options come from."""
    line = inspect.cleandoc(kind.__doc__ or "").partition("\n")[0]
    return line.partition("; the base")[0].rstrip(".") + "."
