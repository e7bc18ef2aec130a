"""Options of a backend: what they may be, and which of them decide what it makes.

- Options are the fields of the backend's dataclass; `require_range` and `require_choice` say what a value
  may be, when the configuration is read.
- An option made by `operational` decides how a backend works (an address, a time limit, how much at once),
  not what it makes: it is no part of a fingerprint, so changing it makes nothing again.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sparkle.schemas.errors import ConfigError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_MARK = "operational"


def operational(default: Any = dataclasses.MISSING) -> Any:
    """A field that decides how a backend works and not what it makes; required without a default."""
    if default is dataclasses.MISSING:
        return dataclasses.field(metadata={_MARK: True})
    return dataclasses.field(default=default, metadata={_MARK: True})


def decisive_options(backend: DataclassInstance, table: dict[str, Any]) -> dict[str, Any]:
    """A backend's table without its operational options."""
    left_out = {field.name for field in dataclasses.fields(backend) if field.metadata.get(_MARK)}
    return {name: value for name, value in table.items() if name not in left_out}


def require_range(backend: DataclassInstance, option: str, least: float, most: float) -> None:
    """Raise ConfigError unless least <= the option's value <= most."""
    value = getattr(backend, option)
    if not least <= value <= most:
        raise ConfigError("an option is out of range", got=f"{option} = {value}", wanted=f"{least} to {most}")


def require_choice(backend: DataclassInstance, option: str, choices: Sequence[str]) -> None:
    """Raise ConfigError unless the option's value is one of the choices."""
    value = getattr(backend, option)
    if value not in choices:
        raise ConfigError("no such choice", got=f"{option} = {value!r}", wanted=", ".join(choices))
