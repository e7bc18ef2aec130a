"""A configuration in layers: a file, the files that it is based on, and settings of the command line.

How it works
- `base = "classical"` in a file names what it differs from: a configuration of the package, or a file beside
  it. The bases come first, then the file, then the settings, and later layers override earlier ones.
- Tables merge key by key. A backend's table with another `name` replaces the one before it, whose options
  are not its own; `drop = ["backends.vlm.revision"]` takes out what a base says.
- Nothing here knows which keys there are: `sparkle.generation.config` checks what comes out.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Any

from sparkle.schemas.errors import ConfigError, SparkleError, command, did_you_mean

Key = tuple[str, ...]
"""A key of a table in tables: ("backends", "vlm", "name")."""

BASE, DROP = "base", "drop"
"""The keys of a file that say how it is merged; no configuration has them."""

SUFFIX = ".toml"

_BACKENDS, _NAME = "backends", "name"
_OPTION = "--set"
_SETTING = "KEY=VALUE, such as encoding.crf=23"


@dataclass(frozen=True)
class Layer:
    """What one file says, or all settings of a command line.

    Args:
        label: What it is called beside a value that came from it.
        where: What it is called in an error.
        table: What it says.
        text: The file; None for what no file says.
        dropped: Keys of earlier layers that it takes out.
    """

    label: str
    where: str
    table: dict[str, Any]
    text: str | None = None
    dropped: tuple[Key, ...] = ()

    def place(self, key: Key) -> str:
        """Return where it says something about a key: file and line, or the setting."""
        dotted = ".".join(key)
        line = None if self.text is None else _line_of(key, self.text)
        return f"{self.where}:{line} {dotted}" if line else f"{self.where} {dotted}"


CONFIGS = "sparkle.configs"
"""Where the package has its configurations; other files of this form are in packages of their own."""


def shipped(package: str = CONFIGS) -> dict[str, str]:
    """Return the texts of the configurations that come with the package, by name."""
    files = resources.files(package).iterdir()
    found = {file.name.removesuffix(SUFFIX): file for file in files if file.name.endswith(SUFFIX)}
    return {name: found[name].read_text("utf-8") for name in sorted(found)}


def file_layers(chosen: str | Path, package: str = CONFIGS) -> list[Layer]:
    """Return the layers of a configuration: the bases that it names, then itself.

    Args:
        chosen: The name of one that comes with the package; or a path, which has a folder or `.toml` in it.
        package: Where those are that have names.

    Raises:
        ConfigError: there is no such configuration, it is not TOML, or its bases form a circle.
    """
    layers: list[Layer] = []
    seen: dict[str | Path, str] = {}
    following: str | Path | None = chosen
    folder, named_by = Path(), None
    while following is not None:
        text, where, path = _read(following, folder, named_by, package)
        identity = path.resolve() if path else following
        if identity in seen:
            circle = " -> ".join([*list(seen.values())[list(seen).index(identity) :], where])
            raise ConfigError(
                "the bases of a configuration form a circle",
                got=circle,
                where=named_by,
                fix=f"take `{BASE}` out of one of them",
            )
        seen[identity] = where
        label = Path(following).name if not layers else f"{BASE} {following}"
        table = parse_table(text, where)
        following, drop = table.pop(BASE, None), table.pop(DROP, [])
        layer = Layer(label, where, table, text)
        layers.insert(0, replace(layer, dropped=_dropped(drop, layer)))
        folder, named_by = path.parent if path else folder, layer.place((BASE,))
        if not isinstance(following, str | None):
            wanted = "a name or a path as a string"
            raise ConfigError("wrong type", got=repr(following), wanted=wanted, where=named_by)
    return layers


def parse_table(text: str, where: str) -> dict[str, Any]:
    """Return the table of a TOML text; raises ConfigError where it is none."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError("not TOML", got=error, where=where) from None
    except RecursionError:
        raise ConfigError("nested too deep", where=where) from None


def settings_layer(settings: Iterable[str]) -> Layer:
    """Return the layer of a command line's settings.

    Args:
        settings: Of the form KEY=VALUE, where the key is that of TOML and so is the value. A value that is
            none is a string, unless it begins like one of TOML's and does not end like one.

    Raises:
        ConfigError: one is of another form, or a key is set twice.
    """
    table: dict[str, Any] = {}
    for setting in settings:
        name, equals, text = setting.partition("=")
        where = f"{_OPTION} {setting}"
        key = _parse_key(name)
        if not equals or key is None or not text.strip():
            raise ConfigError("not a setting", got=setting, wanted=_SETTING, where=_OPTION)
        if key[0] == BASE:
            raise ConfigError("a base is no setting", got=setting, where=_OPTION, fix="name it by --config")
        inner: Any = table
        for part in key[:-1]:
            inner = inner.setdefault(part, {}) if isinstance(inner, dict) else None
        if not isinstance(inner, dict) or key[-1] in inner:
            raise ConfigError("a key is set twice", got=name, wanted="each key once", where=where)
        inner[key[-1]] = _parse_value(text.strip(), where)
    drop = table.pop(DROP, [])
    layer = Layer(_OPTION, _OPTION, table)
    return replace(layer, dropped=_dropped(drop, layer))


def merge(layers: Sequence[Layer]) -> tuple[dict[str, Any], dict[Key, str]]:
    """Return the table that layers give together, and by key the label of the layer that a value is from.

    Raises:
        ConfigError: a layer drops what those before it do not say.
    """
    table: dict[str, Any] = {}
    origins: dict[Key, str] = {}
    for layer in layers:
        for key in layer.dropped:
            _drop(table, origins, key, layer)
        for capability, options in _tables(layer.table.get(_BACKENDS)).items():
            known = _tables(table.get(_BACKENDS)).get(capability, {})
            if _NAME in options and options[_NAME] != known.get(_NAME):
                _forget(origins, (_BACKENDS, capability))
                known.clear()
        _merge_into(table, layer.table, origins, layer.label)
    return table, origins


