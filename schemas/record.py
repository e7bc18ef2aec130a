"""Frozen dataclasses to JSON and back, by their type hints.

- Field names are JSON keys, in order. An optional field (`X | None = None`) that is None is left out.
- Reading is closed: an unknown, missing or wrongly typed key is a `RecordError` with its JSON pointer.
"""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from functools import cache
from typing import TYPE_CHECKING, Any, Self, TypeVar

from sparkle.schemas.errors import RecordError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    T = TypeVar("T", bound=DataclassInstance)


@dataclasses.dataclass(frozen=True)
class Record:
    """A record of the contract; subclasses are frozen dataclasses."""

    def to_json(self) -> dict[str, Any]:
        """The record as JSON values, keys in the order of the fields, absent optionals left out."""
        return dump_fields(self)

    @classmethod
    def from_json(cls, value: Any, pointer: str = "") -> Self:
        """Read a record; raises RecordError with the pointer of what does not fit."""
        return load_fields(cls, value, pointer)


def dump_fields(instance: DataclassInstance) -> dict[str, Any]:
    """The fields of a dataclass as JSON values, in their order; None is left out."""
    values = ((field.name, getattr(instance, field.name)) for field in dataclasses.fields(instance))
    return {name: _dump(value) for name, value in values if value is not None}


def load_fields(cls: type[T], value: Any, pointer: str = "") -> T:
    """A dataclass from JSON values; raises RecordError with the pointer of what does not fit."""
    if not isinstance(value, dict):
        raise RecordError("not an object", got=repr(value)[:80], wanted=cls.__name__, where=pointer or "/")
    hints = _hints(cls)
    names = [field.name for field in dataclasses.fields(cls)]
    for key in value:
        if key not in names:
            raise RecordError("unknown key", got=key, wanted=", ".join(names), where=f"{pointer}/{key}")
    loaded = {}
    for field in dataclasses.fields(cls):
        if field.name in value:
            loaded[field.name] = _load(hints[field.name], value[field.name], f"{pointer}/{field.name}")
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise RecordError("missing key", wanted=field.name, where=pointer or "/")
    return cls(**loaded)


@cache
def _hints(cls: type[DataclassInstance]) -> dict[str, Any]:
    return typing.get_type_hints(cls)


def _dump(value: Any) -> Any:
    if isinstance(value, Record):
        return value.to_json()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dump_fields(value)
    if isinstance(value, tuple | list):
        return [_dump(item) for item in value]
    if isinstance(value, dict):
        return {key: _dump(item) for key, item in value.items()}
    return value


def _load(hint: Any, value: Any, pointer: str) -> Any:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return value
    if origin in (types.UnionType, typing.Union):
        if value is None and type(None) in arguments:
            return None
        hint = next(argument for argument in arguments if argument is not type(None))
        return _load(hint, value, pointer)
    if origin is tuple and isinstance(value, list):
        return tuple(_load(arguments[0], item, f"{pointer}/{index}") for index, item in enumerate(value))
    if origin is dict and isinstance(value, dict):
        return {key: _load(arguments[1], item, f"{pointer}/{key}") for key, item in value.items()}
    if origin is None and isinstance(value, dict) and dataclasses.is_dataclass(hint):
        return load_fields(typing.cast(type[Any], hint), value, pointer)
    if hint is float and type(value) in (int, float) and math.isfinite(value):
        return float(value)
    if origin is None and type(value) is hint and hint is not float:
        return value
    raise RecordError("wrong type", got=repr(value)[:80], wanted=str(hint), where=pointer)
