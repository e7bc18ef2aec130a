"""`sparkle config`: which configurations there are, what one says and why, and what one can say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import click

from sparkle.commands import VerbGroup
from sparkle.commands.console import Terminal, Verb
from sparkle.commands.options import config_options, output_options, read_config

if TYPE_CHECKING:
    from sparkle.generation.config import Resolved

_HEAD = "# By `sparkle config show`. A line behind `#` is an option that is not set, with its default."
_WIDEST = 60  # characters of a line that comments are aligned with


@click.command(
    name="config",
    cls=VerbGroup,
    sections={"Commands": ("show", "list", "reference")},
    homes={"show": "config:show", "list": "config:list_shipped", "reference": "config:reference"},
)
def config() -> None:
    """List configurations, show what one says, or describe every key.

    Example: sparkle config show --config paper-fast
    """


@click.command(cls=Verb)
@config_options
@output_options
def show(config: str | None, settings: tuple[str, ...], terminal: Terminal) -> None:
    """Show a configuration in full, and where each value comes from.

    What is printed is a complete configuration: save it to a file, and --config takes it.

    Example: sparkle config show --config my.toml --set backends.image_editor.steps=8
    """
    from sparkle.schemas.canonical import plain

    resolved = read_config(config, settings)
    terminal.result(
        _as_toml(resolved),
        {
            "configuration": plain(resolved.config),
            "origins": dict(_origins(plain(resolved.config), resolved)),
            "defaults": {name: dict(_unset(resolved, name)) for name in resolved.config.backends},
        },
    )


@click.command(name="list", cls=Verb)
@output_options
def list_shipped(terminal: Terminal) -> None:
    """List the configurations that come with the package.

    Example: sparkle config list
    """
    from sparkle.generation.config import DEFAULT_CONFIG
    from sparkle.generation.layers import shipped

    about = {name: text.partition("\n")[0].lstrip("# ") for name, text in shipped().items()}
    width = max(map(len, about))
    lines = [
        f"{name:{width}}  {text}{' This is the default.' if name == DEFAULT_CONFIG else ''}"
        for name, text in about.items()
    ]
    terminal.result("\n".join(lines), {"configurations": about, "default": DEFAULT_CONFIG})


@click.command(cls=Verb)
@output_options
def reference(terminal: Terminal) -> None:
    """Describe every table and key of a configuration, as Markdown.

    Example: sparkle config reference > docs/configuration.md
    """
    from dataclasses import asdict

    from sparkle.generation.backends.reference import as_markdown, list_tables

    terminal.result(as_markdown().rstrip("\n"), {"tables": [asdict(table) for table in list_tables()]})


def _as_toml(resolved: Resolved) -> str:
    from sparkle.generation.backends.reference import toml_line
    from sparkle.schemas.canonical import plain

    sections: dict[str, list[tuple[str, str]]] = {"": []}
    for name, value in plain(resolved.config).items():
        if name == "backends":
            for capability, table in value.items():
                key = ("backends", capability)
                rows = [(toml_line(*item), _origin(resolved, (*key, item[0]))) for item in table.items()]
                rows += [(f"# {toml_line(*item)}", "default") for item in _unset(resolved, capability)]
                sections[f"[backends.{capability}]"] = rows
        elif isinstance(value, dict):
            rows = [(toml_line(*item), _origin(resolved, (name, item[0]))) for item in value.items()]
            sections[f"[{name}]"] = rows
        else:
            sections[""].append((toml_line(name, value), _origin(resolved, (name,))))
    lines = [_HEAD]
    for head, rows in sections.items():
        lines += ["", head] if head else []
        width = max((len(line) for line, _ in rows if len(line) <= _WIDEST), default=0)
        lines += [f"{line:{width}}  # {origin}" for line, origin in rows]
    return "\n".join(lines)


def _origins(
    table: Mapping[str, Any], resolved: Resolved, inside: tuple[str, ...] = ()
) -> Iterator[tuple[str, str]]:
    for name, value in table.items():
        key = (*inside, name)
        if isinstance(value, dict) and value:
            yield from _origins(value, resolved, key)
        else:
            yield ".".join(key), _origin(resolved, key)


def _origin(resolved: Resolved, key: tuple[str, ...]) -> str:
    """Return what a value is from, in characters that a comment may have."""
    found = dict.fromkeys(label for known, label in resolved.origins.items() if known[: len(key)] == key)
    text = ", ".join(found) or "default"
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def _unset(resolved: Resolved, capability: str) -> Iterator[tuple[str, Any]]:
    """Yield the options that a backend's table leaves out and that have a default, with it."""
    from sparkle.generation.backends import backend_class
    from sparkle.generation.backends.reference import defaults

    table = resolved.config.backend_table(capability)
    for option, default in defaults(backend_class(capability, table["name"])).items():
        if option not in table and default is not None:
            yield option, default