def moved(error: SparkleError, where: str | None) -> ConfigError:
    """Return an error about a configuration with another place."""
    return ConfigError(error.problem, got=error.got, wanted=error.wanted, where=where, fix=error.fix)


# --- files -----------------------------------------------------------------------------------------


def _read(
    chosen: str | Path, folder: Path, named_by: str | None, package: str
) -> tuple[str, str, Path | None]:
    """Return a configuration's text, its name in errors, and its path unless it is the package's."""
    if isinstance(chosen, str) and not _is_path(chosen):
        texts = shipped(package)
        if chosen not in texts:
            raise _no_such_name(chosen, texts, folder, named_by)
        place = package.partition(".")[2].replace(".", "/")
        return texts[chosen], f"{place}/{chosen}{SUFFIX}", None
    path = folder / chosen
    try:
        return path.read_text("utf-8"), str(path), path
    except (OSError, UnicodeDecodeError) as error:
        where = f"{path}, the base in {named_by}" if named_by else path
        raise ConfigError("the configuration cannot be read", got=error, where=where) from None


def _is_path(chosen: str) -> bool:
    return "/" in chosen or chosen.endswith(SUFFIX)


def _no_such_name(chosen: str, names: Iterable[str], folder: Path, named_by: str | None) -> ConfigError:
    here = [name for name in (chosen, f"{chosen}{SUFFIX}") if os.path.isfile(folder / name)] if chosen else []
    fix = did_you_mean(chosen, names)
    if here:
        name = here[0] if here[0].endswith(SUFFIX) else f"./{here[0]}"
        says = f'{BASE} = "{name}"' if named_by else command("--config", name)
        fix = f"there is a file {here[0]}: `{says}` takes it"
    return ConfigError(
        "no such configuration",
        got=chosen,
        wanted=f"{', '.join(names)}, or the path of a file: one with a folder or {SUFFIX} in it",
        where=named_by or "--config",
        fix=fix,
    )


def _dropped(drop: object, layer: Layer) -> tuple[Key, ...]:
    """Return the keys that a layer takes out."""
    names = drop if isinstance(drop, list) else [drop]
    keys = [_parse_key(name) if isinstance(name, str) else None for name in names]
    if not isinstance(drop, list) or None in keys:
        wanted = 'a list of keys, such as ["backends.vlm.revision"]'
        raise ConfigError("not keys to drop", got=repr(drop), wanted=wanted, where=layer.place((DROP,)))
    return tuple(key for key in keys if key is not None)


def _line_of(key: Key, text: str) -> int | None:
    """Return the line on which a key begins: the first whose end is TOML that has the key.

    A value of several lines begins behind the last line that was whole without it.
    """
    lines = text.split("\n")
    whole = 0
    for end in range(1, len(lines) + 1):
        try:
            found = tomllib.loads("\n".join(lines[:end]))
        except (tomllib.TOMLDecodeError, RecursionError):
            continue
        if has_key(found, key):
            return whole + 1
        whole = end
    return None


def has_key(table: Any, key: Key) -> bool:
    """Whether a table has a key, of a value or of a table."""
    for part in key:
        if not isinstance(table, dict) or part not in table:
            return False
        table = table[part]
    return True


# --- settings --------------------------------------------------------------------------------------


def _parse_key(name: str) -> Key | None:
    """Return the parts of a dotted key; None where it is none."""
    try:
        table: Any = tomllib.loads(f"{name}=0")
    except (tomllib.TOMLDecodeError, RecursionError):
        return None
    key: list[str] = []
    while isinstance(table, dict):
        if len(table) != 1:
            return None
        ((part, table),) = table.items()
        key.append(part)
    return tuple(key)


def _parse_value(text: str, where: str) -> Any:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ConfigError("not UTF-8", got=error, where=where) from None
    try:
        table = tomllib.loads(f"value = {text}")
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        if re.match(r"""["'\[{]""", text):
            raise ConfigError("not a value of TOML", got=error, wanted=_SETTING, where=where) from None
        return text
    return table["value"] if len(table) == 1 else text


# --- merging ---------------------------------------------------------------------------------------


def _tables(value: Any) -> dict[str, dict[str, Any]]:
    """Return the tables in a table; what is none is told when the whole is checked."""
    if not isinstance(value, dict):
        return {}
    return {name: inner for name, inner in value.items() if isinstance(inner, dict)}


def _merge_into(
    table: dict[str, Any], later: dict[str, Any], origins: dict[Key, str], label: str, inside: Key = ()
) -> None:
    for name, value in later.items():
        key = (*inside, name)
        if isinstance(value, dict):
            if not isinstance(table.get(name), dict):
                _forget(origins, key)
                table[name] = {}
                if not value:
                    origins[key] = label
            _merge_into(table[name], value, origins, label, key)
        else:
            _forget(origins, key)
            table[name] = value
            origins[key] = label


def _forget(origins: dict[Key, str], key: Key) -> None:
    for known in [known for known in origins if known[: len(key)] == key]:
        del origins[known]


def _drop(table: dict[str, Any], origins: dict[Key, str], key: Key, layer: Layer) -> None:
    if not has_key(table, key):
        raise ConfigError("nothing to drop", got=".".join(key), where=layer.place((DROP,)))
    for part in key[:-1]:
        table = table[part]
    del table[key[-1]]
    _forget(origins, key)
